//! Who is kept out: each protection taken away on the running instance.

use posture::State;
use spec::TestApp;

use super::{bench, between, is, is_red_with, look, look_from, misses, never, turns_red};

#[tokio::test]
async fn jails_that_are_switched_off_are_seen() {
    let app = TestApp::start().await;
    for control in [103, 104, 105] {
        is(&look(&app, control).await, State::Proven, "as it is");
    }
    let off = || TestApp::builder().with("detection.enabled", "false");
    for control in [103, 104, 105] {
        is_red_with(control, off()).await;
    }
}

#[tokio::test]
async fn a_ban_that_nobody_writes_down_is_seen() {
    turns_red(104, &never("INSERT OR UPDATE", "detection.bans", "new.jail = 'probing'")).await;
    turns_red(106, &never("INSERT OR UPDATE", "detection.bans", "new.jail = 'operator'")).await;
}

#[tokio::test]
async fn a_ban_that_cannot_be_lifted_or_is_not_recorded_is_seen() {
    turns_red(106, &never("INSERT", "audit.inbox", "new.body LIKE '%ban.created%'")).await;
    let app = TestApp::start().await;
    app.database.admin().await.batch_execute(&never("DELETE", "detection.bans", "true")).await.unwrap();
    misses(&look(&app, 105).await, "bans that stay");
}

#[tokio::test]
async fn attackers_who_are_taken_for_somebody_else_are_seen() {
    // Something in front that hides who connects: everybody seems to be this machine, which is never kept out.
    let app = TestApp::start().await;
    let mut far = bench(&app);
    far.place.address = between::hiding(app.running.address).await;
    misses(&look_from(far, 105).await, "with every address hidden");
}

#[tokio::test]
async fn a_honey_row_that_tells_nobody_is_seen() {
    turns_red(104, &never("INSERT", "detection.touches", "true")).await;
    turns_red(104, &never("INSERT", "audit.inbox", "new.body LIKE '%canary.touched%'")).await;
}
