//! The second gate: exactly the tree that is read, and nothing that could be mistaken for it.
//!
//! Signature wrapping (attack row 48) lives on places: a signed element moved where the verifier finds it and the reader
//! does not. Here every Assertion, Signature and Response of the whole document must stand where the reader looks, one of
//! each, whatever its namespace; every signature must name the element it stands in; and identifiers are unique under every
//! spelling a library might resolve them by.

use std::collections::HashSet;

use uppsala::Document;

use crate::response::status;
use crate::tree::{ASSERTION, At, DSIG, EXC_C14N, Name, PROTOCOL, root};
use crate::{Error, limits};

/// The elements of a response that are read.
pub(crate) struct Response<'t> {
    pub(crate) response: At<'t>,
    pub(crate) assertion: At<'t>,
}

const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// RSA with SHA-2. No HMAC (the public key as a shared secret), no SHA-1, no DSA.
const SIGNATURE_METHODS: [&str; 3] = [
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
];

const DIGEST_METHODS: [&str; 3] = [
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
];

/// Whether a signature algorithm of a redirect is one of ours.
pub(crate) fn is_signature_method(algorithm: &str) -> bool {
    SIGNATURE_METHODS.contains(&algorithm)
}

/// What stands where in a response.
pub(crate) fn response<'t>(document: &'t Document<'t>) -> Result<Response<'t>, Error> {
    let response = root(document)?;
    if !response.is((PROTOCOL, "Response")) {
        return Err(Error::Shape("the root is no Response"));
    }
    if response.attribute("Version") != Some("2.0") {
        return Err(Error::Shape("not SAML 2.0"));
    }
    if response.named((ASSERTION, "EncryptedAssertion")).next().is_some() {
        return Err(Error::Shape("an encrypted assertion: this server publishes no encryption key"));
    }
    children(
        response,
        &[(ASSERTION, "Issuer"), (DSIG, "Signature"), (PROTOCOL, "Status"), (ASSERTION, "Assertion")],
    )?;
    response.only((PROTOCOL, "Status"), "not one Status")?;
    // Whoever did not sign somebody in has nothing to assert.
    if response.named((ASSERTION, "Assertion")).next().is_none() {
        status(response)?;
    }
    let assertion = response.only((ASSERTION, "Assertion"), "not one Assertion")?;
    if assertion.attribute("Version") != Some("2.0") {
        return Err(Error::Shape("not SAML 2.0"));
    }
    children(
        assertion,
        &[
            (ASSERTION, "Issuer"),
            (DSIG, "Signature"),
            (ASSERTION, "Subject"),
            (ASSERTION, "Conditions"),
            (ASSERTION, "AuthnStatement"),
            (ASSERTION, "AttributeStatement"),
        ],
    )?;
    let signed = signature_of(assertion)?.ok_or(Error::Signature("the assertion is not signed"))?;
    let around = signature_of(response)?;
    let signatures: Vec<At<'t>> = std::iter::once(signed).chain(around).collect();
    nothing_elsewhere(response, &[response], &[assertion], &signatures)?;
    unique_ids(response)?;
    plain_times(response)?;
    Ok(Response { response, assertion })
}

/// A message other than a response, whose root is signed when it came as a form.
pub(crate) fn message<'t>(
    document: &'t Document<'t>,
    name: &'static str,
    is_signed_inside: bool,
) -> Result<At<'t>, Error> {
    let message = root(document)?;
    if !message.is((PROTOCOL, name)) || message.attribute("Version") != Some("2.0") {
        return Err(Error::Shape("another message than expected"));
    }
    let signature = signature_of(message)?;
    if is_signed_inside && signature.is_none() {
        return Err(Error::Signature("the message is not signed"));
    }
    if !is_signed_inside && signature.is_some() {
        return Err(Error::Shape("two signatures of different kinds"));
    }
    let signatures: Vec<At<'t>> = signature.into_iter().collect();
    nothing_elsewhere(message, &[], &[], &signatures)?;
    unique_ids(message)?;
    plain_times(message)?;
    Ok(message)
}

fn children(of: At<'_>, allowed: &[Name]) -> Result<(), Error> {
    match of.children().all(|child| allowed.iter().any(|name| child.is(*name))) {
        true => Ok(()),
        false => Err(Error::Shape("an element that is not expected there")),
    }
}

/// The element's own signature, if it has one, in the only form that is taken.
fn signature_of(element: At<'_>) -> Result<Option<At<'_>>, Error> {
    let mut found = element.named((DSIG, "Signature"));
    let Some(signature) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        return Err(Error::Shape("two signatures in one element"));
    }
    let id = element.attribute("ID").filter(|id| !id.is_empty()).ok_or(Error::Shape("no ID"))?;
    children(signature, &[(DSIG, "SignedInfo"), (DSIG, "SignatureValue"), (DSIG, "KeyInfo")])?;
    let info = signature.only((DSIG, "SignedInfo"), "not one SignedInfo")?;
    signature.only((DSIG, "SignatureValue"), "not one SignatureValue")?;
    if signature.named((DSIG, "KeyInfo")).count() > 1 {
        return Err(Error::Shape("several KeyInfo"));
    }
    children(info, &[(DSIG, "CanonicalizationMethod"), (DSIG, "SignatureMethod"), (DSIG, "Reference")])?;
    let canonical = info.only((DSIG, "CanonicalizationMethod"), "not one CanonicalizationMethod")?;
    let method = info.only((DSIG, "SignatureMethod"), "not one SignatureMethod")?;
    let reference = info.only((DSIG, "Reference"), "not one Reference")?;
    if canonical.attribute("Algorithm") != Some(EXC_C14N) {
        return Err(Error::Signature("another canonicalisation than exclusive"));
    }
    children(canonical, &[(EXC_C14N, "InclusiveNamespaces")])?;
    if !method.attribute("Algorithm").is_some_and(is_signature_method) || method.children().next().is_some() {
        return Err(Error::Signature("another algorithm than RSA with SHA-2"));
    }
    if reference.attribute("URI").and_then(|uri| uri.strip_prefix('#')) != Some(id) {
        return Err(Error::Signature("it names another element than its own"));
    }
    transforms(reference)?;
    Ok(Some(signature))
}

/// The enveloped signature taken out, then exclusive canonicalisation. Nothing that computes (XSLT, XPath).
fn transforms(reference: At<'_>) -> Result<(), Error> {
    children(reference, &[(DSIG, "Transforms"), (DSIG, "DigestMethod"), (DSIG, "DigestValue")])?;
    let digest = reference.only((DSIG, "DigestMethod"), "not one DigestMethod")?;
    reference.only((DSIG, "DigestValue"), "not one DigestValue")?;
    if !digest.attribute("Algorithm").is_some_and(|algorithm| DIGEST_METHODS.contains(&algorithm)) {
        return Err(Error::Signature("another digest than SHA-2"));
    }
    let transforms = reference.only((DSIG, "Transforms"), "not one Transforms")?;
    children(transforms, &[(DSIG, "Transform")])?;
    let each: Vec<At<'_>> = transforms.children().collect();
    let algorithms: Vec<_> = each.iter().map(|one| one.attribute("Algorithm").unwrap_or_default()).collect();
    if algorithms != [ENVELOPED, EXC_C14N] {
        return Err(Error::Signature("other transforms than enveloped and exclusive canonicalisation"));
    }
    for (one, is_c14n) in each.iter().zip([false, true]) {
        let inside = one.children().count();
        if inside > usize::from(is_c14n)
            || !one.children().all(|child| child.is((EXC_C14N, "InclusiveNamespaces")))
        {
            return Err(Error::Signature("a transform with something inside"));
        }
    }
    Ok(())
}

/// Names that decide who somebody is stand nowhere but where they are read, under no namespace.
fn nothing_elsewhere(
    root: At<'_>,
    responses: &[At<'_>],
    assertions: &[At<'_>],
    signatures: &[At<'_>],
) -> Result<(), Error> {
    for at in root.all() {
        let among = |known: &[At<'_>]| known.iter().any(|one| one.is_same(at));
        let stands_right = match at.local().to_ascii_lowercase().as_str() {
            "response" | "artifactresponse" | "envelope" => among(responses),
            "assertion" | "advice" | "encryptedassertion" | "encryptedid" | "baseid" => among(assertions),
            "signature" => among(signatures),
            "object" | "manifest" | "signatureproperties" | "retrievalmethod" | "extensions" => false,
            "signedinfo" | "signaturevalue" | "keyinfo" => {
                signatures.iter().any(|one| one.children().any(|child| child.is_same(at)))
            }
            _ => true,
        };
        if !stands_right {
            return Err(Error::Shape("an element where it could be mistaken for another"));
        }
    }
    Ok(())
}

fn unique_ids(root: At<'_>) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for at in root.all() {
        for (name, value) in at.attributes() {
            if !matches!(
                name.to_ascii_lowercase().as_str(),
                "id" | "assertionid" | "requestid" | "responseid"
            ) {
                continue;
            }
            if !is_identifier(value) {
                return Err(Error::Shape("an ID that is no identifier"));
            }
            if !seen.insert(value) {
                return Err(Error::Shape("an ID that is used twice"));
            }
        }
    }
    Ok(())
}

/// Times are plain everywhere, also where nobody reads them here: the second reader does, and multiplies before it asks
/// whether it has digits at hand.
fn plain_times(root: At<'_>) -> Result<(), Error> {
    const TIMES: [&str; 5] =
        ["IssueInstant", "NotBefore", "NotOnOrAfter", "AuthnInstant", "SessionNotOnOrAfter"];
    let mut all = root.all().flat_map(|at| at.attributes().filter(|(name, _)| TIMES.contains(name)));
    match all.all(|(_, value)| is_plain_time(value)) {
        true => Ok(()),
        false => Err(Error::Time("not a time in UTC")),
    }
}

/// `2026-11-22T12:00:00Z`, with up to nine digits of a fraction.
fn is_plain_time(text: &str) -> bool {
    let Some((whole, rest)) = text.split_at_checked(19) else { return false };
    let shape = whole.bytes().zip(b"dddd-dd-ddTdd:dd:dd".iter());
    let fits = shape.fold(true, |fits, (byte, wanted)| {
        fits && if *wanted == b'd' { byte.is_ascii_digit() } else { byte == *wanted }
    });
    let fraction = rest.strip_suffix('Z').map(|fraction| fraction.strip_prefix('.').unwrap_or(fraction));
    fits && fraction.is_some_and(|digits| {
        digits.len() <= 9
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && digits.is_empty() == (rest == "Z")
    })
}

/// An XML name without a colon, of which no pointer syntax can be made.
fn is_identifier(text: &str) -> bool {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    first && rest && text.len() <= limits::NAME_ID_BYTES_MAX.size()
}
