//! The prelude: one `SELECT set_config(…)` that makes a transaction somebody's.
//!
//! Every setting is transaction-local. It is a statement of its own in front of the caller's, never a CTE of it:
//! privileges and row policies of a statement are fixed before its CTEs run. Only what differs from the session's own
//! settings is set, so there are variants; each is prepared once per connection.

use std::borrow::Cow;
use std::sync::Arc;

use base::DbRole;
use bytes::BytesMut;

use crate::wire::encode;
use crate::{Claims, Error, Isolation, limits};

/// What a caller's transaction starts with.
pub(crate) struct Prelude {
    pub(crate) role: DbRole,
    pub(crate) claims: Arc<str>,
    pub(crate) claimed_role: Arc<str>,
    pub(crate) subject: Arc<str>,
    pub(crate) email: Arc<str>,
    pub(crate) told: Claims,
    pub(crate) read_only: bool,
    pub(crate) isolation: Option<Isolation>,
    pub(crate) statement_timeout: Option<Arc<str>>,
    pub(crate) search_path: Option<Arc<str>>,
    /// What `pg_stat_activity` and the server's log call the session meanwhile: the trace a believed caller named.
    pub(crate) application: Option<Arc<str>>,
    pub(crate) more: Vec<(Cow<'static, str>, Arc<str>)>,
    /// SQL that calls the pre-request function.
    pub(crate) before: Option<Arc<str>>,
}

/// What `request.jwt.claims` is in a short session between transactions, and in those that bring no claims: no JSON, so
/// that whatever looks into it fails instead of finding nothing, and the read is sent again with everything.
pub(crate) const UNSENT: &str = "palisade_unsent";

/// Which settings a prelude brings, besides the role.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Variant(u32);

const READ_ONLY: u32 = 1;
const SUBJECT: u32 = 1 << 1;
const EMAIL: u32 = 1 << 2;
const TIMEOUT: u32 = 1 << 3;
const SEARCH_PATH: u32 = 1 << 4;
const CLAIMS: u32 = 1 << 5;
const APPLICATION: u32 = 1 << 6;
const MORE_SHIFT: u32 = 8;

/// Settings of our own making, and those that would make the transaction somebody else's.
const RESERVED: [&str; 3] = ["role", "session_authorization", "transaction_read_only"];

/// Refuses names that would undo what the prelude stands for.
pub(crate) fn check(more: &[(Cow<'static, str>, Arc<str>)]) -> Result<(), Error> {
    if more.len() > limits::SETTINGS_MORE.size() {
        return Err(Error::Refused(format!(
            "more than {} settings ({})",
            limits::SETTINGS_MORE.value,
            limits::SETTINGS_MORE.name
        )));
    }
    for (name, _) in more {
        let reserved = RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved));
        let claims = name.get(..12).is_some_and(|head| head.eq_ignore_ascii_case("request.jwt."));
        if reserved || claims {
            return Err(Error::Refused(format!(
                "the setting {name:?} is the caller's identity and comes from nowhere else"
            )));
        }
    }
    Ok(())
}

impl Prelude {
    /// Whether all claims are told. Of nobody in particular too: without a subject of its own, `auth.uid()` looks into them.
    fn tells_all(&self) -> bool {
        self.told == Claims::All || self.subject.is_empty()
    }

    pub(crate) fn variant(&self) -> Variant {
        let bit = |present: bool, bit: u32| if present { bit } else { 0 };
        let all = self.tells_all();
        Variant(
            bit(self.read_only, READ_ONLY)
                | bit(all, CLAIMS)
                | bit(!self.subject.is_empty(), SUBJECT)
                | bit(all && !self.email.is_empty(), EMAIL)
                | bit(self.statement_timeout.is_some(), TIMEOUT)
                | bit(self.search_path.is_some(), SEARCH_PATH)
                | bit(self.application.is_some(), APPLICATION)
                | (self.more.len() as u32) << MORE_SHIFT,
        )
    }

    /// Writes Bind and Execute of the prelude, prepared as `name`.
    pub(crate) fn encode(&self, out: &mut BytesMut, name: &str) -> Result<(), Error> {
        let mut fixed: [&str; 9] = [""; 9];
        let all = self.tells_all();
        let present = [
            Some(self.role.name()),
            all.then_some(&*self.claims),
            all.then_some(&*self.claimed_role),
            self.read_only.then_some("on"),
            (!self.subject.is_empty()).then_some(&*self.subject),
            (all && !self.email.is_empty()).then_some(&*self.email),
            self.statement_timeout.as_deref(),
            self.search_path.as_deref(),
            self.application.as_deref(),
        ];
        let mut count = 0;
        for (slot, value) in fixed.iter_mut().zip(present.into_iter().flatten()) {
            *slot = value;
            count += 1;
        }
        let more = self.more.iter().flat_map(|(name, value)| [&**name, &**value]);
        let params = fixed.into_iter().take(count).chain(more).map(|text| Some(text.as_bytes()));
        encode::run(out, name, count + self.more.len() * 2, params)
    }
}

impl Variant {
    /// The statement, whose parameters are all text.
    pub(crate) fn sql(self) -> (String, usize) {
        let optional = [
            (CLAIMS, "request.jwt.claims"),
            (CLAIMS, "request.jwt.claim.role"),
            (READ_ONLY, "transaction_read_only"),
            (SUBJECT, "request.jwt.claim.sub"),
            (EMAIL, "request.jwt.claim.email"),
            (TIMEOUT, "statement_timeout"),
            (SEARCH_PATH, "search_path"),
            (APPLICATION, "application_name"),
        ];
        let optional = optional.into_iter().filter(|(bit, _)| self.0 & bit != 0).map(|(_, name)| name);
        let names = std::iter::once("role").chain(optional);
        // No row comes back: echoing the values as text, claims and all, costs a backend half a microsecond. None is null
        // and none is left out, since an OR looks on until something is true.
        let mut params = 0;
        let mut calls = Vec::new();
        for name in names {
            params += 1;
            calls.push(format!("pg_catalog.set_config('{name}', ${params}, true) IS NULL"));
        }
        for _ in 0..self.0 >> MORE_SHIFT {
            params += 2;
            calls.push(format!("pg_catalog.set_config(${}, ${params}, true) IS NULL", params - 1));
        }
        let sql = format!("SELECT WHERE {}", calls.join(" OR "));
        (sql, params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_sets_what_it_says_and_no_more() {
        let sql = |bits| Variant(bits).sql();
        let least = "SELECT WHERE pg_catalog.set_config('role', $1, true) IS NULL";
        assert_eq!(sql(0), (least.to_owned(), 1));
        let claims = "SELECT WHERE pg_catalog.set_config('role', $1, true) IS NULL \
                      OR pg_catalog.set_config('request.jwt.claims', $2, true) IS NULL \
                      OR pg_catalog.set_config('request.jwt.claim.role', $3, true) IS NULL";
        assert_eq!(sql(CLAIMS), (claims.to_owned(), 3));
        let (text, params) = sql(CLAIMS | READ_ONLY | SEARCH_PATH | 2 << MORE_SHIFT);
        assert_eq!(params, 9);
        assert!(text.ends_with(
            "OR pg_catalog.set_config('transaction_read_only', $4, true) IS NULL \
             OR pg_catalog.set_config('search_path', $5, true) IS NULL \
             OR pg_catalog.set_config($6, $7, true) IS NULL OR pg_catalog.set_config($8, $9, true) IS NULL"
        ));
    }

    #[test]
    fn no_setting_of_a_request_can_make_it_somebody_else() {
        for name in [
            "role",
            "ROLE",
            "session_authorization",
            "transaction_read_only",
            "request.jwt.claims",
            "Request.JWT.claim.sub",
        ] {
            assert!(check(&[(name.into(), "x".into())]).is_err(), "{name}");
        }
        check(&[("request.headers".into(), "{}".into()), ("TimeZone".into(), "UTC".into())]).unwrap();
    }
}
