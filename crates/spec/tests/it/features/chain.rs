//! A certificate of one's own with what belongs to it: the rest of its chain, and what its issuer says of it.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use spec::issuer::{Authority, Says};
use spec::{Palisade, TestApp, https};

const HOUR: Duration = Duration::from_secs(3600);

/// Puts a certificate and its key into files; the settings that name them.
fn files(folder: &Path, (cert, key): &(String, String)) -> [(&'static str, String); 2] {
    let (cert_file, key_file) = (folder.join("cert.pem"), folder.join("key.pem"));
    for (path, text) in [(&key_file, key), (&cert_file, cert)] {
        let beside = folder.join("beside");
        std::fs::write(&beside, text).unwrap();
        std::fs::set_permissions(&beside, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::rename(&beside, path).unwrap();
    }
    [
        ("server.tls.cert_file", cert_file.display().to_string()),
        ("server.tls.key_file", key_file.display().to_string()),
    ]
}

fn flags(settings: &[(&'static str, String)]) -> Vec<String> {
    settings.iter().flat_map(|(name, value)| [format!("--{name}"), value.clone()]).collect()
}

/// Loopback may be asked: in these tests only, where the authority is on this machine.
const ALLOWED: (&str, &str) = ("outbound.allow", "127.0.0.0/8");

async fn started(settings: &[(&'static str, String)], more: &[(&'static str, &str)]) -> TestApp {
    let mut builder = TestApp::builder().unlimited().with("server.http_port", "0");
    for (name, value) in settings {
        builder = builder.with(name, value);
    }
    for (name, value) in more {
        builder = builder.with(name, value);
    }
    let app = builder.start().await;
    let now = base::Clock::system().now();
    app.clock.advance(Duration::try_from(now.duration_since(app.clock.now())).unwrap());
    app
}

/// Whether somebody who trusts the root only gets in.
async fn can_be_verified(app: &TestApp, authority: &Authority) -> bool {
    let config = https::trusting(authority.root.as_bytes());
    https::connect(app.running.address, "localhost", &config).await.is_ok()
}

fn trouble(app: &TestApp) -> String {
    app.running.services.tls.clone().unwrap().status().trouble.unwrap_or_default()
}

#[tokio::test]
async fn what_a_chain_lacks_is_fetched_once_and_kept() {
    let authority = Authority::start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = files(folder.path(), &authority.give(Some("ridge.der"), false));
    let app = started(&settings, &[ALLOWED]).await;
    app.eventually(async || can_be_verified(&app, &authority).await).await;
    let asked = authority.asked.load(Ordering::SeqCst);
    assert_eq!(asked, 1);
    // A renewal by somebody else's tool: what is kept completes it too.
    files(folder.path(), &authority.give(Some("ridge.der"), false));
    let tls = app.running.services.tls.clone().unwrap();
    tls.renew().await.unwrap();
    assert!(can_be_verified(&app, &authority).await);
    assert_eq!(tls.facts().unwrap().chain, 2);
    assert_eq!(authority.asked.load(Ordering::SeqCst), asked);
}

#[tokio::test]
async fn a_chain_that_cannot_be_completed_is_shown_to_nobody_and_the_reason_is_told() {
    let authority = Authority::start().await;
    let folder = tempfile::tempdir().unwrap();
    // Somebody else's certificate lies there, nothing lies there, and we may not go there.
    for (at, more, why) in [
        ("summit.der", &[ALLOWED][..], "what is there did not issue it"),
        ("gone.der", &[ALLOWED], "status 404"),
        ("ridge.der", &[], "a loopback address, which is not reached"),
    ] {
        let app = started(&files(folder.path(), &authority.give(Some(at), false)), more).await;
        app.eventually(async || trouble(&app).contains(why)).await;
        assert!(
            trouble(&app).contains("the chain is incomplete: the certificate of CN=Test Ridge is missing")
        );
        assert!(!can_be_verified(&app, &authority).await);
        // Once the operator mends it, it is shown.
        let (cert, key) = authority.give(None, false);
        files(folder.path(), &(cert + &authority.between, key));
        app.clock.advance(HOUR);
        app.eventually(async || can_be_verified(&app, &authority).await).await;
        assert_eq!(trouble(&app), "");
    }
}

#[tokio::test]
async fn whoever_looks_while_somebody_else_fetches_waits_for_what_comes_of_it() {
    let authority = Authority::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = authority.give(None, false);
    let app = started(&files(folder.path(), &(cert + &authority.between, key)), &[ALLOWED]).await;
    let tls = app.running.services.tls.clone().unwrap();
    assert_eq!(trouble(&app), "");
    files(folder.path(), &authority.give(Some("gone.der"), false));
    // A start looks while the regular look may be on its way: it took "nothing new" for "all is well".
    let second = async {
        let _refused_or_seen = tls.keep().await;
        trouble(&app)
    };
    let (_, seen) = tokio::join!(tls.keep(), second);
    assert!(seen.contains("status 404"), "{seen}");
}

#[tokio::test]
async fn a_start_with_a_chain_that_cannot_be_completed_is_refused_and_a_file_of_authorities_completes_it() {
    let authority = Authority::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = files(folder.path(), &authority.give(Some("gone.der"), false)).to_vec();
    settings.push((ALLOWED.0, ALLOWED.1.to_owned()));
    settings.push(("server.http_port", "0".to_owned()));
    let place = tempfile::tempdir().unwrap();
    let refused = tokio::process::Command::new(spec::program::binary())
        .arg("serve")
        .arg("--data")
        .arg(place.path().join("data"))
        .args(["--listen", "127.0.0.1:0"])
        .args(flags(&settings))
        .current_dir(place.path())
        .kill_on_drop(true)
        .output();
    // One that starts after all would run for ever.
    let refused = tokio::time::timeout(std::time::Duration::from_secs(120), refused);
    let refused = refused.await.expect("it neither ended nor was refused").unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("gone.der was asked for it"), "{said}");

    std::fs::write(folder.path().join("trusted.pem"), &authority.between).unwrap();
    settings.push(("server.tls.trusted_ca_file", folder.path().join("trusted.pem").display().to_string()));
    let flags = flags(&settings);
    let palisade = Palisade::start("serve", &flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let port = palisade.ready.url.rsplit_once(':').unwrap().1.parse().unwrap();
    let roots = authority.root.as_bytes();
    https::get(([127, 0, 0, 1], port).into(), "localhost", roots, "/health").await.expect(200);
    assert!(palisade.stop().await.success());
}

/// Whether `text` is in any file below a folder.
fn lies_below(folder: &Path, text: &str) -> bool {
    let entries =
        std::fs::read_dir(folder).map(|entries| entries.flatten().collect()).unwrap_or_else(|_| Vec::new());
    entries.iter().map(|entry| entry.path()).any(|path| match path.is_dir() {
        true => lies_below(&path, text),
        // A socket or what is gone again holds nothing.
        false => {
            std::fs::read(&path).is_ok_and(|held| held.windows(text.len()).any(|at| at == text.as_bytes()))
        }
    })
}

#[tokio::test]
async fn a_certificate_that_a_store_of_secrets_gives_is_shown_and_its_key_lies_in_no_file() {
    let authority = Authority::start().await;
    let (cert, key) = authority.give(None, false);
    let (_, another) = authority.give(None, false);
    let mounted = tempfile::tempdir().unwrap();
    let key_file = mounted.path().join("tls-key");
    // As orchestrators mount them: readable for everybody who is in there.
    std::fs::write(&key_file, &key).unwrap();
    std::fs::set_permissions(&key_file, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();
    let told = |name: &str, value: String| (format!("PALISADE_SERVER_TLS_{name}"), value);
    let given = [
        told("CERT_PEM", cert.clone() + &authority.between),
        told("KEY_PEM_FILE", key_file.display().to_string()),
    ];
    let palisade = Palisade::start_told("serve", &["--server.http_port", "0"], &given).await;
    let port = palisade.ready.url.rsplit_once(':').unwrap().1.parse().unwrap();
    https::get(([127, 0, 0, 1], port).into(), "localhost", authority.root.as_bytes(), "/health")
        .await
        .expect(200);
    let status = palisade.command(&["tls", "status"]).await;
    assert!(String::from_utf8_lossy(&status.stdout).contains("localhost"), "{status:?}");
    let secret = key.lines().nth(1).unwrap();
    assert!(lies_below(mounted.path(), secret), "the test would find it");
    assert!(!lies_below(&palisade.data(), secret) && !palisade.output().contains(secret));
    assert!(palisade.stop().await.success());

    // Half of it, somebody else's key, and both ways at once stop the start, which repeats no key.
    let files = files(mounted.path(), &(cert.clone(), key.clone()));
    let files =
        files.map(|(name, path)| (name.to_uppercase().replace("SERVER.TLS.", "PALISADE_SERVER_TLS_"), path));
    let whole = told("CERT_PEM", cert + &authority.between);
    for (given, why) in [
        (vec![whole.clone()], "a certificate needs its key"),
        (vec![whole.clone(), told("KEY_PEM", another.clone())], "the key is not the certificate's"),
        (vec![whole.clone(), told("KEY_PEM", "-----BEGIN".to_owned() + secret)], "the key is not PEM"),
        ([vec![whole, told("KEY_PEM", key.clone())], files.to_vec()].concat(), "not for us to guess"),
    ] {
        let place = tempfile::tempdir().unwrap();
        let refused = tokio::process::Command::new(spec::program::binary())
            .args(["serve", "--data", "data", "--listen", "127.0.0.1:0", "--server.http_port", "0"])
            .envs(given)
            .current_dir(place.path())
            .kill_on_drop(true)
            .output();
        let refused =
            tokio::time::timeout(Duration::from_secs(60), refused).await.expect("it is refused").unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(78) && said.contains(why), "{why}: {said}");
        assert!(!said.contains(secret) && !said.contains(another.lines().nth(1).unwrap()), "{said}");
    }

    // What leads to the root is fetched for it as well.
    let (cert, key) = authority.give(Some("ridge.der"), false);
    let given = [("server.tls.cert_pem", cert), ("server.tls.key_pem", key)];
    let app = started(&given, &[ALLOWED]).await;
    app.eventually(async || can_be_verified(&app, &authority).await).await;
}

/// What OpenSSL's client sees stapled.
async fn seen_by_openssl(app: &TestApp, authority: &Authority) -> String {
    std::fs::write(authority.path("root.pem"), &authority.root).unwrap();
    let seen = tokio::process::Command::new("openssl")
        .args(["s_client", "-status", "-servername", "localhost", "-verify_return_error", "-CAfile"])
        .arg(authority.path("root.pem"))
        .args(["-connect", &app.running.address.to_string()])
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .unwrap();
    String::from_utf8_lossy(&seen.stdout).into_owned()
}

const STAPLED: &str = "Cert Status: good";
const BARE: &str = "OCSP response: no response sent";

#[tokio::test]
async fn what_the_issuer_says_is_stapled_renewed_and_outlives_its_responder() {
    let authority = Authority::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = authority.give(None, true);
    let settings = files(folder.path(), &(cert + &authority.between, key));
    authority.answer(Says::Good, 2);
    let app = started(&settings, &[ALLOWED]).await;
    app.clock.advance(HOUR);
    app.eventually(async || seen_by_openssl(&app, &authority).await.contains(STAPLED)).await;
    let tls = app.running.services.tls.clone().unwrap();
    let first = tls.status().stapled_until.unwrap();

    // Half of its time later it is asked for again. Answers tell the time in whole seconds of this machine's clock, and one
    // of the same second is no later: then once more, in the minute that lies between two questions.
    app.clock.advance(25 * HOUR);
    app.eventually(async || {
        let is_later = tls.status().stapled_until.is_some_and(|until| until > first);
        if !is_later {
            app.clock.advance(Duration::from_secs(61));
        }
        is_later
    })
    .await;

    // The responder is gone: what it said counts on, and then no longer.
    authority.fall_silent();
    app.clock.advance(12 * HOUR);
    app.eventually(async || tls.status().status_trouble.is_some()).await;
    assert!(seen_by_openssl(&app, &authority).await.contains(STAPLED));
    app.clock.advance(36 * HOUR);
    app.eventually(async || seen_by_openssl(&app, &authority).await.contains(BARE)).await;
    https::get(app.running.address, "localhost", authority.root.as_bytes(), "/health").await.expect(200);

    // It is back.
    authority.answer(Says::Good, 90);
    app.clock.advance(HOUR);
    app.eventually(async || seen_by_openssl(&app, &authority).await.contains(STAPLED)).await;
    assert_eq!(tls.status().status_trouble, None);
}

#[tokio::test]
async fn a_word_against_the_certificate_is_told_and_not_stapled() {
    let authority = Authority::start().await;
    let folder = tempfile::tempdir().unwrap();
    // The issuer is not in the file; the operator names it, as nginx has it (ssl_trusted_certificate).
    let mut settings = files(folder.path(), &authority.give(Some("gone.der"), true)).to_vec();
    std::fs::write(folder.path().join("trusted.pem"), &authority.between).unwrap();
    settings.push(("server.tls.trusted_ca_file", folder.path().join("trusted.pem").display().to_string()));
    authority.answer(Says::Revoked, 2);
    let app = started(&settings, &[ALLOWED]).await;
    app.clock.advance(HOUR);
    let tls = app.running.services.tls.clone().unwrap();
    app.eventually(async || {
        tls.status().status_trouble.is_some_and(|trouble| trouble.contains("has revoked the certificate"))
    })
    .await;
    assert!(seen_by_openssl(&app, &authority).await.contains(BARE));
    app.eventually(async || app.audited("tls.certificate_failed").await).await;
}
