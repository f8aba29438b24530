//! Everything worth an audit entry, in one list. Names are stable: guides, filters and reports refer to them.
//!
//! One line per event: variant, name (the part before the first dot groups it), severity, and whether the action may
//! happen without its entry. Never rename a line and never reuse a name; add.

/// How much an operator should care.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Severity {
    /// Detail: recorded only at `logging.audit_log_level: debug`.
    Debug,
    /// Ordinary.
    Info,
    /// Worth a look: a refusal, a loosened setting.
    Warn,
    /// Somebody must act.
    Critical,
}

impl Severity {
    /// As entries and settings spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Debug => "debug",
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Critical => "critical",
        }
    }
}

/// Whether an action may happen without its entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// An action that cannot be recorded does not happen.
    Must,
    /// Recorded when possible; its loss is itself recorded.
    May,
}

macro_rules! events {
    ($( $(#[$doc:meta])+ $variant:ident $name:literal $severity:ident $need:ident; )+) => {
        /// Something noteworthy that happened.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Event { $( $(#[$doc])+ $variant, )+ }

        impl Event {
            /// Every event, in the order of the list.
            pub const ALL: &'static [Event] = &[$( Event::$variant, )+];

            /// Its stable name.
            pub const fn name(self) -> &'static str {
                match self { $( Event::$variant => $name, )+ }
            }

            /// How much an operator should care.
            pub const fn severity(self) -> Severity {
                match self { $( Event::$variant => Severity::$severity, )+ }
            }

            /// Whether the action may happen without its entry.
            pub const fn need(self) -> Need {
                match self { $( Event::$variant => Need::$need, )+ }
            }
        }
    };
}

events! {
    // The seven names of the guide (control 98).
    /// A person signed in.
    Login "auth.login" Info Must;
    /// A person ended their session or sessions.
    Logout "auth.logout" Info Must;
    /// An account was made by its owner.
    Signup "auth.signup" Info Must;
    /// A password was reset by its owner through recovery.
    PasswordReset "auth.password_reset" Info Must;
    /// An administrator made an account.
    UserCreate "admin.user_create" Info Must;
    /// An administrator removed an account.
    UserDelete "admin.user_delete" Warn Must;
    /// An administrator changed what somebody may do.
    RoleChange "admin.role_change" Warn Must;

    // Accounts and sessions (control 95: successes and failures alike).
    /// A sign-in was refused.
    LoginFailed "auth.login_failed" Warn May;
    /// A sign-up was refused.
    SignupRefused "auth.signup_refused" Warn May;
    /// An anonymous account was made.
    AnonymousSignup "auth.anonymous_signup" Info Must;
    /// A session got new tokens.
    TokenRefreshed "auth.token_refreshed" Info Must;
    /// A spent refresh token came back: its whole family was ended.
    TokenReuseDetected "auth.token_reuse_detected" Critical Must;
    /// A refresh token was refused.
    RefreshRefused "auth.refresh_refused" Warn May;
    /// An access token was refused: forged, expired, of an ended session.
    TokenRefused "auth.token_refused" Warn May;
    /// A session was ended by somebody or something else than its owner's sign-out.
    SessionEnded "auth.session_ended" Info Must;
    /// A session reached its longest life or idle time.
    SessionExpired "auth.session_expired" Info May;
    /// A person changed their own account.
    UserUpdated "auth.user_updated" Info Must;
    /// A person changed their password while signed in.
    PasswordChanged "auth.password_changed" Info Must;
    /// A password's stored form was renewed at sign-in (bcrypt to argon2id, stronger parameters).
    PasswordRehashed "auth.password_rehashed" Info May;
    /// A new password was refused by the policy.
    PasswordRefused "auth.password_refused" Debug May;
    /// A recovery mail was asked for.
    RecoveryRequested "auth.recovery_requested" Info Must;
    /// A confirmation was asked for or sent again.
    ConfirmationRequested "auth.confirmation_requested" Info Must;
    /// An address was confirmed.
    AddressConfirmed "auth.address_confirmed" Info Must;
    /// A change of address was asked for.
    AddressChangeRequested "auth.address_change_requested" Info Must;
    /// An address was changed.
    AddressChanged "auth.address_changed" Warn Must;
    /// A one-time code or link was refused.
    CodeRefused "auth.code_refused" Warn May;
    /// A proof of presence was asked for before a sensitive action.
    ReauthenticationRequested "auth.reauthentication_requested" Info Must;
    /// A session's level was raised by a second proof.
    StepUp "auth.step_up" Info Must;
    /// An action was refused until a second or fresher proof.
    StepUpRequired "auth.step_up_required" Info May;
    /// A second factor was enrolled.
    FactorEnrolled "auth.factor_enrolled" Info Must;
    /// A second factor was removed.
    FactorRemoved "auth.factor_removed" Warn Must;
    /// A second factor was challenged.
    FactorChallenged "auth.factor_challenged" Info May;
    /// A second factor was proven.
    FactorVerified "auth.factor_verified" Info Must;
    /// A proof of a second factor was refused.
    FactorRefused "auth.factor_refused" Warn May;
    /// Somebody proved the address of an account that nobody had proven: whoever made it keeps nothing in it.
    AccountReclaimed "auth.account_reclaimed" Warn Must;
    /// Somebody let a program act for them.
    ConsentGiven "auth.consent_given" Info Must;
    /// Somebody took that back.
    ConsentRevoked "auth.consent_revoked" Info Must;
    /// A person said no to a client of our OAuth server.
    ConsentDenied "auth.consent_denied" Info May;
    /// A code of our OAuth server came twice: what it gave was taken back.
    CodeReplayed "auth.code_replayed" Critical Must;
    /// A program's request for somebody's consent was refused: it was malformed, or names what does not belong together.
    ConsentRequestRefused "auth.consent_request_refused" Warn May;
    /// Somebody may not look at a program's request, answer it, or take back what they never agreed to.
    ConsentRefused "auth.consent_refused" Warn May;
    /// A program may not register itself, or did not prove who it is.
    ClientRefused "auth.client_refused" Warn May;
    /// A program gave a token back: its session ended.
    TokenGivenBack "auth.token_given_back" Info Must;
    /// An outside identity was linked.
    IdentityLinked "auth.identity_linked" Info Must;
    /// An outside identity was unlinked.
    IdentityUnlinked "auth.identity_unlinked" Warn Must;
    /// Sign-in was paused after too many wrong tries.
    LockedOut "auth.locked_out" Warn Must;
    /// A pause ended or was lifted.
    LockoutLifted "auth.lockout_lifted" Info Must;
    /// An account was invited.
    InviteSent "auth.invite_sent" Info Must;
    /// An invitation was taken up.
    InviteAccepted "auth.invite_accepted" Info Must;
    /// A removed account's own request, or its retention, erased it.
    AccountErased "auth.account_erased" Warn Must;

    // Outside sign-in through SAML.
    /// An identity provider was added, by settings or an administrator.
    SsoProviderCreated "sso.provider_created" Warn Must;
    /// An identity provider was changed.
    SsoProviderChanged "sso.provider_changed" Warn Must;
    /// An identity provider was removed.
    SsoProviderRemoved "sso.provider_removed" Warn Must;
    /// An identity provider shows or was given other signing keys (control 33).
    SsoKeysChanged "sso.keys_changed" Critical Must;
    /// What came in an identity provider's name was refused: forged, replayed, for somebody else, unasked.
    SsoRefused "sso.refused" Warn May;

    // Administration (control 97: before and after, with a reason).
    /// An administrator changed an account.
    UserUpdate "admin.user_update" Info Must;
    /// An administrator banned an account.
    UserBan "admin.user_ban" Warn Must;
    /// An administrator lifted a ban.
    UserUnban "admin.user_unban" Info Must;
    /// An administrator asked for a link that signs somebody in.
    LinkGenerate "admin.link_generate" Warn Must;
    /// An administrator ended somebody's sessions.
    SessionsEnd "admin.sessions_end" Warn Must;
    /// An administrator began to act in somebody's name; until it ends, what happens in that name says so (`acting`).
    ImpersonationStarted "admin.impersonation_started" Warn Must;
    /// An administrator stopped acting in somebody's name.
    ImpersonationStopped "admin.impersonation_stopped" Warn Must;
    /// An administrator added, changed or removed a provider that people sign in through.
    OauthProviderChanged "admin.oauth_provider_changed" Warn Must;
    /// A client of our OAuth server was made, changed or removed.
    OauthClientChanged "admin.oauth_client_changed" Warn Must;
    /// An administrator read accounts.
    UsersRead "admin.users_read" Info May;
    /// An administrator was made.
    AdminCreate "admin.admin_create" Critical Must;
    /// A one-time link that makes the first administrator was made.
    SetupLinkCreated "admin.setup_link_created" Warn Must;
    /// That link was used.
    SetupLinkUsed "admin.setup_link_used" Warn Must;
    /// That link was refused: used up, expired, wrong.
    SetupLinkRefused "admin.setup_link_refused" Warn May;
    /// An operator read or exported the audit log.
    AuditRead "admin.audit_read" Info Must;
    /// An operator looked into the outbox.
    OutboxRead "admin.outbox_read" Info Must;
    /// An operator ran a command at the control socket.
    Command "admin.command" Info Must;
    /// An administrator's action was refused.
    AdminRefused "admin.refused" Warn May;

    // Certificates.
    /// A new certificate is in force.
    CertificateRenewed "tls.certificate_renewed" Info Must;
    /// A certificate could not be got, renewed, read or rehearsed.
    CertificateFailed "tls.certificate_failed" Critical May;
    /// A renewal was rehearsed at the staging directory.
    CertificateRehearsed "tls.certificate_rehearsed" Info Must;
    /// A credential was sent over plain HTTP: whoever listened has it.
    CredentialExposed "tls.credential_exposed" Critical May;

    // Keys.
    /// An API key was made.
    KeyCreated "key.created" Warn Must;
    /// A key was used; counted, one entry per window.
    KeyUsed "key.used" Info May;
    /// A key was refused: unknown, revoked, expired, out of scope.
    KeyRefused "key.refused" Warn May;
    /// A key was revoked.
    KeyRevoked "key.revoked" Warn Must;
    /// A signing key was made.
    SigningKeyCreated "key.signing_created" Warn Must;
    /// The signing keys took their next step: next, active, verify-only, retired.
    SigningKeyRotated "key.signing_rotated" Warn Must;
    /// A signing key was withdrawn at once.
    SigningKeyRevoked "key.signing_revoked" Critical Must;
    /// The sealing root key was made.
    RootKeyCreated "key.root_created" Warn Must;
    /// A key known from demos and documentation was found and refused.
    DemoKeyRefused "key.demo_refused" Critical May;

    /// The operator asked what somebody can reach, or tried it in their place.
    AccessTried "admin.access_tried" Warn Must;

    // The edge.
    /// A rate limit was reached.
    RateLimited "rate.limited" Warn May;
    /// A request was refused before anybody looked at it: malformed, too large, too slow.
    RequestRefused "request.refused" Warn May;
    /// Somebody was not let into a channel, or not to speak in it.
    RealtimeRefused "realtime.refused" Warn May;
    /// A guard refused a caller.
    GuardRefused "guard.refused" Warn May;
    /// A request from an origin that is not allowed.
    OriginRefused "request.origin_refused" Warn May;
    /// A token was sent over plain HTTP.
    TokenExposed "request.token_exposed" Critical May;
    /// A request failed by our mistake.
    RequestFailed "request.failed" Warn May;
    /// An address was banned.
    AddressBanned "ban.created" Warn Must;
    /// A ban ended or was lifted.
    AddressUnbanned "ban.lifted" Info Must;

    /// A caller did far more than anybody does (control 108).
    UnusualActivity "api.unusual_activity" Warn May;
    /// A rule raised an alert.
    AlertRaised "alert.raised" Warn May;
    /// Nobody could be told of an alert.
    AlertUndelivered "alert.undelivered" Critical May;
    /// A rule was made to tell nobody for a while, or to tell again.
    AlertSilenced "alert.silenced" Warn Must;
    /// What is logged does not reach where it is sent.
    LogsHeldUp "logs.held_up" Critical May;
    /// It does again.
    LogsFlow "logs.flow_again" Warn May;
    /// Lines of the log were removed before they were sent.
    LogsLost "logs.lost" Critical May;
    /// A bait was made.
    CanaryMade "canary.made" Info Must;
    /// A bait was taken: somebody is where nobody should be.
    CanaryTouched "canary.touched" Critical May;
    /// A bait was taken away.
    CanaryRemoved "canary.removed" Warn Must;

    // What leaves the house.
    /// A request of ours to a place that may not be reached, or past a limit, did not leave.
    OutboundRefused "outbound.refused" Warn May;

    // Data.
    /// A table was refused because its row level security is not in force.
    TableRefused "data.table_refused" Warn May;
    /// A GraphQL document was refused before it ran: too large, in circles, not listed, or asking about the schema.
    QueryRefused "data.query_refused" Warn May;
    /// Row level security refused a write.
    RowRefused "data.row_refused" Info May;
    /// A request's role switch was refused by the database.
    RoleRefused "data.role_refused" Critical May;

    // Settings.
    /// A setting changed between two starts, or while running.
    ConfigChanged "config.changed" Info Must;
    /// A setting was made less safe than its default.
    ConfigLoosened "config.loosened" Warn Must;
    /// A name under a foreign prefix has no effect here.
    ConfigIgnored "config.ignored" Warn May;
    /// The level of the log was changed (control 102).
    LogLevelChanged "config.log_level_changed" Info Must;
    /// Settings were read again.
    ConfigReloaded "config.reloaded" Info Must;

    // The server and its database.
    /// The server started.
    ServerStarted "server.started" Info Must;
    /// The server is about to stop.
    ServerStopped "server.stopped" Info May;
    /// The last run did not stop cleanly.
    ServerCrashed "server.crashed" Warn May;
    /// A data directory was made.
    DataCreated "server.data_created" Info Must;
    /// The profile is one that relaxes controls.
    ProfileRelaxed "server.profile_relaxed" Warn Must;
    /// Roles, schemas and event triggers were made or mended.
    DbBootstrapped "db.bootstrapped" Info Must;
    /// Row level security was enabled and forced on a new table.
    DbRlsForced "db.rls_forced" Info May;
    /// A table is not served until its row level security is in force.
    DbGateClosed "db.gate_closed" Warn May;
    /// A table is served again.
    DbGateOpened "db.gate_opened" Info May;
    /// The database does not have the privileges it should, or has more.
    DbDrift "db.drift" Critical May;
    /// An operator began to apply a migration of the application.
    DbMigrationStarted "db.migration_started" Info Must;
    /// A migration of the application was applied.
    DbMigrated "db.migrated" Info Must;
    /// A migration of the application failed; nothing of it stayed, unless it had asked for no transaction.
    DbMigrationFailed "db.migration_failed" Warn Must;
    /// An operator took a migration of the application back.
    DbMigrationReverted "db.migration_reverted" Warn Must;
    /// An operator has stored HTML of tagged columns cleaned; what is about which table.
    DbHtmlCleaned "db.html_cleaned" Info Must;
    /// Somebody who came with SQL themselves ran a statement of a class that is recorded (control 56).
    DbStatement "db.statement" Info May;
    /// More such statements came than could be recorded; how many is in it.
    DbStatementsLost "db.statements_lost" Critical May;
    /// A migration of our schemas was applied.
    MigrationApplied "migration.applied" Info Must;
    /// A migration of the user's schema was applied.
    UserMigrationApplied "migration.user_applied" Info Must;

    /// A read-only login of the database was lent (control 52).
    GuestLent "db.guest_lent" Warn Must;
    /// A read-only login of the database ended: revoked, or its time was over.
    GuestEnded "db.guest_ended" Warn Must;

    // Background work and mail.
    /// A job gave up and lies with the dead letters.
    JobDead "job.dead" Warn May;
    /// A dead job was tried again by an operator.
    JobRevived "job.revived" Info Must;
    /// A mail could not be delivered.
    MailFailed "mail.failed" Warn May;

    // The log about itself, and the posture.
    /// The chain was verified and holds.
    AuditVerified "audit.verified" Info May;
    /// The chain does not hold.
    TamperingFound "audit.tampering_found" Critical Must;
    /// The machine's clock went backwards.
    ClockWentBack "audit.clock_went_back" Critical May;
    /// Entries of the refusal lane were lost, and how many.
    EntriesLost "audit.entries_lost" Critical May;
    /// The chain could not grow, or its copy outside the database could not be written.
    ChainStalled "audit.chain_stalled" Critical May;
    /// The chain was begun.
    ChainBegun "audit.chain_begun" Info Must;
    /// The file sink could not be written.
    SinkFailed "audit.sink_failed" Critical May;
    /// The file sink works again.
    SinkRecovered "audit.sink_recovered" Info May;
    /// The controls were checked.
    PostureChecked "posture.checked" Info May;
    /// A control that was proven no longer is.
    ControlLost "posture.control_lost" Critical May;
    /// A control is proven again.
    ControlRegained "posture.control_regained" Info May;
}

impl Event {
    /// The part of the name before the first dot.
    pub fn category(self) -> &'static str {
        self.name().split('.').next().unwrap_or_default()
    }

    /// The event of a name.
    pub fn named(name: &str) -> Option<Event> {
        Event::ALL.iter().copied().find(|event| event.name() == name)
    }

    /// Whether no setting may keep it out of any sink (control 93).
    pub fn is_security(self) -> bool {
        let about_security = matches!(
            self.category(),
            "auth" | "admin" | "key" | "config" | "guard" | "audit" | "ban" | "rate"
        );
        about_security || self.need() == Need::Must || self.severity() >= Severity::Warn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_dotted_and_lower_case() {
        let mut seen = std::collections::HashSet::new();
        for event in Event::ALL {
            let name = event.name();
            let (group, rest) = name.split_once('.').expect("a dot");
            let plain =
                |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(plain(group) && plain(rest), "{name}");
            assert!(seen.insert(name), "{name} twice");
            assert_eq!(Event::named(name), Some(*event));
        }
    }

    #[test]
    fn the_seven_names_of_the_guide_are_emitted_and_cannot_be_skipped() {
        for name in [
            "auth.login",
            "auth.logout",
            "auth.signup",
            "auth.password_reset",
            "admin.user_create",
            "admin.user_delete",
            "admin.role_change",
        ] {
            let event = Event::named(name).expect(name);
            assert_eq!(event.need(), Need::Must, "{name}");
            assert!(event.is_security(), "{name}");
        }
    }
}
