//! Who may pass. Decided once, before the handler; what a caller may see of a table is the policies' business.

use std::time::Duration;

use base::{Caller, Level, Who};

use crate::Error;

/// What a route asks of its caller. Anonymous is never a default: it is spelled out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    /// Anybody, with nothing: health, public keys.
    Open,
    /// Anybody who sends a valid key or token; nobody in particular is fine.
    Key,
    /// A signed-in person.
    SignedIn,
    /// A signed-in person with their strongest factor, proven within the last `max_age`.
    StepUp {
        /// How old the proof may be.
        max_age: Duration,
    },
    /// An administrator or a program with the service key.
    Admin,
    /// The operator at the control socket.
    Operator,
}

impl Guard {
    /// Lets the caller pass, or says why not.
    pub fn admit(self, caller: &Caller, has_credential: bool, clock: &base::Clock) -> Result<(), Error> {
        if caller.who == Who::Operator {
            return Ok(());
        }
        match self {
            Guard::Open => Ok(()),
            Guard::Key if has_credential => Ok(()),
            Guard::Key => Err(Error::NoApiKey),
            Guard::SignedIn => signed_in(caller),
            Guard::StepUp { max_age } => {
                signed_in(caller)?;
                let age = |at: i64| clock.unix_seconds().saturating_sub(at);
                let oldest = i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX);
                let fresh = caller.last_proof().is_some_and(|at| age(at.as_second()) <= oldest);
                if fresh && caller.level == Level::Aal2 {
                    return Ok(());
                }
                Err(Error::StepUp { minutes: max_age.as_secs() / 60 })
            }
            Guard::Admin if is_admin(caller) => Ok(()),
            Guard::Admin if !has_credential => Err(Error::NotSignedIn),
            Guard::Admin => Err(Error::NotAdmin),
            Guard::Operator => Err(Error::NotOperator),
        }
    }
}

fn signed_in(caller: &Caller) -> Result<(), Error> {
    caller.signed_in().map(|_| ()).ok_or(Error::NotSignedIn)
}

/// Whether a key's limits reach as far as this route was decided before.
fn is_admin(caller: &Caller) -> bool {
    caller.is_administrator()
}
