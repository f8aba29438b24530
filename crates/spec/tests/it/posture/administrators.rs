//! A listener for administrators that is none: what only they may ask for is answered elsewhere too, or to anybody there.

use posture::State;
use spec::{TestApp, TestAppBuilder};

use super::{bench, is, look, look_from, misses};

fn apart() -> TestAppBuilder {
    TestApp::builder().with("server.admin.listen", "127.0.0.1:0")
}

#[tokio::test]
async fn administrators_who_are_answered_where_everybody_is_are_seen() {
    let app = apart().start().await;
    let found = look(&app, 25).await;
    is(&found, State::Proven, "as it is");
    assert!(found.evidence.contains("where everybody does: 421"), "{}", found.evidence);
    // The listener that answers administrators is the one that everybody comes to.
    let mut open = bench(&app);
    open.place.address = app.running.admin_address.unwrap();
    misses(&look_from(open, 25).await, "answered where everybody asks");
}

#[tokio::test]
async fn a_listener_that_asks_administrators_for_no_certificate_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clients.pem");
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
    std::fs::write(&file, root).unwrap();
    let secure = || apart().with("server.tls.local_ca", "true").with("server.http_port", "0");
    let asks = secure().with("server.admin.client_ca_file", &file.display().to_string());
    for (app, state) in [(asks.start().await, State::Proven), (secure().start().await, State::Failing)] {
        let mut told = bench(&app);
        told.place.admins_asked = true;
        let found = look_from(told, 25).await;
        is(&found, state, "said to ask for one");
        let answered = "over TLS without a certificate is answered";
        assert_eq!(found.evidence.contains(answered), state == State::Failing, "{}", found.evidence);
    }
}
