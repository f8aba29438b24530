//! The 150 controls: what the guides ask, and what Palisade does. The numbers never change.
//!
//! Code, tests, audit events, the posture report and the documents all refer to these rows; nothing repeats them.

mod access;
mod accounts;
mod audit;
mod backups;
mod database;
mod deployment;
mod detection;
mod encryption;
mod headers;
mod network;
mod practice;
mod secrets;
mod sso;
mod tls;
mod validation;

/// One line of a guide, or several that ask the same.
#[derive(Debug, Clone, Copy)]
pub struct Control {
    /// 1 to 150.
    pub number: u16,
    /// The section it stands in.
    pub group: Group,
    /// What the guide asks, with its own names.
    pub asks: &'static str,
    /// What Palisade does by default, and how that is proven.
    pub does: &'static str,
    /// AppFlowy's guide asks for it.
    pub appflowy: bool,
    /// Fluxbase's guide asks for it.
    pub fluxbase: bool,
    /// The issue that builds it.
    pub issue: &'static str,
}

/// The sections, in the order of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// TLS.
    Tls,
    /// Passwords, MFA, sessions.
    Accounts,
    /// SSO / SAML.
    Sso,
    /// RLS and GraphQL.
    Access,
    /// Database.
    Database,
    /// Encryption.
    Encryption,
    /// Network.
    Network,
    /// Security headers.
    Headers,
    /// Backups.
    Backups,
    /// Audit and logs.
    Audit,
    /// Detection.
    Detection,
    /// Secrets.
    Secrets,
    /// Validation and errors.
    Validation,
    /// Deployment.
    Deployment,
    /// Compliance, incident, cadence.
    Practice,
}

impl Group {
    /// Its heading.
    pub const fn title(self) -> &'static str {
        match self {
            Group::Tls => "TLS",
            Group::Accounts => "Passwords, MFA, sessions",
            Group::Sso => "SSO / SAML",
            Group::Access => "RLS and GraphQL",
            Group::Database => "Database",
            Group::Encryption => "Encryption",
            Group::Network => "Network",
            Group::Headers => "Security headers",
            Group::Backups => "Backups",
            Group::Audit => "Audit and logs",
            Group::Detection => "Detection",
            Group::Secrets => "Secrets",
            Group::Validation => "Validation and errors",
            Group::Deployment => "Deployment",
            Group::Practice => "Compliance, incident, cadence",
        }
    }
}

const LISTS: &[&[Control]] = &[
    tls::ALL,
    accounts::ALL,
    sso::ALL,
    access::ALL,
    database::ALL,
    encryption::ALL,
    network::ALL,
    headers::ALL,
    backups::ALL,
    audit::ALL,
    detection::ALL,
    secrets::ALL,
    validation::ALL,
    deployment::ALL,
    practice::ALL,
];

/// Every control, in the order of the numbers.
pub fn all() -> impl Iterator<Item = &'static Control> {
    LISTS.iter().flat_map(|list| list.iter())
}

/// The control with this number.
pub fn find(number: u16) -> Option<&'static Control> {
    all().find(|control| control.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_1_to_150_in_order() {
        assert!(all().map(|control| control.number).eq(1..=150));
    }

    #[test]
    fn every_control_says_what_is_asked_what_is_done_and_by_which_issue() {
        let issues = ["foundation", "auth", "rest", "graphql", "storage", "edge", "protection", "posture"];
        for control in all() {
            assert!(!control.asks.is_empty() && !control.does.is_empty(), "{}", control.number);
            assert!(control.appflowy || control.fluxbase, "{} is in neither guide", control.number);
            assert!(issues.contains(&control.issue), "{}: {}", control.number, control.issue);
        }
    }
}
