//! An identity provider of a few lines, to attack ourselves with: probes and tests make their messages here, the honest
//! ones and every other.
//!
//! Nothing of the program signs in with it: it has no trust of its own, only keys that somebody would have to pin.

use base::{Clock, Rng};
use jiff::{SignedDuration, Timestamp};
use saml_rs::binding::{base64_encode, build_redirect_octet, xml_escape};
use saml_rs::constants::ParserType;
use saml_rs::crypto::{construct_message_signature, construct_saml_signature, keys::load_private_key};

use crate::keys::bare;
use crate::{Error, KeyPair, Peer, ServiceProvider};

const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

/// A pretended identity provider.
#[derive(Clone)]
pub struct Pretender {
    /// Its name.
    pub entity_id: String,
    /// Its keys.
    pub keys: KeyPair,
}

/// What a response says. [`Pretender::honest`] makes one that is right in everything; a test changes one field.
#[derive(Clone)]
pub struct Says {
    /// The response's ID.
    pub response_id: String,
    /// The assertion's ID.
    pub assertion_id: String,
    /// Where it says it goes.
    pub destination: String,
    /// For whom the person is confirmed.
    pub recipient: String,
    /// For whom it is.
    pub audience: String,
    /// Who says so.
    pub issuer: String,
    /// The request it answers.
    pub in_response_to: Option<String>,
    /// From when.
    pub not_before: Timestamp,
    /// Until when.
    pub not_on_or_after: Timestamp,
    /// Who signed in.
    pub name_id: String,
    /// What kind of name that is.
    pub name_id_format: String,
    /// The session there.
    pub session_index: String,
    /// What else: names and values.
    pub attributes: Vec<(String, Vec<String>)>,
}

/// What is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signed {
    /// Nothing.
    Nothing,
    /// The assertion.
    Assertion,
    /// The response around it.
    Response,
    /// Both.
    Both,
}

impl Pretender {
    /// With new keys.
    pub fn new(entity_id: &str, clock: &Clock) -> Result<Self, Error> {
        Ok(Pretender { entity_id: entity_id.to_owned(), keys: KeyPair::make_for_once(entity_id, clock)? })
    }

    /// As a service provider would pin it.
    pub fn peer(&self, base_url: &str) -> Result<Peer, Error> {
        let peer = Peer::from_parts(&self.entity_id, &format!("{base_url}/sso"), &self.keys.certificate)?;
        Ok(Peer { logout_url: Some(format!("{base_url}/slo")), ..peer })
    }

    /// What an honest provider says to `sp` about `email`.
    pub fn honest(
        &self,
        sp: &ServiceProvider,
        request_id: Option<&str>,
        email: &str,
        clock: &Clock,
        rng: &Rng,
    ) -> Says {
        let (now, id) = (clock.now(), || format!("_{}", rng.uuid().simple()));
        Says {
            response_id: id(),
            assertion_id: id(),
            destination: sp.acs_url.clone(),
            recipient: sp.acs_url.clone(),
            audience: sp.entity_id.clone(),
            issuer: self.entity_id.clone(),
            in_response_to: request_id.map(str::to_owned),
            not_before: now.saturating_sub(SignedDuration::from_secs(5)).unwrap_or(now),
            not_on_or_after: now.saturating_add(SignedDuration::from_secs(300)).unwrap_or(now),
            name_id: email.to_owned(),
            name_id_format: "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress".to_owned(),
            session_index: id(),
            attributes: vec![("email".to_owned(), vec![email.to_owned()])],
        }
    }

    /// As XML, signed as asked with its own key.
    pub fn xml(&self, says: &Says, signed: Signed) -> Result<String, Error> {
        let plain = says.xml();
        let xml = match signed {
            Signed::Nothing | Signed::Response => plain,
            Signed::Assertion | Signed::Both => self.sign(&plain, false, RSA_SHA256)?,
        };
        match signed {
            Signed::Nothing | Signed::Assertion => Ok(xml),
            Signed::Response | Signed::Both => self.sign(&xml, true, RSA_SHA256),
        }
    }

    /// Signs the response (`whole`) or its assertion with an algorithm.
    pub fn sign(&self, xml: &str, whole: bool, algorithm: &str) -> Result<String, Error> {
        let key = load_private_key(self.keys.key.expose(), None)
            .map_err(|error| Error::Library(error.to_string()))?;
        construct_saml_signature(xml, whole, &key, &bare(&self.keys.certificate)?, algorithm, &[], None)
            .map_err(|error| Error::Library(error.to_string()))
    }

    /// As a form carries it.
    pub fn encoded(&self, says: &Says, signed: Signed) -> Result<String, Error> {
        Ok(encode(&self.xml(says, signed)?))
    }

    /// A logout request as a redirect's query.
    pub fn logout_query(
        &self,
        sp: &ServiceProvider,
        name_id: &str,
        session_index: Option<&str>,
        clock: &Clock,
        rng: &Rng,
    ) -> Result<String, Error> {
        let index = session_index.map(|index| format!("<samlp:SessionIndex>{index}</samlp:SessionIndex>"));
        let xml = format!(
            "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_{}\" Version=\"2.0\" IssueInstant=\"{}\" \
             Destination=\"{}\"><saml:Issuer>{}</saml:Issuer><saml:NameID>{}</saml:NameID>{}</samlp:LogoutRequest>",
            rng.uuid().simple(),
            instant(clock.now()),
            xml_escape(&sp.slo_url),
            xml_escape(&self.entity_id),
            xml_escape(name_id),
            index.unwrap_or_default(),
        );
        let library = |error: saml_rs::SamlError| Error::Library(error.to_string());
        let octets = build_redirect_octet(ParserType::LogoutRequest, &xml, Some("relay"), RSA_SHA256)
            .map_err(library)?;
        let key = load_private_key(self.keys.key.expose(), None).map_err(library)?;
        let signature = construct_message_signature(&octets, &key, RSA_SHA256).map_err(library)?;
        let signature = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        Ok(format!("{octets}&Signature={signature}"))
    }
}

impl Says {
    /// As XML, unsigned.
    pub fn xml(&self) -> String {
        let to = self.in_response_to.as_ref().map(|id| format!(" InResponseTo=\"{}\"", xml_escape(id)));
        let to = to.unwrap_or_default();
        let [start, end] = [self.not_before, self.not_on_or_after].map(instant);
        let [destination, recipient, audience, issuer, name_id] =
            [&self.destination, &self.recipient, &self.audience, &self.issuer, &self.name_id]
                .map(|text| xml_escape(text).clone());
        let values = |values: &[String]| {
            let one =
                |value: &String| format!("<saml:AttributeValue>{}</saml:AttributeValue>", xml_escape(value));
            values.iter().map(one).collect::<String>()
        };
        let attributes: String = self
            .attributes
            .iter()
            .map(|(name, all)| {
                format!("<saml:Attribute Name=\"{}\">{}</saml:Attribute>", xml_escape(name), values(all))
            })
            .collect();
        format!(
            "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"{start}\" \
             Destination=\"{destination}\"{to}><saml:Issuer>{issuer}</saml:Issuer><samlp:Status><samlp:StatusCode \
             Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status>\
             <saml:Assertion ID=\"{}\" Version=\"2.0\" IssueInstant=\"{start}\"><saml:Issuer>{issuer}</saml:Issuer>\
             <saml:Subject><saml:NameID Format=\"{}\">{name_id}</saml:NameID>\
             <saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData \
             NotOnOrAfter=\"{end}\" Recipient=\"{recipient}\"{to}/></saml:SubjectConfirmation></saml:Subject>\
             <saml:Conditions NotBefore=\"{start}\" NotOnOrAfter=\"{end}\"><saml:AudienceRestriction><saml:Audience>\
             {audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>\
             <saml:AuthnStatement AuthnInstant=\"{start}\" SessionIndex=\"{}\"><saml:AuthnContext>\
             <saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport\
             </saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>\
             <saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion></samlp:Response>",
            self.response_id,
            self.assertion_id,
            xml_escape(&self.name_id_format),
            xml_escape(&self.session_index),
        )
    }
}

/// As a form carries it.
pub fn encode(xml: &str) -> String {
    base64_encode(xml.as_bytes())
}

/// Raw deflate, as a redirect carries it.
pub fn deflate(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    saml_rs::binding::deflate_raw_encode(bytes).map_err(|error| Error::Library(error.to_string()))
}

fn instant(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or_default().to_string()
}
