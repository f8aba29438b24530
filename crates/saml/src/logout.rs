//! Logout messages of identity providers: by redirect, signed beside the message, or by form, signed inside it.

use jiff::Timestamp;
use saml_rs::crypto::{verify_message_signature, verify_signature_with_limits};

use crate::response::{is_over, is_to_come, read_instant, status, xml_limits};
use crate::tree::{ASSERTION, At, PROTOCOL, parse, root};
use crate::{Error, Peer, ServiceProvider, is_plain, limits, shape, text};

/// A provider asks to end a person's sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutAsked {
    /// The message's ID, which the answer names.
    pub id: String,
    /// Whose.
    pub name_id: String,
    /// Which, or all.
    pub session_indexes: Vec<String>,
}

/// What arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutAnswer {
    /// A request.
    Asked(LogoutAsked),
    /// The answer to a request of ours, named by its ID.
    Done {
        /// The request.
        in_response_to: String,
    },
}

/// Reads a redirect's query. The signature is over the query as it came, so it is taken apart by hand.
pub fn read_logout_redirect(
    query: &str,
    peer: &Peer,
    sp: &ServiceProvider,
    now: Timestamp,
) -> Result<LogoutAnswer, Error> {
    let (name, raw) = message_of(query)?;
    signed_by(query, &peer.certificates)?;
    let bytes = text::inflate(&text::decode(&decoded(raw)?, &limits::INFLATED_BYTES_MAX)?)?;
    let xml = text::admit(bytes)?;
    read(&xml, name == "SAMLRequest", false, peer, sp, now)
}

/// Reads a form's `SAMLRequest` or `SAMLResponse`.
pub fn read_logout_post(
    encoded: &str,
    is_request: bool,
    peer: &Peer,
    sp: &ServiceProvider,
    now: Timestamp,
) -> Result<LogoutAnswer, Error> {
    let xml = text::admit(text::decode(encoded, &limits::MESSAGE_BYTES_MAX)?)?;
    let found = read(&xml, is_request, true, peer, sp, now)?;
    match verify_signature_with_limits(&xml, &peer.certificates, xml_limits()) {
        Ok((true, Some(_))) => Ok(found),
        Ok(_) => Err(Error::Signature("not by a pinned key")),
        Err(error) => Err(Error::Refused(error.to_string())),
    }
}

/// Whether a redirect's query is signed by the key of `certificate`.
pub fn is_signed_redirect(query: &str, certificate: &str) -> bool {
    signed_by(query, std::slice::from_ref(&certificate.to_owned())).is_ok()
}

/// Checks the signature of a redirect, which is over the query as it came.
fn signed_by(query: &str, certificates: &[String]) -> Result<(), Error> {
    let (name, raw) = message_of(query)?;
    let algorithm = once(query, "SigAlg")?.ok_or(Error::Signature("the message is not signed"))?;
    let signature = once(query, "Signature")?.ok_or(Error::Signature("the message is not signed"))?;
    let (signature, plain_algorithm) = (decoded(signature)?, decoded(algorithm)?);
    if !shape::is_signature_method(&plain_algorithm) {
        return Err(Error::Signature("another algorithm than RSA with SHA-2"));
    }
    let relay = once(query, "RelayState")?.map(|relay| format!("&RelayState={relay}")).unwrap_or_default();
    let octets = format!("{name}={raw}{relay}&SigAlg={algorithm}");
    let by_one = certificates.iter().any(|certificate| {
        matches!(verify_message_signature(&octets, &signature, certificate, &plain_algorithm), Ok(true))
    });
    if by_one { Ok(()) } else { Err(Error::Signature("not by a pinned key")) }
}

/// Who a redirect claims to be from. Nothing of it is to be believed.
pub fn logout_issuer_of_redirect(query: &str) -> Result<String, Error> {
    let (_, raw) = message_of(query)?;
    let bytes = text::inflate(&text::decode(&decoded(raw)?, &limits::INFLATED_BYTES_MAX)?)?;
    claimed_issuer(&text::admit(bytes)?)
}

/// Who a form claims to be from. Nothing of it is to be believed.
pub fn logout_issuer_of_form(encoded: &str) -> Result<String, Error> {
    claimed_issuer(&text::admit(text::decode(encoded, &limits::MESSAGE_BYTES_MAX)?)?)
}

/// `RelayState` of a redirect.
pub fn relay_state_of_redirect(query: &str) -> Result<Option<String>, Error> {
    once(query, "RelayState")?.map(decoded).transpose()
}

fn claimed_issuer(xml: &str) -> Result<String, Error> {
    let tree = parse(xml)?;
    root(&tree)?.only((ASSERTION, "Issuer"), "not one Issuer")?.text()
}

/// The one message of a query, still encoded.
fn message_of(query: &str) -> Result<(&'static str, &str), Error> {
    match (once(query, "SAMLRequest")?, once(query, "SAMLResponse")?) {
        (Some(raw), None) => Ok(("SAMLRequest", raw)),
        (None, Some(raw)) => Ok(("SAMLResponse", raw)),
        _ => Err(Error::Shape("not one message")),
    }
}

/// A parameter, still encoded; twice is refused, since two readers could take different ones.
fn once<'q>(query: &'q str, name: &str) -> Result<Option<&'q str>, Error> {
    let mut found = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(key, _)| *key == name);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(Error::Shape("a parameter that is given twice")),
        (one, None) => Ok(one.map(|(_, value)| value)),
    }
}

fn decoded(raw: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let mut digit = || rest.next().and_then(|c| char::from(c).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(Error::Unreadable("not a query"));
                };
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| Error::Unreadable("not UTF-8"))
}

fn read(
    xml: &str,
    is_request: bool,
    is_signed_inside: bool,
    peer: &Peer,
    sp: &ServiceProvider,
    now: Timestamp,
) -> Result<LogoutAnswer, Error> {
    let tree = parse(xml)?;
    let name = if is_request { "LogoutRequest" } else { "LogoutResponse" };
    let message = shape::message(&tree, name, is_signed_inside)?;
    common(message, peer, sp, now)?;
    if !is_request {
        status(message)?;
        let in_response_to = message.attribute("InResponseTo").ok_or(Error::OtherRequest)?.to_owned();
        return Ok(LogoutAnswer::Done { in_response_to });
    }
    if message.attribute("NotOnOrAfter").map(read_instant).transpose()?.is_some_and(|end| is_over(end, now)) {
        return Err(Error::Time("the logout request is over"));
    }
    let name_id = message.only((ASSERTION, "NameID"), "not one NameID")?.text()?;
    if !is_plain(&name_id, limits::NAME_ID_BYTES_MAX.size()) {
        return Err(Error::Shape("a NameID that is empty, too long or not plain text"));
    }
    let indexes = message.named((PROTOCOL, "SessionIndex")).take(limits::VALUES_MAX.size());
    Ok(LogoutAnswer::Asked(LogoutAsked {
        id: message.attribute("ID").filter(|id| !id.is_empty()).ok_or(Error::Shape("no ID"))?.to_owned(),
        name_id,
        session_indexes: indexes.map(At::text).collect::<Result<_, _>>()?,
    }))
}

fn common(message: At<'_>, peer: &Peer, sp: &ServiceProvider, now: Timestamp) -> Result<(), Error> {
    if message.only((ASSERTION, "Issuer"), "not one Issuer")?.text()? != peer.entity_id {
        return Err(Error::NotForUs("Issuer"));
    }
    if message.attribute("Destination").is_some_and(|to| to != sp.slo_url) {
        return Err(Error::NotForUs("Destination"));
    }
    let issued = message.attribute("IssueInstant").map(read_instant).transpose()?;
    let issued = issued.ok_or(Error::Time("no IssueInstant"))?;
    let age = jiff::SignedDuration::from_secs(
        i64::try_from(limits::LOGOUT_AGE_SECONDS_MAX.value).unwrap_or_default(),
    );
    if is_to_come(issued, now) || issued.checked_add(age).is_ok_and(|end| is_over(end, now)) {
        return Err(Error::Time("IssueInstant"));
    }
    Ok(())
}
