//! The unmodified clients from the package registries sign up, work and sign out; each sees only its own rows.

use spec::{Palisade, clients};

/// The clients' programs make more requests, and sign up more people, than the guide lets one address make in a minute.
const RAISED: &[&str] = &["--rate_limiting.enabled=false"];

fn check(held: bool, printed: &str, claims_min: usize) {
    println!("limits raised for this run: {RAISED:?}\n{printed}");
    let kept = printed.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(held, "broken:\n{printed}");
    assert!(kept >= claims_min, "only {kept} claims were tried");
}

#[tokio::test]
async fn supabase_js_works_unmodified_and_each_user_sees_only_their_own_rows() {
    let palisade = Palisade::start("dev", RAISED).await;
    let (held, printed) = clients::node(&palisade, "two_users.mjs").await;
    check(held, &printed, 39);
}

#[tokio::test]
async fn supabase_py_works_unmodified_and_each_user_sees_only_their_own_rows() {
    let palisade = Palisade::start("dev", RAISED).await;
    let (held, printed) = clients::python(&palisade, "two_users.py").await;
    check(held, &printed, 16);
}
