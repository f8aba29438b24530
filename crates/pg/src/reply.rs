//! A reply is made by a commit.

/// An answer whose transaction is over. Only a commit makes one, or [`Reply::untouched`] for what touched no data.
#[derive(Debug)]
#[must_use = "a reply that is not returned was a transaction for nothing"]
pub struct Reply<T>(T);

impl<T> Reply<T> {
    /// For this crate's commits only.
    pub(crate) fn committed(value: T) -> Self {
        Reply(value)
    }

    /// An answer for which no transaction was needed. `why` is for the reader of the code.
    pub fn untouched(value: T, _why: &'static str) -> Self {
        Reply(value)
    }

    /// Shapes the answer. What it says was committed already.
    pub fn map<U>(self, shape: impl FnOnce(T) -> U) -> Reply<U> {
        Reply(shape(self.0))
    }

    /// Shapes the answer, where shaping may fail. The transaction stays committed.
    pub fn try_map<U, E>(self, shape: impl FnOnce(T) -> Result<U, E>) -> Result<Reply<U>, E> {
        shape(self.0).map(Reply)
    }

    /// The answer itself, for whoever writes it to the wire.
    pub fn into_inner(self) -> T {
        self.0
    }
}
