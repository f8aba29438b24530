//! An identity provider's answer: is it ours, is it new, whose is it, where does the browser go.

use ::saml::{Assertion, Expected, Peer};
use audit::Event;
use jiff::Timestamp;
use pg::{Reason, Reply, Row, SystemTx};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::mapping::lasting_name;
use super::{Mapping, Provider, Sso, SsoRefusal, sql};
use crate::accounts::{read_email, require_small, trigger};
use crate::events::{self, Happening};
use crate::hooks::{Asked, HookError, NewPerson};
use crate::session::{Grant, Opening, Way};
use crate::user::User;
use crate::{Error, Redirect, Visit};

/// What a browser brought.
pub struct Arrived<'a> {
    /// `SAMLResponse`.
    pub response: &'a str,
    /// `RelayState`.
    pub relay_state: &'a str,
    /// The browser's own cookie, where it could come along: another site's form brings none.
    pub browser: Option<&'a str>,
    /// Whether a browser brought it, and not a program.
    pub by_browser: bool,
}

/// What comes of an answer.
pub enum Taken {
    /// Somebody is signed in.
    Landed(Box<Landed>),
    /// The answer is good, and waits at this address for the browser it is for.
    Waits(String),
}

/// Where the browser goes.
pub struct Landed {
    /// With tokens in its fragment, or a code in its query.
    pub url: String,
    /// The session, unless the browser has only a code for it.
    pub grant: Option<Grant>,
}

/// Why nobody signed in.
pub struct Turned {
    /// Why.
    pub error: Error,
    /// Our own page, where the sign-in was begun there.
    pub page: Option<Redirect>,
}

/// A sign-in that was begun here.
pub(super) struct Begun {
    pub relay: Uuid,
    /// Whether a browser began it, without a verifier.
    by_browser: bool,
    /// The browser it belongs to, where there is one.
    pub browser: Option<Vec<u8>>,
    /// An answer that waits for that browser.
    pub parked: Option<Vec<u8>>,
    provider: Uuid,
    request_id: String,
    back_to: Option<String>,
    created_at: Option<Timestamp>,
    flow: Option<Uuid>,
}

impl Begun {
    fn read(row: Row<'_>) -> Result<Self, Error> {
        Ok(Begun {
            relay: row.get("id")?,
            by_browser: row.get("by_browser")?,
            browser: row.get("browser")?,
            parked: row.get("parked")?,
            provider: row.get("sso_provider_id")?,
            request_id: row.get("request_id")?,
            back_to: row.get("redirect_to")?,
            created_at: row.get("created_at")?,
            flow: row.get("flow_state_id")?,
        })
    }
}

impl Sso {
    /// Takes an answer. Whatever is refused is recorded; what was begun is spent either way, except by another browser.
    pub async fn accept(&self, arrived: Arrived<'_>, visit: &Visit) -> Result<Reply<Taken>, Turned> {
        self.require_on().map_err(|error| Turned { error, page: None })?;
        let (accepted, page) = match self.begun(&arrived).await {
            Ok(begun) => {
                let page = begun.as_ref().and_then(|begun| self.page_of(begun));
                (self.try_accept(begun, &arrived, visit).await, page)
            }
            Err(error) => (Err(error), None),
        };
        accepted.map_err(|error| self.turned(error, page, visit))
    }

    /// Lets the browser whose cookie is `browser` in with the answer that waits for it.
    pub async fn resume(&self, relay: Uuid, browser: &str, visit: &Visit) -> Result<Reply<Landed>, Turned> {
        self.require_on().map_err(|error| Turned { error, page: None })?;
        let resumed = async {
            let relay = relay.to_string();
            let arrived =
                Arrived { response: "", relay_state: &relay, browser: Some(browser), by_browser: true };
            let begun = self.begun(&arrived).await?;
            let begun = begun.ok_or(SsoRefusal::RelayStateNotFound)?;
            let response = self.parked(&begun)?;
            self.settle(Some(begun), &response, "", visit).await
        };
        resumed.await.map_err(|error| self.turned(error, None, visit))
    }

    fn turned(&self, error: Error, page: Option<Redirect>, visit: &Visit) -> Turned {
        events::refused(&self.0.auth, visit, Event::SsoRefused, &error, "");
        Turned { error, page }
    }

    /// Our own page, if a sign-in was begun there.
    fn page_of(&self, begun: &Begun) -> Option<Redirect> {
        let redirects = &self.0.auth.rules().redirects;
        redirects.allow(begun.back_to.as_deref()?).filter(|place| redirects.is_page(place))
    }

    async fn try_accept(
        &self,
        begun: Option<Begun>,
        arrived: &Arrived<'_>,
        visit: &Visit,
    ) -> Result<Reply<Taken>, Error> {
        match &begun {
            Some(begun) if begun.by_browser && arrived.browser.is_none() => {
                if let Err(refusal) = self.verified(Some(begun), arrived.response).await {
                    self.spend(begun.relay).await?;
                    return Err(refusal);
                }
                Ok(self.park(begun, arrived.response).await?.map(Taken::Waits))
            }
            Some(_) | None => {
                let landed = self.settle(begun, arrived.response, arrived.relay_state, visit).await?;
                Ok(landed.map(|landed| Taken::Landed(Box::new(landed))))
            }
        }
    }

    /// What an answer says, by a provider that may say it, to what was asked, now.
    async fn verified(
        &self,
        begun: Option<&Begun>,
        response: &str,
    ) -> Result<(Provider, Peer, Assertion), Error> {
        if let Some(begun) = begun
            && !self.0.auth.is_within(begun.created_at, self.0.relay_seconds)
        {
            return Err(SsoRefusal::RelayStateExpired.into());
        }
        let provider = match begun {
            Some(begun) => self.provider_of(begun).await?,
            None => self.unasked(response).await?,
        };
        let peer = self.peer_for(&provider, response)?;
        let expected = Expected {
            peer: &peer,
            sp: self.us().await?,
            request_id: begun.map(|begun| begun.request_id.as_str()),
            now: self.0.auth.0.clock.now(),
        };
        let said = ::saml::verify(response, &expected)?;
        Ok((provider, peer, said))
    }

    /// Signs in whom an answer names.
    async fn settle(
        &self,
        begun: Option<Begun>,
        response: &str,
        relay_state: &str,
        visit: &Visit,
    ) -> Result<Reply<Landed>, Error> {
        let (provider, peer, said) = self.verified(begun.as_ref(), response).await?;
        let asked = self.ask_about(&provider, &said, visit).await?;
        let mut tx = self.0.auth.0.pg.begin_system(Reason::Identify).await?;
        self.take_once(&mut tx, &provider, &said, &peer).await?;
        let user = self.account(&mut tx, &provider, &said, asked, visit).await?;
        match begun {
            Some(Begun { flow: Some(flow), back_to, .. }) => {
                self.land_with_code(tx, &provider, &said, user, flow, back_to.as_deref()).await
            }
            Some(Begun { back_to, .. }) => {
                let back_to = self.allowed(&provider, &[back_to.as_deref()]);
                self.land_with_tokens(tx, &provider, &said, user, back_to, visit).await
            }
            None => {
                let back_to = self.allowed(&provider, &[Some(relay_state)]);
                self.land_with_tokens(tx, &provider, &said, user, back_to, visit).await
            }
        }
    }

    /// What was begun under this name, if it is one of ours. It is spent by asking, unless it belongs to another browser, or
    /// waits for its own.
    async fn begun(&self, arrived: &Arrived<'_>) -> Result<Option<Begun>, Error> {
        let Ok(relay) = Uuid::try_parse(arrived.relay_state) else { return Ok(None) };
        let mut tx = self.0.auth.0.pg.begin_system(Reason::Identify).await?;
        let rows = tx.query(sql::RELAY_LOCKED, [relay.into()]).await?;
        let begun = rows.first().map(Begun::read).transpose()?.ok_or(SsoRefusal::RelayStateNotFound)?;
        let is_proven_later = begun.flow.is_some();
        match arrived.browser {
            _ if is_proven_later => {}
            // A program brings what it asked for itself; a browser never asked for that.
            _ if !begun.by_browser && arrived.by_browser => return Err(SsoRefusal::OtherBrowser.into()),
            _ if !begun.by_browser => {}
            Some(browser) if !begun.is_of(browser) => return Err(SsoRefusal::OtherBrowser.into()),
            Some(_) => {}
            // What was asked was told to no browser yet: nobody can have an answer to it.
            None if begun.browser.is_none() => return Err(SsoRefusal::OtherBrowser.into()),
            None if begun.parked.is_some() => return Err(SsoRefusal::RelayStateNotFound.into()),
            None => return Ok(tx.commit(Some(begun)).await?.into_inner()),
        }
        tx.execute(sql::TAKE_RELAY, [relay.into()]).await?;
        Ok(tx.commit(Some(begun)).await?.into_inner())
    }

    async fn spend(&self, relay: Uuid) -> Result<(), Error> {
        let mut tx = self.0.auth.0.pg.begin_system(Reason::Identify).await?;
        tx.execute(sql::TAKE_RELAY, [relay.into()]).await?;
        tx.commit(()).await?.into_inner();
        Ok(())
    }

    async fn provider_of(&self, begun: &Begun) -> Result<Provider, Error> {
        let mut tx = self.0.auth.0.pg.begin_system(Reason::Identify).await?;
        let provider = self.live(&mut tx, begun.provider).await?;
        Ok(tx.commit(provider).await?.into_inner())
    }

    /// The provider of an answer nobody asked for. Nothing is parsed where no provider may send any (control 35).
    async fn unasked(&self, response: &str) -> Result<Provider, Error> {
        let mut tx = self.0.auth.0.pg.begin_system(Reason::Identify).await?;
        if tx.query(sql::ANY_IDP_INITIATED, []).await?.is_empty() {
            return Err(SsoRefusal::IdpInitiated.into());
        }
        let issuer = ::saml::peek(response)?.issuer;
        let found =
            self.find(&mut tx, sql::PROVIDER_BY_ISSUER, issuer).await?.ok_or(SsoRefusal::IdpNotFound)?;
        if found.disabled {
            return Err(SsoRefusal::ProviderDisabled.into());
        }
        match found.allow_idp_initiated {
            true => Ok(tx.commit(found).await?.into_inner()),
            false => Err(SsoRefusal::IdpInitiated.into()),
        }
    }

    /// What is trusted; a provider that was given without a name has the one it says, until it is learnt for good.
    fn peer_for(&self, provider: &Provider, response: &str) -> Result<Peer, Error> {
        let peer = provider.peer()?;
        match provider.learns_issuer {
            true => Ok(Peer { entity_id: ::saml::peek(response)?.issuer, ..peer }),
            false => Ok(peer),
        }
    }

    /// An assertion is taken once, and a name that was not known is learnt from the first one that verified.
    async fn take_once(
        &self,
        tx: &mut SystemTx,
        provider: &Provider,
        said: &Assertion,
        peer: &Peer,
    ) -> Result<(), Error> {
        let now = self.0.auth.0.clock.now();
        tx.execute(sql::FORGET_ASSERTIONS, [now.into()]).await?;
        let row = [provider.id.into(), (&said.id).into(), said.usable_until.into()];
        if tx.execute(sql::TAKE_ASSERTION, row).await? == 0 {
            return Err(SsoRefusal::Replayed.into());
        }
        if provider.learns_issuer {
            let learnt = [provider.id.into(), (&said.issuer).into(), peer.to_metadata().into()];
            tx.execute(sql::LEARN_ISSUER, learnt).await?;
        }
        Ok(())
    }

    /// Asks the operator's own code about somebody who comes for the first time. `None`: they have an account.
    async fn ask_about(
        &self,
        provider: &Provider,
        said: &Assertion,
        visit: &Visit,
    ) -> Result<Option<Asked>, Error> {
        let auth = &self.0.auth;
        if let Some(nobody) = auth.nobody_to_ask() {
            return Ok(Some(nobody));
        }
        let (name, of) = (lasting_name(said).ok_or(SsoRefusal::NoUserId)?, provider.identity_provider());
        let mut tx = auth.0.pg.begin_system(Reason::Identify).await?;
        let known = tx.query(sql::IDENTITY, [(&name).into(), (&of).into()]).await?;
        if tx.commit(!known.is_empty()).await?.into_inner() {
            return Ok(None);
        }
        let mapping = Mapping::read(&provider.attribute_mapping);
        let email = mapping.email(said).and_then(|text| read_email(&text).ok()).ok_or(SsoRefusal::NoEmail)?;
        let claims = claims(&mapping, said, &name, &email);
        let person = NewPerson {
            email: Some(&email),
            provider: Some(&of),
            data: Some(&claims),
            ..NewPerson::default()
        };
        auth.before_user_created(&person, visit).await.map(Some)
    }

    /// The account that this provider owns for the person, made on first sight.
    async fn account(
        &self,
        tx: &mut SystemTx,
        provider: &Provider,
        said: &Assertion,
        asked: Option<Asked>,
        visit: &Visit,
    ) -> Result<User, Error> {
        let auth = &self.0.auth;
        let name = lasting_name(said).ok_or(SsoRefusal::NoUserId)?;
        let mapping = Mapping::read(&provider.attribute_mapping);
        let email = mapping.email(said).and_then(|text| read_email(&text).ok()).ok_or(SsoRefusal::NoEmail)?;
        self.require_own_domain(tx, provider, &email).await?;
        let claims = claims(&mapping, said, &name, &email);
        require_small(&claims)?;
        let (now, of) = (auth.0.clock.now(), provider.identity_provider());
        let known = tx.query(sql::IDENTITY, [(&name).into(), (&of).into()]).await?;
        let id = match known.first() {
            Some(row) => {
                let id: Uuid = row.get("user_id")?;
                let said = Value::Object(claims);
                let identity = [name.into(), of.into(), (&said).into(), now.into()];
                tx.execute(sql::UPDATE_IDENTITY, identity).await?;
                let user = [id.into(), email.into(), said.into(), now.into()];
                tx.execute(sql::UPDATE_USER, user).await.map_err(|error| trigger(error, "updating user"))?;
                id
            }
            None => {
                if !auth.rules().signup {
                    return Err(Error::SignupDisabled);
                }
                // It was there a moment ago, when nobody had to be asked.
                let _asked = asked.ok_or(HookError::TimeoutAfterRetry)?;
                let id = auth.0.rng.uuid();
                let app = json!({ "provider": &of, "providers": [&of] });
                let said = Value::Object(claims);
                let user = [
                    id.into(),
                    (&auth.rules().audience).into(),
                    (&auth.rules().default_role).into(),
                    email.into(),
                    now.into(),
                    app.into(),
                    (&said).into(),
                ];
                tx.execute(sql::INSERT_USER, user)
                    .await
                    .map_err(|error| trigger(error, "saving new user"))?;
                let identity =
                    [auth.0.rng.uuid().into(), name.into(), id.into(), said.into(), of.into(), now.into()];
                tx.execute(crate::sql::INSERT_IDENTITY, identity).await?;
                id
            }
        };
        let rows = tx.query(crate::sql::USER_BY_ID, [id.into()]).await?;
        let user = rows.first().map(User::read).transpose()?.ok_or(Error::UserGone)?;
        if known.is_empty() {
            auth.tell_of_account(tx, user.id, visit).await?;
            events::record(tx, auth, visit, Happening::Signup { user: &user }).await?;
        }
        Ok(user)
    }

    /// One company's provider must not speak for the addresses of another's.
    async fn require_own_domain(
        &self,
        tx: &mut SystemTx,
        provider: &Provider,
        email: &str,
    ) -> Result<(), Error> {
        let domain = email.rsplit('@').next().unwrap_or_default();
        let owner = tx.query(sql::DOMAIN_OWNER, [domain.into()]).await?;
        match owner.first().map(|row| row.get::<Uuid>("sso_provider_id")).transpose()? {
            Some(owner) if owner != provider.id => Err(SsoRefusal::ForeignDomain.into()),
            Some(_) | None => Ok(()),
        }
    }

    async fn land_with_code(
        &self,
        mut tx: SystemTx,
        provider: &Provider,
        said: &Assertion,
        user: User,
        flow: Uuid,
        back_to: Option<&str>,
    ) -> Result<Reply<Landed>, Error> {
        let auth = &self.0.auth;
        if user.is_banned(auth.0.clock.now()) {
            return Err(Error::Banned);
        }
        auth.returned_flow(&mut tx, flow).await?;
        let row = [
            flow.into(),
            provider.id.into(),
            (&said.name_id).into(),
            said.name_id_format.as_ref().into(),
            said.session_index.as_ref().into(),
            said.session_ends_at.into(),
            auth.0.clock.now().into(),
        ];
        tx.execute(sql::INSERT_ARRIVAL, row).await?;
        let code = auth.issue_code(&mut tx, flow, user.id, Way::Saml.name()).await?;
        let back_to = self.allowed(provider, &[back_to]);
        let url = back_to.with_query(&[("code", code.expose())]);
        Ok(tx.commit(Landed { url, grant: None }).await?)
    }

    async fn land_with_tokens(
        &self,
        mut tx: SystemTx,
        provider: &Provider,
        said: &Assertion,
        user: User,
        back_to: Redirect,
        visit: &Visit,
    ) -> Result<Reply<Landed>, Error> {
        let auth = &self.0.auth;
        let opening = Opening {
            not_after: said.session_ends_at,
            ..Opening::through(Way::Saml, &provider.identity_provider())
        };
        let opened = auth.open_session(&mut tx, user, opening, visit).await?;
        let row = [
            opened.session().into(),
            provider.id.into(),
            (&said.name_id).into(),
            said.name_id_format.as_ref().into(),
            said.session_index.as_ref().into(),
        ];
        tx.execute(sql::INSERT_SESSION, row).await?;
        Ok(auth
            .commit_session(tx, opened)
            .await?
            .map(|grant| Landed { url: back_to.with_session(&grant, &[]), grant: Some(grant) }))
    }
}

/// What is kept of what was said: GoTrue's names, and the mapped attributes below `custom_claims`.
fn claims(mapping: &Mapping, said: &Assertion, name: &str, email: &str) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("iss".into(), said.issuer.as_str().into());
    claims.insert("sub".into(), name.into());
    claims.insert("email".into(), email.into());
    claims.insert("email_verified".into(), true.into());
    claims.insert("phone_verified".into(), false.into());
    if let Some(name) = mapping.display_name(said) {
        claims.insert("name".into(), name.as_str().into());
        claims.insert("full_name".into(), name.into());
    }
    claims.insert("custom_claims".into(), Value::Object(mapping.claims(said)));
    claims
}

/// A code that is exchanged ends what an assertion began: the session ends when the provider's does.
pub(crate) async fn arrival_opening(
    tx: &mut SystemTx,
    flow: Uuid,
    opening: Opening,
) -> Result<(Opening, Option<Vec<pg::Param>>), Error> {
    if opening.way != Way::Saml {
        return Ok((opening, None));
    }
    let rows = tx.query(sql::TAKE_ARRIVAL, [flow.into()]).await?;
    let Some(row) = rows.first() else { return Ok((opening, None)) };
    let there: Vec<pg::Param> = vec![
        row.get::<Uuid>("sso_provider_id")?.into(),
        row.get::<String>("name_id")?.into(),
        row.get::<Option<String>>("name_id_format")?.into(),
        row.get::<Option<String>>("session_index")?.into(),
    ];
    Ok((Opening { not_after: row.get("ends_at")?, ..opening }, Some(there)))
}

/// Ties the session that was opened to the one at the provider.
pub(crate) async fn arrival_opened(
    tx: &mut SystemTx,
    session: Uuid,
    there: Option<Vec<pg::Param>>,
) -> Result<(), Error> {
    let Some(there) = there else { return Ok(()) };
    let row: Vec<pg::Param> = std::iter::once(session.into()).chain(there).collect();
    if let Ok(row) = <[pg::Param; 5]>::try_from(row) {
        tx.execute(sql::INSERT_SESSION, row).await?;
    }
    Ok(())
}
