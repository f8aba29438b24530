//! Signing in through somebody else: a real OpenID provider, and doubles that answer as the fixed ones were recorded.

use serde_json::{Value, json};
use spec::browser::{hidden, parameter};
use spec::{Browser, Double, Idp, TestApp, TestAppBuilder};

/// Where applications get their people back.
pub const BACK: &str = "http://localhost:3000/welcome";
/// RFC 7636, appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// An instance that knows `idp` as `keycloak`, which is any OpenID provider by its URL.
pub fn with_idp(idp: &Idp) -> TestAppBuilder {
    TestApp::builder()
        .unlimited()
        .with("outbound.allow", "127.0.0.1")
        .with("auth.site_url", "http://localhost:3000")
        .with("auth.external.keycloak.enabled", "true")
        .with("auth.external.keycloak.url", &idp.issuer)
        .with("auth.external.keycloak.client_id", "palisade")
        .with("auth.external.keycloak.secret", "a-secret-that-only-both-know")
        .with("auth.manual_linking", "true")
}

/// Starts an instance whose clock shows what the provider's does.
pub async fn today(builder: TestAppBuilder) -> TestApp {
    let app = builder.start().await;
    let ahead = base::Clock::system().now().duration_since(app.clock.now());
    app.clock.advance(ahead.try_into().unwrap());
    app
}

/// A fresh browser at an address of its own.
pub fn browser(app: &TestApp) -> Browser {
    Browser::new(app.stranger().from)
}

/// Where a sign-in begins. `who` is `subject~email~verified~name`.
pub fn begin(app: &TestApp, provider: &str, who: &str, more: &str) -> String {
    format!(
        "{}/auth/v1/authorize?provider={provider}&redirect_to={BACK}&login_hint={}{more}",
        app.running.url,
        who.replace('@', "%40").replace(' ', "%20")
    )
}

/// Signs `who` in and returns the address the application gets.
pub async fn sign_in(app: &TestApp, browser: &mut Browser, who: &str) -> String {
    let from =
        begin(app, "keycloak", who, &format!("&code_challenge={CHALLENGE}&code_challenge_method=s256"));
    browser.follow(&from, BACK).await
}

/// The session of an address with a code.
pub async fn exchange(app: &TestApp, address: &str) -> spec::Seen {
    let code = parameter(address, "code").unwrap_or_else(|| panic!("no code in {address}"));
    let body = json!({ "auth_code": code, "code_verifier": VERIFIER });
    app.stranger().post("/auth/v1/token?grant_type=pkce", body).await
}

#[tokio::test]
async fn somebody_signs_in_through_a_real_openid_provider_and_stays_the_same_account() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let mut browser = browser(&app);
    let back = sign_in(&app, &mut browser, "s-1~Ann@Example.com~true~Ann Example").await;
    let session = exchange(&app, &back).await.expect(200).value();
    assert_eq!(session["user"]["email"], "ann@example.com");
    assert_eq!(session["user"]["app_metadata"], json!({ "provider": "keycloak", "providers": ["keycloak"] }));
    assert_eq!(session["user"]["user_metadata"]["full_name"], "Ann Example");
    let identity = &session["user"]["identities"][0];
    assert_eq!(
        (&identity["provider"], &identity["id"]),
        (&json!("keycloak"), &json!("s-1~Ann@Example.com~true~Ann Example"))
    );
    assert!(session["provider_token"].is_string(), "the provider's own token is given once");
    let bearer = format!("Bearer {}", session["access_token"].as_str().unwrap());
    let user = app.stranger().with("authorization", &bearer).get("/auth/v1/user").await.expect(200).value();
    assert_eq!(user["id"], session["user"]["id"]);
    // The provider's tokens are nowhere in the clear, and the account is the same one next time.
    let back = sign_in(&app, &mut self::browser(&app), "s-1~Ann@Example.com~true~Ann Example").await;
    let again = exchange(&app, &back).await.expect(200).value();
    assert_eq!(again["user"]["id"], session["user"]["id"]);
    assert!(app.audited("auth.login").await && app.audited("auth.signup").await);
}

#[tokio::test]
async fn without_a_challenge_the_session_comes_in_the_fragment_as_upstream_writes_it() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let from = begin(&app, "keycloak", "s-2~bob@example.com~true~Bob", "");
    let back = browser(&app).follow(&from, BACK).await;
    let (address, fragment) = back.split_once('#').expect("a fragment");
    assert_eq!(address, BACK);
    let names: Vec<&str> = fragment.split('&').map(|pair| pair.split('=').next().unwrap()).collect();
    assert_eq!(
        names,
        ["access_token", "expires_at", "expires_in", "provider_token", "refresh_token", "sb", "token_type"]
    );
}

#[tokio::test]
async fn a_person_who_says_no_comes_back_with_the_reason_in_query_and_fragment() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let back = browser(&app).follow(&begin(&app, "keycloak", "nobody", ""), BACK).await;
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&back, "error_description").as_deref(), Some("the person said no"));
    assert!(back.contains("#error=access_denied&error_code=access_denied"), "{back}");
}

#[tokio::test]
async fn a_provider_that_is_off_is_refused_in_upstreams_words() {
    let app = TestApp::start().await;
    for name in ["google", "github", "custom:none", "nonsense", ""] {
        let seen = app.stranger().get(&format!("/auth/v1/authorize?provider={name}")).await.expect(400);
        assert_eq!(seen.value()["error_code"], "validation_failed", "{name}");
        assert!(seen.value()["msg"].as_str().unwrap().starts_with("Unsupported provider"), "{name}");
    }
    let settings = app.stranger().get("/auth/v1/settings").await.expect(200).value();
    assert_eq!(settings["external"]["github"], false);
}

#[tokio::test]
async fn a_signed_in_person_links_another_identity_and_unlinks_it() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let ann = app.person("ann").await;
    let path = format!(
        "/auth/v1/user/identities/authorize?provider=keycloak&redirect_to={BACK}&skip_http_redirect=true\
         &code_challenge={CHALLENGE}&code_challenge_method=s256&login_hint=s-9~other%40example.com~true~Ann"
    );
    let url = ann.client.get(&path).await.expect(200).field("url");
    assert!(url.starts_with(&app.running.url), "the flow is bound to the browser at our own place: {url}");
    let back = browser(&app).follow(&url, BACK).await;
    let providers = async || -> Vec<String> {
        let user = ann.client.get("/auth/v1/user").await.expect(200).value();
        let all = user["identities"].as_array().unwrap().iter();
        let mut names: Vec<String> = all.map(|i| i["provider"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(
        providers().await,
        ["email"],
        "nothing is linked before the application has its code exchanged"
    );
    let session = exchange(&app, &back).await.expect(200).value();
    assert_eq!(session["user"]["id"], json!(ann.id));
    assert_eq!(providers().await, ["email", "keycloak"]);
    let linked = ann.client.get("/auth/v1/user").await.value();
    let id = |provider: &str| {
        let all = linked["identities"].as_array().unwrap();
        let one = all.iter().find(|i| i["provider"] == provider).unwrap();
        one["identity_id"].as_str().unwrap().to_owned()
    };
    let delete = |id: String| {
        let client = ann.client.clone();
        async move {
            client.send(http::Method::DELETE, &format!("/auth/v1/user/identities/{id}"), &[], "".into()).await
        }
    };
    delete(id("keycloak")).await.expect(200);
    assert_eq!(providers().await, ["email"]);
    let last = delete(id("email")).await.expect(422).value();
    assert_eq!(last["error_code"], "single_identity_not_deletable");
    assert_eq!(delete("not-an-id".into()).await.expect(404).value()["error_code"], "validation_failed");
    assert!(app.audited("auth.identity_linked").await && app.audited("auth.identity_unlinked").await);
}

/// An account may be known by an address that another account is known by too, as an identity of it. Only while it is that.
#[tokio::test]
async fn an_identity_whose_end_would_give_an_account_somebody_elses_address_stays() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let ann = app.person("ann").await;
    let path = format!(
        "/auth/v1/user/identities/authorize?provider=keycloak&redirect_to={BACK}&skip_http_redirect=true\
         &code_challenge={CHALLENGE}&code_challenge_method=s256&login_hint=s-9~bob%40example.com~true~Ann"
    );
    let url = ann.client.get(&path).await.expect(200).field("url");
    let back = browser(&app).follow(&url, BACK).await;
    exchange(&app, &back).await.expect(200);
    let bob = app.person("bob").await;
    let of_ann = async || ann.client.get("/auth/v1/user").await.expect(200).value();
    let before = of_ann().await;
    let all = before["identities"].as_array().unwrap().clone();
    let own = all.iter().find(|one| one["provider"] == "email").unwrap()["identity_id"].as_str().unwrap();
    let unlink = format!("/auth/v1/user/identities/{own}");
    let refused = ann.client.send(http::Method::DELETE, &unlink, &[], "".into()).await.expect(422).value();
    assert_eq!(refused["error_code"], "email_conflict_identity_not_deletable");
    let after = of_ann().await;
    assert_eq!(
        (&after["email"], after["identities"].as_array().unwrap().len()),
        (&json!("ann@example.com"), 2)
    );
    // The neighbour: once the address is nobody else's, the same is done.
    let path = format!("/auth/v1/admin/users/{}", bob.id);
    app.service().send(http::Method::DELETE, &path, &[], "".into()).await.expect(200);
    ann.client.send(http::Method::DELETE, &unlink, &[], "".into()).await.expect(200);
    assert_eq!(of_ann().await["email"], "bob@example.com");
}

/// What provisioning services ask first, where it is on.
#[tokio::test]
async fn the_documents_of_scim_say_that_nothing_is_provisioned_and_are_off_unless_set() {
    let doors =
        ["ServiceProviderConfig", "ResourceTypes", "Schemas"].map(|name| format!("/auth/v1/scim/v2/{name}"));
    let off = TestApp::start().await;
    for door in &doors {
        assert_eq!(off.stranger().get(door).await.expect(404).field("error_code"), "feature_disabled");
    }
    let app = TestApp::builder().with("auth.scim.enabled", "true").start().await;
    for (at, door) in doors.iter().enumerate() {
        let seen = app.stranger().get(door).await.expect(200);
        assert_eq!(seen.header("content-type"), "application/scim+json");
        let said = seen.value();
        match at {
            0 => {
                assert_eq!(said["schemas"][0], "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig");
                for feature in ["patch", "bulk", "filter", "changePassword", "sort", "etag"] {
                    assert_eq!(said[feature]["supported"], false, "{feature}");
                }
                assert_eq!(said["authenticationSchemes"], json!([]));
            }
            _ => assert_eq!((&said["totalResults"], &said["Resources"]), (&json!(0), &json!([]))),
        }
    }
    // Nothing else of it is there.
    app.service().get("/auth/v1/scim/v2/Users").await.expect(404);
}

#[tokio::test]
async fn linking_without_a_challenge_asks_on_a_page_that_works_without_a_script() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let ann = app.person("ann").await;
    let path = format!(
        "/auth/v1/user/identities/authorize?provider=keycloak&redirect_to={BACK}&skip_http_redirect=true\
         &login_hint=s-9~other%40example.com~true~Mallory"
    );
    let url = ann.client.get(&path).await.expect(200).field("url");
    let mut browser = browser(&app);
    let page_at = browser.follow(&url, &format!("{}/auth/v1/callback/link", app.running.url)).await;
    let page = browser.open(&page_at).await.expect(200);
    assert!(page.text().contains("Mallory") && page.text().contains("ann@example.com"), "{}", page.text());
    assert!(
        page.header("content-security-policy")
            .starts_with("default-src 'none'; form-action 'self' http://localhost:3000;")
    );
    assert!(!page.text().contains("<script"));
    let (flow, token) = (hidden(&page.text(), "flow"), hidden(&page.text(), "csrf_token"));
    let submit_to = format!("{}/auth/v1/callback/link", app.running.url);
    browser.submit(&submit_to, &[("flow", &flow), ("csrf_token", "wrong")]).await.expect(403);
    let seen = browser.submit(&submit_to, &[("flow", &flow), ("csrf_token", &token)]).await.expect(302);
    assert!(seen.header("location").starts_with(&format!("{BACK}#access_token=")));
    browser.submit(&submit_to, &[("flow", &flow), ("csrf_token", &token)]).await.expect(403);
}

#[tokio::test]
async fn an_administrator_adds_a_provider_whose_secret_no_answer_shows() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let fields = json!({
        "provider_type": "oidc", "identifier": "custom:ours", "name": "Ours", "client_id": "palisade",
        "client_secret": "a-secret-that-only-both-know", "issuer": idp.issuer, "scopes": ["email", "profile"],
    });
    let admin = app.service();
    let made = admin.post("/auth/v1/admin/custom-providers", fields.clone()).await.expect(201);
    assert!(!made.text().contains("a-secret"), "{}", made.text());
    assert_eq!(made.value()["identifier"], "custom:ours");
    let listed = admin.get("/auth/v1/admin/custom-providers?type=oidc").await.expect(200);
    assert_eq!(listed.value()["providers"].as_array().unwrap().len(), 1);
    assert!(!listed.text().contains("a-secret"));
    let stored = app.database.admin().await;
    let stored =
        stored.query_one("select client_secret from auth.custom_oauth_providers", &[]).await.unwrap();
    assert!(!stored.get::<_, String>(0).contains("a-secret"), "sealed at rest");
    let from = begin(&app, "custom:ours", "s-7~eve@example.com~true~Eve", "");
    let back = browser(&app).follow(&from, BACK).await;
    assert!(back.contains("access_token="), "{back}");
    admin
        .json(http::Method::PUT, "/auth/v1/admin/custom-providers/custom:ours", json!({ "enabled": false }))
        .await
        .expect(200);
    browser(&app).open(&from).await.expect(400);
    let gone =
        admin.send(http::Method::DELETE, "/auth/v1/admin/custom-providers/custom:ours", &[], "".into()).await;
    gone.expect(204);
    let missing = admin.get("/auth/v1/admin/custom-providers/custom:ours").await.expect(404);
    assert_eq!(missing.value()["error_code"], "custom_provider_not_found");
    app.stranger().post("/auth/v1/admin/custom-providers", fields).await.expect(403);
    assert!(app.audited("admin.oauth_provider_changed").await);
}

#[tokio::test]
async fn what_an_administrator_wants_kept_of_a_provider_is_kept_and_nothing_else() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let fields = json!({
        "provider_type": "oidc", "identifier": "custom:ours", "name": "Ours", "client_id": "palisade",
        "client_secret": "a-secret-that-only-both-know", "issuer": idp.issuer, "scopes": ["email", "profile"],
        "custom_claims_allowlist": ["groups", "department"],
    });
    let admin = app.service();
    admin.post("/auth/v1/admin/custom-providers", fields).await.expect(201);
    let enter = async || {
        let proof = format!("&code_challenge={CHALLENGE}&code_challenge_method=s256");
        let from = begin(&app, "custom:ours", "s-8~eve@example.com~true~Eve", &proof);
        let back = browser(&app).follow(&from, BACK).await;
        exchange(&app, &back).await.expect(200).value()["user"]["identities"][0]["identity_data"].clone()
    };
    let kept = enter().await;
    assert_eq!(kept["custom_claims"], json!({ "groups": ["staff", "night-shift"] }), "{kept}");
    assert!(kept.get("groups").is_none() && !kept.to_string().contains("never-kept"), "{kept}");
    let path = "/auth/v1/admin/custom-providers/custom:ours";
    let none = json!({ "custom_claims_allowlist": [] });
    admin.json(http::Method::PUT, path, none).await.expect(200);
    assert!(enter().await.get("custom_claims").is_none(), "what is no longer wanted is no longer kept");
    let many: Vec<String> = (0..51).map(|number| format!("claim-{number}")).collect();
    admin.json(http::Method::PUT, path, json!({ "custom_claims_allowlist": many })).await.expect(400);
}

/// A token in the form of a JWT, signed with `key`.
fn signed(key: &seal::SigningKey, claims: &Value) -> String {
    key.sign(claims.as_object().unwrap()).unwrap()
}

#[tokio::test]
async fn an_oauth_provider_whose_keys_are_known_must_sign_what_it_says() {
    let double = Double::start().await;
    let app = TestApp::builder().unlimited().with("outbound.allow", "127.0.0.1").start().await;
    let (theirs, others) =
        (seal::SigningKey::generate_es256().unwrap(), seal::SigningKey::generate_es256().unwrap());
    double.answer("/jwks", json!({ "keys": [theirs.verify_key().jwk().unwrap()] }));
    double.answer("/user", json!({ "sub": "s-1", "email": "eve@example.com", "email_verified": true }));
    let at = |path: &str| format!("{}{path}", double.url);
    let fields = json!({
        "provider_type": "oauth2", "identifier": "custom:signed", "name": "Signed", "client_id": "palisade",
        "client_secret": "x", "authorization_url": at("/authorize"), "token_url": at("/token"),
        "userinfo_url": at("/user"), "jwks_uri": at("/jwks"), "scopes": ["openid"],
    });
    app.service().post("/auth/v1/admin/custom-providers", fields).await.expect(201);
    let now = app.clock.now().as_second();
    let hash = |token: &str| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD
            .encode(seal::left_half(256, token.as_bytes()).unwrap())
    };
    let claims = |more: Value| {
        let mut claims = json!({ "iss": "https://signed.example", "sub": "s-1", "aud": "palisade", "exp": now + 600, "iat": now });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    };
    let enter = async |id_token: Option<String>| {
        let mut answer = json!({ "access_token": "at-1", "token_type": "bearer" });
        if let Some(token) = id_token {
            answer["id_token"] = json!(token);
        }
        double.answer("/token", answer);
        let mut browser = browser(&app);
        let from = format!("{}/auth/v1/authorize?provider=custom:signed&redirect_to={BACK}", app.running.url);
        let to = browser.open(&from).await.expect(302).header("location").to_owned();
        let state = parameter(&to, "state").unwrap();
        let callback = format!("{}/auth/v1/callback?code=c&state={state}", app.running.url);
        browser.open(&callback).await.expect(302).header("location").to_owned()
    };
    let good = enter(Some(signed(&theirs, &claims(json!({ "at_hash": hash("at-1") }))))).await;
    assert!(good.contains("access_token="), "{good}");
    for (what, token) in [
        ("none", None),
        ("another key", Some(signed(&others, &claims(json!({}))))),
        ("another client", Some(signed(&theirs, &claims(json!({ "aud": "somebody-else" }))))),
        ("another person", Some(signed(&theirs, &claims(json!({ "sub": "s-2" }))))),
        ("another access token", Some(signed(&theirs, &claims(json!({ "at_hash": hash("at-2") }))))),
        ("too old", Some(signed(&theirs, &claims(json!({ "exp": now - 600 }))))),
        ("another flow", Some(signed(&theirs, &claims(json!({ "nonce": "n" }))))),
        (
            "a shared secret",
            Some(signed(
                &seal::SigningKey::hs256(b"a-secret-that-is-long-enough-for-it"),
                &claims(json!({})),
            )),
        ),
    ] {
        let back = enter(token).await;
        assert!(back.contains("error=") && !back.contains("access_token="), "{what}: {back}");
    }
    assert!(enter(Some(signed(&theirs, &claims(json!({}))))).await.contains("access_token="));
}

#[tokio::test]
async fn an_access_token_that_is_handed_in_is_the_one_that_its_id_token_names() {
    use base64::Engine;
    let double = Double::start().await;
    let app = TestApp::builder().unlimited().with("outbound.allow", "127.0.0.1").start().await;
    let theirs = seal::SigningKey::generate_es256().unwrap();
    let at = |path: &str| format!("{}{path}", double.url);
    let document = json!({
        "issuer": double.url, "authorization_endpoint": at("/a"), "token_endpoint": at("/t"), "jwks_uri": at("/jwks"),
    });
    double.answer("/.well-known/openid-configuration", document);
    double.answer("/jwks", json!({ "keys": [theirs.verify_key().jwk().unwrap()] }));
    let fields = json!({
        "provider_type": "oidc", "identifier": "custom:native", "name": "Native", "client_id": "palisade", "issuer": double.url,
    });
    app.service().post("/auth/v1/admin/custom-providers", fields).await.expect(201);
    let now = app.clock.now().as_second();
    let half = seal::left_half(256, b"the-access-token").unwrap();
    let hash = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(half);
    let token = signed(
        &theirs,
        &json!({
            "iss": double.url, "sub": "s-1", "aud": "palisade", "exp": now + 600, "iat": now, "at_hash": hash,
            "email": "eve@example.com", "email_verified": true,
        }),
    );
    // Without one there is nothing to hold it against (OpenID Connect Core 3.2.2.9): applications on phones often have none.
    for (access_token, status) in [
        (json!("another"), 400),
        (json!(hash), 400),
        (json!("the-access-token"), 200),
        (json!(""), 200),
        (Value::Null, 200),
    ] {
        let body = json!({ "provider": "custom:native", "id_token": token, "access_token": access_token });
        app.stranger().post("/auth/v1/token?grant_type=id_token", body).await.expect(status);
    }
}

/// An instance that knows one fixed provider, which is a double.
pub async fn with_double(keys: [&'static str; 4], double: &Double) -> TestApp {
    let [enabled, id, secret, url] = keys;
    let app = TestApp::builder()
        .unlimited()
        .with("outbound.allow", "127.0.0.1")
        .with("auth.site_url", "http://localhost:3000")
        .with(enabled, "true")
        .with(id, "our-client")
        .with(secret, "our-secret")
        .with(url, &double.url);
    app.start().await
}

/// Comes back from a double, which has no page of its own.
pub async fn return_from(app: &TestApp, provider: &str, more: &str) -> String {
    let mut browser = browser(app);
    let sent = browser.open(&begin(app, provider, "x", more)).await.expect(302);
    let state = parameter(sent.header("location"), "state").unwrap();
    let back = format!("{}/auth/v1/callback?code=recorded-code&state={state}", app.running.url);
    let landed = browser.open(&back).await.expect(302);
    landed.header("location").to_owned()
}

macro_rules! keys {
    ($name:literal) => {
        [
            concat!("auth.external.", $name, ".enabled"),
            concat!("auth.external.", $name, ".client_id"),
            concat!("auth.external.", $name, ".secret"),
            concat!("auth.external.", $name, ".url"),
        ]
    };
}

/// Signs in through a double and returns the user of the fragment's token.
pub async fn user_of(app: &TestApp, back: &str) -> Value {
    let token = parameter(back, "access_token").unwrap_or_else(|| panic!("no session in {back}"));
    app.stranger()
        .with("authorization", &format!("Bearer {token}"))
        .get("/auth/v1/user")
        .await
        .expect(200)
        .value()
}

#[tokio::test]
async fn github_as_recorded() {
    let double = Double::start().await;
    double.answer("/login/oauth/access_token", json!({ "access_token": "gho_16C7e42F292c6912E7710c838347Ae178B4a", "scope": "user:email", "token_type": "bearer" }));
    double.answer("/api/v3/user", json!({ "login": "octocat", "id": 583231, "avatar_url": "https://avatars.githubusercontent.com/u/583231", "name": "The Octocat", "email": null }));
    double.answer(
        "/api/v3/user/emails",
        json!([
            { "email": "second@github.com", "primary": false, "verified": true, "visibility": null },
            { "email": "octocat@github.com", "primary": true, "verified": true, "visibility": "private" },
        ]),
    );
    let app = with_double(keys!("github"), &double).await;
    let user = user_of(&app, &return_from(&app, "github", "").await).await;
    assert_eq!(
        (&user["email"], &user["user_metadata"]["user_name"]),
        (&json!("octocat@github.com"), &json!("octocat"))
    );
    let exchange = &double.asked()[0];
    assert_eq!(exchange.line, "POST /login/oauth/access_token");
    for part in ["code=recorded-code", "client_id=our-client", "client_secret=our-secret", "code_verifier="] {
        assert!(exchange.whole.contains(part), "{part} in {}", exchange.whole);
    }
    assert!(double.asked()[1].whole.to_lowercase().contains("authorization: bearer gho_"));
}

/// A provider, its settings, where codes go, what its API says, and the address that counts.
type Recorded = (&'static str, [&'static str; 4], Value, Vec<(&'static str, Value)>, &'static str, bool);

#[tokio::test]
async fn gitlab_bitbucket_discord_facebook_and_x_as_recorded() {
    let cases: [Recorded; 5] = [
        (
            "gitlab",
            keys!("gitlab"),
            json!("/oauth/token"),
            vec![(
                "/api/v4/user",
                json!({ "id": 1, "username": "john_smith", "name": "John Smith", "email": "john@example.com", "confirmed_at": "2012-05-23T09:05:22Z" }),
            )],
            "john@example.com",
            true,
        ),
        (
            "bitbucket",
            keys!("bitbucket"),
            json!("/site/oauth2/access_token"),
            vec![
                (
                    "/2.0/user",
                    json!({ "account_id": "557058:c0b72ad0", "display_name": "Evzijst", "nickname": "evzijst" }),
                ),
                (
                    "/2.0/user/emails",
                    json!({ "values": [{ "email": "evzijst@atlassian.com", "is_primary": true, "is_confirmed": true }] }),
                ),
            ],
            "evzijst@atlassian.com",
            true,
        ),
        (
            "discord",
            keys!("discord"),
            json!("/api/oauth2/token"),
            vec![(
                "/api/users/@me",
                json!({ "id": "80351110224678912", "username": "nelly", "global_name": "Nelly", "verified": true, "email": "nelly@discord.com" }),
            )],
            "nelly@discord.com",
            true,
        ),
        (
            "facebook",
            keys!("facebook"),
            json!("/v19.0/oauth/access_token"),
            vec![("/v19.0/me", json!({ "id": "10223", "name": "Jane Doe", "email": "jane@facebook.com" }))],
            "jane@facebook.com",
            true,
        ),
        (
            "x",
            keys!("x"),
            json!("/2/oauth2/token"),
            vec![(
                "/2/users/me",
                json!({ "data": { "id": "2244994945", "name": "X Dev", "username": "XDevelopers" } }),
            )],
            "",
            false,
        ),
    ];
    for (name, keys, token_path, answers, email, _) in cases {
        let double = Double::start().await;
        double.answer(
            token_path.as_str().unwrap(),
            json!({ "access_token": "recorded-token", "token_type": "bearer" }),
        );
        for (path, body) in answers {
            double.answer(path, body);
        }
        let app = with_double(keys, &double).await;
        let user = user_of(&app, &return_from(&app, name, "").await).await;
        assert_eq!(user["email"], email, "{name}");
        assert_eq!(user["identities"][0]["provider"], name);
        let exchange = double.asked()[0].whole.to_lowercase();
        let basic = matches!(name, "bitbucket" | "x");
        assert_eq!(exchange.contains("authorization: basic"), basic, "{name}: {exchange}");
        assert_eq!(exchange.contains("client_secret="), !basic, "{name}");
        if name == "facebook" {
            assert!(double.asked()[1].line.contains("appsecret_proof="), "{}", double.asked()[1].line);
        }
    }
}
