//! Signing in through somebody else, under attack (rows 1, 3, 4, 8, 28).

use serde_json::{Value, json};
use spec::browser::parameter;
use spec::{Idp, Person, TestApp};

use crate::features::oauth::{BACK, CHALLENGE, begin, browser, exchange, sign_in, today, with_idp};

/// An ID token of the real provider for one of its clients, by a flow that has nothing to do with us.
pub async fn token_for(idp: &Idp, client: (&str, &str), who: &str, nonce: &str) -> String {
    let mut browser = spec::Browser::new("127.0.0.9".parse().unwrap());
    let start = format!(
        "{}/auth?client_id={}&response_type=code&scope=openid%20email%20profile&redirect_uri=http://127.0.0.1/callback\
         &state=s&nonce={nonce}&login_hint={}&code_challenge={CHALLENGE}&code_challenge_method=S256",
        idp.issuer,
        client.0,
        who.replace('@', "%40")
    );
    let back = browser.follow(&start, "http://127.0.0.1/callback").await;
    let code = parameter(&back, "code").unwrap();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", "http://127.0.0.1/callback"),
        ("client_id", client.0),
        ("client_secret", client.1),
        ("code_verifier", crate::features::oauth::VERIFIER),
    ];
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let body = spec::browser::form(&fields).into();
    let token = browser.send(http::Method::POST, &format!("{}/token", idp.issuer), &headers, body).await;
    token.expect(200).field("id_token")
}

pub const OURS: (&str, &str) = ("palisade", "a-secret-that-only-both-know");
const THEIRS: (&str, &str) = ("somebody-else", "another-secret-entirely");

#[tokio::test]
async fn row_1_an_id_token_of_another_issuer_client_or_nonce_is_refused_and_leaves_nothing() {
    let (idp, evil) = (Idp::start().await, Idp::start().await);
    let builder = with_idp(&idp)
        .with("auth.external.apple.enabled", "true")
        .with("auth.external.apple.client_id", "palisade")
        .with("auth.external.apple.url", &idp.issuer)
        .with("auth.external.azure.enabled", "true")
        .with("auth.external.azure.client_id", "palisade")
        .with("auth.external.azure.url", "http://127.0.0.1:9");
    let app = today(builder).await;
    let hand_in = async |body: Value| app.stranger().post("/auth/v1/token?grant_type=id_token", body).await;
    // hex(sha256("right"))
    let hashed = "27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9";
    let who = "victim~ann@example.com~true~Ann";
    let forged = token_for(&evil, OURS, who, hashed).await;
    for provider in ["apple", "azure", "keycloak"] {
        let seen = hand_in(json!({ "id_token": forged, "provider": provider, "nonce": "right" })).await;
        assert_eq!(seen.status, 400, "{provider}: {}", seen.text());
    }
    let seen = hand_in(
        json!({ "id_token": forged, "issuer": evil.issuer, "client_id": "palisade", "nonce": "right" }),
    )
    .await;
    assert!(seen.expect(400).text().contains("not enabled"));
    let for_another = token_for(&idp, THEIRS, who, hashed).await;
    let seen = hand_in(json!({ "id_token": for_another, "provider": "keycloak", "nonce": "right" })).await;
    assert_eq!(
        seen.expect(400).value(),
        json!({ "error": "invalid request", "error_description": "Bad ID token" })
    );
    let ours = token_for(&idp, OURS, who, hashed).await;
    for nonce in [json!("wrong"), json!(hashed), Value::Null] {
        hand_in(json!({ "id_token": ours, "provider": "keycloak", "nonce": nonce })).await.expect(400);
    }
    let mut unsigned = ours.split('.').collect::<Vec<_>>();
    unsigned[2] = "";
    hand_in(json!({ "id_token": unsigned.join("."), "provider": "keycloak", "nonce": "right" }))
        .await
        .expect(400);
    let none = app.database.admin().await;
    let count = none.query_one("select count(*) from auth.identities", &[]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 0, "no identity was made");
    assert!(app.audited("auth.login_failed").await);
    app.clock.advance(std::time::Duration::from_secs(2));
    let session = hand_in(json!({ "id_token": ours, "provider": "keycloak", "nonce": "right" }))
        .await
        .expect(200)
        .value();
    assert_eq!(session["user"]["email"], "ann@example.com", "the legitimate neighbour");
    app.clock.advance(std::time::Duration::from_secs(2 * 3600));
    hand_in(json!({ "id_token": ours, "provider": "keycloak", "nonce": "right" })).await.expect(400);
}

#[tokio::test]
async fn row_8_an_id_token_with_a_nonce_opens_one_session() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let token = token_for(&idp, OURS, "s~ann@example.com~true~Ann", &spec::sha256("right")).await;
    let hand_in = async |nonce: &str, link: bool| {
        let body =
            json!({ "id_token": token, "provider": "keycloak", "nonce": nonce, "link_identity": link });
        app.stranger().post("/auth/v1/token?grant_type=id_token", body).await
    };
    // What is refused leaves it as it was.
    hand_in("wrong", false).await.expect(400);
    assert_ne!(hand_in("right", true).await.status, 200);
    let seen = futures_util::future::join_all((0..8).map(|_| hand_in("right", false))).await;
    assert_eq!(seen.iter().filter(|seen| seen.status == 200).count(), 1, "of eight at once");
    for refused in seen.into_iter().filter(|seen| seen.status != 200) {
        assert_eq!(refused.expect(400).field("error_description"), "Bad ID token");
    }
    hand_in("right", false).await.expect(400);
    // Another encoding of what was signed is another token, and nobody's.
    let again = json!({ "id_token": format!("{token}="), "provider": "keycloak", "nonce": "right" });
    app.stranger().post("/auth/v1/token?grant_type=id_token", again).await.expect(400);
    // The neighbours: the next try of the same person, and a token of an application that asked without a nonce.
    let next = token_for(&idp, OURS, "s~ann@example.com~true~Ann", &spec::sha256("next")).await;
    let body = json!({ "id_token": next, "provider": "keycloak", "nonce": "next" });
    app.stranger().post("/auth/v1/token?grant_type=id_token", body).await.expect(200);
    let kept = token_for(&idp, OURS, "s~ann@example.com~true~Ann", "").await;
    for _ in 0..2 {
        let body = json!({ "id_token": kept, "provider": "keycloak" });
        app.stranger().post("/auth/v1/token?grant_type=id_token", body).await.expect(200);
    }
}

#[tokio::test]
async fn row_3_an_address_that_the_provider_does_not_vouch_for_opens_no_account() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let ann = app.person("ann").await;
    for verified in ["false", "", "1", "yes"] {
        let who = format!("mallory-{verified}~ann@example.com~{verified}~Ann");
        let back = sign_in(&app, &mut browser(&app), &who).await;
        assert_eq!(
            parameter(&back, "error_code").as_deref(),
            Some("provider_email_needs_verification"),
            "{verified:?}: {back}"
        );
        assert!(parameter(&back, "code").is_none());
    }
    let user = ann.client.get("/auth/v1/user").await.expect(200).value();
    assert_eq!(user["identities"].as_array().unwrap().len(), 1, "nothing was linked");
    let back = sign_in(&app, &mut browser(&app), "ann-s~ann@example.com~true~Ann").await;
    let session = exchange(&app, &back).await.expect(200).value();
    assert_eq!(session["user"]["id"], json!(ann.id), "a verified address is linked");
}

#[tokio::test]
async fn row_4_whoever_squats_an_address_keeps_nothing_when_its_owner_comes() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    // Classic-federated merge: a password, a session and everything else, on an address that nobody proved.
    let mallory = app.person("victim").await;
    let admin = app.database.admin().await;
    let planted = admin.batch_execute(
        "update auth.users set email_confirmed_at = null where email = 'victim@example.com'; insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at, secret) \
         select gen_random_uuid(), id, 'totp', 'verified', now(), now(), 'x' from auth.users; \
         insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to) \
         select gen_random_uuid(), id, 'recovery_token', 'h', email from auth.users; \
         update auth.users set email_change = 'mallory@evil.example', email_change_token_new = 't'",
    );
    planted.await.unwrap();
    let back = sign_in(&app, &mut browser(&app), "victim-s~victim@example.com~true~Victim").await;
    let session = exchange(&app, &back).await.expect(200).value();
    assert_eq!(session["user"]["id"], json!(mallory.id), "the account is the victim's now");
    let providers: Vec<&Value> = session["user"]["identities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|identity| &identity["provider"])
        .collect();
    assert_eq!(providers, ["keycloak"], "the squatter's identity is gone");
    mallory.client.get("/auth/v1/user").await.expect(403);
    Person::sign_in(&app.stranger(), "victim@example.com", spec::person::PASSWORD).await.expect(400);
    let refresh = json!({ "refresh_token": mallory.refresh_token });
    app.stranger().post("/auth/v1/token?grant_type=refresh_token", refresh).await.expect(400);
    let left = app.database.admin().await;
    let left = left
        .query_one(
            "select (select count(*) from auth.mfa_factors) + (select count(*) from auth.one_time_tokens) + \
             (select count(*) from auth.users where email_change <> '')",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(left.get::<_, i64>(0), 0, "no factor, no pending token, no pending change");
    assert!(app.audited("auth.account_reclaimed").await);
}

#[tokio::test]
async fn row_4_an_account_of_a_provider_that_does_not_verify_never_meets_the_owners() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let back = sign_in(&app, &mut browser(&app), "mallory~victim@example.com~false~Victim").await;
    // `dev` confirms at once: the squatter has a session, as with a password.
    let squatted = exchange(&app, &back).await.expect(200).value();
    let back = sign_in(&app, &mut browser(&app), "mallory-2~victim@example.com~false~Victim").await;
    assert_eq!(parameter(&back, "error_code").as_deref(), Some("provider_email_needs_verification"));
    assert_eq!(squatted["user"]["identities"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn row_8_a_state_and_a_code_are_good_once_also_for_many_at_once() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let mut browser = browser(&app);
    let from = begin(
        &app,
        "keycloak",
        "s-1~ann@example.com~true~Ann",
        &format!("&code_challenge={CHALLENGE}&code_challenge_method=s256"),
    );
    let callback = browser.follow(&from, &format!("{}/auth/v1/callback", app.running.url)).await;
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let (mut browser, callback) = (browser.clone(), callback.clone());
            tokio::spawn(async move { browser.open(&callback).await })
        })
        .collect();
    let mut good = Vec::new();
    for tried in tries {
        let seen = tried.await.unwrap();
        match seen.status.as_u16() {
            302 => good.push(seen.header("location").to_owned()),
            400 => assert_eq!(seen.value()["error_code"], "flow_state_already_used", "{}", seen.text()),
            other => panic!("{other}: {}", seen.text()),
        }
    }
    assert_eq!(good.len(), 1, "one of twenty");
    let back = good.remove(0);
    assert!(back.starts_with(BACK), "{back}");
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let (client, code) = (app.stranger(), parameter(&back, "code").unwrap());
            let body = json!({ "auth_code": code, "code_verifier": crate::features::oauth::VERIFIER });
            tokio::spawn(
                async move { client.post("/auth/v1/token?grant_type=pkce", body).await.status.as_u16() },
            )
        })
        .collect();
    let mut exchanged = 0;
    for tried in tries {
        let status = tried.await.unwrap();
        assert!([200, 404].contains(&status), "{status}");
        exchanged += usize::from(status == 200);
    }
    assert_eq!(exchanged, 1, "one session of one code");
}

#[tokio::test]
async fn row_28_a_return_in_another_browser_without_state_or_of_another_issuer_is_refused() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let callback_at = format!("{}/auth/v1/callback", app.running.url);
    // Login CSRF: the attacker's own callback, opened in the victim's browser.
    let from = begin(&app, "keycloak", "mallory~mallory@evil.example~true~M", "");
    let mut attacker = browser(&app);
    let callback = attacker.follow(&from, &callback_at).await;
    let mut victim = browser(&app);
    let seen = victim.open(&callback).await.expect(400);
    assert_eq!(seen.value()["error_code"], "bad_oauth_state");
    victim.open(&begin(&app, "keycloak", "x", "")).await.expect(302);
    victim.open(&callback).await.expect(400);
    // Mix-up: the answer names another issuer, or none where one is due.
    let iss = parameter(&callback, "iss").expect("the provider names itself");
    let wrong = callback.replace(&iss.replace(':', "%3A").replace('/', "%2F"), "https%3A%2F%2Fevil.example");
    assert_ne!(wrong, callback);
    let back = attacker.open(&wrong).await.expect(302).header("location").to_owned();
    assert_eq!(parameter(&back, "error_code").as_deref(), Some("bad_oauth_callback"), "{back}");
    let mut other = browser(&app);
    let callback = other.follow(&from, &callback_at).await;
    let without = callback.split("&iss=").next().unwrap().to_owned();
    let back = other.open(&without).await.expect(302).header("location").to_owned();
    assert_eq!(parameter(&back, "error_code").as_deref(), Some("bad_oauth_callback"));
    // Missing or made-up state.
    for path in [
        "",
        "?code=x",
        "?code=x&state=",
        "?code=x&state=1",
        "?code=x&state=00000000-0000-4000-8000-000000000000",
    ] {
        let seen = other.open(&format!("{callback_at}{path}")).await.expect(400).value();
        assert!(
            ["bad_oauth_state", "bad_oauth_callback"].contains(&seen["error_code"].as_str().unwrap()),
            "{seen}"
        );
    }
    // Code injection: somebody else's code in one's own flow fails at the provider, by PKCE.
    let mut first = browser(&app);
    let stolen = first.follow(&from, &callback_at).await;
    let mut second = browser(&app);
    let own = second.follow(&from, &callback_at).await;
    let injected = own.replace(&parameter(&own, "code").unwrap(), &parameter(&stolen, "code").unwrap());
    let back = second.open(&injected).await.expect(302).header("location").to_owned();
    assert!(parameter(&back, "access_token").is_none() && back.contains("error="), "{back}");
    // The legitimate neighbour.
    let mut good = browser(&app);
    let back = good.follow(&from, BACK).await;
    assert!(back.contains("access_token="));
}

/// Who comes back, to where, and with what: the tokens are for the page that the flow ends at.
#[tokio::test]
async fn row_28_the_end_of_a_flow_is_only_where_the_operator_allows() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp).with("auth.uri_allow_list", "https://app.example.com/**")).await;
    for evil in [
        "https://evil.example/",
        "http://localhost:3000@evil.example/",
        "http://localhost:3000.evil.example/",
        "https://app.example.com.evil.example/",
        "https://app.example.com@evil.example/",
        "https://evil.example/?https://app.example.com/",
        "http://app.example.com/",
        "//evil.example",
        "http://2130706433/",
        "javascript:alert(1)",
        "data:text/html,x",
    ] {
        let url = format!(
            "{}/auth/v1/authorize?provider=keycloak&redirect_to={evil}&login_hint=s~a%40b.example~true~A",
            app.running.url
        );
        let back = browser(&app).follow(&url, "http://localhost:3000").await;
        assert!(back.starts_with("http://localhost:3000#access_token="), "{evil}: {back}");
    }
    // The neighbours: the site and what is on the list are gone back to, and the tokens there are those of who signed in.
    for end in [BACK, "https://app.example.com/a/b?c=d"] {
        let url = format!(
            "{}/auth/v1/authorize?provider=keycloak&redirect_to={}&login_hint=s~a%40b.example~true~A",
            app.running.url,
            end.replace('?', "%3F").replace('=', "%3D")
        );
        let back = browser(&app).follow(&url, end).await;
        let fragment = back.strip_prefix(end).unwrap().strip_prefix('#').unwrap_or_else(|| panic!("{back}"));
        let token = fragment.split('&').find_map(|pair| pair.strip_prefix("access_token=")).unwrap();
        let signed_in = app.stranger().with("authorization", &format!("Bearer {token}"));
        assert_eq!(signed_in.get("/auth/v1/user").await.expect(200).field("email"), "a@b.example");
    }
    // A flow that fails ends there too, without any of it; also when it was to end elsewhere.
    for (asked, end) in [(BACK, BACK), ("https://evil.example/", "http://localhost:3000")] {
        let url = format!(
            "{}/auth/v1/authorize?provider=keycloak&redirect_to={asked}&login_hint=s",
            app.running.url
        );
        let mut browser = browser(&app);
        let callback = browser.follow(&url, &format!("{}/auth/v1/callback", app.running.url)).await;
        let denied = callback.replace("code=", "error=access_denied&x=");
        let back = browser.open(&denied).await.expect(302).header("location").to_owned();
        assert!(back.starts_with(end) && !back.contains("evil.example"), "{back}");
        assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"), "{back}");
        assert!(!back.contains("access_token") && parameter(&back, "code").is_none(), "{back}");
    }
}

/// What a thief of the code has is the challenge that went through the browser, and never its verifier.
#[tokio::test]
async fn row_28_a_flows_code_is_worth_nothing_without_its_verifier_nor_by_a_weaker_method() {
    let idp = Idp::start().await;
    let app = today(with_idp(&idp)).await;
    let exchange_with = async |code: &str, verifier: &str| {
        let body = json!({ "auth_code": code, "code_verifier": verifier });
        app.stranger().post("/auth/v1/token?grant_type=pkce", body).await
    };
    let code_of = async || {
        let back = sign_in(&app, &mut browser(&app), "s~ann@example.com~true~Ann").await;
        assert!(back.starts_with(BACK) && !back.contains("access_token"), "{back}");
        parameter(&back, "code").unwrap()
    };
    for verifier in ["", CHALLENGE, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"] {
        let code = code_of().await;
        let seen = exchange_with(&code, verifier).await.expect(400);
        assert!(!seen.text().contains("access_token"), "{}", seen.text());
    }
    for downgraded in [
        "code_challenge=&code_challenge_method=s256",
        "code_challenge_method=plain",
        "code_challenge=abc&code_challenge_method=plain",
        "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=none",
    ] {
        let url = begin(&app, "keycloak", "s", &format!("&{downgraded}"));
        let seen = browser(&app).open(&url).await;
        let location = seen.header("location").to_owned();
        assert!(
            seen.status == 400 || location.contains("error="),
            "{downgraded}: {} {location}",
            seen.status
        );
    }
    // The neighbour.
    let code = code_of().await;
    let session = exchange_with(&code, crate::features::oauth::VERIFIER).await.expect(200).value();
    assert_eq!(session["user"]["email"], "ann@example.com");
}

#[tokio::test]
async fn row_102_a_provider_that_an_administrator_names_is_asked_through_the_guard() {
    let app = TestApp::builder().unlimited().start().await;
    for url in [
        "http://169.254.169.254/latest",
        "https://127.0.0.1:5432",
        "https://localhost.",
        "https://2130706433/",
    ] {
        let oidc = json!({ "provider_type": "oidc", "identifier": "custom:x", "name": "X", "client_id": "c", "issuer": url });
        app.service().post("/auth/v1/admin/custom-providers", oidc).await.expect(400);
        let plain = json!({
            "provider_type": "oauth2", "identifier": "custom:y", "name": "Y", "client_id": "c",
            "authorization_url": "https://93.184.216.34/a", "token_url": url, "userinfo_url": "https://93.184.216.34/u",
        });
        let refused = app.service().post("/auth/v1/admin/custom-providers", plain).await.expect(400);
        assert_eq!(refused.field("error_code"), "validation_failed", "{url}");
        assert!(refused.field("msg").contains("token_url"), "{url}: {}", refused.text());
    }
    assert!(app.audited("outbound.refused").await);
    let fine = json!({
        "provider_type": "oauth2", "identifier": "custom:y", "name": "Y", "client_id": "c",
        "authorization_url": "https://93.184.216.34/a", "token_url": "https://93.184.216.34/t",
        "userinfo_url": "https://93.184.216.34/u",
    });
    app.service().post("/auth/v1/admin/custom-providers", fine).await.expect(201);
}
