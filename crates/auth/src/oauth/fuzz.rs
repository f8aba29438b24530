//! Whatever comes back with a browser: addresses, states, tokens. CI runs a slice; `cargo xtask soak auth` the whole.

use proptest::collection::vec;
use proptest::prelude::*;
use url::{Host, Url};

use super::documents::{Document, Known};
use super::id_token::{self, Nonce};
use super::provider::Provider;
use crate::flow::Redirects;

const SITE: &str = "https://app.example.com/start";
const LIST: [&str; 3] =
    ["https://*.preview.example.com/**", "com.example.app://**", "http://localhost:3000/cb"];

/// Pieces that parsers disagree about.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("https://".to_owned()),
        Just("http://".to_owned()),
        Just("//".to_owned()),
        Just("app.example.com".to_owned()),
        Just("a.preview.example.com".to_owned()),
        Just("com.example.app://".to_owned()),
        Just("localhost:3000".to_owned()),
        Just("evil.example".to_owned()),
        Just("javascript:".to_owned()),
        Just("%2f%2e%2e".to_owned()),
        Just("\u{3002}".to_owned()),
        Just("\u{ff0f}".to_owned()),
        "[@:/\\\\?#.%&;,\\t\\n\\r \\[\\]0-9a-f*]{1,4}",
        any::<char>().prop_map(String::from),
    ]
}

/// Where a browser would really go.
fn real_host(address: &str) -> Option<(String, String)> {
    let url = Url::parse(address).ok()?;
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    Some((url.scheme().to_owned(), host))
}

proptest! {
    #[test]
    fn an_address_that_is_allowed_is_one_that_the_operator_listed(pieces in vec(piece(), 1..9)) {
        let address = pieces.concat();
        let redirects = Redirects::new(SITE, &LIST.map(str::to_owned));
        if let Some(allowed) = redirects.allow(&address) {
            let (scheme, host) = real_host(allowed.text()).expect("an address that a browser reads");
            let fine = match scheme.as_str() {
                "https" => host == "app.example.com" || host.ends_with(".preview.example.com"),
                "http" => host == "localhost",
                "com.example.app" => true,
                _ => false,
            };
            prop_assert!(fine, "{address:?} goes to {scheme}://{host}");
            prop_assert!(!allowed.text().contains(['\r', '\n', '#']), "{address:?}");
            let sent = allowed.with_query(&[("code", "c"), ("error", "a b&c=d#e")]);
            prop_assert_eq!(real_host(&sent), Some((scheme, host)), "a parameter never moves it");
        }
    }

    #[test]
    fn a_token_that_nobody_signed_is_never_believed(text in "[A-Za-z0-9_.={}\":,-]{0,200}", nonce in ".{0,20}") {
        let document = Document {
            issuer: "https://idp.example".to_owned(),
            authorization_endpoint: String::new(),
            token_endpoint: String::new(),
            userinfo_endpoint: None,
            jwks_uri: String::new(),
            authorization_response_iss_parameter_supported: false,
        };
        let known = Known { document, keys: Vec::new(), read_at: 0 };
        let provider = Provider::oidc("custom:x", "https://idp.example");
        prop_assert!(id_token::verify(&text, &provider, &known, &Nonce::Is(&nonce), 0).is_err());
        let _either_way = id_token::names_unknown_key(&text, &known.keys);
    }

    #[test]
    fn an_authorization_request_keeps_its_own_parameters(extra in vec((".{0,12}", ".{0,12}"), 0..6), scopes in ".{0,30}") {
        let provider = Provider { client_ids: vec!["us".to_owned()], ..Provider::oidc("custom:x", "https://idp.example") };
        let pending = super::begin::Pending {
            provider: "custom:x".to_owned(),
            verifier: "v".repeat(43),
            nonce: "n".to_owned(),
            redirect_uri: "https://ours.example/auth/v1/callback".to_owned(),
            link: None,
            location: None,
            invite: None,
        };
        let start = super::Start {
            provider: "custom:x".to_owned(),
            scopes,
            back_to: Redirects::new(SITE, &[]).site().clone(),
            challenge: None,
            invite: None,
            extra,
        };
        let flow = uuid::Uuid::from_u128(7);
        let location = super::begin::location("https://idp.example/auth?tenant=1", &provider, flow, &pending, &start);
        let url = Url::parse(&location.expect("an address")).expect("an address");
        prop_assert_eq!(url.host_str(), Some("idp.example"));
        for (name, value) in [
            ("client_id", "us"),
            ("redirect_uri", "https://ours.example/auth/v1/callback"),
            ("response_type", "code"),
            ("state", "00000000-0000-0000-0000-000000000007"),
            ("nonce", "n"),
            ("code_challenge_method", "S256"),
            ("tenant", "1"),
        ] {
            let all: Vec<String> = url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect();
            prop_assert_eq!(all, [value.to_owned()], "{} once, and ours", name);
        }
    }
}
