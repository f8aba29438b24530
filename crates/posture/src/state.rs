//! What a control can be, and what a probe found.

/// The five states of a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// A probe saw the protection work.
    Proven,
    /// A probe saw it missing, or could not try.
    Failing,
    /// Only the operator can finish it; allowed for the listed controls.
    NeedsYou,
    /// There is nothing here that it could protect; allowed for the listed controls.
    NotApplicable,
    /// A later issue builds it.
    NotBuilt,
}

impl State {
    /// Every state, in the order of the report.
    pub const ALL: [State; 5] =
        [State::Proven, State::Failing, State::NeedsYou, State::NotApplicable, State::NotBuilt];

    /// As JSON and the table spell it.
    pub const fn name(self) -> &'static str {
        match self {
            State::Proven => "proven",
            State::Failing => "failing",
            State::NeedsYou => "needs_you",
            State::NotApplicable => "not_applicable",
            State::NotBuilt => "not_built",
        }
    }

    /// As the report says it.
    pub const fn words(self) -> &'static str {
        match self {
            State::Proven => "proven",
            State::Failing => "failing",
            State::NeedsYou => "need you",
            State::NotApplicable => "not applicable",
            State::NotBuilt => "not built",
        }
    }

    /// In front of a line of the report.
    pub const fn mark(self) -> char {
        match self {
            State::Proven => '✓',
            State::Failing => '✗',
            State::NeedsYou => '!',
            State::NotApplicable => '-',
            State::NotBuilt => '·',
        }
    }
}

/// What a probe found, with what it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The state it means.
    pub state: State,
    /// What was seen, a line each. Never a secret.
    pub evidence: String,
}

impl Finding {
    fn new(state: State, evidence: impl Into<String>) -> Self {
        Finding { state, evidence: evidence.into() }
    }

    /// It works.
    pub fn proven(evidence: impl Into<String>) -> Self {
        Finding::new(State::Proven, evidence)
    }

    /// It does not.
    pub fn failing(evidence: impl Into<String>) -> Self {
        Finding::new(State::Failing, evidence)
    }

    /// The operator has to do something.
    pub fn needs_you(evidence: impl Into<String>) -> Self {
        Finding::new(State::NeedsYou, evidence)
    }

    /// Nothing here to protect.
    pub fn not_applicable(evidence: impl Into<String>) -> Self {
        Finding::new(State::NotApplicable, evidence)
    }

    /// Both: proven only when both are, failing when either is.
    pub fn and(self, other: Finding) -> Self {
        let state = match (self.state, other.state) {
            (State::Failing, _) | (_, State::Failing) => State::Failing,
            (State::Proven, other) => other,
            (own, _) => own,
        };
        Finding::new(state, format!("{}\n{}", self.evidence, other.evidence))
    }

    /// Proven when every line of `seen` is true; the evidence says which are not.
    pub fn all(seen: impl IntoIterator<Item = (bool, String)>) -> Self {
        let mut holds = true;
        let mut lines = Vec::new();
        for (good, line) in seen {
            holds &= good;
            lines.push(if good { line } else { format!("NOT SO: {line}") });
        }
        // A probe that looked at nothing proves nothing.
        let state = if holds && !lines.is_empty() { State::Proven } else { State::Failing };
        Finding::new(state, lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_findings_are_proven_only_together() {
        let (good, bad) = (Finding::proven("a"), Finding::failing("b"));
        assert_eq!(good.clone().and(bad.clone()), Finding::failing("a\nb"));
        assert_eq!(bad.and(good.clone()).state, State::Failing);
        assert_eq!(good.clone().and(Finding::needs_you("c")).state, State::NeedsYou);
        assert_eq!(good.clone().and(good).state, State::Proven);
    }

    #[test]
    fn one_line_that_does_not_hold_is_enough_to_fail() {
        let finding = Finding::all([(true, "a".to_owned()), (false, "b".to_owned())]);
        assert_eq!(finding, Finding::failing("a\nNOT SO: b"));
        assert_eq!(Finding::all([(true, "a".to_owned())]).state, State::Proven);
        assert_eq!(Finding::all([]).state, State::Failing, "looking at nothing proves nothing");
    }
}
