//! `grant_type=id_token`: a native application hands in the token that a provider gave it.

use base::{Secret, SignedIn};
use jiff::Timestamp;
use pg::{Reason, Reply, SystemTx};
use serde_json::{Map, Value};

use super::account::Settled;
use super::callback::Link;
use super::id_token::{self, Nonce};
use super::provider::{Provider, Shape};
use super::{OauthError, profile, sql};
use crate::session::{Grant, Opening, Way};
use crate::{Auth, Error, Visit};

/// What is handed in.
pub struct IdTokenGrant {
    /// The token.
    pub id_token: Secret<String>,
    /// What came with it; may be checked against it.
    pub access_token: Option<Secret<String>>,
    /// What the token's nonce is the hash of.
    pub nonce: Option<String>,
    /// Whose token.
    pub provider: Option<String>,
    /// Or whose, by issuer and client.
    pub issuer: Option<String>,
    /// The client it is for.
    pub client_id: Option<String>,
    /// Whether it is linked to the account of whoever asks.
    pub link_to: Option<SignedIn>,
}

impl Auth {
    /// Signs in with an ID token, or links what it names.
    pub async fn sign_in_with_id_token(
        &self,
        asked: IdTokenGrant,
        visit: &Visit,
    ) -> Result<Reply<Grant>, Error> {
        let granted = self.try_id_token(asked, visit).await;
        if let Err(error) = &granted {
            crate::events::refused(self, visit, audit::Event::LoginFailed, error, "");
        }
        granted
    }

    async fn try_id_token(&self, asked: IdTokenGrant, visit: &Visit) -> Result<Reply<Grant>, Error> {
        let provider = self.provider_of_token(&asked).await?;
        let nonce = Nonce::Of(asked.nonce.as_deref().filter(|nonce| !nonce.is_empty()));
        let claims = self.believe(&provider, asked.id_token.expose(), &nonce).await?;
        // An access token is handed in to be held against the ID token and for nothing else: it is neither used nor kept. Without
        // one, `at_hash` says nothing about whose the ID token is (OpenID Connect Core 3.2.2.9 validates the access token by it).
        if let Some(token) = asked.access_token.as_ref().filter(|token| !token.expose().is_empty()) {
            id_token::require_access_token(asked.id_token.expose(), &claims, token.expose())?;
        }
        if let Some(client) = asked.client_id.as_deref().filter(|client| !client.is_empty())
            && !provider.client_ids.iter().any(|known| known == client)
        {
            return Err(OauthError::IdToken("it is for another client").into());
        }
        let profile = profile::of_claims(&provider, &claims).ok_or(OauthError::IdToken("it names nobody"))?;
        let leave = match asked.link_to {
            Some(_) => None,
            None => self.ask_about_profile(&provider, &profile, visit).await?,
        };
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let (user, ended) = match asked.link_to {
            Some(person) => {
                if !self.0.outside.manual_linking {
                    return Err(OauthError::LinkingOff.into());
                }
                let user = self.user(&mut tx, person.user).await?;
                self.require_fresh(user.has_factor(), visit)?;
                let link = Link { session: person.session, ..Link::new(&provider, &profile, person.user) };
                self.join_identity(&mut tx, &link, visit).await?
            }
            None => match self.settle(&mut tx, &provider, &profile, leave, visit).await? {
                Settled::In { user, ended } => (*user, ended),
                Settled::Unverified => {
                    tx.commit(()).await?.into_inner();
                    return Err(OauthError::Unverified(provider.id).into());
                }
            },
        };
        let for_one_try = claims.get("nonce").and_then(Value::as_str).is_some_and(|nonce| !nonce.is_empty());
        if for_one_try && !provider.skip_nonce {
            self.take_id_token(&mut tx, asked.id_token.expose(), &claims).await?;
        }
        let opening = Opening::through(Way::Oauth, &provider.id);
        let mut opened = self.open_session(&mut tx, user, opening, visit).await?;
        opened.also_ended(ended);
        self.commit_session(tx, opened).await
    }

    /// A token that carries a nonce was made for one try, and opens one session; whatever refused it left it as it was. One
    /// without is the same for an hour in the libraries that keep it, and each start of such an application shows it again.
    async fn take_id_token(
        &self,
        tx: &mut SystemTx,
        token: &str,
        claims: &Map<String, Value>,
    ) -> Result<(), Error> {
        let now = self.0.clock.now();
        tx.execute(sql::FORGET_ID_TOKENS, [now.into()]).await?;
        // What is signed, without the signature: of one text some algorithms know several.
        let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
        let digest = seal::sha256(signed.as_bytes());
        let until = id_token::good_until(claims).unwrap_or(Timestamp::MAX);
        match tx.execute(sql::TAKE_ID_TOKEN, [digest.as_slice().into(), until.into()]).await? {
            0 => Err(OauthError::IdToken("it was used before").into()),
            _ => Ok(()),
        }
    }

    /// The provider that is named, or the one whose issuer is. It is never the token that chooses (attack row 1).
    async fn provider_of_token(&self, asked: &IdTokenGrant) -> Result<Provider, Error> {
        let is_oidc = |provider: Provider| match provider.shape {
            Shape::Oidc => Ok(provider),
            _ => Err(OauthError::Provider("it gives no ID tokens")),
        };
        if let Some(name) = asked.provider.as_deref().filter(|name| !name.is_empty()) {
            let provider = self.provider(name).await.map_err(|error| match error {
                Error::Oauth(OauthError::Provider(_)) => {
                    OauthError::Issuer(name.chars().take(200).collect()).into()
                }
                other => other,
            })?;
            let issuer = asked.issuer.as_deref().filter(|issuer| !issuer.is_empty());
            if issuer.is_some_and(|issuer| issuer.trim_end_matches('/') != provider.issuer) {
                return Err(OauthError::IdToken("it is of another issuer").into());
            }
            return Ok(is_oidc(provider)?);
        }
        let Some(issuer) = asked.issuer.as_deref().filter(|issuer| !issuer.is_empty()) else {
            return Err(Error::invalid("provider or client_id and issuer required"));
        };
        let trimmed = issuer.trim_end_matches('/');
        let found = self
            .0
            .outside
            .providers
            .iter()
            .find(|provider| provider.shape == Shape::Oidc && provider.issuer == trimmed);
        let shown = issuer.chars().take(200).collect();
        Ok(found.cloned().ok_or(OauthError::Issuer(shown))?)
    }
}
