//! A listener of its own for administrators, where the operator wants one: what [`web::Guard::Admin`] guards is then answered
//! there and nowhere else, and, where that is set too, only to those who show a certificate.
//!
//! Everybody still has to be an administrator: the listener is a second lock, not another key. The operator's control
//! socket is not concerned.

use std::net::SocketAddr;
use std::path::PathBuf;

use base::setting::Definition;
use base::{Setting, Settings};
use edge::Listening;
use tokio::net::TcpListener;

use crate::error::StartError;

/// Where.
pub static LISTEN: Setting<Option<SocketAddr>> = Setting::unset("server.admin.listen").changes(
    "address and port of a listener for administrators: what only they may ask for is then answered there, and 421 everywhere else; \
     without a certificate of the server it must be on loopback; unset: the API's own listener answers",
);

/// To whom.
pub static CLIENT_CA_FILE: Setting<Option<PathBuf>> = Setting::unset("server.admin.client_ca_file").changes(
    "a PEM file with authorities: server.admin.listen then speaks with those only who show a certificate of theirs",
);

/// Both.
pub const SETTINGS: &[&Definition] = &[&LISTEN.definition, &CLIENT_CA_FILE.definition];

fn refuse(setting: &Definition, what: &str) -> StartError {
    edge::Error::Setting { setting: setting.name, what: what.to_owned() }.into()
}

/// Whether the settings can be honoured.
pub fn check(given: &Settings) -> Result<(), StartError> {
    let asks = given.get(&CLIENT_CA_FILE).is_some();
    let Some(address) = given.get(&LISTEN) else {
        let why = "there is no listener for administrators: set server.admin.listen too";
        return if asks { Err(refuse(&CLIENT_CA_FILE.definition, why)) } else { Ok(()) };
    };
    if tls::Tls::check(given)? {
        return Ok(());
    }
    if !address.ip().to_canonical().is_loopback() {
        let why = "without TLS it has to be on loopback: keys and passwords could be read on the way. Give the server a certificate \
            (server.tls.domains or server.tls.cert_file), or listen on 127.0.0.1";
        return Err(refuse(&LISTEN.definition, why));
    }
    let why = "the server has no certificate to show: set server.tls.cert_file, server.tls.domains or server.tls.local_ca";
    if asks { Err(refuse(&CLIENT_CA_FILE.definition, why)) } else { Ok(()) }
}

/// The bound port, before anything is there to be answered.
pub async fn bind(given: &Settings, secure: bool) -> Result<Option<TcpListener>, StartError> {
    match given.get(&LISTEN) {
        Some(address) => Ok(Some(edge::bind(address, secure).await?)),
        None => Ok(None),
    }
}

/// Where it is.
pub fn place(bound: Option<&TcpListener>) -> Option<SocketAddr> {
    bound.and_then(|bound| bound.local_addr().ok())
}

/// What is spoken there.
pub fn listening(
    bound: TcpListener,
    given: &Settings,
    certificate: Option<&tls::Tls>,
) -> Result<Listening, StartError> {
    let Some(tls) = certificate else { return Ok(Listening::Tcp(bound)) };
    let config = match given.get(&CLIENT_CA_FILE) {
        Some(authorities) => tls.config_for_known(&authorities)?,
        None => tls.config(),
    };
    Ok(Listening::tls(bound, config))
}
