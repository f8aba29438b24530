//! A company of the probes' own: an identity provider that nobody else trusts, with one person, set up through the admin API
//! as an operator would and removed with everybody it brought.
//!
//! Its issuer, its redirect host and its person's address lie below `.invalid`, so nothing it says can reach anybody.

use ::saml::pretend::{Pretender, Says, Signed};
use ::saml::{ServiceProvider, limits, text};
use serde_json::{Value, json};

use super::{Answer, Bench, Trouble};

/// The host that browsers of the company's people may be sent to.
pub const LISTED: &str = "app.probe.palisade.invalid";

/// The company.
pub struct Company {
    /// Its identity provider.
    pub idp: Pretender,
    /// The instance, as that knows it.
    pub sp: ServiceProvider,
    /// The provider's id here.
    pub id: String,
    /// The address of its person.
    pub email: String,
}

/// A sign-in that was begun.
pub struct Begun {
    /// The request's ID.
    pub request: String,
    /// What the browser brings back.
    pub relay: String,
    /// Where the browser was sent.
    pub url: String,
    /// The request.
    pub xml: String,
}

/// An identity provider of that name, with new keys.
pub async fn pretender(bench: &Bench, entity_id: &str) -> Result<Pretender, Trouble> {
    let (entity_id, clock) = (entity_id.to_owned(), bench.place.clock.clone());
    let made = tokio::task::spawn_blocking(move || Pretender::new(&entity_id, &clock)).await;
    let made = made.map_err(|error| Trouble::Unexpected(error.to_string()))?;
    made.map_err(|error| Trouble::Unexpected(error.to_string()))
}

impl Company {
    /// Sets one up.
    pub async fn make(bench: &Bench) -> Result<Self, Trouble> {
        let name = bench.random_name("probe_");
        let idp = pretender(bench, &format!("https://{}.probe.palisade.invalid", &name[6..])).await?;
        let metadata = bench.ask("GET", "/auth/v1/sso/saml/metadata").send().await?;
        let sp = service_provider(&metadata, &idp)?;
        let body = json!({
            "type": "saml", "resource_id": name, "domains": [], "allowed_redirect_hosts": [LISTED],
            "metadata_xml": metadata_of(&idp)?,
        });
        let made = bench.server("POST", "/auth/v1/admin/sso/providers").json(&body).send().await?;
        if made.status != 201 {
            return Err(Trouble::Unexpected(format!("making a provider: {} {}", made.status, made.text())));
        }
        let email = format!("{}@probe.palisade.invalid", bench.random_name("p"));
        Ok(Company { idp, sp, id: made.field("/id")?, email })
    }

    /// Begins a sign-in.
    pub async fn begin(&self, bench: &Bench, back_to: Option<&str>) -> Result<Begun, Trouble> {
        let mut body = json!({ "provider_id": self.id, "skip_http_redirect": true });
        if let Some(back_to) = back_to {
            body["redirect_to"] = json!(back_to);
        }
        let answer = bench.client("POST", "/auth/v1/sso").json(&body).send().await?;
        if answer.status != 200 {
            let why = format!("beginning a sign-in: {} {}", answer.status, answer.text());
            return Err(Trouble::Unexpected(why));
        }
        let url = answer.field("/url")?;
        let strange = || Trouble::Unexpected(format!("no SAML request in {url}"));
        let bytes =
            param(&url, "SAMLRequest").and_then(|raw| text::decode(&raw, &limits::MESSAGE_BYTES_MAX).ok());
        let xml = bytes.and_then(|bytes| text::inflate(&bytes).ok()).ok_or_else(strange)?;
        let xml = String::from_utf8(xml).map_err(|_| strange())?;
        let request = between(&xml, " ID=\"", "\"").ok_or_else(strange)?.to_owned();
        let relay = param(&url, "RelayState").ok_or_else(strange)?;
        Ok(Begun { request, relay, url, xml })
    }

    /// What its provider says honestly, to a request or unasked.
    pub fn says(&self, bench: &Bench, request: Option<&str>) -> Says {
        self.idp.honest(&self.sp, request, &self.email, &bench.place.clock, &bench.place.rng)
    }

    /// Brings an answer, signed by `idp`, as the person's browser would.
    pub async fn bring(
        &self,
        bench: &Bench,
        idp: &Pretender,
        says: &Says,
        relay: &str,
    ) -> Result<Answer, Trouble> {
        let response =
            idp.encoded(says, Signed::Assertion).map_err(|error| Trouble::Unexpected(error.to_string()))?;
        let form = [("SAMLResponse", response.as_str()), ("RelayState", relay)];
        bench.ask("POST", "/auth/v1/sso/saml/acs").form(&form).send().await
    }

    /// A whole honest sign-in that ends where `back_to` says.
    pub async fn sign_in(&self, bench: &Bench, back_to: Option<&str>) -> Result<Answer, Trouble> {
        let begun = self.begin(bench, back_to).await?;
        self.bring(bench, &self.idp, &self.says(bench, Some(&begun.request)), &begun.relay).await
    }

    /// Changes it as an administrator would.
    pub async fn change(&self, bench: &Bench, body: &Value) -> Result<Answer, Trouble> {
        let path = format!("/auth/v1/admin/sso/providers/{}", self.id);
        bench.server("PUT", &path).json(body).send().await
    }

    /// Takes it away, with its people.
    pub async fn remove(self, bench: &Bench) -> Result<(), Trouble> {
        let path = format!("/auth/v1/admin/sso/providers/{}", self.id);
        let removed = bench.server("DELETE", &path).send().await?;
        let sql = bench.sql().await?;
        let gone = format!("DELETE FROM auth.users WHERE email = '{}' AND is_sso_user", self.email);
        sql.run_as(pg::bootstrap::SYSTEM, &gone).await?;
        match removed.status {
            200 | 404 => Ok(()),
            other => Err(Trouble::Unexpected(format!("removing a provider: {other}"))),
        }
    }
}

/// The metadata an operator would be given.
pub fn metadata_of(idp: &Pretender) -> Result<String, Trouble> {
    let peer = idp.peer(&idp.entity_id).map_err(|error| Trouble::Unexpected(error.to_string()))?;
    Ok(peer.to_metadata())
}

/// The access token that an answer sent a browser away with, if somebody came in.
pub fn came_in(answer: &Answer) -> Option<String> {
    let (_, fragment) = answer.header("location")?.split_once('#')?;
    fragment.split('&').find_map(|pair| pair.strip_prefix("access_token=")).map(str::to_owned)
}

/// How an answer reads in evidence.
pub fn said(answer: &Answer) -> String {
    let location = answer.header("location").unwrap_or_default();
    let code = between(location, "error_code=", "&").unwrap_or_default();
    match came_in(answer) {
        Some(_) => format!("{} signed in", answer.status),
        None => format!("{} {code}", answer.status).trim_end().to_owned(),
    }
}

fn service_provider(metadata: &Answer, idp: &Pretender) -> Result<ServiceProvider, Trouble> {
    let xml = metadata.text();
    let strange = || Trouble::Unexpected(format!("no SAML metadata: {} {xml}", metadata.status));
    let acs = xml.split("<AssertionConsumerService ").nth(1).ok_or_else(strange)?;
    let slo = xml.split("<SingleLogoutService ").nth(1).ok_or_else(strange)?;
    let text = |part: &str, name: &str| between(part, name, "\"").map(str::to_owned);
    Ok(ServiceProvider {
        entity_id: text(&xml, "entityID=\"").ok_or_else(strange)?,
        acs_url: text(acs, "Location=\"").ok_or_else(strange)?,
        slo_url: text(slo, "Location=\"").ok_or_else(strange)?,
        // Never used: a provider does not sign as the service.
        keys: idp.keys.clone(),
    })
}

/// What stands after `from` until `to`.
pub fn between<'t>(text: &'t str, from: &str, to: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(from)?;
    Some(rest.split(to).next().unwrap_or(rest))
}

/// A parameter of a URL, decoded.
fn param(url: &str, name: &str) -> Option<String> {
    let raw = between(url, &format!("{name}="), "&")?;
    Some(raw.replace("%2B", "+").replace("%2F", "/").replace("%3D", "="))
}
