//! The fixed OpenID providers, each played by a double that says what the provider documents: whom they vouch for, how Apple
//! posts back, and what of their tokens rests in the database meanwhile.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use seal::SigningKey;
use serde_json::{Value, json};
use spec::browser::{hidden, parameter};
use spec::{Browser, Double, Person, TestApp, TestAppBuilder};

use super::oauth::{BACK, CHALLENGE, begin, browser, exchange, user_of};

/// A provider with one key, and an instance that knows it.
struct Played {
    app: TestApp,
    double: Double,
    key: SigningKey,
    name: &'static str,
    issuer: String,
}

fn setting(name: &str, what: &str) -> &'static str {
    format!("auth.external.{name}.{what}").leak()
}

impl Played {
    async fn start(name: &'static str) -> Self {
        Self::with(name, |builder| builder).await
    }

    async fn with(name: &'static str, more: impl FnOnce(TestAppBuilder) -> TestAppBuilder) -> Self {
        let (double, key) = (Double::start().await, SigningKey::generate_es256().unwrap());
        let at = |path: &str| format!("{}{path}", double.url);
        // Entra's document is below the version, and names any tenant.
        let (place, issuer) = match name {
            "azure" => ("/common", at("/{tenantid}/v2.0")),
            _ => ("", double.url.clone()),
        };
        let document = json!({
            "issuer": issuer, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
            "jwks_uri": at("/jwks"), "userinfo_endpoint": at("/userinfo"),
        });
        let version = if name == "azure" { "/v2.0" } else { "" };
        double.answer(&format!("{place}{version}/.well-known/openid-configuration"), document);
        double.answer("/jwks", json!({ "keys": [key.verify_key().jwk().unwrap()] }));
        let builder = TestApp::builder()
            .unlimited()
            .with("outbound.allow", "127.0.0.1")
            .with("auth.site_url", "http://localhost:3000")
            .with(setting(name, "enabled"), "true")
            .with(setting(name, "client_id"), "our-client")
            .with(setting(name, "url"), &at(place));
        let app = more(builder).start().await;
        Played { app, double, key, name, issuer }
    }

    fn token(&self, nonce: Option<&str>, more: Value) -> String {
        let now = self.app.clock.now().as_second();
        let mut claims = json!({ "iss": self.issuer, "aud": "our-client", "exp": now + 600, "iat": now });
        let claims = claims.as_object_mut().unwrap();
        claims.extend(more.as_object().unwrap().clone());
        claims.extend(nonce.map(|nonce| ("nonce".to_owned(), json!(nonce))));
        self.key.sign(claims).unwrap()
    }

    /// Goes there, and is told what the browser brings back: state, and with what the code will be answered.
    async fn goes(&self, browser: &mut Browser, proof: &str, says: Value) -> (String, String) {
        let to = browser.open(&begin(&self.app, self.name, "", proof)).await.expect(302);
        let to = to.header("location").to_owned();
        assert!(to.starts_with(&format!("{}/authorize?", self.double.url)), "{to}");
        let (state, nonce) = (parameter(&to, "state").unwrap(), parameter(&to, "nonce").unwrap());
        self.double.answer(
            "/token",
            json!({
                "access_token": "their-access-token-of-ann", "refresh_token": "their-refresh-token-of-ann",
                "token_type": "Bearer", "id_token": self.token(Some(&nonce), says),
            }),
        );
        (state, to)
    }

    /// Where somebody of whom this is said lands.
    async fn lands(&self, proof: &str, says: Value) -> String {
        let mut browser = browser(&self.app);
        let (state, _) = self.goes(&mut browser, proof, says).await;
        let back = format!("{}/auth/v1/callback?code=c&state={state}", self.app.running.url);
        browser.open(&back).await.expect(302).header("location").to_owned()
    }
}

const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";

/// What each says of somebody whose address it vouches for.
fn vouches(name: &str, url: &str) -> Value {
    let mut says = json!({ "sub": "s-1", "email": "ann@example.com", "email_verified": true, "name": "Ann" });
    match name {
        // The text, as Apple writes it.
        "apple" => says["email_verified"] = json!("true"),
        "azure" => {
            says = json!({
                "sub": "s-1", "iss": format!("{url}/{TENANT}/v2.0"), "tid": TENANT, "email": "ann@example.com", "xms_edov": true,
            });
        }
        _ => {}
    }
    says
}

#[tokio::test]
async fn google_apple_azure_linkedin_and_slack_sign_in_and_row_3_vouch_only_in_their_own_words() {
    for name in ["google", "apple", "azure", "linkedin_oidc", "slack_oidc"] {
        let it = Played::start(name).await;
        let says = vouches(name, &it.double.url);
        let back = it.lands("", says.clone()).await;
        let user = user_of(&it.app, &back).await;
        assert_eq!(
            (&user["email"], &user["identities"][0]["provider"]),
            (&json!("ann@example.com"), &json!(name))
        );
        assert_eq!(user["identities"][0]["identity_data"]["email_verified"], true, "{name}");
        let asked = it.double.asked();
        let exchange = asked.iter().find(|asked| asked.line == "POST /token").unwrap();
        assert!(exchange.whole.contains("client_id=our-client"), "{}", exchange.whole);
        let with_proof = ["google", "azure"].contains(&name);
        assert_eq!(exchange.whole.contains("code_verifier="), with_proof, "{name}: {}", exchange.whole);

        // Somebody else there claims the address of an account: by what the provider does not say, or says no to.
        let sly = |change: Value, without: &[&str]| {
            let mut says = says.clone();
            let claims = says.as_object_mut().unwrap();
            claims.insert("sub".to_owned(), json!("s-2"));
            claims.extend(change.as_object().unwrap().clone());
            claims.retain(|name, _| !without.contains(&name.as_str()));
            Value::Object(claims.clone())
        };
        let mut tries = vec![
            sly(json!({ "email_verified": false, "xms_edov": false }), &[]),
            sly(json!({ "email_verified": 1, "xms_edov": "1" }), &[]),
            sly(json!({}), &["email_verified", "xms_edov"]),
        ];
        if name == "azure" {
            // An administrator of any tenant writes what they like there.
            let upn = json!({ "email_verified": true, "upn": "ann@example.com", "preferred_username": "ann@example.com" });
            tries.push(sly(upn, &["xms_edov"]));
        }
        for said in tries {
            let back = it.lands("", said.clone()).await;
            let code = parameter(&back, "error_code");
            assert_eq!(code.as_deref(), Some("provider_email_needs_verification"), "{name}: {said}: {back}");
            assert!(!back.contains("access_token"), "{back}");
        }
        // A yes of the token is about the address of the token; what is asked for elsewhere brings its own.
        let elsewhere = json!({ "sub": "s-2", "email": "ann@example.com", "email_verified": false });
        it.double.answer("/userinfo", elsewhere);
        let back = it.lands("", sly(json!({}), &["email"])).await;
        assert!(!back.contains("access_token"), "{name}: {back}");
        let sql = it.app.database.admin().await;
        let count = sql.query_one("select count(*) from auth.identities", &[]).await.unwrap();
        assert_eq!(count.get::<_, i64>(0), 1, "{name}: nothing was linked");
    }
}

/// Row 3, the second half: the owner of the address may say yes, by a mail, and nobody before that.
#[tokio::test]
async fn row_3_whoever_has_the_address_links_by_mail_what_the_provider_does_not_vouch_for() {
    let it = Played::start("azure").await;
    let ann = it.app.person("ann").await;
    let says = json!({ "sub": "s-1", "iss": format!("{}/{TENANT}/v2.0", it.double.url), "tid": TENANT, "email": "ann@example.com" });
    let back = it.lands("", says.clone()).await;
    assert!(back.contains("provider_email_needs_verification"), "{back}");
    let link = mailed_link(&it.app).await;
    let identities = async || {
        let user = ann.client.get("/auth/v1/user").await.expect(200).value();
        user["identities"].as_array().unwrap().len()
    };
    // Looking is not saying yes, nor is a form without the page's token, or another link's.
    let mut reader = browser(&it.app);
    let page = reader.open(&link).await.expect(200).text();
    for field in ["flow", "token"] {
        assert_eq!(hidden(&page, field), parameter(&link, field).unwrap());
    }
    let to = format!("{}/auth/v1/callback/confirm", it.app.running.url);
    let (flow, token) = (hidden(&page, "flow"), hidden(&page, "token"));
    let csrf = hidden(&page, "csrf_token");
    reader.submit(&to, &[("flow", &flow), ("token", &token)]).await.expect(403);
    let wrong = [("flow", flow.as_str()), ("token", "A"), ("csrf_token", &csrf)];
    assert_ne!(reader.submit(&to, &wrong).await.status, 302);
    assert_eq!(identities().await, 1);
    let right = [("flow", flow.as_str()), ("token", &token), ("csrf_token", &csrf)];
    reader.submit(&to, &right).await.expect(302);
    assert_eq!(identities().await, 2);
    assert_ne!(reader.submit(&to, &right).await.status, 302, "once");
    let back = it.lands("", says).await;
    assert_eq!(user_of(&it.app, &back).await["id"], json!(ann.id), "from now on it is a way in");
}

/// The link of the mail that asks, which went to Ann.
async fn mailed_link(app: &TestApp) -> String {
    let outbox = &app.running.services.outbox;
    for mail in outbox.list(None, 20).await.unwrap() {
        let text = outbox.get(mail.id).await.unwrap().text.unwrap().expose().clone();
        if let Some(link) = text.split_whitespace().find(|word| word.contains("/callback/confirm?")) {
            assert_eq!(mail.to, "ann@example.com");
            return link.to_owned();
        }
    }
    panic!("no mail asks");
}

/// What was asked by a mail to an address is nobody's to answer once the account has another.
#[tokio::test]
async fn row_31_a_link_that_waits_in_a_mail_dies_with_the_address_it_went_to() {
    let it = Played::start("azure").await;
    let ann = it.app.person("ann").await;
    let says = json!({ "sub": "s-1", "iss": format!("{}/{TENANT}/v2.0", it.double.url), "tid": TENANT, "email": "ann@example.com" });
    let back = it.lands("", says.clone()).await;
    assert!(back.contains("provider_email_needs_verification"), "{back}");
    let link = mailed_link(&it.app).await;
    let path = format!("/auth/v1/admin/users/{}", ann.id);
    let moved = json!({ "email": "new@example.com", "email_confirm": true });
    it.app.service().json(http::Method::PUT, &path, moved).await.expect(200);
    let mut reader = browser(&it.app);
    let page = reader.open(&link).await.text();
    if page.contains("csrf_token") {
        let fields = ["flow", "token", "csrf_token"].map(|name| (name, hidden(&page, name)));
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let seen = reader.submit(&format!("{}/auth/v1/callback/confirm", it.app.running.url), &fields).await;
        assert!(seen.status.is_client_error(), "{} {}", seen.status, seen.header("location"));
    }
    let user = it.app.service().get(&path).await.expect(200).value();
    assert_eq!(user["identities"].as_array().unwrap().len(), 1, "{user}");
}

/// Apple posts from its own site, so without our cookie; the browser then comes by itself, and only the right one.
#[tokio::test]
async fn apple_posts_back_with_a_name_and_is_shown_a_proof_that_its_key_signed() {
    let team = SigningKey::generate_es256().unwrap();
    let body = STANDARD.encode(team.private().expose());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let it = Played::with("apple", |builder| {
        builder
            .with("auth.external.apple.team_id", "TEAM123456")
            .with("auth.external.apple.key_id", "KEY1234567")
            .with("auth.external.apple.private_key", &pem)
    })
    .await;
    let mut says = vouches("apple", "");
    says.as_object_mut().unwrap().remove("name");
    let callback = format!("{}/auth/v1/callback", it.app.running.url);
    let (mut ann, mut evil) = (browser(&it.app), browser(&it.app));
    let (state, to) = it.goes(&mut ann, "", says).await;
    assert_eq!(parameter(&to, "response_mode").as_deref(), Some("form_post"));
    let user = json!({ "name": { "firstName": "Ann", "lastName": "Example" }, "email": "boss@example.com" })
        .to_string();
    let form = [("code", "c"), ("state", state.as_str()), ("user", user.as_str())];
    // Apple's page has no cookie of ours: a browser without any stands for it.
    let next = browser(&it.app).submit(&callback, &form).await.expect(303).header("location").to_owned();
    assert!(next.starts_with(&callback) && !next.contains("code="), "{next}");
    browser(&it.app).submit(&callback, &form).await.expect(400);
    evil.open(&begin(&it.app, "apple", "", "")).await.expect(302);
    evil.open(&next).await.expect(400);
    let back = ann.open(&next).await.expect(302).header("location").to_owned();
    let user = user_of(&it.app, &back).await;
    assert_eq!(
        (&user["email"], &user["user_metadata"]["name"]),
        (&json!("ann@example.com"), &json!("Ann Example"))
    );
    ann.open(&next).await.expect(400);
    let asked = it.double.asked();
    let exchange = &asked.iter().find(|asked| asked.line == "POST /token").unwrap().whole;
    let proof = exchange.split_once("client_secret=").unwrap().1.split('&').next().unwrap();
    let part = |at: usize| -> Value {
        let part = proof.split('.').nth(at).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!((&part(0)["kid"], &part(0)["alg"]), (&json!("KEY1234567"), &json!("ES256")));
    assert_eq!((&part(1)["iss"], &part(1)["sub"]), (&json!("TEAM123456"), &json!("our-client")));
    assert!(part(1)["exp"].as_i64().unwrap() - it.app.clock.now().as_second() <= 300);
    let (message, signature) = proof.rsplit_once('.').unwrap();
    let key = aws_lc_rs::signature::UnparsedPublicKey::new(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED,
        point_of(&team),
    );
    key.verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
        .expect("the team's key signed it");
}

fn point_of(key: &SigningKey) -> Vec<u8> {
    let jwk = key.verify_key().jwk().unwrap();
    let part = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    [vec![4], part("x"), part("y")].concat()
}

/// Every row of every table, bytes in every writing a reader of a backup would try.
async fn everything(app: &TestApp) -> String {
    let sql = app.database.admin().await;
    let tables = sql
        .query(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
            &[],
        )
        .await
        .unwrap();
    let mut all = String::new();
    for table in tables {
        let name: String = table.get(0);
        for row in sql.query(&format!("select to_jsonb(t)::text from {name} t"), &[]).await.unwrap() {
            all.push_str(&row.get::<_, String>(0));
        }
    }
    all
}

#[tokio::test]
async fn a_providers_tokens_rest_sealed_until_they_are_fetched_once_and_then_nowhere() {
    let it = Played::with("google", |builder| builder.with("auth.manual_linking", "true")).await;
    let proof = format!("&code_challenge={CHALLENGE}&code_challenge_method=s256");
    let secrets = ["their-access-token-of-ann", "their-refresh-token-of-ann"];
    let lies = async |when: &str| {
        let all = everything(&it.app).await;
        assert!(all.contains("ann@example.com"), "{when}: the whole database was read");
        for secret in secrets {
            let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            for written in [secret.to_owned(), hex, STANDARD.encode(secret)] {
                assert!(!all.contains(written.trim_end_matches('=')), "{when}: {secret} as {written}");
            }
        }
        let waits = it.app.database.admin().await;
        let waits =
            waits.query_one("select count(*) from palisade.oauth_flows where result is not null", &[]).await;
        waits.unwrap().get::<_, i64>(0)
    };
    let back = it.lands(&proof, vouches("google", "")).await;
    assert!(back.starts_with(BACK) && !back.contains("their-"), "{back}");
    assert_eq!(lies("before the code is exchanged").await, 1);
    let session = exchange(&it.app, &back).await.expect(200).value();
    assert_eq!(
        (&session["provider_token"], &session["provider_refresh_token"]),
        (&json!(secrets[0]), &json!(secrets[1]))
    );
    assert_eq!(lies("after").await, 0);
    // Neither the session as it goes on nor the account tells them again.
    let person = Person::from(&it.app.stranger(), "ann@example.com", &session);
    let refresh = json!({ "refresh_token": person.refresh_token });
    let again =
        it.app.stranger().post("/auth/v1/token?grant_type=refresh_token", refresh).await.expect(200).text();
    let seen = person.client.get("/auth/v1/user").await.expect(200).text();
    assert!(!again.contains("their-") && !seen.contains("their-"), "{again} {seen}");
    // What waits to be linked waits sealed as well.
    let bob = it.app.person("bob").await;
    let path = format!("/auth/v1/user/identities/authorize?provider=google&skip_http_redirect=true{proof}");
    let from = bob.client.get(&path).await.expect(200).field("url");
    let mut browser = browser(&it.app);
    let mut says = vouches("google", "");
    says["sub"] = json!("s-9");
    says["email"] = json!("bob@example.com");
    let to = browser.open(&from).await.expect(302).header("location").to_owned();
    let nonce = parameter(&to, "nonce").unwrap();
    let answer = json!({
        "access_token": secrets[0], "refresh_token": secrets[1], "token_type": "Bearer", "id_token": it.token(Some(&nonce), says),
    });
    it.double.answer("/token", answer);
    let state = parameter(&to, "state").unwrap();
    let back = format!("{}/auth/v1/callback?code=c&state={state}", it.app.running.url);
    let back = browser.open(&back).await.expect(302).header("location").to_owned();
    assert_eq!(lies("before a link is made").await, 1);
    exchange(&it.app, &back).await.expect(200);
    assert_eq!(lies("linked").await, 0);
}
