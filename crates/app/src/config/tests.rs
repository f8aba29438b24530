//! Precedence, references, secrets from files, and every refusal with its words.

mod dotenv;
mod how_to;
mod registry;
mod snippets;

use std::path::Path;

use base::setting::Origin;

use super::*;

/// One start, written down.
#[derive(Default)]
struct Start {
    file: &'static str,
    variables: Vec<(&'static str, &'static str)>,
    flags: Vec<(&'static str, &'static str)>,
    files: Vec<(&'static str, &'static str)>,
}

impl Start {
    fn load(&self) -> Result<Loaded, Problems> {
        let variables =
            self.variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let flag = |(name, value): &(&str, &str)| Flag {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
        };
        let flags: Vec<Flag> = self.flags.iter().map(flag).collect();
        let read = |path: &Path| {
            let found = self.files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "no such file".to_owned())
        };
        let inputs = Inputs {
            file: Some(("palisade.yaml", self.file)),
            variables: &variables,
            flags: &flags,
            read: &read,
        };
        load(&definitions(), &inputs)
    }

    #[track_caller]
    fn settings(&self) -> Settings {
        self.load().unwrap_or_else(|problems| panic!("{problems}")).settings
    }

    #[track_caller]
    fn problems(&self) -> Vec<Problem> {
        match self.load() {
            Ok(_) => panic!("was accepted"),
            Err(problems) => problems.all,
        }
    }

    #[track_caller]
    fn problem(&self, kind: ProblemKind, name: &str) -> Problem {
        let problems = self.problems();
        let found = problems.iter().find(|problem| problem.kind == kind && &*problem.name == name);
        found.cloned().unwrap_or_else(|| panic!("no {kind:?} {name} in {problems:#?}"))
    }
}

fn file(text: &'static str) -> Start {
    Start { file: text, ..Start::default() }
}

fn variables(variables: &[(&'static str, &'static str)]) -> Start {
    Start { variables: variables.to_vec(), ..Start::default() }
}

/// Settings that exist only here, so that these tests do not change with the product's.
mod made_up {
    use std::time::Duration;

    use base::setting::{Alias, Guide, Refused};
    use base::{Secret, Setting};

    pub static LIFE: Setting<Duration> = Setting::new("test.life", "15m")
        .also(&[
            Alias::seconds("GOTRUE_TEST_EXP", Guide::AppFlowy),
            Alias::same("GOTRUE_TEST_LIFE", Guide::Other),
        ])
        .range("1m", "24h")
        .changes("how long");
    pub static KEY: Setting<Option<Secret<String>>> =
        Setting::unset("test.key").also(&[Alias::same("TEST_KEY", Guide::Fluxbase)]).changes("the key");
    pub static AUDIT: Setting<bool> = Setting::new("test.audit", "true")
        .changes("whether")
        .refuses(&[Refused { value: "false", control: 92, why: "The audit log is always on" }]);
    pub static NAMES: Setting<Vec<String>> = Setting::new("test.names", "").changes("the names");
    pub static LATER: Setting<bool> = Setting::new("test.later", "true").changes("later").not_yet("edge");
}

fn definitions() -> Vec<&'static Definition> {
    let mut all = super::registry::all();
    all.extend([
        &made_up::LIFE.definition,
        &made_up::KEY.definition,
        &made_up::AUDIT.definition,
        &made_up::NAMES.definition,
        &made_up::LATER.definition,
    ]);
    all
}

fn life(settings: &Settings) -> u64 {
    settings.get(&made_up::LIFE).as_secs()
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_the_default() {
    let mut start = Start::default();
    assert_eq!(life(&start.settings()), 900);
    start.file = "test: { life: 20m }";
    assert_eq!(life(&start.settings()), 1_200);
    start.variables = vec![("GOTRUE_TEST_EXP", "1800")];
    assert_eq!(life(&start.settings()), 1_800);
    start.flags = vec![("test.life", "1h")];
    let settings = start.settings();
    assert_eq!(life(&settings), 3_600);
    assert_eq!(settings.origin("test.life"), Origin::Flag { name: "test.life".to_owned() });
}

#[test]
fn an_origin_names_file_line_and_key() {
    let origin = file("# first line\ntest:\n  life: 20m\n").settings().origin("test.life");
    assert_eq!(origin.to_string(), "palisade.yaml:3 test.life");
}

#[test]
fn durations_read_as_each_name_promises() {
    assert_eq!(life(&file("test: { life: 1h30m }").settings()), 5_400);
    assert_eq!(life(&variables(&[("PALISADE_TEST_LIFE", "20m")]).settings()), 1_200);
    let refused = variables(&[("GOTRUE_TEST_EXP", "20m")]).problem(ProblemKind::Value, "GOTRUE_TEST_EXP");
    assert!(refused.what.contains("a whole number of seconds"), "{refused}");
    file("test: { life: 900 }").problem(ProblemKind::Value, "test.life");
}

#[test]
fn two_names_with_different_values_at_one_height_stop_the_start() {
    let start = variables(&[("GOTRUE_TEST_EXP", "1800"), ("PALISADE_TEST_LIFE", "20m")]);
    let problem = start.problem(ProblemKind::Conflict, "PALISADE_TEST_LIFE");
    assert!(
        problem.what.contains("GOTRUE_TEST_EXP") && problem.what.contains("PALISADE_TEST_LIFE"),
        "{problem}"
    );

    let agreeing = variables(&[("GOTRUE_TEST_EXP", "1200"), ("PALISADE_TEST_LIFE", "20m")]);
    assert_eq!(life(&agreeing.settings()), 1_200);
}

#[test]
fn a_reference_takes_the_variable_else_its_file_else_stops_the_start() {
    let mut start = file("test: { key: 'k-${A_SECRET}' }");
    start.problem(ProblemKind::Undefined, "test.key");
    start.variables = vec![("A_SECRET_FILE", "/run/secrets/a")];
    start.problem(ProblemKind::Unreadable, "test.key");
    start.files = vec![("/run/secrets/a", "from-file\n")];
    assert_eq!(start.settings().get(&made_up::KEY).unwrap().expose(), "k-from-file");
    start.variables.push(("A_SECRET", "from-variable"));
    assert_eq!(start.settings().get(&made_up::KEY).unwrap().expose(), "k-from-variable");
}

#[test]
fn a_reference_may_stand_in_a_list_and_a_dollar_may_be_written() {
    let mut start = file("test: { names: ['${A}', 'b$c', '$${A}'] }");
    start.variables = vec![("A", "a")];
    assert_eq!(start.settings().get(&made_up::NAMES), ["a", "b$c", "${A}"]);
    file("test: { names: ['${A'] }").problem(ProblemKind::Syntax, "test.names");
}

#[track_caller]
fn key_from_file(start: Start) {
    let start = Start { files: vec![("/run/secrets/k", "the key\n")], ..start };
    assert_eq!(start.settings().get(&made_up::KEY).unwrap().expose(), "the key");
}

#[test]
fn every_secret_is_read_from_a_file_under_each_of_its_names() {
    key_from_file(variables(&[("PALISADE_TEST_KEY_FILE", "/run/secrets/k")]));
    key_from_file(variables(&[("TEST_KEY_FILE", "/run/secrets/k")]));
    key_from_file(file("test: { key_file: /run/secrets/k }"));
    key_from_file(Start { flags: vec![("test.key_file", "/run/secrets/k")], ..Start::default() });
    variables(&[("TEST_KEY_FILE", "/nowhere")]).problem(ProblemKind::Unreadable, "TEST_KEY_FILE");
}

#[test]
fn no_secret_is_read_from_the_command_line() {
    for value in ["the key", "${A_SECRET}", ""] {
        let flag = Start { flags: vec![("test.key", value)], ..Start::default() };
        let problem = flag.problem(ProblemKind::Refused, "test.key");
        assert!(value.is_empty() || !problem.to_string().contains(value), "{problem}");
        for way in ["palisade.yaml", "PALISADE_TEST_KEY,", "PALISADE_TEST_KEY_FILE", "--test.key_file"] {
            assert!(problem.fix.contains(way), "{problem}");
        }
    }
}

#[test]
fn only_secrets_are_read_from_files() {
    variables(&[("PALISADE_TEST_LIFE_FILE", "/x")]).problem(ProblemKind::Unknown, "PALISADE_TEST_LIFE_FILE");
    file("test: { life_file: /x }").problem(ProblemKind::Unknown, "test.life_file");
}

#[test]
fn an_unknown_name_stops_the_start_and_says_which_was_meant() {
    let problem = file("test:\n  lief: 20m\n").problem(ProblemKind::Unknown, "test.lief");
    assert_eq!(&*problem.place, "palisade.yaml:2");
    assert_eq!(&*problem.fix, "Did you mean test.life?");
    let problem =
        variables(&[("PALISADE_TEST_LIVE", "20m")]).problem(ProblemKind::Unknown, "PALISADE_TEST_LIVE");
    assert_eq!(&*problem.fix, "Did you mean PALISADE_TEST_LIFE?");
    let flag = Start { flags: vec![("test.lif", "1h")], ..Start::default() };
    assert_eq!(&*flag.problem(ProblemKind::Unknown, "test.lif").fix, "Did you mean test.life?");
    file("colour: blue").problem(ProblemKind::Unknown, "colour");
}

#[test]
fn a_foreign_variable_that_changes_nothing_is_listed_and_with_strict_env_refused() {
    let mut start = variables(&[
        ("GOTRUE_TEST_EXPP", "5"),
        ("MINIO_BROWSER", "off"),
        ("HOME", "/root"),
        ("PGRST_DB_URI", "x"),
    ]);
    let loaded = start.load().unwrap();
    let idle: Vec<_> =
        loaded.not_effective.iter().map(|idle| (idle.variable.as_str(), idle.nearest)).collect();
    assert_eq!(idle, [("GOTRUE_TEST_EXPP", Some("GOTRUE_TEST_EXP")), ("MINIO_BROWSER", None)]);

    start.file = "strict_env: true";
    start.problem(ProblemKind::NotEffective, "MINIO_BROWSER");
}

#[test]
fn what_is_not_built_yet_is_refused_by_name_even_at_its_default() {
    let problem = file("test: { later: true }").problem(ProblemKind::NotYet, "test.later");
    assert!(problem.why.contains("\"edge\""), "{problem}");
}

#[test]
fn a_value_that_would_take_away_a_control_is_refused_with_its_number() {
    let problem =
        variables(&[("PALISADE_TEST_AUDIT", "off")]).problem(ProblemKind::Refused, "PALISADE_TEST_AUDIT");
    assert!(problem.why.contains("control 92"), "{problem}");
    assert!(file("test: { audit: true }").settings().get(&made_up::AUDIT));
}

#[test]
fn all_problems_are_reported_at_once() {
    let mut start = file("test: { lief: 1, life: 1s }\ncolour: blue\n");
    start.variables = vec![("PALISADE_TEST_AUDIT", "false")];
    start.flags = vec![("nothing.such", "1")];
    assert_eq!(start.problems().len(), 5);
}

#[test]
fn no_problem_repeats_a_secret() {
    let mut start = file("test: { key: 'hunter2', key_file: /k }");
    start.files = vec![("/k", "hunter3")];
    start.variables = vec![("TEST_KEY", "hunter4"), ("PALISADE_TEST_KEY", "hunter5")];
    let said = start.load().map(|_| ()).unwrap_err().to_string();
    assert!(said.contains("two names of test.key"), "{said}");
    assert!(!said.contains("hunter"), "{said}");
}

#[test]
fn a_section_is_not_a_value_and_a_value_is_not_a_section() {
    file("test: 5").problem(ProblemKind::Value, "test");
    file("test: { life: { minutes: 5 } }").problem(ProblemKind::Value, "test.life");
    file("test: { life: }").problem(ProblemKind::Value, "test.life");
    file("- a").problem(ProblemKind::Syntax, "palisade.yaml");
    assert_eq!(life(&file("test:\n").settings()), 900, "a section with every line commented out");
}

#[test]
fn an_empty_variable_counts_as_unset() {
    assert_eq!(life(&variables(&[("GOTRUE_TEST_EXP", "")]).settings()), 900);
}

#[test]
fn whoever_uses_settings_together_is_asked_before_the_start() {
    let problem = file("server: { cors: { allowed_origins: ['*'], allow_credentials: true } }")
        .problem(ProblemKind::Unsafe, "server.cors.allowed_origins");
    assert!(problem.what.contains("control 73"), "{problem}");
    file("security: { headers: { content_security_policy: \"script-src 'unsafe-inline'\" } }")
        .problem(ProblemKind::Unsafe, "security.headers.content_security_policy");
    file("rate_limiting: { endpoints: [{ path: /api/v1/auth/login, per_minut: 5 }] }")
        .problem(ProblemKind::Unsafe, "rate_limiting.endpoints");
    file("logging: { syslog_address: 'http://logs.example.com' }")
        .problem(ProblemKind::Unsafe, "logging.syslog_address");
    file("metrics: [request_count, requests]").problem(ProblemKind::Unsafe, "metrics");
    file("detection: { jails: [{ name: bots }, { name: bots, max_retry: 3 }] }")
        .problem(ProblemKind::Unsafe, "detection.jails");
    file("detection: { log_file: ../refused.log }").problem(ProblemKind::Unsafe, "detection.log_file");
    let problem = file("detection: { canaries: { paths: ['*'] } }")
        .problem(ProblemKind::Unsafe, "detection.canaries.paths");
    assert!(!problem.why.contains("control"), "{problem}");
}

#[test]
fn the_explanation_shows_origins_and_hides_secrets() {
    let mut start = file("test: { key: hunter2, life: 20m }");
    start.variables = vec![("S3_NONSENSE", "1")];
    let table = explain::table(&definitions(), &start.load().unwrap());
    assert!(!table.contains("hunter2"), "{table}");
    let line = |name: &str| {
        table
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
    };
    assert_eq!(line("test.key"), ["test.key", "set", "palisade.yaml:1", "test.key"]);
    assert_eq!(line("test.life"), ["test.life", "20m", "palisade.yaml:1", "test.life"]);
    assert_eq!(line("NOT EFFECTIVE"), ["NOT", "EFFECTIVE", "S3_NONSENSE", "changes", "nothing", "here"]);
}
