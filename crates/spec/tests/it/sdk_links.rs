//! The unmodified clients get links and codes from a real mail server, and use them.

use std::path::Path;
use std::time::Duration;

use spec::{Palisade, clients};

use crate::sdk::check;

/// `palisade serve` with a mail server of its own; the links' limits are somebody else's test.
async fn served(place: &Path) -> (Palisade, tokio::process::Child) {
    let server = clients::mail_server(place).await;
    let port = std::fs::read_to_string(place.join("port")).unwrap();
    let flags = [
        format!("--email.smtp_port={port}"),
        format!("--email.smtp_ca_file={}", place.join("ca.pem").display()),
        "--email.smtp_host=localhost".to_owned(),
        "--email.from_address=palisade@example.com".to_owned(),
        "--auth.mail_max_frequency=0s".to_owned(),
        "--auth.site_url=http://localhost:3000".to_owned(),
        "--rate_limiting.enabled=false".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    (Palisade::start("serve", &flags).await, server)
}

#[tokio::test]
async fn both_clients_use_links_and_codes_that_a_real_mail_server_brought() {
    let place = tempfile::tempdir().unwrap();
    let (palisade, _server) =
        tokio::time::timeout(Duration::from_secs(180), served(place.path())).await.unwrap();
    let told: clients::Told<'_> = &[("PALISADE_MAILS", place.path())];
    let (held, printed) = clients::node_told(&palisade, "links.mjs", told).await;
    check(held, &printed, 11);
    let (held, printed) = clients::python_told(&palisade, "links.py", told).await;
    check(held, &printed, 8);
}

#[tokio::test]
async fn links_work_in_a_browser_that_reaches_us_over_plain_http_and_their_tokens_stay_here() {
    let flags = [
        "--rate_limiting.enabled=false",
        "--auth.uri_allow_list=http://localhost:*/**",
        "--server.hosts=palisade.example",
    ];
    let palisade = Palisade::start("dev", &flags).await;
    let (held, printed) = clients::node(&palisade, "pages_browser.mjs").await;
    check(held, &printed, 2);
}
