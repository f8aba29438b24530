//! What people do with the identities of their own account, and what an identity asks them by page or by mail.

use base::SignedIn;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use mail::Template;
use pg::{Param, Reason, Reply, SystemTx};
use serde_json::{Map, json};
use uuid::Uuid;

use super::account::Settled;
use super::begin::browser_hash;
use super::callback::{Landing, Link, Outcome};
use super::profile::Profile;
use super::provider::Provider;
use super::{OauthError, sql as own};
use crate::events::{self, Happening, Outside};
use crate::post::Warning;
use crate::session::{Opening, Way, ids};
use crate::user::User;
use crate::{Auth, Error, Visit, sql};

/// What the page that asks shows.
pub struct Question {
    /// The provider.
    pub provider: String,
    /// Who the identity says somebody is there.
    pub name: String,
    /// The account's address or id.
    pub account: String,
}

/// What is left would be known by an address that somebody else has.
fn conflict(error: pg::Error) -> Error {
    match error.database().map(|database| &*database.sqlstate) {
        Some("23505") => OauthError::EmailConflict.into(),
        Some(_) | None => error.into(),
    }
}

impl Auth {
    /// Removes a way into one's own account; every other session ends, since it may have come that way.
    pub async fn unlink_identity(
        &self,
        person: &SignedIn,
        identity: Uuid,
        visit: &Visit,
    ) -> Result<Reply<()>, Error> {
        if !self.0.outside.manual_linking {
            return Err(OauthError::LinkingOff.into());
        }
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let user = self.user(&mut tx, person.user).await?;
        self.require_fresh(user.has_factor(), visit)?;
        let found = user.identities.iter().find(|known| known.identity_id == identity);
        let found = found.ok_or(OauthError::NoIdentity)?.clone();
        let others: Vec<_> = user.identities.iter().filter(|known| known.identity_id != identity).collect();
        if others.is_empty() {
            return Err(OauthError::LastIdentity.into());
        }
        tx.execute(own::DELETE_IDENTITY, [identity.into(), user.id.into()]).await?;
        let now = self.0.clock.now();
        let is_password = found.provider == "email";
        let still = others.iter().any(|known| known.email.is_some() && known.email == user.email);
        if is_password || (found.email.is_some() && found.email == user.email && !still) {
            // Another provider's word: what stands at the account's own identity was said by its person.
            let vouched = |known: &&&crate::user::Identity| {
                known.email.is_some()
                    && !["email", "phone"].contains(&known.provider.as_str())
                    && known.identity_data.get("email_verified").is_some_and(|is| is == true)
            };
            let next = match still {
                true => user.email.clone(),
                false => others.iter().find(vouched).and_then(|known| known.email.clone()),
            };
            let confirmed = next.as_ref().map(|_| now);
            let row: [Param; 5] =
                [user.id.into(), next.into(), confirmed.into(), is_password.into(), now.into()];
            tx.execute(own::SET_EMAIL, row).await.map_err(conflict)?;
        }
        tx.execute(own::SET_PROVIDERS, [user.id.into(), now.into()]).await?;
        let happening =
            Happening::Outside(Outside::IdentityUnlinked { user: user.id, provider: &found.provider });
        events::record(&mut tx, self, visit, happening).await?;
        self.notify(&mut tx, &user, Warning::IdentityUnlinked(&found.provider), visit).await?;
        let ended = ids(&tx.query(sql::END_OTHER_SESSIONS, [user.id.into(), person.session.into()]).await?)?;
        self.commit_ended(tx, ended, ()).await
    }

    /// What the page asks, in the browser that the flow is bound to, or of whoever has the mail's token. Looking spends nothing.
    pub async fn link_question(&self, flow: Uuid, browser: &str) -> Result<Reply<Question>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let hash = browser_hash(browser);
        let row: [Param; 3] = [flow.into(), hash.as_slice().into(), self.oldest_link().into()];
        let rows = tx.query(own::SEE_OAUTH_RESULT, row).await?;
        let sealed: Vec<u8> = rows.first().ok_or(OauthError::LinkGone)?.get("result")?;
        let link = self.open_flow::<Outcome>(flow, "result", &sealed)?.link.ok_or(OauthError::LinkGone)?;
        let user = self.user(&mut tx, link.user).await?;
        let question = Question {
            name: link.name(),
            provider: link.provider,
            account: user.email.unwrap_or_else(|| user.id.to_string()),
        };
        Ok(tx.commit(question).await?)
    }

    /// The person said yes on the page: links, and signs the browser in as the account.
    pub async fn link_confirmed(
        &self,
        flow: Uuid,
        browser: &str,
        visit: &Visit,
    ) -> Result<Reply<Landing>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let hash = browser_hash(browser);
        let row: [Param; 3] = [flow.into(), hash.as_slice().into(), self.oldest_link().into()];
        let rows = tx.query(own::TAKE_OAUTH_RESULT, row).await?;
        let sealed: Vec<u8> = rows.first().ok_or(OauthError::LinkGone)?.get("result")?;
        let outcome: Outcome = self.open_flow(flow, "result", &sealed)?;
        let link = outcome.link.ok_or(OauthError::LinkGone)?;
        let (user, ended) = self.join_identity(&mut tx, &link, visit).await?;
        let opening = Opening::through(Way::Oauth, &link.provider);
        let mut opened = self.open_session(&mut tx, user, opening, visit).await?;
        opened.also_ended(ended);
        opened.provider_tokens = outcome.provider_token.map(|token| (token, outcome.provider_refresh_token));
        let back_to = self.back_to(link.back_to.as_deref());
        let grant = self.commit_session(tx, opened).await?;
        Ok(grant.map(|grant| Landing::Session { back_to, grant: Box::new(grant) }))
    }

    /// An address that the provider does not vouch for: whoever reads the mail there may say yes. For an account that is
    /// there already, the identity is linked; for one that waits for its confirmation, it is confirmed.
    pub(super) async fn ask_by_mail(
        &self,
        tx: &mut SystemTx,
        provider: &Provider,
        profile: &Profile,
        user: &User,
        visit: &Visit,
    ) -> Result<Settled, Error> {
        if !self.0.rules.can_mail {
            return Err(Error::NoMail);
        }
        let mailed_to = user.email.clone();
        let link = Link { by_mail: true, mailed_to, ..Link::new(provider, profile, user.id) };
        let (id, token) = (self.0.rng.uuid(), URL_SAFE_NO_PAD.encode(self.0.rng.bytes::<32>()));
        let outcome =
            Outcome { provider_token: None, provider_refresh_token: None, link: Some(link.clone()) };
        let sealed = self.seal_flow(id, "result", &outcome)?;
        let hash = browser_hash(&token);
        let now = self.0.clock.now();
        let row: [Param; 5] =
            [id.into(), hash.as_slice().into(), Param::NULL, sealed.as_slice().into(), now.into()];
        tx.execute(own::INSERT_OAUTH_FLOW, row).await?;
        let url = format!("{}/callback/confirm?flow={id}&token={token}", self.0.rules.auth_url());
        self.mail_identity(tx, user, &link, &url, visit).await?;
        Ok(Settled::Unverified)
    }

    /// The mail that asks, to the address that is to be proven.
    async fn mail_identity(
        &self,
        tx: &mut SystemTx,
        user: &User,
        link: &Link,
        url: &str,
        visit: &Visit,
    ) -> Result<(), Error> {
        let to = user.email.as_ref().ok_or(OauthError::NoEmail)?;
        let values = Map::from_iter([
            ("Provider".to_owned(), json!(link.provider)),
            ("Name".to_owned(), json!(link.name())),
            ("ConfirmationURL".to_owned(), json!(url)),
            ("Minutes".to_owned(), json!(self.0.rules.link_seconds / 60)),
        ]);
        self.write_to(tx, user, to, Template::IdentityConfirm, values, None, visit).await
    }

    /// A link that waits is as good as one in a mail.
    fn oldest_link(&self) -> Timestamp {
        let life = SignedDuration::from_secs(self.0.rules.link_seconds);
        self.0.clock.now().checked_sub(life).unwrap_or(Timestamp::MIN)
    }
}
