//! Our own OAuth server: programs sign people in through us, with consent, and are let go again.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use spec::browser::{form, hidden, parameter};
use spec::factors::Authenticator;
use spec::{Browser, Client, Person, Seen, TestApp, TestAppBuilder};

use super::oauth::{CHALLENGE, VERIFIER};

/// Where the program gets its people back.
pub const PROGRAM: &str = "https://program.example/callback";

pub const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// An instance whose OAuth server is on.
pub fn with_server() -> TestAppBuilder {
    TestApp::builder().unlimited().with("auth.oauth_server.enabled", "true")
}

/// A program.
#[derive(Clone)]
pub struct Program {
    pub id: String,
    pub secret: Option<String>,
}

impl Program {
    /// Made by an administrator; `more` over the usual.
    pub async fn made(app: &TestApp, more: Value) -> Self {
        let mut body = json!({ "client_name": "The program", "redirect_uris": [PROGRAM] });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let made = app.service().post("/auth/v1/admin/oauth/clients", body).await.expect(201).value();
        Program {
            id: made["client_id"].as_str().unwrap().to_owned(),
            secret: made["client_secret"].as_str().map(str::to_owned),
        }
    }

    /// What it sends a browser with; `more` over the usual, empty values leave a parameter out.
    pub fn request(&self, more: &[(&str, &str)]) -> String {
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", self.id.as_str()),
            ("redirect_uri", PROGRAM),
            ("scope", "openid email"),
            ("state", "st-1"),
            ("nonce", "n-1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in more {
            fields.retain(|(known, _)| known != name);
            if !value.is_empty() {
                fields.push((name, value));
            }
        }
        format!("/auth/v1/oauth/authorize?{}", form(&fields))
    }

    /// The request that waits for consent.
    pub async fn waiting(&self, app: &TestApp, more: &[(&str, &str)]) -> String {
        let seen = app.stranger().get(&self.request(more)).await.expect(302);
        let to = seen.header("location");
        parameter(to, "authorization_id").unwrap_or_else(|| panic!("no request in {to}"))
    }

    /// A code that `person` agreed to.
    pub async fn code(&self, app: &TestApp, person: &Person, more: &[(&str, &str)]) -> String {
        let id = self.waiting(app, more).await;
        let back = answer(person, &id, "approve").await.expect(200).field("redirect_url");
        parameter(&back, "code").unwrap_or_else(|| panic!("no code in {back}"))
    }

    /// Sends something to the token endpoint, with the secret in the body.
    pub async fn token(&self, from: &Client, fields: &[(&str, &str)]) -> Seen {
        let mut fields = fields.to_vec();
        if !fields.iter().any(|(name, _)| *name == "client_id") {
            fields.push(("client_id", &self.id));
        }
        if let Some(secret) = &self.secret {
            fields.push(("client_secret", secret));
        }
        post_form(from, "/auth/v1/oauth/token", &fields).await
    }

    /// Exchanges a code as it should be done.
    pub async fn exchange(&self, from: &Client, code: &str) -> Seen {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", PROGRAM),
            ("code_verifier", VERIFIER),
        ];
        self.token(from, &fields).await
    }

    /// Lets `person` in and returns the tokens.
    pub async fn sign_in(&self, app: &TestApp, person: &Person, more: &[(&str, &str)]) -> Value {
        let code = self.code(app, person, more).await;
        self.exchange(&app.stranger(), &code).await.expect(200).value()
    }
}

/// A form, as a program sends it.
pub async fn post_form(from: &Client, path: &str, fields: &[(&str, &str)]) -> Seen {
    from.send(Method::POST, path, &[FORM], form(fields).into()).await
}

/// Somebody's answer over the API.
pub async fn answer(person: &Person, id: &str, action: &str) -> Seen {
    let path = format!("/auth/v1/oauth/authorizations/{id}/consent");
    person.client.post(&path, json!({ "action": action })).await
}

/// Somebody with a token.
pub fn bearer(app: &TestApp, token: &Value) -> Client {
    app.stranger().with("authorization", &format!("Bearer {}", token.as_str().unwrap()))
}

/// The claims of a token.
pub fn claims(token: &Value) -> Value {
    let part = token.as_str().unwrap().split('.').nth(1).unwrap().to_owned();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_program_signs_somebody_in_and_is_let_go_again() {
    let app = with_server().start().await;
    let ann = app.person("ann").await;
    let program = Program::made(&app, json!({})).await;
    let id = program.waiting(&app, &[]).await;
    let asked = ann.client.get(&format!("/auth/v1/oauth/authorizations/{id}")).await.expect(200).value();
    assert_eq!((&asked["authorization_id"], &asked["scope"]), (&json!(id), &json!("openid email")));
    assert_eq!(
        (&asked["client"]["name"], &asked["client"]["id"]),
        (&json!("The program"), &json!(program.id))
    );
    assert_eq!(
        (&asked["user"]["email"], &asked["redirect_uri"]),
        (&json!("ann@example.com"), &json!(PROGRAM))
    );
    let back = answer(&ann, &id, "approve").await.expect(200).field("redirect_url");
    assert!(back.starts_with(PROGRAM), "{back}");
    assert_eq!(parameter(&back, "state").as_deref(), Some("st-1"));
    let issuer = app.running.services.auth.rules().issuer.clone();
    assert_eq!(parameter(&back, "iss"), Some(issuer.clone()));
    let code = parameter(&back, "code").unwrap();
    let granted = program.exchange(&app.stranger(), &code).await.expect(200);
    assert_eq!(granted.header("cache-control"), "no-store");
    let granted = granted.value();
    assert_eq!((&granted["token_type"], &granted["scope"]), (&json!("bearer"), &json!("openid email")));

    let (access, who) = (claims(&granted["access_token"]), claims(&granted["id_token"]));
    assert_eq!(
        (&access["client_id"], &access["scope"], &access["sub"]),
        (&json!(program.id), &json!("openid email"), &json!(ann.id))
    );
    assert_eq!(access["amr"][0]["method"], "oauth_provider/authorization_code");
    assert_eq!(
        (&who["aud"], &who["iss"], &who["nonce"]),
        (&json!(program.id), &json!(issuer), &json!("n-1"))
    );
    assert_eq!(
        (&who["sub"], &who["email"], &who["email_verified"]),
        (&json!(ann.id), &json!("ann@example.com"), &json!(true))
    );
    let hash = seal::sha256(granted["access_token"].as_str().unwrap().as_bytes());
    assert_eq!(who["at_hash"], json!(URL_SAFE_NO_PAD.encode(&hash[..16])));
    assert_eq!(who["auth_time"], json!(app.clock.now().as_second()));
    assert!(who.get("role").is_none() && who.get("session_id").is_none(), "{who}");

    let program_client = bearer(&app, &granted["access_token"]);
    let told = program_client.get("/auth/v1/oauth/userinfo").await.expect(200).value();
    assert_eq!(told, json!({ "sub": ann.id, "email": "ann@example.com", "email_verified": true }));
    let grants = ann.client.get("/auth/v1/user/oauth/grants").await.expect(200).value();
    assert_eq!(
        (&grants[0]["client"]["id"], &grants[0]["scopes"]),
        (&json!(program.id), &json!(["openid", "email"]))
    );

    let refresh = granted["refresh_token"].as_str().unwrap();
    app.clock.advance(std::time::Duration::from_secs(1200));
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
    let again = program.token(&app.stranger(), &fields).await.expect(200).value();
    assert_eq!((&again["scope"], again.get("id_token")), (&json!("openid email"), None));
    bearer(&app, &again["access_token"]).get("/auth/v1/oauth/userinfo").await.expect(200);

    // Once agreed, nobody is asked again; but for more, they are.
    let ann = Person::from(
        &app.stranger(),
        &ann.email,
        &Person::sign_in(&app.stranger(), &ann.email, &ann.password).await.expect(200).value(),
    );
    let look = async |more: &[(&str, &str)]| {
        let id = program.waiting(&app, more).await;
        ann.client.get(&format!("/auth/v1/oauth/authorizations/{id}")).await.expect(200).value()
    };
    assert!(look(&[]).await["redirect_url"].as_str().unwrap().contains("code="));
    assert!(look(&[("scope", "openid email phone")]).await.get("redirect_url").is_none());
    assert!(look(&[("prompt", "consent")]).await.get("redirect_url").is_none());

    let revoke = format!("/auth/v1/user/oauth/grants?client_id={}", program.id);
    let gone = ann.client.send(Method::DELETE, &revoke, &[], Bytes::new()).await;
    assert_eq!(gone.status, 204, "{}", gone.text());
    bearer(&app, &again["access_token"]).get("/auth/v1/oauth/userinfo").await.expect(403);
    let fields =
        [("grant_type", "refresh_token"), ("refresh_token", again["refresh_token"].as_str().unwrap())];
    let refused = program.token(&app.stranger(), &fields).await.expect(400).value();
    assert_eq!(refused["error"], "invalid_grant");
    ann.client.send(Method::DELETE, &revoke, &[], Bytes::new()).await.expect(404);
    ann.client.get("/auth/v1/user").await.expect(200);
    assert!(look(&[]).await.get("redirect_url").is_none(), "they are asked anew");
    for event in ["auth.consent_given", "auth.consent_revoked", "admin.oauth_client_changed", "auth.login"] {
        assert!(app.audited(event).await, "{event}");
    }
}

#[tokio::test]
async fn who_says_no_sends_the_program_away() {
    let app = with_server().start().await;
    let ann = app.person("ann").await;
    let program = Program::made(&app, json!({})).await;
    let id = program.waiting(&app, &[]).await;
    let back = answer(&ann, &id, "deny").await.expect(200).field("redirect_url");
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    assert_eq!((parameter(&back, "state").as_deref(), parameter(&back, "code")), (Some("st-1"), None));
    assert_eq!(
        answer(&ann, &id, "approve").await.expect(404).value()["error_code"],
        "oauth_authorization_not_found"
    );
    assert!(app.audited("auth.consent_denied").await);
    assert_eq!(ann.client.get("/auth/v1/user/oauth/grants").await.expect(200).value(), json!([]));
}

/// A browser at the consent page of a request.
async fn opened(
    app: &TestApp,
    browser: &mut Browser,
    program: &Program,
    more: &[(&str, &str)],
) -> (String, Seen) {
    let start = format!("{}{}", app.running.url, program.request(more));
    let page = browser.open(&start).await.expect(302).header("location").to_owned();
    let seen = browser.open(&page).await;
    (page, seen)
}

#[tokio::test]
async fn our_own_page_signs_in_asks_and_sends_back_without_a_script() {
    let app = with_server().start().await;
    let ann = app.person("ann").await;
    let program = Program::made(&app, json!({ "client_name": "<b>Bold</b>" })).await;
    let mut browser = Browser::new(app.stranger().from);
    let (page, seen) = opened(&app, &mut browser, &program, &[]).await;
    let at = |step: &str| format!("{}/auth/v1/oauth/consent{step}", app.running.url);
    let text = seen.expect(200).text();
    assert!(text.contains("Sign in"), "{text}");
    let fields = |text: &str| (hidden(text, "csrf_token"), hidden(text, "authorization_id"));
    let (csrf, id) = fields(&text);
    let sign_in = async |browser: &mut Browser, password: &str| {
        let fields = [
            ("csrf_token", csrf.as_str()),
            ("authorization_id", &id),
            ("email", "ann@example.com"),
            ("password", password),
        ];
        browser.submit(&at("/sign-in"), &fields).await
    };
    let wrong = sign_in(&mut browser, "Wrong-Horse-7-Battery!").await.expect(400).text();
    assert!(wrong.contains("Invalid login credentials"), "{wrong}");
    let signed_in = sign_in(&mut browser, &ann.password).await.expect(303);
    let asked = browser.open(&spec::browser::absolute(&page, signed_in.header("location"))).await.expect(200);
    assert!(asked.header("content-security-policy").contains("frame-ancestors 'none'"));
    // A browser that tells nobody of the page sends its form with `Origin: null`.
    assert_eq!(asked.header("referrer-policy"), "same-origin");
    let asked = asked.text();
    assert!(asked.contains("&lt;b&gt;Bold") && !asked.contains("<b>Bold"), "{asked}");
    assert!(asked.contains("program.example") && asked.contains("your e-mail address"), "{asked}");
    let (csrf, id) = fields(&asked);
    let approve = [("csrf_token", csrf.as_str()), ("authorization_id", &id), ("action", "approve")];
    let done = browser.submit(&at(""), &approve).await.expect(200);
    let back = done.header("refresh").strip_prefix("0;url=").expect("it goes on").to_owned();
    assert!(back.starts_with(PROGRAM) && done.text().contains("id=\"onward\""), "{back}");
    program.exchange(&app.stranger(), &parameter(&back, "code").unwrap()).await.expect(200);

    // The browser is signed in for a while, and what was agreed to is not asked again.
    let (_, again) = opened(&app, &mut browser, &program, &[]).await;
    assert!(again.expect(302).header("location").contains("code="));
    let silent =
        browser.open(&format!("{}{}", app.running.url, program.request(&[("prompt", "none")]))).await;
    assert!(silent.expect(302).header("location").starts_with(&format!("{PROGRAM}?code=")));
    let (_, login) = opened(&app, &mut browser, &program, &[("prompt", "login")]).await;
    assert!(login.status == 302, "the proof is of this second");
    app.clock.advance(std::time::Duration::from_secs(120));
    for more in [("prompt", "login"), ("max_age", "60")] {
        let (_, seen) = opened(&app, &mut browser, &program, &[more]).await;
        assert!(seen.expect(200).text().contains("Sign in again"), "{more:?}");
    }
    let (_, seen) = opened(&app, &mut browser, &program, &[("max_age", "600")]).await;
    seen.expect(302);

    // Signing out on the page ends that session.
    let (_, seen) = opened(&app, &mut browser, &program, &[("prompt", "consent")]).await;
    let (csrf, id) = fields(&seen.expect(200).text());
    let out = [("csrf_token", csrf.as_str()), ("authorization_id", &id)];
    assert!(browser.submit(&at("/sign-out"), &out).await.expect(200).text().contains("Signed out"));
    let (_, seen) = opened(&app, &mut browser, &program, &[]).await;
    assert!(seen.expect(200).text().contains("name=\"password\""));
    let silent =
        browser.open(&format!("{}{}", app.running.url, program.request(&[("prompt", "none")]))).await;
    assert_eq!(parameter(silent.expect(302).header("location"), "error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn an_account_with_a_second_factor_shows_it_before_it_lets_a_program_in() {
    let app = with_server().start().await;
    let ann = app.person("ann").await;
    let (raised, phone) = Authenticator::with(&ann, app.clock.now().as_second()).await;
    let program = Program::made(&app, json!({})).await;
    app.clock.advance(std::time::Duration::from_secs(60));
    let session = Person::sign_in(&app.stranger(), &ann.email, &ann.password).await.expect(200).value();
    let weak = ann.again(&session);
    let id = program.waiting(&app, &[]).await;
    let seen = weak.client.get(&format!("/auth/v1/oauth/authorizations/{id}")).await.expect(403);
    assert_eq!(seen.value()["error_code"], "insufficient_aal");
    answer(&weak, &id, "approve").await.expect(403);
    let granted = program.sign_in(&app, &raised, &[]).await;
    let access = claims(&granted["access_token"]);
    assert_eq!((&access["aal"], &claims(&granted["id_token"])["acr"]), (&json!("aal2"), &json!("aal2")));

    // On the page too: the password alone leads to the form of the second factor.
    let mut browser = Browser::new(app.stranger().from);
    let (page, seen) = opened(&app, &mut browser, &program, &[("prompt", "consent")]).await;
    let text = seen.expect(200).text();
    let (csrf, id) = (hidden(&text, "csrf_token"), hidden(&text, "authorization_id"));
    let base = [("csrf_token", csrf.as_str()), ("authorization_id", id.as_str())];
    let at = |step: &str| format!("{}/auth/v1/oauth/consent{step}", app.running.url);
    let sign_in = [base[0], base[1], ("email", "ann@example.com"), ("password", &ann.password)];
    browser.submit(&at("/sign-in"), &sign_in).await.expect(303);
    let asked = browser.open(&page).await.expect(200).text();
    assert!(asked.contains("Your second factor"), "{asked}");
    let factor = hidden(&asked, "factor");
    assert_eq!(factor, phone.id);
    let show = async |browser: &mut Browser, code: &str| {
        browser.submit(&at("/factor"), &[base[0], base[1], ("factor", &factor), ("code", code)]).await
    };
    let approve = browser.submit(&at(""), &[base[0], base[1], ("action", "approve")]).await;
    assert!(
        approve.expect(303).header("location").contains("/oauth/consent?"),
        "no answer before the factor"
    );
    let now = app.clock.now().as_second();
    let wrong = show(&mut browser, &phone.wrong(now)).await;
    assert!(
        wrong.status.is_client_error() && wrong.text().contains("Your second factor"),
        "{}",
        wrong.text()
    );
    show(&mut browser, &phone.code(now)).await.expect(303);
    let asked = browser.open(&page).await.expect(200).text();
    assert!(asked.contains("wants to sign you in"), "{asked}");
}

#[tokio::test]
async fn administrators_make_change_and_remove_clients_and_secrets_are_kept_hashed() {
    let app = with_server().start().await;
    let admin = app.service();
    let path = "/auth/v1/admin/oauth/clients";
    let body =
        json!({ "client_name": "One", "redirect_uris": [PROGRAM], "client_uri": "https://program.example" });
    let made = admin.post(path, body).await.expect(201).value();
    let secret = made["client_secret"].as_str().unwrap().to_owned();
    assert_eq!(
        (&made["client_type"], &made["registration_type"]),
        (&json!("confidential"), &json!("manual"))
    );
    assert_eq!(made["grant_types"], json!(["authorization_code", "refresh_token"]));
    let one = format!("{path}/{}", made["client_id"].as_str().unwrap());
    let kept = app.database.admin().await;
    let kept: String =
        kept.query_one("select client_secret_hash from auth.oauth_clients", &[]).await.unwrap().get(0);
    assert!(!kept.contains(&secret) && kept.len() == 43, "{kept}");

    let seen = admin.get(&one).await.expect(200).value();
    assert!(seen.get("client_secret").is_none(), "{seen}");
    let changed = admin.json(Method::PUT, &one, json!({ "client_name": "Two" })).await.expect(200).value();
    assert_eq!((&changed["client_name"], &changed["redirect_uris"]), (&json!("Two"), &json!([PROGRAM])));
    let listed = admin.get(&format!("{path}?page=1&per_page=1")).await.expect(200);
    assert_eq!(
        (listed.header("x-total-count"), listed.value()["clients"][0]["client_name"].as_str()),
        ("1", Some("Two"))
    );
    let other =
        admin.post(&format!("{one}/regenerate_secret"), json!({})).await.expect(200).field("client_secret");
    assert_ne!(other, secret);

    let public = json!({ "redirect_uris": ["com.example.app:/cb"], "client_type": "public" });
    let public = admin.post(path, public).await.expect(201).value();
    assert_eq!((public.get("client_secret"), &public["token_endpoint_auth_method"]), (None, &json!("none")));
    let public = format!("{path}/{}", public["client_id"].as_str().unwrap());
    admin.post(&format!("{public}/regenerate_secret"), json!({})).await.expect(400);
    for bad in [
        json!({}),
        json!({ "redirect_uris": [] }),
        json!({ "redirect_uris": ["http://program.example/"] }),
        json!({ "redirect_uris": [PROGRAM], "grant_types": ["password"] }),
        json!({ "redirect_uris": [PROGRAM], "client_type": "public", "token_endpoint_auth_method": "client_secret_post" }),
        json!({ "redirect_uris": [PROGRAM], "client_uri": "javascript:alert(1)" }),
        json!({ "redirect_uris": vec![PROGRAM; 11] }),
    ] {
        assert_eq!(
            admin.post(path, bad.clone()).await.expect(400).value()["error_code"],
            "validation_failed",
            "{bad}"
        );
    }
    for stranger in [app.stranger(), app.person("ann").await.client] {
        let seen = stranger.post(path, json!({ "redirect_uris": [PROGRAM] })).await;
        assert!([401, 403].contains(&seen.status.as_u16()), "{}", seen.text());
    }
    admin.send(Method::DELETE, &one, &[], Bytes::new()).await.expect(204);
    for method in [Method::GET, Method::DELETE] {
        let gone = admin.send(method, &one, &[], Bytes::new()).await.expect(404).value();
        assert_eq!(gone["error_code"], "oauth_client_not_found");
    }
}

#[tokio::test]
async fn removing_a_client_ends_its_sessions_and_no_others() {
    let app = with_server().start().await;
    let ann = app.person("ann").await;
    let (one, two) = (Program::made(&app, json!({})).await, Program::made(&app, json!({})).await);
    let first = one.sign_in(&app, &ann, &[]).await;
    let second = two.sign_in(&app, &ann, &[]).await;
    let path = format!("/auth/v1/admin/oauth/clients/{}", one.id);
    app.service().send(Method::DELETE, &path, &[], Bytes::new()).await.expect(204);
    bearer(&app, &first["access_token"]).get("/auth/v1/user").await.expect(403);
    bearer(&app, &second["access_token"]).get("/auth/v1/user").await.expect(200);
    ann.client.get("/auth/v1/user").await.expect(200);
}

#[tokio::test]
async fn programs_register_themselves_only_where_that_is_allowed() {
    let app = with_server().start().await;
    let path = "/auth/v1/oauth/clients/register";
    let body = json!({ "client_name": "Stranger", "redirect_uris": ["http://127.0.0.1:5/cb"], "token_endpoint_auth_method": "none" });
    let refused = app.stranger().post(path, body.clone()).await.expect(403).value();
    assert_eq!(refused["error_code"], "oauth_dynamic_client_registration_disabled");
    let discovery = "/auth/v1/.well-known/oauth-authorization-server";
    let told = app.stranger().get(discovery).await.expect(200).value();
    assert!(told.get("registration_endpoint").is_none());

    let app = with_server().with("auth.oauth_server.allow_dynamic_registration", "true").start().await;
    let told = app.stranger().get(discovery).await.expect(200).value();
    assert!(told["registration_endpoint"].as_str().unwrap().ends_with(path));
    let made = app.stranger().post(path, body).await.expect(201).value();
    assert_eq!((&made["registration_type"], made.get("client_secret")), (&json!("dynamic"), None));
    let secret = app.stranger().post(path, json!({ "redirect_uris": [PROGRAM] })).await.expect(201).value();
    assert_eq!((secret["client_secret"].is_string(), &secret["client_secret_expires_at"]), (true, &json!(0)));
    let bad = app
        .stranger()
        .post(path, json!({ "redirect_uris": ["javascript:alert(1)"] }))
        .await
        .expect(400)
        .value();
    assert_eq!(bad["error"], "invalid_redirect_uri");

    // Whoever keeps no secret and lives on this machine may be anybody: its people are asked every time.
    let ann = app.person("ann").await;
    let program = Program { id: made["client_id"].as_str().unwrap().to_owned(), secret: None };
    let local = [("redirect_uri", "http://127.0.0.1:5/cb")];
    program.code(&app, &ann, &local).await;
    let id = program.waiting(&app, &local).await;
    let asked = ann.client.get(&format!("/auth/v1/oauth/authorizations/{id}")).await.expect(200).value();
    assert!(asked.get("redirect_url").is_none(), "{asked}");
}

#[tokio::test]
async fn the_server_says_what_it_is_where_programs_look_and_nothing_while_it_is_off() {
    let app = with_server().start().await;
    let issuer = app.running.services.auth.rules().issuer.clone();
    for path in [
        "/auth/v1/.well-known/oauth-authorization-server",
        "/auth/v1/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/auth/v1",
        "/.well-known/openid-configuration/auth/v1",
    ] {
        let told = app.stranger().get(path).await.expect(200).value();
        assert_eq!(told["issuer"], json!(issuer), "{path}");
        assert_eq!(told["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(told["authorization_response_iss_parameter_supported"], json!(true));
        assert!(told["scopes_supported"].as_array().unwrap().contains(&json!("openid")));
    }
    // With a shared secret nobody else could verify an ID token, so none is offered.
    let shared = with_server().with("jwt.signing", "hs256").start().await;
    let path = "/auth/v1/.well-known/oauth-authorization-server";
    let told = shared.stranger().get(path).await.expect(200).value();
    assert!(!told["scopes_supported"].as_array().unwrap().contains(&json!("openid")), "{told}");
    let program = Program::made(&shared, json!({})).await;
    let back = shared.stranger().get(&program.request(&[])).await.expect(302);
    assert_eq!(parameter(back.header("location"), "error").as_deref(), Some("invalid_scope"));

    let off = TestApp::start().await;
    for path in [path, "/.well-known/oauth-authorization-server/auth/v1"] {
        assert_eq!(off.stranger().get(path).await.expect(404).value()["error_code"], "feature_disabled");
    }
    let openid = off.stranger().get("/auth/v1/.well-known/openid-configuration").await.expect(200).value();
    assert!(openid.get("authorization_endpoint").is_none());
    off.stranger().get("/auth/v1/oauth/consent").await.expect(404);
    for path in ["/auth/v1/oauth/clients/register", "/auth/v1/oauth/token"] {
        let body = json!({ "grant_type": "refresh_token", "refresh_token": "x" });
        assert_eq!(
            off.stranger().post(path, body).await.expect(404).value()["error_code"],
            "feature_disabled",
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_application_of_the_operators_asks_for_consent_where_it_is_named() {
    let app = with_server()
        .with("auth.site_url", "https://app.example.com")
        .with("auth.oauth_server.authorization_path", "/oauth/consent")
        .start()
        .await;
    let program = Program::made(&app, json!({})).await;
    let to = app.stranger().get(&program.request(&[])).await.expect(302).header("location").to_owned();
    assert!(to.starts_with("https://app.example.com/oauth/consent?authorization_id="), "{to}");
}

#[tokio::test]
async fn a_program_gives_its_tokens_back() {
    let app = with_server().start().await;
    let ann = app.person("ann").await;
    let program = Program::made(&app, json!({})).await;
    let other = Program::made(&app, json!({})).await;
    for which in ["refresh_token", "access_token"] {
        let granted = program.sign_in(&app, &ann, &[]).await;
        let token = granted[which].as_str().unwrap();
        let give = async |program: &Program, token: &str| {
            let secret = program.secret.clone().unwrap();
            let fields = [("token", token), ("client_id", program.id.as_str()), ("client_secret", &secret)];
            post_form(&app.stranger(), "/auth/v1/oauth/revoke", &fields).await
        };
        give(&other, token).await.expect(200);
        give(&program, "nonsense").await.expect(200);
        give(&program, &ann.access_token).await.expect(200);
        bearer(&app, &granted["access_token"]).get("/auth/v1/user").await.expect(200);
        give(&program, token).await.expect(200);
        bearer(&app, &granted["access_token"]).get("/auth/v1/user").await.expect(403);
        ann.client.get("/auth/v1/user").await.expect(200);
    }
}
