//! What we say: our metadata, requests to sign in and out, answers to a logout.

use base::{Clock, Rng};
use saml_rs::binding::{build_redirect_octet, xml_escape};
use saml_rs::constants::ParserType;
use saml_rs::crypto::{construct_message_signature, keys::load_private_key};

use crate::keys::bare;
use crate::tree::{ASSERTION, DSIG, METADATA, PROTOCOL};
use crate::{Error, KeyPair, Peer};

const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

/// Us, as identity providers know us.
#[derive(Clone)]
pub struct ServiceProvider {
    /// Our name, which every assertion must be for.
    pub entity_id: String,
    /// Where assertions arrive.
    pub acs_url: String,
    /// Where logout messages arrive.
    pub slo_url: String,
    /// Our keys.
    pub keys: KeyPair,
}

/// Where to send the browser, and the name of the message it carries.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// The address with the signed message in its query.
    pub url: String,
    /// The message's ID, which the answer must name.
    pub id: String,
}

/// A person's session at their provider.
#[derive(Clone, Debug)]
pub struct SessionThere {
    /// Their name there.
    pub name_id: String,
    /// What kind of name.
    pub name_id_format: Option<String>,
    /// The session.
    pub session_index: Option<String>,
}

impl ServiceProvider {
    /// Our metadata.
    pub fn metadata(&self) -> Result<String, Error> {
        let certificate = bare(&self.keys.certificate)?;
        let [entity_id, acs, slo] =
            [&self.entity_id, &self.acs_url, &self.slo_url].map(|text| xml_escape(text).clone());
        Ok(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <EntityDescriptor xmlns=\"{METADATA}\" entityID=\"{entity_id}\">\n\
             \x20 <SPSSODescriptor AuthnRequestsSigned=\"true\" WantAssertionsSigned=\"true\" \
             protocolSupportEnumeration=\"{PROTOCOL}\">\n\
             \x20   <KeyDescriptor use=\"signing\"><ds:KeyInfo xmlns:ds=\"{DSIG}\"><ds:X509Data>\
             <ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>\n\
             \x20   <SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"{slo}\"/>\n\
             \x20   <SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"{slo}\"/>\n\
             \x20   <NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</NameIDFormat>\n\
             \x20   <NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress</NameIDFormat>\n\
             \x20   <AssertionConsumerService index=\"0\" isDefault=\"true\" \
             Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"{acs}\"/>\n\
             \x20 </SPSSODescriptor>\n\
             </EntityDescriptor>\n"
        ))
    }

    /// Asks `peer` to sign somebody in. `name_id_format` is asked for when given; else the provider chooses.
    pub fn sign_in(
        &self,
        peer: &Peer,
        relay_state: &str,
        name_id_format: Option<&str>,
        clock: &Clock,
        rng: &Rng,
    ) -> Result<Redirect, Error> {
        let id = message_id(rng);
        let policy = match name_id_format {
            Some(format) => {
                format!("<samlp:NameIDPolicy AllowCreate=\"true\" Format=\"{}\"/>", xml_escape(format))
            }
            None => "<samlp:NameIDPolicy AllowCreate=\"true\"/>".to_owned(),
        };
        let xml = format!(
            "<samlp:AuthnRequest xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" ID=\"{id}\" Version=\"2.0\" \
             IssueInstant=\"{}\" Destination=\"{}\" AssertionConsumerServiceURL=\"{}\" \
             ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\"><saml:Issuer>{}</saml:Issuer>{policy}\
             </samlp:AuthnRequest>",
            instant(clock),
            xml_escape(&peer.sso_url),
            xml_escape(&self.acs_url),
            xml_escape(&self.entity_id),
        );
        let url = self.signed(&peer.sso_url, ParserType::SamlRequest, &xml, Some(relay_state))?;
        Ok(Redirect { url, id })
    }

    /// Asks `peer` to end a person's session there and at everybody else's. `None` when it takes no such requests.
    pub fn sign_out(
        &self,
        peer: &Peer,
        whose: &SessionThere,
        relay_state: &str,
        clock: &Clock,
        rng: &Rng,
    ) -> Result<Option<Redirect>, Error> {
        let Some(to) = &peer.logout_url else { return Ok(None) };
        let id = message_id(rng);
        let format = whose
            .name_id_format
            .as_ref()
            .map(|format| format!(" Format=\"{}\"", xml_escape(format)))
            .unwrap_or_default();
        let index = whose
            .session_index
            .as_ref()
            .map(|index| format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", xml_escape(index)))
            .unwrap_or_default();
        let xml = format!(
            "<samlp:LogoutRequest xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" ID=\"{id}\" Version=\"2.0\" \
             IssueInstant=\"{}\" Destination=\"{}\"><saml:Issuer>{}</saml:Issuer><saml:NameID{format}>{}</saml:NameID>\
             {index}</samlp:LogoutRequest>",
            instant(clock),
            xml_escape(to),
            xml_escape(&self.entity_id),
            xml_escape(&whose.name_id),
        );
        let url = self.signed(to, ParserType::LogoutRequest, &xml, Some(relay_state))?;
        Ok(Some(Redirect { url, id }))
    }

    /// Tells `peer` that its logout request was followed. `None` when it has no address for that.
    pub fn signed_out(
        &self,
        peer: &Peer,
        in_response_to: &str,
        relay_state: Option<&str>,
        clock: &Clock,
        rng: &Rng,
    ) -> Result<Option<Redirect>, Error> {
        let Some(to) = peer.logout_answer_url.as_ref().or(peer.logout_url.as_ref()) else { return Ok(None) };
        let id = message_id(rng);
        let xml = format!(
            "<samlp:LogoutResponse xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" ID=\"{id}\" Version=\"2.0\" \
             IssueInstant=\"{}\" Destination=\"{}\" InResponseTo=\"{}\"><saml:Issuer>{}</saml:Issuer><samlp:Status>\
             <samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status></samlp:LogoutResponse>",
            instant(clock),
            xml_escape(to),
            xml_escape(in_response_to),
            xml_escape(&self.entity_id),
        );
        let url = self.signed(to, ParserType::LogoutResponse, &xml, relay_state)?;
        Ok(Some(Redirect { url, id }))
    }

    fn signed(
        &self,
        to: &str,
        kind: ParserType,
        xml: &str,
        relay_state: Option<&str>,
    ) -> Result<String, Error> {
        let library = |error: saml_rs::SamlError| Error::Library(error.to_string());
        let octets = build_redirect_octet(kind, xml, relay_state, RSA_SHA256).map_err(library)?;
        let key = load_private_key(self.keys.key.expose(), None).map_err(library)?;
        let signature = construct_message_signature(&octets, &key, RSA_SHA256).map_err(library)?;
        let signature = signature.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let separator = if to.contains('?') { '&' } else { '?' };
        Ok(format!("{to}{separator}{octets}&Signature={signature}"))
    }
}

/// An XML name nobody can guess.
fn message_id(rng: &Rng) -> String {
    let bytes = rng.bytes::<20>();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("_{hex}")
}

fn instant(clock: &Clock) -> String {
    let whole = jiff::Timestamp::from_second(clock.unix_seconds()).unwrap_or_default();
    whole.to_string()
}
