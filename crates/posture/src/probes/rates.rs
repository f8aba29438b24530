//! Controls 71 and 72: limits, met from an address that belongs to this probe alone.

use std::net::IpAddr;

use serde_json::json;

use crate::bench::{Answer, Ask, Bench, Trouble};
use crate::{Finding, limits};

/// 71: somebody who goes on asking is told to wait.
pub async fn requests_are_limited(bench: &Bench) -> Result<Finding, Trouble> {
    let address = own(bench)?;
    let Some((count, answer)) = until_refused(limits::RATE_REQUESTS_MAX.value, || {
        bench.client("GET", "/rest/v1/").from(Some(address))
    })
    .await?
    else {
        return Ok(Finding::failing(format!(
            "{} requests in a row from {address} were all answered",
            limits::RATE_REQUESTS_MAX.value
        )));
    };
    let other = bench.client("GET", "/rest/v1/").send().await?;
    Ok(Finding::all([
        (true, format!("request {count} from {address} was refused with 429")),
        (
            answer.header("retry-after").is_some(),
            format!("Retry-After: {}", answer.header("retry-after").unwrap_or("(missing)")),
        ),
        (other.status != 429, format!("another address is still answered ({})", other.status)),
    ]))
}

/// 72: sign-in and sign-up have tighter limits of their own.
pub async fn sensitive_endpoints_are_limited(bench: &Bench) -> Result<Finding, Trouble> {
    let email = format!("{}@probe.palisade.invalid", bench.random_name("nobody-"));
    let wrong = json!({ "email": email, "password": "wrong" });
    let mut lines = Vec::new();
    // The guide: 5, 3 and 2 a minute; the request after that is refused.
    for (what, target, allowed) in [
        ("sign-in", "/auth/v1/token?grant_type=password", 5),
        ("sign-up", "/auth/v1/signup", 3),
        ("password reset", "/auth/v1/recover", 2),
    ] {
        let address = own(bench)?;
        let first = bench.client("POST", target).json(&wrong).from(Some(address)).send().await?;
        if first.status == 404 || first.text().contains("email_provider_disabled") {
            lines.push((
                true,
                format!("{what}: switched off, so there is nothing to limit ({})", first.status),
            ));
            continue;
        }
        let refused =
            until_refused(allowed + 1, || bench.client("POST", target).json(&wrong).from(Some(address)))
                .await?;
        lines.push(match refused {
            // One was already sent.
            Some((count, _)) => {
                (count < allowed + 1, format!("{what}: request {} was refused with 429", count + 1))
            }
            None => (false, format!("{what}: {} requests in a row were all answered", allowed + 2)),
        });
    }
    Ok(Finding::all(lines))
}

async fn until_refused<'a>(most: u64, ask: impl Fn() -> Ask<'a>) -> Result<Option<(u64, Answer)>, Trouble> {
    for count in 1..=most {
        let answer = ask().send().await?;
        if answer.status == 429 {
            return Ok(Some((count, answer)));
        }
    }
    Ok(None)
}

fn own(bench: &Bench) -> Result<IpAddr, Trouble> {
    let none = || {
        Trouble::Unexpected("this listener cannot be reached from an address of the probe's own".to_owned())
    };
    bench.own_address().ok_or_else(none)
}
