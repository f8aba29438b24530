//! What makes a device known: it was signed in with the right password before.
//!
//! It then has a token of ours, a cookie in browsers, which nobody can make: account and time under a MAC. Programs that
//! keep no cookies are recognised by their place, the address (or /64) with the program's name, of which only a keyed
//! digest is stored.

use std::net::IpAddr;

use base::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use pg::{Reason, SystemTx};
use seal::{keyed_mac, same};

use super::nearby;
use crate::{Auth, Error, Visit, limits, sql};

/// What the names of device cookies begin with; the rest names the account, so that one browser can know several.
pub const DEVICE_COOKIE: &str = "pd_";

const FORMAT: u8 = 1;
const NONCE: usize = 16;
const TIME: usize = 8;
const TAG: usize = 16;
/// Longer ones are not ours.
const TOKEN_CHARS_MAX: usize = 2 * (1 + NONCE + TIME + TAG);

impl Auth {
    /// The device a visit shows for `account`, if the token is ours and not too old.
    pub(super) fn shown_device(&self, account: &str, visit: &Visit) -> Option<String> {
        let most = limits::DEVICES_SHOWN_MAX.size();
        visit.devices.iter().take(most).find_map(|token| self.read_device(account, token.expose()))
    }

    fn read_device(&self, account: &str, token: &str) -> Option<String> {
        if token.len() > TOKEN_CHARS_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signed, tag) = bytes.split_at_checked(1 + NONCE + TIME)?;
        let made_at = i64::from_be_bytes(signed.get(1 + NONCE..)?.try_into().ok()?);
        let ours = same(self.device_tag(account, signed).get(..TAG)?, tag) && signed.first() == Some(&FORMAT);
        let age = self.0.clock.unix_seconds().saturating_sub(made_at);
        let fresh = age <= i64::try_from(limits::DEVICE_DAYS_MAX.value).unwrap_or(0) * 86_400;
        (ours && fresh).then(|| format!("device {}", hex::encode(signed.get(1..=NONCE).unwrap_or_default())))
    }

    fn device_tag(&self, account: &str, signed: &[u8]) -> [u8; 32] {
        let key = self.0.root.derive("auth: tokens of known devices");
        let mut text = signed.to_vec();
        text.extend_from_slice(account.as_bytes());
        keyed_mac(key.expose(), &text)
    }

    /// A token for the device that signs in to `account` now, unless it has one.
    pub(crate) fn device_of(&self, account: &str, visit: &Visit) -> Option<DeviceToken> {
        let account = exact_name(account);
        let known = account.is_empty() || self.shown_device(&account, visit).is_some();
        (!known).then(|| self.new_device(&account))
    }

    fn new_device(&self, account: &str) -> DeviceToken {
        let mut signed = vec![FORMAT];
        signed.extend_from_slice(&self.0.rng.bytes::<NONCE>());
        signed.extend_from_slice(&self.0.clock.unix_seconds().to_be_bytes());
        let tag = self.device_tag(account, &signed);
        signed.extend(tag.iter().take(TAG));
        let name = self.device_tag(account, b"name of the cookie");
        DeviceToken {
            name: format!("{DEVICE_COOKIE}{}", hex::encode(name.get(..8).unwrap_or_default())),
            value: Secret::new(URL_SAFE_NO_PAD.encode(signed)),
            seconds: i64::try_from(limits::DEVICE_DAYS_MAX.value).unwrap_or(0) * 86_400,
        }
    }

    /// The place, if somebody signed in to `account` from it within the last months.
    pub(super) async fn known_place(&self, account: &str, visit: &Visit) -> Result<Option<String>, Error> {
        let Some((account, place)) = self.place_of(account, visit) else { return Ok(None) };
        let since = self.0.clock.now() - SignedDuration::from_hours(24 * PLACE_DAYS);
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let rows = tx.query(sql::KNOWN_PLACE, [account.into(), place.into(), since.into()]).await?;
        let known = !rows.is_empty();
        tx.commit(()).await?.into_inner();
        Ok(known.then(|| format!("place {}", hex::encode(place))))
    }

    /// Remembers where `account` was signed in to.
    pub(crate) fn remember_place(&self, tx: &mut SystemTx, account: &str, visit: &Visit) {
        let name = exact_name(account);
        let Some((account, place)) = self.place_of(&name, visit).filter(|_| !name.is_empty()) else {
            return;
        };
        let most = i64::try_from(limits::PLACES_PER_ACCOUNT_MAX.value).unwrap_or(0);
        let row = [account.into(), place.into(), self.0.clock.now().into(), most.into()];
        tx.queue(sql::REMEMBER_PLACE, row);
    }

    fn place_of(&self, account: &str, visit: &Visit) -> Option<([u8; 32], [u8; 32])> {
        let address: IpAddr = visit.caller.address?;
        let key = self.0.root.derive("auth: places of sign-ins");
        let agent = visit.user_agent.as_deref().unwrap_or_default();
        let place = format!("{account}\n{}\n{agent}", nearby(address));
        Some((keyed_mac(key.expose(), account.as_bytes()), keyed_mac(key.expose(), place.as_bytes())))
    }

    /// Under whose name a try of a known device is counted, for whoever counts requests before they come here.
    pub async fn recognise(&self, account: &str, visit: &Visit) -> Option<String> {
        let account = exact_name(account);
        match self.shown_device(&account, visit) {
            Some(device) => Some(device),
            None => self.known_place(&account, visit).await.ok().flatten(),
        }
    }
}

/// How long a place is known.
const PLACE_DAYS: i64 = 90;

/// What a device keeps, so that it is known at the next sign-in.
pub struct DeviceToken {
    /// The cookie's name.
    pub name: String,
    /// The cookie's value.
    pub value: Secret<String>,
    /// How long to keep it.
    pub seconds: i64,
}

/// Spellings of one mailbox are one account: case, a `+tag`, dots before the `@`, blanks around it (attack row 23). Wider
/// than what sign-in takes for the same, never narrower.
pub(crate) fn account_name(text: &str) -> String {
    let most = limits::EMAIL_BYTES_MAX.size() * 2;
    let folded: String = text.trim().to_lowercase().chars().filter(|c| *c != '\0').take(most).collect();
    match folded.rsplit_once('@') {
        Some((local, host)) => {
            let local = local.split('+').next().unwrap_or(local).replace('.', "");
            format!("{local}@{host}")
        }
        None => folded.trim_start_matches('+').replace(' ', ""),
    }
}

/// The account that sign-in takes: whoever is known is known to this one alone, and to no neighbour by a dot or a tag, whose
/// mailbox may be somebody else's.
pub(crate) fn exact_name(text: &str) -> String {
    let most = limits::EMAIL_BYTES_MAX.size() * 2;
    let plain: String = text.trim().to_lowercase().chars().filter(|c| *c != '\0').take(most).collect();
    match plain.contains('@') {
        true => plain,
        false => plain.trim_start_matches('+').replace(' ', ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_mailbox_are_one_account() {
        for text in ["a.nn@example.com", "Ann@Example.com", " ann+x@example.com ", "ann\0@example.com"] {
            assert_eq!(account_name(text), "ann@example.com", "{text:?}");
        }
        assert_eq!(account_name("+49 123 4567"), account_name("491234567"));
        assert_ne!(account_name("ann@example.com"), account_name("ann@example.org"));
        assert_eq!(exact_name(" Ann@Example.com"), exact_name("ann@example.com"));
        assert_eq!(exact_name("+49 123 4567"), exact_name("491234567"));
        for neighbour in ["ann+x@example.com", "a.nn@example.com"] {
            assert_ne!(exact_name(neighbour), exact_name("ann@example.com"));
        }
    }
}
