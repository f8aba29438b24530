//! SAML on GoTrue's wire, with an identity provider of our own that says what a test wants.

use ::saml::pretend::{Pretender, Says, Signed};
use ::saml::{KeyPair, ServiceProvider};
use base::{Profile, Rng, Settings};
use serde_json::{Value, json};

use crate::gotrue::{Answered, GoTrue};

const BASE: &str = "http://127.0.0.1:8000/auth/v1";

struct World {
    gotrue: GoTrue,
    idp: Pretender,
    rng: Rng,
    id: String,
}

impl World {
    async fn new(extra: Value) -> Self {
        Self::with(Settings::default(), extra).await
    }

    async fn with(settings: Settings, extra: Value) -> Self {
        let gotrue = GoTrue::with(settings, Profile::Dev).await;
        let idp = Pretender::new("https://idp.example/metadata", &gotrue.clock.clock()).unwrap();
        let mut world = World { gotrue, idp, rng: Rng::system(), id: String::new() };
        let mut body = json!({
            "type": "saml", "metadata_xml": world.metadata(), "domains": ["example.com"],
            "attribute_mapping": { "keys": {
                "department": { "name": "dept" }, "groups": { "name": "groups", "array": true },
                "level": { "name": "level", "type": "number" }, "plan": { "name": "plan", "default": "free" },
            } },
        });
        for (name, value) in extra.as_object().unwrap() {
            body[name] = value.clone();
        }
        let made = world.admin("POST", "/admin/sso/providers", body).await.expect(201).json();
        world.id = made["id"].as_str().unwrap().to_owned();
        world
    }

    fn metadata(&self) -> String {
        self.idp.peer("https://idp.example").unwrap().to_metadata()
    }

    async fn admin(&self, method: &str, path: &str, body: Value) -> Answered {
        let key = self.gotrue.auth.default_keys().unwrap().service_token;
        self.gotrue.call(method, &format!("/auth/v1{path}"), Some(key.expose()), body).await
    }

    fn sp(&self) -> ServiceProvider {
        ServiceProvider {
            entity_id: format!("{BASE}/sso/saml/metadata"),
            acs_url: format!("{BASE}/sso/saml/acs"),
            slo_url: format!("{BASE}/sso/saml/slo"),
            keys: self.idp.keys.clone(),
        }
    }

    /// Begins a sign-in: the request's ID and the relay state.
    async fn begin(&self, extra: Value) -> (String, String) {
        let mut body = json!({ "provider_id": self.id, "skip_http_redirect": true });
        for (name, value) in extra.as_object().unwrap() {
            body[name] = value.clone();
        }
        let url = self.gotrue.call("POST", "/auth/v1/sso", None, body).await.expect(200).json();
        let url = url["url"].as_str().unwrap();
        assert!(url.starts_with("https://idp.example/sso?SAMLRequest="), "{url}");
        let param = |name: &str| {
            let (_, rest) = url.split_once(&format!("{name}=")).unwrap();
            web::decode_form(rest.split('&').next().unwrap())
        };
        let bytes = ::saml::text::decode(&param("SAMLRequest"), &::saml::limits::MESSAGE_BYTES_MAX).unwrap();
        let xml = String::from_utf8(::saml::text::inflate(&bytes).unwrap()).unwrap();
        let (_, rest) = xml.split_once(" ID=\"").unwrap();
        (rest.split('"').next().unwrap().to_owned(), param("RelayState"))
    }

    fn honest(&self, request: Option<&str>) -> Says {
        self.idp.honest(&self.sp(), request, "ann@example.com", &self.gotrue.clock.clock(), &self.rng)
    }

    async fn post(&self, says: &Says, relay: &str) -> Answered {
        let response = self.idp.encoded(says, Signed::Assertion).unwrap();
        self.post_raw(&response, relay).await
    }

    async fn post_raw(&self, response: &str, relay: &str) -> Answered {
        let encode = |text: &str| text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let body = format!("SAMLResponse={}&RelayState={}", encode(response), encode(relay));
        self.gotrue.send("POST", "/auth/v1/sso/saml/acs", None, &[], body).await
    }

    async fn sign_in(&self) -> (String, Value) {
        let (request, relay) = self.begin(json!({})).await;
        let landed = self.post(&self.honest(Some(&request)), &relay).await.expect(302);
        let token = fragment(&landed, "access_token");
        let user =
            self.gotrue.call("GET", "/auth/v1/user", Some(&token), Value::Null).await.expect(200).json();
        (token, user)
    }
}

fn location(answered: &Answered) -> String {
    answered.headers["location"].to_str().unwrap().to_owned()
}

#[track_caller]
fn fragment(answered: &Answered, name: &str) -> String {
    let location = location(answered);
    let (_, fragment) = location.split_once('#').unwrap_or_else(|| panic!("{location}"));
    let pair = fragment.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
    web::decode_form(pair.unwrap_or_else(|| panic!("no {name} in {location}")))
}

#[track_caller]
fn refused(answered: Answered, code: &str) {
    let answered = answered.expect(303);
    assert_eq!(fragment(&answered, "error_code"), code, "{}", location(&answered));
    assert!(location(&answered).starts_with("http://127.0.0.1:8000?error="), "{}", location(&answered));
    assert!(!location(&answered).contains("access_token"));
}

#[tokio::test]
async fn somebody_signs_in_through_their_company_and_is_the_same_person_again() {
    let world = World::new(json!({})).await;
    let (token, user) = world.sign_in().await;
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64(claims);
    assert_eq!((&claims["aal"], &claims["role"]), (&json!("aal1"), &json!("authenticated")));
    assert_eq!(claims["amr"][0]["method"], "sso/saml");
    assert_eq!(user["email"], "ann@example.com");
    assert_eq!(user["app_metadata"]["provider"], format!("sso:{}", world.id));
    assert_eq!(user["identities"][0]["provider"], format!("sso:{}", world.id));
    let (_, again) = world.sign_in().await;
    assert_eq!(again["id"], user["id"]);
    let other = world.begin(json!({ "provider_id": "", "domain": "example.com" })).await;
    assert!(!other.0.is_empty());
}

fn base64(text: &str) -> Value {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn a_client_with_a_challenge_gets_a_code_that_only_it_can_exchange() {
    let world = World::new(json!({})).await;
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = json!({ "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "s256" });
    let (request, relay) = world.begin(challenge.clone()).await;
    let landed = world.post(&world.honest(Some(&request)), &relay).await.expect(302);
    let to = location(&landed);
    let code = to.strip_prefix("http://127.0.0.1:8000?code=").unwrap_or_else(|| panic!("{to}")).to_owned();
    let exchange = |verifier: &str| json!({ "auth_code": code, "code_verifier": verifier });
    let path = "/auth/v1/token?grant_type=pkce";
    let session = world.gotrue.call("POST", path, None, exchange(verifier)).await.expect(200).json();
    assert_eq!(session["user"]["email"], "ann@example.com");
    world.gotrue.call("POST", path, None, exchange(verifier)).await.expect(404);
    // The session is tied to the one at the provider all the same.
    let token = session["access_token"].as_str().unwrap();
    let query = world
        .idp
        .logout_query(&world.sp(), "ann@example.com", None, &world.gotrue.clock.clock(), &world.rng)
        .unwrap();
    world.gotrue.call("GET", &format!("/auth/v1/sso/saml/slo?{query}"), None, Value::Null).await.expect(302);
    world
        .gotrue
        .call("GET", "/auth/v1/user", Some(token), Value::Null)
        .await
        .refused(403, "session_not_found");
}

#[tokio::test]
async fn an_answer_is_taken_once_and_only_to_what_was_asked() {
    let world = World::new(json!({})).await;
    let (request, relay) = world.begin(json!({})).await;
    let says = world.honest(Some(&request));
    world.post(&says, &relay).await.expect(302);
    refused(world.post(&says, &relay).await, "saml_relay_state_not_found");
    let (other, relay) = world.begin(json!({})).await;
    refused(world.post(&says, &relay).await, "validation_failed");
    // That try spent the relay state; the same assertion under a request of its own is refused as used.
    let (other_again, relay) = world.begin(json!({})).await;
    assert_ne!(other, other_again);
    let mut again = world.honest(Some(&other_again));
    again.assertion_id = says.assertion_id.clone();
    refused(world.post(&again, &relay).await, "validation_failed");
    let (request, relay) = world.begin(json!({})).await;
    world.gotrue.clock.advance(std::time::Duration::from_secs(601));
    refused(world.post(&world.honest(Some(&request)), &relay).await, "saml_relay_state_expired");
    world.sign_in().await;
}

#[tokio::test]
async fn nobody_is_signed_in_who_did_not_ask_unless_the_provider_may() {
    let world = World::new(json!({})).await;
    refused(world.post(&world.honest(None), "").await, "saml_idp_not_found");
    let path = format!("/admin/sso/providers/{}", world.id);
    world.admin("PUT", &path, json!({ "allow_idp_initiated": true })).await.expect(200);
    let says = world.honest(None);
    let landed = world.post(&says, "").await.expect(302);
    assert!(!fragment(&landed, "access_token").is_empty());
    refused(world.post(&says, "").await, "validation_failed");
    let forged =
        Pretender { keys: KeyPair::make("x", &world.gotrue.clock.clock()).unwrap(), ..world.idp.clone() };
    let response = forged.encoded(&world.honest(None), Signed::Both).unwrap();
    refused(world.post_raw(&response, "").await, "validation_failed");
}

#[tokio::test]
async fn browsers_are_sent_to_the_site_and_where_the_provider_lists_and_nowhere_else() {
    let world =
        World::new(json!({ "allowed_redirect_hosts": ["app.example.com"], "allow_idp_initiated": true }))
            .await;
    for (asked, lands) in [
        ("https://app.example.com/home", "https://app.example.com/home#"),
        ("/projects", "http://127.0.0.1:8000/projects#"),
        ("https://evil.example/", "http://127.0.0.1:8000#"),
        ("https://app.example.com.evil.example/", "http://127.0.0.1:8000#"),
        ("https://app.example.com@evil.example/", "http://127.0.0.1:8000#"),
        ("http://app.example.com/", "http://127.0.0.1:8000#"),
        ("//evil.example/", "http://127.0.0.1:8000#"),
        ("javascript:alert(1)", "http://127.0.0.1:8000#"),
        ("/\\evil.example", "http://127.0.0.1:8000#"),
    ] {
        let (request, relay) = world.begin(json!({ "redirect_to": asked })).await;
        let landed = world.post(&world.honest(Some(&request)), &relay).await.expect(302);
        assert!(location(&landed).starts_with(lands), "{asked}: {}", location(&landed));
        let landed = world.post(&world.honest(None), asked).await.expect(302);
        assert!(location(&landed).starts_with(lands), "RelayState {asked}: {}", location(&landed));
    }
}

#[tokio::test]
async fn what_a_provider_says_is_cleaned_typed_and_bounded() {
    let world = World::new(json!({})).await;
    let (request, relay) = world.begin(json!({})).await;
    let mut says = world.honest(Some(&request));
    let mut add = |name: &str, values: &[&str]| {
        says.attributes.push((name.to_owned(), values.iter().map(|value| (*value).to_owned()).collect()));
    };
    add("displayName", &["<script>alert(1)</script>Ann\r\n\u{202e}Example<img src=x onerror=alert(1)>"]);
    add("dept", &["R&D\u{1f}"]);
    add("groups", &["admins<br>", "all"]);
    add("level", &["7"]);
    add("role", &["service_role"]);
    add("app_metadata", &["{}"]);
    // A control character cannot even be written in XML 1.0, so it never arrives.
    says.attributes[2].1[0] = "R&D".to_owned();
    let landed = world.post(&says, &relay).await.expect(302);
    let token = fragment(&landed, "access_token");
    let user = world.gotrue.call("GET", "/auth/v1/user", Some(&token), Value::Null).await.expect(200).json();
    assert_eq!(user["user_metadata"]["full_name"], "alert(1)Ann Example");
    assert_eq!(
        user["user_metadata"]["custom_claims"],
        json!({ "department": "R&D", "groups": ["admins", "all"], "level": 7, "plan": "free" })
    );
    assert_eq!(user["role"], "authenticated");
    let (request, relay) = world.begin(json!({})).await;
    let mut long = world.honest(Some(&request));
    long.attributes.push(("displayName".to_owned(), vec!["x".repeat(100_000)]));
    let landed = world.post(&long, &relay).await.expect(302);
    let token = fragment(&landed, "access_token");
    let user = world.gotrue.call("GET", "/auth/v1/user", Some(&token), Value::Null).await.expect(200).json();
    assert_eq!(user["user_metadata"]["full_name"].as_str().unwrap().len(), 1_024);
}

#[tokio::test]
async fn a_provider_speaks_for_its_own_people_only() {
    let world = World::new(json!({})).await;
    let local = world.gotrue.sign_up("ann@example.com").await;
    let (_, user) = world.sign_in().await;
    assert_ne!(user["id"], local["user"]["id"], "an account with a password is another one");
    let other = Pretender::new("https://other.example/metadata", &world.gotrue.clock.clock()).unwrap();
    let metadata = other.peer("https://other.example").unwrap().to_metadata();
    let body = json!({ "type": "saml", "metadata_xml": metadata, "domains": ["other.example"], "allow_idp_initiated": true });
    world.admin("POST", "/admin/sso/providers", body).await.expect(201);
    let says = other.honest(&world.sp(), None, "ann@example.com", &world.gotrue.clock.clock(), &world.rng);
    let response = other.encoded(&says, Signed::Assertion).unwrap();
    refused(world.post_raw(&response, "").await, "saml_assertion_no_email");
    let says = other.honest(&world.sp(), None, "ann@other.example", &world.gotrue.clock.clock(), &world.rng);
    world.post_raw(&other.encoded(&says, Signed::Assertion).unwrap(), "").await.expect(302);
}

#[tokio::test]
async fn a_session_ends_with_the_providers_and_the_other_way_round() {
    let world = World::new(json!({})).await;
    let (request, relay) = world.begin(json!({})).await;
    let says = world.honest(Some(&request));
    let landed = world.post(&says, &relay).await.expect(302);
    let token = fragment(&landed, "access_token");
    let slo = |query: String| format!("/auth/v1/sso/saml/slo?{query}");
    let clock = world.gotrue.clock.clock();
    let query = |name: &str, index: Option<&str>| {
        world.idp.logout_query(&world.sp(), name, index, &clock, &world.rng).unwrap()
    };
    let alive =
        async || world.gotrue.call("GET", "/auth/v1/user", Some(&token), Value::Null).await.status == 200;
    let get = async |query: String| world.gotrue.call("GET", &slo(query), None, Value::Null).await;
    get(query("ann@example.com", Some("_another"))).await.expect(302);
    get(query("bob@example.com", None)).await.expect(302);
    assert!(alive().await);
    let (unsigned, _) = {
        let whole = query("ann@example.com", None);
        let cut = whole.find("&SigAlg").unwrap();
        (whole[..cut].to_owned(), ())
    };
    get(unsigned).await.expect(400);
    assert!(alive().await);
    let answer = get(query("ann@example.com", Some(&says.session_index))).await.expect(302);
    assert!(location(&answer).starts_with("https://idp.example/slo?SAMLResponse="), "{}", location(&answer));
    assert!(!alive().await);

    let (token, _) = world.sign_in().await;
    let begun = world
        .gotrue
        .call("POST", "/auth/v1/sso/saml/logout", Some(&token), Value::Null)
        .await
        .expect(200)
        .json();
    assert!(begun["url"].as_str().unwrap().starts_with("https://idp.example/slo?SAMLRequest="), "{begun}");
    world
        .gotrue
        .call("GET", "/auth/v1/user", Some(&token), Value::Null)
        .await
        .refused(403, "session_not_found");
}

#[tokio::test]
async fn providers_are_administered_in_gotrues_shapes() {
    let world = World::new(json!({ "resource_id": "okta" })).await;
    let list = world.admin("GET", "/admin/sso/providers", Value::Null).await.expect(200).json();
    let item = &list["items"][0];
    assert_eq!(item["saml"]["entity_id"], "https://idp.example/metadata");
    assert_eq!(item["domains"][0]["domain"], "example.com");
    let found =
        world.admin("GET", "/admin/sso/providers/resource_okta", Value::Null).await.expect(200).json();
    assert_eq!(found["id"], item["id"]);
    let again = json!({ "type": "saml", "metadata_xml": world.metadata(), "domains": [] });
    world.admin("POST", "/admin/sso/providers", again).await.refused(422, "saml_idp_already_exists");
    let other = Pretender::new("https://other.example/metadata", &world.gotrue.clock.clock()).unwrap();
    let other_xml = other.peer("https://other.example").unwrap().to_metadata();
    let taken = json!({ "type": "saml", "metadata_xml": &other_xml, "domains": ["Example.com"] });
    world.admin("POST", "/admin/sso/providers", taken).await.refused(400, "sso_domain_already_exists");
    let path = format!("/admin/sso/providers/{}", world.id);
    world
        .admin("PUT", &path, json!({ "metadata_xml": &other_xml }))
        .await
        .refused(400, "saml_entity_id_mismatch");
    for (body, code) in [
        (json!({ "type": "oidc", "metadata_xml": &other_xml }), "validation_failed"),
        (json!({ "type": "saml" }), "validation_failed"),
        (json!({ "type": "saml", "metadata_url": "http://idp.example/metadata" }), "validation_failed"),
        (
            json!({ "type": "saml", "metadata_url": "https://127.0.0.1:1/metadata" }),
            "saml_metadata_fetch_failed",
        ),
        (json!({ "type": "saml", "metadata_xml": "<html/>" }), "validation_failed"),
    ] {
        world.admin("POST", "/admin/sso/providers", body).await.refused(400, code);
    }
    let nobody = world.gotrue.call("GET", "/auth/v1/admin/sso/providers", None, Value::Null).await;
    assert!(matches!(nobody.status.as_u16(), 401 | 403));
    let settings = world.gotrue.call("GET", "/auth/v1/settings", None, Value::Null).await.expect(200).json();
    assert_eq!(settings["saml_enabled"], true);
    world.admin("PUT", &path, json!({ "disabled": true })).await.expect(200);
    let begin = json!({ "provider_id": world.id });
    world
        .gotrue
        .call("POST", "/auth/v1/sso", None, begin.clone())
        .await
        .refused(404, "sso_provider_disabled");
    world.admin("DELETE", &path, Value::Null).await.expect(200);
    world.gotrue.call("POST", "/auth/v1/sso", None, begin).await.refused(404, "sso_provider_not_found");
    world.admin("GET", &path, Value::Null).await.refused(404, "sso_provider_not_found");
}

#[tokio::test]
async fn other_keys_are_believed_only_when_an_administrator_gives_them_and_that_is_told() {
    let world = World::new(json!({})).await;
    world.sign_in().await;
    let renewed =
        Pretender { keys: KeyPair::make("x", &world.gotrue.clock.clock()).unwrap(), ..world.idp.clone() };
    let (request, relay) = world.begin(json!({})).await;
    let says = world.honest(Some(&request));
    refused(
        world.post_raw(&renewed.encoded(&says, Signed::Assertion).unwrap(), &relay).await,
        "validation_failed",
    );
    let path = format!("/admin/sso/providers/{}", world.id);
    let metadata = renewed.peer("https://idp.example").unwrap().to_metadata();
    world.admin("PUT", &path, json!({ "metadata_xml": metadata })).await.expect(200);
    assert_eq!(*world.gotrue.alerts.lock().unwrap(), [1]);
    let (request, relay) = world.begin(json!({})).await;
    let says = world.honest(Some(&request));
    world.post_raw(&renewed.encoded(&says, Signed::Assertion).unwrap(), &relay).await.expect(302);
    let (request, relay) = world.begin(json!({})).await;
    refused(world.post(&world.honest(Some(&request)), &relay).await, "validation_failed");
}

#[tokio::test]
async fn our_metadata_names_us_and_our_own_key_which_stays_the_same() {
    let world = World::new(json!({})).await;
    let get = async || {
        let answer =
            world.gotrue.call("GET", "/auth/v1/sso/saml/metadata", None, Value::Null).await.expect(200);
        assert_eq!(answer.headers["content-type"], "application/xml");
        answer.text
    };
    let metadata = get().await;
    for part in [
        &*format!("entityID=\"{BASE}/sso/saml/metadata\""),
        &*format!("Location=\"{BASE}/sso/saml/acs\""),
        "WantAssertionsSigned=\"true\"",
        "<ds:X509Certificate>",
    ] {
        assert!(metadata.contains(part), "{part} in {metadata}");
    }
    assert_eq!(get().await, metadata);
}

#[tokio::test]
async fn switched_off_it_answers_as_upstream_does() {
    let gotrue = GoTrue::with(Settings::default().with("auth.saml.enabled", "false"), Profile::Dev).await;
    gotrue
        .call("POST", "/auth/v1/sso", None, json!({ "domain": "x.example" }))
        .await
        .refused(404, "saml_provider_disabled");
    gotrue
        .call("GET", "/auth/v1/sso/saml/metadata", None, Value::Null)
        .await
        .refused(404, "saml_provider_disabled");
    let settings = gotrue.call("GET", "/auth/v1/settings", None, Value::Null).await.expect(200).json();
    assert_eq!(settings["saml_enabled"], false);
}

#[tokio::test]
async fn address_and_certificate_are_enough_and_the_issuer_is_learnt_once() {
    let clock = testkit::mock_clock().clock();
    let idp = Pretender::new("https://idp.example/metadata", &clock).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let certificate = dir.path().join("saml-cert.pem");
    std::fs::write(&certificate, &idp.keys.certificate).unwrap();
    let settings = Settings::default()
        .with("auth.saml.enabled", "true")
        .with("auth.saml.entity_id", "appflowy.company.com")
        .with("auth.saml.sso_url", "https://idp.example/sso")
        .with("auth.saml.certificate", certificate.to_str().unwrap());
    let gotrue = GoTrue::with(settings, Profile::Dev).await;
    gotrue.sso.keep().await.unwrap();
    gotrue.sso.keep().await.unwrap();
    let world = World { gotrue, idp, rng: Rng::system(), id: String::new() };
    let sp = ServiceProvider { entity_id: "appflowy.company.com".to_owned(), ..world.sp() };
    let answer = async |of: &Pretender| {
        let (request, relay) = world.begin(json!({ "provider_id": "saml" })).await;
        let (clock, rng) = (world.gotrue.clock.clock(), &world.rng);
        let says = of.honest(&sp, Some(&request), "ann@any.example", &clock, rng);
        world.post_raw(&of.encoded(&says, Signed::Assertion).unwrap(), &relay).await
    };
    let forged = Pretender { keys: KeyPair::make("x", &clock).unwrap(), ..world.idp.clone() };
    refused(answer(&forged).await, "validation_failed");
    answer(&world.idp).await.expect(302);
    let renamed = Pretender { entity_id: "https://other.example".to_owned(), ..world.idp.clone() };
    refused(answer(&renamed).await, "validation_failed");
    answer(&world.idp).await.expect(302);
    assert!(!world.begin(json!({ "provider_id": "", "domain": "any.example" })).await.0.is_empty());
}

#[tokio::test]
async fn what_an_identity_provider_says_of_somebody_is_not_changed_here() {
    let world = World::new(json!({})).await;
    let (token, _) = world.sign_in().await;
    for change in [
        json!({ "email": "other@example.com" }),
        json!({ "password": "Correct-horse*1" }),
        json!({ "phone": "+49301234567" }),
    ] {
        let seen = world.gotrue.call("PUT", "/auth/v1/user", Some(&token), change.clone()).await.expect(422);
        assert_eq!(seen.json()["error_code"], "user_sso_managed", "{change}");
    }
    let own = json!({ "data": { "theme": "dark" } });
    world.gotrue.call("PUT", "/auth/v1/user", Some(&token), own).await.expect(200);
}
