//! Our own OAuth 2.1 and OpenID Connect server: other programs sign people in through us, each with its person's consent.
//!
//! A program is a [`clients::Client`]. It sends a browser with a request ([`requests`]), the person answers it ([`consent`]),
//! the program exchanges the code ([`tokens`]), and the person looks through what they agreed to ([`grants`]).
//!
//! Invariant: a code is good once, for the client, address and proof of its request; a second use takes back what the first
//! one gave. And a program's session opens rows, never the account.

mod clients;
mod consent;
mod error;
mod grants;
mod id_token;
mod requests;
mod scope;
pub mod settings;
pub mod sql;
mod tokens;

pub use clients::{Client, ClientFields};
pub use consent::{Looked, Question};
pub use error::ServerError;
pub use grants::GrantInfo;
pub use id_token::told;
pub use requests::{Request, Step};
pub use scope::SCOPES;
pub(crate) use scope::narrow;
pub use tokens::{ClientProof, ServerGrant, TokenAsk};

use audit::Event;
use base::{Fault, Kind, Settings};

use crate::{Auth, Error, Visit, events};

/// What is built once for all of it.
pub(crate) struct Server {
    enabled: bool,
    dynamic: bool,
    require_state: bool,
    /// The path below the site's address where an application asks for consent.
    consent_path: Option<String>,
    request_seconds: i64,
    default_scope: String,
}

impl Server {
    /// From the settings.
    pub fn from_settings(given: &Settings) -> Result<Self, Error> {
        let default_scope = given.get(&settings::DEFAULT_SCOPE);
        if scope::read(&default_scope).is_err() {
            return Err(Error::Setting {
                setting: settings::DEFAULT_SCOPE.definition.name,
                what: format!("it may name {}", SCOPES.join(", ")),
            });
        }
        Ok(Server {
            enabled: given.get(&settings::ENABLED),
            dynamic: given.get(&settings::DYNAMIC),
            require_state: given.get(&settings::REQUIRE_STATE),
            consent_path: given.get(&settings::AUTHORIZATION_PATH),
            request_seconds: i64::try_from(given.get(&settings::AUTHORIZATION_TTL).as_secs()).unwrap_or(600),
            default_scope,
        })
    }
}

/// What clients of ours are told of the server.
pub struct Offered {
    /// Whether programs may make themselves known.
    pub registration: bool,
    /// Whether ID tokens are given: only a key that others can verify signs them.
    pub id_tokens: bool,
}

/// Where something could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unread {
    /// What a browser was sent with.
    Request,
    /// What a program sent by itself.
    Client,
}

impl Auth {
    /// What the OAuth server offers, if it is on.
    pub fn oauth_server(&self) -> Option<Offered> {
        let server = &self.0.server;
        server.enabled.then(|| Offered { registration: server.dynamic, id_tokens: self.signs_id_tokens() })
    }

    fn signs_id_tokens(&self) -> bool {
        self.0.keys.load().is_public()
    }

    /// Records what was refused. What failed on our side was not; what waits for another proof is asked again.
    fn note_refusal<T>(&self, done: &Result<T, Error>, event: Event, client: Option<&str>, visit: &Visit) {
        if let Err(error) = done
            && !error.kind().is_ours()
        {
            let event = match error.kind() {
                Kind::StepUp => Event::StepUpRequired,
                _ => event,
            };
            events::refused_of_program(self, visit, event, error.code(), client);
        }
    }

    /// Records what a program sent that could not even be read: what is not understood is refused as well.
    pub fn oauth_note_unread<T>(&self, read: &Result<T, Error>, at: Unread, visit: &Visit) {
        let event = match at {
            Unread::Request => Event::ConsentRequestRefused,
            Unread::Client => Event::ClientRefused,
        };
        if self.require_server().is_ok() {
            self.note_refusal(read, event, None, visit);
        }
    }

    fn require_server(&self) -> Result<(), Error> {
        match self.0.server.enabled {
            true => Ok(()),
            false => Err(ServerError::Off.into()),
        }
    }
}
