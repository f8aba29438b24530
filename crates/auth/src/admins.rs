//! The first administrator, and every one after: by a one-time link that only whoever sits at the machine can make.
//!
//! Invariant: no request from outside makes an administrator without such a link (attack row 35). The link lives fifteen
//! minutes, works once, and the database knows only its hash.

use base::Secret;
use jiff::SignedDuration;
use pg::{Reason, Reply};
use seal::{random_token, sha256};
use serde_json::Map;
use uuid::Uuid;

use crate::accounts::{NewUser, read_email};
use crate::events::{self, Happening};
use crate::session::ids;
use crate::user::User;
use crate::{Auth, Error, Visit, sql};

/// Life of a link.
const LINK_MINUTES: i64 = 15;
/// The claim of administrators (control 47).
const ROLE: &str = "dashboard_admin";

impl Auth {
    /// Makes a link by which `email` becomes an administrator. It replaces earlier ones for the same address.
    pub async fn create_admin_link(
        &self,
        email: &str,
        visit: &Visit,
    ) -> Result<Reply<Secret<String>>, Error> {
        let email = read_email(email)?;
        let token = random_token(&self.0.rng);
        let now = self.0.clock.now();
        let until = now.checked_add(SignedDuration::from_mins(LINK_MINUTES)).unwrap_or(now);
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        tx.execute(sql::DROP_ADMIN_LINKS, [(&email).into(), now.into()]).await?;
        let hash = sha256(token.expose().as_bytes());
        tx.execute(sql::INSERT_ADMIN_LINK, [hash.into(), (&email).into(), now.into(), until.into()]).await?;
        events::record(&mut tx, self, visit, Happening::SetupLinkCreated { email: &email }).await?;
        Ok(tx.commit(token).await?)
    }

    /// Uses a link: the address is an administrator's from now on, with this password and no other session.
    pub async fn use_admin_link(
        &self,
        token: &str,
        password: &Secret<String>,
        visit: &Visit,
    ) -> Result<Reply<Uuid>, Error> {
        self.require_password(password).await?;
        let hash = self.0.hasher.hash(password).await?;
        let now = self.0.clock.now();
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let link = tx.query(sql::USE_ADMIN_LINK, [sha256(token.as_bytes()).into(), now.into()]).await?;
        let Some(link) = link.first() else {
            events::refused(self, visit, audit::Event::SetupLinkRefused, &Error::SetupLink, "");
            return Err(Error::SetupLink);
        };
        let email: String = link.get("email")?;
        let known = tx.query(sql::USER_BY_EMAIL, [(&email).into(), (&self.0.rules.audience).into()]).await?;
        let (user, ended) = match known.first().map(User::read).transpose()? {
            Some(mut user) => {
                let ended = ids(&tx.query(sql::END_SESSIONS_OF_USER, [user.id.into()]).await?)?;
                let before = std::mem::replace(&mut user.role, ROLE.to_owned());
                self.set_password(&mut tx, &mut user, hash).await?;
                user.email_confirmed_at = Some(user.email_confirmed_at.unwrap_or(now));
                let happening = Happening::AdminRole { user: user.id, before: &before, after: ROLE };
                events::record(&mut tx, self, visit, happening).await?;
                (self.save(&mut tx, &user).await?, ended)
            }
            None => {
                let new = NewUser {
                    id: self.0.rng.uuid(),
                    email: Some(email),
                    phone: None,
                    hash: Some(hash),
                    role: ROLE.to_owned(),
                    email_confirmed_at: Some(now),
                    phone_confirmed_at: None,
                    app_metadata: Map::new(),
                    user_metadata: Map::new(),
                    banned_until: None,
                };
                (self.insert_user(&mut tx, new).await?, Vec::new())
            }
        };
        events::record(&mut tx, self, visit, Happening::SetupLinkUsed { user: user.id }).await?;
        events::record(&mut tx, self, visit, Happening::AdministratorMade { user: user.id }).await?;
        self.commit_ended(tx, ended, user.id).await
    }
}
