//! Controls 32 to 39: signing in through a company's SAML identity provider, tried with a company of the probes' own.

use ::saml::pretend::Says;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::Finding;
use crate::bench::company::{LISTED, between, came_in, metadata_of, pretender, said};
use crate::bench::{Answer, Bench, Company, Trouble};

use super::audit::entry;

type Lines = Vec<(bool, String)>;

/// Sets a company up, lets it be tried, and takes it away whatever came of that.
async fn with_company<F>(bench: &Bench, attempt: impl FnOnce(Company) -> F) -> Result<Finding, Trouble>
where
    F: Future<Output = (Company, Result<Lines, Trouble>)>,
{
    let off = bench.ask("GET", "/auth/v1/sso/saml/metadata").send().await?;
    if off.status == 404 && off.text().contains("saml_provider_disabled") {
        return Ok(Finding::not_applicable(
            "SAML is switched off: its endpoints answer 404 saml_provider_disabled",
        ));
    }
    let company = Company::make(bench).await?;
    let (company, seen) = attempt(company).await;
    company.remove(bench).await?;
    Ok(Finding::all(seen?))
}

fn signed_in(answer: &Answer) -> bool {
    came_in(answer).is_some()
}

async fn account(bench: &Bench, answer: &Answer) -> Result<Option<Value>, Trouble> {
    let Some(token) = came_in(answer) else { return Ok(None) };
    let user = bench.client("GET", "/auth/v1/user").bearer(&token).send().await?;
    Ok((user.status == 200).then(|| user.json()))
}

/// 32: there is a service provider with a key of its own, kept sealed, and people come in through it.
pub async fn people_sign_in_through_their_company(bench: &Bench) -> Result<Finding, Trouble> {
    with_company(bench, async |company| {
        let seen = async {
            let metadata = bench.ask("GET", "/auth/v1/sso/saml/metadata").send().await?.text();
            let certificate = between(&metadata, "<ds:X509Certificate>", "<").unwrap_or_default().to_owned();
            let begun = company.begin(bench, None).await?;
            let landed = company
                .bring(bench, &company.idp, &company.says(bench, Some(&begun.request)), &begun.relay)
                .await?;
            let user = account(bench, &landed).await?;
            let email = user.as_ref().and_then(|user| user.get("email")).and_then(Value::as_str);
            let sql = bench.sql().await?;
            let clear = "SELECT count(*) FROM palisade.saml_keys WHERE position('PRIVATE KEY'::bytea IN private_key) > 0";
            Ok(vec![
                (certificate.len() > 500, "our metadata has a certificate of our own".to_owned()),
                (is_signed_by(&begun.url, &certificate), "our requests are signed with its key".to_owned()),
                (sql.value(clear).await? == "0", "no private key lies in the database in clear".to_owned()),
                (email == Some(&company.email), format!("a person of a company: {}", said(&landed))),
            ])
        }
        .await;
        (company, seen)
    })
    .await
}

fn is_signed_by(url: &str, certificate: &str) -> bool {
    let Some((_, query)) = url.split_once('?') else { return false };
    ::saml::is_signed_redirect(query, certificate)
}

/// 33: keys are pinned. Another key is not believed, whoever says it is the company's, until an administrator says so,
/// and that is recorded with both.
pub async fn keys_are_pinned_and_other_keys_are_told(bench: &Bench) -> Result<Finding, Trouble> {
    with_company(bench, async |company| {
        let seen = async {
            let renewed = pretender(bench, &company.idp.entity_id).await?;
            let bring = async |idp| {
                let begun = company.begin(bench, None).await?;
                let says = company.says(bench, Some(&begun.request));
                company.bring(bench, idp, &says, &begun.relay).await
            };
            let first = bring(&company.idp).await?;
            let unknown = bring(&renewed).await?;
            let changed = company.change(bench, &json!({ "metadata_xml": metadata_of(&renewed)? })).await?;
            let sql = bench.sql().await?;
            let recorded = entry(bench, &sql, "sso.keys_changed", &company.id).await?;
            let after = bring(&renewed).await?;
            let old = bring(&company.idp).await?;
            Ok(vec![
                (signed_in(&first), format!("with the pinned key: {}", said(&first))),
                (!signed_in(&unknown), format!("with another key, shown in the message: {}", said(&unknown))),
                (changed.status == 200, format!("an administrator pins the other key: {}", changed.status)),
                (
                    recorded.is_some_and(|body| body.contains("keys")),
                    "the audit log names the keys before and after".to_owned(),
                ),
                (signed_in(&after), format!("now with that key: {}", said(&after))),
                (!signed_in(&old), format!("and with the first: {}", said(&old))),
            ])
        }
        .await;
        (company, seen)
    })
    .await
}

/// 34: a provider of name, address and certificate alone: requests go to that address under our name, answers are
/// believed by that certificate; and the guide's settings stop the start when one of them cannot be used.
pub async fn name_address_and_certificate_are_honoured(bench: &Bench) -> Result<Finding, Trouble> {
    with_company(bench, async |company| {
        let seen = async {
            let begun = company.begin(bench, None).await?;
            let landed = company
                .bring(bench, &company.idp, &company.says(bench, Some(&begun.request)), &begun.relay)
                .await?;
            let address = format!("{}/sso?SAMLRequest=", company.idp.entity_id);
            let ours = format!("<saml:Issuer>{}</saml:Issuer>", company.sp.entity_id);
            let mut lines = vec![
                (
                    begun.url.starts_with(&address),
                    "the request goes to the address that was given".to_owned(),
                ),
                (begun.xml.contains(&ours), "it is in the name that our metadata has".to_owned()),
                (signed_in(&landed), format!("an answer by the given certificate: {}", said(&landed))),
            ];
            for (what, variables, says) in [
                (
                    "an SSO URL without a certificate",
                    vec![("GOTRUE_SAML_SSO_URL", "https://idp.invalid/sso")],
                    "certificate",
                ),
                (
                    "a certificate that is not there",
                    vec![
                        ("GOTRUE_SAML_SSO_URL", "https://idp.invalid/sso"),
                        ("GOTRUE_SAML_CERTIFICATE", "/nowhere/saml-cert.pem"),
                    ],
                    "saml-cert.pem",
                ),
            ] {
                let data = bench.place.data.join("nothing-here").display().to_string();
                let ended = bench.program(&["serve", "--data", &data], &variables).await?;
                let refused = ended.code == Some(78) && ended.said.contains(says);
                lines.push((refused, format!("{what}: exit {}", ended.code.unwrap_or(-1))));
            }
            Ok(lines)
        }
        .await;
        (company, seen)
    })
    .await
}

/// 35: an answer nobody asked for signs nobody in; one that was taken is not taken again, under any request.
pub async fn only_what_was_asked_for_is_taken_and_once(bench: &Bench) -> Result<Finding, Trouble> {
    with_company(bench, async |company| {
        let seen = async {
            let unasked = company.says(bench, None);
            let nothing = company.bring(bench, &company.idp, &unasked, "").await?;
            let begun = company.begin(bench, None).await?;
            let says = company.says(bench, Some(&begun.request));
            let honest = company.bring(bench, &company.idp, &says, &begun.relay).await?;
            let again = company.bring(bench, &company.idp, &says, &begun.relay).await?;
            let next = company.begin(bench, None).await?;
            let replayed =
                Says { assertion_id: says.assertion_id, ..company.says(bench, Some(&next.request)) };
            let replayed = company.bring(bench, &company.idp, &replayed, &next.relay).await?;
            let other = company.begin(bench, None).await?;
            let to_another = company.says(bench, Some("_of_another_request"));
            let to_another = company.bring(bench, &company.idp, &to_another, &other.relay).await?;
            Ok(vec![
                (signed_in(&honest), format!("an answer to a request: {}", said(&honest))),
                (!signed_in(&nothing), format!("one that nobody asked for: {}", said(&nothing))),
                (!signed_in(&again), format!("the same answer again: {}", said(&again))),
                (!signed_in(&replayed), format!("its assertion under another request: {}", said(&replayed))),
                (!signed_in(&to_another), format!("one to somebody else's request: {}", said(&to_another))),
            ])
        }
        .await;
        (company, seen)
    })
    .await
}

/// 36: an assertion for another audience, recipient, destination, of another issuer or another hour is refused.
pub async fn an_assertion_is_for_us_and_of_now(bench: &Bench) -> Result<Finding, Trouble> {
    with_company(bench, async |company| {
        let seen = async {
            let elsewhere = || "https://elsewhere.probe.palisade.invalid".to_owned();
            let honest = company.sign_in(bench, None).await?;
            let mut lines = vec![(signed_in(&honest), format!("an honest one: {}", said(&honest)))];
            for (what, change) in [
                ("audience", (|says, to| says.audience = to) as fn(&mut Says, String)),
                ("recipient", |says, to| says.recipient = to),
                ("destination", |says, to| says.destination = to),
                ("issuer", |says, to| says.issuer = to),
                ("hour", |says, _| {
                    let hour = jiff::SignedDuration::from_hours(1);
                    says.not_before = says.not_before.checked_sub(hour).unwrap_or_default();
                    says.not_on_or_after = says.not_on_or_after.checked_sub(hour).unwrap_or_default();
                }),
            ] {
                let begun = company.begin(bench, None).await?;
                let mut says = company.says(bench, Some(&begun.request));
                change(&mut says, elsewhere());
                let answer = company.bring(bench, &company.idp, &says, &begun.relay).await?;
                lines.push((!signed_in(&answer), format!("one of another {what}: {}", said(&answer))));
            }
            Ok(lines)
        }
        .await;
        (company, seen)
    })
    .await
}

/// 37: after signing in a browser goes where the provider lists, or to the site, and nowhere else.
pub async fn browsers_go_where_is_listed(bench: &Bench) -> Result<Finding, Trouble> {
    with_company(bench, async |company| {
        let seen = async {
            let listed = format!("https://{LISTED}/home");
            let mut lines = Vec::new();
            for (asked, is_listed) in [
                (listed.as_str(), true),
                ("https://evil.probe.palisade.invalid/", false),
                ("https://app.probe.palisade.invalid.evil.invalid/", false),
                ("https://app.probe.palisade.invalid@evil.invalid/", false),
                ("//evil.probe.palisade.invalid/", false),
                ("javascript:alert(1)", false),
            ] {
                let landed = company.sign_in(bench, Some(asked)).await?;
                let to = landed.header("location").unwrap_or_default().to_owned();
                let there = to.split(['#', '?']).next().unwrap_or_default().to_owned();
                let right = match is_listed {
                    true => there == asked,
                    false => !to.is_empty() && !there.contains("evil") && !there.starts_with("javascript"),
                };
                lines.push((right && signed_in(&landed), format!("asked to go to {asked}: {there}")));
            }
            Ok(lines)
        }
        .await;
        (company, seen)
    })
    .await
}

/// 38: metadata without TLS is refused before anybody is asked for it.
pub async fn metadata_needs_tls(bench: &Bench) -> Result<Finding, Trouble> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await;
    let listener = listener.map_err(|source| Trouble::Network { what: "a listener".to_owned(), source })?;
    let port = listener.local_addr().map_or(0, |address| address.port());
    let asks = tokio::spawn(async move { listener.accept().await.is_ok() });
    let body = json!({
        "type": "saml", "resource_id": bench.random_name("probe_"),
        "metadata_url": format!("http://127.0.0.1:{port}/metadata"),
    });
    let answer = bench.server("POST", "/auth/v1/admin/sso/providers").json(&body).send().await?;
    // Whoever was going to be asked has been by now: the answer waited for it.
    let was_asked = asks.is_finished();
    asks.abort();
    let tried = with_company(bench, async |company| {
        let seen = company.sign_in(bench, None).await.map(|landed| {
            vec![(
                signed_in(&landed),
                format!("a provider whose metadata was handed over: {}", said(&landed)),
            )]
        });
        (company, seen)
    })
    .await?;
    Ok(Finding::all([
        (
            answer.status == 400 && answer.text().contains("HTTPS"),
            format!("metadata at an http:// address: {}", answer.status),
        ),
        (!was_asked, "nobody was asked for it".to_owned()),
        (tried.state != crate::State::Failing, tried.evidence),
    ]))
}

/// 39: what a provider says of a person loses markup and control characters, is cut, typed, and decides no role.
pub async fn what_a_provider_says_is_made_harmless(bench: &Bench) -> Result<Finding, Trouble> {
    with_company(bench, async |company| {
        let seen = async {
            let mapping = json!({ "keys": { "level": { "name": "level", "type": "number" }, "team": { "name": "team" } } });
            company.change(bench, &json!({ "attribute_mapping": mapping })).await?;
            let begun = company.begin(bench, None).await?;
            let mut says = company.says(bench, Some(&begun.request));
            let name = format!("<script>alert(1)</script>Ann\r\n\u{202e}Example{}", "x".repeat(5_000));
            for (attribute, value) in
                [("displayName", name.as_str()), ("level", "7<b>"), ("team", "<img src=x>red"), ("role", "service_role")]
            {
                says.attributes.push((attribute.to_owned(), vec![value.to_owned()]));
            }
            let landed = company.bring(bench, &company.idp, &says, &begun.relay).await?;
            let user = account(bench, &landed).await?.unwrap_or_default();
            let text = |pointer: &str| user.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let name = text("/user_metadata/full_name");
            let harmless = !name.contains(['<', '>', '\r', '\n', '\u{202e}']);
            Ok(vec![
                (signed_in(&landed), format!("a provider that says too much: {}", said(&landed))),
                (
                    name.starts_with("alert(1)Ann Example") && harmless,
                    "the display name has neither markup nor control characters".to_owned(),
                ),
                (name.len() <= 2_048, format!("it is {} bytes long", name.len())),
                (text("/user_metadata/custom_claims/team") == "red", "so are mapped attributes".to_owned()),
                (
                    user.pointer("/user_metadata/custom_claims/level").is_none_or(Value::is_number),
                    "a number is a number".to_owned(),
                ),
                (text("/role") == "authenticated", format!("the role is {}", text("/role"))),
            ])
        }
        .await;
        (company, seen)
    })
    .await
}
