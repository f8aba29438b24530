//! Settings of the roles that callers become (`ALTER ROLE … SET`): a session of theirs would begin with them, so their
//! transactions do.
//!
//! Invariants: a time for statements that an administrator gave a role comes before that of our settings, but some time there
//! always is; what decides whose request it is, where names are looked for and how answers are read stays ours.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pg::{Error, Isolation, Rows, Setup};

use crate::limits::ROLE_SETTINGS_MAX;

/// Settings by role.
pub type Roles = HashMap<Arc<str>, RoleSettings>;

/// What a role's transactions begin with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleSettings {
    /// How long a statement may take.
    pub timeout: Option<Duration>,
    /// The isolation.
    pub isolation: Option<Isolation>,
    /// Everything else, by name.
    pub more: Vec<(Arc<str>, Arc<str>)>,
}

/// Settings that are not a role's to say: where names are looked for, how we read what comes back, what the edge or the
/// transaction decides.
const OURS: [&str; 14] = [
    "search_path",
    "application_name",
    "client_encoding",
    "datestyle",
    "intervalstyle",
    "bytea_output",
    "extra_float_digits",
    "xmlbinary",
    "array_nulls",
    "standard_conforming_strings",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_deferrable",
    "default_transaction_read_only",
];

/// From the answer to [`super::sql::ROLES`], in its order: what is said for this database comes after what is said for all.
pub(super) fn read(rows: &Rows) -> Result<Roles, Error> {
    let mut roles = Roles::new();
    for row in rows.iter() {
        let (role, name, value): (String, String, String) = (row.at(0)?, row.at(1)?, row.at(2)?);
        let known = name.to_ascii_lowercase();
        if OURS.contains(&&*known) {
            continue;
        }
        let settings = roles.entry(role.as_str().into()).or_default();
        match &*known {
            // What we gave the role is what our settings say, and they may say otherwise by now.
            "statement_timeout" if pg::bootstrap::is_our_time(&value) => {}
            "statement_timeout" => settings.timeout = duration(&value).filter(|time| !time.is_zero()),
            "default_transaction_isolation" => settings.isolation = Isolation::named(&value),
            _ => {
                settings.more.retain(|(before, _)| **before != *name);
                match settings.more.len() < ROLE_SETTINGS_MAX.size() {
                    true => settings.more.push((name.into(), value.into())),
                    false => tracing::error!(role, name, "a role has more settings than requests can bring"),
                }
            }
        }
    }
    roles.retain(|_, settings| *settings != RoleSettings::default());
    Ok(roles)
}

impl RoleSettings {
    /// In front of everything else, so that what a request or a function says comes later and holds.
    pub(crate) fn surround(&self, setup: &mut Setup) {
        setup.statement_timeout = setup.statement_timeout.or(self.timeout);
        setup.isolation = setup.isolation.or(self.isolation);
        let more = self.more.iter().map(|(name, value)| (name.to_string().into(), Arc::clone(value)));
        setup.more.splice(0..0, more);
    }
}

/// A time as PostgreSQL takes it: milliseconds, or a number with its unit.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let seconds = match unit.trim() {
        "us" => 0.000_001,
        "" | "ms" => 0.001,
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    let whole = (number.parse::<f64>().ok()? * seconds * 1_000.0).round();
    Duration::try_from_secs_f64(whole / 1_000.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_postgresql_reads_them() {
        for (text, expected) in [
            ("1500", Some(1_500)),
            ("1500ms", Some(1_500)),
            (" 2 s", Some(2_000)),
            ("1.5s", Some(1_500)),
            ("1min", Some(60_000)),
            ("2h", Some(7_200_000)),
            ("1d", Some(86_400_000)),
            ("900us", Some(1)),
            ("0", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(duration(text), expected.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn what_a_role_begins_with_comes_before_ours_and_what_a_request_says_comes_later() {
        let settings = RoleSettings {
            timeout: Some(Duration::from_secs(5)),
            isolation: Some(Isolation::Serializable),
            more: vec![("TimeZone".into(), "Asia/Tokyo".into())],
        };
        let asked = || Setup { more: vec![("TimeZone".into(), "UTC".into())], ..Setup::default() };
        let mut setup = asked();
        settings.surround(&mut setup);
        assert_eq!(setup.statement_timeout, Some(Duration::from_secs(5)));
        let values: Vec<&str> = setup.more.iter().map(|(_, value)| &**value).collect();
        assert_eq!(values, ["Asia/Tokyo", "UTC"]);
        assert_eq!(setup.isolation, Some(Isolation::Serializable));
        let asked = Setup {
            isolation: Some(Isolation::RepeatableRead),
            statement_timeout: Some(Duration::from_secs(9)),
            ..asked()
        };
        let mut setup = asked.clone();
        settings.surround(&mut setup);
        assert_eq!((setup.statement_timeout, setup.isolation), (asked.statement_timeout, asked.isolation));
    }
}
