//! The browser is back: the state is taken, the code exchanged, the person found, linked or made.
//!
//! Invariant: a state is taken once, by the browser it is bound to, before anything is sent to the provider; what the
//! provider says is settled in one transaction (attack rows 8, 28).

use base::Secret;
use jiff::Timestamp;
use pg::{Param, Reason, Reply};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::account::Settled;
use super::begin::{Pending, browser_hash};
use super::exchange::Tokens;
use super::profile::Profile;
use super::provider::Provider;
use super::{OauthError, sql};
use crate::flow::{Flow, Redirect};
use crate::session::{Grant, Opening, Way};
use crate::user::User;
use crate::{Auth, Error, Visit};

/// What came back with the browser.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Returned {
    /// The flow.
    pub state: String,
    /// The code, when it went well.
    pub code: Option<String>,
    /// The error, when it did not.
    pub error: Option<String>,
    /// More about it.
    pub error_description: Option<String>,
    /// Who answers (RFC 9207).
    pub iss: Option<String>,
    /// Apple's word about the name, at the first time only.
    pub user: Option<String>,
}

/// Where the browser goes from here.
pub enum Landing {
    /// Back to the application with a code.
    Code {
        /// Where.
        back_to: Redirect,
        /// The code.
        code: Secret<String>,
    },
    /// Back to the application with a session.
    Session {
        /// Where.
        back_to: Redirect,
        /// The session.
        grant: Box<Grant>,
    },
    /// Back to the application with an error.
    Refused {
        /// Where.
        back_to: Redirect,
        /// Why.
        error: Error,
    },
    /// To the page that asks whether this identity shall be linked.
    Ask {
        /// The flow.
        flow: Uuid,
    },
}

/// Who came back to sign in, and the invitation they brought.
struct Arrived<'a> {
    provider: &'a Provider,
    profile: &'a Profile,
    invite: Option<Secret<String>>,
}

/// What waits for the exchange of a code, or for a yes on the page that asks.
#[derive(Serialize, Deserialize)]
pub(super) struct Outcome {
    pub provider_token: Option<String>,
    pub provider_refresh_token: Option<String>,
    pub link: Option<Link>,
}

/// What waited for a code.
pub(crate) struct Waited {
    /// Whose session begins.
    pub user: User,
    /// Sessions of theirs that end.
    pub ended: Vec<Uuid>,
    /// The provider's tokens, given once.
    pub tokens: Option<(String, Option<String>)>,
}

/// An identity to link.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Link {
    pub provider: String,
    pub subject: String,
    pub email: Option<String>,
    pub verified: bool,
    pub said: serde_json::Map<String, serde_json::Value>,
    pub user: Uuid,
    /// The session that asked, which must still live.
    pub session: Option<Uuid>,
    /// Whether it is the account's own mailbox that says yes.
    pub by_mail: bool,
    /// Where the mail that asks went: what was said there counts while that is the account's address.
    #[serde(default)]
    pub mailed_to: Option<String>,
    pub back_to: Option<String>,
}

impl Link {
    /// Of what a provider said, to an account.
    pub fn new(provider: &Provider, profile: &Profile, user: Uuid) -> Self {
        Link {
            provider: provider.id.clone(),
            subject: profile.subject.clone(),
            email: profile.email.clone(),
            verified: profile.verified,
            said: profile.said.clone(),
            user,
            session: None,
            by_mail: false,
            mailed_to: None,
            back_to: None,
        }
    }

    /// What people call it there.
    pub fn name(&self) -> String {
        let said =
            self.said.get("user_name").or_else(|| self.said.get("name")).and_then(|name| name.as_str());
        said.map(str::to_owned).or_else(|| self.email.clone()).unwrap_or_else(|| self.subject.clone())
    }

    pub fn profile(&self) -> Profile {
        Profile {
            subject: self.subject.clone(),
            email: self.email.clone(),
            verified: self.verified,
            said: self.said.clone(),
        }
    }
}

impl Auth {
    /// Keeps what a provider posted until the browser comes by itself: another site's form brings no cookie.
    pub async fn oauth_park(&self, returned: &Returned) -> Result<Reply<Uuid>, Error> {
        let flow = read_state(&returned.state)?;
        let parked = self.seal_flow(flow, "parked", returned)?;
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        match tx.execute(sql::PARK_OAUTH_FLOW, [flow.into(), parked.as_slice().into()]).await? {
            1 => Ok(tx.commit(flow).await?),
            _ => Err(OauthError::State.into()),
        }
    }

    /// Settles a flow for the browser whose cookie is `browser`.
    pub async fn oauth_return(
        &self,
        returned: Returned,
        browser: &str,
        visit: &Visit,
    ) -> Result<Reply<Landing>, Error> {
        let id = read_state(&returned.state)?;
        let (flow, pending, returned) = match self.take_return(id, returned, browser).await {
            Ok(taken) => taken,
            Err(error) => {
                crate::events::refused(self, visit, audit::Event::LoginFailed, &error, "");
                return Err(error);
            }
        };
        let back_to = self.back_to(flow.back_to.as_deref());
        match self.settle_return(id, &flow, &pending, &returned, visit).await {
            Ok(landing) => Ok(landing),
            // Also when it is ours to mend: the browser has left its application, and only a redirect brings it back.
            Err(error) => {
                crate::events::refused(self, visit, audit::Event::LoginFailed, &error, "");
                Ok(Reply::untouched(Landing::Refused { back_to, error }, "nobody was signed in"))
            }
        }
    }

    /// Takes the state: once, in the browser it belongs to, while it is young.
    async fn take_return(
        &self,
        id: Uuid,
        returned: Returned,
        browser: &str,
    ) -> Result<(Flow, Pending, Returned), Error> {
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let key: [Param; 2] = [id.into(), browser_hash(browser).as_slice().into()];
        let rows = tx.query(sql::TAKE_OAUTH_FLOW, key.clone()).await?;
        let Some(row) = rows.first() else {
            let stands = tx.query(sql::OAUTH_FLOW_STANDS, key).await?;
            let Some(stands) = stands.first() else { return Err(OauthError::State.into()) };
            let ours = stands.get::<Option<bool>>("same")? == Some(true);
            return match ours && stands.get::<bool>("used")? {
                true => Err(OauthError::StateUsed.into()),
                false => Err(OauthError::State.into()),
            };
        };
        let (sealed, parked) = (row.get::<Vec<u8>>("sealed")?, row.get::<Option<Vec<u8>>>("parked")?);
        let flow = self.returned_flow(&mut tx, id).await;
        tx.commit(()).await?.into_inner();
        let flow = flow.map_err(|_| OauthError::StateExpired)?;
        let returned = match parked {
            Some(parked) => self.open_flow(id, "parked", &parked)?,
            None => returned,
        };
        Ok((flow, self.open_pending(id, &sealed)?, returned))
    }

    /// Where a flow goes in the end, if that is still allowed.
    pub(super) fn back_to(&self, kept: Option<&str>) -> Redirect {
        let redirects = &self.0.rules.redirects;
        kept.and_then(|text| redirects.allow(text)).unwrap_or_else(|| redirects.site().clone())
    }

    async fn settle_return(
        &self,
        id: Uuid,
        flow: &Flow,
        pending: &Pending,
        returned: &Returned,
        visit: &Visit,
    ) -> Result<Reply<Landing>, Error> {
        let provider = match self.provider(&pending.provider).await {
            // It was on when the browser left.
            Err(Error::Oauth(OauthError::Provider(_))) => return Err(OauthError::ProviderGone.into()),
            found => found?,
        };
        self.require_same_provider(&provider, returned).await?;
        if let Some(error) = &returned.error {
            let said = returned.error_description.as_deref().unwrap_or(error);
            return Err(OauthError::Denied(plain(said)).into());
        }
        let code = returned.code.as_deref().filter(|code| !code.is_empty()).ok_or(OauthError::NoState)?;
        let tokens = self.exchange(&provider, pending, code).await?;
        let profile = self.profile(&provider, pending, &tokens, returned).await?;
        match pending.link {
            Some((user, session)) => {
                self.land_link(id, flow, &provider, &profile, tokens, (user, session)).await
            }
            None => {
                let invite = pending.invite.clone().map(Secret::new);
                let arrived = Arrived { provider: &provider, profile: &profile, invite };
                self.land_sign_in(id, flow, arrived, tokens, visit).await
            }
        }
    }

    /// The answer names who it is from, where that is known to be named (RFC 9207: mix-up).
    async fn require_same_provider(&self, provider: &Provider, returned: &Returned) -> Result<(), Error> {
        let expected = match provider.shape {
            super::provider::Shape::Oidc => Some(self.document(provider).await?),
            _ => None,
        };
        let is_right = match (&returned.iss, &expected) {
            (Some(said), Some(known)) => *said == known.document.issuer,
            (None, Some(known)) => !known.document.authorization_response_iss_parameter_supported,
            // GitHub and others began to name themselves; what they say must be at their own place.
            (Some(said), None) => is_at(&provider.endpoints.authorize, said),
            (None, None) => true,
        };
        match is_right {
            true => Ok(()),
            false => Err(OauthError::MixUp.into()),
        }
    }

    async fn land_sign_in(
        &self,
        id: Uuid,
        flow: &Flow,
        arrived: Arrived<'_>,
        tokens: Tokens,
        visit: &Visit,
    ) -> Result<Reply<Landing>, Error> {
        let Arrived { provider, profile, invite } = arrived;
        // Whoever was invited has an account already.
        let asked = match &invite {
            Some(_) => None,
            None => self.ask_about_profile(provider, profile, visit).await?,
        };
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let back_to = self.back_to(flow.back_to.as_deref());
        let settled = match &invite {
            Some(token) => self.settle_invited(&mut tx, provider, profile, token, visit).await?,
            None => self.settle(&mut tx, provider, profile, asked, visit).await?,
        };
        let (user, ended) = match settled {
            Settled::In { user, ended } => (*user, ended),
            Settled::Unverified => {
                let error = OauthError::Unverified(provider.id.clone()).into();
                return Ok(tx.commit(Landing::Refused { back_to, error }).await?);
            }
        };
        if user.is_banned(self.0.clock.now()) {
            return Err(Error::Banned);
        }
        if flow.challenge.is_some() {
            let outcome = Outcome {
                provider_token: Some(tokens.access_token),
                provider_refresh_token: tokens.refresh_token,
                link: None,
            };
            let code = self.issue_code(&mut tx, id, user.id, Way::Oauth.name()).await?;
            let sealed = self.seal_flow(id, "result", &outcome)?;
            tx.execute(sql::KEEP_OAUTH_RESULT, [id.into(), sealed.as_slice().into()]).await?;
            return self.commit_ended(tx, ended, Landing::Code { back_to, code }).await;
        }
        let opening = Opening::through(Way::Oauth, &provider.id);
        let mut opened = self.open_session(&mut tx, user, opening, visit).await?;
        opened.also_ended(ended);
        opened.provider_tokens = Some((tokens.access_token, tokens.refresh_token));
        let grant = self.commit_session(tx, opened).await?;
        Ok(grant.map(|grant| Landing::Session { back_to, grant: Box::new(grant) }))
    }

    /// A link is made when the application that began the flow exchanges the code: it alone has the verifier. Without one,
    /// the person is asked on a page of ours.
    async fn land_link(
        &self,
        id: Uuid,
        flow: &Flow,
        provider: &Provider,
        profile: &Profile,
        tokens: Tokens,
        (user, session): (Uuid, Option<Uuid>),
    ) -> Result<Reply<Landing>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        self.require_free(&mut tx, provider, profile, user).await?;
        let outcome = Outcome {
            provider_token: Some(tokens.access_token),
            provider_refresh_token: tokens.refresh_token,
            link: Some(Link { session, back_to: flow.back_to.clone(), ..Link::new(provider, profile, user) }),
        };
        let sealed = self.seal_flow(id, "result", &outcome)?;
        tx.execute(sql::KEEP_OAUTH_RESULT, [id.into(), sealed.as_slice().into()]).await?;
        if flow.challenge.is_none() {
            return Ok(tx.commit(Landing::Ask { flow: id }).await?);
        }
        let code = self.issue_code(&mut tx, id, user, Way::Oauth.name()).await?;
        let back_to = self.back_to(flow.back_to.as_deref());
        Ok(tx.commit(Landing::Code { back_to, code }).await?)
    }

    /// What waited for the code of `flow`: links what is to be linked, and returns the provider's tokens.
    pub(crate) async fn take_outcome(
        &self,
        tx: &mut pg::SystemTx,
        flow: Uuid,
        user: User,
        visit: &Visit,
    ) -> Result<Waited, Error> {
        let row: [Param; 3] = [flow.into(), Param::NULL, Timestamp::UNIX_EPOCH.into()];
        let rows = tx.query(sql::TAKE_OAUTH_RESULT, row).await?;
        let Some(row) = rows.first() else {
            return Ok(Waited { user, ended: Vec::new(), tokens: None });
        };
        let outcome: Outcome = self.open_flow(flow, "result", &row.get::<Vec<u8>>("result")?)?;
        let (user, ended) = match &outcome.link {
            Some(link) => self.join_identity(tx, link, visit).await?,
            None => (user, Vec::new()),
        };
        let tokens = outcome.provider_token.map(|token| (token, outcome.provider_refresh_token));
        Ok(Waited { user, ended, tokens })
    }
}

fn read_state(text: &str) -> Result<Uuid, OauthError> {
    if text.is_empty() {
        return Err(OauthError::NoState);
    }
    Uuid::try_parse(text).map_err(|_| OauthError::State)
}

/// A provider's words, as far as they go into an address of ours.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(300).collect()
}

/// Whether an address is a place of whoever calls themselves `issuer`: of the same origin, at or below its path.
fn is_at(address: &str, issuer: &str) -> bool {
    let (Ok(address), Ok(issuer)) = (url::Url::parse(address), url::Url::parse(issuer)) else { return false };
    let below = address.path().strip_prefix(issuer.path().trim_end_matches('/'));
    address.origin() == issuer.origin() && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_at_its_own_place_only() {
        let github = "https://github.com/login/oauth/authorize";
        for issuer in ["https://github.com", "https://github.com/", "https://github.com/login/oauth"] {
            assert!(is_at(github, issuer), "{issuer}");
        }
        for issuer in
            ["", "https:", "https://git", "https://github.co", "https://github.com/log", "http://github.com"]
        {
            assert!(!is_at(github, issuer), "{issuer}");
        }
    }
}
