//! Both guides' settings of accounts by the names and values that they print: what each does at a running instance, and that
//! another value does something else.

use std::time::Duration;

use base::Owed;
use http::Method;
use serde_json::json;
use spec::person::PASSWORD;
use spec::{Authenticator, Client, Double, Person, Seen, TestApp, TestAppBuilder};

use super::factors::closed_and_open;

const APPFLOWY: &str = include_str!("../../../../../docs/guides/snippets/appflowy.env");
const FLUXBASE: &str = include_str!("../../../../../docs/guides/snippets/fluxbase.yaml");

/// The guide's variables about accounts.
const OF_ACCOUNTS: [&str; 8] = [
    "GOTRUE_PASSWORD_MIN_LENGTH",
    "GOTRUE_PASSWORD_REQUIRED_CHARACTERS",
    "GOTRUE_MFA_ENABLED",
    "GOTRUE_MFA_METHODS",
    "GOTRUE_MFA_REQUIRED",
    "GOTRUE_JWT_EXP",
    "GOTRUE_REFRESH_TOKEN_EXP",
    "GOTRUE_SECURITY_REQUIRE_REAUTH",
];
/// The guide lists `sms` and names nobody who sends it.
const TEXTS: &str = "sms: { provider: twilio, twilio_account_sid: AC00000000000000000000000000000000, \
    twilio_auth_token: a-token-of-nobody, twilio_message_service_sid: MG00000000000000000000000000000000, max_frequency: 0s }";
const JWT_SECRET: (&str, &str) = ("JWT_SECRET", "3q2-71ZQm8sV0hYc5uE4kTnRwXaGpLdJbFiOyCvNzMtU");
const DAY: u64 = 86_400;

/// As AppFlowy's guide prints it, but for what is `changed`; an empty value leaves the line out.
fn appflowy(changed: &[(&'static str, &'static str)]) -> TestAppBuilder {
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for name in OF_ACCOUNTS {
        let printed = APPFLOWY.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        lines.push((name, printed.unwrap_or_else(|| panic!("{name} is not in the guide"))));
    }
    lines.retain(|(name, _)| !changed.iter().any(|(other, _)| other == name));
    lines.extend(changed.iter().filter(|(_, value)| !value.is_empty()));
    TestApp::builder().written(TEXTS, &lines).unlimited()
}

/// Fluxbase's guide's block `auth` but for its SAML providers, with the one line of this name `changed`.
fn fluxbase(changed: &[(&str, &str)]) -> TestAppBuilder {
    let block = FLUXBASE.split("\nauth:").nth(1).and_then(|rest| rest.split("  saml_providers:").next());
    let mut text = format!("auth:{}", block.unwrap());
    for (name, value) in changed {
        let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{name}: ")));
        let line = line.unwrap_or_else(|| panic!("{name} is not in the guide")).to_owned();
        text = text.replace(&line, &format!("  {name}: {value}"));
    }
    TestApp::builder().written(&text, &[JWT_SECRET]).unlimited()
}

/// Why somebody may not sign up with `password`; nothing when they may.
async fn reasons(app: &TestApp, password: &str) -> Vec<String> {
    let email = format!("{}@example.com", base::Rng::system().uuid().simple());
    let seen = app.stranger().post("/auth/v1/signup", json!({ "email": email, "password": password })).await;
    if seen.status == 200 {
        return Vec::new();
    }
    assert_eq!((seen.status.as_u16(), seen.field("error_code").as_str()), (422, "weak_password"));
    serde_json::from_value(seen.value()["weak_password"]["reasons"].clone()).unwrap()
}

#[track_caller]
fn says(seen: &Seen, status: u16, code: &str) {
    let said = seen.value();
    let found = said["error_code"].as_str().or(said["code"].as_str()).unwrap_or_default();
    assert_eq!((seen.status.as_u16(), found), (status, code), "{}", seen.text());
}

/// Controls 18 and 19.
#[tokio::test]
async fn appflowys_lines_about_passwords_do_what_they_say() {
    let app = appflowy(&[]).start().await;
    for (password, expected) in [
        ("Aa1-aaaaaaa", "length"),
        ("Aa1-aaaaaaaa", ""),
        ("aa1-aaaaaaaa", "characters"),
        ("AA1-AAAAAAAA", "characters"),
        ("Aab-aaaaaaaa", "characters"),
        ("Aa11aaaaaaaa", "characters"),
    ] {
        assert_eq!(reasons(&app, password).await.join(" "), expected, "{password}");
    }
    let longer = appflowy(&[("GOTRUE_PASSWORD_MIN_LENGTH", "16")]).start().await;
    assert_eq!(reasons(&longer, "Aa1-aaaaaaaaaaa").await, ["length"]);
    assert!(reasons(&longer, "Aa1-aaaaaaaaaaaa").await.is_empty());
    let fewer = appflowy(&[("GOTRUE_PASSWORD_REQUIRED_CHARACTERS", "lower,number")]).start().await;
    assert!(reasons(&fewer, "aa1aaaaaaaaa").await.is_empty());
    assert_eq!(reasons(&fewer, "aaaaaaaaaaaa").await, ["characters"]);
    // GoTrue's own way to write it: sets between colons, and a colon in a set behind a backslash.
    let sets = "abcdefghijklmnopqrstuvwxyz:0123456789:\\:;";
    let sets = appflowy(&[("GOTRUE_PASSWORD_REQUIRED_CHARACTERS", sets)]).start().await;
    for (password, expected) in [
        ("aaaaaaaaaa1:", ""),
        ("aaaaaaaaaa1;", ""),
        ("aaaaaaaaaa1-", "characters"),
        ("AAAAAAAAAA1;", "characters"),
    ] {
        assert_eq!(reasons(&sets, password).await.join(" "), expected, "{password}");
    }
}

/// Controls 18, 19 and 21.
#[tokio::test]
async fn fluxbases_lines_about_passwords_do_what_they_say() {
    let app = fluxbase(&[]).start().await;
    let without = [
        ("password_require_uppercase", "aa1*aaaaaaaa"),
        ("password_require_lowercase", "AA1*AAAAAAAA"),
        ("password_require_number", "Aab*aaaaaaaa"),
        // The guide's specials are !@#$%^&*, and a hyphen is none.
        ("password_require_special", "Aa1-aaaaaaaa"),
    ];
    assert_eq!(reasons(&app, "Aa1*aaaaaaa").await, ["length"]);
    assert!(reasons(&app, "Aa1*aaaaaaaa").await.is_empty());
    for (name, password) in without {
        assert_eq!(reasons(&app, password).await, ["characters"], "{name}");
        let own = json!({ "email": "ann@example.com", "password": password });
        let refused = app.stranger().post("/api/v1/auth/signup", own).await.expect(400);
        assert!(refused.text().contains("WEAK_PASSWORD"), "{}", refused.text());
        let let_go = fluxbase(&[(name, "false")]).start().await;
        assert!(reasons(&let_go, password).await.is_empty(), "{name}");
    }
    let longer = fluxbase(&[("password_min_length", "14")]).start().await;
    assert_eq!(reasons(&longer, "Aa1*aaaaaaaaa").await, ["length"]);
    assert!(reasons(&longer, "Aa1*aaaaaaaaaa").await.is_empty());
    // What pages ask to check it beforehand says the same.
    for (app, least) in [(&app, 12), (&longer, 14)] {
        let told = app.stranger().get("/auth/v1/password-policy").await.expect(200).value();
        assert_eq!(told["min_length"], least, "{told}");
    }
}

/// What a session may use whose password is too old: its account, which takes another one; the proofs that a change of it
/// may ask for; what programs were told; and the way out.
const ALLOWED: [&str; 7] =
    ["/v1/user", "/v1/auth/user", "/factors", "/reauthenticate", "/logout", "/signout", "/oauth/userinfo"];

/// Control 20: on every route there is.
#[tokio::test]
async fn fluxbases_password_max_age_days_leaves_an_old_password_one_thing_to_do() {
    for (builder, days) in [(fluxbase(&[]), 90), (fluxbase(&[("password_max_age_days", "30")]), 30)] {
        let app = builder.start().await;
        app.owner("create table public.notes (id int); alter table public.notes enable row level security")
            .await;
        app.person("ann").await;
        let enter = async |password: &str| {
            let session = Person::sign_in(&app.stranger(), "ann@example.com", password).await.expect(200);
            Person::from(&app.stranger(), "ann@example.com", &session.value())
        };
        app.clock.advance(Duration::from_secs(days * DAY - 60));
        enter(PASSWORD).await.client.get("/rest/v1/").await.expect(200);
        app.clock.advance(Duration::from_secs(120));
        let ann = enter(PASSWORD).await;
        let (closed, open) = closed_and_open(&app, &ann, Owed::NewPassword, "password_expired").await;
        assert!(closed > 30, "{closed} routes were asked");
        let is_known = |route: &String| ALLOWED.iter().any(|known| route.contains(known));
        assert!(open.iter().all(is_known), "{open:#?}");
        let refreshed = json!({ "refresh_token": ann.refresh_token });
        let refreshed = app
            .stranger()
            .post("/auth/v1/token?grant_type=refresh_token", refreshed)
            .await
            .expect(200)
            .value();
        let ann = ann.again(&refreshed);
        ann.client.get("/rest/v1/").await.expect(403);
        let new = "Another-Horse-8-Battery!";
        ann.client.json(Method::PUT, "/auth/v1/user", json!({ "password": new })).await.expect(200);
        ann.client.get("/rest/v1/").await.expect(200);
        enter(new).await.client.get("/rest/v1/").await.expect(200);
    }
}

/// Control 20.
#[tokio::test]
async fn passwords_of_before_come_back_after_as_many_others_as_is_set() {
    for (kept, taken) in [("2", [false, false, true]), ("0", [true, true, true])] {
        let app = TestApp::builder().unlimited().with("auth.password_history", kept).start().await;
        let ann = app.person("ann").await;
        let change = async |password: &str| {
            app.clock.advance(Duration::from_secs(20));
            ann.client.json(Method::PUT, "/auth/v1/user", json!({ "password": password })).await
        };
        says(&change(PASSWORD).await, 422, "same_password");
        for (n, comes_back) in taken.into_iter().enumerate() {
            change(&format!("Another-Horse-{n}-Battery!")).await.expect(200);
            let back = change(PASSWORD).await;
            match comes_back {
                true => drop(back.expect(200)),
                false => says(&back, 422, "same_password"),
            }
        }
    }
}

async fn enrol(person: &Person, kind: &str) -> Seen {
    let body = json!({ "factor_type": kind, "friendly_name": format!("my {kind}"), "phone": "+49301234567" });
    person.client.post("/auth/v1/factors", body).await
}

/// Controls 22, 23 and 24.
#[tokio::test]
async fn appflowys_lines_about_second_factors_do_what_they_say() {
    let app = appflowy(&[]).start().await;
    let ann = app.person("ann").await;
    let owes = ann.client.get("/rest/v1/").await.expect(403);
    assert!(owes.text().contains("insufficient_aal"), "{}", owes.text());
    says(&enrol(&ann, "webauthn").await, 422, "mfa_webauthn_enroll_not_enabled");
    enrol(&ann, "phone").await.expect(200);
    let (ann, _) = Authenticator::with(&ann, app.clock.now().as_second()).await;
    ann.client.get("/rest/v1/").await.expect(200);

    let free = appflowy(&[("GOTRUE_MFA_REQUIRED", "false")]).start().await;
    free.person("ann").await.client.get("/rest/v1/").await.expect(200);
    let one = appflowy(&[("GOTRUE_MFA_METHODS", "sms"), ("GOTRUE_MFA_REQUIRED", "false")]).start().await;
    let bob = one.person("bob").await;
    says(&enrol(&bob, "totp").await, 422, "mfa_totp_enroll_not_enabled");
    enrol(&bob, "phone").await.expect(200);
    let none = appflowy(&[("GOTRUE_MFA_ENABLED", "false"), ("GOTRUE_MFA_REQUIRED", "false")]).start().await;
    let cem = none.person("cem").await;
    for (kind, code) in [("totp", "mfa_totp_enroll_not_enabled"), ("phone", "mfa_phone_enroll_not_enabled")] {
        says(&enrol(&cem, kind).await, 422, code);
    }
}

/// Control 26.
#[tokio::test]
async fn both_guides_lines_about_sensitive_operations_do_what_they_say() {
    let free = ("GOTRUE_MFA_REQUIRED", "false");
    for (builder, is_asked) in [
        (appflowy(&[free]), true),
        (appflowy(&[free, ("GOTRUE_SECURITY_REQUIRE_REAUTH", "false")]), false),
        (fluxbase(&[]), true),
        (fluxbase(&[("require_2fa_for_sensitive_ops", "false")]), false),
    ] {
        let app = builder.start().await;
        let ann = app.person("ann").await;
        app.clock.advance(Duration::from_secs(301));
        let new = json!({ "password": "Another-Horse-8-Battery!" });
        let seen = ann.client.json(Method::PUT, "/auth/v1/user", new.clone()).await;
        if !is_asked {
            seen.expect(200);
            continue;
        }
        says(&seen, 400, "reauthentication_needed");
        let again = json!({ "password": ann.password });
        let fresh = ann.client.post("/auth/v1/reauthenticate", again).await.expect(200).value();
        ann.again(&fresh).client.json(Method::PUT, "/auth/v1/user", new).await.expect(200);
    }
}

async fn refresh(app: &TestApp, token: &str) -> Seen {
    app.stranger().post("/auth/v1/token?grant_type=refresh_token", json!({ "refresh_token": token })).await
}

/// Controls 27 and 28, by both guides' names: how long an access token is good, and a session that is not used.
#[tokio::test]
async fn both_guides_lives_of_tokens_are_theirs() {
    let free = ("GOTRUE_MFA_REQUIRED", "false");
    for (builder, access, idle) in [
        (appflowy(&[free]), 3_600, 7 * DAY),
        (appflowy(&[free, ("GOTRUE_JWT_EXP", "600"), ("GOTRUE_REFRESH_TOKEN_EXP", "86400")]), 600, DAY),
        (fluxbase(&[]), 900, 7 * DAY),
        (fluxbase(&[("access_token_expiry", "5m"), ("refresh_token_expiry", "2d")]), 300, 2 * DAY),
    ] {
        let app = builder.start().await;
        let ann = app.person("ann").await;
        let session = refresh(&app, &ann.refresh_token).await.expect(200).value();
        assert_eq!(session["expires_in"], access);
        let ann = ann.again(&session);
        app.clock.advance(Duration::from_secs(access - 1));
        ann.client.get("/auth/v1/user").await.expect(200);
        app.clock.advance(Duration::from_secs(61));
        says(&ann.client.get("/auth/v1/user").await, 403, "bad_jwt");
        let next = refresh(&app, &ann.refresh_token).await.expect(200).field("refresh_token");
        assert_ne!(next, ann.refresh_token, "each is good once (control 29)");
        app.clock.advance(Duration::from_secs(idle - 1));
        let next = refresh(&app, &next).await.expect(200).field("refresh_token");
        app.clock.advance(Duration::from_secs(idle));
        let over = refresh(&app, &next).await;
        says(&over, 400, "session_expired");
        assert!(over.text().contains("(Inactivity)"), "{}", over.text());
    }
}

/// Control 28, as GoTrue names it: a session ends, however often it is used, and earlier when it is not.
#[tokio::test]
async fn a_timebox_and_an_inactivity_timeout_end_sessions() {
    let (box_of, idle) = (("GOTRUE_SESSIONS_TIMEBOX", "24h"), ("GOTRUE_SESSIONS_INACTIVITY_TIMEOUT", "8h"));
    let changed = [("GOTRUE_MFA_REQUIRED", "false"), ("GOTRUE_REFRESH_TOKEN_EXP", ""), box_of, idle];
    let app = appflowy(&changed).start().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let mut token = ann.refresh_token;
    for _ in 0..4 {
        app.clock.advance(Duration::from_secs(5 * 3_600));
        token = refresh(&app, &token).await.expect(200).field("refresh_token");
    }
    let unused = refresh(&app, &bob.refresh_token).await;
    says(&unused, 400, "session_expired");
    assert!(unused.text().contains("(Inactivity)"), "{}", unused.text());
    app.clock.advance(Duration::from_secs(4 * 3_600));
    let old = refresh(&app, &token).await;
    says(&old, 400, "session_expired");
    assert!(!old.text().contains("(Inactivity)"), "{}", old.text());
    // Without the two lines such a session goes on.
    let app = appflowy(&changed[..1]).start().await;
    let mut token = app.person("ann").await.refresh_token;
    for _ in 0..5 {
        app.clock.advance(Duration::from_secs(9 * 3_600));
        token = refresh(&app, &token).await.expect(200).field("refresh_token");
    }
}

/// With these variables and nothing else.
fn told(variables: &[(&str, &str)]) -> TestAppBuilder {
    TestApp::builder().written("", variables).unlimited()
}

/// Controls 28 and 29, as GoTrue names them.
#[tokio::test]
async fn gotrues_lines_about_reuse_and_single_sessions_do_what_they_say() {
    const INTERVAL: &str = "GOTRUE_SECURITY_REFRESH_TOKEN_REUSE_INTERVAL";
    for (seconds, later, is_good) in [("10", 9, true), ("10", 12, false), ("0", 1, false)] {
        let app = told(&[(INTERVAL, seconds)]).start().await;
        let ann = app.person("ann").await;
        let child = refresh(&app, &ann.refresh_token).await.expect(200).field("refresh_token");
        app.clock.advance(Duration::from_secs(later));
        let again = refresh(&app, &ann.refresh_token).await;
        match is_good {
            true => assert_eq!(again.expect(200).field("refresh_token"), child, "{seconds} {later}"),
            false => says(&again, 400, "refresh_token_already_used"),
        }
    }
    for (single, stands) in [("true", 403), ("false", 200)] {
        let app = told(&[("GOTRUE_SESSIONS_SINGLE_PER_USER", single)]).start().await;
        let ann = app.person("ann").await;
        assert_eq!(enter(&app.stranger(), "ann", PASSWORD).await, 200);
        ann.client.get("/auth/v1/user").await.expect(stands);
    }
}

/// Control 20, as GoTrue names it: passwords that thieves have.
#[tokio::test]
async fn gotrues_lines_about_breached_passwords_do_what_they_say() {
    const BREACHED: &str = "Breached-Horse-7-Battery!";
    let double = Double::start().await;
    let digest = hex::encode_upper(seal::sha1_for_lookup(BREACHED.as_bytes()));
    double.show("/range/", &format!("{}:42\r\n", &digest[5..]));
    let asking = |url: &str, lines: &[(&str, &str)]| {
        told(lines)
            .with("auth.password_breached_api_url", &format!("{url}/range/"))
            .with("outbound.allow", "127.0.0.1")
    };
    let on = ("GOTRUE_PASSWORD_HIBP_ENABLED", "true");
    let app = asking(&double.url, &[on]).start().await;
    assert_eq!(reasons(&app, BREACHED).await, ["pwned"]);
    assert!(reasons(&app, PASSWORD).await.is_empty());
    // An administrator gives nobody one either, whichever way.
    let given = json!({ "type": "signup", "email": "guest@example.com", "password": BREACHED });
    for path in ["/auth/v1/admin/users", "/auth/v1/admin/generate_link"] {
        let refused = app.service().post(path, given.clone()).await.expect(422);
        assert_eq!(refused.field("error_code"), "weak_password", "{path}");
    }
    let asked = double.asked().iter().map(|asked| asked.line.clone()).collect::<Vec<_>>();
    assert_eq!(asked[0], format!("GET /range/{}", &digest[..5]), "five digits, and nothing more");
    let off = asking(&double.url, &[]).start().await;
    assert!(reasons(&off, BREACHED).await.is_empty());
    assert_eq!(double.asked().len(), asked.len());
    for (closed, status) in [("true", 503), ("false", 200)] {
        let lines = [on, ("GOTRUE_PASSWORD_HIBP_FAIL_CLOSED", closed)];
        let app = asking("http://127.0.0.1:1", &lines).start().await;
        let body = json!({ "email": "ann@example.com", "password": PASSWORD });
        app.stranger().post("/auth/v1/signup", body).await.expect(status);
    }
}

const WRONG: &str = "wrong-Password-1!";

async fn enter(client: &Client, name: &str, password: &str) -> u16 {
    Person::sign_in(client, &format!("{name}@example.com"), password).await.status.as_u16()
}

/// How many wrong passwords for ann are looked at from `client`.
async fn looked_at(client: &Client) -> usize {
    for tried in 0..12 {
        if enter(client, "ann", WRONG).await == 429 {
            return tried;
        }
    }
    12
}

/// Control 31.
#[tokio::test]
async fn fluxbases_lines_about_the_lockout_do_what_they_say() {
    let minutes = |count: u64| Duration::from_secs(count * 60);
    for (builder, attempts, shut, open, elsewhere, others) in [
        (fluxbase(&[]), 5, 14, 17, false, false),
        (fluxbase(&[("max_login_attempts", "3")]), 3, 14, 17, false, false),
        (fluxbase(&[("lockout_duration", "\"1h\"")]), 5, 55, 67, false, false),
        (fluxbase(&[("lockout_type", "ip")]), 5, 14, 17, false, true),
        (fluxbase(&[("lockout_type", "email")]), 5, 14, 17, true, false),
    ] {
        let app = builder.start().await;
        // Whoever signs up is known where they do: the others come from elsewhere.
        let home = app.stranger();
        for name in ["ann", "bob"] {
            let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
            home.post("/auth/v1/signup", body).await.expect(200);
        }
        let mallory = app.stranger();
        let case = format!("{attempts} {open} {elsewhere} {others}");
        assert_eq!(looked_at(&mallory).await, attempts, "{case}");
        assert_eq!(enter(&mallory, "ann", PASSWORD).await, 429, "{case}: the right one is not looked at");
        let stands = |is_out: bool| if is_out { 429 } else { 200 };
        assert_eq!(enter(&app.stranger(), "ann", PASSWORD).await, stands(elsewhere), "{case}: ann elsewhere");
        assert_eq!(enter(&mallory, "bob", PASSWORD).await, stands(others), "{case}: bob from there");
        assert_eq!(enter(&home, "ann", PASSWORD).await, 200, "{case}: ann where she is known");
        app.clock.advance(minutes(shut));
        assert_eq!(enter(&mallory, "ann", PASSWORD).await, 429, "{case}: after {shut} minutes");
        app.clock.advance(minutes(open - shut));
        assert_eq!(enter(&mallory, "ann", PASSWORD).await, 200, "{case}: after {open} minutes");
    }
}

/// Controls 73 to 75: pages of the guide's origins may send the header of the double submit, and only where it is listed.
#[tokio::test]
async fn fluxbases_lines_about_other_origins_let_the_csrf_header_through() {
    let lines = FLUXBASE.lines().skip_while(|line| *line != "  cors:");
    let lines: Vec<&str> = lines.take_while(|line| *line == "  cors:" || line.starts_with("    ")).collect();
    let printed = format!("server:\n{}\n", lines.join("\n"));
    let without = printed.replace(", \"X-CSRF-Token\"", "");
    assert!(lines.len() == 8 && without != printed, "{printed}");
    for (text, is_listed) in [(printed, true), (without, false)] {
        let app = TestApp::builder().written(&text, &[]).unlimited().start().await;
        let asks = async |origin: &str| {
            let headers = [
                ("origin", origin),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", "x-csrf-token"),
            ];
            app.stranger().send(Method::OPTIONS, "/rest/v1/notes", &headers, "".into()).await
        };
        let ours = asks("https://www.yourdomain.com").await;
        let listed = ours.header("access-control-allow-headers").to_ascii_lowercase();
        assert_eq!(listed.contains("x-csrf-token"), is_listed, "{listed}");
        assert_eq!(ours.header("access-control-allow-origin"), "https://www.yourdomain.com");
        assert_eq!(ours.header("access-control-max-age"), "3600");
        assert_eq!(asks("https://evil.example").await.header("access-control-allow-origin"), "");
    }
}

/// A signing secret as the guide gives it signs, and keeps tokens of another one out (controls 116, 117).
#[tokio::test]
async fn fluxbases_jwt_secret_signs() {
    let app = fluxbase(&[]).start().await;
    let ann = app.person("ann").await;
    let part = |at: usize| ann.access_token.split('.').nth(at).unwrap();
    let mac = spec::hmac_sha256(JWT_SECRET.1.as_bytes(), format!("{}.{}", part(0), part(1)).as_bytes());
    use base64::Engine;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    assert_eq!(part(2), encode(&mac));
    let forged = spec::hmac_sha256(
        b"another secret of thirty-two bytes!",
        format!("{}.{}", part(0), part(1)).as_bytes(),
    );
    let forged = format!("{}.{}.{}", part(0), part(1), encode(&forged));
    let with = |token: &str| app.stranger().with("authorization", &format!("Bearer {token}"));
    with(&ann.access_token).get("/auth/v1/user").await.expect(200);
    with(&forged).get("/auth/v1/user").await.expect(403);
}

/// What would switch off what is always on, and what nobody could do, end the program (78) and say so (controls 23, 25, 29).
#[test]
fn lines_that_cannot_be_had_are_refused_by_name() {
    let refused = |file: &str, variables: &[(&str, &str)], expected: &[&str]| {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("palisade.yaml");
        std::fs::write(&path, file).unwrap();
        let (code, said) =
            super::program::run(&["config", "check", "--config", path.to_str().unwrap()], variables);
        assert_eq!(code, if expected.is_empty() { 0 } else { 78 }, "{said}");
        for part in expected {
            assert!(said.contains(part), "no {part} in {said}");
        }
    };
    refused("auth: { require_2fa_for_admins: false }", &[], &["auth.require_2fa_for_admins", "control 25"]);
    refused("auth: { refresh_token_rotation: false }", &[], &["auth.refresh_token_rotation", "control 29"]);
    refused("auth: { require_2fa_for_admins: true, refresh_token_rotation: true }", &[], &[]);
    refused("", &[("GOTRUE_MFA_METHODS", "totp,sms")], &["mfa.methods", "SMS provider"]);
    refused(TEXTS, &[("GOTRUE_MFA_METHODS", "totp,sms")], &[]);
    let contrary = [("GOTRUE_MFA_REQUIRED", "true"), ("GOTRUE_MFA_ENABLED", "false")];
    refused("", &contrary, &["mfa.required", "nobody can enrol"]);
    let two = [("GOTRUE_REFRESH_TOKEN_EXP", "604800"), ("GOTRUE_SESSIONS_INACTIVITY_TIMEOUT", "8h")];
    refused("", &two, &["GOTRUE_REFRESH_TOKEN_EXP", "GOTRUE_SESSIONS_INACTIVITY_TIMEOUT"]);
}
