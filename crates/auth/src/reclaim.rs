//! Somebody proves an address for the first time: whatever was set up under it before may be a stranger's, and goes.
//!
//! Invariant: there is one list of what is forgotten, whichever way the proof came (a link, a code, an outside identity),
//! and a test walks every table that hangs on an account (attack row 4).

use pg::{Param, SystemTx};
use serde_json::json;
use uuid::Uuid;

use crate::accounts::trigger;
use crate::events::{self, Happening, Outside};
use crate::session::ids;
use crate::user::User;
use crate::{Auth, Error, Visit, sql};

/// How an address was proven.
#[derive(Clone, Copy)]
pub(crate) enum ProvenBy<'a> {
    /// By a link or code that was sent to it: `email` or `phone`.
    Message {
        /// Which of the two.
        what: &'static str,
        /// The flow that the link belongs to and that goes on.
        flow: Option<Uuid>,
        /// Whether it was the confirmation of a sign-up: the password that it came with is what is being confirmed.
        own_sign_up: bool,
    },
    /// By the word of an outside provider about one of the account's identities.
    Identity {
        /// The provider.
        provider: &'a str,
        /// Its name for the person.
        subject: &'a str,
    },
    /// By the word of an outside provider about an identity that is not the account's yet.
    NewIdentity,
}

impl ProvenBy<'_> {
    /// `email` or `phone`. A provider's word is about an address.
    const fn what(self) -> &'static str {
        match self {
            ProvenBy::Message { what, .. } => what,
            ProvenBy::Identity { .. } | ProvenBy::NewIdentity => "email",
        }
    }

    const fn own_sign_up(self) -> bool {
        matches!(self, ProvenBy::Message { own_sign_up: true, .. })
    }
}

impl Auth {
    /// Gives an account whose address nobody had proven to whoever proves it now. Of whoever made it nothing stays: no
    /// password, identity, factor, passkey, recovery code, session, consent, pending change, code or flow.
    pub(crate) async fn reclaim(
        &self,
        tx: &mut SystemTx,
        user: &User,
        by: ProvenBy<'_>,
        visit: &Visit,
    ) -> Result<(User, Vec<Uuid>), Error> {
        let (id, now) = (user.id, self.0.clock.now());
        let (provider, subject) = match by {
            ProvenBy::Message { what, .. } => (what, ""),
            ProvenBy::Identity { provider, subject } => (provider, subject),
            ProvenBy::NewIdentity => ("", ""),
        };
        let flow = match by {
            ProvenBy::Message { flow, .. } => flow,
            ProvenBy::Identity { .. } | ProvenBy::NewIdentity => None,
        };
        let pruned = [id.into(), provider.into(), subject.into(), flow.into()];
        let rows = tx.query(sql::reclaim::FORGET, pruned).await?;
        let removed: i64 = rows.first().map(|row| row.get("removed")).transpose()?.unwrap_or_default();
        if matches!(by, ProvenBy::Message { .. }) {
            self.keep_own_identity(tx, user, by).await?;
        }
        let row: [Param; 4] = [id.into(), by.what().into(), by.own_sign_up().into(), now.into()];
        tx.execute(sql::reclaim::RECLAIM_USER, row).await.map_err(|error| trigger(error, "updating user"))?;
        tx.execute(crate::oauth::SET_PROVIDERS, [id.into(), now.into()]).await?;
        let ended = ids(&tx.query(sql::END_SESSIONS_OF_USER, [id.into()]).await?)?;
        let password = user.password_hash.is_some() && !by.own_sign_up();
        if removed > 0
            || password
            || !ended.is_empty()
            || user.new_email.is_some()
            || user.new_phone.is_some()
        {
            let happening = Outside::AccountReclaimed { user: id, sessions_ended: ended.len() };
            events::record(tx, self, visit, Happening::Outside(happening)).await?;
        }
        let rows = tx.query(sql::USER_BY_ID_LOCKED, [id.into()]).await?;
        let user = rows.first().map(User::read).transpose()?.ok_or(Error::UserGone)?;
        Ok((self.confirm(tx, &user, by.what(), visit).await?, ended))
    }

    /// The identity that stands for the address itself: with nothing that a stranger said in it, and made where an outside
    /// identity was all there was.
    async fn keep_own_identity(&self, tx: &mut SystemTx, user: &User, by: ProvenBy<'_>) -> Result<(), Error> {
        let now = self.0.clock.now();
        let address = match by.what() {
            "email" => ("email", user.email.as_deref()),
            _ => ("phone", user.phone.as_deref()),
        };
        let said =
            json!({ "sub": user.id, address.0: address.1, "email_verified": false, "phone_verified": false });
        if !by.own_sign_up() {
            let row = [user.id.into(), by.what().into(), (&said).into(), now.into()];
            tx.execute(sql::reclaim::RESET_IDENTITY, row).await?;
        }
        let row: [Param; 6] = [
            self.0.rng.uuid().into(),
            user.id.to_string().into(),
            user.id.into(),
            said.into(),
            by.what().into(),
            now.into(),
        ];
        tx.execute(sql::links::INSERT_IDENTITY_IF_NEW, row).await?;
        Ok(())
    }
}
