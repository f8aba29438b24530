//! Accounts without an address: made with nothing, ordinary ones from the first address or identity on, see
//! `0032_anonymous.sql` (wire/gotrue.md 2.10).
//!
//! Invariant: an account that anybody can make without a proof is marked as one in every token. Its role is the ordinary
//! one: policies decide what it may see.

use audit::Event;
use pg::{Reason, Reply};
use serde_json::{Map, Value};

use super::require_small;
use crate::events;
use crate::hooks::NewPerson;
use crate::session::{Grant, Opening, Way};
use crate::user::User;
use crate::{Auth, Error, Visit, sql};

impl Auth {
    /// Makes an account for somebody who says nothing of themselves, and signs them in.
    pub async fn sign_up_anonymously(
        &self,
        data: Map<String, Value>,
        visit: &Visit,
    ) -> Result<Reply<Grant>, Error> {
        let rules = &self.0.rules;
        if !rules.signup {
            return Err(Error::SignupDisabled);
        }
        if !rules.anonymous {
            return Err(Error::disabled("anonymous_provider_disabled", "Anonymous sign-ins are disabled"));
        }
        require_small(&data)?;
        let (id, now) = (self.0.rng.uuid(), self.0.clock.now());
        let person = NewPerson { id: Some(id), data: Some(&data), ..NewPerson::default() };
        let _asked = self.before_user_created(&person, visit).await?;
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let row = [
            id.into(),
            (&rules.audience).into(),
            (&rules.default_role).into(),
            Value::Object(data).into(),
            now.into(),
        ];
        tx.execute(sql::INSERT_ANONYMOUS, row)
            .await
            .map_err(|error| super::trigger(error, "saving new user"))?;
        self.tell_of_account(&mut tx, id, visit).await?;
        let rows = tx.query(sql::USER_BY_ID, [id.into()]).await?;
        let user = rows.first().map(User::read).transpose()?.ok_or(Error::UserGone)?;
        events::record_of(&mut tx, self, visit, (Event::AnonymousSignup, user.id), None).await?;
        let opened = self.open_session(&mut tx, user, Opening::by(Way::Anonymous), visit).await?;
        self.commit_session(tx, opened).await
    }
}
