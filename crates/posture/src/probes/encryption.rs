//! Controls 2, 3, 5, 7, 8, 9, 13, 17, 63 and 65: the certificate and what is done with it, and what is done without it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version;
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use crate::bench::certificate::{Pair, Shown};
use crate::bench::{Answer, Bench, Seat, Trouble, h2, staple, tls};
use crate::{Finding, limits};

use super::audit::entry;

type Lines = Vec<(bool, String)>;

fn said(what: &str, answer: &Answer) -> String {
    let to = answer.header("location").map(|to| format!(" to {to}")).unwrap_or_default();
    format!("{what}: {}{to}", answer.status)
}

/// What is sent in clear: pages are sent on, everything else is refused, and what was shown is recorded.
async fn clear_text(bench: &Bench) -> Result<Lines, Trouble> {
    let page = bench.in_clear("GET", "/").send().await?;
    let api = bench.in_clear("GET", "/rest/v1/").send().await?;
    let secret = bench.random_name("probe-");
    let shown = bench.in_clear("GET", &format!("/rest/v1/{secret}"));
    let shown = shown.bearer("eyJub3RoaW5nIjoiYXQgYWxsIn0").send().await?;
    let sql = bench.sql().await?;
    let recorded = entry(bench, &sql, "tls.credential_exposed", &secret).await?;
    let on = page.header("location").is_some_and(|to| to.starts_with("https://"));
    Ok(vec![
        (page.status == 308 && on, said("GET /", &page)),
        (api.status == 403, said("GET /rest/v1/", &api)),
        (shown.status == 403, said("GET with a token", &shown)),
        (
            recorded.is_some(),
            "the audit log says that a credential was shown (tls.credential_exposed)".to_owned(),
        ),
    ])
}

/// The program on an address that others reach, without TLS.
async fn off_loopback(bench: &Bench, mode: &str) -> Result<(bool, String), Trouble> {
    let data = bench.place.data.join(bench.random_name("probe-"));
    let data = data.display().to_string();
    let ended = bench.program(&[mode, "--data", &data, "--listen", "0.0.0.0:0"], &[]).await?;
    let line =
        ended.said.lines().find(|line| line.contains("without TLS")).unwrap_or("(it does not say why)");
    let refused = ended.code == Some(78) && line.contains("without TLS");
    Ok((refused, format!("palisade {mode} --listen 0.0.0.0:0: exit {:?}: {}", ended.code, line.trim())))
}

/// 2: plain HTTP is sent on or refused, never served.
pub async fn plain_http_is_not_served(bench: &Bench) -> Result<Finding, Trouble> {
    let mut lines = clear_text(bench).await?;
    lines.push(off_loopback(bench, "serve").await?);
    lines.push((true, format!("looked at {}", bench.place.encryption.plain)));
    Ok(Finding::all(lines))
}

/// 65: a password sent in clear is not taken, also not by `palisade dev`.
pub async fn passwords_in_clear_are_refused(bench: &Bench) -> Result<Finding, Trouble> {
    let from = bench.random_name("p");
    let body =
        serde_json::json!({ "email": format!("{from}@probe.palisade.invalid"), "password": "not the word" });
    let login =
        bench.in_clear("POST", &format!("/auth/v1/token?grant_type=password&probe={from}")).json(&body);
    let login = login.send().await?;
    let sql = bench.sql().await?;
    let recorded = entry(bench, &sql, "tls.credential_exposed", "/auth/v1/token").await?;
    let behind = bench.ask("GET", "/rest/v1/").header("x-forwarded-proto", "http").send().await?;
    let mut lines = vec![
        (login.status == 403, said("POST /auth/v1/token", &login)),
        (!login.text().contains("access_token"), "no token came back".to_owned()),
        (
            recorded.is_some(),
            "the audit log says that a credential was shown (tls.credential_exposed)".to_owned(),
        ),
        (behind.status != 308, said("a stranger's X-Forwarded-Proto decides nothing", &behind)),
    ];
    for mode in ["serve", "dev"] {
        lines.push(off_loopback(bench, mode).await?);
    }
    Ok(Finding::all(lines))
}

/// 63: a WebSocket is begun over TLS only, and by pages that may.
pub async fn websockets_need_tls_and_an_origin(bench: &Bench) -> Result<Finding, Trouble> {
    let stranger = format!("https://{}.invalid", bench.random_name("page-"));
    let own = format!("https://{}", bench.place.encryption.name);
    let begin = |origin: Option<&str>, clear: bool| {
        let ask =
            if clear { bench.in_clear("GET", "/realtime/v1") } else { bench.secured("GET", "/realtime/v1") };
        let ask = ask
            .header("upgrade", "websocket")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-version", "13");
        match origin {
            Some(origin) => ask.header("origin", origin),
            None => ask,
        }
        .send()
    };
    let clear = begin(None, true).await?;
    let foreign = begin(Some(&stranger), false).await?;
    let nobody = begin(Some("null"), false).await?;
    let page = begin(Some(&own), false).await?;
    let program = begin(None, false).await?;
    let let_in = |answer: &Answer| !matches!(answer.status, 400 | 401 | 403 | 421);
    let gone = bench.program(&["config", "check"], &[("WS_REQUIRE_TLS", "false")]).await?;
    Ok(Finding::all([
        (clear.status == 403, said("in clear", &clear)),
        (foreign.status == 403, said("over TLS, from a page of somebody else", &foreign)),
        (nobody.status == 403, said("over TLS, from a page without an origin", &nobody)),
        (let_in(&page), said("over TLS, from a page of our own, passes the gate", &page)),
        (let_in(&program), said("over TLS, from a program, passes the gate", &program)),
        (gone.code == Some(78), format!("WS_REQUIRE_TLS=false: exit {:?}", gone.code)),
    ]))
}

/// 13: every answer over TLS tells browsers to stay with it, errors too.
pub async fn browsers_stay_with_https(bench: &Bench) -> Result<Finding, Trouble> {
    let preflight = bench
        .secured("OPTIONS", "/rest/v1/")
        .header("origin", "https://elsewhere.invalid")
        .header("access-control-request-method", "GET");
    let mut lines = Vec::new();
    for (what, ask) in [
        ("GET /health", bench.secured("GET", "/health")),
        ("GET /rest/v1/ without a key", bench.secured("GET", "/rest/v1/")),
        ("GET /no/such/page", bench.secured("GET", "/no/such/page")),
        ("a preflight", preflight),
        ("another host", bench.secured("GET", "/health").header("x-forwarded-host", "elsewhere.invalid")),
    ] {
        let answer = ask.send().await?;
        let value = answer.header("strict-transport-security").unwrap_or("(missing)");
        let age = value.split(';').find_map(|part| part.trim().strip_prefix("max-age=")?.parse::<u64>().ok());
        let good = age.is_some_and(|age| age >= 31_536_000) && value.contains("includeSubDomains");
        lines.push((good, format!("{what}: {} Strict-Transport-Security: {value}", answer.status)));
    }
    Ok(Finding::all(lines))
}

/// 9: HTTP/2 is agreed on, answers, and cannot be used to wear us out.
pub async fn http_2_is_spoken(bench: &Bench) -> Result<Finding, Trouble> {
    let offered = tls::offering(&[&version::TLS13], &[], &["h2", "http/1.1"]);
    let config = offered.map_err(|error| Trouble::Unexpected(error.to_string()))?;
    let (seat, name) = (&bench.place.encryption.tls, bench.place.encryption.name.as_str());
    let first = bench.shake(seat, &config).await?;
    let agreed = first.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    if agreed.as_deref() != Some("h2") {
        let got = agreed.unwrap_or_else(|| "nothing".to_owned());
        return Ok(Finding::all([(false, format!("h2 and http/1.1 offered: {got} agreed on"))]));
    }
    let limit = Duration::from_secs(limits::STEP_SECONDS_MAX.value);
    let answered = timeout(limit, h2::get(first, name)).await.is_ok_and(|got| got.unwrap_or(false));
    let abuser = bench.shake(seat, &config).await?;
    let calmed = timeout(limit, h2::reset_rapidly(abuser, name)).await.is_ok_and(|got| got.unwrap_or(false));
    let again = bench.shake(seat, &config).await?;
    let after = timeout(limit, h2::get(again, name)).await.is_ok_and(|got| got.unwrap_or(false));
    Ok(Finding::all([
        (true, "h2 and http/1.1 offered: h2 agreed on".to_owned()),
        (answered, "GET /health over HTTP/2: 200".to_owned()),
        (calmed, "4000 streams opened and reset at once: GOAWAY, ENHANCE_YOUR_CALM".to_owned()),
        (after, "afterwards GET /health over HTTP/2: 200".to_owned()),
    ]))
}

/// 3: whoever connects can verify what they see: chain, name, time, and that the key is there.
pub async fn the_certificate_can_be_verified(bench: &Bench) -> Result<Finding, Trouble> {
    let place = &bench.place.encryption;
    // The handshake itself is signed with the certificate's key, which the bench verifies.
    let shown = bench.shown(&place.tls).await?;
    let now = bench.place.clock.now();
    let left = shown.until.duration_since(now).as_hours();
    let verified = verify(bench, &shown);
    let own = Finding::all([
        (true, format!("looked at {}; the handshake is signed with the certificate's key", place.tls)),
        (
            verified.is_ok(),
            format!(
                "{} certificates, for {}: {}",
                shown.chain.len(),
                place.name,
                verified.err().unwrap_or_else(|| "chain and name verify".to_owned())
            ),
        ),
        (shown.from <= now && left > 0, format!("from {} to {}: {left} hours left", shown.from, shown.until)),
    ]);
    Ok(own.and(super::machine::authorities_hold(bench)))
}

fn certificates_in(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path).map(|found| found.flatten().collect()).unwrap_or_default()
}

fn verify(bench: &Bench, shown: &Shown) -> Result<(), String> {
    let place = &bench.place.encryption;
    let folder = bench.place.data.join("tls");
    let own = match &place.tls {
        Seat::Socket(_) => folder.join("probes/local-ca.pem"),
        Seat::Tcp(_) => folder.join("local-ca.pem"),
    };
    let extra: Vec<_> = certificates_in(&own)
        .into_iter()
        .chain(place.roots.iter().flat_map(|path| certificates_in(path)))
        .collect();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(extra, provider).map_err(|error| error.to_string())?;
    let name = ServerName::try_from(place.name.clone()).map_err(|error| error.to_string())?;
    let (leaf, between) = shown.chain.split_first().ok_or("no certificate")?;
    let seconds = u64::try_from(bench.place.clock.unix_seconds()).unwrap_or(0);
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    verifier.verify_server_cert(leaf, between, &name, &[], now).map(drop).map_err(|error| error.to_string())
}

/// What came of exchanging the certificate of the probes' own listener.
#[derive(Clone, Debug)]
pub struct Exchanged {
    /// A pair that does not fit was put there: what was shown then was still the one before.
    kept: (bool, String),
    /// Another one was put there: it is shown.
    swapped: (bool, String),
    /// It was near its end: another one is shown.
    renewed: (bool, String),
    /// A connection from before all that still answers.
    open: (bool, String),
}

/// How long a change of files may take to be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(12);
/// How long one that must not be seen is looked for: longer than between two looks at the files.
const UNSEEN_FOR: Duration = Duration::from_secs(7);

async fn exchanged(bench: &Bench) -> Result<&Exchanged, Trouble> {
    let once = async || {
        let files = bench.own_files();
        let before = (std::fs::read(&files.cert), std::fs::read(&files.key));
        let came_of_it = exchange(bench).await;
        // Whatever came of it, what stays is good.
        if came_of_it.is_err()
            && let (Ok(cert), Ok(key)) = before
        {
            let (cert, key) =
                (String::from_utf8_lossy(&cert).into_owned(), String::from_utf8_lossy(&key).into_owned());
            let _best_effort = put(bench, &Pair { cert, key });
        }
        came_of_it.map_err(|trouble| trouble.to_string())
    };
    let exchanged = bench.exchanged.get_or_init(once).await;
    exchanged.as_ref().map_err(|why| Trouble::Unexpected(why.clone()))
}

fn put(bench: &Bench, pair: &Pair) -> Result<(), Trouble> {
    let files = bench.own_files();
    let put = |path: &PathBuf, text: &str, mode: u32| {
        let beside = path.with_extension("probe");
        let written = std::fs::write(&beside, text)
            .and_then(|()| std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(mode)))
            .and_then(|()| std::fs::rename(&beside, path));
        written.map_err(|source| Trouble::Network { what: path.display().to_string(), source })
    };
    put(&files.key, &pair.key, 0o600)?;
    put(&files.cert, &pair.cert, 0o644)
}

/// Waits until another certificate than `old` is shown.
async fn another(bench: &Bench, old: &str, within: Duration) -> Result<Option<Shown>, Trouble> {
    let end = Instant::now() + within;
    while Instant::now() < end {
        let shown = bench.shown(&bench.place.encryption.own_tls).await?;
        if shown.serial != old {
            return Ok(Some(shown));
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(None)
}

/// The status of `GET /health` over a connection that is open, as far as one came.
async fn health<S>(open: &mut S, name: &str, connection: &str) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let asked = format!("GET /health HTTP/1.1\r\nhost: {name}\r\nconnection: {connection}\r\n\r\n");
    let mut answer = Vec::new();
    let answered = async {
        open.write_all(asked.as_bytes()).await?;
        while !is_whole(&answer) && open.read_buf(&mut answer).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ended_one_way_or_another = timeout(Duration::from_secs(5), answered).await;
    String::from_utf8_lossy(answer.get(..12).unwrap_or_default()).into_owned()
}

/// Whether the head is there and as much behind it as it says.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.and_then(|length| length.trim().parse::<usize>().ok()).is_none_or(|length| body.len() >= length)
}

async fn exchange(bench: &Bench) -> Result<Exchanged, Trouble> {
    let seat = &bench.place.encryption.own_tls;
    let first = bench.shown(seat).await?;
    let config = tls::any().map_err(|source| Trouble::Network { what: "TLS".to_owned(), source })?;
    let mut open = bench.shake(seat, &config).await?;
    // Used once, so that it rests from now on: one that never said anything is closed within seconds.
    let name = &bench.place.encryption.name;
    let said = health(&mut open, name, "keep-alive").await;

    // A certificate with somebody else's key.
    let (one, other) = (bench.make_pair(-3_600, 86_400)?, bench.make_pair(-3_600, 86_400)?);
    put(bench, &Pair { cert: one.cert, key: other.key })?;
    let wrong = another(bench, &first.serial, UNSEEN_FOR).await?;
    let kept = (
        wrong.is_none(),
        format!(
            "a certificate with another's key was put there: the one in force is still shown ({})",
            first.serial
        ),
    );
    let in_force = wrong.map_or(first.serial, |shown| shown.serial);

    // One that fits, with an hour of its eleven left: shown, and at the next look renewed.
    put(bench, &bench.make_pair(-36_000, 3_600)?)?;
    let second = another(bench, &in_force, SEEN_WITHIN).await?;
    let now = bench.place.clock.now();
    let swapped = (
        second.is_some(),
        match &second {
            Some(shown) => format!("one that fits was put there: it is shown ({})", shown.serial),
            None => "one that fits was put there and is not shown".to_owned(),
        },
    );
    let third = match second {
        Some(shown) if shown.left(now) < 34 => another(bench, &shown.serial, SEEN_WITHIN).await?,
        other => other,
    };
    let renewed = match &third {
        Some(shown) => {
            let left = shown.left(bench.place.clock.now());
            (left > 60, format!("it was near its end: another one is shown, with {left}% of its life left"))
        }
        None => (false, "it was near its end, and is still shown".to_owned()),
    };
    let status = match said.ends_with("200") {
        true => health(&mut open, name, "close").await,
        false => format!("it was not answered before either: {said}"),
    };
    let open = (status.ends_with("200"), format!("a connection from before all that is answered: {status}"));
    Ok(Exchanged { kept, swapped, renewed, open })
}

/// 5: a certificate near its end is renewed by itself, and nobody's connection is dropped for it.
pub async fn certificates_are_renewed(bench: &Bench) -> Result<Finding, Trouble> {
    let now = bench.place.clock.now();
    let shown = bench.shown(&bench.place.encryption.tls).await?;
    let left = shown.left(now);
    // Files that somebody else looks after are renewed by them; an end that comes near is seen all the same.
    let enough = if bench.place.encryption.key_file.is_some() { 5 } else { 28 };
    let exchanged = exchanged(bench).await?;
    Ok(Finding::all([
        (left > enough, format!("{}: {left}% of the certificate's life left", bench.place.encryption.tls)),
        exchanged.renewed.clone(),
        exchanged.open.clone(),
    ]))
}

/// 7: a certificate of one's own is shown as soon as it is there, and one that cannot be is refused by name.
pub async fn own_certificates_are_shown(bench: &Bench) -> Result<Finding, Trouble> {
    let exchanged = exchanged(bench).await?;
    let pair = bench.make_pair(-60, 86_400)?;
    let good = try_files(bench, &pair.cert, &pair.key, 0o600).await?;
    let other = bench.make_pair(-60, 86_400)?;
    let wrong = try_files(bench, &pair.cert, &other.key, 0o600).await?;
    let none = try_files(bench, "", &pair.key, 0o600).await?;
    Ok(Finding::all([
        exchanged.swapped.clone(),
        exchanged.open.clone(),
        (good.0 == Some(0), format!("config check with a certificate and its key: {}", good.1)),
        (wrong.0 == Some(78), format!("with another's key: {}", wrong.1)),
        (none.0 == Some(78), format!("without a certificate in the file: {}", none.1)),
    ]))
}

/// What `palisade config check` says of two files.
async fn try_files(
    bench: &Bench,
    cert: &str,
    key: &str,
    mode: u32,
) -> Result<(Option<i32>, String), Trouble> {
    let folder = bench.place.data.join("tls").join(bench.random_name("probe-"));
    let made = std::fs::create_dir_all(&folder);
    made.map_err(|source| Trouble::Network { what: folder.display().to_string(), source })?;
    let (cert_file, key_file) = (folder.join("cert.pem"), folder.join("key.pem"));
    let written = std::fs::write(&cert_file, cert)
        .and_then(|()| std::fs::write(&key_file, key))
        .and_then(|()| std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(mode)));
    let ended = match written {
        Ok(()) => {
            let paths = (cert_file.display().to_string(), key_file.display().to_string());
            let names = ["PALISADE_SERVER_TLS_CERT_FILE", "PALISADE_SERVER_TLS_KEY_FILE"];
            bench.program(&["config", "check"], &[(names[0], &paths.0), (names[1], &paths.1)]).await
        }
        Err(source) => Err(Trouble::Network { what: folder.display().to_string(), source }),
    };
    let _leaves_nothing = std::fs::remove_dir_all(&folder);
    let ended = ended?;
    let first =
        ended.said.lines().next_back().unwrap_or_default().replace(&folder.display().to_string(), "…");
    Ok((ended.code, format!("exit {:?}: {first}", ended.code)))
}

/// 17: a change is checked before it is in force; one that is bad changes nothing.
pub async fn changes_are_checked_first(bench: &Bench) -> Result<Finding, Trouble> {
    let exchanged = exchanged(bench).await?;
    let good = bench.program(&["config", "check"], &[]).await?;
    let mut lines = vec![
        exchanged.kept.clone(),
        exchanged.swapped.clone(),
        (good.code == Some(0), format!("palisade config check: exit {:?}", good.code)),
    ];
    for (name, value) in [
        ("PALISADE_SERVER_TLS_MIN_VERSION", "1.1"),
        ("PALISADE_SERVER_TLS_CERT_FILE", "/nowhere.pem"),
        ("PALISADE_SERVER_TLS_SIPHERS", "ALL"),
        ("PALISADE_SERVER_TLS_DOMAINS", "localhost"),
    ] {
        let bad = bench.program(&["config", "check"], &[(name, value)]).await?;
        lines.push((bad.code == Some(78), format!("{name}={value}: exit {:?}", bad.code)));
    }
    Ok(Finding::all(lines))
}

/// 8: no key can be read by others: one that can is refused, and our own are closed again.
pub async fn keys_are_their_owners(bench: &Bench) -> Result<Finding, Trouble> {
    let pair = bench.make_pair(-60, 86_400)?;
    let open = try_files(bench, &pair.cert, &pair.key, 0o644).await?;
    let group = try_files(bench, &pair.cert, &pair.key, 0o640).await?;
    let closed = try_files(bench, &pair.cert, &pair.key, 0o600).await?;
    let mut lines = vec![
        (open.0 == Some(78), format!("a key of mode 644: {}", open.1)),
        (group.0 == Some(78), format!("a key of mode 640: {}", group.1)),
        (closed.0 == Some(0), format!("a key of mode 600: {}", closed.1)),
    ];
    let own = bench.own_files().key;
    let opened = std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o644));
    opened.map_err(|source| Trouble::Network { what: own.display().to_string(), source })?;
    let end = Instant::now() + SEEN_WITHIN;
    let mut mode = mode_of(&own);
    while mode != Some(0o600) && Instant::now() < end {
        sleep(Duration::from_millis(200)).await;
        mode = mode_of(&own);
    }
    lines.push((
        mode == Some(0o600),
        format!("a key of ours was opened to others: now it has mode {:o}", mode.unwrap_or(0)),
    ));
    let data = &bench.place.data;
    let folders = [data.join("tls"), data.join("tls/probes"), data.join("keys")];
    let mut keys: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| {
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|found| found.path())
        })
        .collect();
    keys.retain(|path| path.extension().is_some_and(|kind| kind == "key" || kind == "sealed"));
    keys.extend(bench.place.encryption.key_file.clone());
    for key in keys {
        let mode = mode_of(&key).unwrap_or(0o777);
        let name = key.file_name().unwrap_or_default().display().to_string();
        lines.push((mode & 0o077 == 0, format!("{name} has mode {mode:o}")));
    }
    Ok(Finding::all(lines))
}

fn mode_of(path: &Path) -> Option<u32> {
    Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o777)
}

/// 15: where the issuer can be asked about the certificate (OCSP), what it says is stapled to it; where it cannot, there is
/// nothing to staple, and that is so for most: public authorities have gone over to lists (CRL).
pub async fn what_the_issuer_says_is_stapled(bench: &Bench) -> Result<Finding, Trouble> {
    let seat = &bench.place.encryption.tls;
    let shown = bench.shown(seat).await?;
    let Some(url) = shown.ocsp() else {
        return Ok(Finding::not_applicable(format!(
            "looked at {seat}: the certificate {} names no OCSP responder: its issuer has no OCSP (CRL only), so ssl_stapling, \
             ssl_stapling_verify and ssl_trusted_certificate would have nothing to do",
            shown.serial
        )));
    };
    let stapled = tls::Stapled::default();
    let both = [&version::TLS13, &version::TLS12];
    let config = tls::hearing(&both, &[], &["http/1.1"], stapled.clone());
    let config = config.map_err(|error| Trouble::Unexpected(error.to_string()))?;
    drop(bench.shake(seat, &config).await?);
    let stapled = stapled.lock().map(|stapled| stapled.clone()).unwrap_or_default();
    let mut lines = vec![
        (true, format!("the certificate {} names {url}", shown.serial)),
        (!stapled.is_empty(), format!("{} bytes of an answer are stapled to it", stapled.len())),
    ];
    if !stapled.is_empty() {
        let issuers = bench.place.encryption.roots.iter().flat_map(|path| certificates_in(path));
        let issuers: Vec<_> = issuers.collect();
        lines.extend(staple::judge(&stapled, &shown.chain, &issuers, bench.place.clock.now()));
    }
    Ok(Finding::all(lines))
}
