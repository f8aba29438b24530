//! Codes by SMS as a second factor. NIST SP 800-63B-4 calls it restricted: numbers are stolen, and messages read on the way.
//! It is off unless `mfa.methods` lists it, and the posture report says so.

use base::Secret;
use pg::SystemTx;
use seal::{keyed_mac, same};
use texts::Channel;
use uuid::Uuid;

use super::{Challenge, Enrol, Enrolled, Error, Factor, FactorType, Held, sql, verify};
use crate::links::Why;
use crate::user::User;
use crate::{Auth, Error as AuthError, Visit};

impl Auth {
    /// A number that waits for its first code.
    pub(super) async fn enrol_phone(
        &self,
        tx: &mut SystemTx,
        held: &Held,
        ask: Enrol,
    ) -> Result<Enrolled, AuthError> {
        let off = || AuthError::from(Error::EnrolOff(FactorType::Phone));
        if !self.takes_texts() {
            return Err(off());
        }
        let phone = crate::accounts::read_phone(ask.phone.as_deref().unwrap_or_default())?;
        let has_it = |factor: &&Factor| factor.phone.as_ref() == Some(&phone);
        if held.factors.iter().filter(has_it).any(|factor| factor.verified) {
            return Err(Error::PhoneThere.into());
        }
        tx.execute(sql::DROP_UNVERIFIED_PHONE, [held.user.id.into(), (&phone).into()]).await?;
        Ok(Enrolled {
            id: self.0.rng.uuid(),
            kind: FactorType::Phone,
            friendly_name: ask.friendly_name,
            totp: None,
            phone: Some(phone),
        })
    }

    /// Texts a code to the factor's number. It leaves before the commit, as every text: see `links`.
    pub(super) async fn text_challenge(
        &self,
        tx: &mut SystemTx,
        user: &User,
        factor: &Factor,
        visit: &Visit,
    ) -> Result<Challenge, AuthError> {
        let phone = factor.phone.clone().ok_or(Error::NotFound)?;
        let why = Why::Sms { create: false, whatsapp: false };
        // Texts cost money, and one person enrols number after number.
        self.require_pause(&why, &user.id.to_string()).await?;
        self.require_pause(&why, &phone).await?;
        let digits = usize::from(self.0.rules.text_digits);
        let code: String = (0..digits).filter_map(|_| char::from_digit(self.0.rng.below(10), 10)).collect();
        let code = Secret::new(code);
        let id = self.0.rng.uuid();
        let challenge =
            self.insert_challenge(tx, factor, visit, Some((id, self.veil_text(id, &code))), None).await?;
        self.send_code(tx, user, (&phone, "mfa"), &code, Channel::Sms, visit).await?;
        Ok(challenge)
    }

    /// The code of this very challenge.
    pub(super) fn check_text(&self, asked: &verify::Asked, code: &Secret<String>) -> Result<(), AuthError> {
        let kept = asked.veiled.as_deref().unwrap_or_default();
        let given = self.veil_text(asked.id, code);
        match !kept.is_empty() && same(kept.as_bytes(), given.as_bytes()) {
            true => Ok(()),
            false => Err(Error::WrongCode(FactorType::Phone).into()),
        }
    }

    /// What is kept of a code: nobody who reads the database can try all million of them.
    fn veil_text(&self, challenge: Uuid, code: &Secret<String>) -> String {
        let key = self.0.root.derive("auth: codes by SMS as a second factor");
        hex::encode(keyed_mac(key.expose(), format!("{challenge}:{}", code.expose()).as_bytes()))
    }
}
