//! `palisade tls …`: what certificate a running server shows, and a new one.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Rng, Settings};
use http::Method;
use seal::RootKey;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::cli::{Tls, Try};
use crate::commands::say;
use crate::config::exit::Exit;
use crate::control::{self, Error};
use crate::error::StartError;

/// Runs one.
pub async fn run(what: &Tls) -> Result<Exit, Error> {
    match what {
        Tls::Status(report) => {
            let status = control::ask(&report.at.data, Method::GET, "/tls", None).await?;
            if report.json {
                say(&status.to_string());
            } else {
                tell(&status);
            }
            let well = status["certificate"].is_object() && status["trouble"].is_null();
            Ok(if well { Exit::Success } else { Exit::Failed })
        }
        // It needs settings, and no server: the program runs it before commands are.
        Tls::Try(_) => Ok(Exit::Usage),
        Tls::Renew { dry_run: false, at } => {
            tell(&control::ask(&at.data, Method::POST, "/tls/renew", None).await?);
            Ok(Exit::Success)
        }
        Tls::Renew { dry_run: true, at } => {
            let rehearsed = control::ask(&at.data, Method::POST, "/tls/rehearse", None).await?;
            say("a renewal would work: the staging directory gave this, and it was thrown away");
            certificate(&rehearsed["certificate"]);
            Ok(Exit::Success)
        }
    }
}

fn tell(status: &Value) {
    match &status["certificate"] {
        Value::Null => say("there is no certificate yet"),
        facts => certificate(facts),
    }
    for (name, label) in [
        ("stapled_until", "stapled to"),
        ("status_trouble", "OCSP"),
        ("renews_at", "renewed at"),
        ("rehearsed_at", "rehearsed"),
        ("trouble", "trouble"),
    ] {
        if let Some(text) = status[name].as_str() {
            say(&format!("{label:12} {text}"));
        }
    }
}

fn certificate(facts: &Value) {
    let text = |name: &str| facts[name].as_str().unwrap_or_default().to_owned();
    let names: Vec<&str> =
        facts["names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    say(&format!("{:12} {}", "for", names.join(", ")));
    say(&format!("{:12} {}", "issued by", text("issuer")));
    say(&format!("{:12} {} to {}", "holds from", text("not_before"), text("not_after")));
    say(&format!("{:12} {}", "OCSP", facts["ocsp"].as_str().unwrap_or("the issuer has none (CRL only)")));
}

/// `palisade tls try`: everything that getting a certificate needs, with nothing kept.
pub async fn try_out(given: Settings, what: &Try) -> Result<(), StartError> {
    let given = given
        .with("server.tls.domains", &what.domain.join(","))
        .with("server.tls.email", what.email.as_deref().unwrap_or_default());
    tls::Tls::check(&given)?;
    let beforehand = |why: String| StartError::Tls(tls::Error::Preflight { why });
    if given.get(&tls::settings::CHALLENGE) != "http-01" {
        return Err(beforehand("only http-01 can be tried without a server: `palisade tls renew --dry-run` tries the other with one".to_owned()));
    }
    let problems = problems(&what.domain).await;
    if !problems.is_empty() {
        return Err(beforehand(problems.join("; ")));
    }
    let folder = std::env::temp_dir().join(format!("palisade-try-{}", std::process::id()));
    let tried = try_in(&given, what, &folder).await;
    let _nothing_is_kept = std::fs::remove_dir_all(&folder);
    let facts = tried?;
    say("a certificate could be got: the staging directory gave this, and it was thrown away");
    certificate(&serde_json::to_value(&facts).unwrap_or_default());
    Ok(())
}

async fn try_in(given: &Settings, what: &Try, folder: &Path) -> Result<tls::Facts, StartError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| StartError::File { path: folder.to_owned(), source })?;
    let tls = tls::Tls::open(tls::Parts {
        settings: given.clone(),
        data: folder.to_owned(),
        root: Arc::new(RootKey::load_or_create(&folder.join("root.key"))?),
        outbound: outbound::Outbound::open(outbound::Parts {
            settings: given.clone(),
            resolver: outbound::system_resolver(),
            on_refusal: Arc::new(|_| {}),
        })?,
        audit: None,
        clock: Clock::system(),
    })?;
    let no_names = || StartError::Tls(tls::Error::Preflight { why: "name a domain".to_owned() });
    let tls = tls.ok_or_else(no_names)?;
    let certificate = tls.clone();
    let plain = edge::Plain {
        challenge: Arc::new(move |token| certificate.challenge(token)),
        hosts: tls.names(),
        https_port: 443,
        api_prefixes: Vec::new(),
        on_exposed: Arc::new(|_| {}),
        sentry: edge::Sentry::none(),
        front: edge::Front::from(given)?,
    };
    let stop = CancellationToken::new();
    let port = SocketAddr::new(what.listen, given.get(&tls::settings::HTTP_PORT));
    let serving = tokio::spawn(plain.serve(port, stop.clone()).await?);
    let found = elsewhere(&tls, given).await;
    let rehearsed = match found.others.is_empty() {
        true => tls.rehearse().await.map_err(StartError::from),
        false => Err(StartError::Tls(tls::Error::Preflight { why: found.others.join("; ") })),
    };
    stop.cancel();
    serving.abort();
    found.silent.iter().filter(|_| rehearsed.is_err()).for_each(|why| say(why));
    rehearsed
}

/// What the authority would find in the way of a certificate for these names, as far as this machine can tell.
pub async fn problems(names: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for name in names.iter().filter(|name| name.parse::<std::net::IpAddr>().is_err()) {
        let addresses = tokio::net::lookup_host((name.as_str(), 80)).await;
        if !addresses.is_ok_and(|mut addresses| addresses.next().is_some()) {
            found.push(format!(
                "{name} has no address: give it an A or AAAA record that leads to this machine"
            ));
        }
    }
    found
}

/// Where names lead that do not lead here.
#[derive(Default)]
pub struct Elsewhere {
    /// To somebody else.
    pub others: Vec<String>,
    /// To nobody who answers us: a router that does not lead its own network back to itself looks the same.
    pub silent: Vec<String>,
}

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;
/// How long an address may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// Asks each name what the authority will ask it over plain HTTP, and sees whether it is this server that answers.
pub async fn elsewhere(tls: &tls::Tls, given: &Settings) -> Elsewhere {
    let mut found = Elsewhere::default();
    let port = given.get(&tls::settings::HTTP_PORT);
    if given.get(&tls::settings::CHALLENGE) != "http-01" || port == 0 {
        return found;
    }
    let (token, text) =
        (Rng::system().uuid().simple().to_string(), Rng::system().uuid().simple().to_string());
    tls.answer_also(&token, &text);
    for name in tls.names().iter().filter(|name| name.parse::<std::net::IpAddr>().is_err()) {
        let Ok(addresses) = tokio::net::lookup_host((name.as_str(), port)).await else { continue };
        for address in addresses.take(ADDRESSES_MAX) {
            let to = address.ip();
            match timeout(ANSWERS_WITHIN, ask(address, name, &token)).await {
                Ok(Ok(answer)) if answer.contains(&text) => {}
                Ok(Ok(_)) => found.others.push(format!(
                    "{name} leads to {to}, where somebody else answers at port {port}: let its A or AAAA record lead to this machine"
                )),
                Ok(Err(_)) | Err(_) => found.silent.push(format!(
                    "{name} leads to {to}, where nobody answers at port {port} from here: open that port, or see that the router or \
                     load balancer there forwards it to this machine"
                )),
            }
        }
    }
    found
}

async fn ask(address: SocketAddr, name: &str, token: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    let read = stream.take(1 << 16).read_to_end(&mut answer).await;
    // Who answers and hangs up without having listened has answered.
    if answer.is_empty() {
        read?;
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
