//! The program as scripts and operators drive it: ready file, exit codes, commands, crashes.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};
use spec::{Client, Palisade, program};

/// Sign-ups need no mail in these.
const FLAGS: [&str; 2] = ["--auth.autoconfirm", "true"];

fn client(palisade: &Palisade) -> Client {
    let address = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    let from = std::net::Ipv4Addr::LOCALHOST.into();
    Client::new(address, from).with("apikey", &palisade.ready.publishable_key)
}

pub fn run(words: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let output = Command::new(program::binary())
        .args(words)
        .envs(variables.iter().copied())
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
}

/// Whoever could set `PATH` has not our rights: what we run of the system is the system's, wherever that leads.
#[tokio::test]
async fn a_path_of_somebody_else_chooses_no_program_that_is_run() {
    let for_all = Permissions::from_mode(0o755);
    let home =
        tempfile::Builder::new().prefix("palisade-path-").permissions(for_all.clone()).tempdir().unwrap();
    let bitten = home.path().join("bitten");
    let (folder, script) =
        (home.path().join("bait"), format!("#!/bin/sh\necho \"$0 $*\" >> {}\nexit 1\n", bitten.display()));
    std::fs::create_dir(&folder).unwrap();
    let mut baits =
        vec!["nft", "iptables", "ip6tables", "ip", "ufw", "setpriv", "true", "initdb", "postgres", "sh"];
    // An ordinary user's own says which PostgreSQL they mean.
    if nix::unistd::Uid::effective().is_root() {
        baits.push("pg_config");
    }
    for name in baits {
        std::fs::write(folder.join(name), &script).unwrap();
        std::fs::set_permissions(folder.join(name), for_all.clone()).unwrap();
    }
    std::fs::File::create(&bitten).unwrap().set_permissions(Permissions::from_mode(0o666)).unwrap();
    let path = [folder.display().to_string(), "/usr/bin:/bin".to_owned()].join(":");
    let palisade = Palisade::start_told("serve", &FLAGS, &[("PATH".to_owned(), path.clone())]).await;
    for words in [["doctor", "--json"], ["check", "69"]] {
        let mut command = Command::new(program::binary());
        let output =
            command.args(words).arg("--data").arg(palisade.data()).env("PATH", &path).output().unwrap();
        assert!(output.status.code().is_some_and(|code| code < 2), "{words:?}: {output:?}");
    }
    palisade.stop().await;
    assert_eq!(std::fs::read_to_string(&bitten).unwrap(), "", "what was run");
}

/// A settings file decides which keys are believed: one that somebody else could have written is not read, wherever it was found.
#[test]
fn a_settings_file_that_others_could_have_written_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("palisade.yaml");
    std::fs::write(&file, "jobs: { workers: 7 }").unwrap();
    let explain = |named: bool| {
        let mut command = Command::new(program::binary());
        command.args(["config", "explain"]).current_dir(place.path());
        if named {
            command.arg("--config").arg(&file);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code().unwrap(), said)
    };
    for named in [false, true] {
        for (mode, fix) in
            [(0o600, None), (0o644, None), (0o664, Some("chmod go-w")), (0o602, Some("chmod go-w"))]
        {
            std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            let (code, said) = explain(named);
            let is_read = said.lines().any(|line| line.contains("jobs.workers") && line.contains(" 7 "));
            assert_eq!(
                (code, is_read),
                if fix.is_some() { (78, false) } else { (0, true) },
                "{mode:o}: {said}"
            );
            assert!(fix.is_none_or(|fix| said.contains(fix) && said.contains("why  ")), "{said}");
        }
    }
    // Only root can give a file away.
    if nix::unistd::Uid::effective().is_root() {
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::chown(&file, Some(65_534), None).unwrap();
        for named in [false, true] {
            let (code, said) = explain(named);
            assert!(code == 78 && said.contains("uid 65534") && said.contains("chown 0 "), "{said}");
        }
    }
}

/// So does a file with a secret. One that all may read is told, unless it is what a container is given.
#[test]
fn a_secret_file_that_others_could_have_written_is_refused_and_one_that_all_may_read_is_told() {
    let place = tempfile::tempdir().unwrap();
    // As Kubernetes mounts them: a link to a folder that is exchanged.
    let (file, mounted) = (place.path().join("..data"), place.path().join("jwt"));
    std::fs::write(&file, "00ab80df1b1b20bf12591a3dae9cbc0dec38754436db02b3d94473fd593ed27b").unwrap();
    std::os::unix::fs::symlink("..data", &mounted).unwrap();
    let check = || {
        let mut command = Command::new(program::binary());
        command.args(["config", "check"]).current_dir(place.path()).env("JWT_SECRET_FILE", &mounted);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!said.contains("00ab80df1b1b"), "{said}");
        (output.status.code().unwrap(), said)
    };
    let is_root = nix::unistd::Uid::effective().is_root();
    for (mode, code, told) in [
        (0o600, 0, false),
        (0o640, 0, false),
        (0o444, 0, !is_root),
        (0o644, 0, true),
        (0o646, 78, false),
        (0o660, 78, false),
    ] {
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let (exit, said) = check();
        assert_eq!((exit, said.contains("READ BY ALL")), (code, told), "{mode:o}: {said}");
        assert!(exit == 0 || (said.contains("chmod go-w") && said.contains("JWT_SECRET_FILE")), "{said}");
    }
    if is_root {
        std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&file, Some(65_534), None).unwrap();
        let (exit, said) = check();
        assert!(exit == 78 && said.contains("uid 65534"), "{said}");
    }
}

/// What the running program writes to its log, as the operator is told.
async fn log_level(palisade: &Palisade) -> String {
    let log = app::control::ask(&palisade.data(), http::Method::GET, "/log", None).await.unwrap();
    log["level"].as_str().unwrap().to_owned()
}

/// A reload (SIGHUP) is all or nothing: of a file that could not be started with nothing is taken over.
#[tokio::test]
async fn a_reload_with_a_refused_settings_file_keeps_the_settings_in_force() {
    const REFUSED: &str = "the settings were not read again; the running ones stay in force";
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("palisade.yaml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write("logging: { level: warn }");
    let palisade = Palisade::start("serve", &["--config", file.to_str().unwrap()]).await;
    let hang_up = || {
        let pid = i32::try_from(palisade.pid().unwrap()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGHUP).unwrap();
    };
    let refused = || palisade.output().matches(REFUSED).count();
    assert_eq!(log_level(&palisade).await, "warn");
    for (number, (what, text, mode)) in [
        ("a name that is none", "logging: { level: debug }\nloging: { level: debug }", 0o600),
        ("a value that is none", "logging: { level: debug }\njobs: { workers: many }", 0o600),
        ("no YAML", "logging: { level: debug", 0o600),
        (
            "settings that contradict each other",
            "logging: { level: debug }\ndetection: { jails: [{ name: x }] }",
            0o600,
        ),
        (
            "a file that is not there",
            "logging: { level: debug }\nserver: { tls: { cert_file: /nonexistent, key_file: /nonexistent } }",
            0o600,
        ),
        ("a file that others may write to", "logging: { level: debug }", 0o666),
        (
            "a variable that is not set",
            "logging: { level: debug }\nauth: { site_url: \"${NOT_SET_ANYWHERE}\" }",
            0o600,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        write(text);
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        hang_up();
        for _ in 0..400 {
            if refused() > number {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        assert_eq!(refused(), number + 1, "{what}: {}", palisade.output());
        assert_eq!(log_level(&palisade).await, "warn", "{what}");
        client(&palisade).get("/health").await.expect(200);
    }
    // A file that is none of these is read.
    write("logging: { level: debug }");
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    hang_up();
    for _ in 0..400 {
        if log_level(&palisade).await == "debug" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(log_level(&palisade).await, "debug", "{}", palisade.output());
    assert!(palisade.stop().await.success());
}

#[tokio::test]
async fn row_113_a_kill_of_the_program_loses_no_account_and_a_kill_of_postgres_is_survived() {
    let palisade = Palisade::start("serve", &FLAGS).await;
    let body = json!({ "email": "ann@example.com", "password": spec::person::PASSWORD });
    client(&palisade).post("/auth/v1/signup", body.clone()).await.expect(200);

    let palisade = palisade.kill_and_start_again("serve", &FLAGS).await;
    client(&palisade).post("/auth/v1/token?grant_type=password", body.clone()).await.expect(200);

    let pid = std::fs::read_to_string(palisade.data().join("postgres/cluster/postmaster.pid")).unwrap();
    let postgres = nix::unistd::Pid::from_raw(pid.lines().next().unwrap().trim().parse().unwrap());
    nix::sys::signal::kill(postgres, nix::sys::signal::Signal::SIGKILL).unwrap();
    let mut last = 0;
    for _ in 0..200 {
        last = client(&palisade).at("127.0.0.9").get("/ready").await.status.as_u16();
        let signed_in = client(&palisade).get("/rest/v1/").await.status.as_u16();
        if last == 200 && signed_in == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(last, 200, "it did not come back:\n{}", palisade.output());
    let verdict = palisade.command(&["audit", "verify"]).await;
    assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&verdict.stdout));
    assert!(palisade.stop().await.success());
}

#[tokio::test]
async fn the_ready_file_is_private_and_true_and_the_terminal_shows_no_secret() {
    let palisade = Palisade::start("serve", &FLAGS).await;
    let file = palisade.data().parent().unwrap().join("ready.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let jwks = palisade.ready.jwks_url.strip_prefix(&palisade.ready.url).unwrap().to_owned();
    let keys = client(&palisade).get(&jwks).await.expect(200).value();
    assert_eq!(keys["keys"][0]["alg"], "ES256");
    assert!(!palisade.output().contains(&palisade.ready.secret_key));
    let secret = palisade.data().join("keys/secret_key");
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&secret).unwrap().trim(), palisade.ready.secret_key);
    assert!(palisade.stop().await.success());
    assert!(!file.exists(), "a ready file names a server that is there");
}

#[tokio::test]
async fn row_35_an_administrator_is_made_by_a_link_that_works_once() {
    let palisade = Palisade::start("serve", &[]).await;
    let made = palisade.command(&["admin", "create", "root@example.com"]).await;
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    let link = said.lines().last().unwrap().trim().strip_prefix(&palisade.ready.url).unwrap().to_owned();
    for _ in 0..3 {
        client(&palisade).get(&link).await.expect(200);
    }
    let page = client(&palisade).get(&link).await.expect(200).text();
    let secret = page.split("type <code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let code = testkit::totp(&secret, base::Clock::system().unix_seconds());
    let (path, token) = link.split_once("?token=").unwrap();
    let form = format!("token={token}&code={code}&password={}", "Correct-Horse-7-Battery%21");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let send = async || client(&palisade).send(http::Method::POST, path, &headers, form.clone().into()).await;
    send().await.expect(200);
    send().await.expect(400);
    let body = json!({ "email": "root@example.com", "password": spec::person::PASSWORD });
    let session =
        client(&palisade).post("/auth/v1/token?grant_type=password", body).await.expect(200).value();
    assert_eq!(session["user"]["role"], "dashboard_admin");
}

#[test]
fn what_cannot_be_started_with_ends_with_78_and_says_what_to_do() {
    let refused = |words: &[&str], variables: &[(&str, &str)], expected: &str| {
        let (code, said) = run(words, variables);
        assert_eq!(code, 78, "{words:?}: {said}");
        assert!(said.contains(expected), "{words:?}: {said}");
    };
    refused(&["config", "check", "--auth.access_token_expire", "5m"], &[], "access_token_expiry");
    refused(&["config", "check"], &[("PALISADE_AUTH_ACCESS_TOKEN_EXPIRE", "5m")], "ACCESS_TOKEN_EXPIRY");
    refused(&["config", "check", "--logging.log_data_access", "true"], &[], "not yet effective");
    refused(&["config", "check", "--logging.audit_enabled", "false"], &[], "audit");
    refused(
        &["config", "check", "--server.cors.allowed_origins", "*", "--server.cors.allow_credentials", "true"],
        &[],
        "73",
    );
    refused(
        &["config", "check"],
        &[("JWT_SECRET", "your-super-secret-jwt-token-with-at-least-32-characters-long")],
        "jwt_secret",
    );
    refused(
        &["config", "check"],
        &[("PALISADE_DATABASE_URL", "postgres://u:p@db.example.com/x?sslmode=disable")],
        "plaintext",
    );
    for (flags, expected) in [
        (["--alerts.webhook_url", "https://hooks.example.com/palisade"], "alerts.webhook_secret"),
        (["--alerts.rules", "[{name: failed_logins, events: [auth.login_failed]}]"], "stands there already"),
        (["--contacts.file", "/nowhere/contacts.yaml"], "/nowhere/contacts.yaml"),
        (["--outbound.ca_file", "/nowhere/ca.pem"], "/nowhere/ca.pem"),
        (["--graphql.documents_file", "/nowhere/documents.json"], "/nowhere/documents.json"),
        (["--sms.provider", "twilio"], "twilio"),
        (["--sms.template", "no code in it"], "sms.template"),
    ] {
        refused(&[&["config", "check"], &flags[..]].concat(), &[], expected);
    }
    let mail = ["--email.smtp_host", "mail.example.com", "--email.smtp_ca_file", "/nowhere/mail.pem"];
    refused(&[&["config", "check"], &mail[..]].concat(), &[], "/nowhere/mail.pem");
    refused(&[&["config", "check"], &mail[..2]].concat(), &[], "email.from_address");
    let half = [&["config", "check"], &mail[..2], &["--email.smtp_user", "us"]].concat();
    refused(&half, &[], "email.smtp_password is missing");
}

#[test]
fn a_secret_on_the_command_line_is_refused_by_name_and_not_repeated() {
    let providers = r#"[{"id":"x","issuer":"https://idp.example.com","client_id":["a"],"client_secret":"hunter2-hunter2"}]"#;
    for (flag, value) in [
        ("email.smtp_password", "hunter2-hunter2"),
        ("database.url", "postgres://u:hunter2-hunter2@db.example.com/x"),
        ("auth.external.github.secret", "hunter2-hunter2"),
        ("logging.otlp_headers", "authorization=hunter2-hunter2"),
        ("auth.oidc_providers", providers),
    ] {
        for words in [vec![format!("--{flag}={value}")], vec![format!("--{flag}"), value.to_owned()]] {
            let words: Vec<&str> =
                ["config", "check"].into_iter().chain(words.iter().map(String::as_str)).collect();
            let (code, said) = run(&words, &[]);
            assert_eq!(code, 78, "{said}");
            assert!(said.contains(flag) && said.contains("is no flag"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "hunter2-hunter2").unwrap();
    let (code, said) =
        run(&["config", "check", "--email.smtp_password_file", file.path().to_str().unwrap()], &[]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_listener_off_loopback_and_a_conformance_run_on_real_data_are_refused() {
    let data = tempfile::tempdir().unwrap();
    let place = data.path().to_str().unwrap();
    let (code, said) = run(&["serve", "--data", place, "--listen", "0.0.0.0:0"], &[]);
    assert_eq!(code, 78, "{said}");
    assert!(said.contains("without TLS"), "{said}");
    std::fs::create_dir(data.path().join("postgres")).unwrap();
    let uri = [("PGRST_DB_URI", "postgres://u@127.0.0.1:1/x")];
    let (code, said) =
        run(&["serve", "--profile", "conformance", "--data", place, "--listen", "127.0.0.1:0"], &uri);
    assert_eq!(code, 78, "{said}");
    let (code, _) = run(&["serve", "--profile", "conformance", "--listen", "0.0.0.0:0"], &uri);
    assert_eq!(code, 78);
}

#[test]
fn a_command_without_a_server_says_where_it_looked() {
    let (code, said) = run(&["posture", "--data", "/nonexistent"], &[]);
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("/nonexistent") && said.contains("palisade serve"), "{said}");
}

#[tokio::test]
async fn sign_up_without_mail_is_refused_by_name_in_serve() {
    let palisade = Palisade::start("serve", &[]).await;
    let body = json!({ "email": "ann@example.com", "password": spec::person::PASSWORD });
    let refused: Value = client(&palisade).post("/auth/v1/signup", body).await.value();
    assert!(refused["msg"].as_str().unwrap().contains("mail"), "{refused}");
}

/// What stands in somebody's first report must be true of their server, not of one that has mail and everything set.
#[tokio::test]
async fn a_new_server_fails_at_nothing() {
    let palisade = Palisade::start("serve", &["--monitoring.port", "0"]).await;
    let said = palisade.command(&["posture", "--json"]).await;
    let told: Value = serde_json::from_slice(&said.stdout)
        .unwrap_or_else(|error| panic!("{error}: {said:?}\n{}", palisade.output()));
    let controls = told["controls"].as_array().unwrap();
    // Known and unknown people are told apart by time, which beside all other tests is nobody's.
    // And which minor release of PostgreSQL there is to install is the machine's affair.
    let elsewhere = |one: &Value| {
        let lines: Vec<&str> = one["evidence"].as_str().unwrap_or_default().lines().collect();
        one["number"] == 126
            || one["number"] == 50
                && lines
                    .iter()
                    .all(|line| !line.starts_with("NOT SO") || line.starts_with("NOT SO: PostgreSQL "))
    };
    let failing: Vec<&Value> =
        controls.iter().filter(|one| one["state"] == "failing" && !elsewhere(one)).collect();
    assert!(failing.is_empty(), "{failing:#?}");
    assert!(controls.iter().filter(|one| one["state"] == "proven").count() > 80, "{told:#}");
}

#[tokio::test]
async fn mails_are_listed_and_read_before_anybody_gets_one() {
    let palisade = Palisade::start("serve", &FLAGS).await;
    let say = async |words: &[&str]| {
        let output = palisade.command(words).await;
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
    };
    let (code, list) = say(&["mails", "list"]).await;
    assert_eq!(code, 0, "{list}");
    assert!(list.lines().any(|line| line == "magic_link") && list.contains("in: de, en"), "{list}");
    for kind in list.lines().take_while(|line| !line.starts_with("in: ")) {
        let (code, mail) = say(&["mails", "preview", kind]).await;
        assert!(code == 0 && mail.starts_with("Subject: ") && !mail.contains("{{"), "{kind}: {mail}");
    }
    let (_, german) = say(&["mails", "preview", "recovery", "--locale", "de-AT"]).await;
    assert!(german.starts_with("Subject: Neues Passwort"), "{german}");
    let (code, html) = say(&["mails", "preview", "recovery", "--html"]).await;
    assert!(code == 0 && html.contains("href=\"") && !html.starts_with("Subject"), "{html}");
    let (code, odd) = say(&["mails", "preview", "nonsense"]).await;
    assert_ne!(code, 0, "{odd}");
    assert!(palisade.stop().await.success());
}
