//! Guessing passwords at a running instance (rows 21, 22, 24).

use http::Method;
use serde_json::json;
use spec::{Person, TestApp};

const WRONG: &str = "wrong-Password-1!";

#[tokio::test]
async fn row_21_whoever_fails_a_hundred_times_for_somebody_keeps_only_strangers_out() {
    let app = TestApp::start().await;
    let home = app.stranger();
    app.stranger()
        .post("/auth/v1/signup", json!({ "email": "ann@example.com", "password": spec::person::PASSWORD }))
        .await
        .expect(200);
    let entered = Person::sign_in(&home, "ann@example.com", spec::person::PASSWORD).await.expect(200);
    let cookie = entered.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    assert!(entered.headers["set-cookie"].to_str().unwrap().contains("HttpOnly; SameSite=Lax"));
    for n in 0..100 {
        let attacker = app.stranger().at(&format!("127.9.{}.{}", n / 200, n % 200 + 1));
        Person::sign_in(&attacker, "ann@example.com", WRONG).await;
    }
    let stranger = app.stranger();
    assert_eq!(Person::sign_in(&stranger, "ann@example.com", spec::person::PASSWORD).await.status, 429);
    Person::sign_in(&home, "ann@example.com", spec::person::PASSWORD).await.expect(200);
    let elsewhere = app.stranger().with("cookie", &cookie);
    Person::sign_in(&elsewhere, "ann@example.com", spec::person::PASSWORD).await.expect(200);
}

#[tokio::test]
async fn row_22_one_try_at_each_of_many_accounts_and_many_addresses_at_one_are_stopped() {
    let app = TestApp::builder().unlimited().start().await;
    let sprayer = app.stranger();
    let mut looked_at = 0;
    for n in 0..200 {
        let seen = Person::sign_in(&sprayer, &format!("user{n}@example.com"), WRONG).await;
        looked_at += usize::from(seen.status == 400);
    }
    assert_eq!(looked_at, 30, "one address, two hundred accounts");
    let mut looked_at = 0;
    for n in 0..200 {
        let somewhere = app.stranger().at(&format!("127.8.0.{}", n + 1));
        let seen = Person::sign_in(&somewhere, "ann@example.com", WRONG).await;
        looked_at += usize::from(seen.status == 400);
    }
    assert_eq!(looked_at, 20, "two hundred addresses, one account");
    let bob = app.person("bob").await;
    Person::sign_in(&app.stranger(), &bob.email, spec::person::PASSWORD).await.expect(200);
}

#[tokio::test]
async fn row_22_an_account_of_ones_own_beside_another_ones_washes_no_count_and_makes_no_device_known() {
    for neighbour in ["ann+mallory@example.com", "a.nn@example.com"] {
        let app = TestApp::builder().unlimited().start().await;
        app.person("ann").await;
        let mallory = app.stranger();
        let body = json!({ "email": neighbour, "password": spec::person::PASSWORD });
        mallory.post("/auth/v1/signup", body).await.expect(200);
        let mut looked_at = 0;
        for _ in 0..15 {
            let entered = Person::sign_in(&mallory, neighbour, spec::person::PASSWORD).await.expect(200);
            let cookie = entered.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
            let guessing =
                if cookie.is_empty() { mallory.clone() } else { mallory.clone().with("cookie", &cookie) };
            let guess = Person::sign_in(&guessing, "ann@example.com", WRONG).await;
            looked_at += usize::from(guess.status == 400);
        }
        assert_eq!(looked_at, 5, "as without {neighbour}");
    }
}

/// Whether anybody at this address is answered.
async fn is_answered(client: &spec::Client) -> bool {
    !client.raw(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.is_empty()
}

#[tokio::test]
async fn row_22_whoever_tries_one_password_at_each_of_many_accounts_is_kept_out() {
    let app = TestApp::builder().with("rate_limiting.enabled", "false").start().await;
    let bob = app.person("bob").await;
    let sprayer = app.stranger();
    let mut tried = 0;
    while tried < 200 && is_answered(&sprayer).await {
        let body = json!({ "email": format!("user{tried}@example.com"), "password": WRONG }).to_string();
        let head = format!(
            "POST /auth/v1/token?grant_type=password HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             apikey: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            app.running.keys.publishable,
            body.len()
        );
        sprayer.raw(head.as_bytes()).await;
        // Low and slow: one in fifty minutes.
        app.clock.advance(std::time::Duration::from_secs(3_000));
        tried += 1;
    }
    assert!((12..=16).contains(&tried), "after {tried} accounts");
    app.eventually(async || app.audited("ban.created").await).await;
    // Whoever mistypes their own password as often, and everybody else, stays.
    let clumsy = app.stranger();
    for _ in 0..14 {
        Person::sign_in(&clumsy, &bob.email, WRONG).await;
        app.clock.advance(std::time::Duration::from_secs(3_000));
    }
    Person::sign_in(&clumsy, &bob.email, spec::person::PASSWORD).await.expect(200);
    // It ends by itself.
    app.clock.advance(std::time::Duration::from_secs(3_700));
    assert!(is_answered(&sprayer).await);
}

#[tokio::test]
async fn row_22_many_addresses_of_one_64_or_neighbourhood_are_kept_out_together() {
    use detection::Request;
    let app = TestApp::start().await;
    let detection = &app.running.services.detection;
    let probe = |address: &str| {
        let address = address.parse().unwrap();
        detection.saw_request(&Request {
            address,
            path: "/wp-login.php",
            is_served: false,
            agent: None,
            is_elsewheres: false,
        })
    };
    let is_out = |address: &str| detection.kept_out(address.parse().unwrap()).is_some();
    // Three tries from three addresses of one customer's /64 are three tries of one.
    assert!(!probe("2001:db8:1:2::1") && !probe("2001:db8:1:2::2") && probe("2001:db8:1:2:ffff::3"));
    assert!(is_out("2001:db8:1:2::77") && !is_out("2001:db8:1:3::1"));
    for last in 1..=5 {
        for _ in 0..3 {
            probe(&format!("198.51.100.{last}"));
        }
    }
    app.eventually(async || is_out("198.51.100.200")).await;
    assert!(!is_out("198.51.101.1"));
    let listed = detection.list().await.unwrap();
    assert!(listed.iter().any(|ban| ban.jail == "neighbours"), "{listed:?}");
    // This machine, whoever else on it attacks, is never kept out.
    for _ in 0..20 {
        probe("127.0.0.1");
    }
    assert!(!is_out("127.0.0.1"));
}

/// `Sec-Fetch-Site` is the sender's own word: browsers keep to the truth, and whoever guesses does not.
const SAID: [&[(&str, &str)]; 5] = [
    &[("sec-fetch-site", "cross-site")],
    &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")],
    &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors"), ("origin", "https://evil.example")],
    &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
    &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
];

fn saying(client: &spec::Client, said: &[(&str, &str)]) -> spec::Client {
    said.iter().fold(client.clone(), |client, (name, value)| client.with(name, value))
}

#[tokio::test]
async fn row_22_whoever_says_that_another_sites_page_asked_guesses_no_more_often() {
    let (app, limited) = (
        TestApp::builder().unlimited().start().await,
        TestApp::builder().with("rate_limiting.per_minute", "5").start().await,
    );
    for (number, said) in SAID.into_iter().enumerate() {
        // A form of another site's is refused before any password is looked at.
        let is_form = matches!(said.last(), Some((_, "no-cors" | "navigate")));
        let (mut one, mut many) = (0, 0);
        let sprayer = saying(&app.stranger(), said);
        for n in 0..40 {
            let seen = Person::sign_in(&sprayer, &format!("user{n}-{number}@example.com"), WRONG).await;
            many += usize::from(seen.status == 400);
            let somewhere = saying(&app.stranger(), said);
            let seen = Person::sign_in(&somewhere, &format!("ann{number}@example.com"), WRONG).await;
            one += usize::from(seen.status == 400);
        }
        assert_eq!((one, many), if is_form { (0, 0) } else { (20, 30) }, "{said:?}");
        // What is slowed down is slowed down: passwords, paths that are none, keys in the address and in a header.
        let guesser = saying(&limited.stranger(), said);
        let mut seen = Vec::new();
        for _ in 0..7 {
            seen.push(
                Person::sign_in(&guesser, &format!("bob{number}@example.com"), WRONG).await.status.as_u16(),
            );
        }
        assert_eq!(seen[5..], if is_form { [403, 403] } else { [429, 429] }, "{said:?}: {seen:?}");
        for (path, key) in
            [("/none", None), ("/rest/v1/notes?apikey=none", None), ("/rest/v1/notes", Some("none"))]
        {
            let bare = spec::Client { headers: Vec::new(), ..limited.stranger() };
            let asker = saying(&bare, said);
            let asker = key.into_iter().fold(asker, |asker, key| asker.with("apikey", key));
            let mut seen = Vec::new();
            for _ in 0..6 {
                seen.push(asker.get(path).await.status.as_u16());
            }
            assert!(
                seen[..5].iter().all(|status| [401, 404].contains(status)) && seen[5] == 429,
                "{said:?} {path}: {seen:?}"
            );
        }
    }
}

#[tokio::test]
async fn row_22_whoever_says_that_another_sites_page_asked_is_kept_out_for_what_no_page_can_send() {
    let app = TestApp::builder()
        .with("rate_limiting.enabled", "false")
        .with("detection.network_after", "0")
        .start()
        .await;
    let honey = serde_json::json!({ "kind": "key", "name": "found" });
    let honey =
        app::control::ask(app.data(), http::Method::POST, "/admin/v1/canaries", Some(&honey)).await.unwrap();
    let honey = honey["key"].as_str().unwrap();
    let detection = &app.running.services.detection;
    for said in SAID {
        for (name, value, times) in [
            ("apikey", "sb_secret_none", 20),
            ("authorization", "Bearer none", 20),
            // A found bait, once, also beside a key that stands in the address.
            ("apikey", honey, 1),
            ("authorization", &*format!("Bearer {honey}"), 1),
        ] {
            let bare = spec::Client { headers: Vec::new(), ..app.stranger() };
            let guesser = saying(&bare, said).with(name, value);
            let path = match name {
                "authorization" => format!("/rest/v1/notes?apikey={}", app.running.keys.publishable),
                _ => "/rest/v1/notes".to_owned(),
            };
            for _ in 0..times {
                guesser.get(&path).await;
            }
            app.running.services.audit.settle().await.unwrap();
            app.eventually(async || detection.kept_out(guesser.from).is_some()).await;
        }
        // Scanners by what they call themselves, and paths of other software by whoever shows a key while asking for them.
        let scanner = saying(&app.stranger(), said);
        for path in ["/wp-login.php", "/.env", "/.git/config"] {
            scanner.get(path).await;
        }
        assert!(detection.kept_out(scanner.from).is_some(), "{said:?}");
    }
}

#[tokio::test]
async fn row_24_an_imported_bcrypt_hash_is_made_anew_at_the_first_sign_in() {
    let app = TestApp::builder().unlimited().start().await;
    // A published test vector: "U*U" at cost 5.
    let hash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let made = json!({ "email": "old@example.com", "password_hash": hash, "email_confirm": true });
    app.service().post("/auth/v1/admin/users", made).await.expect(200);
    Person::sign_in(&app.stranger(), "old@example.com", "U*U").await.expect(200);
    let stored = app.database.admin().await;
    let kind: String = stored
        .query_one("select left(encrypted_password, 10) from auth.users where email = 'old@example.com'", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(kind, "$argon2id$");
    Person::sign_in(&app.stranger(), "old@example.com", "U*U").await.expect(200);
    Person::sign_in(&app.stranger(), "old@example.com", "U*V").await.expect(400);
}

#[tokio::test]
async fn row_23_neither_a_foreign_field_nor_another_spelling_makes_another_account() {
    let app = TestApp::builder().with("auth.mail_max_frequency", "0s").texting().start().await;
    app.person("ann").await;
    let ask = async |path: &str, bodies: [serde_json::Value; 3]| {
        let mut seen = Vec::new();
        for body in bodies {
            seen.push(app.stranger().post(path, body).await.status.as_u16());
        }
        seen
    };
    let odd = json!({ "email": "ann@example.com", "password": 1 });
    assert_eq!(ask("/auth/v1/recover", [odd.clone(), odd.clone(), odd]).await, [200, 200, 429]);
    // What no form asks for and only some readers of JSON take, and the same without names.
    let shapes = [
        r#"{"email":"bob@example.com","more":1e999}"#.to_owned(),
        r#"{"email":"bob@example.com","more":"\ud800"}"#.to_owned(),
        format!(r#"{{"email":"bob@example.com","more":{}{}}}"#, "[".repeat(200), "]".repeat(200)),
    ];
    let mut seen = Vec::new();
    for shape in shapes {
        seen.push(
            app.stranger().send(Method::POST, "/auth/v1/recover", &[], shape.into()).await.status.as_u16(),
        );
    }
    assert_eq!(seen, [200, 200, 429]);
    for path in ["recover", "token?grant_type=password", "signup", "verify", "otp"] {
        let nameless = r#"["cleo@example.com","","Wrong-Horse-9!Battery"]"#;
        let path = format!("/auth/v1/{path}");
        let answer = app.stranger().send(Method::POST, &path, &[], nameless.into()).await.expect(400);
        assert_eq!(answer.field("error_code"), "bad_json", "{path}");
    }
    let numbers = ["+49 30 1234567", "4930 123 4567", "49301234567"].map(|phone| json!({ "phone": phone }));
    assert_eq!(ask("/auth/v1/otp", numbers).await, [200, 200, 429]);
    let long = format!("{}49301234999", "+".repeat(500));
    app.stranger().post("/auth/v1/otp", json!({ "phone": long })).await.expect(400);
}
