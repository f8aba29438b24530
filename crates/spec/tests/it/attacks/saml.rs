//! SAML under attack, at a running instance (rows 48, 49, 52 to 55). The parser's own tests have every variant; here the
//! same messages come through a browser's form.

use http::Method;
use saml::pretend::{Pretender, Says, Signed, deflate, encode};
use saml::{KeyPair, ServiceProvider};
use serde_json::{Value, json};
use spec::{Authenticator, Client, Person, Seen, TestApp};

#[path = "../../../../saml/tests/it/corpus.rs"]
mod corpus;

use corpus::{all_wrappings, element, in_signature, inside, pieces};

/// Makes an assertion say something else.
type Change = fn(&mut Says);

/// An instance with one identity provider, and what it says.
pub struct World {
    pub app: TestApp,
    pub idp: Pretender,
    pub attacker: Pretender,
    pub sp: ServiceProvider,
    pub provider: String,
}

/// What an identity provider knows of us.
pub fn us(app: &TestApp, idp: &Pretender) -> ServiceProvider {
    let base = format!("http://{}/auth/v1", app.running.address);
    ServiceProvider {
        entity_id: format!("{base}/sso/saml/metadata"),
        acs_url: format!("{base}/sso/saml/acs"),
        slo_url: format!("{base}/sso/saml/slo"),
        keys: idp.keys.clone(),
    }
}

impl World {
    async fn new() -> World {
        Self::on(TestApp::builder().unlimited().start().await).await
    }

    pub async fn on(app: TestApp) -> World {
        Self::given(app, |xml| json!({ "type": "saml", "metadata_xml": xml })).await
    }

    /// With what an administrator writes, who has the provider's metadata.
    pub async fn given(app: TestApp, how: impl FnOnce(String) -> Value) -> World {
        let clock = app.clock.clock();
        let idp = Pretender::new("https://idp.example/metadata", &clock).unwrap();
        let attacker = Pretender { keys: KeyPair::make("x", &clock).unwrap(), ..idp.clone() };
        let body = how(idp.peer("https://idp.example").unwrap().to_metadata());
        let made = app.service().post("/auth/v1/admin/sso/providers", body).await.expect(201);
        let sp = us(&app, &idp);
        World { provider: made.field("id"), app, idp, attacker, sp }
    }

    /// Begins a sign-in and makes what the provider would say to it.
    pub async fn asked(&self) -> (Says, String) {
        let body = json!({ "provider_id": self.provider, "skip_http_redirect": true });
        let url = self.app.stranger().post("/auth/v1/sso", body).await.expect(200).field("url");
        (self.says(Some(&id_of(&request_in(&url)))), param(&url, "RelayState"))
    }

    pub fn says(&self, request: Option<&str>) -> Says {
        let (clock, rng) = (self.app.clock.clock(), base::Rng::system());
        self.idp.honest(&self.sp, request, "ann@example.com", &clock, &rng)
    }

    pub async fn post(&self, encoded: &str, relay: &str) -> Seen {
        post_to(&self.app.stranger(), encoded, relay).await
    }

    /// Nobody comes in with `xml`, made of an honest answer to a request that is open.
    async fn refused(&self, signed: Signed, name: &str, change: impl Fn(&str) -> String) {
        let (says, relay) = self.asked().await;
        let xml = self.idp.xml(&says, signed).unwrap();
        let changed = change(&xml);
        assert_ne!(changed, xml, "{name} changes nothing");
        not_in(name, &self.post(&encode(&changed), &relay).await);
    }

    /// And the legitimate neighbour does.
    pub async fn honest_comes_in(&self) {
        let (says, relay) = self.asked().await;
        let seen = self.post(&self.idp.encoded(&says, Signed::Assertion).unwrap(), &relay).await.expect(302);
        let token = fragment(&seen, "access_token").unwrap();
        let user = self.app.stranger().with("authorization", &format!("Bearer {token}"));
        assert_eq!(user.get("/auth/v1/user").await.expect(200).field("email"), "ann@example.com");
        self.nobody_else_exists().await;
    }

    async fn nobody_else_exists(&self) {
        let users = self.app.service().get("/auth/v1/admin/users").await.expect(200).value();
        let emails: Vec<&str> =
            users["users"].as_array().unwrap().iter().filter_map(|user| user["email"].as_str()).collect();
        assert!(emails.iter().all(|email| *email == "ann@example.com"), "{emails:?}");
    }
}

/// A parameter of an address.
pub fn param(url: &str, name: &str) -> String {
    let pair = url.split(['?', '&']).find_map(|pair| pair.strip_prefix(&format!("{name}=")));
    web::decode_form(pair.unwrap_or_else(|| panic!("no {name} in {url}")))
}

/// The request that a redirect carries.
pub fn request_in(url: &str) -> String {
    let bytes = saml::text::decode(&param(url, "SAMLRequest"), &saml::limits::MESSAGE_BYTES_MAX).unwrap();
    String::from_utf8(saml::text::inflate(&bytes).unwrap()).unwrap()
}

/// A message's ID.
pub fn id_of(xml: &str) -> String {
    xml.split_once(" ID=\"").unwrap().1.split('"').next().unwrap().to_owned()
}

async fn post_to(client: &Client, encoded: &str, relay: &str) -> Seen {
    let escape = |text: &str| text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let body = format!("SAMLResponse={}&RelayState={}", escape(encoded), escape(relay));
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    client.send(Method::POST, "/auth/v1/sso/saml/acs", &headers, body.into()).await
}

pub fn fragment(seen: &Seen, name: &str) -> Option<String> {
    let (_, fragment) = seen.header("location").split_once('#')?;
    fragment.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).map(str::to_owned)
}

#[track_caller]
pub fn not_in(name: &str, seen: &Seen) {
    assert!([303, 400, 413].contains(&seen.status.as_u16()), "{name}: {} {}", seen.status, seen.text());
    assert!(fragment(seen, "access_token").is_none(), "{name} came in");
    assert!(!seen.header("location").contains("code=ey"), "{name} came in");
}

#[tokio::test]
async fn row_48_a_wrapped_signature_signs_nobody_in() {
    let world = World::new().await;
    let names = all_wrappings(&pieces(&world.idp.xml(&world.says(None), Signed::Assertion).unwrap())).len();
    for signed in [Signed::Assertion, Signed::Both] {
        for at in 0..names {
            let one = |xml: &str| all_wrappings(&pieces(xml)).swap_remove(at).1;
            world.refused(signed, &format!("variant {at} of {signed:?}"), one).await;
        }
    }
    for signed in [Signed::Response, Signed::Both] {
        let taken_apart = |xml: &str| {
            let issuer_end = xml.find("</saml:Issuer>").unwrap() + "</saml:Issuer>".len();
            let signature = element(&xml[issuer_end..], "<ds:Signature ", "</ds:Signature>");
            let original = xml.replacen(&signature, "", 1);
            let evil =
                original.replace("ann@example.com", "admin@example.com").replacen(" ID=\"", " ID=\"_evil", 1);
            (signature, original, evil)
        };
        world
            .refused(signed, "xsw1", |xml| {
                let (signature, original, evil) = taken_apart(xml);
                in_signature(&evil, &inside(&signature, "</ds:Signature>", &original))
            })
            .await;
        world
            .refused(signed, "xsw2", |xml| {
                let (signature, original, evil) = taken_apart(xml);
                in_signature(&evil, &format!("{signature}{original}"))
            })
            .await;
    }
    world.honest_comes_in().await;
}

#[tokio::test]
async fn row_49_what_two_parsers_could_read_differently_is_not_read() {
    let world = World::new().await;
    let replaced = |by: &'static str| move |xml: &str| xml.replacen("ann@example.com", by, 1);
    world.refused(Signed::Assertion, "comment", replaced("ann@example.com<!---->.evil.example")).await;
    world.refused(Signed::Assertion, "CDATA", replaced("<![CDATA[ann@example.com]]>")).await;
    world.refused(Signed::Assertion, "entity", replaced("&x;")).await;
    world.refused(Signed::Assertion, "doctype", |xml| format!("<!DOCTYPE x [<!ENTITY x 'y'>]>{xml}")).await;
    world.refused(Signed::Assertion, "two roots", |xml| format!("{xml}{xml}")).await;
    world
        .refused(Signed::Assertion, "namespace", |xml| {
            xml.replace("<saml:Assertion ", "<saml:Assertion xmlns:saml=\"urn:evil\" ")
        })
        .await;
    world
        .refused(Signed::Assertion, "attribute twice", |xml| {
            xml.replace("<saml:Assertion ", "<saml:Assertion ID=\"_evil\" ")
        })
        .await;
    world.honest_comes_in().await;
}

#[tokio::test]
async fn row_52_no_entity_is_expanded_and_no_transform_computes() {
    let world = World::new().await;
    for doctype in [
        "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>",
        "<!DOCTYPE x [<!ENTITY % e SYSTEM \"http://127.0.0.1:9/x\"> %e;]>",
        "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY e \"&b;&b;&b;&b;&b;&b;&b;&b;\">]>",
    ] {
        world
            .refused(Signed::Assertion, doctype, |xml| {
                format!("{doctype}{}", xml.replacen("ann@", "&e;@", 1))
            })
            .await;
    }
    let enveloped = "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>";
    for algorithm in
        ["http://www.w3.org/TR/1999/REC-xslt-19991116", "http://www.w3.org/TR/1999/REC-xpath-19991116"]
    {
        let added = format!("{enveloped}<ds:Transform Algorithm=\"{algorithm}\"/>");
        world.refused(Signed::Assertion, algorithm, |xml| xml.replace(enveloped, &added)).await;
    }
    world.honest_comes_in().await;
}

#[tokio::test]
async fn row_53_only_a_pinned_key_and_a_signed_assertion_count() {
    let world = World::new().await;
    for signed in [Signed::Nothing, Signed::Response] {
        let (says, relay) = world.asked().await;
        not_in("unsigned assertion", &world.post(&world.idp.encoded(&says, signed).unwrap(), &relay).await);
    }
    for signed in [Signed::Assertion, Signed::Both] {
        let (says, relay) = world.asked().await;
        not_in("attacker's key", &world.post(&world.attacker.encoded(&says, signed).unwrap(), &relay).await);
    }
    for weak in
        ["http://www.w3.org/2000/09/xmldsig#rsa-sha1", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"]
    {
        let strong = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
        world.refused(Signed::Assertion, weak, |xml| xml.replace(strong, weak)).await;
    }
    world
        .refused(Signed::Both, "stripped", |xml| {
            let p = pieces(xml);
            p.whole.replace(&p.signature, "")
        })
        .await;
    world.honest_comes_in().await;
}

#[tokio::test]
async fn row_54_an_assertion_is_for_us_of_now_in_answer_to_us_and_taken_once() {
    let world = World::new().await;
    let changes: [(&str, Change); 7] = [
        ("audience", |says| says.audience = "https://other.example".into()),
        ("recipient", |says| says.recipient = "https://other.example/acs".into()),
        ("destination", |says| says.destination = "https://other.example/acs".into()),
        ("issuer", |says| says.issuer = "https://other.example".into()),
        ("request", |says| says.in_response_to = Some("_other".into())),
        ("no request", |says| says.in_response_to = None),
        ("expired", |says| says.not_on_or_after = says.not_before - jiff::SignedDuration::from_mins(5)),
    ];
    for (name, change) in changes {
        let (mut says, relay) = world.asked().await;
        change(&mut says);
        not_in(name, &world.post(&world.idp.encoded(&says, Signed::Assertion).unwrap(), &relay).await);
    }
    let (says, relay) = world.asked().await;
    let encoded = world.idp.encoded(&says, Signed::Assertion).unwrap();
    world.post(&encoded, &relay).await.expect(302);
    not_in("replay", &world.post(&encoded, &relay).await);
    let (mut again, relay) = world.asked().await;
    again.assertion_id = says.assertion_id;
    not_in(
        "assertion replayed",
        &world.post(&world.idp.encoded(&again, Signed::Assertion).unwrap(), &relay).await,
    );
    let unasked = world.idp.encoded(&world.says(None), Signed::Assertion).unwrap();
    for relay in ["", "https://app.example.com/"] {
        not_in("IdP-initiated", &world.post(&unasked, relay).await);
    }
    assert!(world.app.audited("sso.refused").await);
    world.honest_comes_in().await;
}

/// What the browser of these tests is known by.
const BROWSER: &str = "palisade_browser=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// An address of ours, opened in the browser that has this cookie.
async fn opened(client: &Client, url: &str, cookie: &str) -> Seen {
    let path = url.find("/auth/v1/").map(|at| &url[at..]).unwrap_or_else(|| panic!("not ours: {url}"));
    let headers = [("cookie", cookie), ("sec-fetch-site", "cross-site")];
    client.send(Method::GET, path, &headers, Vec::new().into()).await
}

/// Login CSRF: what an attacker began, and their company answered, lets nobody else's browser in; and without a browser that
/// began there is nothing to be had at all.
#[tokio::test]
async fn row_88_an_answer_lets_only_the_browser_in_that_began() {
    let world = World::new().await;
    let app = &world.app;
    let victim = format!("palisade_browser={}", "v".repeat(43));
    let page = app.stranger().with("origin", "https://app.example").with("sec-fetch-site", "cross-site");
    let begin = async |client: &Client| {
        let body = json!({ "provider_id": world.provider, "skip_http_redirect": true });
        client.post("/auth/v1/sso", body).await.expect(200).field("url")
    };
    let answered = |asked: &str| {
        let says = world.says(Some(&id_of(&request_in(asked))));
        (world.idp.encoded(&says, Signed::Assertion).unwrap(), param(asked, "RelayState"))
    };
    // The provider's page is another site's: its form brings no cookie, and a browser says where it comes from.
    let form = app.stranger().with("origin", "https://idp.example").with("sec-fetch-site", "cross-site");

    // A page is told an address of ours, and nothing of what the provider will be asked.
    let begun = begin(&page).await;
    assert!(begun.contains("/auth/v1/sso/saml/begin?flow=") && !begun.contains("SAMLRequest"), "{begun}");
    let asked = opened(&app.stranger(), &begun, BROWSER).await.expect(302).header("location").to_owned();
    not_in("another browser takes it up", &opened(&app.stranger(), &begun, &victim).await);
    // The attacker has the answer; the victim's browser posts it from the attacker's page, and goes where it is sent.
    let (encoded, relay) = answered(&asked);
    let waits = post_to(&form, &encoded, &relay).await.expect(303).header("location").to_owned();
    assert!(waits.contains("/auth/v1/sso/saml/acs?flow=") && !waits.contains("access_token"), "{waits}");
    for cookie in [victim.as_str(), "", "palisade_browser=", "palisade_browser"] {
        let seen = opened(&app.stranger(), &waits, cookie).await;
        not_in(&format!("with {cookie:?}"), &seen);
        assert!(seen.header("location").contains("error_code=saml_relay_state_not_found"), "{cookie:?}");
    }
    // Two of one name: somebody else set one of them.
    not_in("with both", &opened(&app.stranger(), &waits, &format!("{victim}; {BROWSER}")).await);
    // What a program began, the attacker's too, no browser ends: not with a form of any origin, not with JSON.
    let by_program = begin(&app.stranger()).await;
    assert!(by_program.starts_with("https://idp.example/sso?SAMLRequest="), "{by_program}");
    let (program, program_relay) = answered(&by_program);
    for (header, value) in [("origin", "null"), ("origin", "https://a.example"), ("sec-fetch-site", "none")] {
        let seen = post_to(&app.stranger().with(header, value), &program, &program_relay).await;
        not_in(&format!("a program's, from a browser with {header}: {value}"), &seen);
    }
    // What an answer that no browser took up claims to answer was never asked.
    let never = begin(&page).await;
    not_in("not taken up", &post_to(&form, &encoded, &param(&never, "flow")).await);
    assert!(app.audited("sso.refused").await);

    // The neighbours: the browser that began comes in, once; so does the program; and whoever exchanges a code.
    let own = opened(&app.stranger(), &waits, BROWSER).await.expect(302);
    assert!(fragment(&own, "access_token").is_some(), "{}", own.header("location"));
    not_in("again", &opened(&app.stranger(), &waits, BROWSER).await);
    let landed = post_to(&app.stranger(), &program, &program_relay).await.expect(302);
    assert!(fragment(&landed, "access_token").is_some(), "{}", landed.header("location"));
    a_verifier_is_enough(&world, &page, &form).await;
}

/// With PKCE the answer may come by any way: only who has the verifier has the session.
async fn a_verifier_is_enough(world: &World, page: &Client, form: &Client) {
    use base64::Engine;
    let verifier = "v".repeat(43);
    let challenge =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(seal::sha256(verifier.as_bytes()));
    let body = json!({ "provider_id": world.provider, "skip_http_redirect": true, "code_challenge": challenge, "code_challenge_method": "s256" });
    let asked = page.post("/auth/v1/sso", body).await.expect(200).field("url");
    let says = world.says(Some(&id_of(&request_in(&asked))));
    let encoded = world.idp.encoded(&says, Signed::Assertion).unwrap();
    let landed = post_to(form, &encoded, &param(&asked, "RelayState")).await.expect(302);
    let exchange =
        json!({ "auth_code": param(landed.header("location"), "code"), "code_verifier": verifier });
    page.post("/auth/v1/token?grant_type=pkce", exchange).await.expect(200);
}

/// An application of Fluxbase's may hand the answer on: in the browser that began by its cookie, and nobody else's is taken there.
#[tokio::test]
async fn row_88_an_answer_that_a_page_hands_on_is_for_its_own_browser() {
    let world = World::new().await;
    let app = &world.app;
    let victim = format!("palisade_browser={}", "v".repeat(43));
    let begun = async || {
        let path = format!("/api/v1/auth/saml/login/{}", world.provider);
        let ask = async |headers: &[(&str, &str)]| {
            app.stranger().send(Method::GET, &path, headers, Vec::new().into()).await
        };
        // Older browsers do not say where they come from when they navigate.
        let navigated = ask(&[("accept", "text/html,*/*;q=0.8")]).await.expect(302);
        assert!(navigated.header("location").contains("/sso/saml/begin?flow="));
        let url = ask(&[("origin", "https://app.example")]).await.expect(200).field("url");
        let asked = opened(&app.stranger(), &url, BROWSER).await.expect(302).header("location").to_owned();
        let says = world.says(Some(&id_of(&request_in(&asked))));
        (world.idp.encoded(&says, Signed::Assertion).unwrap(), param(&asked, "RelayState"))
    };
    let hand_on = async |cookie: &str, (encoded, relay): (String, String)| {
        let body = json!({ "saml_response": encoded, "relay_state": relay, "provider": "company" });
        let origin = format!("http://{}", app.running.address);
        let headers = [("cookie", cookie), ("content-type", "application/json"), ("origin", origin.as_str())];
        let path = "/api/v1/auth/saml/acs";
        app.stranger().send(Method::POST, path, &headers, body.to_string().into()).await
    };
    let refused = hand_on(&victim, begun().await).await;
    let is_refused = refused.status.is_client_error() && !refused.text().contains("access_token");
    assert!(is_refused, "{}", refused.text());
    let url = hand_on("", begun().await).await.expect(200).field("url");
    not_in("handed on without a cookie", &opened(&app.stranger(), &url, &victim).await);
    assert!(!hand_on(BROWSER, begun().await).await.expect(200).field("access_token").is_empty());
}

/// The most that this process ever had in memory since the last time, in KiB.
fn most_memory_since(forget: bool) -> u64 {
    if forget {
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What 32 of these would need at once, inflated, is more than two gigabytes. Other tests of this process have some memory too, but not that.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_55_a_bomb_stops_at_its_limit_and_takes_no_memory() {
    let world = World::new().await;
    let base64 = |bytes: &[u8]| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(bytes)
    };
    // 10 KB that are 10 MB, and what just fits into a message. More than a thousandfold is not to be had of deflate.
    let bomb = |size: usize| base64(&deflate(&vec![b' '; size]).unwrap());
    let (in_a_query, in_a_form) = (bomb(10 << 20), bomb(128 << 20));
    assert!(in_a_query.len() < 16 << 10 && in_a_form.len() < 192 << 10);
    let asked = world.asked().await;
    let before = most_memory_since(true);
    let began = testkit::Stopwatch::start();
    let tries: Vec<_> = (0..32)
        .map(|at| {
            let (client, relay) = (world.app.stranger(), asked.1.clone());
            let message = [&in_a_query, &in_a_form][at % 2].clone();
            tokio::spawn(async move {
                if at % 2 > 0 {
                    not_in("in a form", &post_to(&client, &message, &relay).await);
                    return;
                }
                let escaped = message.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
                for name in ["SAMLRequest", "SAMLResponse"] {
                    let query = format!("/auth/v1/sso/saml/slo?{name}={escaped}&SigAlg=x&Signature=y");
                    let seen = client.get(&query).await;
                    assert_eq!(seen.status, 400, "it was not looked at: {}", seen.text());
                }
            })
        })
        .collect();
    for tried in tries {
        tried.await.unwrap();
    }
    let took = most_memory_since(false).saturating_sub(before);
    assert!(took < 512 << 10, "{} MiB for a bomb", took >> 10);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    // The measure itself sees a gigabyte.
    let seen = vec![1_u8; 1 << 30];
    assert!(most_memory_since(false).saturating_sub(before) > 900 << 10, "{}", seen.len());
    drop(seen);
    world.honest_comes_in().await;
}

/// Whoever has a second factor is at level one after signing in through their company, wherever that session goes, until they
/// show it.
#[tokio::test]
async fn row_16_saml_gives_level_one_only_and_no_data() {
    let world = World::on(TestApp::builder().unlimited().with("mfa.required", "true").start().await).await;
    world
        .app
        .owner(
            "create table public.notes (id int primary key);
             create policy everybody on public.notes for select to authenticated using (true);
             grant select on public.notes to authenticated; insert into public.notes values (1)",
        )
        .await;
    let enter = async || {
        let (says, relay) = world.asked().await;
        let seen =
            world.post(&world.idp.encoded(&says, Signed::Assertion).unwrap(), &relay).await.expect(302);
        let text = |name: &str| fragment(&seen, name).unwrap();
        let session = json!({ "access_token": text("access_token"), "refresh_token": text("refresh_token") });
        Person::from(&world.app.stranger(), "ann@example.com", &session)
    };
    let claims = |person: &Person| -> Value {
        use base64::Engine;
        let part = person.access_token.split('.').nth(1).unwrap();
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
        serde_json::from_slice(&claims).unwrap()
    };
    let now = || world.app.clock.now().as_second();
    // The first time there is no factor yet; the session can do nothing but enrol one.
    let first = enter().await;
    assert_eq!(first.client.get("/rest/v1/notes").await.status, 403);
    let (_, phone) = Authenticator::with(&first, now()).await;
    world.app.clock.advance(std::time::Duration::from_secs(30));
    let low = enter().await;
    assert_eq!((&claims(&low)["aal"], &claims(&low)["role"]), (&json!("aal1"), &json!("authenticated")));
    let refresh = json!({ "refresh_token": low.refresh_token });
    let path = "/auth/v1/token?grant_type=refresh_token";
    let next = low.again(&world.app.stranger().post(path, refresh).await.expect(200).value());
    let mut keyed = next.client.clone();
    keyed.headers.retain(|(name, _)| name != "apikey");
    let keyed = keyed.with("apikey", world.app.running.keys.secret.expose());
    for (client, how) in
        [(&low.client, "as it is"), (&next.client, "refreshed"), (&keyed, "with a secret key")]
    {
        for door in ["/rest/v1/notes", "/graphql/v1?query=%7B__typename%7D", "/auth/v1/user/sessions"] {
            let seen = client.get(door).await;
            assert_eq!(seen.status, 403, "{how}: {door}: {}", seen.text());
        }
        let another = json!({ "factor_type": "totp", "friendly_name": "mine" });
        client.post("/auth/v1/factors", another).await.expect(403);
        let seen = client.json(Method::DELETE, &format!("/auth/v1/factors/{}", phone.id), json!({})).await;
        assert!([403, 422].contains(&seen.status.as_u16()), "{how}: {}", seen.text());
    }
    // The neighbour: the factor opens what it should.
    let raised = phone.show(&next.client, &phone.code(now())).await.expect(200).value();
    let raised = next.again(&raised);
    assert_eq!(claims(&raised)["aal"], "aal2");
    raised.client.get("/rest/v1/notes").await.expect(200);
}

/// Not an attack, but of the same make: the operator's own code has a word about whom a provider brings.
#[tokio::test]
async fn whom_the_operators_code_refuses_no_identity_provider_brings_in() {
    let app = TestApp::builder()
        .unlimited()
        .with("auth.hooks.before_user_created.uri", "pg-functions://postgres/public/may_be")
        .start()
        .await;
    app.owner(
        "create function public.may_be(event jsonb) returns jsonb language plpgsql stable as $$
         begin
             if event #>> '{user,app_metadata,provider}' like 'sso:%' then
                 return jsonb_build_object('error', jsonb_build_object('http_code', 403, 'message', 'no companies'));
             end if;
             return '{}';
         end $$;
         revoke execute on function public.may_be(jsonb) from public;
         grant usage on schema public to supabase_auth_admin;
         grant execute on function public.may_be(jsonb) to supabase_auth_admin",
    )
    .await;
    let world = World::on(app).await;
    let (says, relay) = world.asked().await;
    let xml = world.idp.xml(&says, Signed::Assertion).unwrap();
    not_in("a refused person", &world.post(&encode(&xml), &relay).await);
    let users = world.app.database.admin().await;
    let users = users.query_one("select count(*) from auth.users", &[]).await.unwrap();
    assert_eq!(users.get::<_, i64>(0), 0);
    world.app.person("ann").await;
}
