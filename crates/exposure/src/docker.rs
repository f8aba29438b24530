//! Ports that Docker publishes: its rules come before ufw's, so that `ufw deny` does not close them.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::limits;
use crate::listeners::Listener;

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Published {
    /// Where it is published: an unspecified address is everywhere.
    pub address: IpAddr,
    /// The port of this machine.
    pub port: u16,
    /// Whose.
    pub container: String,
}

/// What Docker says it publishes off loopback, and what its proxy holds where it does not answer.
pub(crate) fn published(socket: &Path, listeners: &[Listener]) -> Vec<Published> {
    let said = ask(socket).map(|answer| read(&answer)).unwrap_or_default();
    let proxies = listeners.iter().filter(|listener| listener.program.as_deref() == Some("docker-proxy"));
    let held = proxies.map(|listener| Published {
        address: listener.address.ip(),
        port: listener.address.port(),
        container: "a container (docker-proxy)".to_owned(),
    });
    let mut all: Vec<Published> = said;
    for one in held {
        if !all.iter().any(|known| known.port == one.port && known.address == one.address) {
            all.push(one);
        }
    }
    all.retain(|one| !one.address.is_loopback());
    all.sort_by_key(|one| (one.port, one.address));
    all
}

/// One question to the engine; without an engine there is no answer, which is one.
fn ask(socket: &Path) -> Option<Value> {
    let mut stream = UnixStream::connect(socket).ok()?;
    let bound = Some(Duration::from_secs(limits::PROGRAM_SECONDS.value));
    stream.set_read_timeout(bound).ok()?;
    stream.set_write_timeout(bound).ok()?;
    // HTTP/1.0: the answer ends with the connection and is not chunked.
    stream.write_all(b"GET /containers/json HTTP/1.0\r\nHost: docker\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.take(limits::DOCKER_BYTES.value).read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    serde_json::from_str(body).ok()
}

fn read(containers: &Value) -> Vec<Published> {
    let mut all = Vec::new();
    for container in containers.as_array().into_iter().flatten() {
        let name = container["Names"][0].as_str().unwrap_or("a container").trim_start_matches('/').to_owned();
        for port in container["Ports"].as_array().into_iter().flatten() {
            let address = port["IP"].as_str().and_then(|text| text.parse().ok());
            let number = port["PublicPort"].as_u64().and_then(|number| u16::try_from(number).ok());
            if let (Some(address), Some(port)) = (address, number) {
                all.push(Published { address, port, container: name.clone() });
            }
        }
    }
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_lists_is_read_and_loopback_left_out() {
        // As the Engine API documents `GET /containers/json`.
        let listed = serde_json::json!([
            { "Names": ["/db"], "Ports": [{ "IP": "0.0.0.0", "PrivatePort": 5432, "PublicPort": 5432, "Type": "tcp" },
                                          { "PrivatePort": 9000, "Type": "tcp" }] },
            { "Names": ["/mail"], "Ports": [{ "IP": "127.0.0.1", "PrivatePort": 25, "PublicPort": 2525, "Type": "tcp" }] }
        ]);
        let found = read(&listed);
        assert_eq!(
            found.iter().map(|one| (one.container.as_str(), one.port)).collect::<Vec<_>>(),
            [("db", 5432), ("mail", 2525)]
        );
        let proxy = |text: &str| Listener {
            address: text.parse().unwrap(),
            process: Some(7),
            program: Some("docker-proxy".to_owned()),
        };
        let held = published(Path::new("/nowhere"), &[proxy("0.0.0.0:6379"), proxy("127.0.0.1:9200")]);
        assert_eq!(held.iter().map(|one| one.port).collect::<Vec<_>>(), [6379]);
    }
}
