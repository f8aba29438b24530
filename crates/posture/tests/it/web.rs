//! Headers, origins and limits, seen over HTTP.

use posture::State;

use crate::place::{lay, nowhere, probe};
use crate::server::{Does, start};

const REFUSES: &str = "exit 78";

#[track_caller]
fn is(finding: &posture::Finding, state: State) {
    assert_eq!(finding.state, state, "{}", finding.evidence);
}

async fn state(control: u16, does: Does) -> posture::Finding {
    let laid = lay(start(does).await, nowhere(), REFUSES);
    probe(&laid.bench, control).await
}

#[tokio::test]
async fn each_security_header_is_missed_when_it_is_gone_or_weak() {
    let cases = [
        (76, "x-frame-options", "ALLOWALL"),
        (77, "x-content-type-options", "sniff"),
        (78, "x-xss-protection", "1"),
        (79, "referrer-policy", "unsafe-url"),
        (80, "content-security-policy", "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'"),
        (81, "permissions-policy", "geolocation=*, microphone=(), camera=()"),
    ];
    for (control, name, weak) in cases {
        is(&state(control, Does::everything()).await, State::Proven);
        is(&state(control, Does::everything().without(name)).await, State::Failing);
        is(&state(control, Does::everything().with(name, weak)).await, State::Failing);
    }
}

#[tokio::test]
async fn a_banner_is_seen_in_a_header_and_in_a_body() {
    is(&state(82, Does::everything()).await, State::Proven);
    is(&state(82, Does::everything().with("server", "palisade/0.1")).await, State::Failing);
    is(&state(82, Does { body: "powered by hyper", ..Does::everything() }).await, State::Failing);
}

#[tokio::test]
async fn a_server_without_a_limit_is_seen() {
    is(&state(71, Does::everything()).await, State::Proven);
    is(&state(71, Does { allowed: u32::MAX, ..Does::everything() }).await, State::Failing);
    is(&state(71, Does { retry_after: false, ..Does::everything() }).await, State::Failing);
}

#[tokio::test]
async fn sensitive_endpoints_without_their_own_limit_are_seen() {
    is(&state(72, Does { allowed: 2, ..Does::everything() }).await, State::Proven);
    is(&state(72, Does { allowed: 60, ..Does::everything() }).await, State::Failing);
}

#[tokio::test]
async fn a_grant_to_a_strange_origin_is_seen() {
    is(&state(73, Does::everything()).await, State::Proven);
    is(&state(73, Does { origins: vec!["*"], ..Does::everything() }).await, State::Failing);
    is(&state(73, Does { origins: vec!["null"], ..Does::everything() }).await, State::Failing);
}

#[tokio::test]
async fn a_start_with_any_origin_and_credentials_has_to_be_refused() {
    let laid = lay(start(Does::everything()).await, nowhere(), "exit 0");
    is(&probe(&laid.bench, 73).await, State::Failing);
}

#[tokio::test]
async fn a_listed_origin_needs_the_operator_until_there_is_one() {
    is(&state(74, Does::everything()).await, State::NeedsYou);
    for (granted, expect) in [("https://app.test", State::Proven), ("https://other.test", State::Failing)] {
        let mut laid =
            lay(start(Does { origins: vec![granted], ..Does::everything() }).await, nowhere(), REFUSES);
        laid.bench.place.origin = Some("https://app.test".to_owned());
        is(&probe(&laid.bench, 74).await, expect);
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_proves_nothing() {
    let laid = lay("127.0.0.1:1".parse().unwrap(), nowhere(), REFUSES);
    let finding = probe(&laid.bench, 77).await;
    is(&finding, State::Failing);
    assert!(finding.evidence.starts_with("could not be tried"), "{}", finding.evidence);
}
