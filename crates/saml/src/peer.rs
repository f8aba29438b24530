//! An identity provider, as it is pinned: its name, its keys, its addresses.
//!
//! Metadata is read once, into this; what is used later is written anew from it, so that nothing else that stood in the
//! document has any effect.

use saml_rs::binding::xml_escape;
use saml_rs::{EntityId, IdpDescriptor, MetadataTrustPolicy};

use crate::keys::{bare, certificate_key_is_strong};
use crate::tree::{At, DSIG, METADATA, parse, root};
use crate::{Error, limits, text};

const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
const SAML2: &str = "urn:oasis:names:tc:SAML:2.0:protocol";

/// An identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name, which every message of it must carry.
    pub entity_id: String,
    /// Signing certificates, bare base64 of DER. The only keys its messages are checked with.
    pub certificates: Vec<String>,
    /// Where sign-in requests go by redirect.
    pub sso_url: String,
    /// Where logout requests go by redirect, if it takes them.
    pub logout_url: Option<String>,
    /// Where answers to its logout requests go, if not there.
    pub logout_answer_url: Option<String>,
}

impl Peer {
    /// From settings.
    pub fn from_parts(entity_id: &str, sso_url: &str, certificate: &str) -> Result<Self, Error> {
        let peer = Peer {
            entity_id: entity_id.to_owned(),
            certificates: vec![bare(certificate)?],
            sso_url: sso_url.to_owned(),
            logout_url: None,
            logout_answer_url: None,
        };
        peer.checked()
    }

    /// From a metadata document with one identity provider in it.
    pub fn from_metadata(document: &str) -> Result<Self, Error> {
        if document.len() > limits::METADATA_BYTES_MAX.size() {
            return Err(Error::TooLarge { limit: limits::METADATA_BYTES_MAX.name });
        }
        // Metadata is an operator's document, not a stranger's message: comments are common in it, and are taken out here.
        let without_comments = without_comments(document)?;
        let admitted = text::admit(without_comments.into_bytes())?;
        let tree = parse(&admitted)?;
        let entity = entity(root(&tree)?)?;
        let entity_id = entity.attribute("entityID").ok_or(Error::Metadata("it has no entityID"))?;
        let role = entity
            .named((METADATA, "IDPSSODescriptor"))
            .find(|role| {
                let protocols = role.attribute("protocolSupportEnumeration").unwrap_or_default();
                protocols.split_whitespace().any(|protocol| protocol == SAML2)
            })
            .ok_or(Error::Metadata("it describes no identity provider for SAML 2.0"))?;
        let location = |name: &'static str, attribute: &str, binding: &str| {
            let mut found =
                role.named((METADATA, name)).filter(|at| at.attribute("Binding") == Some(binding));
            found.find_map(|at| at.attribute(attribute)).map(str::to_owned)
        };
        let sso_url = location("SingleSignOnService", "Location", REDIRECT);
        let sso_url = sso_url.ok_or(match location("SingleSignOnService", "Location", POST) {
            Some(_) => Error::Metadata("it takes sign-in requests by POST only: HTTP-Redirect is needed"),
            None => Error::Metadata("it has no SingleSignOnService for HTTP-Redirect"),
        })?;
        let mut certificates = Vec::new();
        for key in role.named((METADATA, "KeyDescriptor")) {
            if key.attribute("use").is_some_and(|use_| use_ != "signing") {
                continue;
            }
            for at in key.all().filter(|at| at.is((DSIG, "X509Certificate"))) {
                let certificate = bare(&at.text()?)?;
                if !certificates.contains(&certificate) {
                    certificates.push(certificate);
                }
            }
        }
        let peer = Peer {
            entity_id: entity_id.to_owned(),
            certificates,
            sso_url,
            logout_url: location("SingleLogoutService", "Location", REDIRECT),
            logout_answer_url: location("SingleLogoutService", "ResponseLocation", REDIRECT),
        };
        peer.checked()
    }

    fn checked(self) -> Result<Self, Error> {
        if self.entity_id.is_empty() || self.entity_id.len() > 1_024 {
            return Err(Error::Metadata("its entityID is empty or longer than 1024 characters"));
        }
        if self.certificates.is_empty() {
            return Err(Error::Metadata("it has no signing certificate"));
        }
        if self.certificates.len() > limits::CERTIFICATES_MAX.size() {
            return Err(Error::TooLarge { limit: limits::CERTIFICATES_MAX.name });
        }
        for certificate in &self.certificates {
            if !certificate_key_is_strong(certificate)? {
                return Err(Error::Key("a signing certificate is not RSA with at least 2048 bits"));
            }
        }
        let addresses = [Some(&self.sso_url), self.logout_url.as_ref(), self.logout_answer_url.as_ref()];
        for url in addresses.into_iter().flatten() {
            let web = url.starts_with("https://") || url.starts_with("http://");
            if !web || url.contains(['#', '\'', '"', '<', '>', ' ']) {
                return Err(Error::Metadata("an address in it is no plain http or https URL"));
            }
        }
        Ok(self)
    }

    /// What is pinned, as a metadata document.
    pub fn to_metadata(&self) -> String {
        let mut xml = format!(
            "<EntityDescriptor xmlns=\"{METADATA}\" xmlns:ds=\"{DSIG}\" entityID=\"{}\">\
             <IDPSSODescriptor protocolSupportEnumeration=\"{SAML2}\">",
            xml_escape(&self.entity_id)
        );
        for certificate in &self.certificates {
            xml.push_str(&format!(
                "<KeyDescriptor use=\"signing\"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}\
                 </ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>"
            ));
        }
        if let Some(url) = &self.logout_url {
            let answer = self.logout_answer_url.as_ref();
            let answer =
                answer.map(|url| format!(" ResponseLocation=\"{}\"", xml_escape(url))).unwrap_or_default();
            let url = xml_escape(url);
            xml.push_str(&format!(
                "<SingleLogoutService Binding=\"{REDIRECT}\" Location=\"{url}\"{answer}/>"
            ));
        }
        let url = xml_escape(&self.sso_url);
        xml.push_str(&format!(
            "<SingleSignOnService Binding=\"{REDIRECT}\" Location=\"{url}\"/></IDPSSODescriptor></EntityDescriptor>"
        ));
        xml
    }

    pub(crate) fn descriptor(&self) -> Result<IdpDescriptor, Error> {
        let entity_id = EntityId::new(&*self.entity_id);
        IdpDescriptor::from_metadata_xml_for(
            entity_id,
            &self.to_metadata(),
            MetadataTrustPolicy::UnsignedForCompatibility,
        )
        .map_err(|error| Error::Library(error.to_string()))
    }
}

/// The one entity of a document, bare or in a list of one.
fn entity(root: At<'_>) -> Result<At<'_>, Error> {
    if root.is((METADATA, "EntityDescriptor")) {
        return Ok(root);
    }
    if !root.is((METADATA, "EntitiesDescriptor")) {
        return Err(Error::Metadata("it is no SAML metadata"));
    }
    root.only((METADATA, "EntityDescriptor"), "").map_err(|_| {
        Error::Metadata("it lists several entities or none: give the metadata of the one identity provider")
    })
}

fn without_comments(document: &str) -> Result<String, Error> {
    let mut kept = String::with_capacity(document.len());
    let mut rest = document;
    while let Some((before, after)) = rest.split_once("<!--") {
        kept.push_str(before);
        let (_, behind) = after.split_once("-->").ok_or(Error::Unreadable("not XML"))?;
        rest = behind;
    }
    kept.push_str(rest);
    Ok(kept)
}
