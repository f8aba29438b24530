//! The probes of controls 43 to 45 are green on an instance as it is, and red when the protection is taken away.

use posture::State;
use spec::{TestApp, TestAppBuilder};

use crate::posture::{is, look, misses};

async fn proven_and_red_with(control: u16, loosened: TestAppBuilder) {
    is(&look(&TestApp::start().await, control).await, State::Proven, "as it is");
    misses(&look(&loosened.start().await, control).await, "loosened");
}

#[tokio::test]
async fn a_depth_that_is_not_limited_is_seen() {
    proven_and_red_with(43, TestApp::builder().with("graphql.max_depth", "50")).await;
}

#[tokio::test]
async fn a_cost_that_is_not_limited_is_seen() {
    proven_and_red_with(44, TestApp::builder().with("graphql.max_complexity", "1000000")).await;
}

#[tokio::test]
async fn a_schema_that_is_told_is_seen() {
    proven_and_red_with(45, TestApp::builder().with("graphql.introspection", "true")).await;
}

#[tokio::test]
async fn switched_off_there_is_nothing_to_limit() {
    let app = TestApp::builder().with("graphql.enabled", "false").start().await;
    for control in [43, 44, 45] {
        is(&look(&app, control).await, State::NotApplicable, "off");
    }
}
