//! Getting a certificate from an authority (RFC 8555), and asking it when to get the next (RFC 9773).
//!
//! Every request goes through the house's one client, which refuses addresses that no public authority has.

use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, BodyWrapper, BytesResponse, CertificateIdentifier,
    ChallengeType, HttpClient, Identifier, NewAccount, NewOrder, OrderStatus, RetryPolicy,
};
use jiff::Timestamp;
use outbound::{Outbound, Request};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use seal::RootKey;

use crate::challenges::Challenges;
use crate::store::Store;
use crate::{Error, limits};

/// How an authority is asked.
pub(crate) struct Acme<'a> {
    pub(crate) directory: &'a str,
    pub(crate) email: Option<&'a str>,
    pub(crate) profile: Option<&'a str>,
    pub(crate) challenge: ChallengeType,
    pub(crate) outbound: &'a Outbound,
    pub(crate) store: &'a Store,
    pub(crate) root: &'a RootKey,
    pub(crate) challenges: &'a Challenges,
}

/// What an authority gave.
pub(crate) struct Issued {
    pub(crate) chain: String,
    pub(crate) key: String,
}

/// What an authority says on when to renew.
pub(crate) struct Suggested {
    pub(crate) window: (Timestamp, Timestamp),
    pub(crate) again: Duration,
}

/// The house's client, in the words of the ACME library.
struct Client(Outbound);

impl HttpClient for Client {
    fn request(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let outbound = self.0.clone();
        Box::pin(async move {
            let other = |error: outbound::Error| instant_acme::Error::Other(Box::new(error));
            let (parts, body) = request.into_parts();
            let url = parts.uri.to_string();
            let mut asked = match parts.method {
                http::Method::HEAD => Request::head("acme", url),
                http::Method::POST => Request::post("acme", url),
                _ => Request::get("acme", url),
            };
            let Ok(body) = body.collect().await;
            let body = body.to_bytes();
            let kind = parts.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            if let Some(kind) = kind {
                asked = asked.body(kind, body);
            }
            let answer = outbound.send(asked).await.map_err(other)?;
            let mut response = http::Response::new(http_body_util::Full::new(answer.body));
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            Ok(response.into())
        })
    }
}

impl Acme<'_> {
    fn failed(&self, why: impl std::fmt::Display) -> Error {
        Error::Authority { directory: self.directory.to_owned(), why: why.to_string() }
    }

    async fn account(&self) -> Result<Account, Error> {
        let builder = || Account::builder_with_http(Box::new(Client(self.outbound.clone())));
        let failed = |error: instant_acme::Error| self.failed(error);
        if let Some(kept) = self.store.account(self.root, self.directory)? {
            let credentials: AccountCredentials =
                serde_json::from_slice(&kept).map_err(|error| Error::Bug(error.to_string()))?;
            return builder().from_credentials(credentials).await.map_err(failed);
        }
        let contact: Vec<String> = self.email.iter().map(|email| format!("mailto:{email}")).collect();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let new =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let made = builder().create(&new, self.directory.to_owned(), None).await;
        let (account, credentials) = made.map_err(failed)?;
        let text = serde_json::to_vec(&credentials).map_err(|error| Error::Bug(error.to_string()))?;
        self.store.keep_account(self.root, self.directory, &text)?;
        Ok(account)
    }

    /// Orders a certificate for `names`, answers what is asked, and returns it. `replaces` is the chain it follows.
    pub(crate) async fn issue(&self, names: &[String], replaces: Option<&str>) -> Result<Issued, Error> {
        let bound = Duration::from_secs(limits::ISSUE_SECONDS_MAX.value);
        let issued = tokio::time::timeout(bound, self.order(names, replaces)).await;
        self.challenges.forget();
        issued.map_err(|_| self.failed(format!("it took more than {} s", bound.as_secs())))?
    }

    async fn order(&self, names: &[String], replaces: Option<&str>) -> Result<Issued, Error> {
        let account = self.account().await?;
        let identifiers: Vec<Identifier> = names.iter().map(|name| identifier(name)).collect();
        let old = replaces.and_then(leaf);
        let mut order = self.new_order(&account, &identifiers, old.as_ref()).await?;
        let mut authorizations = order.authorizations();
        while let Some(next) = authorizations.next().await {
            let mut asked = next.map_err(|error| self.failed(error))?;
            if asked.status == AuthorizationStatus::Valid {
                continue;
            }
            let kind = self.challenge.clone();
            let mut challenge = asked.challenge(kind).ok_or_else(|| {
                self.failed("it does not offer the kind of challenge that server.tls.challenge names")
            })?;
            let proof = challenge.key_authorization();
            match &self.challenge {
                ChallengeType::TlsAlpn01 => {
                    let name = challenge.identifier().to_string();
                    self.challenges.answer_certificate(&name, &sni_of(&name), proof.digest().as_ref())?;
                }
                _ => self.challenges.answer_token(&challenge.token, proof.as_str()),
            }
            challenge.set_ready().await.map_err(|error| self.failed(error))?;
        }
        let patience = RetryPolicy::new().timeout(Duration::from_secs(limits::ISSUE_SECONDS_MAX.value / 2));
        let status = order.poll_ready(&patience).await.map_err(|error| self.failed(error))?;
        if status != OrderStatus::Ready {
            return Err(self.failed(why_invalid(&mut order).await));
        }
        let key = KeyPair::generate().map_err(|error| Error::Bug(error.to_string()))?;
        let mut params =
            CertificateParams::new(names.to_vec()).map_err(|error| Error::Bug(error.to_string()))?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key).map_err(|error| Error::Bug(error.to_string()))?;
        order.finalize_csr(request.der()).await.map_err(|error| self.failed(error))?;
        let chain = order.poll_certificate(&patience).await.map_err(|error| self.failed(error))?;
        Ok(Issued { chain, key: key.serialize_pem() })
    }

    /// An authority that does not know what is replaced (another one's, or without renewal information) is asked plainly.
    async fn new_order(
        &self,
        account: &Account,
        identifiers: &[Identifier],
        old: Option<&CertificateDer<'static>>,
    ) -> Result<instant_acme::Order, Error> {
        let plain = || {
            let order = NewOrder::new(identifiers);
            match self.profile {
                Some(profile) => order.profile(profile),
                None => order,
            }
        };
        if let Some(id) = old.and_then(|old| CertificateIdentifier::try_from(old).ok()) {
            match account.new_order(&plain().replaces(id)).await {
                Ok(order) => return Ok(order),
                // Everybody without renewal information says so.
                Err(instant_acme::Error::Unsupported(_)) => {}
                Err(error) => tracing::info!(%error, "the authority does not take what the order follows"),
            }
        }
        account.new_order(&plain()).await.map_err(|error| self.failed(error))
    }

    /// When the authority wants the chain renewed, and when it wants to be asked again. `None` where it suggests nothing.
    pub(crate) async fn window(&self, chain: &str) -> Result<Option<Suggested>, Error> {
        let Some(leaf) = leaf(chain) else { return Ok(None) };
        let Ok(id) = CertificateIdentifier::try_from(&leaf) else { return Ok(None) };
        let account = self.account().await?;
        match account.renewal_info(&id).await {
            Ok((info, again)) => {
                let time = |seconds: i64| Timestamp::from_second(seconds).map_err(|error| self.failed(error));
                let window = info.suggested_window;
                let window = (time(window.start.unix_timestamp())?, time(window.end.unix_timestamp())?);
                Ok(Some(Suggested { window, again }))
            }
            Err(instant_acme::Error::Unsupported(_)) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }
}

fn identifier(name: &str) -> Identifier {
    name.parse::<IpAddr>().map_or_else(|_| Identifier::Dns(name.to_owned()), Identifier::Ip)
}

/// Of an address, its name in the reverse tree (RFC 8738 section 6).
fn sni_of(name: &str) -> String {
    match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Ok(IpAddr::V6(address)) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
            let nibbles: Vec<String> = nibbles.map(|nibble| format!("{nibble:x}")).collect();
            format!("{}.ip6.arpa", nibbles.join("."))
        }
        Err(_) => name.to_owned(),
    }
}

fn leaf(chain: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(chain.as_bytes()).next()?.ok()
}

/// The authority's own words on what it did not like.
async fn why_invalid(order: &mut instant_acme::Order) -> String {
    let mut found = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(asked)) = authorizations.next().await {
        for challenge in &asked.challenges {
            if let Some(problem) = &challenge.error {
                found.push(format!("{}: {problem}", asked.identifier()));
            }
        }
    }
    if found.is_empty() { "the order did not become ready".to_owned() } else { found.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_proven_by_their_reverse_names() {
        assert_eq!(sni_of("192.0.2.7"), "7.2.0.192.in-addr.arpa");
        let six = sni_of("2001:db8::1");
        assert!(six.starts_with("1.0.0.0.") && six.ends_with(".8.b.d.0.1.0.0.2.ip6.arpa"), "{six}");
        assert_eq!(sni_of("a.example"), "a.example");
    }
}
