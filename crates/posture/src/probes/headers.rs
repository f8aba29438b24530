//! Controls 76-82: the headers of every answer, looked at on answers of every kind.

use crate::Finding;
use crate::bench::{Answer, Bench, Trouble};

/// An answer that is found, one that is not, a refused one, a preflight, and a path that no route can have.
async fn answers(bench: &Bench) -> Result<Vec<(&'static str, Answer)>, Trouble> {
    let preflight = bench
        .ask("OPTIONS", "/rest/v1/")
        .header("origin", "https://elsewhere.invalid")
        .header("access-control-request-method", "GET");
    Ok(vec![
        ("GET /auth/v1/health", bench.client("GET", "/auth/v1/health").send().await?),
        ("GET /rest/v1/ without a key", bench.ask("GET", "/rest/v1/").send().await?),
        ("GET /no/such/page", bench.ask("GET", "/no/such/page").send().await?),
        ("a preflight", preflight.send().await?),
        (
            "POST of what is no JSON",
            bench
                .client("POST", "/auth/v1/token?grant_type=password")
                .header("content-type", "application/json")
                .send()
                .await?,
        ),
    ])
}

/// Proven when the header is good on every answer.
async fn everywhere(bench: &Bench, name: &str, good: impl Fn(&str) -> bool) -> Result<Finding, Trouble> {
    let answers = answers(bench).await?;
    Ok(Finding::all(answers.iter().map(|(what, answer)| {
        let value = answer.header(name);
        (
            value.is_some_and(&good),
            format!("{what}: {} {name}: {}", answer.status, value.unwrap_or("(missing)")),
        )
    })))
}

/// 76.
pub async fn frames(bench: &Bench) -> Result<Finding, Trouble> {
    everywhere(bench, "x-frame-options", |value| matches!(value, "DENY" | "SAMEORIGIN")).await
}

/// 77.
pub async fn sniffing(bench: &Bench) -> Result<Finding, Trouble> {
    everywhere(bench, "x-content-type-options", |value| value == "nosniff").await
}

/// 78. Both values are a decision of the operator's profile; the report says how they differ.
pub async fn xss_protection(bench: &Bench) -> Result<Finding, Trouble> {
    let mut finding =
        everywhere(bench, "x-xss-protection", |value| matches!(value, "1; mode=block" | "0")).await?;
    finding.evidence.push_str(
        "\nThe AppFlowy guide asks for 1; mode=block. Current advice is 0: the filter is gone from browsers and could be \
         abused in old ones (security.headers.profile: modern).",
    );
    Ok(finding)
}

/// 79.
pub async fn referrer(bench: &Bench) -> Result<Finding, Trouble> {
    everywhere(bench, "referrer-policy", |value| {
        matches!(value, "strict-origin-when-cross-origin" | "no-referrer")
    })
    .await
}

/// 80.
pub async fn content_security_policy(bench: &Bench) -> Result<Finding, Trouble> {
    let strict = |value: &str| {
        value.contains("default-src")
            && value.contains("frame-ancestors")
            && !value.contains("unsafe-")
            && !value.contains(" *")
    };
    everywhere(bench, "content-security-policy", strict).await
}

/// 81.
pub async fn permissions(bench: &Bench) -> Result<Finding, Trouble> {
    let closed = |value: &str| {
        ["geolocation=()", "microphone=()", "camera=()"].iter().all(|feature| value.contains(feature))
    };
    everywhere(bench, "permissions-policy", closed).await
}

/// 82.
pub async fn no_banner(bench: &Bench) -> Result<Finding, Trouble> {
    let answers = answers(bench).await?;
    Ok(Finding::all(answers.iter().map(|(what, answer)| {
        let banner = answer
            .headers
            .iter()
            .find(|(name, _)| matches!(name.as_str(), "server" | "x-powered-by" | "via"));
        let body = answer.text().to_ascii_lowercase();
        let word =
            ["palisade/", "hyper", "postgresql 1", "rust"].into_iter().find(|word| body.contains(word));
        let said = match (banner, word) {
            (Some((name, value)), _) => format!("{name}: {value}"),
            (None, Some(word)) => format!("the body says \"{word}\""),
            (None, None) => "no banner".to_owned(),
        };
        (banner.is_none() && word.is_none(), format!("{what}: {} {said}", answer.status))
    })))
}
