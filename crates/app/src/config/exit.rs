//! The exit codes of `palisade`, one list. Scripts rely on them, so a number never changes its meaning.

/// Why the program ended. Numbers above 63 are those of BSD's `sysexits.h`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Done.
    Success,
    /// It was tried and did not succeed; the message says why.
    Failed,
    /// The command line is wrong.
    Usage,
    /// A control is failing (`palisade posture`, `palisade check`).
    ControlFailing,
    /// Something Palisade needs does not answer.
    Unavailable,
    /// A defect of ours.
    Bug,
    /// A listener, a directory or a file cannot be had from the operating system.
    System,
    /// No permission.
    Permission,
    /// The settings are refused.
    Configuration,
}

impl Exit {
    /// Every one, in the order of their numbers.
    pub const ALL: [Exit; 9] = [
        Exit::Success,
        Exit::Failed,
        Exit::Usage,
        Exit::ControlFailing,
        Exit::Unavailable,
        Exit::Bug,
        Exit::System,
        Exit::Permission,
        Exit::Configuration,
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::ControlFailing => 3,
            Exit::Unavailable => 69,
            Exit::Bug => 70,
            Exit::System => 71,
            Exit::Permission => 77,
            Exit::Configuration => 78,
        }
    }

    /// What it means to whoever called the program.
    pub const fn meaning(self) -> &'static str {
        match self {
            Exit::Success => "Done; for `serve` and `dev`: stopped cleanly when asked to.",
            Exit::Failed => "It was tried and did not succeed. The message says what to do.",
            Exit::Usage => "The command line is wrong: an unknown command, or an argument that is missing.",
            Exit::ControlFailing => {
                "At least one of the controls asked about is failing. The evidence is printed."
            }
            Exit::Unavailable => {
                "Something Palisade needs does not answer: PostgreSQL, or the running server for an operator command."
            }
            Exit::Bug => "A defect in Palisade. The message has an id that the log repeats.",
            Exit::System => "The operating system refused a listener, a directory or a file.",
            Exit::Permission => "Palisade may not do this as the user it was started as.",
            Exit::Configuration => {
                "The settings are refused: an unknown name, a value out of range, two names that contradict each other, \
                 something that is not built yet, or a value that would take away what is always on. Nothing was started."
            }
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_distinct_and_in_order() {
        let codes = Exit::ALL.map(Exit::code);
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
        assert_eq!(Exit::Configuration.code(), 78);
    }
}
