//! Passwords: what one must be, whether thieves know it, how old it is, and what it replaced (controls 18-20).
//!
//! Invariant: every password that gets into an account by anybody's hand comes through [`Auth::require_password`].

mod breached;
mod policy;
mod range;

pub use breached::Breached;
pub use policy::PasswordPolicy;
pub(crate) use policy::max_age_days;
pub(crate) use range::Ranges;

use base::{Owed, Secret};
use jiff::Timestamp;
use pg::{Param, SystemTx};
use seal::sha256;
use uuid::Uuid;

use crate::revocation::Notice;
use crate::user::User;
use crate::{Auth, Error, limits, sql};

impl Auth {
    /// Refuses a new password that the policy or a list of breached ones does.
    pub(crate) async fn require_password(&self, password: &Secret<String>) -> Result<(), Error> {
        self.0.rules.password.require(password.expose())?;
        if self.is_breached(password).await? || self.is_in_range(password).await? {
            return Err(Error::WeakPassword {
                message: "Password is known to be weak and easy to guess, please choose a different one."
                    .to_owned(),
                reasons: vec!["pwned"],
            });
        }
        Ok(())
    }

    /// Whether thieves have the password on a list.
    async fn is_breached(&self, password: &Secret<String>) -> Result<bool, Error> {
        let Some(list) = self.0.breached.clone() else { return Ok(false) };
        let digest = seal::sha1_for_lookup(password.expose().as_bytes());
        tokio::task::spawn_blocking(move || list.has(&digest))
            .await
            .map_err(|_| Error::BreachedList(std::io::Error::other("the search ended")))?
            .map_err(Error::BreachedList)
    }

    /// The same of somebody else's list. One that does not answer refuses a new password only where the operator says so.
    async fn is_in_range(&self, password: &Secret<String>) -> Result<bool, Error> {
        let Some(ranges) = &self.0.ranges else { return Ok(false) };
        let digest = seal::sha1_for_lookup(password.expose().as_bytes());
        match ranges.has(&self.0.outbound, &digest).await {
            Ok(has) => Ok(has),
            Err(error) if ranges.fail_closed => Err(Error::BreachedList(std::io::Error::other(error))),
            Err(error) => {
                tracing::warn!(%error, "the list of breached passwords did not answer");
                Ok(false)
            }
        }
    }

    /// Whether a password that was just right is known to thieves. A list that cannot be read keeps nobody out.
    pub(crate) async fn is_known_to_thieves(&self, password: &Secret<String>) -> bool {
        let listed = self.is_breached(password).await.unwrap_or_else(complain);
        listed || self.is_in_range(password).await.unwrap_or_else(complain)
    }

    /// What an account owes that was signed in to with a password whose hash was `before` and is `after` now.
    pub(crate) async fn note_sign_in_password(
        &self,
        tx: &mut SystemTx,
        user: &User,
        known_to_thieves: bool,
        hashes: (&str, &str),
    ) -> Result<Option<Owed>, Error> {
        let now = self.0.clock.now();
        let (before, after) = hashes;
        let noted: [Param; 4] =
            [user.id.into(), digest(after).into(), now.into(), Param::from(digest(before))];
        let rows = tx.query(sql::NOTE_PASSWORD, noted).await?;
        let row = rows.first().ok_or(Error::UserGone)?;
        let changed_at: Timestamp = row.get("changed_at")?;
        let mut must_change = row.get::<Option<String>>("must_change")?.is_some();
        if !must_change && known_to_thieves {
            tx.execute(sql::MUST_CHANGE_PASSWORD, [user.id.into(), "breached".into()]).await?;
            must_change = true;
        }
        let age = now.as_second().saturating_sub(changed_at.as_second());
        let expired = self.0.rules.password_age_seconds.is_some_and(|most| age >= most);
        Ok((must_change || expired).then_some(Owed::NewPassword))
    }

    /// Refuses a password that was one of the account's last.
    pub(crate) async fn require_unused(
        &self,
        tx: &mut SystemTx,
        user: &User,
        password: &Secret<String>,
    ) -> Result<(), Error> {
        let most = i64::from(self.0.rules.password_history);
        if most == 0 {
            return Ok(());
        }
        let rows = tx.query(sql::PASSWORD_HISTORY, [user.id.into(), most.into()]).await?;
        for row in rows.iter() {
            let hash: String = row.get("hash")?;
            if self.0.hasher.verify(password, Some(&hash)).await?.is_right() {
                return Err(Error::UsedPassword);
            }
        }
        Ok(())
    }

    /// A password is new from now on.
    pub(crate) async fn note_password(&self, tx: &mut SystemTx, user: Uuid, hash: &str) -> Result<(), Error> {
        let noted: [Param; 4] = [user.into(), digest(hash).into(), self.0.clock.now().into(), Param::NULL];
        tx.query(sql::NOTE_PASSWORD, noted).await?;
        Ok(())
    }

    /// Gives an account another password: the old one retires, and what its sessions owed is settled. What was agreed to with
    /// the old one is asked again: whoever knew it may have let a program of theirs in, which would come back unseen. Whether
    /// its sessions owed anything.
    pub(crate) async fn set_password(
        &self,
        tx: &mut SystemTx,
        user: &mut User,
        hash: String,
    ) -> Result<bool, Error> {
        let now = self.0.clock.now();
        let keep = i64::from(self.0.rules.password_history);
        if let Some(old) = user.password_hash.as_ref().filter(|_| keep > 0) {
            tx.execute(sql::RETIRE_PASSWORD, [user.id.into(), old.into(), now.into(), keep.into()]).await?;
        }
        self.note_password(tx, user.id, &hash).await?;
        let lifted = !tx.query(sql::LIFT_DUTIES, [user.id.into()]).await?.is_empty();
        if lifted {
            tx.query(sql::TELL, [Notice::Lifted.text().into()]).await?;
        }
        tx.execute(crate::server::sql::REVOKE_CONSENTS, [user.id.into(), now.into()]).await?;
        user.password_hash = Some(hash);
        Ok(lifted)
    }
}

/// By which a hash is recognised without keeping a second copy of it.
fn digest(hash: &str) -> [u8; 32] {
    sha256(hash.as_bytes())
}

fn complain(error: Error) -> bool {
    tracing::warn!(error = %base::fault::chain(&error), "the list of breached passwords cannot be read");
    false
}

/// The length of a day in seconds.
pub(crate) const DAY_SECONDS: i64 = 86_400;

/// Opens the list, if there is one.
pub(crate) fn open_list(given: &base::Settings) -> Result<Option<std::sync::Arc<Breached>>, Error> {
    let path = given.get(&crate::settings::PASSWORD_BREACHED_FILE);
    let setting = crate::settings::PASSWORD_BREACHED_FILE.definition.name;
    let open = |path: std::path::PathBuf| {
        Breached::open(&path, limits::BREACHED_LINE_BYTES_MAX.size()).map_err(|error| Error::Setting {
            setting,
            what: format!(
                "names {}, which cannot be used: {error}. Breached passwords would be taken: let it hold SHA-1 digests in \
                 their order, one a line, or leave the setting out",
                path.display()
            ),
        })
    };
    Ok(path.map(open).transpose()?.map(std::sync::Arc::new))
}
