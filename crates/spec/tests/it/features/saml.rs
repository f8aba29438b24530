//! Companies over time: what their metadata shows later, single logout from either side, and several companies at once.

use http::Method;
use saml::pretend::{Pretender, Signed, encode};
use saml::{KeyPair, Peer};
use serde_json::{Value, json};
use spec::{Client, Double, Person, TestApp, TestAppBuilder};

use crate::attacks::saml::{World, fragment, id_of, not_in, param, request_in};

const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

fn unlimited() -> TestAppBuilder {
    TestApp::builder().unlimited()
}

impl World {
    /// The same provider with other keys.
    fn renewed(&self) -> Pretender {
        let keys = KeyPair::make_for_once("renewed", &self.app.clock.clock()).unwrap();
        Pretender { keys, ..self.idp.clone() }
    }

    /// What it publishes with these keys, at this place.
    fn metadata(&self, keys: &[&Pretender], place: &str) -> String {
        let certificates = keys.iter().flat_map(|one| one.peer(place).unwrap().certificates).collect();
        Peer { certificates, ..self.idp.peer(place).unwrap() }.to_metadata()
    }

    async fn tries(&self, by: &Pretender) -> spec::Seen {
        let (says, relay) = self.asked().await;
        self.post(&by.encoded(&says, Signed::Assertion).unwrap(), &relay).await
    }

    async fn believes(&self, by: &Pretender) -> bool {
        let seen = self.tries(by).await;
        if fragment(&seen, "access_token").is_some() {
            return true;
        }
        not_in("another key", &seen);
        false
    }

    /// As time passes until metadata is read again.
    async fn later(&self) {
        self.app.clock.advance(std::time::Duration::from_secs(6 * 3600 + 1));
        let _what_failed_is_kept_with_the_provider = self.app.running.services.sso.keep().await;
    }

    /// Somebody who comes through the company.
    async fn enters(&self, email: &str) -> There {
        let (mut says, relay) = self.asked().await;
        says.name_id = email.to_owned();
        says.attributes = vec![("email".to_owned(), vec![email.to_owned()])];
        let encoded = self.idp.encoded(&says, Signed::Assertion).unwrap();
        let seen = self.post(&encoded, &relay).await.expect(302);
        let text = |name: &str| fragment(&seen, name).unwrap();
        let session = json!({ "access_token": text("access_token"), "refresh_token": text("refresh_token") });
        let person = Person::from(&self.app.stranger(), email, &session);
        There { person, index: says.session_index }
    }

    /// A logout request of this provider, or of whoever says so, as a form carries it.
    fn logout(&self, by: &Pretender, name: &str, index: Option<&str>) -> String {
        let rng = base::Rng::system();
        by.logout_query(&self.sp, name, index, &self.app.clock.clock(), &rng).unwrap()
    }

    /// A message with what every one of ours has, signed inside.
    fn signed(&self, by: &Pretender, kind: &str, more: &str, content: &str) -> String {
        let (id, now) = (base::Rng::system().uuid().simple().to_string(), self.app.clock.now());
        let now = jiff::Timestamp::from_second(now.as_second()).unwrap();
        let (to, from) = (&self.sp.slo_url, &by.entity_id);
        let xml = format!(
            "<samlp:{kind} xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_{id}\" Version=\"2.0\" IssueInstant=\"{now}\" \
             Destination=\"{to}\"{more}><saml:Issuer>{from}</saml:Issuer>{content}</samlp:{kind}>"
        );
        by.sign(&xml, true, RSA_SHA256).unwrap()
    }

    async fn form(&self, pairs: &[(&str, &str)]) -> spec::Seen {
        let escape = |text: &str| text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let pairs: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let body = pairs.join("&");
        self.app.stranger().send(Method::POST, "/auth/v1/sso/saml/slo", &headers, body.into()).await
    }

    async fn our_certificate(&self) -> String {
        let metadata = self.app.stranger().get("/auth/v1/sso/saml/metadata").await.expect(200).text();
        let (_, rest) = metadata.split_once("X509Certificate>").unwrap();
        rest.split('<').next().unwrap().to_owned()
    }
}

/// Somebody with a session at the company too.
struct There {
    person: Person,
    index: String,
}

impl There {
    /// Whether the session is alive: at the account, at data, and by its refresh token, which is not spent by asking.
    async fn is_in(&self) -> bool {
        let seen = self.person.client.get("/auth/v1/user").await;
        assert!([200, 401, 403].contains(&seen.status.as_u16()), "{}", seen.text());
        seen.status == 200
    }

    async fn is_out(&self, app: &TestApp, why: &str) {
        assert!(!self.is_in().await, "{why}");
        assert_eq!(self.person.client.get("/rest/v1/").await.status, 401, "{why}");
        let refresh = json!({ "refresh_token": self.person.refresh_token });
        app.stranger().post("/auth/v1/token?grant_type=refresh_token", refresh).await.expect(400);
    }
}

/// Mails about keys, newest first: to whom and what.
async fn told(app: &TestApp) -> Vec<(String, String)> {
    let outbox = &app.running.services.outbox;
    let mut all = Vec::new();
    for mail in outbox.list(None, 50).await.unwrap() {
        if mail.subject.contains("signing keys") {
            let text = outbox.get(mail.id).await.unwrap().text.unwrap();
            all.push((mail.to.clone(), text.expose().to_owned()));
        }
    }
    all
}

async fn recorded(app: &TestApp, event: &str) -> usize {
    let audit = &app.running.services.audit;
    audit.settle().await.unwrap();
    let filter = audit::Filter { event: Some(event.to_owned()), ..audit::Filter::default() };
    audit.find(&filter, None, 50).await.unwrap().len()
}

#[tokio::test]
async fn a_key_that_metadata_shows_later_is_told_once_and_waits_for_an_administrator() {
    let double = Double::start().await;
    let metadata_url = format!("{}/metadata", double.url);
    let app = unlimited()
        .with("auth.saml.allow_insecure_metadata_url", "true")
        .with("outbound.allow", "127.0.0.1")
        .start()
        .await;
    app.person("boss").await;
    app.admin("update auth.users set role = 'dashboard_admin' where email = 'boss@example.com'").await;
    let world = World::given(app, |xml| {
        double.show("/metadata", &xml);
        json!({ "type": "saml", "metadata_url": metadata_url })
    })
    .await;
    let (app, renewed, place) = (&world.app, world.renewed(), "https://idp.example");
    assert!(world.believes(&world.idp).await);

    // Nothing is read before it is time.
    let asked = double.asked().len();
    app.running.services.sso.keep().await.unwrap();
    assert_eq!(double.asked().len(), asked);

    double.show("/metadata", &world.metadata(&[&world.idp, &renewed], place));
    for _ in 0..2 {
        world.later().await;
        app.eventually(async || !told(app).await.is_empty()).await;
        assert!(!world.believes(&renewed).await, "a key that nobody pinned");
        assert!(world.believes(&world.idp).await, "the pinned one stays");
    }
    let told_to = told(app).await;
    assert_eq!(told_to.len(), 1, "once: {told_to:?}");
    assert_eq!(told_to[0].0, "boss@example.com");
    let print = saml::certificate_fingerprint(&renewed.peer(place).unwrap().certificates[0]).unwrap();
    assert!(told_to[0].1.contains(&print) && told_to[0].1.contains(&world.idp.entity_id), "{told_to:?}");
    assert_eq!(recorded(app, "sso.keys_changed").await, 1);

    // An administrator asks for what is published now.
    let path = format!("/auth/v1/admin/sso/providers/{}", world.provider);
    app.service().json(Method::PUT, &path, json!({ "metadata_url": metadata_url })).await.expect(200);
    assert!(world.believes(&renewed).await && world.believes(&world.idp).await);

    // Fewer keys are believed by themselves, and so is another address.
    double.show("/metadata", &world.metadata(&[&renewed], "https://moved.example"));
    world.later().await;
    app.eventually(async || !world.believes(&world.idp).await).await;
    assert!(world.believes(&renewed).await);
    let body = json!({ "provider_id": world.provider, "skip_http_redirect": true });
    let to = app.stranger().post("/auth/v1/sso", body).await.expect(200).field("url");
    assert!(to.starts_with("https://moved.example/sso?"), "{to}");

    // Another name is another provider's, whatever its keys; and what cannot be read changes nothing.
    let other = world
        .metadata(&[&renewed], "https://evil.example")
        .replace(&world.idp.entity_id, "https://evil.example");
    for published in [other.as_str(), "<nothing/>"] {
        double.show("/metadata", published);
        world.later().await;
        assert!(world.believes(&renewed).await && !world.believes(&world.idp).await);
        let body = json!({ "provider_id": world.provider, "skip_http_redirect": true });
        let to = app.stranger().post("/auth/v1/sso", body).await.expect(200).field("url");
        assert!(to.starts_with("https://moved.example/sso?"), "{to}");
    }
}

#[tokio::test]
async fn a_company_that_ends_its_session_ends_ours_and_nobody_elses() {
    let world = World::on(unlimited().start().await).await;
    let app = &world.app;
    let slo = |query: &str| format!("/auth/v1/sso/saml/slo?{query}");
    let (desk, phone) = (world.enters("ann@example.com").await, world.enters("ann@example.com").await);
    let bob = world.enters("bob@example.com").await;
    let other = Pretender::new("https://other.example/metadata", &app.clock.clock()).unwrap();
    let xml = other.peer("https://other.example").unwrap().to_metadata();
    let body = json!({ "type": "saml", "metadata_xml": xml });
    app.service().post("/auth/v1/admin/sso/providers", body).await.expect(201);

    // Nobody is signed out by strangers, by another company, or by a message that was changed.
    let theirs = world.logout(&world.idp, "bob@example.com", None);
    let content = "<saml:NameID>bob@example.com</saml:NameID>";
    let form = world.signed(&world.idp, "LogoutRequest", "", content);
    for (what, query) in [
        ("an attacker's key", world.logout(&world.attacker, "bob@example.com", None)),
        ("unsigned", theirs.split_once("&SigAlg").unwrap().0.to_owned()),
        ("changed on the way", theirs.replace("RelayState=relay", "RelayState=evil")),
        ("given twice", format!("{theirs}&{}", theirs.split('&').next().unwrap())),
    ] {
        assert_eq!(app.stranger().get(&slo(&query)).await.status, 400, "{what}");
    }
    for (what, message) in [
        ("an attacker's key", world.signed(&world.attacker, "LogoutRequest", "", content)),
        ("changed on the way", form.replace("bob@", "ann@")),
        ("unsigned", {
            let (before, rest) = form.split_once("<ds:Signature ").unwrap();
            format!("{before}{}", rest.split_once("</ds:Signature>").unwrap().1)
        }),
    ] {
        assert_eq!(world.form(&[("SAMLRequest", &encode(&message))]).await.status, 400, "{what}");
    }
    let of_another = world.logout(&other, "bob@example.com", None);
    app.stranger().get(&slo(&of_another)).await.expect(302);
    assert!(recorded(app, "sso.refused").await >= 7);
    for one in [&desk, &phone, &bob] {
        assert!(one.is_in().await, "{}", one.person.email);
    }

    // One session, by a redirect; the company is told so, signed.
    let query = world.logout(&world.idp, "ann@example.com", Some(&desk.index));
    let seen = app.stranger().get(&slo(&query)).await.expect(302);
    desk.is_out(app, "the session that is named").await;
    assert!(phone.is_in().await && bob.is_in().await);
    let to = seen.header("location").to_owned();
    assert!(to.starts_with("https://idp.example/slo?SAMLResponse="), "{to}");
    assert_eq!(param(&to, "RelayState"), "relay");
    let (_, query) = to.split_once('?').unwrap();
    assert!(saml::is_signed_redirect(query, &world.our_certificate().await), "{to}");

    // All of a person's, by a form.
    let message = world.signed(&world.idp, "LogoutRequest", "", "<saml:NameID>ann@example.com</saml:NameID>");
    world.form(&[("SAMLRequest", &encode(&message)), ("RelayState", "x")]).await.expect(303);
    phone.is_out(app, "all of a person's").await;
    assert!(bob.is_in().await);
    assert!(app.audited("auth.logout").await);
}

#[tokio::test]
async fn signing_out_here_ends_the_session_at_the_company_too() {
    let world =
        World::on(unlimited().with("auth.uri_allow_list", "https://app.example.com/**").start().await).await;
    let app = &world.app;
    let fluxbase = |client: Client| async move {
        client.get("/api/v1/auth/saml/logout/company?redirect_url=https://app.example.com/bye").await
    };
    let supabase = |client: Client| async move {
        let body = json!({ "redirect_to": "https://app.example.com/bye" });
        client.post("/auth/v1/sso/saml/logout", body).await
    };
    for (at, email) in ["ann@example.com", "bob@example.com"].into_iter().enumerate() {
        let there = world.enters(email).await;
        let stays = world.enters(email).await;
        let client = there.person.client.clone();
        let seen = if at == 0 { supabase(client).await } else { fluxbase(client).await };
        let to = seen.expect(200).field("url");
        there.is_out(app, "signed out here").await;
        assert!(stays.is_in().await, "another session of the same person");
        assert!(to.starts_with("https://idp.example/slo?SAMLRequest="), "{to}");
        let (_, query) = to.split_once('?').unwrap();
        assert!(saml::is_signed_redirect(query, &world.our_certificate().await), "{to}");
        let asked = request_in(&to);
        for part in [email, &there.index] {
            assert!(asked.contains(part), "{part} in {asked}");
        }
        // The company says that it is done: to what we asked, and nobody else, once.
        let status = "<samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status>";
        let done = |by: &Pretender, to: &str| {
            encode(&world.signed(by, "LogoutResponse", &format!(" InResponseTo=\"{to}\""), status))
        };
        let relay = param(&to, "RelayState");
        let forged = done(&world.attacker, &id_of(&asked));
        world.form(&[("SAMLResponse", &forged), ("RelayState", &relay)]).await.expect(400);
        let honest = done(&world.idp, &id_of(&asked));
        let back = world.form(&[("SAMLResponse", &honest), ("RelayState", &relay)]).await.expect(303);
        assert_eq!(back.header("location"), "https://app.example.com/bye");
        world.form(&[("SAMLResponse", &honest), ("RelayState", &relay)]).await.expect(404);
    }
    // Whoever came by password has no session there.
    let plain = app.person("plain").await;
    let none = plain.client.post("/auth/v1/sso/saml/logout", json!({})).await.expect(200).value();
    assert_eq!(none["url"], Value::Null);
    assert_ne!(plain.client.get("/auth/v1/user").await.status, 200);
}

#[tokio::test]
async fn several_companies_each_speak_for_their_own_and_only_who_may_comes_unasked() {
    let world = World::on(unlimited().with("auth.site_url", "https://site.example.com").start().await).await;
    let app = &world.app;
    let clock = app.clock.clock();
    let free = Pretender::new("https://free.example/metadata", &clock).unwrap();
    let xml = free.peer("https://free.example").unwrap().to_metadata();
    let body = json!({
        "type": "saml", "metadata_xml": xml, "domains": ["free.example"], "allow_idp_initiated": true,
        "allowed_redirect_hosts": ["portal.free.example"],
    });
    app.service().post("/auth/v1/admin/sso/providers", body).await.expect(201);

    // What one was asked, another does not answer; and nobody speaks for another's domain.
    let (mut says, relay) = world.asked().await;
    says.issuer = free.entity_id.clone();
    not_in(
        "another company's answer",
        &world.post(&free.encoded(&says, Signed::Assertion).unwrap(), &relay).await,
    );
    let (mut says, relay) = world.asked().await;
    says.attributes = vec![("email".to_owned(), vec!["ceo@free.example".to_owned()])];
    not_in(
        "another's domain",
        &world.post(&world.idp.encoded(&says, Signed::Assertion).unwrap(), &relay).await,
    );

    // The one may come unasked: to where it may send people, once; the other may not.
    let rng = base::Rng::system();
    let unasked = |by: &Pretender| by.honest(&world.sp, None, "eve@free.example", &clock, &rng);
    for (relay, lands) in [
        ("https://portal.free.example/home", "https://portal.free.example/home#"),
        ("https://evil.example/", "https://site.example.com"),
        ("https://portal.free.example.evil.example/", "https://site.example.com"),
        ("//portal.free.example@evil.example/", "https://site.example.com"),
        ("", "https://site.example.com"),
    ] {
        let encoded = free.encoded(&unasked(&free), Signed::Assertion).unwrap();
        let seen = world.post(&encoded, relay).await.expect(302);
        assert!(seen.header("location").starts_with(lands), "{relay}: {}", seen.header("location"));
        assert!(fragment(&seen, "access_token").is_some());
        not_in("again", &world.post(&encoded, relay).await);
    }
    let theirs = world.idp.honest(&world.sp, None, "ann@example.com", &clock, &rng);
    not_in("unasked", &world.post(&world.idp.encoded(&theirs, Signed::Assertion).unwrap(), "").await);
    // An answer to a request that was never made is not unasked.
    let mut answer = unasked(&free);
    answer.in_response_to = Some("_stolen".to_owned());
    not_in("to another's request", &world.post(&free.encoded(&answer, Signed::Assertion).unwrap(), "").await);
    assert!(world.believes(&world.idp).await);
}
