//! The system door: every reason for which this program touches the database without a caller.

/// Why a statement runs on our own tables as ourselves. One variant per use: this enum is the whole privileged surface.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Who is calling is not known yet: sign-up, sign-in, refresh, key lookup.
    Identify,
    /// A signed-in person's own account: profile, sessions, sign-out.
    OwnAccount,
    /// An administrator's work on accounts and keys.
    Administer,
    /// Signing and API keys at start and rotation.
    Keys,
    /// Ended sessions, when the push channel is lost.
    Revocation,
    /// Appending a refusal to the audit log, and chaining what was appended.
    Audit,
    /// Reading and verifying the audit log for an operator.
    AuditRead,
    /// Taking, running and finishing jobs.
    Jobs,
    /// The outbox and its transcript.
    Outbox,
    /// Reading the catalog: tables, columns, keys, functions, policies. No rows of users.
    Catalog,
    /// Probes of controls: what the catalog and our own tables say.
    Posture,
    /// Addresses that are kept out, and alerts.
    Detection,
    /// How far the audit log was sent elsewhere.
    Shipping,
    /// A function of the operator's that auth asks, by a login of its own.
    Hook,
    /// Forgetting kept answers to writes whose time is over.
    Repeats,
    /// Rows that changed, on their way to whoever may see them: written down by triggers, judged as each caller, and forgotten.
    Changes,
    /// The demo application's schema and data, in `dev` only.
    Demo,
}

impl Reason {
    /// Every reason, in the order of the enum.
    pub const ALL: [Reason; 17] = [
        Reason::Identify,
        Reason::OwnAccount,
        Reason::Administer,
        Reason::Keys,
        Reason::Revocation,
        Reason::Audit,
        Reason::AuditRead,
        Reason::Jobs,
        Reason::Outbox,
        Reason::Catalog,
        Reason::Posture,
        Reason::Detection,
        Reason::Shipping,
        Reason::Hook,
        Reason::Repeats,
        Reason::Changes,
        Reason::Demo,
    ];
}
