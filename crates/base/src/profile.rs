//! How an instance is run. The profile decides what may be relaxed; everything relaxed stands in one place per profile.

/// `serve` is the product; the other two are named, loud, and refuse to be reachable from elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// The product: every default is the safe one.
    Serve,
    /// The same with the demo application, a mail catcher and confirmed sign-ups; loopback only.
    Dev,
    /// What outside test-suites need; loopback only, no real data directory (see `docs/reference/conformance.md`).
    Conformance,
}

impl Profile {
    /// The word used on the command line and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Serve => "serve",
            Profile::Dev => "dev",
            Profile::Conformance => "conformance",
        }
    }
}
