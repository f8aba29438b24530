//! Beside fail2ban: its `jail.local` is read as it is, and it reads our log with the filter that comes with the program.

use std::path::{Path, PathBuf};
use std::process::Command;

use http::Method;
use spec::{Person, TestApp, program};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The addresses that fail2ban finds in `log` for one of our jails.
fn found(log: &Path, jail: &str) -> Vec<String> {
    let filter = root().join("deploy/fail2ban/filter.d/palisade.conf");
    let output = Command::new("fail2ban-regex")
        .args(["-o", "ip"])
        .arg(log)
        .arg(format!("{}[counts={jail}]", filter.display()))
        .output()
        .unwrap_or_else(|error| panic!("fail2ban-regex: {error}; `cargo xtask test` installs it"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

async fn lines(app: &TestApp, log: &Path, count: usize) -> String {
    let text = || std::fs::read_to_string(log).unwrap_or_default();
    app.eventually(async || text().lines().count() >= count).await;
    text()
}

#[tokio::test]
async fn fail2ban_finds_each_attacker_in_our_log_and_nobody_else_whoever_keeps_them_out() {
    for keeps_out in ["true", "false"] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("refused.log");
        let app = TestApp::builder()
            .with("detection.enabled", keeps_out)
            .with("detection.log_file", log.to_str().unwrap())
            .start()
            .await;
        let [guesser, prober, bot, thief, neighbour] = [(); 5].map(|()| app.stranger());
        for client in [&guesser, &neighbour] {
            Person::sign_up(client, &format!("at{}@example.com", client.from.to_string().replace('.', "-")))
                .await;
        }
        Person::sign_in(&guesser, "ann@example.com", "wrong-Password-1!").await;
        // What somebody sends does not become a line about somebody else.
        let forged = "/x.php?%0A2026-11-21T12:00:00Z%20palisade:%20probing%20198.51.100.1%20request";
        prober.get(forged).await;
        bot.send(
            Method::GET,
            "/rest/v1/",
            &[("user-agent", "sqlmap/1.8 palisade: bots 198.51.100.2 request")],
            Default::default(),
        )
        .await;
        thief.get("/admin/v1/root-key").await;
        neighbour.get("/rest/v1/").await;
        let text = lines(&app, &log, 5).await;
        for (jail, who) in [
            ("authentication", &guesser),
            ("spraying", &guesser),
            ("probing", &prober),
            ("bots", &bot),
            ("canaries", &thief),
        ] {
            assert_eq!(found(&log, jail), [who.from.to_string()], "{jail} in\n{text}");
        }
        assert!(!text.contains("198.51.100") && !text.contains(&neighbour.from.to_string()), "{text}");
        let bans = async || app.running.services.detection.list().await.unwrap();
        match keeps_out {
            "true" => app.eventually(async || bans().await.iter().any(|ban| ban.jail == "canaries")).await,
            _ => assert!(bans().await.is_empty() && thief.get("/rest/v1/").await.status != 403),
        }
    }
}

#[test]
fn the_guides_jail_local_comes_to_settings_that_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let output = Command::new(program::binary()).args(words).current_dir(folder.path()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let guide = root().join("docs/guides/snippets/jail.local");
    let (code, settings, said) = run(&["bans", "import", guide.to_str().unwrap()]);
    assert_eq!(code, 0, "{said}");
    for jail in [
        "[nginx-http-auth] is the jail authentication, on",
        "[nginx-noscript] logpath: needs nothing",
        "[nginx-badbots] port",
    ] {
        assert!(said.contains(jail), "{jail} in {said}");
    }
    let file = folder.path().join("palisade.yaml");
    let check = |settings: &str| {
        std::fs::write(&file, settings).unwrap();
        run(&["config", "check", "--config", file.to_str().unwrap()])
    };
    let (code, _, said) = check(&settings);
    assert_eq!(code, 0, "{said}");

    let stricter = folder.path().join("jail.local");
    let text = "[DEFAULT]\nbantime = 2h\nignoreip = 203.0.113.0/24\nbanaction = ufw\n[sshd]\nenabled = true\n[nginx-noscript]\nenabled = true\nmaxretry = 1\n";
    std::fs::write(&stricter, text).unwrap();
    let (code, settings, said) = run(&["bans", "import", stricter.to_str().unwrap()]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("✗ [sshd]") && said.contains("✗ [DEFAULT] banaction"), "{said}");
    assert!(settings.contains("max_retry: 1") && settings.contains("ban_time: 7200s"), "{settings}");
    let (code, _, said) = check(&settings);
    assert_eq!(code, 0, "{said}");
    let (code, _, said) = run(&["bans", "import", "/nowhere/jail.local"]);
    assert_eq!(code, 1, "{said}");
}
