//! Mails in the operator's own words: they arrive, and what could not arrive stops the start.

use std::path::Path;
use std::process::Command;

use serde_json::json;
use spec::person::PASSWORD;
use spec::{TestApp, program};
use tempfile::TempDir;

use super::links::press;

fn directory(files: &[(&str, &str)]) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(place.path().join(name), text).unwrap();
    }
    place
}

#[tokio::test]
async fn the_operators_words_arrive_in_place_of_ours_and_their_code_and_link_work() {
    let words = "Subject: Salut {{ .Email }}\n\nTon code, pour {{ .SiteURL }} :\n\n{{ .Token }}\n\n{{ .ConfirmationURL }}\n";
    let place = directory(&[
        ("confirmation.txt", words),
        ("confirmation.html", "<p class=\"ours\">{{ .Data.name }}: <b>{{ .Token }}</b></p>"),
        ("magic_link.de.txt", "Subject: Ihr Weg hinein\n\n{{ Token }}"),
    ]);
    let app = TestApp::builder()
        .serving()
        .with("email.templates_dir", &place.path().display().to_string())
        .with("email.subject_recovery", "A way back to {{ .SiteURL }}")
        .start()
        .await;
    let body = json!({ "email": "ann@example.com", "password": PASSWORD, "data": { "name": "<i>Ann</i>" } });
    app.stranger().post("/auth/v1/signup", body).await.expect(200);
    let mail = app.mail("ann@example.com", 1).await;
    assert_eq!(mail.subject, "Salut ann@example.com");
    assert!(mail.text.starts_with("Ton code, pour https://app.example.com :"), "{}", mail.text);
    let html = format!("<p class=\"ours\">&lt;i&gt;Ann&lt;&#x2f;i&gt;: <b>{}</b></p>", mail.code());
    assert_eq!(mail.html.trim(), html, "what somebody says of themselves is text there too");
    let verify = json!({ "type": "signup", "email": "ann@example.com", "token": mail.code() });
    app.stranger().post("/auth/v1/verify", verify).await.expect(200);
    let german = json!({ "email": "bob@example.com", "password": PASSWORD, "data": { "locale": "de-AT" } });
    app.stranger().post("/auth/v1/signup", german).await.expect(200);
    let done = press(&app.stranger(), &app.mail("bob@example.com", 1).await).await.expect(303);
    assert!(done.header("location").contains("#access_token="), "{}", done.header("location"));
    // Another language of its own, and what the operator said nothing of is ours, but for its subject.
    app.stranger().post("/auth/v1/otp", json!({ "email": "ann@example.com" })).await.expect(200);
    let ours = app.mail("ann@example.com", 2).await;
    assert!(ours.subject != "Ihr Weg hinein" && !ours.text.starts_with("Ton code"), "{}", ours.whole);
    app.stranger().post("/auth/v1/otp", json!({ "email": "bob@example.com" })).await.expect(200);
    assert_eq!(app.mail("bob@example.com", 2).await.subject, "Ihr Weg hinein");
    app.stranger().post("/auth/v1/recover", json!({ "email": "ann@example.com" })).await.expect(200);
    let back = app.mail("ann@example.com", 3).await;
    assert_eq!(back.subject, "A way back to https://app.example.com");
    assert!(back.text.contains("/auth/v1/verify?token="), "{}", back.text);
}

/// What the program says to `words` and these settings, and with which code it ends.
fn said(words: &[&str], flags: &[(&str, &str)], variables: &[(&str, &str)]) -> (i32, String) {
    let mut command = Command::new(program::binary());
    command.args(words).envs(variables.iter().copied()).current_dir(std::env::temp_dir());
    for (name, value) in flags {
        command.arg(format!("--{name}={value}"));
    }
    let output = command.output().unwrap();
    let all = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&all).into_owned())
}

#[test]
fn words_that_could_not_arrive_stop_the_start_before_anything_is_begun_and_say_what_why_and_how() {
    let long = "x".repeat(300_000);
    let cases: [(&str, &str, &[&str]); 7] = [
        ("recovery.html", "<p>{{ .Tokn }}</p>", &["names Tokn", "ConfirmationURL", "TokenHash"]),
        ("recovery.html", "<p>{{ .Token</p>", &["is wrong: syntax error", "{% if"]),
        ("recovery.txt", "no subject", &["Subject: …"]),
        ("recovery.txt", "Subject: x\nBcc: y\n\nz", &["Subject: …"]),
        ("recovry.txt", "Subject: x\n\ny", &["has not the name of a mail template", "recovery"]),
        ("recovery.exe", "x", &["has not the name of a mail template", "KIND.txt"]),
        ("recovery.html", &long, &["is longer than", "Shorten"]),
    ];
    for (name, text, expected) in cases {
        let place = directory(&[(name, text)]);
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        let flags = [("email.templates_dir", place.path().to_str().unwrap())];
        let serve = ["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"];
        let dev = ["dev", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"];
        for words in [&["config", "check"][..], &serve, &dev] {
            let (code, all) = said(words, &flags, &[]);
            assert_eq!(code, 78, "{words:?} with {name}: {all}");
            let file = place.path().join(name).display().to_string();
            for part in expected.iter().copied().chain([file.as_str(), "why  ", "fix  "]) {
                assert!(all.contains(part), "{words:?} with {name}: no {part} in {all}");
            }
            assert!(!data.exists(), "{words:?} began with {name}");
        }
    }
    let subject = [("email.subject_recovery", "{{ .Tokn }}")];
    let (code, all) = said(&["config", "check"], &subject, &[]);
    assert!(code == 78 && all.contains("email.subject_recovery names Tokn"), "{code}: {all}");
    let (code, all) = said(&["config", "check"], &[("email.locale", "xx")], &[]);
    assert!(code == 78 && all.contains("email.locale is xx"), "{code}: {all}");
    let (code, all) = said(&["config", "check"], &[("email.templates_dir", "/nowhere/mails")], &[]);
    let known = ["email.templates_dir cannot be used: /nowhere/mails", "No such file", "fix  Let the user"];
    assert!(code == 78 && known.iter().all(|part| all.contains(part)), "{code}: {all}");
    // The neighbour: words that can.
    let place = directory(&[("recovery.html", "<p>{{ .Token }}</p>")]);
    let good = [("email.templates_dir", place.path().to_str().unwrap())];
    let (code, all) = said(&["config", "check"], &good, &[]);
    assert_eq!(code, 0, "{all}");
}

/// What only the start itself looked at, after it had made a database.
#[test]
fn a_check_of_the_settings_asks_all_that_a_start_asks_about_accounts() {
    let place = directory(&[("list", "no digests")]);
    let list = place.path().join("list");
    let (list, none) = (list.to_str().unwrap(), Path::new("/nowhere/list").to_str().unwrap());
    for (name, value, expected) in [
        ("auth.password_breached_file", list, "auth.password_breached_file names"),
        ("auth.password_breached_file", none, "/nowhere/list"),
        ("auth.hooks.send_email.uri", "http://example.com/hook", "not asked over https"),
        ("auth.hooks.custom_access_token.uri", "pg-functions://postgres/public", "function is not named"),
        ("auth.service_role_addresses", "nowhere", "auth.service_role_addresses"),
        ("auth.application_addresses", "nowhere", "auth.application_addresses"),
        ("auth.external.github.enabled", "true", "auth.external.github"),
        ("auth.oauth_server.default_scope", "everything", "auth.oauth_server.default_scope"),
    ] {
        let (code, all) = said(&["config", "check"], &[(name, value)], &[]);
        assert_eq!(code, 78, "{name}: {all}");
        assert!(all.contains(expected) && !all.contains("auth.jwt_secret"), "{name}: {all}");
    }
    let captcha = [("auth.captcha.enabled", "true"), ("auth.captcha.provider", "hcaptcha")];
    let (code, all) = said(&["config", "check"], &captcha, &[]);
    assert!(code == 78 && all.contains("auth.captcha.secret"), "{code}: {all}");
    let (code, all) = said(&["config", "check"], &[], &[("GOTRUE_SMS_TEST_OTP", "4915550100:246810")]);
    assert!(code == 78 && all.contains("sms.test_otp_valid_until"), "{code}: {all}");
}
