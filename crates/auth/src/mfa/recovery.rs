//! Recovery codes: for whoever lost their other factor. Ten at a time, each opens a session once.
//!
//! Invariant: a code is told once, when it is made; of it only a MAC under a key of this instance is kept, so that the
//! database alone does not say which guesses are right (attack row 13).

use audit::Event;
use base::{Level, Rng, Secret};
use pg::{Reason, Reply, SystemTx};
use seal::{keyed_mac, same};
use serde_json::Value;
use uuid::Uuid;

use super::{Error, Held, limits, sql};
use crate::events::{self, Happening};
use crate::session::Way;
use crate::{Auth, Error as AuthError, Grant, Visit};

/// Letters of a code: none that is read as another (Crockford's base32).
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Fifty bits, which nobody guesses within the limits.
const LENGTH: usize = 10;

/// Codes that were just made. Nobody can read them again.
pub struct RecoveryCodes {
    /// The set.
    pub id: Uuid,
    /// The codes, as people write them down.
    pub codes: Vec<Secret<String>>,
}

/// What is left of a set.
pub struct RecoveryState {
    /// The set.
    pub id: Uuid,
    /// How many there were.
    pub total: usize,
    /// How many are left.
    pub remaining: usize,
}

impl Auth {
    /// Makes codes for whoever asks. `again` replaces those there are.
    pub async fn make_recovery_codes(
        &self,
        again: bool,
        visit: &Visit,
    ) -> Result<Reply<RecoveryCodes>, AuthError> {
        let (mut tx, held) = self.hold_for_recovery(visit).await?;
        let there = find(&mut tx, held.user.id).await?;
        match (there, again) {
            (Some(_), false) => return Err(Error::RecoveryThere.into()),
            (None, true) => return Err(Error::NotFound.into()),
            (Some(_), true) | (None, false) => {}
        }
        let codes = self.put_recovery_codes(&mut tx, held.user.id, visit).await?;
        Ok(tx.commit(codes).await?)
    }

    /// Makes codes in place of those there are.
    pub(crate) async fn put_recovery_codes(
        &self,
        tx: &mut SystemTx,
        user: Uuid,
        visit: &Visit,
    ) -> Result<RecoveryCodes, AuthError> {
        let id = self.0.rng.uuid();
        let codes: Vec<_> = (0..limits::RECOVERY_CODES.size()).map(|_| new_code(&self.0.rng)).collect();
        let kept: Vec<Value> = codes.iter().map(|code| self.veil(user, code.expose()).into()).collect();
        let row = [id.into(), user.into(), Value::Array(kept).into(), self.0.clock.now().into()];
        tx.execute(sql::PUT_RECOVERY_CODES, row).await?;
        events::record(tx, self, visit, spare(user, Event::FactorEnrolled, limits::RECOVERY_CODES.size()))
            .await?;
        Ok(RecoveryCodes { id, codes })
    }

    /// What whoever asks has left.
    pub async fn recovery_state(&self, visit: &Visit) -> Result<Reply<RecoveryState>, AuthError> {
        let user = self.session_user(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        self.hold_known(&mut tx, user).await?;
        let (id, codes) = find(&mut tx, user).await?.ok_or(Error::NotFound)?;
        let remaining = codes.iter().filter(|code| !code.is_null()).count();
        Ok(tx.commit(RecoveryState { id, total: codes.len(), remaining }).await?)
    }

    /// Takes the codes away.
    pub async fn remove_recovery_codes(&self, visit: &Visit) -> Result<Reply<Uuid>, AuthError> {
        let (mut tx, held) = self.hold_for_recovery(visit).await?;
        let (id, _) = find(&mut tx, held.user.id).await?.ok_or(Error::NotFound)?;
        tx.execute(sql::REMOVE_RECOVERY_CODES, [held.user.id.into()]).await?;
        events::record(&mut tx, self, visit, spare(held.user.id, Event::FactorRemoved, 0)).await?;
        Ok(tx.commit(id).await?)
    }

    /// Takes a code: the session is one of two proofs from now on, and the code is spent.
    pub async fn use_recovery_code(
        &self,
        code: &Secret<String>,
        visit: &Visit,
    ) -> Result<Reply<Grant>, AuthError> {
        let user = self.session_user(visit)?;
        let session =
            visit.caller.signed_in().and_then(|person| person.session).ok_or(AuthError::TokenRevoked)?;
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let held = self.hold_known(&mut tx, user).await?;
        match self.spend_recovery_code(&mut tx, user, code, visit).await? {
            Ok(()) => {
                let opened =
                    self.raise_session(&mut tx, session, held.user, Way::RecoveryCode, None, visit).await?;
                self.commit_session(tx, opened).await
            }
            Err(refused) => {
                // The count is what must not be lost.
                tx.commit(()).await?.into_inner();
                Err(refused.into())
            }
        }
    }

    /// Spends a code in `tx`, which the caller commits either way: a wrong one was counted in it.
    pub(crate) async fn spend_recovery_code(
        &self,
        tx: &mut SystemTx,
        user: Uuid,
        code: &Secret<String>,
        visit: &Visit,
    ) -> Result<Result<(), Error>, AuthError> {
        let guesses = match self.may_guess(tx, user).await {
            Ok(guesses) => guesses,
            Err(AuthError::Mfa(Error::Locked { retry_after })) => {
                return Ok(Err(Error::RecoveryLocked { retry_after }));
            }
            Err(other) => return Err(other),
        };
        let veiled = normal(code.expose()).map(|code| self.veil(user, &code));
        let found = find(tx, user).await?;
        let place = veiled.as_ref().zip(found.as_ref()).and_then(|(veiled, (_, codes))| {
            // Every code is looked at, whichever is right.
            let matches = codes
                .iter()
                .map(|kept| kept.as_str().is_some_and(|kept| same(kept.as_bytes(), veiled.as_bytes())));
            matches.collect::<Vec<_>>().into_iter().position(|right| right)
        });
        let (Some(place), Some((id, mut codes))) = (place, found) else {
            self.count_guess(tx, &guesses).await?;
            let error = AuthError::from(Error::WrongRecoveryCode);
            events::refused_of(self, visit, Event::FactorRefused, &error, user);
            return Ok(Err(Error::WrongRecoveryCode));
        };
        if let Some(code) = codes.get_mut(place) {
            *code = Value::Null;
        }
        let left = codes.iter().filter(|code| !code.is_null()).count();
        let now = self.0.clock.now();
        tx.execute(sql::CHANGE_RECOVERY_CODES, [id.into(), Value::Array(codes).into(), now.into()]).await?;
        self.forget_guesses(tx, &guesses).await?;
        events::record(tx, self, visit, spare(user, Event::FactorVerified, left)).await?;
        Ok(Ok(()))
    }

    /// Whoever asks, with a second factor that was just shown: codes are no first factor, and nothing for a thief to make.
    async fn hold_for_recovery(&self, visit: &Visit) -> Result<(SystemTx, Held), AuthError> {
        let user = self.session_user(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let held = self.hold_known(&mut tx, user).await?;
        if !held.has_verified() {
            return Err(Error::RecoveryAlone.into());
        }
        if visit.caller.level < Level::Aal2 {
            return Err(Error::EnrolLevel.into());
        }
        self.require_step_up(&held, visit)?;
        Ok((tx, held))
    }

    /// What is kept of a code.
    fn veil(&self, user: Uuid, code: &str) -> String {
        let key = self.0.root.derive("auth: recovery codes");
        let code = normal(code).unwrap_or_default();
        hex::encode(keyed_mac(key.expose(), format!("{user}:{code}").as_bytes()))
    }
}

async fn find(tx: &mut SystemTx, user: Uuid) -> Result<Option<(Uuid, Vec<Value>)>, AuthError> {
    let rows = tx.query(sql::RECOVERY_CODES, [user.into()]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let codes: Value = row.get("codes")?;
    Ok(Some((row.get("id")?, codes.as_array().cloned().unwrap_or_default())))
}

fn spare(user: Uuid, event: Event, left: usize) -> Happening<'static> {
    Happening::Spare { user, event, kind: "recovery_code", what: left.to_string() }
}

/// Two groups of five letters.
fn new_code(rng: &Rng) -> Secret<String> {
    let mut code = String::with_capacity(LENGTH + 1);
    for (at, byte) in rng.bytes::<LENGTH>().iter().enumerate() {
        if at == LENGTH / 2 {
            code.push('-');
        }
        code.extend(LETTERS.get(usize::from(byte & 31)).map(|letter| char::from(*letter)));
    }
    Secret::new(code)
}

/// A code without what people add or mistake: case, spaces, dashes, O for 0, I and L for 1. Nothing for what is no code.
pub(super) fn normal(text: &str) -> Option<String> {
    if text.len() > limits::CODE_BYTES_MAX.size() {
        return None;
    }
    let letter = |c: char| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let code: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(letter).collect();
    let is_code = code.len() == LENGTH && code.bytes().all(|byte| LETTERS.contains(&byte));
    is_code.then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_was_written_down() {
        let code = new_code(&Rng::seeded(1));
        let plain = normal(code.expose()).unwrap();
        assert_eq!(plain.len(), LENGTH);
        assert_eq!(normal(&format!(" {} ", code.expose().to_lowercase())), Some(plain.clone()));
        assert_eq!(normal(&plain.replace('0', "o").replace('1', "l")), Some(plain.clone()));
        let spaced: Vec<String> = plain.chars().map(String::from).collect();
        assert_eq!(normal(&spaced.join(" ")), Some(plain));
        for text in
            ["", "ABCDE", "ABCDE-FGHJK-M", "ABCDE-FGHJU", "ABCDE-FGHJ\0", &"A".repeat(1_000), "ÄBCDE-FGHJK"]
        {
            assert_eq!(normal(text), None, "{text}");
        }
    }
}
