//! Every built control is proven on a running instance, and each probe turns red when its protection is taken away there.

mod administrators;
mod alerts;
mod bans;
mod between;
mod certificates;
pub(crate) mod encryption;
mod exposure;
mod factors;
mod guests;
mod isolation;
mod keys;
mod logs;
mod metrics;
mod passwords;
mod roles;
mod saml;
mod start;
mod statements;
mod store;
mod validation;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use posture::{Bench, Encryption, Finding, Place, Seat, State, probes};
use spec::{TestApp, TestAppBuilder};

/// A bench over a running instance, as the program itself lays one.
pub(crate) fn bench(app: &TestApp) -> Bench {
    let running = &app.running;
    Bench::new(Place {
        address: running.address,
        secure: running.url.starts_with("https://"),
        encryption: Encryption {
            tls: Seat::Socket(app.data().join("https.sock")),
            plain: Seat::Socket(app.data().join("http.sock")),
            own_tls: Seat::Socket(app.data().join("https.sock")),
            name: "localhost".to_owned(),
            key_file: None,
            roots: None,
        },
        metrics: running.metrics.clone(),
        metrics_taken: running.metrics_taken.clone(),
        logs_gathered: std::time::Duration::from_secs(60),
        metrics_aside: Some(app.data().join("metrics.sock")).filter(|path| path.exists()),
        admin_aside: Some(app.data().join("admin.sock")).filter(|path| path.exists()),
        admins: running.admin_address,
        admins_asked: false,
        nftables: false,
        publishable_key: base::Secret::from(running.keys.publishable.as_str()),
        secret_key: running.keys.secret.clone(),
        database: app.database.target(),
        embedded: true,
        data: app.data().to_owned(),
        program: spec::program::binary(),
        origin: None,
        audit_file: None,
        redis: None,
        authorities: Vec::new(),
        audit: Some(running.services.audit.clone()),
        clock: app.clock.clock(),
        rng: base::Rng::system(),
    })
}

pub(crate) async fn look(app: &TestApp, control: u16) -> Finding {
    look_from(bench(app), control).await
}

pub(crate) async fn look_from(mut bench: Bench, control: u16) -> Finding {
    let finding = posture::run::try_one(&bench, probes::find(control).unwrap()).await;
    bench.clear().await.unwrap();
    finding
}

#[track_caller]
pub(crate) fn is(finding: &Finding, state: State, what: &str) {
    assert_eq!(finding.state, state, "{what}:\n{}", finding.evidence);
}

/// Red because the protection was missed, not because the probe could not look.
#[track_caller]
pub(crate) fn misses(finding: &Finding, what: &str) {
    is(finding, State::Failing, what);
    assert!(!finding.evidence.starts_with("could not be tried"), "{what}:\n{}", finding.evidence);
}

/// Proven as it is; failing after `away`, which acts on the running instance.
async fn turns_red(control: u16, away: &str) {
    let app = TestApp::start().await;
    is(&look(&app, control).await, State::Proven, "as it is");
    app.database.admin().await.batch_execute(away).await.unwrap_or_else(|error| panic!("{away}: {error:?}"));
    misses(&look(&app, control).await, away);
}

/// Failing on an instance that was started with the protection loosened.
async fn is_red_with(control: u16, builder: TestAppBuilder) {
    let app = builder.start().await;
    misses(&look(&app, control).await, "loosened");
}

/// A trigger that makes a change not happen.
fn never(before: &str, table: &str, condition: &str) -> String {
    format!(
        "CREATE FUNCTION palisade.never() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS \
         $$ BEGIN IF {condition} THEN RETURN NULL; END IF; RETURN coalesce(new, old); END $$; \
         CREATE TRIGGER aaa_never BEFORE {before} ON {table} FOR EACH ROW EXECUTE FUNCTION palisade.never()"
    )
}

#[tokio::test]
async fn long_lived_access_tokens_are_seen() {
    is(&look(&TestApp::start().await, 27).await, State::Proven, "as it is");
    is_red_with(27, TestApp::builder().with("auth.access_token_expiry", "2h")).await;
}

#[tokio::test]
async fn sessions_that_never_end_are_seen() {
    is(&look(&TestApp::start().await, 28).await, State::Proven, "as it is");
    let endless =
        TestApp::builder().with("auth.refresh_token_expiry", "3650d").with("auth.session_max", "3650d");
    is_red_with(28, endless).await;
}

#[tokio::test]
async fn a_family_that_survives_reuse_is_seen() {
    turns_red(29, &never("DELETE", "auth.sessions", "true")).await;
}

#[tokio::test]
async fn a_token_that_survives_signing_out_is_seen() {
    turns_red(30, &never("DELETE", "auth.sessions", "true")).await;
}

#[tokio::test]
async fn a_login_role_with_rights_is_seen_on_the_running_instance() {
    turns_red(50, "GRANT USAGE ON SCHEMA auth TO authenticator; GRANT SELECT ON auth.users TO authenticator")
        .await;
    turns_red(51, "GRANT CREATE ON SCHEMA public TO authenticated").await;
}

#[tokio::test]
async fn a_pool_without_the_cap_is_seen() {
    is(&look(&TestApp::start().await, 55).await, State::Proven, "as it is");
    is_red_with(55, TestApp::builder().with("database.max_connections", "90")).await;
    for much in ["0", "'2h'", "3600000"] {
        let app = TestApp::start().await;
        let role = format!("ALTER ROLE anon IN DATABASE \"{}\"", app.database.name());
        app.admin(&format!("{role} set statement_timeout = {much}")).await;
        is(&look(&app, 55).await, State::Failing, much);
        app.admin(&format!("{role} set statement_timeout = '20s'")).await;
        is(&look(&app, 55).await, State::Proven, "an administrator's own, and a bound");
    }
}

#[tokio::test]
async fn limits_that_are_off_are_seen() {
    let app = TestApp::start().await;
    for control in [71, 72] {
        is(&look(&app, control).await, State::Proven, "as it is");
    }
    let app = TestApp::builder().unlimited().start().await;
    for control in [71, 72] {
        is(&look(&app, control).await, State::Failing, "off");
    }
}

#[tokio::test]
async fn an_open_door_for_every_origin_is_seen() {
    is(&look(&TestApp::start().await, 73).await, State::Proven, "as it is");
    is_red_with(73, TestApp::builder().with("server.cors.allowed_origins", "*")).await;
}

#[tokio::test]
async fn a_changed_audit_log_is_seen() {
    turns_red(92, "UPDATE audit.log SET actor = 'nobody' WHERE seq = 1").await;
}

#[tokio::test]
async fn an_audit_log_that_others_read_or_write_is_seen() {
    turns_red(92, "GRANT SELECT ON audit.log TO authenticated").await;
    turns_red(92, "GRANT DELETE ON audit.log TO palisade_system").await;
}

#[tokio::test]
async fn events_that_are_lost_are_seen() {
    turns_red(93, &never("INSERT", "audit.inbox", "new.body LIKE '%auth.login_failed%'")).await;
    turns_red(95, &never("INSERT", "audit.inbox", "new.body LIKE '%auth.login_failed%'")).await;
    turns_red(97, &never("INSERT", "audit.inbox", "new.body LIKE '%admin.role_change%'")).await;
    turns_red(98, &never("INSERT", "audit.inbox", "new.body LIKE '%auth.logout%'")).await;
}

#[tokio::test]
async fn an_audit_file_that_gets_nothing_or_is_open_is_seen() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().canonicalize().unwrap().join("audit.jsonl");
    let app = TestApp::builder().with("logging.audit_log_file", &file.display().to_string()).start().await;
    let mut bench = bench(&app);
    let probe = probes::find(94).unwrap();
    is(&posture::run::try_one(&bench, probe).await, State::NeedsYou, "without a file");
    bench.place.audit_file = Some(file.clone());
    is(&posture::run::try_one(&bench, probe).await, State::Proven, "with a file");

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    is(&posture::run::try_one(&bench, probe).await, State::Failing, "others may write it");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    is(&posture::run::try_one(&bench, probe).await, State::Failing, "nothing can be written");
    // Nobody can be removed either: what must be recorded and cannot be does not happen.
    assert!(bench.clear().await.is_err());
}

#[tokio::test]
async fn a_password_in_a_log_is_seen() {
    let app = TestApp::start().await;
    is(&look(&app, 101).await, State::Proven, "as it is");

    let mut leaking = bench(&app);
    let log = app.data().join("requests.log");
    let write_down = move |head: String| {
        let mut file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        file.write_all(head.as_bytes()).unwrap();
        head
    };
    leaking.place.address = between::put(app.running.address, write_down, |answer| answer).await;
    misses(&look_from(leaking, 101).await, "everything that is sent is written to a file");
}

#[tokio::test]
async fn a_password_in_any_table_of_ours_is_seen() {
    let app = TestApp::start().await;
    app.admin("create table alerts.heard (said text); alter table alerts.heard owner to palisade_system")
        .await;
    let admin = app.database.admin().await;
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel::<String>();
    tokio::spawn(async move {
        while let Some(head) = hears.recv().await {
            admin.execute("insert into alerts.heard values ($1)", &[&head]).await.unwrap();
        }
    });
    let mut leaking = bench(&app);
    let write_down = move |head: String| {
        heard.send(head.clone()).unwrap();
        head
    };
    leaking.place.address = between::put(app.running.address, write_down, |answer| answer).await;
    misses(&look_from(leaking, 101).await, "everything that is sent is written to a table");
}

#[tokio::test]
async fn a_round_that_was_cut_short_leaves_nothing_behind() {
    let app = TestApp::start().await;
    let cut = bench(&app);
    cut.tenant().await.unwrap();
    drop(cut);
    let left = "SELECT (SELECT count(*) FROM pg_proc WHERE proname LIKE 'palisade\\_probe\\_%') \
                + (SELECT count(*) FROM auth.users WHERE email LIKE '%@probe.palisade.invalid')";
    let admin = app.database.admin().await;
    assert_eq!(admin.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 4);
    let next = bench(&app);
    drop(next.begin().await.unwrap());
    assert_eq!(admin.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
}
