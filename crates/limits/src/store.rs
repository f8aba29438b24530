//! The store that several nodes share: where it is, how it is reached, and as whom its subjects are known there.
//!
//! What is not on this machine is reached over TLS or not at all, and what is kept there says nothing about anybody: a
//! subject (an address, an account) is written as a keyed hash that only this installation can make (controls 62, 64).

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use base::setting::{Alias, Definition, Guide};
use base::{Secret, Setting, Settings};
use redis::{Client, ConnectionAddr, IntoConnectionInfo, TlsCertificates};

/// Where several nodes count together.
pub static REDIS_URL: Setting<Option<Secret<String>>> = Setting::unset("rate_limiting.redis_url")
    .changes("the Redis or Valkey in which several nodes share their limits (rediss://user:password@host:port); unset counts in memory")
    .proven_by(&[62, 64, 71]);

/// Whether the connection to Redis or Valkey needs TLS.
pub static TLS_ENABLED: Setting<Option<bool>> = Setting::unset("redis.tls_enabled")
    .also(&[Alias::same("REDIS_TLS_ENABLED", Guide::AppFlowy)])
    .changes(
        "whether TLS is spoken to Redis or Valkey: true also where the URL says redis://, false nowhere; unset as the URL says. Without TLS \
         only this machine's is used",
    )
    .proven_by(&[64]);

/// Who issues the store's certificate.
pub static CA_FILE: Setting<Option<PathBuf>> = Setting::unset("redis.ca_file")
    .changes("a PEM file with the only certificate authority that is believed for Redis or Valkey; unset: the system's")
    .proven_by(&[64]);

/// This crate's settings.
pub const SETTINGS: &[&Definition] = &[&REDIS_URL.definition, &TLS_ENABLED.definition, &CA_FILE.definition];

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {why}")]
pub struct StoreError {
    /// The setting.
    pub setting: &'static str,
    /// What is wrong.
    pub why: String,
}

/// Makes a subject into what the store knows it by.
pub type Pseudonym = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// A store, checked and not yet connected to.
pub struct Store {
    pub(crate) client: Client,
    pub(crate) pseudonym: Pseudonym,
}

impl Store {
    /// From the settings; `None` where none is named.
    pub fn configured(given: &Settings, pseudonym: Pseudonym) -> Result<Option<Store>, StoreError> {
        let Some(url) = given.get(&REDIS_URL) else { return Ok(None) };
        let wrong = |why: String| StoreError { setting: REDIS_URL.definition.name, why };
        let is_meant = given.get(&TLS_ENABLED);
        let url = match (is_meant, url.expose().strip_prefix("redis://")) {
            (Some(true), Some(rest)) => format!("rediss://{rest}"),
            _ => url.expose().clone(),
        };
        // The library's words repeat the URL, and with it the password.
        let info = url
            .as_str()
            .into_connection_info()
            .map_err(|_| wrong("it is no redis:// or rediss:// URL".to_owned()))?;
        match info.addr() {
            ConnectionAddr::Tcp(host, _) if !is_this_machine(host) => Err(wrong(
                "passwords and counts would be readable on their way to it (control 64): write rediss://, or set redis.tls_enabled to true".to_owned(),
            )),
            ConnectionAddr::TcpTls { insecure: true, .. } => {
                Err(wrong("#insecure believes anybody: name its authority in redis.ca_file".to_owned()))
            }
            ConnectionAddr::TcpTls { .. } if is_meant == Some(false) => Err(StoreError {
                setting: TLS_ENABLED.definition.name,
                why: "rate_limiting.redis_url says rediss://, which is TLS".to_owned(),
            }),
            ConnectionAddr::TcpTls { .. } => {
                let root_cert = given.get(&CA_FILE).map(read).transpose()?;
                let client = Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert });
                let client = client.map_err(|error| wrong(error.to_string()))?;
                Ok(Some(Store { client, pseudonym }))
            }
            _ => {
                let client = Client::open(info).map_err(|error| wrong(error.to_string()))?;
                Ok(Some(Store { client, pseudonym }))
            }
        }
    }

    /// Whether it could be used.
    pub fn check(given: &Settings) -> Result<(), StoreError> {
        Self::configured(given, Arc::new(|subject: &str| subject.to_owned())).map(drop)
    }
}

fn read(path: PathBuf) -> Result<Vec<u8>, StoreError> {
    std::fs::read(&path).map_err(|error| StoreError {
        setting: CA_FILE.definition.name,
        why: format!("{}: {error}", path.display()),
    })
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pairs: &[(&'static str, &str)], refused: Option<&str>) {
        let given = pairs.iter().fold(Settings::default(), |given, (name, value)| given.with(name, value));
        let told = Store::check(&given).err().map(|error| error.to_string());
        match refused {
            None => assert_eq!(told, None, "{pairs:?}"),
            Some(words) => {
                let told = told.unwrap_or_default();
                assert!(told.contains(words), "{pairs:?}: {told:?}");
                assert!(!told.contains("s3cret"), "{told}");
            }
        }
    }

    #[test]
    fn what_is_elsewhere_is_reached_over_tls_or_not_at_all() {
        const URL: &str = "rate_limiting.redis_url";
        check(&[], None);
        check(&[(URL, "redis://127.0.0.1:6379")], None);
        check(&[(URL, "redis://localhost")], None);
        check(&[(URL, "redis+unix:///run/redis.sock")], None);
        check(&[(URL, "redis://:s3cret@10.1.2.3:6379")], Some("readable on their way"));
        check(&[(URL, "redis://redis:6379")], Some("readable on their way"));
        check(&[(URL, "redis://redis:6379"), ("redis.tls_enabled", "true")], None);
        check(&[(URL, "redis://redis:6379"), ("redis.tls_enabled", "false")], Some("readable on their way"));
        check(&[(URL, "rediss://redis:6379")], None);
        check(&[(URL, "rediss://redis:6379"), ("redis.tls_enabled", "false")], Some("says rediss://"));
        check(&[(URL, "rediss://redis:6379/#insecure")], Some("#insecure"));
        check(&[(URL, "http://:s3cret@redis")], Some("no redis://"));
        check(&[(URL, "rediss://redis:6379"), ("redis.ca_file", "/nowhere.pem")], Some("/nowhere.pem"));
    }
}
