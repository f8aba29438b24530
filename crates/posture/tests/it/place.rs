//! A bench over any server and any database, with a program that ends as the test says.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use base::{Clock, Rng, Secret};
use posture::{Bench, Encryption, Finding, Place, Seat, probes};
use tempfile::TempDir;

/// A bench and the directory it lies in.
pub struct Laid {
    pub bench: Bench,
    _data: TempDir,
}

/// A database that answers nobody: for probes that ask none.
pub fn nowhere() -> pg::admin::Target {
    let login = pg::Login { name: "nobody".to_owned(), password: None };
    pg::admin::Target {
        server: pg::Server::Socket { dir: PathBuf::from("/nonexistent"), port: 1 },
        database: "none".to_owned(),
        login,
        unreported: false,
    }
}

/// The bench; `program` is the script that stands for the program.
pub fn lay(address: SocketAddr, database: pg::admin::Target, program: &str) -> Laid {
    let data = TempDir::new().unwrap();
    let path = data.path().join("palisade");
    std::fs::write(&path, format!("#!/bin/sh\n{program}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let place = Place {
        address,
        secure: false,
        encryption: Encryption {
            tls: Seat::Tcp(address),
            plain: Seat::Tcp(address),
            own_tls: Seat::Tcp(address),
            name: "localhost".to_owned(),
            key_file: None,
            roots: None,
        },
        metrics: None,
        metrics_taken: None,
        logs_gathered: std::time::Duration::from_secs(60),
        metrics_aside: None,
        admin_aside: None,
        admins: None,
        admins_asked: false,
        nftables: false,
        publishable_key: Secret::from("publishable"),
        secret_key: Secret::from("secret"),
        database,
        embedded: true,
        data: data.path().to_owned(),
        program: path,
        origin: None,
        audit_file: None,
        redis: None,
        authorities: Vec::new(),
        audit: None,
        clock: Clock::system(),
        rng: Rng::system(),
    };
    Laid { bench: Bench::new(place), _data: data }
}

/// What the probe of a control finds.
pub async fn probe(bench: &Bench, control: u16) -> Finding {
    posture::run::try_one(bench, probes::find(control).unwrap()).await
}
