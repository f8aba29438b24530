//! The page of metrics: switched off, on a taken port, or without one of the six, the probe sees it.

use posture::State;
use spec::TestApp;

use super::{is, look, misses};

#[tokio::test]
async fn metrics_that_are_not_served_or_not_all_are_seen() {
    is(&look(&TestApp::start().await, 110).await, State::Proven, "as it is");
    let off = TestApp::builder().with("monitoring.enabled", "false").start().await;
    misses(&look(&off, 110).await, "switched off");
    let five = "request_duration,request_count,error_rate,active_connections,database_query_time";
    let mut app = TestApp::builder().with("metrics", five).start().await;
    misses(&look(&app, 110).await, "cache_hit_rate is not there");
    // Somebody else's page is not ours: what is asked of us does not move it.
    let other = TestApp::start().await;
    app.running.metrics = other.running.metrics.clone();
    misses(&look(&app, 110).await, "moved request_count from");
}

#[tokio::test]
async fn of_two_servers_on_one_machine_the_second_says_whose_metrics_are_where_its_own_should_be() {
    let first = TestApp::start().await;
    let (address, _) = first.running.metrics.clone().unwrap();
    let port = address.port().to_string();
    let second = TestApp::builder().with("monitoring.port", &port).start().await;
    let finding = look(&second, 110).await;
    assert_eq!(finding.state, State::Failing, "{}", finding.evidence);
    for word in [&*address.to_string(), "another Palisade", "monitoring.port"] {
        assert!(finding.evidence.contains(word), "{}", finding.evidence);
    }
    is(&look(&first, 110).await, State::Proven, "the first one is not concerned");
    // And whatever else may listen there.
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    drop(tokio::spawn(async move { while other.accept().await.is_ok() {} }));
    let third = TestApp::builder().with("monitoring.port", &port).start().await;
    let finding = look(&third, 110).await;
    assert!(finding.evidence.contains("another program has that port"), "{}", finding.evidence);
}

#[tokio::test]
async fn metrics_that_strangers_read_though_a_certificate_is_asked_for_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clients.pem");
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
    let known = TestApp::builder()
        .with("server.tls.local_ca", "true")
        .with("server.http_port", "0")
        .with("monitoring.client_ca_file", &file.display().to_string());
    let mut app = known.start().await;
    is(&look(&app, 110).await, State::Proven, "as it is");
    // A listener that asks for none.
    let open = TestApp::start().await;
    app.running.metrics = open.running.metrics.clone();
    misses(&look(&app, 110).await, "in the clear");
}
