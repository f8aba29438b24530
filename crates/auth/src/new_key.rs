//! Keys of an operator's own making: for one program, with as little as that program needs.
//!
//! The text of a key is shown once and never kept: of a secret key there is only its hash.

use std::sync::Arc;
use std::time::Duration;

use base::{KeyScope, Secret};
use ipnet::IpNet;
use pg::{Param, Reason, Reply};
use seal::sha256;

use crate::events::{self, Happening};
use crate::keys::{KeyKind, text_from};
use crate::{Auth, Error, Visit, limits, sql};

/// What a new key should be.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// What it is called; its id begins with it.
    pub name: String,
    /// What it opens, as `area:read` and `area:write`; empty for everything.
    pub scope: Vec<String>,
    /// Addresses and networks it may be used from; empty for everywhere.
    pub addresses: Vec<String>,
    /// How long it lives; for ever if nothing is said.
    pub lives: Option<Duration>,
}

/// A key that was just made.
pub struct MadeKey {
    /// Its id, as logs and the audit name it.
    pub id: String,
    /// The key itself.
    pub text: Secret,
}

impl NewKey {
    /// Refuses what would not do what it says. `areas` are those that routes belong to.
    pub(crate) fn check(&self, areas: &[&str]) -> Result<(), Error> {
        let wrong = |what: String| Err(Error::Validation(what.into()));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if self.name.is_empty() || self.name.len() > 40 || !self.name.chars().all(plain) {
            return wrong("a key's name is 1 to 40 small letters, digits and underscores".to_owned());
        }
        for (what, count, limit) in [
            ("scope words", self.scope.len(), &limits::KEY_SCOPES_MAX),
            ("addresses", self.addresses.len(), &limits::KEY_ADDRESSES_MAX),
        ] {
            if count > limit.size() {
                return wrong(format!("a key has at most {} {what} ({})", limit.value, limit.name));
            }
        }
        for word in &self.scope {
            let known = |area: &&str| *word == format!("{area}:read") || *word == format!("{area}:write");
            if !areas.iter().any(known) {
                let all: Vec<String> =
                    areas.iter().map(|area| format!("{area}:read, {area}:write")).collect();
                return wrong(format!("there is no scope {word}: there are {}", all.join(", ")));
            }
        }
        self.addresses.iter().try_for_each(|text| network(text).map(drop))
    }
}

/// An address or a network.
pub(crate) fn network(text: &str) -> Result<IpNet, Error> {
    let address = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
    let what = || format!("{text} is neither an address nor a network such as 10.0.0.0/8");
    text.parse().ok().or_else(address).ok_or_else(|| Error::Validation(what().into()))
}

/// What the table says of a key's limits.
pub(crate) fn limits_of(
    scope: Arc<[Arc<str>]>,
    addresses: &[Arc<str>],
) -> Result<(KeyScope, Arc<[IpNet]>), Error> {
    Ok((KeyScope(scope), addresses.iter().map(|text| network(text)).collect::<Result<_, _>>()?))
}

impl Auth {
    /// Makes a secret key. `areas` are those that a scope may name.
    pub async fn make_key(
        &self,
        new: &NewKey,
        areas: &[&str],
        visit: &Visit,
    ) -> Result<Reply<MadeKey>, Error> {
        self.require_admin_step_up(visit)?;
        new.check(areas)?;
        let now = self.0.clock.now();
        let id = format!("{}_{}", new.name, hex::encode(self.0.rng.bytes::<4>()));
        let text = text_from(KeyKind::Secret, &self.0.rng.bytes());
        let until = new.lives.map(|lives| {
            now.checked_add(lives)
                .map_err(|_| Error::Validation("a key lives at most some thousand years".into()))
        });
        let until = until.transpose()?.map_or(Param::NULL, Param::from);
        let mut tx = self.0.pg.begin_system(Reason::Keys).await?;
        let row = [
            id.as_str().into(),
            KeyKind::Secret.name().into(),
            new.name.as_str().into(),
            sha256(text.expose().as_bytes()).into(),
            new.scope.clone().into(),
            now.into(),
            until,
        ];
        tx.execute(sql::INSERT_API_KEY, row).await?;
        tx.execute(sql::LIMIT_API_KEY, [id.as_str().into(), new.addresses.clone().into()]).await?;
        events::record(&mut tx, self, visit, Happening::ApiKeyMade { id: &id, new }).await?;
        Ok(self.commit_keys(tx).await?.map(|()| MadeKey { id, text }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_would_not_do_what_it_says_is_refused() {
        let check = |scope: &str, address: &str, name: &str| {
            let list =
                |text: &str| text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
            NewKey { name: name.to_owned(), scope: list(scope), addresses: list(address), lives: None }
                .check(&["data", "accounts"])
        };
        for (scope, address, name) in
            [("", "", "backup"), ("data:read accounts:write", "10.0.0.0/8 ::1", "a_1")]
        {
            check(scope, address, name).unwrap();
        }
        for (scope, address, name) in [
            ("data", "", "a"),
            ("data:all", "", "a"),
            ("rows:read", "", "a"),
            ("", "10.0.0/8", "a"),
            ("", "", ""),
            ("", "", "A b"),
        ] {
            assert!(check(scope, address, name).is_err(), "{scope} {address} {name}");
        }
    }
}
