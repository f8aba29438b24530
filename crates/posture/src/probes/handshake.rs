//! Controls 10, 11, 12, 14 and 16: what is agreed on in a handshake, tried with first messages made by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use rustls::{HandshakeKind, NamedGroup, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::Finding;
use crate::bench::hello::{CURVES, FINITE_FIELDS, Heard, Hello, SSL_3, TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3};
use crate::bench::{Bench, Trouble, tls};

/// The guide's suites and their younger sister, for certificates of either kind.
const MODERN: &[u16] = &[0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8];
/// TLS 1.3's own.
const NEWEST: &[u16] = &[0x1301, 0x1302, 0x1303];
/// With cipher block chaining, which every old version needs.
const CHAINED: &[u16] =
    &[0xc009, 0xc00a, 0xc013, 0xc014, 0xc023, 0xc024, 0xc027, 0xc028, 0x002f, 0x0035, 0x003c, 0x003d];
/// Finite-field Diffie-Hellman.
const DHE: &[u16] = &[0x0033, 0x0039, 0x0067, 0x006b, 0x009e, 0x009f, 0xccaa, 0x0016];
/// What is offered to nobody, by what is wrong with it.
const WEAK: &[(&str, &[u16])] = &[
    ("block chaining", CHAINED),
    ("RSA key exchange", &[0x009c, 0x009d, 0x002f, 0x0035, 0x003c, 0x003d, 0x0041, 0x0084]),
    ("3DES", &[0x000a, 0xc008, 0xc012, 0x0016]),
    ("RC4", &[0x0004, 0x0005, 0xc007, 0xc011]),
    ("no encryption", &[0x0001, 0x0002, 0x003b, 0xc006, 0xc010]),
    ("nobody's certificate", &[0x0018, 0x0034, 0x006c, 0x00a6, 0xc018, 0xc019]),
    ("CCM and ARIA", &[0xc0ac, 0xc0ad, 0xc05c, 0xc05d, 0xc060]),
];

async fn heard(bench: &Bench, version: u16, suites: &[u16], groups: &[u16]) -> Result<Heard, Trouble> {
    bench.say(&bench.place.encryption.tls, &Hello { version, suites, groups, ticket: true }).await
}

fn goes(heard: &Heard) -> bool {
    matches!(heard, Heard::Goes { .. })
}

/// 10: nothing below TLS 1.2 is spoken, with whatever suites; something from there on is.
pub async fn nothing_old_is_spoken(bench: &Bench) -> Result<Finding, Trouble> {
    let every: Vec<u16> = [CHAINED, MODERN, DHE].concat();
    let mut lines = Vec::new();
    for (name, version) in [("SSL 3.0", SSL_3), ("TLS 1.0", TLS_1_0), ("TLS 1.1", TLS_1_1)] {
        let told = heard(bench, version, &every, CURVES).await?;
        lines.push((!goes(&told), format!("{name} with {} suites: {told}", every.len())));
    }
    let mut spoken = Vec::new();
    for (name, version, suites) in [("TLS 1.2", TLS_1_2, MODERN), ("TLS 1.3", TLS_1_3, NEWEST)] {
        if let Heard::Goes { version: agreed, .. } = heard(bench, version, suites, CURVES).await?
            && agreed == version
        {
            spoken.push(name);
        }
    }
    let at = &bench.place.encryption.tls;
    lines.push((spoken.contains(&"TLS 1.3"), format!("spoken at {at}: {}", spoken.join(", "))));
    Ok(Finding::all(lines))
}

/// 11: of all suites, only ECDHE with AES-GCM or ChaCha20-Poly1305.
pub async fn only_modern_suites_are_agreed_on(bench: &Bench) -> Result<Finding, Trouble> {
    let mut lines = Vec::new();
    for (name, suites) in WEAK {
        let told = heard(bench, TLS_1_2, suites, CURVES).await?;
        lines.push((!goes(&told), format!("{name}: {told}")));
    }
    let mut agreed = Vec::new();
    for (version, suites) in [(TLS_1_2, MODERN), (TLS_1_3, NEWEST)] {
        for suite in suites {
            if goes(&heard(bench, version, &[*suite], CURVES).await?) {
                agreed.push(format!("{suite:04x}"));
            }
        }
    }
    lines.push((agreed.len() >= 3, format!("agreed on, each alone: {}", agreed.join(" "))));
    Ok(Finding::all(lines))
}

/// 12: whichever way a client orders its suites, it gets the same one.
pub async fn the_servers_order_counts(bench: &Bench) -> Result<Finding, Trouble> {
    let mut lines = Vec::new();
    for (name, version, suites) in [("TLS 1.2", TLS_1_2, MODERN), ("TLS 1.3", TLS_1_3, NEWEST)] {
        let mut got = Vec::new();
        for turn in 0..suites.len() {
            let mut order = suites.to_vec();
            order.rotate_left(turn);
            got.push(heard(bench, version, &order, CURVES).await?);
            order.reverse();
            got.push(heard(bench, version, &order, CURVES).await?);
        }
        let Some(first) = got.first() else { continue };
        // Where only 1.3 is spoken there is nothing to order in 1.2.
        let same = got.iter().all(|heard| heard == first) && (goes(first) || version == TLS_1_2);
        lines.push((same, format!("{name}: {} orders of {} suites: {first}", got.len(), suites.len())));
    }
    Ok(Finding::all(lines))
}

/// 16: finite-field Diffie-Hellman is agreed on by nobody, so there are no parameters that could be weak.
pub async fn no_finite_field_is_used(bench: &Bench) -> Result<Finding, Trouble> {
    let both: Vec<u16> = [FINITE_FIELDS, CURVES].concat();
    let mut lines = Vec::new();
    for (name, version, suites, groups) in [
        ("TLS 1.2, DHE suites", TLS_1_2, DHE, both.as_slice()),
        ("TLS 1.2, DHE suites, groups of RFC 7919", TLS_1_2, DHE, FINITE_FIELDS),
        ("TLS 1.3, groups of RFC 7919", TLS_1_3, NEWEST, FINITE_FIELDS),
    ] {
        let told = heard(bench, version, suites, groups).await?;
        lines.push((!goes(&told), format!("{name}: {told}")));
    }
    let told = heard(bench, TLS_1_3, NEWEST, CURVES).await?;
    lines.push((goes(&told), format!("TLS 1.3, elliptic curves: {told}")));
    Ok(Finding::all(lines))
}

/// Keeps no session, and counts what it is offered.
#[derive(Debug, Default)]
struct Counting(AtomicU64);

impl ClientSessionStore for Counting {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }
    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }
    fn remove_tls12_session(&self, _: &ServerName<'static>) {}
    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

/// 14: no ticket is given, so no key that lies about opens the traffic of yesterday.
pub async fn no_ticket_is_given(bench: &Bench) -> Result<Finding, Trouble> {
    let told = heard(bench, TLS_1_2, MODERN, CURVES).await?;
    let promised = matches!(told, Heard::Goes { ticket: true, .. });
    let mut lines =
        vec![(!promised, format!("TLS 1.2, asked for a ticket: {told}, ticket promised: {promised}"))];
    let versions: [(&str, &[&'static SupportedProtocolVersion]); 2] =
        [("TLS 1.2", &[&version::TLS12]), ("TLS 1.3", &[&version::TLS13])];
    let mut spoke = false;
    for (name, versions) in versions {
        let store = Arc::new(Counting::default());
        let offered = tls::offering(versions, &[], &["http/1.1"]);
        let mut config = (*offered.map_err(|error| Trouble::Unexpected(error.to_string()))?).clone();
        config.resumption = rustls::client::Resumption::store(store.clone());
        let Ok(mut stream) = bench.shake(&bench.place.encryption.tls, &Arc::new(config)).await else {
            lines.push((name == "TLS 1.2", format!("{name}: not spoken")));
            continue;
        };
        spoke = true;
        // Tickets of 1.3 come behind the handshake, with the first answer at the latest.
        let asked = format!(
            "GET /health HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            bench.place.encryption.name
        );
        let exchanged = async {
            stream.write_all(asked.as_bytes()).await?;
            stream.read_to_end(&mut Vec::new()).await
        };
        let _ended_one_way_or_another =
            tokio::time::timeout(std::time::Duration::from_secs(5), exchanged).await;
        let full = stream.get_ref().1.handshake_kind() != Some(HandshakeKind::Resumed);
        let count = store.0.load(Ordering::Relaxed);
        lines.push((
            count == 0 && full,
            format!("{name}: {count} tickets or sessions offered with an answer"),
        ));
    }
    lines.push((spoke, "a connection was made".to_owned()));
    Ok(Finding::all(lines))
}
