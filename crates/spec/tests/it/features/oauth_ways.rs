//! The ways to sign in on our own consent page, as far as they need no script; `sdk_oauth` has them in a real browser.

use saml::pretend::{Pretender, Signed};
use serde_json::json;
use spec::browser::{absolute, hidden, parameter};
use spec::{Browser, Double, Idp, Seen, TestApp};

use crate::attacks::saml::us;

use super::oauth::today;
use super::oauth_server::{Program, with_server};

/// A browser at the page of a request.
async fn at_page(app: &TestApp, program: &Program, browser: &mut Browser) -> (String, String) {
    let start = format!("{}{}", app.running.url, program.request(&[]));
    let page = browser.open(&start).await.expect(302).header("location").to_owned();
    let text = browser.open(&page).await.expect(200).text();
    (page, text)
}

/// Sends a form of the page.
async fn send(app: &TestApp, browser: &mut Browser, text: &str, step: &str, more: &[(&str, &str)]) -> Seen {
    let (csrf, id) = (hidden(text, "csrf_token"), hidden(text, "authorization_id"));
    let fields = [&[("csrf_token", csrf.as_str()), ("authorization_id", &id)], more].concat();
    browser.submit(&format!("{}/auth/v1/oauth/consent{step}", app.running.url), &fields).await
}

/// The first mail to an address, as `dev` shows it.
async fn mail_to(app: &TestApp, to: &str) -> String {
    let mut text = String::new();
    app.eventually(async || {
        let mails = app.running.services.outbox.list(None, 50).await.unwrap();
        let Some(first) = mails.iter().find(|mail| mail.to == to) else { return false };
        let letter = app.running.services.outbox.get(first.id).await.unwrap();
        text = letter.text.map(|text| text.expose().clone()).unwrap_or_default();
        true
    })
    .await;
    text
}

/// Six digits on a line of their own.
fn code_in(mail: &str) -> &str {
    let is_code = |line: &&str| line.len() == 6 && line.bytes().all(|byte| byte.is_ascii_digit());
    mail.lines().map(str::trim).find(is_code).unwrap_or_else(|| panic!("no code in {mail}"))
}

fn browser(app: &TestApp) -> Browser {
    Browser::new(app.stranger().from)
}

#[tokio::test]
async fn a_provider_comes_back_to_the_page_with_a_cookie_and_no_token_in_any_address() {
    let idp = Idp::start().await;
    let builder = with_server()
        .with("outbound.allow", "127.0.0.1")
        .with("auth.external.keycloak.enabled", "true")
        .with("auth.external.keycloak.client_id", "palisade")
        .with("auth.external.keycloak.secret", "a-secret-that-only-both-know")
        .with("auth.external.keycloak.url", &idp.issuer);
    let app = today(builder).await;
    let program = Program::made(&app, json!({})).await;
    let mut browser = browser(&app);
    let (page, text) = at_page(&app, &program, &mut browser).await;
    let link = text.split("<a href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let from = format!("{link}&login_hint=b-1~bea%40example.com~true~Bea");
    let landed = browser.follow(&from, &page).await;
    assert!(!landed.contains("access_token") && !landed.contains('#'), "{landed}");
    let asked = browser.open(&page).await.expect(200).text();
    assert!(asked.contains("wants to sign you in") && asked.contains("bea@example.com"), "{asked}");
    // The same end is nobody else's to name: another page of ours gets its session in the fragment, as every site does.
    for other in [format!("{page}&x=1"), page.replace("/consent?", "/consent/sign-out?")] {
        let other = other.replace(':', "%3A").replace('/', "%2F").replace('&', "%26").replace('=', "%3D");
        let from = format!(
            "{}/auth/v1/authorize?provider=keycloak&redirect_to={other}&login_hint=c-1~cleo%40example.com~true~Cleo",
            app.running.url
        );
        let mut another = Browser::new(app.stranger().from);
        let landed = another.follow(&from, page.split('?').next().unwrap()).await;
        let seen = another.open(&page).await.text();
        assert!(seen.contains("name=\"password\""), "no cookie came of {landed}: {seen}");
    }
    // Who says no there is told so here, in words of ours.
    let mut another = Browser::new(app.stranger().from);
    let (page, text) = at_page(&app, &program, &mut another).await;
    let link = text.split("<a href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let landed = another.follow(&format!("{link}&login_hint=nobody"), &page).await;
    assert_eq!(parameter(&landed, "refused").as_deref(), Some("no"), "{landed}");
    assert!(another.open(&landed).await.expect(200).text().contains("You were not signed in there"));
    let sly = another.open(&format!("{page}&refused=Call+0900-1234")).await.expect(200).text();
    assert!(!sly.contains("0900"), "{sly}");
}

#[tokio::test]
async fn a_mail_signs_in_on_the_page_by_its_code_or_its_link_and_tells_nobody_who_has_an_account() {
    let app = with_server().with("auth.mail_max_frequency", "0s").start().await;
    let ann = app.person("ann").await;
    let dana = app.person("dana").await;
    let program = Program::made(&app, json!({})).await;
    let mut first = browser(&app);
    let (page, text) = at_page(&app, &program, &mut first).await;
    let known = send(&app, &mut first, &text, "/mail", &[("email", &ann.email)]).await.expect(200).text();
    let unknown =
        send(&app, &mut first, &text, "/mail", &[("email", "who@example.com")]).await.expect(200).text();
    assert_eq!(known.replace("ann@", "who@"), unknown, "both are answered alike");
    let mail = mail_to(&app, &ann.email).await;
    let right = code_in(&mail);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    let try_code = async |browser: &mut Browser, text: &str, given: &str| {
        send(&app, browser, text, "/code", &[("email", &ann.email), ("code", given)]).await
    };
    let refused = try_code(&mut first, &known, wrong).await.expect(403).text();
    assert!(refused.contains("role=\"alert\"") && refused.contains("name=\"code\""), "{refused}");
    let entered = try_code(&mut first, &known, right).await.expect(303);
    let asked = first.open(&absolute(&page, entered.header("location"))).await.expect(200).text();
    assert!(asked.contains("wants to sign you in"), "{asked}");
    assert!(app.audited("auth.code_refused").await);

    // The link: its page, its button, and back here with a cookie.
    let mut second = browser(&app);
    let (page, text) = at_page(&app, &program, &mut second).await;
    send(&app, &mut second, &text, "/mail", &[("email", &dana.email)]).await.expect(200);
    let mail = mail_to(&app, &dana.email).await;
    let link = mail.split_whitespace().find(|word| word.contains("/verify?token=")).expect("a link");
    let button = second.open(link).await.expect(200).text();
    let fields = ["token", "type", "redirect_to"].map(|name| (name, hidden(&button, name)));
    assert_eq!(fields[2].1, page);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let verify = absolute(link, "verify");
    let back = second.submit(&verify, &fields).await.expect(303).header("location").to_owned();
    assert_eq!(back, page, "and no token beside it");
    assert!(second.open(&page).await.expect(200).text().contains("wants to sign you in"));
    // Spent, it leads to the page and says so there.
    let mut third = browser(&app);
    let spent = third.submit(&verify, &fields).await.expect(303).header("location").to_owned();
    assert!(third.open(&spent).await.expect(200).text().contains("invalid or has expired"), "{spent}");
}

#[tokio::test]
async fn a_captcha_of_others_stands_on_the_page_and_is_asked_before_the_password() {
    let turnstile =
        ["turnstile", "cf-turnstile", "cf-turnstile-response", "https://challenges.cloudflare.com"];
    let hcaptcha = ["hcaptcha", "h-captcha", "h-captcha-response", "https://hcaptcha.com"];
    for [provider, class, field, source] in [turnstile, hcaptcha] {
        let double = Double::start().await;
        let app = with_server()
            .with("outbound.allow", "127.0.0.1")
            .with("auth.captcha.enabled", "true")
            .with("auth.captcha.provider", provider)
            .with("auth.captcha.site_key", "our-site")
            .with("auth.captcha.secret", "our-secret")
            .with("auth.captcha.verify_url", &format!("{}/siteverify", double.url))
            .start()
            .await;
        let made = json!({ "email": "ann@example.com", "password": "Correct-Horse-7-Battery!", "email_confirm": true });
        app.service().post("/auth/v1/admin/users", made).await.expect(200);
        let program = Program::made(&app, json!({})).await;
        let mut browser = browser(&app);
        let start = format!("{}{}", app.running.url, program.request(&[]));
        let page = browser.open(&start).await.expect(302).header("location").to_owned();
        let shown = browser.open(&page).await.expect(200);
        let policy = shown.header("content-security-policy").to_owned();
        let text = shown.text();
        assert!(text.contains(&format!("class=\"{class}\" data-sitekey=\"our-site\"")), "{text}");
        assert!(
            policy.contains("script-src 'sha256-") && policy.contains(&format!("frame-src {source}")),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        let base = [("email", "ann@example.com"), ("password", "Correct-Horse-7-Battery!")];
        let without = send(&app, &mut browser, &text, "/sign-in", &base).await.expect(400).text();
        assert!(without.contains("role=\"alert\"") && without.contains("name=\"password\""), "{without}");
        let with = [base[0], base[1], (field, "their-token")];
        double.answer("/siteverify", json!({ "success": false, "error-codes": ["timeout-or-duplicate"] }));
        send(&app, &mut browser, &text, "/sign-in", &with).await.expect(400);
        double.answer("/siteverify", json!({ "success": true }));
        send(&app, &mut browser, &text, "/sign-in", &with).await.expect(303);
        let asked = double.asked();
        assert_eq!(asked.len(), 2, "nobody is asked about a token that is not there");
        let whole = &asked[1].whole;
        assert!(whole.contains("response=their-token") && whole.contains("secret=our-secret"), "{whole}");
        let mailed = [("email", "ann@example.com")];
        let mail = send(&app, &mut browser, &text, "/mail", &mailed).await;
        assert!(mail.status.is_client_error(), "{}", mail.text());
        // And where a client of upstream's brings the token itself.
        let token = |token: &str| {
            json!({ "email": "ann@example.com", "password": "Correct-Horse-7-Battery!",
            "gotrue_meta_security": { "captcha_token": token } })
        };
        let path = "/auth/v1/token?grant_type=password";
        app.stranger().post(path, token("their-token")).await.expect(200);
        double.answer("/siteverify", json!({ "success": false, "error-codes": ["invalid-input-response"] }));
        let refused = app.stranger().post(path, token("their-token")).await.expect(400);
        assert_eq!(refused.field("error_code"), "captcha_failed");
    }
}

#[tokio::test]
async fn a_provider_that_an_administrator_added_stands_on_the_page_while_it_is_on() {
    let idp = Idp::start().await;
    let app = today(with_server().with("outbound.allow", "127.0.0.1")).await;
    let fields = json!({
        "provider_type": "oidc", "identifier": "custom:ours", "name": "The <Works>", "client_id": "palisade",
        "client_secret": "a-secret-that-only-both-know", "issuer": idp.issuer, "scopes": ["email", "profile"],
    });
    app.service().post("/auth/v1/admin/custom-providers", fields).await.expect(201);
    let program = Program::made(&app, json!({})).await;
    let mut browser = browser(&app);
    let (page, text) = at_page(&app, &program, &mut browser).await;
    assert!(text.contains("Go on with The &lt;Works&gt;"), "{text}");
    let link = text.split("<a href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let from = format!("{link}&login_hint=b-1~bea%40example.com~true~Bea");
    browser.follow(&from, &page).await;
    let asked = browser.open(&page).await.expect(200).text();
    assert!(asked.contains("wants to sign you in") && asked.contains("bea@example.com"), "{asked}");
    let path = "/auth/v1/admin/custom-providers/custom:ours";
    app.service().json(http::Method::PUT, path, json!({ "enabled": false })).await.expect(200);
    let (_, text) = at_page(&app, &program, &mut Browser::new(app.stranger().from)).await;
    assert!(!text.contains("Works"), "{text}");
}

#[tokio::test]
async fn a_text_signs_in_on_the_page_and_tells_nobody_whose_number_it_is() {
    let app = with_server().with("sms.max_frequency", "0s").start().await;
    let made = json!({ "phone": "+49301234567", "phone_confirm": true });
    app.service().post("/auth/v1/admin/users", made).await.expect(200);
    let program = Program::made(&app, json!({})).await;
    let mut browser = browser(&app);
    let (page, text) = at_page(&app, &program, &mut browser).await;
    let ask = async |browser: &mut Browser, phone: &str| {
        send(&app, browser, &text, "/text", &[("phone", phone)]).await.expect(200).text()
    };
    let (known, unknown) = (ask(&mut browser, "+49301234567").await, ask(&mut browser, "+49309999999").await);
    assert_eq!(known.replace("+49301234567", "+49309999999"), unknown, "both are answered alike");
    let said = mail_to(&app, "+49301234567").await;
    let right = said.strip_prefix("Your code is ").unwrap_or_else(|| panic!("{said}"));
    let wrong = if right == "000000" { "000001" } else { "000000" };
    let show = async |browser: &mut Browser, code: &str| {
        send(&app, browser, &known, "/code", &[("phone", "+49301234567"), ("code", code)]).await
    };
    assert!(show(&mut browser, wrong).await.expect(403).text().contains("name=\"phone\""));
    let entered = show(&mut browser, right).await.expect(303);
    let asked = browser.open(&absolute(&page, entered.header("location"))).await.expect(200).text();
    assert!(asked.contains("wants to sign you in"), "{asked}");
}

#[tokio::test]
async fn a_telephone_is_a_second_factor_on_the_page_too() {
    let app = with_server().with("mfa.methods", "totp,sms").texting().start().await;
    let ann = app.person("ann").await;
    let body = json!({ "factor_type": "phone", "friendly_name": "mobile", "phone": "+49 30 1234567" });
    let factor = ann.client.post("/auth/v1/factors", body).await.expect(200).field("id");
    let newest = async || -> String {
        let outbox = &app.running.services.outbox;
        let texts = outbox.list(None, 50).await.unwrap();
        let text = texts.iter().find(|mail| mail.to == "+49301234567").unwrap();
        let text = outbox.get(text.id).await.unwrap().text.unwrap();
        text.expose().rsplit(' ').next().unwrap().to_owned()
    };
    let at = |what: &str| format!("/auth/v1/factors/{factor}/{what}");
    let challenge =
        ann.client.post(&at("challenge"), json!({ "channel": "sms" })).await.expect(200).field("id");
    let shown = json!({ "challenge_id": challenge, "code": newest().await });
    ann.client.post(&at("verify"), shown).await.expect(200);
    let program = Program::made(&app, json!({})).await;
    let mut browser = browser(&app);
    let (page, text) = at_page(&app, &program, &mut browser).await;
    let base = [("email", ann.email.as_str()), ("password", ann.password.as_str())];
    send(&app, &mut browser, &text, "/sign-in", &base).await.expect(303);
    let owed = browser.open(&page).await.expect(200).text();
    assert!(owed.contains("Your second factor") && owed.contains("Text a code to mobile"), "{owed}");
    // The newest of two texts is told by its time.
    app.clock.advance(std::time::Duration::from_secs(1));
    let chosen = [("factor", factor.as_str()), ("action", "text")];
    let sent = send(&app, &mut browser, &owed, "/factor", &chosen).await.expect(200).text();
    let right = newest().await;
    let challenge = hidden(&sent, "challenge");
    let wrong = if right == "000000" { "000001" } else { "000000" };
    let show = async |browser: &mut Browser, code: &str| {
        let fields = [("factor", factor.as_str()), ("challenge", &challenge), ("code", code)];
        send(&app, browser, &sent, "/factor", &fields).await
    };
    assert!(show(&mut browser, wrong).await.status.is_client_error());
    show(&mut browser, &right).await.expect(303);
    let asked = browser.open(&page).await.expect(200).text();
    assert!(asked.contains("wants to sign you in"), "{asked}");
}

/// A sign-in that was begun with the organisation of `example.com`.
struct AtIdp {
    request: String,
    relay_state: String,
}

async fn begin_at_idp(app: &TestApp, browser: &mut Browser, text: &str) -> AtIdp {
    let sent = send(app, browser, text, "/sso", &[("email", "ann@example.com")]).await;
    let onward = sent.expect(200).text();
    let url = onward.split("href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    assert!(url.starts_with("https://idp.example"), "{url}");
    let asked = |name: &str| parameter(&url, name).unwrap();
    let bytes = saml::text::decode(&asked("SAMLRequest"), &saml::limits::MESSAGE_BYTES_MAX).unwrap();
    let xml = String::from_utf8(saml::text::inflate(&bytes).unwrap()).unwrap();
    let request = xml.split_once(" ID=\"").unwrap().1.split('"').next().unwrap().to_owned();
    AtIdp { request, relay_state: asked("RelayState") }
}

#[tokio::test]
async fn what_an_organisation_is_refused_for_is_said_on_the_page_where_it_was_begun() {
    let app = with_server().with("auth.saml.relay_state_validity", "2m").start().await;
    let clock = app.clock.clock();
    let idp = Pretender::new("https://idp.example/metadata", &clock).unwrap();
    let impostor = Pretender::new("https://idp.example/metadata", &clock).unwrap();
    let program = Program::made(&app, json!({})).await;
    let metadata = idp.peer("https://idp.example").unwrap().to_metadata();
    let body = json!({ "type": "saml", "metadata_xml": metadata, "domains": ["example.com"] });
    app.service().post("/auth/v1/admin/sso/providers", body).await.expect(201);
    let sp = us(&app, &idp);
    let mut browser = browser(&app);
    let (page, text) = at_page(&app, &program, &mut browser).await;
    let rng = base::Rng::system();
    for (case, expected) in [
        ("it says no", "You were not signed in there"),
        ("another's signature", "Signing in there did not work"),
        ("no address", "no e-mail address"),
        ("too late", "took too long"),
    ] {
        let begun = begin_at_idp(&app, &mut browser, &text).await;
        let mut says = idp.honest(&sp, Some(&begun.request), "ann@example.com", &clock, &rng);
        let response = match case {
            "it says no" => {
                let xml = says.xml().replace("status:Success", "status:Responder");
                let (before, rest) = xml.split_once("<saml:Assertion ").unwrap();
                saml::pretend::encode(&format!("{before}{}", rest.split_once("</saml:Assertion>").unwrap().1))
            }
            "another's signature" => impostor.encoded(&says, Signed::Assertion).unwrap(),
            "no address" => {
                says.attributes.clear();
                says.name_id = "somebody".to_owned();
                says.name_id_format = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".to_owned();
                idp.encoded(&says, Signed::Assertion).unwrap()
            }
            _ => {
                let response = idp.encoded(&says, Signed::Assertion).unwrap();
                app.clock.advance(std::time::Duration::from_secs(121));
                response
            }
        };
        let fields = [("SAMLResponse", response.as_str()), ("RelayState", &begun.relay_state)];
        let landed = browser.submit(&sp.acs_url, &fields).await.expect(303).header("location").to_owned();
        assert!(landed.starts_with(&page), "{case}: {landed}");
        let shown = browser.open(&landed).await.expect(200).text();
        assert!(shown.contains(expected) && shown.contains("name=\"password\""), "{case}: {shown}");
        // What was begun is spent: the same answer again belongs to no page, and goes to the site.
        let again = browser.submit(&sp.acs_url, &fields).await.expect(303).header("location").to_owned();
        let code = parameter(&again, "error_code");
        assert!(
            !again.starts_with(&page) && code.as_deref() == Some("saml_relay_state_not_found"),
            "{case}: {again}"
        );
    }
    assert!(app.audited("sso.refused").await);
    // And whoever is not refused signs in on the same page.
    let begun = begin_at_idp(&app, &mut browser, &text).await;
    let says = idp.honest(&sp, Some(&begun.request), "ann@example.com", &clock, &rng);
    let response = idp.encoded(&says, Signed::Assertion).unwrap();
    let fields = [("SAMLResponse", response.as_str()), ("RelayState", &begun.relay_state)];
    let landed = browser.submit(&sp.acs_url, &fields).await.expect(302).header("location").to_owned();
    let entered = browser.open(&landed).await.expect(303);
    let asked = browser.open(&absolute(&page, entered.header("location"))).await.expect(200).text();
    assert!(asked.contains("wants to sign you in"), "{asked}");
}

#[tokio::test]
async fn an_organisation_brings_its_people_to_the_page_in_the_browser_that_asked() {
    let app = with_server().start().await;
    let clock = app.clock.clock();
    let idp = Pretender::new("https://idp.example/metadata", &clock).unwrap();
    let program = Program::made(&app, json!({})).await;
    let mut first = browser(&app);
    let (_, before) = at_page(&app, &program, &mut first).await;
    assert!(!before.contains("With your organisation"), "there is none: {before}");
    let metadata = idp.peer("https://idp.example").unwrap().to_metadata();
    let body = json!({ "type": "saml", "metadata_xml": metadata, "domains": ["example.com"] });
    app.service().post("/auth/v1/admin/sso/providers", body).await.expect(201);
    let sp = us(&app, &idp);
    let (page, text) = at_page(&app, &program, &mut first).await;
    let stranger = send(&app, &mut first, &text, "/sso", &[("email", "ann@elsewhere.example")]).await;
    assert!(
        stranger.status.is_client_error() && stranger.text().contains("role=\"alert\""),
        "{}",
        stranger.text()
    );
    let land = async |browser: &mut Browser| -> String {
        let begun = begin_at_idp(&app, browser, &text).await;
        let says = idp.honest(&sp, Some(&begun.request), "ann@example.com", &clock, &base::Rng::system());
        let response = idp.encoded(&says, Signed::Assertion).unwrap();
        let fields = [("SAMLResponse", response.as_str()), ("RelayState", &begun.relay_state)];
        browser.submit(&sp.acs_url, &fields).await.expect(302).header("location").to_owned()
    };
    let landed = land(&mut first).await;
    assert!(landed.starts_with(&page) && !landed.contains("access_token"), "{landed}");
    // Whoever is led there without having asked signs in as nobody, and the code is spent.
    let mut other = browser(&app);
    for browser in [&mut other, &mut first] {
        let refused = browser.open(&landed).await.expect(303).header("location").to_owned();
        assert_eq!(parameter(&refused, "refused").as_deref(), Some("provider"), "{refused}");
        assert!(browser.open(&page).await.expect(200).text().contains("name=\"password\""));
    }
    let landed = land(&mut first).await;
    let entered = first.open(&landed).await.expect(303);
    let asked = first.open(&absolute(&page, entered.header("location"))).await.expect(200).text();
    assert!(asked.contains("wants to sign you in") && asked.contains("ann@example.com"), "{asked}");
}
