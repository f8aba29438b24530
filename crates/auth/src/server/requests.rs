//! A program sends a browser: what it asks for is read, checked and kept until its person answers.
//!
//! Invariant: until client and address are known to belong together, no browser is sent anywhere; and no request goes on
//! without an S256 challenge (attack rows 27, 28).

use audit::Event;
use jiff::{SignedDuration, Timestamp};
use pg::{Param, Reason, Reply, Row};
use serde_json::Value;
use uuid::Uuid;

use super::clients::Client;
use super::{ServerError, scope, sql as own};
use crate::flow::{Challenge, ChallengeMethod};
use crate::{Auth, Error, Visit, events, limits};

/// What a program sends along, as it came.
#[derive(Default, Clone)]
pub struct Request {
    /// Who it says it is.
    pub client_id: Option<String>,
    /// Where its person goes back to.
    pub redirect_uri: Option<String>,
    /// `code`.
    pub response_type: Option<String>,
    /// `query`, or nothing.
    pub response_mode: Option<String>,
    /// What it asks to know.
    pub scope: Option<String>,
    /// What it gets back with the answer.
    pub state: Option<String>,
    /// What the exchange must fit.
    pub code_challenge: Option<String>,
    /// How that was made: `S256`.
    pub code_challenge_method: Option<String>,
    /// For whom the token is (RFC 8707).
    pub resource: Option<String>,
    /// What the ID token gets back.
    pub nonce: Option<String>,
    /// `none`, `login`, `consent`.
    pub prompt: Option<String>,
    /// Seconds since the person may have signed in.
    pub max_age: Option<String>,
    /// A request as a token, which is not taken here.
    pub request: Option<String>,
    /// The same by its address.
    pub request_uri: Option<String>,
}

/// Where the browser goes.
pub enum Step {
    /// To the page that asks, with this request.
    Ask {
        /// The request.
        id: String,
        /// The whole address of the application's page, when it asks.
        page: Option<String>,
        /// Whether nobody may be asked: the program wants an answer at once, or a refusal.
        silent: bool,
    },
    /// Back to the program.
    Back(String),
}

/// A refusal that the program hears of.
struct Told(&'static str, &'static str);

/// A request that is kept.
pub(super) struct Kept {
    pub id: Uuid,
    pub name: String,
    pub client: Uuid,
    pub user: Option<Uuid>,
    pub redirect_uri: String,
    pub scope: String,
    pub state: Option<String>,
    pub resource: Option<String>,
    pub challenge: String,
    pub nonce: Option<String>,
    pub is_pending: bool,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub prompt: String,
    pub max_age: Option<i64>,
    pub level: Option<String>,
    pub proofs: Value,
    pub proven_at: Option<Timestamp>,
    pub agreed_in: Option<Uuid>,
    pub spent_at: Option<Timestamp>,
    pub session: Option<Uuid>,
}

impl Kept {
    pub fn read(row: Row<'_>) -> Result<Self, Error> {
        Ok(Kept {
            id: row.get("id")?,
            name: row.get("authorization_id")?,
            client: row.get("client_id")?,
            user: row.get("user_id")?,
            redirect_uri: row.get("redirect_uri")?,
            scope: row.get("scope")?,
            state: row.get("state")?,
            resource: row.get("resource")?,
            challenge: row.get::<Option<String>>("code_challenge")?.unwrap_or_default(),
            nonce: row.get("nonce")?,
            is_pending: row.get::<String>("status")? == "pending",
            created_at: row.get("created_at")?,
            expires_at: row.get("expires_at")?,
            prompt: row.get("prompt")?,
            max_age: row.get("max_age")?,
            level: row.get("level")?,
            proofs: row.get("proofs")?,
            proven_at: row.get("proven_at")?,
            agreed_in: row.get("agreed_in")?,
            spent_at: row.get("spent_at")?,
            session: row.get("session_id")?,
        })
    }
}

impl Auth {
    /// Takes a program's request: a browser goes on to whoever asks its person, or back with the reason why not.
    pub async fn oauth_request(&self, asked: Request, visit: &Visit) -> Result<Reply<Step>, Error> {
        self.require_server()?;
        let client = asked.client_id.clone();
        let taken = self.try_request(asked, visit).await;
        self.note_refusal(&taken, Event::ConsentRequestRefused, client.as_deref(), visit);
        taken
    }

    async fn try_request(&self, asked: Request, visit: &Visit) -> Result<Reply<Step>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let id = asked.client_id.as_deref().ok_or(ServerError::Request("client_id is missing"))?;
        let id =
            Uuid::try_parse(id).map_err(|_| ServerError::Request("client_id is not a client of ours"))?;
        let client = self.find_client(&mut tx, id).await?;
        let client = client.ok_or(ServerError::Request("client_id is not a client of ours"))?;
        let uri = asked.redirect_uri.clone().ok_or(ServerError::Request("redirect_uri is missing"))?;
        if !client.goes_back_to(&uri) {
            return Err(ServerError::Request("redirect_uri is not one that this client registered").into());
        }
        let checked = match self.check_request(&asked, &client) {
            Ok(checked) => checked,
            // Nobody here knows whose address that is, and nobody agreed to go there (RFC 9700, 4.11.2).
            Err(Told(_, why)) if client.is_dynamic => return Err(ServerError::Request(why).into()),
            Err(Told(error, why)) => {
                let client = asked.client_id.as_deref();
                events::refused_of_program(self, visit, Event::ConsentRequestRefused, error, client);
                let pairs = [("error", error), ("error_description", why)];
                let state = asked.state.as_deref().filter(|state| state.len() <= 4_096);
                return Ok(tx.commit(Step::Back(self.answer_to(&uri, &pairs, state))).await?);
            }
        };
        let now = self.0.clock.now();
        let day = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
        tx.execute(own::FORGET_AUTHORIZATIONS, [day.into(), now.into()]).await?;
        let (row_id, name) = (self.0.rng.uuid(), seal::random_token(&self.0.rng));
        let until = now.checked_add(SignedDuration::from_secs(self.0.server.request_seconds));
        let row: [Param; 11] = [
            row_id.into(),
            name.expose().into(),
            client.id.into(),
            (&uri).into(),
            (&checked.scope).into(),
            asked.state.into(),
            asked.resource.into(),
            (&checked.challenge).into(),
            asked.nonce.into(),
            now.into(),
            until.map_err(|_| ServerError::Request("the clock is out of range"))?.into(),
        ];
        tx.execute(own::INSERT_AUTHORIZATION, row).await?;
        let silent = scope::has(&checked.prompt, "none");
        tx.execute(own::INSERT_REQUEST, [row_id.into(), checked.prompt.into(), checked.max_age.into()])
            .await?;
        let page = self.0.server.consent_path.as_ref().map(|path| self.consent_page(path, name.expose()));
        Ok(tx.commit(Step::Ask { id: name.expose().clone(), page, silent }).await?)
    }

    fn check_request(&self, asked: &Request, client: &Client) -> Result<CheckedRequest, Told> {
        let long = |text: &Option<String>, most: usize| text.as_ref().is_some_and(|text| text.len() > most);
        if asked.request.is_some() {
            return Err(Told("request_not_supported", "a request as a token is not taken here"));
        }
        if asked.request_uri.is_some() {
            return Err(Told("request_uri_not_supported", "a request by its address is not taken here"));
        }
        match asked.response_type.as_deref() {
            Some("code") => {}
            Some(_) => return Err(Told("unsupported_response_type", "response_type must be code")),
            None => return Err(Told("invalid_request", "response_type is missing")),
        }
        if asked.response_mode.as_deref().is_some_and(|mode| mode != "query") {
            return Err(Told("invalid_request", "response_mode must be query"));
        }
        if !client.may("authorization_code") {
            return Err(Told("unauthorized_client", "this client may not ask for codes"));
        }
        if long(&asked.state, 4_096) || long(&asked.nonce, 255) || has_control(asked) {
            return Err(Told(
                "invalid_request",
                "state, nonce or resource is too long or has control characters",
            ));
        }
        if self.0.server.require_state && asked.state.as_ref().is_none_or(String::is_empty) {
            return Err(Told(
                "invalid_request",
                "state is missing: without it nobody can tell whose answer this is",
            ));
        }
        let challenge = s256(asked)?;
        let scope = self.check_scope(asked.scope.as_deref())?;
        if let Some(resource) = &asked.resource {
            let is_whole = url::Url::parse(resource).is_ok_and(|url| url.fragment().is_none());
            if !is_whole || resource.len() > limits::REDIRECT_BYTES_MAX.size() {
                return Err(Told("invalid_target", "resource must be a whole address without a fragment"));
            }
        }
        let prompt = asked.prompt.clone().unwrap_or_default();
        let known = |word: &str| matches!(word, "none" | "login" | "consent" | "select_account");
        if !prompt.split(' ').filter(|word| !word.is_empty()).all(known)
            || scope::has(&prompt, "none") && prompt.trim() != "none"
        {
            return Err(Told(
                "invalid_request",
                "prompt must be none alone, or of login, consent and select_account",
            ));
        }
        let max_age = match asked.max_age.as_deref().map(str::parse::<i64>) {
            None => None,
            Some(Ok(seconds)) if seconds >= 0 => Some(seconds),
            Some(_) => return Err(Told("invalid_request", "max_age must be a number of seconds")),
        };
        Ok(CheckedRequest { challenge, scope, prompt, max_age })
    }

    fn check_scope(&self, asked: Option<&str>) -> Result<String, Told> {
        let asked = asked.filter(|asked| !asked.trim().is_empty()).unwrap_or(&self.0.server.default_scope);
        let scopes =
            scope::read(asked).map_err(|_| Told("invalid_scope", "scope names what is not known here"))?;
        if scopes.iter().any(|scope| scope == "openid") && !self.signs_id_tokens() {
            return Err(Told(
                "invalid_scope",
                "openid needs a signing key that others can verify, and this server has a shared secret",
            ));
        }
        Ok(scopes.join(" "))
    }

    /// A program's address with our answer, our name (RFC 9207) and what it wants back.
    pub(super) fn answer_to(&self, uri: &str, pairs: &[(&str, &str)], state: Option<&str>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs);
        if let Some(state) = state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", &self.0.rules.issuer);
        let glue = if uri.contains('?') { '&' } else { '?' };
        format!("{uri}{glue}{}", query.finish())
    }

    /// Where the operator's application asks for consent.
    fn consent_page(&self, path: &str, name: &str) -> String {
        let site = self.0.rules.redirects.site().text();
        let glue = if path.contains('?') { '&' } else { '?' };
        format!(
            "{}/{}{glue}authorization_id={name}",
            site.trim_end_matches('/'),
            path.trim_start_matches('/')
        )
    }
}

struct CheckedRequest {
    challenge: String,
    scope: String,
    prompt: String,
    max_age: Option<i64>,
}

fn has_control(asked: &Request) -> bool {
    [&asked.state, &asked.nonce, &asked.resource]
        .into_iter()
        .flatten()
        .any(|text| text.chars().any(char::is_control))
}

/// The challenge of a request: made with SHA-256 or not at all. What is made with `plain` is its own answer.
fn s256(asked: &Request) -> Result<String, Told> {
    if asked.code_challenge.as_ref().is_none_or(String::is_empty) {
        return Err(Told("invalid_request", "code_challenge is missing: PKCE is not optional here"));
    }
    let read = Challenge::read(asked.code_challenge.as_deref(), asked.code_challenge_method.as_deref());
    match read {
        Ok(Some(Challenge { method: ChallengeMethod::S256, text })) if text.len() == 43 => Ok(text),
        Ok(Some(Challenge { method: ChallengeMethod::S256, .. })) => {
            Err(Told("invalid_request", "code_challenge must be a SHA-256 in base64url: 43 characters"))
        }
        Ok(_) | Err(_) => Err(Told("invalid_request", "code_challenge_method must be S256")),
    }
}
