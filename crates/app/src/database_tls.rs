//! The managed server's listener, from the settings: where, for whom, and with which certificate (control 54).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use audit::Audit;
use base::{Clock, Failure, Settings};
use ipnet::IpNet;
use pg::managed::{Certificate, Listen, Server};
use tls::database::{Keeping, Origin, Pair};

use crate::error::StartError;
use crate::settings;

/// The folder of the authority and what it issued, below the data folder.
const FOLDER: &str = "postgres-tls";

/// Where its certificate comes from; `None` without a listener.
fn origin(settings: &Settings, data: &Path) -> Result<Option<(SocketAddr, Origin)>, StartError> {
    let Some(address) = settings.get(&settings::LISTEN) else { return Ok(None) };
    let origin = match (settings.get(&settings::LISTEN_CERT), settings.get(&settings::LISTEN_KEY)) {
        (Some(cert), Some(key)) => Origin::Files { cert, key },
        (None, None) => {
            let mut names = vec![address.ip().to_string()];
            names.extend(settings.get(&settings::LISTEN_NAMES));
            if address.ip().is_unspecified() || address.ip().is_loopback() {
                names.extend(["127.0.0.1".to_owned(), "localhost".to_owned()]);
            }
            names.dedup();
            Origin::Own { folder: data.join(FOLDER), names }
        }
        (Some(_), None) | (None, Some(_)) => {
            let why = "database.tls.cert_file and database.tls.key_file go together: set both or neither";
            return Err(StartError::Profile(why.to_owned()));
        }
    };
    Ok(Some((address, origin)))
}

/// Everything the server is told about its listener.
pub fn listen(settings: &Settings, data: &Path, clock: &Clock) -> Result<Option<Listen>, StartError> {
    let Some((address, origin)) = origin(settings, data)? else { return Ok(None) };
    let networks = settings.get(&settings::LISTEN_NETWORKS);
    if let Some(bad) = networks.iter().find(|network| network.parse::<IpNet>().is_err()) {
        let why = format!("database.listen_networks: {bad:?} is no network: write 10.0.0.0/8 or 10.1.2.3/32");
        return Err(StartError::Profile(why));
    }
    if address.port() == 0 {
        return Err(StartError::Profile("database.listen needs a port that clients can know".to_owned()));
    }
    let client_ca = match settings.get(&settings::LISTEN_CA) {
        Some(path) => {
            Some(std::fs::read_to_string(&path).map_err(|source| StartError::File { path, source })?)
        }
        None => None,
    };
    if let Origin::Own { folder, .. } = &origin {
        crate::start::private_folder(folder)?;
    }
    let certificate = certificate(&origin.current(clock.now())?);
    Ok(Some(Listen { address, networks, certificate, client_ca }))
}

fn certificate(pair: &Pair) -> Certificate {
    Certificate { chain: pair.chain.clone(), key: pair.key.clone() }
}

/// What keeps the certificate young while the server runs.
pub fn keeping(
    settings: &Settings,
    data: &Path,
    server: Option<&Server>,
    audit: &Audit,
    clock: &Clock,
) -> Result<Option<Keeping>, StartError> {
    let (Some(server), Some((_, origin))) = (server, origin(settings, data)?) else { return Ok(None) };
    let shown = Mutex::new(origin.current(clock.now())?.chain);
    let server = server.shown();
    let show = Arc::new(move |pair: &Pair| Ok::<(), Failure>(server.replace(&certificate(pair))?));
    Ok(Some(Keeping { origin, show, shown, audit: audit.clone(), clock: clock.clone() }))
}
