//! `database.url` → where, which and as whom (controls 53, 115).

use std::net::IpAddr;
use std::path::PathBuf;

use base::{Secret, Settings};
use percent_encoding::percent_decode_str;
use pg::admin::Target;
use pg::{Login, Server, Tls};

use crate::error::StartError;
use crate::settings::{SSL_MODE, SSL_ROOT};

/// Debian's bundle of public authorities, where no other is named.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Reads a URL. The mode in `?sslmode=` and `database.ssl_mode` must agree; with neither, another machine is reached
/// with `verify-full` and this one in plain.
pub fn target(url: &Secret, settings: &Settings) -> Result<Target, StartError> {
    let text = url.expose();
    let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
    let rest = rest.ok_or_else(|| refuse("it does not begin with postgres:// or postgresql://"))?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = authority.rsplit_once('@').ok_or_else(|| refuse("it names no user"))?;
    let (name, password) =
        user.split_once(':').map_or((user, None), |(name, password)| (name, Some(password)));
    let parameter =
        |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(decode);
    let (host, port) = match parameter("host") {
        Some(host) => split_port(&host)?,
        // The port is split off while a socket's slashes are still encoded.
        None => split_port(hosts).map(|(host, port)| (decode(&host), port))?,
    };
    let port = match parameter("port") {
        Some(port) => port.parse().map_err(|_| refuse("its port is not a number"))?,
        None => port,
    };
    let mode = agree(parameter("sslmode"), settings.get(&SSL_MODE))?;
    let server = if host.starts_with('/') {
        Server::Socket { dir: PathBuf::from(&host), port }
    } else {
        tcp(&host, port, mode.as_deref(), settings)?
    };
    let database = if database.is_empty() { decode(name) } else { decode(database) };
    let login =
        Login { name: decode(name), password: password.map(|password| Secret::new(decode(password))) };
    Ok(Target { server, database, login, unreported: false })
}

/// The URL of a target, for an administrator's own tools. TLS modes are libpq's words.
pub fn text(target: &Target) -> Secret {
    let (host, port, mode) = match &target.server {
        Server::Socket { dir, port } => (encode(&dir.to_string_lossy()), *port, ""),
        Server::Tcp { host, port, tls } => {
            let mode = match tls {
                Tls::Disable => "?sslmode=disable",
                Tls::Require => "?sslmode=require",
                Tls::VerifyCa { .. } => "?sslmode=verify-ca",
                Tls::VerifyFull { .. } => "?sslmode=verify-full",
            };
            (encode(host), *port, mode)
        }
    };
    let password = target
        .login
        .password
        .as_ref()
        .map_or_else(String::new, |password| format!(":{}", encode(password.expose())));
    let (user, database) = (encode(&target.login.name), encode(&target.database));
    Secret::new(format!("postgresql://{user}{password}@{host}:{port}/{database}{mode}"))
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn tcp(host: &str, port: u16, mode: Option<&str>, settings: &Settings) -> Result<Server, StartError> {
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let root = || settings.get(&SSL_ROOT).unwrap_or_else(|| PathBuf::from(SYSTEM_AUTHORITIES));
    let tls = match mode {
        Some("require") => Tls::Require,
        Some("verify-ca") => Tls::VerifyCa { root: root() },
        Some("verify-full") => Tls::VerifyFull { root: root() },
        Some("disable") => Tls::Disable,
        None if here => Tls::Disable,
        None => Tls::VerifyFull { root: root() },
        Some("allow" | "prefer") => {
            return Err(refuse(
                "sslmode allow and prefer fall back to plaintext: use verify-full, verify-ca or require",
            ));
        }
        Some(_) => return Err(refuse("its sslmode is none of disable, require, verify-ca and verify-full")),
    };
    Ok(Server::Tcp { host: host.to_owned(), port, tls })
}

fn agree(url: Option<String>, setting: Option<String>) -> Result<Option<String>, StartError> {
    match (url, setting) {
        (Some(url), Some(setting)) if url != setting => {
            Err(refuse(&format!("it says sslmode={url} and database.ssl_mode says {setting}: say it once")))
        }
        (url, setting) => Ok(url.or(setting)),
    }
}

fn split_port(host: &str) -> Result<(String, u16), StartError> {
    if host.starts_with('/') {
        return Ok((host.to_owned(), 5432));
    }
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, rest)) => (name, rest.strip_prefix(':')),
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let port = port.map_or(Ok(5432), |port| port.parse().map_err(|_| refuse("its port is not a number")))?;
    if name.is_empty() { Err(refuse("it names no host")) } else { Ok((name.to_owned(), port)) }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Never repeats the URL: it holds a password.
fn refuse(why: &str) -> StartError {
    StartError::Profile(format!(
        "database.url cannot be used: {why}. Write postgres://user:password@host:5432/database?sslmode=verify-full"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read_again() {
        for url in [
            "postgresql://u:p%40%3A@%2Frun%2Fa%20b:6000/d%2Fx",
            "postgresql://u@db.example.com:5432/x?sslmode=require",
        ] {
            let first = target(&Secret::from(url), &Settings::default()).unwrap();
            let again = target(&text(&first), &Settings::default()).unwrap();
            assert_eq!((first.server, first.database), (again.server, again.database));
            assert!(
                again.login.password.map(|it| it.expose().clone())
                    == first.login.password.map(|it| it.expose().clone())
            );
        }
    }

    fn server(url: &str) -> Result<Server, StartError> {
        target(&Secret::from(url), &Settings::default()).map(|target| target.server)
    }

    #[test]
    fn the_guides_url_is_read() {
        let target = target(
            &Secret::from("postgres://user:p%40ss@host:5432/db?sslmode=require"),
            &Settings::default(),
        )
        .unwrap();
        assert_eq!(target.server, Server::Tcp { host: "host".into(), port: 5432, tls: Tls::Require });
        assert_eq!((target.database.as_str(), target.login.name.as_str()), ("db", "user"));
        assert!(target.login.password.unwrap().matches("p@ss"));
    }

    #[test]
    fn another_machine_is_verified_unless_told_otherwise_and_a_socket_is_a_socket() {
        assert!(matches!(
            server("postgres://u@db.example.com/x"),
            Ok(Server::Tcp { tls: Tls::VerifyFull { .. }, .. })
        ));
        assert!(matches!(server("postgres://u@127.0.0.1/x"), Ok(Server::Tcp { tls: Tls::Disable, .. })));
        assert_eq!(
            server("postgresql://u@%2Frun%2Fpg:5433/x").unwrap(),
            Server::Socket { dir: "/run/pg".into(), port: 5433 }
        );
        assert!(matches!(server("postgresql://u@%2Frun%2Fpg/x"), Ok(Server::Socket { port: 5432, .. })));
        assert!(matches!(
            server("postgresql://u@/x?host=/run/pg&port=6000"),
            Ok(Server::Socket { port: 6000, .. })
        ));
    }

    #[test]
    fn modes_that_fall_back_to_plaintext_are_refused() {
        assert!(server("postgres://u@h/x?sslmode=prefer").is_err());
        let disagree = Settings::default().with("database.ssl_mode", "require");
        assert!(target(&Secret::from("postgres://u@h/x?sslmode=disable"), &disagree).is_err());
    }

    #[test]
    fn a_refusal_never_repeats_the_url() {
        let error = server("mysql://u:hunter2@h/x").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }
}
