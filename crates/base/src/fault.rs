//! What went wrong, in one shape for the whole house.
//!
//! Each crate has one `error.rs` whose enum implements [`Fault`]. A dialect turns kind and code into its own envelope;
//! the edge logs the source chain of what is not the caller's fault, once. Nothing here knows HTTP.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

/// The closed list of what can go wrong, from the caller's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request itself is wrong; sending it again will not help.
    Invalid,
    /// No, or no valid, credential.
    Unauthenticated,
    /// Known, but the session is too weak or the proof too old.
    StepUp,
    /// Known, and not allowed.
    Forbidden,
    /// Not there, or not there for this caller.
    NotFound,
    /// In the way of something that exists.
    Conflict,
    /// Past a size limit.
    TooLarge,
    /// Past a rate limit.
    TooMany,
    /// Something we need is not answering; trying later may help.
    Unavailable,
    /// There is no room left to keep what was sent.
    Full,
    /// It took too long.
    Timeout,
    /// Understood, and not offered here.
    Unsupported,
    /// Our mistake. The text never reaches the caller.
    Bug,
}

impl Kind {
    /// Whether the operator, not the caller, has to act: these are logged with their whole chain.
    pub fn is_ours(self) -> bool {
        matches!(self, Kind::Bug | Kind::Unavailable | Kind::Full | Kind::Timeout)
    }
}

/// An error that knows how to be answered.
pub trait Fault: Error + Send + Sync + 'static {
    /// Which of the thirteen it is.
    fn kind(&self) -> Kind;
    /// Grouped by crate, grep-able, never reused: `"auth.password.too_short"`.
    fn code(&self) -> &'static str;
    /// What the caller may read. Must not repeat secrets or names the caller may not know.
    fn message(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
    /// The one field or command that fixes it.
    fn hint(&self) -> Option<Cow<'_, str>> {
        None
    }
    /// When trying again makes sense.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// Any [`Fault`], boxed: what handlers return with `?`.
pub struct Failure(Box<dyn Fault>);

impl Failure {
    /// The fault inside.
    pub fn fault(&self) -> &dyn Fault {
        &*self.0
    }

    /// The concrete error, for a dialect that has words of its own for it.
    pub fn downcast_ref<E: Fault>(&self) -> Option<&E> {
        (&*self.0 as &(dyn Error + 'static)).downcast_ref()
    }
}

impl<E: Fault> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure(Box::new(error))
    }
}

impl std::fmt::Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {:?}", self.0.code(), self.0, self.0)
    }
}

/// The whole chain of causes on one line, for the log.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        next = cause.source();
    }
    line
}
