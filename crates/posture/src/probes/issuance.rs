//! Controls 1, 4 and 6: getting a certificate, tried by the program itself with an authority of the probes' own on this
//! machine: nobody's budget at a public one is spent, and no name has to be ours.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::Finding;
use crate::bench::issuer::{Authority, Seen};
use crate::bench::program::Ended;
use crate::bench::{Bench, Trouble};

/// A port that nobody has.
async fn free_port() -> Result<u16, Trouble> {
    let unbound = |source| Trouble::Network { what: "a port".to_owned(), source };
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.map_err(unbound)?;
    Ok(listener.local_addr().map_err(unbound)?.port())
}

/// `palisade tls try` for this machine's address.
async fn order(bench: &Bench, directory: &str, port: u16) -> Result<Ended, Trouble> {
    let port = port.to_string();
    let words = [
        "tls",
        "try",
        "--domain",
        "127.0.0.1",
        "--email",
        "ops@probe.palisade.invalid",
        "--listen",
        "127.0.0.1",
    ];
    let variables = [
        ("PALISADE_SERVER_TLS_ACME_STAGING", directory),
        ("PALISADE_SERVER_HTTP_PORT", port.as_str()),
        ("PALISADE_OUTBOUND_ALLOW", "127.0.0.0/8"),
    ];
    bench.program(&words, &variables).await
}

fn last(ended: &Ended) -> String {
    let line = ended.said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    format!("exit {:?}: {}", ended.code, line.trim())
}

async fn authority(bench: &Bench, port: u16, stubborn: bool) -> Result<Authority, Trouble> {
    Authority::start(port, bench.random_name("probe-"), stubborn).await
}

fn proven(seen: &Seen) -> bool {
    seen.challenged.as_ref().is_some_and(|(_, right)| *right)
}

/// 1: an account is made, the order's proof stands where the authority looks, and what it gives can be used.
pub async fn certificates_are_got(bench: &Bench) -> Result<Finding, Trouble> {
    let port = free_port().await?;
    let authority = authority(bench, port, false).await?;
    let ended = order(bench, &authority.directory, port).await?;
    let seen = authority.seen();
    let account = seen.account.clone().unwrap_or_default();
    Ok(Finding::all([
        (
            account == ("mailto:ops@probe.palisade.invalid".to_owned(), true),
            format!("an account was made: {}, its terms agreed to: {}", account.0, account.1),
        ),
        (seen.ordered == ["127.0.0.1"], format!("ordered for: {}", seen.ordered.join(", "))),
        (proven(&seen), "the authority found its proof at the port of plain HTTP (http-01)".to_owned()),
        (seen.issued == 1, format!("{} certificate given out", seen.issued)),
        (
            ended.code == Some(0) && ended.said.contains("127.0.0.1"),
            format!("palisade tls try: {}", last(&ended)),
        ),
    ]))
}

/// 4: a rehearsal succeeds where a renewal would, and fails where one would, each time with a reason and nothing kept.
pub async fn renewals_are_rehearsed(bench: &Bench) -> Result<Finding, Trouble> {
    let port = free_port().await?;
    let kind = authority(bench, port, false).await?;
    let good = order(bench, &kind.directory, port).await?;
    let stubborn = authority(bench, port, true).await?;
    let refused = order(bench, &stubborn.directory, port).await?;
    let nowhere = format!("http://127.0.0.1:{}/dir", free_port().await?);
    let gone = order(bench, &nowhere, port).await?;
    Ok(Finding::all([
        (
            good.code == Some(0) && kind.seen().issued == 1,
            format!("an authority that gives one: {}", last(&good)),
        ),
        (good.said.contains("thrown away"), "it says that nothing was kept".to_owned()),
        (
            refused.code != Some(0) && refused.said.contains("the proof is not believed"),
            format!("an authority that does not believe it: {}", last(&refused)),
        ),
        (gone.code != Some(0), format!("an authority that is not there: {}", last(&gone))),
    ]))
}

/// 6: what stands in the way is told before anybody is asked.
pub async fn obstacles_are_told_first(bench: &Bench) -> Result<Finding, Trouble> {
    let unbound = |source| Trouble::Network { what: "a port".to_owned(), source };
    let taken = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.map_err(unbound)?;
    let port = taken.local_addr().map_err(unbound)?.port();
    let authority = authority(bench, port, false).await?;
    let busy = order(bench, &authority.directory, port).await?;
    drop(taken);
    let free = order(bench, &authority.directory, port).await?;
    let mut lines = vec![
        (
            busy.code.is_some_and(|code| code != 0) && busy.said.contains(&port.to_string()),
            format!("a port that is taken: {}", last(&busy)),
        ),
        (free.code == Some(0), format!("the same port when it is free: {}", last(&free))),
    ];
    for (name, word) in [
        ("localhost", "not a name that the internet knows"),
        ("*.example.com", "wildcard"),
        ("0.0.0.0", "no address of a machine"),
        ("nothing.probe.invalid", "has no address"),
    ] {
        let ended = bench.program(&["tls", "try", "--domain", name], &[]).await?;
        let told = ended.code.is_some_and(|code| code != 0) && ended.said.contains(word);
        lines.push((told, format!("{name}: {}", last(&ended))));
    }
    Ok(Finding::all(lines))
}
