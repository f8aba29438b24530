//! The committed list of law 4: the only controls that may ever be `needs you` or `not applicable`, and why.

use crate::State;

/// A control that may be something other than proven or failing.
#[derive(Debug, Clone, Copy)]
pub struct Excused {
    /// Its number.
    pub control: u16,
    /// The state it may have.
    pub state: State,
    /// Why nobody but the operator can change it.
    pub reason: &'static str,
}

const fn needs_you(control: u16, reason: &'static str) -> Excused {
    Excused { control, state: State::NeedsYou, reason }
}

const fn not_applicable(control: u16, reason: &'static str) -> Excused {
    Excused { control, state: State::NotApplicable, reason }
}

/// All of them. A line is added only together with its reason, and a control without one is proven or failing.
pub const ALL: &[Excused] = &[
    not_applicable(15, "the certificate's issuer offers no OCSP"),
    needs_you(
        24,
        "whether everybody needs a second factor is the operator's decision; administrators always do",
    ),
    not_applicable(32, "the operator switched SAML off: no identity provider can sign anybody in"),
    not_applicable(33, "the operator switched SAML off: no identity provider can sign anybody in"),
    not_applicable(34, "the operator switched SAML off: no identity provider can sign anybody in"),
    not_applicable(35, "the operator switched SAML off: no identity provider can sign anybody in"),
    not_applicable(36, "the operator switched SAML off: no identity provider can sign anybody in"),
    not_applicable(37, "the operator switched SAML off: no identity provider can sign anybody in"),
    not_applicable(38, "the operator switched SAML off: no identity provider can sign anybody in"),
    not_applicable(39, "the operator switched SAML off: no identity provider can sign anybody in"),
    needs_you(
        41,
        "on a server without a superuser the owner of a table cannot be held to its policies; unprotected tables are not served",
    ),
    not_applicable(43, "GraphQL is switched off"),
    not_applicable(44, "GraphQL is switched off"),
    not_applicable(45, "GraphQL is switched off"),
    needs_you(50, "installing PostgreSQL's newest minor release is the operator's, within a month of it"),
    not_applicable(54, "the managed PostgreSQL has no TCP listener that a certificate could protect"),
    needs_you(56, "what is sent straight to a foreign database server is recorded by that server"),
    needs_you(58, "encrypting the disk below the database is done by whoever owns the disk"),
    not_applicable(59, "the database is not created by Palisade, so its checksums are its operator's"),
    not_applicable(61, "no S3 store is configured"),
    not_applicable(62, "no Redis or Valkey is configured"),
    not_applicable(64, "no Redis or Valkey is configured"),
    needs_you(67, "what other programs of the machine let in is its owner's to decide"),
    needs_you(68, "the firewall of a foreign database server is not ours to change"),
    needs_you(74, "which sites may call the API is the operator's decision; until then none may"),
    needs_you(89, "an off-site target needs an account somewhere else"),
    needs_you(
        94,
        "where a copy of the audit log goes is the operator's decision; the log itself is kept either way",
    ),
    needs_you(99, "a central log server has to be named"),
    needs_you(101, "swap of the machine in clear is its owner's to encrypt or to switch off"),
    needs_you(107, "whom to tell of an alert, and by which mail server or webhook, is the operator's to say"),
    needs_you(109, "whom to tell of an alert, and by which mail server or webhook, is the operator's to say"),
    needs_you(137, "a business associate agreement is signed by people"),
    needs_you(138, "policies and awareness are the organisation's"),
    needs_you(140, "reviews and trainings are done by people"),
    needs_you(142, "a drill is done by people"),
    needs_you(144, "the contacts have to be named"),
    needs_you(146, "an outside test is commissioned by people"),
    needs_you(147, "an access review is answered by people"),
    needs_you(149, "the address for reports has to be named"),
];

/// Whether `control` may be in `state`.
pub fn allows(control: u16, state: State) -> bool {
    match state {
        State::NeedsYou | State::NotApplicable => {
            ALL.iter().any(|excused| excused.control == control && excused.state == state)
        }
        State::Proven | State::Failing | State::NotBuilt => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_excused_that_is_not_listed() {
        assert!(allows(15, State::NotApplicable));
        assert!(!allows(15, State::NeedsYou));
        assert!(!allows(92, State::NeedsYou));
        assert!(allows(92, State::Failing));
    }

    #[test]
    fn every_excuse_names_a_control_once_and_says_why() {
        assert!(ALL.is_sorted_by(|a, b| a.control < b.control));
        assert!(
            ALL.iter()
                .all(|excused| crate::controls::find(excused.control).is_some() && excused.reason.len() > 20)
        );
    }
}
