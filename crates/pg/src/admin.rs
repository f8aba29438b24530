//! Administrator connections: for bootstrap, migrations and LISTEN, never for a request.
//!
//! They use tokio-postgres over the same sockets and the same TLS as everything else here, so what protects the way
//! (control 53) is decided in one place.

pub mod confined;

use tokio_postgres::{AsyncMessage, Client, NoTls};

use crate::config::{Login, Server};
use crate::wire::stream;
use crate::{Config, Error};

/// Where a server is, which database, and as whom to enter.
#[derive(Clone)]
pub struct Target {
    /// How the server is reached.
    pub server: Server,
    /// The database.
    pub database: String,
    /// As whom.
    pub login: Login,
    /// Whether the server is not to report what is done here (control 56): for a superuser who records it himself.
    pub unreported: bool,
}

impl Target {
    /// The same server, another database.
    pub fn database(&self, name: &str) -> Self {
        Target { database: name.to_owned(), ..self.clone() }
    }

    /// The same server and database, as somebody else.
    pub fn login(&self, login: &Login) -> Self {
        Target { login: login.clone(), unreported: false, ..self.clone() }
    }

    /// The same, as anybody with this login enters: what is done is reported.
    pub fn reported(&self) -> Self {
        Target { unreported: false, ..self.clone() }
    }

    /// Connects; the connection lives in a task of its own until the client is dropped.
    pub async fn connect(&self) -> Result<Client, Error> {
        self.connect_with(|_| {}).await
    }

    /// Connects, and hands every notice and notification to `heard` in the order they come.
    pub async fn connect_with(
        &self,
        heard: impl FnMut(AsyncMessage) + Send + 'static,
    ) -> Result<Client, Error> {
        Config::new(self.server.clone(), &self.database, self.login.clone(), None).check()?;
        let stream = stream::open(&self.server).await.map_err(Error::Unreachable)?;
        let mut config = tokio_postgres::Config::new();
        config.user(&self.login.name).dbname(&self.database).application_name("palisade");
        // Already encrypted where it has to be.
        config.ssl_mode(tokio_postgres::config::SslMode::Disable);
        config.options(self.options());
        if let Some(password) = &self.login.password {
            config.password(password.expose());
        }
        let (client, connection) = config.connect_raw(stream, NoTls).await?;
        tokio::spawn(drive(connection, heard));
        Ok(client)
    }
}

impl Target {
    /// What a session begins with, whatever the database or the role says of it.
    fn options(&self) -> String {
        let unreported = if self.unreported { " -c log_statement=none -c pgaudit.log=none" } else { "" };
        format!("-c search_path=pg_catalog,pg_temp{unreported}")
    }
}

async fn drive<S, T>(
    mut connection: tokio_postgres::Connection<S, T>,
    mut heard: impl FnMut(AsyncMessage) + Send + 'static,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(message) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
        match message {
            Ok(message) => heard(message),
            Err(error) => {
                // Whoever holds the client sees the same end at its next statement.
                tracing::debug!(%error, "an administrator connection ended");
                return;
            }
        }
    }
}

/// What PostgreSQL keeps of a password (SCRAM-SHA-256): it can be checked with it, and not told from it.
pub fn scram_verifier(password: &base::Secret) -> String {
    postgres_protocol::password::scram_sha_256(password.expose().as_bytes())
}

/// Leaves nothing of an application's code to a commit, which would run it with the administrator's rights: closes cursors, and fails
/// where a trigger still waits. PostgreSQL changes no table that one waits for, so those that may are asked for nothing (no such
/// option is ever set), under a lock that holds up no request.
async fn leave_nothing_for_later(client: &Client) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("CLOSE ALL").await?;
    for row in client.query(LOOK_FOR_DEFERRED, &[]).await? {
        client.batch_execute(row.try_get(0)?).await?;
    }
    Ok(())
}

const LOOK_FOR_DEFERRED: &str = "SELECT DISTINCT pg_catalog.format('ALTER TABLE ONLY %I.%I RESET (palisade_deferred)', n.nspname, c.relname) \
     FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE t.tgdeferrable AND t.tgfoid >= 16384 AND c.relkind = 'r' \
     AND pg_catalog.pg_has_role(c.relowner, 'MEMBER')";

/// Switches event triggers off, in a database that may be changed at will.
pub const EVENT_TRIGGERS_OFF: &str = "DO $$ DECLARE found record; BEGIN
       FOR found IN SELECT evtname FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D' LOOP
         EXECUTE pg_catalog.format('ALTER EVENT TRIGGER %I DISABLE', found.evtname);
       END LOOP; END $$";

/// `"name"`, with quotes doubled: the only way a name of ours or of a user enters SQL text.
pub fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `'text'`, safe whatever `standard_conforming_strings` says.
pub fn quote_text(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}
