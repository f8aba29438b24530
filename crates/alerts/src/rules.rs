//! The rules: which entries of the audit log, how many within how long, and what then.

use std::time::Duration;

use audit::Event;
use base::Settings;

use crate::settings::{self, GivenRule};
use crate::{Error, limits};

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it is called, in lists, messages and silences.
    pub name: String,
    /// What it counts: names of the audit log.
    pub events: Vec<&'static str>,
    /// How many raise it.
    pub threshold: i64,
    /// Within how long; none means each.
    pub window: Duration,
    /// What it does.
    pub action: Action,
    /// What is counted apart.
    pub by: Option<By>,
}

/// What an alert does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tells administrators.
    NotifyAdmin,
    /// Slows down whoever it is about.
    RateLimit,
    /// Writes a line into the program's log, and tells.
    LogAndNotify,
}

/// What a rule counts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Each address.
    Address,
    /// Whoever did it.
    Actor,
    /// To whom it was done.
    Subject,
}

impl Action {
    /// As the guide spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Action::NotifyAdmin => "notify_admin",
            Action::RateLimit => "rate_limit",
            Action::LogAndNotify => "log_and_notify",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Action::NotifyAdmin, Action::RateLimit, Action::LogAndNotify]
            .into_iter()
            .find(|known| known.name() == name)
    }

    /// Whether anybody is told.
    pub const fn tells(self) -> bool {
        match self {
            Action::NotifyAdmin | Action::LogAndNotify => true,
            Action::RateLimit => false,
        }
    }
}

impl By {
    /// As settings spell it, which is the entry's member too.
    pub const fn name(self) -> &'static str {
        match self {
            By::Address => "address",
            By::Actor => "actor",
            By::Subject => "subject",
        }
    }
}

/// Failed logins of the guide: whatever somebody tried to be somebody with.
const FAILED_LOGINS: &[Event] =
    &[Event::LoginFailed, Event::FactorRefused, Event::CodeRefused, Event::SsoRefused];

/// Looking is no action: an operator who reads the log must not fill it.
const LOOKS: &[Event] = &[
    Event::UsersRead,
    Event::AuditRead,
    Event::OutboxRead,
    Event::AccessTried,
    Event::AdminRefused,
    Event::SetupLinkRefused,
];

/// The guide's three, what nobody may miss, and the operator's own.
pub(crate) fn from(given: &Settings) -> Result<Vec<Rule>, Error> {
    let names = |events: &[Event]| events.iter().map(|event| event.name()).collect::<Vec<_>>();
    let of_admins =
        Event::ALL.iter().copied().filter(|event| event.category() == "admin" && !LOOKS.contains(event));
    let of_admins: Vec<Event> = of_admins.collect();
    let action = |name: String| Action::named(&name).unwrap_or(Action::NotifyAdmin);
    let rule = |name: &str, events, threshold: u32, window, action| Rule {
        name: name.to_owned(),
        events,
        threshold: threshold.into(),
        window,
        action,
        by: None,
    };
    let mut rules = vec![
        rule(
            "failed_logins",
            names(FAILED_LOGINS),
            given.get(&settings::FAILED_LOGINS_THRESHOLD),
            given.get(&settings::FAILED_LOGINS_WINDOW),
            action(given.get(&settings::FAILED_LOGINS_ACTION)),
        ),
        // The counting is done where requests are seen; the entry says that it was too much.
        rule(
            "unusual_api_activity",
            names(&[Event::UnusualActivity]),
            1,
            Duration::ZERO,
            action(given.get(&settings::UNUSUAL_ACTION)),
        ),
        rule(
            "admin_actions",
            names(&of_admins),
            given.get(&settings::ADMIN_ACTIONS_THRESHOLD),
            given.get(&settings::ADMIN_ACTIONS_WINDOW),
            action(given.get(&settings::ADMIN_ACTIONS_ACTION)),
        ),
        rule(
            "tampering",
            names(&[Event::TamperingFound, Event::EntriesLost]),
            1,
            Duration::ZERO,
            Action::LogAndNotify,
        ),
        rule("canaries", names(&[Event::CanaryTouched]), 1, Duration::ZERO, Action::LogAndNotify),
    ];
    for own in given.get(&settings::RULES) {
        if rules.iter().any(|known| known.name == own.name) {
            return Err(refuse(format!("{} stands there already", own.name)));
        }
        rules.push(read(own)?);
    }
    match rules.len() > limits::RULES.size() {
        true => Err(refuse(format!("more than {} rules", limits::RULES.value))),
        false => Ok(rules),
    }
}

fn read(own: GivenRule) -> Result<Rule, Error> {
    let GivenRule { name, events, threshold, window, action, by } = own;
    let plain =
        |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, b'-' | b'_');
    if name.is_empty() || name.len() > 40 || !name.bytes().all(plain) {
        return Err(refuse(format!("`{name}` is no name: small letters, digits, - and _")));
    }
    let mut named = Vec::new();
    for wanted in &events {
        let found = Event::ALL.iter().filter(|event| event.name() == wanted || event.category() == wanted);
        let found: Vec<&'static str> =
            found.filter(|event| event.category() != "alert").map(|event| event.name()).collect();
        if found.is_empty() {
            return Err(refuse(format!(
                "`{wanted}` in {name} is no event or group of the audit log that can be counted"
            )));
        }
        named.extend(found);
    }
    let action = Action::named(&action)
        .ok_or_else(|| refuse(format!("action of {name} is notify_admin, rate_limit or log_and_notify")))?;
    let by = by.map(|by| {
        let known = [By::Address, By::Actor, By::Subject].into_iter().find(|known| known.name() == by);
        known.ok_or_else(|| refuse(format!("by of {name} is address, actor or subject")))
    });
    if named.is_empty() || threshold == 0 || window > Duration::from_secs(86_400) {
        return Err(refuse(format!("{name} needs events, a threshold from 1 and a window up to 24h")));
    }
    Ok(Rule { name, events: named, threshold: threshold.into(), window, action, by: by.transpose()? })
}

fn refuse(what: String) -> Error {
    Error::Setting { setting: settings::RULES.definition.name, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guides_three_are_there_as_printed() {
        let rules = from(&Settings::default()).unwrap();
        let of = |name: &str| rules.iter().find(|rule| rule.name == name).unwrap();
        let failed = of("failed_logins");
        assert_eq!(
            (failed.threshold, failed.window.as_secs(), failed.action.name()),
            (10, 300, "notify_admin")
        );
        assert_eq!(of("unusual_api_activity").action.name(), "rate_limit");
        let admins = of("admin_actions");
        assert_eq!(
            (admins.threshold, admins.window.as_secs(), admins.action.name()),
            (1, 0, "log_and_notify")
        );
        assert!(admins.events.contains(&"admin.user_create") && !admins.events.contains(&"admin.audit_read"));
    }
}
