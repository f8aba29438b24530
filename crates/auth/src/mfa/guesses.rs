//! How often somebody may guess (attack row 15): counted per person in the database, so that neither another factor,
//! session, address, endpoint or node, nor a restart or a new challenge gives more.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pg::SystemTx;
use uuid::Uuid;

use super::{Error, limits, sql};
use crate::{Auth, Error as AuthError};

/// Wrong codes so far. The person's row is locked while this is held.
pub(crate) struct Guesses {
    user: Uuid,
    failures: i64,
}

impl Auth {
    /// Lets one guess be looked at, or says how long none is.
    pub(crate) async fn may_guess(&self, tx: &mut SystemTx, user: Uuid) -> Result<Guesses, AuthError> {
        let rows = tx.query(sql::GUESSES, [user.into()]).await?;
        let Some(row) = rows.first() else { return Ok(Guesses { user, failures: 0 }) };
        let until: Option<Timestamp> = row.get("locked_until")?;
        let left = until.map_or(0, |until| until.as_second() - self.0.clock.unix_seconds());
        if let Ok(seconds @ 1..) = u64::try_from(left) {
            return Err(Error::Locked { retry_after: Duration::from_secs(seconds) }.into());
        }
        Ok(Guesses { user, failures: row.get("failures")? })
    }

    /// The guess was wrong. The caller commits.
    pub(crate) async fn count_guess(&self, tx: &mut SystemTx, guesses: &Guesses) -> Result<(), AuthError> {
        let (failures, now) = (guesses.failures + 1, self.0.clock.now());
        let until = pause(failures).and_then(|pause| now.checked_add(pause).ok());
        let row = [guesses.user.into(), failures.into(), until.into(), now.into()];
        tx.execute(sql::COUNT_GUESS, row).await?;
        Ok(())
    }

    /// The guess was right: all before it were mistakes.
    pub(crate) async fn forget_guesses(&self, tx: &mut SystemTx, guesses: &Guesses) -> Result<(), AuthError> {
        if guesses.failures > 0 {
            tx.execute(sql::FORGET_GUESSES, [guesses.user.into()]).await?;
        }
        Ok(())
    }
}

/// The pause that this many wrong codes in a row cost: none below the limit, then twice the last.
fn pause(failures: i64) -> Option<SignedDuration> {
    let whole = |limit: base::Limit| i64::try_from(limit.value).unwrap_or(i64::MAX);
    let over = failures - whole(limits::WRONG_CODES_MAX);
    let doubled = u32::try_from(over).ok()?.min(30);
    let seconds = whole(limits::WRONG_CODES_PAUSE_SECONDS).saturating_mul(1 << doubled);
    Some(SignedDuration::from_secs(seconds.min(whole(limits::WRONG_CODES_PAUSE_SECONDS_MAX))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_code_from_the_fifth_on_doubles_the_pause_up_to_a_day() {
        let minutes = |failures| pause(failures).map(|pause| pause.as_mins());
        let told: Vec<_> = [0, 1, 4, 5, 6, 7, 11, 12, 1_000_000].map(minutes).into();
        assert_eq!(told, [None, None, None, Some(15), Some(30), Some(60), Some(960), Some(1440), Some(1440)]);
    }

    /// Somebody with the password who guesses for a year, as fast as the pauses let them.
    #[test]
    fn a_year_of_guessing_is_a_few_hundred_guesses() {
        let (mut at, mut guesses) = (0, 0_i64);
        while at < 365 * 86_400 {
            guesses += 1;
            at += pause(guesses).map_or(1, |pause| pause.as_secs());
        }
        assert!(guesses < 400, "{guesses}");
    }
}
