//! Controls 73 and 74: which web origins may read answers.

use crate::Finding;
use crate::bench::{Answer, Ask, Bench, Trouble};

fn preflight<'a>(bench: &'a Bench, origin: &str, method: &str) -> Ask<'a> {
    bench
        .ask("OPTIONS", "/rest/v1/anything")
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", "authorization, content-type")
}

fn granted(answer: &Answer) -> Vec<String> {
    let granting = answer.headers.iter().filter(|(name, _)| name.starts_with("access-control-"));
    granting.map(|(name, value)| format!("{name}: {value}")).collect()
}

/// 73: an origin that nobody listed gets no grant, whatever it pretends to be.
pub async fn strange_origins_get_nothing(bench: &Bench) -> Result<Finding, Trouble> {
    let stranger = format!("https://{}.invalid", bench.random_name("stranger-"));
    let mut lines = Vec::new();
    for origin in [stranger.as_str(), "null"] {
        let before = preflight(bench, origin, "GET").send().await?;
        let read = bench.client("GET", "/rest/v1/").header("origin", origin).send().await?;
        for (what, answer) in [("preflight", before), ("GET", read)] {
            let allowed = answer.header("access-control-allow-origin");
            let granted = granted(&answer);
            let shown = if granted.is_empty() { "no grant".to_owned() } else { granted.join(", ") };
            lines.push((allowed.is_none(), format!("{what} from {origin}: {} {shown}", answer.status)));
        }
    }
    let flags =
        ["config", "check", "--server.cors.allowed_origins=*", "--server.cors.allow_credentials=true"];
    let ended = bench.program(&flags, &[]).await?;
    lines.push((
        ended.code == Some(78),
        format!("a start with * and credentials ends with exit {:?}", ended.code),
    ));
    Ok(Finding::all(lines))
}

/// 74: a listed origin gets exactly what is listed.
pub async fn listed_origins_get_what_is_listed(bench: &Bench) -> Result<Finding, Trouble> {
    let Some(origin) = bench.place.origin.clone() else {
        return Ok(Finding::needs_you(
            "No origin may call the API yet. Set server.cors.allowed_origins if a web page should.",
        ));
    };
    let allowed = preflight(bench, &origin, "GET").send().await?;
    let refused = preflight(bench, &origin, "TRACE").send().await?;
    let methods =
        |answer: &Answer| answer.header("access-control-allow-methods").unwrap_or_default().to_owned();
    Ok(Finding::all([
        (
            allowed.header("access-control-allow-origin") == Some(origin.as_str()),
            format!("{origin}: {}", granted(&allowed).join(", ")),
        ),
        (allowed.header("access-control-max-age").is_some(), "a preflight may be remembered".to_owned()),
        (methods(&allowed).contains("GET"), "GET is listed".to_owned()),
        (!methods(&refused).contains("TRACE"), "TRACE is not listed".to_owned()),
    ]))
}
