//! The third gate, and the reading: signature and conditions by `saml-rs`, and again by us on the tree that was checked.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use saml_rs::xml::XmlLimits;
use saml_rs::{
    AcsEndpoint, AssertionSignaturePolicy, AudienceValidationPolicy, BrowserInput, CertificatePem, ClockSkew,
    Credentials, EntityId, FormField, LogoutPolicy, PendingAuthnRequest, PendingSnapshot, PrivateKeyPem,
    RelayStateParam, ReplayPolicy, ResponseSignaturePolicy, Saml, SamlValidationContext, SpConfig,
    SpValidationPolicy, SsoResponse, SsoSession, XmlPolicy, XmlSignatureProfile,
};

use crate::tree::{ASSERTION, At, PROTOCOL, parse};
use crate::{Error, Peer, ServiceProvider, is_plain, limits, shape, text};

const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";

/// What a response must be.
pub struct Expected<'a> {
    /// Whose it is, with the pinned keys.
    pub peer: &'a Peer,
    /// Us.
    pub sp: &'a ServiceProvider,
    /// The request it answers; `None` for one that answers none, which only some providers may send.
    pub request_id: Option<&'a str>,
    /// The time.
    pub now: Timestamp,
}

/// A verified statement that somebody signed in. Made by [`verify`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Assertion {
    /// Its ID, which is taken once.
    pub id: String,
    /// Who says so.
    pub issuer: String,
    /// The person's name at the provider.
    pub name_id: String,
    /// What kind of name that is.
    pub name_id_format: Option<String>,
    /// The session at the provider.
    pub session_index: Option<String>,
    /// When the provider's session ends.
    pub session_ends_at: Option<Timestamp>,
    /// The last moment in which it can be presented, so how long its ID must be remembered.
    pub usable_until: Timestamp,
    /// What else it says of the person, as said: to be cleaned before it is kept.
    pub attributes: Vec<Attribute>,
}

/// One thing said of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub friendly_name: Option<String>,
    /// Its values.
    pub values: Vec<String>,
}

/// What an unverified response claims: enough to find whose keys to try, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peek {
    /// Who it claims to be from.
    pub issuer: String,
    /// The request it claims to answer.
    pub in_response_to: Option<String>,
}

/// Looks at a response whose sender is not known yet. Nothing of it is to be believed.
pub fn peek(encoded: &str) -> Result<Peek, Error> {
    let xml = text::admit(text::decode(encoded, &limits::MESSAGE_BYTES_MAX)?)?;
    let tree = parse(&xml)?;
    let found = shape::response(&tree)?;
    Ok(Peek {
        issuer: issuer_of(found.assertion)?,
        in_response_to: found.response.attribute("InResponseTo").map(str::to_owned),
    })
}

/// Verifies a response as it came in a form, and reads its assertion.
pub fn verify(encoded: &str, expected: &Expected<'_>) -> Result<Assertion, Error> {
    let xml = text::admit(text::decode(encoded, &limits::MESSAGE_BYTES_MAX)?)?;
    let tree = parse(&xml)?;
    let found = shape::response(&tree)?;
    status(found.response)?;
    let assertion = read(&found, expected)?;
    let session = second_opinion(&xml, expected)?;
    agree(&assertion, &session)?;
    Ok(assertion)
}

/// What the provider says happened.
pub(crate) fn status(message: At<'_>) -> Result<(), Error> {
    let status = message.only((PROTOCOL, "Status"), "not one Status")?;
    let code = status.only((PROTOCOL, "StatusCode"), "not one StatusCode")?;
    if code.attribute("Value") == Some(SUCCESS) {
        return Ok(());
    }
    let detail = code.named((PROTOCOL, "StatusCode")).next().unwrap_or(code);
    let last = detail.attribute("Value").unwrap_or_default().rsplit(':').next().unwrap_or_default();
    Err(Error::Status(last.chars().filter(char::is_ascii_alphanumeric).take(60).collect()))
}

/// Reads the assertion, and holds it against what is expected, by exact names and places.
fn read(found: &shape::Response<'_>, expected: &Expected<'_>) -> Result<Assertion, Error> {
    let (response, at) = (found.response, found.assertion);
    if response.attribute("Destination") != Some(&*expected.sp.acs_url) {
        return Err(Error::NotForUs("Destination"));
    }
    if response.attribute("InResponseTo") != expected.request_id {
        return Err(Error::OtherRequest);
    }
    let issuer = issuer_of(at)?;
    let says_another = match response.named((ASSERTION, "Issuer")).next() {
        Some(around) => around.text()? != issuer,
        None => false,
    };
    if issuer != expected.peer.entity_id || says_another {
        return Err(Error::NotForUs("Issuer"));
    }
    let subject = at.only((ASSERTION, "Subject"), "not one Subject")?;
    let name = subject.only((ASSERTION, "NameID"), "not one NameID")?;
    let name_id = name.text()?;
    if !is_plain(&name_id, limits::NAME_ID_BYTES_MAX.size()) {
        return Err(Error::Shape("a NameID that is empty, too long or not plain text"));
    }
    let usable_until = confirmed(subject, expected)?;
    conditions(at.only((ASSERTION, "Conditions"), "not one Conditions")?, expected)?;
    let (session_index, session_ends_at) = session(at, expected.now)?;
    Ok(Assertion {
        id: at.attribute("ID").unwrap_or_default().to_owned(),
        issuer,
        name_id,
        name_id_format: name.attribute("Format").map(str::to_owned),
        session_index,
        session_ends_at,
        usable_until,
        attributes: attributes(at)?,
    })
}

fn issuer_of(assertion: At<'_>) -> Result<String, Error> {
    let issuer = assertion.only((ASSERTION, "Issuer"), "not one Issuer")?.text()?;
    match issuer.is_empty() || issuer.len() > 1_024 {
        true => Err(Error::Shape("an Issuer that is empty or too long")),
        false => Ok(issuer),
    }
}

/// One bearer confirmation for us, this request and this moment. Returns its end, with the clock's tolerance.
fn confirmed(subject: At<'_>, expected: &Expected<'_>) -> Result<Timestamp, Error> {
    let mut why = Error::Shape("no bearer confirmation");
    for confirmation in subject.named((ASSERTION, "SubjectConfirmation")) {
        if confirmation.attribute("Method") != Some(BEARER) {
            continue;
        }
        let data =
            confirmation.only((ASSERTION, "SubjectConfirmationData"), "not one SubjectConfirmationData")?;
        if data.children().next().is_some() {
            return Err(Error::Shape("something inside SubjectConfirmationData"));
        }
        let end = data.attribute("NotOnOrAfter").map(read_instant).transpose()?;
        let start = data.attribute("NotBefore").map(read_instant).transpose()?;
        why = match end {
            None => Error::Time("a confirmation without an end"),
            _ if data.attribute("Recipient") != Some(&*expected.sp.acs_url) => Error::NotForUs("Recipient"),
            _ if data.attribute("InResponseTo") != expected.request_id => Error::OtherRequest,
            Some(end) if is_over(end, expected.now) => Error::Time("the confirmation is over"),
            _ if start.is_some_and(|start| is_to_come(start, expected.now)) => {
                Error::Time("the confirmation is to come")
            }
            Some(end) => return Ok(later(end)),
        };
    }
    Err(why)
}

fn conditions(conditions: At<'_>, expected: &Expected<'_>) -> Result<(), Error> {
    for (name, bad) in [
        ("NotBefore", is_to_come as fn(Timestamp, Timestamp) -> bool),
        ("NotOnOrAfter", is_over as fn(Timestamp, Timestamp) -> bool),
    ] {
        match conditions.attribute(name).map(read_instant).transpose()? {
            Some(at) if bad(at, expected.now) => return Err(Error::Time("Conditions")),
            _ => {}
        }
    }
    let mut restrictions = 0;
    for child in conditions.children() {
        if child.is((ASSERTION, "AudienceRestriction")) {
            restrictions += 1;
            let mut ours = false;
            for audience in child.named((ASSERTION, "Audience")) {
                ours |= audience.text()? == expected.sp.entity_id;
            }
            if !ours {
                return Err(Error::NotForUs("Audience"));
            }
        } else if !child.is((ASSERTION, "OneTimeUse")) && !child.is((ASSERTION, "ProxyRestriction")) {
            return Err(Error::Shape("a condition that is not understood"));
        }
    }
    match restrictions {
        0 => Err(Error::NotForUs("Audience")),
        _ => Ok(()),
    }
}

fn session(assertion: At<'_>, now: Timestamp) -> Result<(Option<String>, Option<Timestamp>), Error> {
    let (mut index, mut ends_at, mut count) = (None, None, 0);
    for statement in assertion.named((ASSERTION, "AuthnStatement")) {
        count += 1;
        index = index.or(statement.attribute("SessionIndex"));
        if let Some(end) = statement.attribute("SessionNotOnOrAfter").map(read_instant).transpose()? {
            if is_over(end, now) {
                return Err(Error::Time("the provider's session is over"));
            }
            ends_at = Some(ends_at.map_or(end, |other: Timestamp| other.min(end)));
        }
    }
    match count {
        0 => Err(Error::Shape("no AuthnStatement")),
        _ => Ok((index.map(str::to_owned), ends_at)),
    }
}

fn attributes(assertion: At<'_>) -> Result<Vec<Attribute>, Error> {
    let mut all = Vec::new();
    for statement in assertion.named((ASSERTION, "AttributeStatement")) {
        for attribute in statement.named((ASSERTION, "Attribute")) {
            let name = attribute.attribute("Name").filter(|name| !name.is_empty());
            let name = name.ok_or(Error::Shape("an attribute without a name"))?;
            // A value that holds elements is not text; it is left out, never flattened.
            let values = attribute.named((ASSERTION, "AttributeValue")).filter_map(|value| value.text().ok());
            all.push(Attribute {
                name: name.to_owned(),
                friendly_name: attribute.attribute("FriendlyName").map(str::to_owned),
                values: values.take(limits::VALUES_MAX.size()).collect(),
            });
        }
    }
    Ok(all)
}

pub(crate) fn read_instant(text: &str) -> Result<Timestamp, Error> {
    match text.trim().ends_with('Z') {
        true => text.trim().parse().map_err(|_| Error::Time("not a time")),
        false => Err(Error::Time("not a time in UTC")),
    }
}

fn skew() -> i64 {
    i64::try_from(limits::CLOCK_SKEW_SECONDS_MAX.value).unwrap_or(0)
}

pub(crate) fn is_over(end: Timestamp, now: Timestamp) -> bool {
    now >= later(end)
}

fn later(end: Timestamp) -> Timestamp {
    end.checked_add(jiff::SignedDuration::from_secs(skew())).unwrap_or(Timestamp::MAX)
}

pub(crate) fn is_to_come(start: Timestamp, now: Timestamp) -> bool {
    now < start.checked_sub(jiff::SignedDuration::from_secs(skew())).unwrap_or(Timestamp::MIN)
}

/// The bounds the second reader works within.
pub(crate) fn xml_limits() -> XmlLimits {
    XmlLimits {
        max_bytes: limits::MESSAGE_BYTES_MAX.size(),
        max_depth: limits::DEPTH_MAX.size(),
        max_nodes: limits::ELEMENTS_MAX.size(),
        max_attributes_per_element: limits::ATTRIBUTES_MAX.size(),
        max_attribute_value_bytes: limits::ATTRIBUTE_BYTES_MAX.size(),
        max_text_bytes: limits::MESSAGE_BYTES_MAX.size(),
    }
}

/// `saml-rs` verifies the signature with the pinned keys, and every condition by its own lights.
fn second_opinion(xml: &str, expected: &Expected<'_>) -> Result<SsoSession, Error> {
    let refused = |error: saml_rs::SamlError| Error::Refused(error.to_string());
    let sp = us(expected.sp)?;
    let idp = expected.peer.descriptor()?;
    let since = u64::try_from(expected.now.as_second()).map_err(|_| Error::Time("before 1970"))?;
    let skew = skew() * 1_000;
    let context = || {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(since);
        SamlValidationContext::new(now, ReplayPolicy::DisabledForCompatibility)
            .with_clock_skew(ClockSkew::from_millis(-skew, skew))
    };
    let encoded = saml_rs::binding::base64_encode(xml.as_bytes());
    let input = BrowserInput::<SsoResponse>::post(vec![FormField::new("SAMLResponse", encoded)]);
    match expected.request_id {
        Some(id) => {
            let snapshot = PendingSnapshot::authn_request(
                id,
                RelayStateParam::absent(),
                &*expected.peer.entity_id,
                "post",
                &*expected.sp.acs_url,
                "post",
            );
            let pending = PendingAuthnRequest::from_snapshot(snapshot).map_err(refused)?;
            sp.finish_sso(&idp, &pending, input, context()).map_err(refused)
        }
        None => sp.accept_unsolicited_sso(&idp, input, context()).map_err(refused),
    }
}

fn us(sp: &ServiceProvider) -> Result<Saml<saml_rs::Sp>, Error> {
    let library = |error: saml_rs::SamlError| Error::Library(error.to_string());
    let validation = SpValidationPolicy {
        assertions: AssertionSignaturePolicy::RequireSigned,
        responses: ResponseSignaturePolicy::RequireForEncryptedCbc,
        xml_signatures: XmlSignatureProfile::StrictRsaSha2,
        audience: AudienceValidationPolicy::Validate,
        logout: LogoutPolicy::recommended(),
        ..SpValidationPolicy::recommended()
    };
    let config = SpConfig::builder(EntityId::try_new(&*sp.entity_id).map_err(library)?)
        .acs_endpoint(AcsEndpoint::post(&*sp.acs_url).map_err(library)?)
        .credentials(Credentials {
            signing_key: Some(PrivateKeyPem::new(&**sp.keys.key.expose())),
            signing_certificate: Some(CertificatePem::new(&*sp.keys.certificate)),
            ..Credentials::default()
        })
        .validation(validation)
        .xml(XmlPolicy {
            redirect_inflate_max_bytes: limits::INFLATED_BYTES_MAX.size(),
            limits: xml_limits(),
            ..XmlPolicy::default()
        })
        .build()
        .map_err(library)?;
    Saml::sp(config).map_err(library)
}

fn agree(ours: &Assertion, theirs: &SsoSession) -> Result<(), Error> {
    let differs = |what| Err(Error::Differs(what));
    if theirs.assertion_id().as_str() != ours.id {
        return differs("the assertion");
    }
    if theirs.issuer().as_str() != ours.issuer {
        return differs("the issuer");
    }
    if theirs.name_id().value().trim() != ours.name_id {
        return differs("the subject");
    }
    Ok(())
}
