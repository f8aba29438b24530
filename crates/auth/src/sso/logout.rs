//! Single logout: a provider that ends its session ends ours, and ours can end the provider's.

use ::saml::{LogoutAnswer, LogoutAsked, SessionThere};
use audit::Event;
use pg::{Reason, Reply};
use uuid::Uuid;

use super::{Provider, Sso, SsoRefusal, sql};
use crate::events::{self, Happening};
use crate::session::ids;
use crate::{Error, Visit};

/// A logout message as it came.
pub enum LogoutCame<'a> {
    /// A redirect, with its whole query.
    Redirect {
        /// The raw query.
        query: &'a str,
    },
    /// A form.
    Form {
        /// The message.
        message: &'a str,
        /// Whether it is a `SAMLRequest`.
        is_request: bool,
        /// `RelayState`.
        relay_state: Option<&'a str>,
    },
}

/// Where the browser goes next.
#[derive(Debug)]
pub struct LogoutNext {
    /// Back to the provider with our answer, or to the page it was asked for.
    pub url: String,
}

impl Sso {
    /// Ends the caller's session here, and says where the provider's can be ended: nowhere for a session that no provider
    /// opened, or one that takes no such requests.
    pub async fn sign_out(
        &self,
        user: Uuid,
        session: Uuid,
        asked: &[Option<&str>],
        visit: &Visit,
    ) -> Result<Reply<Option<String>>, Error> {
        self.require_on()?;
        let (us, auth) = (self.us().await?, &self.0.auth);
        let mut tx = auth.0.pg.begin_system(Reason::OwnAccount).await?;
        let rows = tx.query(sql::SESSION_THERE, [session.into()]).await?;
        let mut url = None;
        if let Some(row) = rows.first()
            && let Some(provider) =
                self.find(&mut tx, sql::PROVIDER_BY_ID, row.get::<Uuid>("sso_provider_id")?).await?
        {
            let there = SessionThere {
                name_id: row.get("name_id")?,
                name_id_format: row.get("name_id_format")?,
                session_index: row.get("session_index")?,
            };
            let relay = auth.0.rng.uuid();
            let (clock, rng) = (&auth.0.clock, &auth.0.rng);
            let redirect = us.sign_out(&provider.peer()?, &there, &relay.to_string(), clock, rng)?;
            if let Some(redirect) = redirect {
                let back_to = self.allowed(&provider, asked);
                let none: Option<Uuid> = None;
                let row = [
                    relay.into(),
                    provider.id.into(),
                    redirect.id.into(),
                    back_to.text().into(),
                    clock.now().into(),
                    none.into(),
                ];
                tx.execute(sql::INSERT_RELAY, row).await?;
                url = Some(redirect.url);
            }
        }
        let ended = ids(&tx.query(crate::sql::END_SESSION, [session.into()]).await?)?;
        events::record(&mut tx, auth, visit, Happening::Logout { user, sessions: ended.len() }).await?;
        auth.commit_ended(tx, ended, url).await
    }

    /// Takes a provider's logout message.
    pub async fn log_out(&self, came: LogoutCame<'_>, visit: &Visit) -> Result<Reply<LogoutNext>, Error> {
        self.require_on()?;
        let taken = self.try_log_out(&came, visit).await;
        if let Err(error) = &taken {
            events::refused(&self.0.auth, visit, Event::SsoRefused, error, "");
        }
        taken
    }

    async fn try_log_out(&self, came: &LogoutCame<'_>, visit: &Visit) -> Result<Reply<LogoutNext>, Error> {
        let (us, auth) = (self.us().await?, &self.0.auth);
        let issuer = match came {
            LogoutCame::Redirect { query } => ::saml::logout_issuer_of_redirect(query)?,
            LogoutCame::Form { message, .. } => ::saml::logout_issuer_of_form(message)?,
        };
        let mut tx = auth.0.pg.begin_system(Reason::Identify).await?;
        let provider =
            self.find(&mut tx, sql::PROVIDER_BY_ISSUER, issuer).await?.ok_or(SsoRefusal::IdpNotFound)?;
        if provider.disabled {
            return Err(SsoRefusal::ProviderDisabled.into());
        }
        tx.commit(()).await?.into_inner();
        let (peer, now) = (provider.peer()?, auth.0.clock.now());
        let (answer, relay) = match came {
            LogoutCame::Redirect { query } => (
                ::saml::read_logout_redirect(query, &peer, us, now)?,
                ::saml::relay_state_of_redirect(query)?,
            ),
            LogoutCame::Form { message, is_request, relay_state } => (
                ::saml::read_logout_post(message, *is_request, &peer, us, now)?,
                relay_state.map(str::to_owned),
            ),
        };
        match answer {
            LogoutAnswer::Asked(asked) => self.end_theirs(&provider, asked, relay.as_deref(), visit).await,
            LogoutAnswer::Done { in_response_to } => {
                self.done(&provider, &in_response_to, relay.as_deref()).await
            }
        }
    }

    async fn end_theirs(
        &self,
        provider: &Provider,
        asked: LogoutAsked,
        relay: Option<&str>,
        visit: &Visit,
    ) -> Result<Reply<LogoutNext>, Error> {
        let (us, auth) = (self.us().await?, &self.0.auth);
        let mut tx = auth.0.pg.begin_system(Reason::Identify).await?;
        let row = [provider.id.into(), (&asked.name_id).into(), asked.session_indexes.clone().into()];
        let rows = tx.query(sql::END_SESSIONS, row).await?;
        let ended = ids(&rows)?;
        if let Some(first) = rows.first() {
            let happening = Happening::Logout { user: first.get("user_id")?, sessions: ended.len() };
            events::record(&mut tx, auth, visit, happening).await?;
        }
        let relay = relay.filter(|relay| relay.len() <= 80);
        let answer = us.signed_out(&provider.peer()?, &asked.id, relay, &auth.0.clock, &auth.0.rng)?;
        let url = answer.map_or_else(|| self.site().text().to_owned(), |answer| answer.url);
        auth.commit_ended(tx, ended, LogoutNext { url }).await
    }

    /// The provider did what we asked it to: back to where that was asked.
    async fn done(
        &self,
        provider: &Provider,
        in_response_to: &str,
        relay: Option<&str>,
    ) -> Result<Reply<LogoutNext>, Error> {
        let relay =
            relay.and_then(|relay| Uuid::try_parse(relay).ok()).ok_or(SsoRefusal::RelayStateNotFound)?;
        let mut tx = self.0.auth.0.pg.begin_system(Reason::Identify).await?;
        let rows = tx.query(sql::TAKE_RELAY, [relay.into()]).await?;
        let row = rows.first().ok_or(SsoRefusal::RelayStateNotFound)?;
        let (of, request): (Uuid, String) = (row.get("sso_provider_id")?, row.get("request_id")?);
        if of != provider.id || request != in_response_to {
            return Err(::saml::Error::OtherRequest.into());
        }
        let back_to: Option<String> = row.get("redirect_to")?;
        let url = self.allowed(provider, &[back_to.as_deref()]).text().to_owned();
        Ok(tx.commit(LogoutNext { url }).await?)
    }
}
