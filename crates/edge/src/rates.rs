//! Which budget a request is counted against (controls 71, 72), and under whose name.
//!
//! The subject is the session, else the secret key, else the address. The publishable key is in every page of an
//! application, so it names nobody: its requests count by address. Sensitive endpoints count by address *and* by the
//! account they name, so that neither one address with many accounts nor many addresses with one account gets through.

use base::setting::Value;
use base::{Caller, Settings, Who};
use limits::{Algorithm, Budget, Limiter, Verdict, Window};
use web::Rate;

use crate::{Error, address, settings};

/// The budgets of one start.
#[derive(Clone)]
pub struct Rates {
    limiter: Limiter,
    enabled: bool,
    global: Budget,
    login: Budget,
    signup: Budget,
    password_reset: Budget,
}

impl Rates {
    /// From the settings.
    pub fn from(given: &Settings, limiter: Limiter) -> Result<Self, Error> {
        let algorithm = match given.get(&settings::ALGORITHM).as_str() {
            "gcra" => Algorithm::Gcra,
            _ => Algorithm::SlidingWindow,
        };
        let budget = |name, per_minute, per_hour| Budget {
            name,
            windows: vec![Window::per_minute(per_minute), Window::per_hour(per_hour)],
            algorithm,
        };
        let mut rates = Rates {
            limiter,
            enabled: given.get(&settings::RATE_LIMITING),
            global: budget("global", given.get(&settings::PER_MINUTE), given.get(&settings::PER_HOUR)),
            login: budget("login", 5, 20),
            signup: budget("signup", 3, 10),
            password_reset: budget("password_reset", 2, 5),
        };
        for endpoint in endpoints(given)? {
            let slot = match rate_of(&endpoint.path) {
                Some(Rate::Login) => &mut rates.login,
                Some(Rate::Signup) => &mut rates.signup,
                Some(Rate::PasswordReset) => &mut rates.password_reset,
                Some(Rate::Global | Rate::Exempt) | None => return Err(unknown_path(&endpoint.path)),
            };
            *slot = budget(slot.name, endpoint.per_minute, endpoint.per_hour);
        }
        Ok(rates)
    }

    /// Without limits: the conformance profile.
    pub(crate) fn off(mut self) -> Self {
        self.enabled = false;
        self
    }

    /// Counts a request against the global budget, or says who is over it. Before anybody is identified the subject is
    /// the address; a refused credential stays counted there.
    pub(crate) async fn global(&self, subject: &str) -> Option<Verdict> {
        if !self.enabled {
            return None;
        }
        Some(self.limiter.hit(&self.global, subject).await)
    }

    /// Counts what a request holds beside its first part: ten operations are ten, in one request or in ten.
    pub(crate) async fn more(&self, caller: &Caller, parts: u32) -> Option<Verdict> {
        if !self.enabled || parts == 0 {
            return None;
        }
        Some(self.limiter.hit_many(&self.global, &subject(caller), parts).await)
    }

    /// Counts a request against its endpoint's own budget.
    pub(crate) async fn endpoint(
        &self,
        rate: Rate,
        caller: &Caller,
        account: Option<String>,
    ) -> Option<Verdict> {
        let budget = match rate {
            Rate::Login => &self.login,
            Rate::Signup => &self.signup,
            Rate::PasswordReset => &self.password_reset,
            Rate::Global | Rate::Exempt => return None,
        };
        if !self.enabled {
            return None;
        }
        let by_address = caller.address.map_or_else(|| "ip:unknown".to_owned(), address::subject);
        let verdict = self.limiter.hit(budget, &by_address).await;
        match account {
            Some(account) if verdict.allowed => {
                let by_account = self.limiter.hit(budget, &format!("account:{}", fold(&account))).await;
                Some(limits::tightest([verdict, by_account].into_iter()))
            }
            Some(_) | None => Some(verdict),
        }
    }

    /// Counts a sign-in from a device that is known.
    pub(crate) async fn device(&self, device: &str) -> Verdict {
        self.limiter.hit(&self.login, device).await
    }
}

/// Under whose name a caller is counted: the session, else the key, else the address.
pub(crate) fn subject(caller: &Caller) -> String {
    match &caller.who {
        Who::User(person) => match person.session {
            Some(session) => format!("session:{session}"),
            None => format!("user:{}", person.user),
        },
        Who::Service { key } => format!("key:{key}"),
        Who::Operator => "operator".to_owned(),
        Who::Anonymous => caller.address.map_or_else(|| "ip:unknown".to_owned(), address::subject),
    }
}

/// Spellings of one mailbox are one account: case, a `+tag`, and spaces around it (attack row 23); of one number, its plus
/// and its spaces.
fn fold(account: &str) -> String {
    let folded = account.trim().to_lowercase();
    match folded.split_once('@') {
        Some((local, host)) => format!("{}@{host}", local.split('+').next().unwrap_or(local)),
        None => folded.trim_start_matches('+').replace(' ', ""),
    }
}

struct Endpoint {
    path: String,
    per_minute: u32,
    per_hour: u32,
}

fn endpoints(given: &Settings) -> Result<Vec<Endpoint>, Error> {
    let items = match given.get(&settings::ENDPOINTS) {
        None => return Ok(Vec::new()),
        Some(Value::List(items)) => items,
        Some(Value::Map(_) | Value::Scalar(_)) => {
            return Err(refuse("expected a list of path, per_minute and per_hour".to_owned()));
        }
    };
    items.iter().map(endpoint).collect()
}

fn endpoint(item: &Value) -> Result<Endpoint, Error> {
    let Value::Map(fields) = item else {
        return Err(refuse("each entry has path, per_minute and per_hour".to_owned()));
    };
    if let Some((odd, _)) =
        fields.iter().find(|(name, _)| !["path", "per_minute", "per_hour"].contains(&name.as_str()))
    {
        return Err(refuse(format!("unknown field `{odd}`: an entry has path, per_minute and per_hour")));
    }
    let text = |name: &str| {
        let value = fields.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.scalar().ok());
        value.ok_or_else(|| refuse(format!("an entry has no `{name}`")))
    };
    let number = |name: &str| {
        text(name)?
            .parse::<u32>()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| refuse(format!("`{name}` must be a whole number from 1")))
    };
    Ok(Endpoint {
        path: text("path")?.to_owned(),
        per_minute: number("per_minute")?,
        per_hour: number("per_hour")?,
    })
}

/// The guide's paths, the Fluxbase product's and GoTrue's all mean the same three things.
fn rate_of(path: &str) -> Option<Rate> {
    match path {
        "/api/v1/auth/login" | "/api/v1/auth/signin" | "/auth/v1/token" => Some(Rate::Login),
        "/api/v1/auth/signup" | "/auth/v1/signup" => Some(Rate::Signup),
        "/api/v1/auth/password/reset" | "/auth/v1/recover" => Some(Rate::PasswordReset),
        _ => None,
    }
}

fn unknown_path(path: &str) -> Error {
    refuse(format!(
        "`{path}` is not an endpoint with a limit of its own; those are login, signup and password/reset below /api/v1/auth"
    ))
}

fn refuse(what: String) -> Error {
    Error::Setting { setting: settings::ENDPOINTS.definition.name, what }
}
