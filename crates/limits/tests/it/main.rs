//! Several nodes, one budget, over a real Redis on a socket of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code: a failure here is the test's failure")]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base::MockClock;
use limits::{Algorithm, Budget, Limiter, Store, Window};
use tempfile::TempDir;

/// A Redis that ends with its test.
struct Redis {
    child: Child,
    home: TempDir,
}

impl Redis {
    async fn start() -> Redis {
        let home = tempfile::tempdir().unwrap();
        let redis = Self::start_in(home);
        for _ in 0..400 {
            if tokio::net::UnixStream::connect(redis.socket()).await.is_ok() {
                return redis;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("redis-server did not answer: `cargo xtask test` installs it");
    }

    fn start_in(home: TempDir) -> Redis {
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(home.path().join("redis.sock"))
            .current_dir(home.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("redis-server: {error}; `cargo xtask test` installs it"));
        Redis { child, home }
    }

    fn socket(&self) -> PathBuf {
        self.home.path().join("redis.sock")
    }

    fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Gone already is as good as ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A node that counts at `url`, where subjects are known backwards.
fn node(clock: &MockClock, url: &str) -> Limiter {
    let given = base::Settings::default().with("rate_limiting.redis_url", url);
    let backwards = std::sync::Arc::new(|subject: &str| subject.chars().rev().collect::<String>());
    Limiter::shared(clock.clock(), Store::configured(&given, backwards).unwrap().unwrap())
}

const BOTH: [Algorithm; 2] = [Algorithm::SlidingWindow, Algorithm::Gcra];

fn five_a_minute() -> Budget {
    counted(Algorithm::SlidingWindow)
}

fn counted(algorithm: Algorithm) -> Budget {
    Budget { name: "login", windows: vec![Window::per_minute(5), Window::per_hour(20)], algorithm }
}

fn clock() -> MockClock {
    MockClock::at("2026-01-15T12:00:00Z".parse().unwrap())
}

#[tokio::test]
async fn two_nodes_together_never_exceed_a_budget() {
    let (redis, clock) = (Redis::start().await, clock());
    let nodes = [0, 1].map(|_| node(&clock, &redis.url()));
    let mut passed = Vec::new();
    for second in 0..180_u64 {
        let node = &nodes[usize::try_from(second % 2).unwrap()];
        if second % 3 == 0 && node.hit(&five_a_minute(), "ip:203.0.113.9").await.allowed {
            passed.push(second);
        }
        clock.advance(Duration::from_secs(1));
    }
    for from in &passed {
        let inside = passed.iter().filter(|at| (*from..*from + 60).contains(at)).count();
        assert!(inside <= 5, "{inside} passed in the minute from {from}: {passed:?}");
    }
    assert_eq!(passed.len(), 5, "refused tries count, on whichever node: {passed:?}");
}

#[tokio::test]
async fn two_nodes_together_pass_as_many_as_one_does_by_gcra() {
    let (redis, clock) = (Redis::start().await, clock());
    let nodes = [0, 1].map(|_| node(&clock, &redis.url()));
    let budget = counted(Algorithm::Gcra);
    let mut passed = Vec::new();
    for second in 0..180_u64 {
        if nodes[usize::try_from(second % 2).unwrap()].hit(&budget, "ip:203.0.113.9").await.allowed {
            passed.push(second);
        }
        clock.advance(Duration::from_secs(1));
    }
    // Five, and one each 12 s from the first on: who is refused in between loses nothing.
    let steady = (1..15).map(|number| number * 12);
    assert_eq!(passed, (0..5).chain(steady).collect::<Vec<_>>());
}

#[tokio::test]
async fn both_stores_say_the_same() {
    let (redis, clock) = (Redis::start().await, clock());
    for algorithm in BOTH {
        let (shared, alone) = (node(&clock, &redis.url()), Limiter::in_memory(clock.clock()));
        let budget = counted(algorithm);
        let mut refused = 0;
        for step in 0..300_u64 {
            let tries = u32::try_from(step % 3).unwrap();
            let one = shared.hit_many(&budget, "x", tries).await;
            let other = alone.hit_many(&budget, "x", tries).await;
            assert_eq!(one, other, "{algorithm:?}, step {step}");
            refused += u32::from(!one.allowed);
            if step % 50 == 0 {
                shared.give_back(&budget, "x").await;
                alone.give_back(&budget, "x").await;
            }
            clock.advance(Duration::from_millis(1700 * (step % 40)));
        }
        assert!((30..295).contains(&refused), "{algorithm:?}: {refused}");
        shared.forgive(&budget, "x").await;
        assert!(shared.peek(&budget, "x").await.allowed);
    }
}

#[tokio::test]
async fn whatever_races_on_two_nodes_together_passes_no_more_than_the_budget() {
    let (redis, clock) = (Redis::start().await, clock());
    let nodes = [0, 1].map(|_| node(&clock, &redis.url()));
    // A connection made in the midst of a storm on a busy machine may come too late: then a node counts by itself.
    for node in &nodes {
        node.hit(&five_a_minute(), "first").await;
    }
    for (round, algorithm) in (0..20).flat_map(|round| BOTH.map(|algorithm| (round, algorithm))) {
        let subject = format!("ip:{round}");
        let mut racing = tokio::task::JoinSet::new();
        for number in 0..20 {
            let (node, subject) = (nodes[number % 2].clone(), subject.clone());
            racing.spawn(async move { node.hit(&counted(algorithm), &subject).await.allowed });
        }
        let passed = racing.join_all().await.into_iter().filter(|passed| *passed).count();
        assert_eq!(passed, 5, "round {round}, {algorithm:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_gone_leaves_each_node_its_own_limits() {
    let (redis, clock) = (Redis::start().await, clock());
    let node = self::node(&clock, &redis.url());
    assert!(node.hit(&five_a_minute(), "x").await.allowed);
    drop(redis);
    let mut passed = 0;
    for _ in 0..20 {
        passed += u32::from(node.hit(&five_a_minute(), "x").await.allowed);
    }
    assert_eq!(passed, 5, "limits are looser by the number of nodes, never off");
}
