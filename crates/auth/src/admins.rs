//! The first administrator, and every one after: by a one-time link that only whoever sits at the machine can make.
//!
//! Invariant: no request from outside makes an administrator without such a link (attack row 35). The link lives fifteen
//! minutes, works once, and the database knows only its hash. And no administrator is without a second factor (control
//! 25): the link's holder shows a code of it before anything is made.

use base::Secret;
use jiff::SignedDuration;
use pg::{Reason, Reply, SystemTx};
use seal::{random_token, sha256};
use serde_json::Map;
use uuid::Uuid;

use crate::accounts::{NewUser, read_email};
use crate::events::{self, Happening};
use crate::hooks::Asked;
use crate::mfa::{self, RecoveryCodes, TotpSecret, totp};
use crate::reclaim::ProvenBy;
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
        let (factor, secret) = (self.0.rng.uuid(), totp::new_secret(&self.0.rng));
        let secret = mfa::seal(&self.0.root, secret.expose(), &secret_place(factor))?;
        let row = [hash.into(), (&email).into(), now.into(), until.into(), factor.into(), secret.into()];
        tx.execute(sql::INSERT_ADMIN_LINK, row).await?;
        events::record(&mut tx, self, visit, Happening::SetupLinkCreated { email: &email }).await?;
        Ok(tx.commit(token).await?)
    }

    /// What a link's holder needs to see: whom it makes an administrator, and the secret for their authenticator app.
    /// Looking spends nothing.
    pub async fn look_at_admin_link(&self, token: &str) -> Result<Reply<AdminSetup>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let link = self.find_link(&mut tx, token).await?.ok_or(Error::SetupLink)?;
        let totp = mfa::totp_secret(link.secret, &self.0.rules.mfa.issuer, &link.email)?;
        Ok(tx.commit(AdminSetup { email: link.email, totp }).await?)
    }

    /// Uses a link: the address is an administrator's from now on, with this password, the link's factor and no other
    /// one, and no other session. Gives their recovery codes. A wrong code leaves the link, a few times.
    pub async fn use_admin_link(
        &self,
        token: &str,
        password: &Secret<String>,
        code: &Secret<String>,
        visit: &Visit,
    ) -> Result<Reply<RecoveryCodes>, Error> {
        self.require_password(password).await?;
        let hash = self.0.hasher.hash(password).await?;
        let now = self.0.clock.now();
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let Some(link) = self.find_link(&mut tx, token).await? else {
            events::refused(self, visit, audit::Event::SetupLinkRefused, &Error::SetupLink, "");
            return Err(Error::SetupLink);
        };
        let digest = sha256(token.as_bytes());
        let Some(step) = totp::step_of(link.secret.expose(), code.expose(), now.as_second()) else {
            tx.execute(sql::MISS_ADMIN_LINK, [digest.into()]).await?;
            tx.commit(()).await?.into_inner();
            let error = Error::from(mfa::Error::WrongCode(mfa::FactorType::Totp));
            events::refused(self, visit, audit::Event::SetupLinkRefused, &error, &link.email);
            return Err(error);
        };
        tx.execute(sql::USE_ADMIN_LINK, [digest.into(), now.into()]).await?;
        let (user, ended) = self.make_administrator(&mut tx, link.email, hash, visit).await?;
        self.insert_verified_totp(&mut tx, user.id, link.factor, &link.secret, step).await?;
        let kind = mfa::FactorType::Totp;
        let enrolled = Happening::FactorEnrolled { user: user.id, factor: link.factor, kind };
        events::record(&mut tx, self, visit, enrolled).await?;
        let codes = self.put_recovery_codes(&mut tx, user.id, visit).await?;
        events::record(&mut tx, self, visit, Happening::SetupLinkUsed { user: user.id }).await?;
        events::record(&mut tx, self, visit, Happening::AdministratorMade { user: user.id }).await?;
        self.commit_ended(tx, ended, codes).await
    }

    /// Makes the account of `email` an administrator's, or an account. Whatever somebody else may have left on it
    /// (factors, passkeys, sessions) is gone.
    async fn make_administrator(
        &self,
        tx: &mut SystemTx,
        email: String,
        hash: String,
        visit: &Visit,
    ) -> Result<(User, Vec<Uuid>), Error> {
        let now = self.0.clock.now();
        let known = tx.query(sql::USER_BY_EMAIL, [(&email).into(), (&self.0.rules.audience).into()]).await?;
        if let Some(mut user) = known.first().map(User::read).transpose()? {
            let mut ended = ids(&tx.query(sql::END_SESSIONS_OF_USER, [user.id.into()]).await?)?;
            mfa::remove_all(tx, user.id).await?;
            self.drop_pending(tx, user.id, None).await?;
            // Nobody proved the address, or nobody has to: the other ways in are whoever's was first at it (attack row 4).
            if user.email_confirmed_at.is_none() || self.0.rules.autoconfirm {
                let by = ProvenBy::Message { what: "email", flow: None, own_sign_up: false };
                let (reclaimed, others) = self.reclaim(tx, &user, by, visit).await?;
                user = reclaimed;
                ended.extend(others);
            }
            let before = std::mem::replace(&mut user.role, ROLE.to_owned());
            self.set_password(tx, &mut user, hash).await?;
            user.email_confirmed_at = Some(user.email_confirmed_at.unwrap_or(now));
            let happening = Happening::AdminRole { user: user.id, before: &before, after: ROLE };
            events::record(tx, self, visit, happening).await?;
            return Ok((self.save(tx, &user).await?, ended));
        }
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
        Ok((self.insert_user(tx, new, Asked::BY_THE_OPERATOR, visit).await?, Vec::new()))
    }

    /// A link that still works, locked.
    async fn find_link(&self, tx: &mut SystemTx, token: &str) -> Result<Option<Link>, Error> {
        let most = mfa::limits::WRONG_CODES_MAX.value.to_string();
        let params = [sha256(token.as_bytes()).into(), self.0.clock.now().into(), most.into()];
        let rows = tx.query(sql::ADMIN_LINK, params).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let factor: Uuid = row.get("factor_id")?;
        let sealed: String = row.get("factor_secret")?;
        let secret = mfa::open(&self.0.root, &sealed, &secret_place(factor))?;
        Ok(Some(Link { email: row.get("email")?, factor, secret }))
    }
}

/// What the page of a link shows.
pub struct AdminSetup {
    /// Whom it makes an administrator.
    pub email: String,
    /// For their authenticator app.
    pub totp: TotpSecret,
}

struct Link {
    email: String,
    factor: Uuid,
    secret: Secret<Vec<u8>>,
}

fn secret_place(factor: Uuid) -> String {
    format!("palisade.admin_links.factor_secret:{factor}")
}
