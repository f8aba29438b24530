//! How a lane gets its connections: where to, as whom, with which settings of the session's own.

use crate::config::{Config, Login, Server, Timeouts};
use crate::lanes::prelude::UNSENT;
use crate::wire::cancel;
use crate::wire::startup::{self, CancelKey, Session};
use crate::{Error, limits};

/// Makes connections of one login.
pub(crate) struct Connector {
    server: Server,
    database: String,
    login: Login,
    settings: Vec<(String, String)>,
}

/// Milliseconds, as PostgreSQL's settings take them.
fn ms(duration: std::time::Duration) -> String {
    duration.as_millis().to_string()
}

impl Connector {
    /// For callers: `read_only` sessions are those of the short lane, which nothing may write through.
    pub(crate) fn callers(config: &Config, read_only: bool) -> Self {
        let Timeouts { authenticated, idle, .. } = &config.timeouts;
        let mut settings = vec![
            ("search_path".to_owned(), config.search_path.to_string()),
            ("statement_timeout".to_owned(), ms(*authenticated)),
            ("idle_in_transaction_session_timeout".to_owned(), ms(*idle)),
        ];
        if read_only {
            settings.push(("default_transaction_read_only".to_owned(), "on".to_owned()));
            settings.push(("request.jwt.claims".to_owned(), UNSENT.to_owned()));
        }
        Connector {
            server: config.server.clone(),
            database: config.database.clone(),
            login: config.login.clone(),
            settings,
        }
    }

    /// For the system door: every statement there names its schemas.
    pub(crate) fn system(config: &Config) -> Self {
        Connector::named(config, config.system.as_ref())
    }

    /// For the operator's functions that auth asks.
    pub(crate) fn hooks(config: &Config) -> Self {
        Connector::named(config, config.hooks.as_ref())
    }

    fn named(config: &Config, login: Option<&Login>) -> Self {
        let settings = vec![
            ("search_path".to_owned(), "pg_catalog, pg_temp".to_owned()),
            ("statement_timeout".to_owned(), ms(config.timeouts.system)),
            ("idle_in_transaction_session_timeout".to_owned(), ms(config.timeouts.idle)),
        ];
        let login = login.unwrap_or(&config.login).clone();
        Connector { server: config.server.clone(), database: config.database.clone(), login, settings }
    }

    /// A new session.
    pub(crate) async fn connect(&self) -> Result<Session, Error> {
        let attempt = startup::connect(&self.server, &self.database, &self.login, &self.settings);
        match tokio::time::timeout(limits::millis(&limits::CONNECT_MS), attempt).await {
            Ok(session) => session,
            Err(_) => Err(Error::Unreachable(std::io::ErrorKind::TimedOut.into())),
        }
    }

    /// Stops what a session is running, and waits until the server has been told.
    pub(crate) async fn cancel(&self, key: CancelKey) -> Result<(), Error> {
        match tokio::time::timeout(limits::millis(&limits::CONNECT_MS), cancel::cancel(&self.server, key))
            .await
        {
            Ok(told) => told.map_err(Error::Unreachable),
            Err(_) => Err(Error::Unreachable(std::io::ErrorKind::TimedOut.into())),
        }
    }
}
