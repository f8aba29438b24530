//! The data API holds what its own description says, whatever is sent: another project's fuzzer (schemathesis) reads the
//! description and sends what fits it and what does not.

use spec::{TestApp, clients};

/// Something of every kind that the description can name.
const SHOP: &str = include_str!("described.sql");

async fn fuzzed(seed: &str, examples: &str, phases: &str) {
    let app = TestApp::builder().unlimited().with("data.aggregates", "true").start().await;
    app.owner(SHOP).await;
    let told = [("PALISADE_SEED", seed), ("PALISADE_EXAMPLES", examples), ("PALISADE_PHASES", phases)]
        .map(|(name, value)| (name, std::path::Path::new(value)));
    let (held, printed) = clients::python_at(&app, "fuzz_rest.py", &told).await;
    println!("{printed}");
    assert!(held, "{printed}");
    assert_eq!(printed.lines().filter(|line| line.starts_with("ok ")).count(), 3, "{printed}");
}

#[tokio::test]
async fn no_invented_request_is_answered_with_a_failure_or_otherwise_than_described() {
    fuzzed("1", "10", "fuzzing").await;
}

#[tokio::test]
#[ignore = "long: half an hour of requests invented from our own description, by nobody, somebody and a program"]
async fn soak_no_invented_request_is_answered_with_a_failure_or_otherwise_than_described() {
    let seed = u32::from_le_bytes(base::Rng::system().bytes::<4>());
    println!("seed {seed}");
    fuzzed(&seed.to_string(), "400", "coverage,fuzzing").await;
}
