//! What happens to accounts, as the audit log is told (control 95, 98).
//!
//! Invariant: an entry travels in the transaction of what it tells; only refusals, whose transaction is gone, take the
//! log's own lane.

mod links;

pub(crate) use links::{LinkHappening, record_link};

use audit::{Entry, Event};
use pg::SystemTx;
use uuid::Uuid;

use crate::mfa::FactorType;
use crate::new_key::NewKey;
use crate::user::User;
use crate::{Auth, Error, Visit};

/// Something that was done.
pub(crate) enum Happening<'a> {
    Login { user: &'a User, session: Uuid, method: &'a str },
    Logout { user: Uuid, sessions: usize },
    Signup { user: &'a User },
    TokenRefreshed { user: &'a User, session: Uuid },
    TokenReused { user: &'a User, session: Uuid },
    SessionExpired { user: &'a User, session: Uuid },
    UserUpdated { user: Uuid, fields: Vec<String> },
    Outside(Outside<'a>),
    AdminCreated { user: &'a User },
    AdminUpdated { user: Uuid, fields: Vec<String> },
    AdminRole { user: Uuid, before: &'a str, after: &'a str },
    AdminBanned { user: Uuid, until: Option<jiff::Timestamp> },
    AdminDeleted { user: Uuid, soft: bool },
    SetupLinkCreated { email: &'a str },
    SetupLinkUsed { user: Uuid },
    AdministratorMade { user: Uuid },
    FactorEnrolled { user: Uuid, factor: Uuid, kind: FactorType },
    FactorChallenged { user: Uuid, factor: Uuid },
    FactorVerified { user: Uuid, session: Uuid, factor: Uuid, kind: FactorType, first: bool },
    FactorChanged { user: Uuid, factor: Uuid },
    FactorRemoved { user: Uuid, factor: Uuid, kind: FactorType },
    Spare { user: Uuid, event: Event, kind: &'static str, what: String },
    SteppedUp { user: Uuid, session: Uuid, method: &'a str },
    SigningKeysRotated,
    SigningKeyRetired { kid: &'a str },
    Provider { id: Uuid, entity_id: &'a str, what: OfProvider },
    ApiKeyRevoked { id: &'a str },
    ApiKeyMade { id: &'a str, new: &'a NewKey },
    BaitMade { id: &'a str },
    BaitRemoved { id: &'a str },
}

/// What happens between accounts and other programs: providers that people come from, clients that they go to.
pub(crate) enum Outside<'a> {
    IdentityLinked { user: Uuid, provider: &'a str },
    IdentityUnlinked { user: Uuid, provider: &'a str },
    AccountReclaimed { user: Uuid, sessions_ended: usize },
    ProviderChanged { name: &'a str, what: &'static str },
    ClientChanged { id: Uuid, what: &'static str },
    ConsentGiven { user: Uuid, client: Uuid, scopes: &'a str },
    ConsentDenied { user: Uuid, client: Uuid },
    ConsentRevoked { user: Uuid, client: Uuid, sessions_ended: usize },
    CodeReplayed { user: Option<Uuid>, client: Uuid },
    TokenGivenBack { user: Uuid, client: Uuid },
}

fn outside(visit: &Visit, what: Outside<'_>) -> Entry {
    let by = |event| Entry::by(&visit.caller, event);
    let of = |user: Uuid, event| {
        let entry = Entry::named(format!("user:{user}"), event).from_address(visit.caller.address);
        entry.about(format!("user:{user}"))
    };
    let named = |client: Uuid| format!("client:{client}");
    match what {
        Outside::IdentityLinked { user, provider } => {
            of(user, Event::IdentityLinked).detail("provider", provider)
        }
        Outside::IdentityUnlinked { user, provider } => {
            of(user, Event::IdentityUnlinked).detail("provider", provider)
        }
        Outside::AccountReclaimed { user, sessions_ended } => {
            of(user, Event::AccountReclaimed).detail("sessions_ended", sessions_ended)
        }
        Outside::ProviderChanged { name, what } => {
            by(Event::OauthProviderChanged).about(format!("provider:{name}")).detail("what", what)
        }
        Outside::ClientChanged { id, what } => {
            by(Event::OauthClientChanged).about(named(id)).detail("what", what)
        }
        Outside::ConsentGiven { user, client, scopes } => {
            of(user, Event::ConsentGiven).detail("client", named(client)).detail("scopes", scopes)
        }
        Outside::ConsentDenied { user, client } => {
            of(user, Event::ConsentDenied).detail("client", named(client))
        }
        Outside::ConsentRevoked { user, client, sessions_ended } => of(user, Event::ConsentRevoked)
            .detail("client", named(client))
            .detail("sessions_ended", sessions_ended),
        Outside::CodeReplayed { user, client } => by(Event::CodeReplayed)
            .about(named(client))
            .detail("user", user.map(|user| format!("user:{user}"))),
        Outside::TokenGivenBack { user, client } => Entry::named(named(client), Event::TokenGivenBack)
            .from_address(visit.caller.address)
            .about(format!("user:{user}")),
    }
}

/// Records it in `tx`. When this fails, it must not happen.
pub(crate) async fn record(
    tx: &mut SystemTx,
    auth: &Auth,
    visit: &Visit,
    what: Happening<'_>,
) -> Result<(), Error> {
    let entry = entry(visit, what).request(&visit.request_id);
    Ok(auth.0.audit.record(tx, entry).await?)
}

/// Records something simple that happened to an account: what, to whom, how many.
pub(crate) async fn record_of(
    tx: &mut SystemTx,
    auth: &Auth,
    visit: &Visit,
    (event, user): (Event, Uuid),
    count: Option<usize>,
) -> Result<(), Error> {
    let entry = Entry::by(&visit.caller, event).about(format!("user:{user}")).request(&visit.request_id);
    let entry = match count {
        Some(count) => entry.detail("sessions", count),
        None => entry,
    };
    Ok(auth.0.audit.record(tx, entry).await?)
}

/// Records a refusal, without waiting. `account` is named by its address, which the log keeps as a pseudonym.
pub(crate) fn refused(auth: &Auth, visit: &Visit, event: Event, error: &Error, account: &str) {
    auth.0.audit.refused(refusal(visit, event, base::Fault::code(error)).about(pseudonym(auth, account)));
}

fn refusal(visit: &Visit, event: Event, why: &str) -> Entry {
    let entry = Entry::by(&visit.caller, event).refused(why).request(&visit.request_id);
    if visit.elsewhere { entry.detail("asked_by", "another site") } else { entry }
}

/// Records what was refused between a program and a person, without waiting. `client` is what the program calls itself.
pub(crate) fn refused_of_program(auth: &Auth, visit: &Visit, event: Event, why: &str, client: Option<&str>) {
    let entry = refusal(visit, event, why);
    auth.0.audit.refused(match client.and_then(|client| Uuid::try_parse(client).ok()) {
        Some(client) => entry.about(format!("client:{client}")),
        None => entry,
    });
}

/// Whose password was chosen.
pub(crate) enum ChosenFor<'a> {
    /// Somebody's who is known.
    User(Uuid),
    /// Somebody's who is new, or is not found out here.
    Account(&'a str),
}

/// Records that a password that somebody chose was refused: a detail, which the log keeps at level `debug`.
pub(crate) fn note_choice<T>(auth: &Auth, visit: &Visit, chosen: &Result<T, Error>, of: ChosenFor<'_>) {
    if let Err(error @ (Error::WeakPassword { .. } | Error::SamePassword | Error::UsedPassword)) = chosen {
        match of {
            ChosenFor::User(user) => refused_of(auth, visit, Event::PasswordRefused, error, user),
            ChosenFor::Account(account) => refused(auth, visit, Event::PasswordRefused, error, account),
        }
    }
}

/// Records a refusal of somebody who is known, without waiting.
pub(crate) fn refused_of(auth: &Auth, visit: &Visit, event: Event, error: &Error, user: Uuid) {
    auth.0.audit.refused(refusal(visit, event, base::Fault::code(error)).about(format!("user:{user}")));
}

/// The same address is always the same name in the log, and the log is no address book.
pub(crate) fn pseudonym(auth: &Auth, account: &str) -> String {
    let key = auth.0.root.derive("auth: pseudonyms in the audit log");
    let mac = seal::keyed_mac(key.expose(), account.to_lowercase().as_bytes());
    format!("account:{}", hex::encode(&mac[..8]))
}

fn entry(visit: &Visit, what: Happening<'_>) -> Entry {
    let by = |event| Entry::by(&visit.caller, event);
    let person =
        |user: Uuid, event| Entry::named(format!("user:{user}"), event).from_address(visit.caller.address);
    let about = |entry: Entry, user: Uuid| entry.about(format!("user:{user}"));
    let on = |user: Uuid, event| about(by(event), user);
    match what {
        Happening::Login { user, session, method } => {
            about(person(user.id, Event::Login).in_session(session), user.id).detail("method", method)
        }
        Happening::Logout { user, sessions } => about(by(Event::Logout), user).detail("sessions", sessions),
        Happening::Signup { user } => {
            about(person(user.id, Event::Signup), user.id).detail("role", &*user.role)
        }
        Happening::TokenRefreshed { user, session } => {
            about(person(user.id, Event::TokenRefreshed).in_session(session), user.id)
        }
        Happening::TokenReused { user, session } => {
            about(by(Event::TokenReuseDetected).in_session(session), user.id).because("auth.refresh.used")
        }
        Happening::SessionExpired { user, session } => {
            about(person(user.id, Event::SessionExpired).in_session(session), user.id)
        }
        Happening::UserUpdated { user, fields } => on(user, Event::UserUpdated).detail("fields", fields),
        Happening::Outside(what) => outside(visit, what),
        Happening::AdminCreated { user } => about(by(Event::UserCreate), user.id).detail("role", &*user.role),
        Happening::AdminUpdated { user, fields } => on(user, Event::UserUpdate).detail("fields", fields),
        Happening::AdminRole { user, before, after } => {
            on(user, Event::RoleChange).change("role", before, after)
        }
        Happening::AdminBanned { user, until: Some(until) } => {
            on(user, Event::UserBan).detail("until", until)
        }
        Happening::AdminBanned { user, until: None } => about(by(Event::UserUnban), user),
        Happening::AdminDeleted { user, soft } => about(by(Event::UserDelete), user).detail("soft", soft),
        Happening::SetupLinkCreated { email } => by(Event::SetupLinkCreated).detail("email", email),
        Happening::SetupLinkUsed { user } => about(by(Event::SetupLinkUsed), user),
        Happening::AdministratorMade { user } => about(by(Event::AdminCreate), user),
        Happening::FactorEnrolled { user, factor, kind } => about(by(Event::FactorEnrolled), user)
            .detail("factor", factor.to_string())
            .detail("type", kind.name()),
        Happening::FactorChallenged { user, factor } => {
            on(user, Event::FactorChallenged).detail("factor", factor.to_string())
        }
        Happening::FactorVerified { user, session, factor, kind, first } => {
            about(by(Event::FactorVerified).in_session(session), user)
                .detail("factor", factor.to_string())
                .detail("type", kind.name())
                .detail("first", first)
        }
        Happening::FactorChanged { user, factor } => {
            on(user, Event::UserUpdate).detail("factor", factor.to_string())
        }
        Happening::FactorRemoved { user, factor, kind } => about(by(Event::FactorRemoved), user)
            .detail("factor", factor.to_string())
            .detail("type", kind.name()),
        Happening::Spare { user, event, kind, what } => {
            on(user, event).detail("type", kind).detail("what", what)
        }
        Happening::SteppedUp { user, session, method } => {
            about(by(Event::StepUp).in_session(session), user).detail("method", method)
        }
        Happening::SigningKeysRotated => by(Event::SigningKeyRotated),
        Happening::SigningKeyRetired { kid } => by(Event::SigningKeyRevoked).about(format!("key:{kid}")),
        Happening::BaitMade { id } => by(Event::CanaryMade).about(format!("key:{id}")).detail("kind", "key"),
        Happening::BaitRemoved { id } => {
            by(Event::CanaryRemoved).about(format!("key:{id}")).detail("kind", "key")
        }
        Happening::ApiKeyMade { id, new } => made_key(by(Event::KeyCreated), id, new),
        Happening::Provider { id, entity_id, what } => provider(visit, id, entity_id, what),
        Happening::ApiKeyRevoked { id } => by(Event::KeyRevoked).about(format!("key:{id}")),
    }
}

/// What became of an identity provider.
pub(crate) enum OfProvider {
    Created,
    Changed,
    Removed,
    /// Fingerprints before and after.
    Keys(String, String),
}

fn provider(visit: &Visit, id: Uuid, entity_id: &str, what: OfProvider) -> Entry {
    let of = |event| {
        Entry::by(&visit.caller, event).about(format!("sso_provider:{id}")).detail("entity_id", entity_id)
    };
    match what {
        OfProvider::Created => of(Event::SsoProviderCreated),
        OfProvider::Changed => of(Event::SsoProviderChanged),
        OfProvider::Removed => of(Event::SsoProviderRemoved),
        OfProvider::Keys(before, after) => of(Event::SsoKeysChanged).change("keys", before, after),
    }
}

/// What a new key is limited to; never the key.
fn made_key(entry: Entry, id: &str, new: &NewKey) -> Entry {
    entry
        .about(format!("key:{id}"))
        .detail("scope", new.scope.join(" "))
        .detail("addresses", new.addresses.join(" "))
        .detail("lives_seconds", new.lives.map_or(0, |lives| lives.as_secs()))
}
