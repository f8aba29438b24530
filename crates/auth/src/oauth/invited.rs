//! Accepting an invitation by signing in through somebody else (`/authorize?invite_token=…`).
//!
//! Invariant: the token is spent once, by an identity of the address that was invited, and opens that account alone (attack
//! row 32). The token came by mail to that address, so it does not matter whether the provider vouches for it.

use base::Secret;
use pg::{Reason, SystemTx};

use super::OauthError;
use super::account::Settled;
use super::profile::Profile;
use super::provider::Provider;
use crate::events::{self, LinkHappening};
use crate::links::Purpose;
use crate::reclaim::ProvenBy;
use crate::{Auth, Error, Visit};

impl Auth {
    /// Refuses a token that invites nobody, before the browser is sent away. Looking spends nothing.
    pub(super) async fn require_invited(&self, token: &Secret<String>) -> Result<(), Error> {
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let found = self.look_at_link(&mut tx, token, &[Purpose::Invite]).await?;
        tx.commit(()).await?.into_inner();
        found.map(drop).ok_or(OauthError::Uninvited.into())
    }

    /// Spends the invitation and gives the invited account this identity. Of two at once, one finds nothing.
    pub(super) async fn settle_invited(
        &self,
        tx: &mut SystemTx,
        provider: &Provider,
        profile: &Profile,
        token: &Secret<String>,
        visit: &Visit,
    ) -> Result<Settled, Error> {
        self.lock_names(tx, &provider.id, profile).await?;
        let taken = match self.take_link(tx, token, &[Purpose::Invite]).await {
            Err(Error::LinkInvalid) => return Err(OauthError::InviteGone.into()),
            taken => taken?,
        };
        let user = self.user(tx, taken.user).await?;
        if user.email.as_ref() != Some(&taken.sent_to) {
            return Err(OauthError::InviteGone.into());
        }
        // Whatever is refused from here on leaves the token as it was: nothing is committed.
        if profile.email != user.email {
            return Err(OauthError::OtherInvited.into());
        }
        let owner = self.owner(tx, &provider.id, &profile.subject).await?;
        if owner.is_some_and(|owner| owner != user.id) {
            return Err(OauthError::Taken.into());
        }
        let by = match owner {
            Some(_) => ProvenBy::Identity { provider: &provider.id, subject: &profile.subject },
            None => ProvenBy::NewIdentity,
        };
        let (user, ended) = match user.is_doubtful() {
            true => self.reclaim(tx, &user, by, visit).await?,
            false => (user, Vec::new()),
        };
        let user = match owner {
            Some(_) => {
                self.renew(tx, &provider.id, profile, user.id).await?;
                user
            }
            None => self.attach(tx, user, &provider.id, profile, visit).await?,
        };
        let user = match user.email_confirmed_at {
            None => self.confirm(tx, &user, "email", visit).await?,
            Some(_) => user,
        };
        events::record_link(tx, self, visit, LinkHappening::InviteAccepted { user: user.id }).await?;
        Ok(Settled::In { user: Box::new(user), ended })
    }
}
