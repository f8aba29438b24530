//! Controls 62 and 64, with a real Redis that speaks TLS.

use posture::State;
use posture::bench::redis::RedisPlace;
use spec::TestApp;
use spec::redis::Redis;

use super::start::fails_around_with;
use super::{bench, is, look, look_from, misses};

async fn app(redis: &Redis) -> TestApp {
    let ca = redis.ca_file.display().to_string();
    TestApp::builder().with("rate_limiting.redis_url", &redis.url()).with("redis.ca_file", &ca).start().await
}

fn with(app: &TestApp, redis: &Redis) -> posture::Bench {
    let mut bench = bench(app);
    bench.place.redis =
        Some(RedisPlace { url: base::Secret::new(redis.url()), ca_file: Some(redis.ca_file.clone()) });
    bench
}

/// Runs a command in it, over TLS.
async fn run(redis: &Redis, app: &TestApp, words: &[&str]) -> Vec<String> {
    let bench = with(app, redis);
    let mut store = bench.store(bench.place.redis.as_ref().unwrap()).await.unwrap();
    store.run(words).await.unwrap()
}

#[tokio::test]
async fn without_a_store_there_is_nothing_to_protect() {
    let app = TestApp::start().await;
    for control in [62, 64] {
        is(&look(&app, control).await, State::NotApplicable, "no store");
    }
}

#[tokio::test]
async fn names_in_a_store_are_seen() {
    let redis = Redis::start().await;
    let app = app(&redis).await;
    is(&look_from(with(&app, &redis), 62).await, State::Proven, "as it is");
    run(&redis, &app, &["HSET", "palisade:limit:{login:ann@example.com}:0", "1", "1"]).await;
    misses(&look_from(with(&app, &redis), 62).await, "somebody's address is in a key");
    run(&redis, &app, &["DEL", "palisade:limit:{login:ann@example.com}:0"]).await;
    is(&look_from(with(&app, &redis), 62).await, State::Proven, "as it was");
}

#[tokio::test]
async fn a_store_without_tls_is_seen() {
    let mut redis = Redis::start().await;
    let app = app(&redis).await;
    // It is really counted there: the instance reached it over TLS.
    app.stranger().get("/auth/v1/settings").await.expect(200);
    assert!(!run(&redis, &app, &["KEYS", "palisade:limit:*"]).await.is_empty());
    is(&look_from(with(&app, &redis), 64).await, State::Proven, "as it is");
    redis.without_tls().await;
    misses(&look_from(with(&app, &redis), 64).await, "the same port in clear");
}

#[tokio::test]
async fn a_store_elsewhere_that_is_taken_in_clear_is_seen() {
    let redis = Redis::start().await;
    let place = RedisPlace { url: base::Secret::new(redis.url()), ca_file: Some(redis.ca_file.clone()) };
    let unread = r#"unset PALISADE_RATE_LIMITING_REDIS_URL; exec "$PROGRAM" "$@""#;
    fails_around_with(64, &[unread], |_| (), |bench| bench.place.redis = Some(place.clone())).await;
}

#[tokio::test]
async fn a_store_of_another_authority_is_not_believed_and_each_node_counts_by_itself() {
    let (redis, other) = (Redis::start().await, Redis::start().await);
    let ca = other.ca_file.display().to_string();
    let app = TestApp::builder()
        .with("rate_limiting.redis_url", &redis.url())
        .with("redis.ca_file", &ca)
        .with("rate_limiting.per_minute", "2")
        .start()
        .await;
    let one = app.stranger();
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(one.get("/auth/v1/settings").await.status.as_u16());
    }
    assert_eq!(seen, [200, 200, 429]);
    assert!(run(&redis, &app, &["KEYS", "*"]).await.is_empty(), "nothing was said to it");
}
