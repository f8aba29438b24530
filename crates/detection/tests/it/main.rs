//! Bans in a real database: who comes back stays out longer, everywhere, and every ban is recorded.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails its test")]

use std::sync::Arc;
use std::time::Duration;

use audit::Audit;
use base::{Caller, MockClock, Rng, Settings};
use detection::{Detection, Error, Keeper, NewBan, Parts, Request};
use pg::notify::Listener;
use testkit::Database;
use tokio_util::sync::CancellationToken;

struct House {
    database: Database,
    clock: MockClock,
    audit: Audit,
    _data: tempfile::TempDir,
}

async fn house() -> House {
    let database = Database::new(&[audit::MIGRATIONS, detection::MIGRATIONS].concat()).await;
    let (clock, data) = (testkit::mock_clock(), tempfile::tempdir().unwrap());
    let root = Arc::new(seal::RootKey::from_bytes([7; 32]).unwrap());
    let (audit, tasks) = Audit::open(audit::Parts {
        pg: database.pg(),
        settings: Settings::default(),
        data_dir: data.path().to_owned(),
        node: "test".into(),
        keys: audit::Keys::from_root(&root),
        clock: clock.clock(),
        rng: Rng::system(),
    })
    .await
    .unwrap();
    tasks.spawn(&tokio_util::task::TaskTracker::new(), CancellationToken::new());
    House { database, clock, audit, _data: data }
}

impl House {
    async fn open(&self, settings: Settings) -> Result<(Detection, Keeper), Error> {
        let exempt = vec!["192.0.2.0/24".parse().unwrap()];
        let (pg, audit, clock) = (self.database.pg(), self.audit.clone(), self.clock.clock());
        Detection::open(Parts { pg, audit, settings, exempt, clock, rng: Rng::system() }).await
    }

    /// A node: its detection, with its keeper at work.
    async fn node(&self) -> Detection {
        let (detection, keeper) = self.open(Settings::default()).await.unwrap();
        let listener = Listener::start(self.database.target(), &[detection::CHANNEL]);
        tokio::spawn(keeper.run(listener, CancellationToken::new()));
        detection
    }
}

async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..400 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    unreachable!("it did not come true within ten seconds");
}

fn probe(detection: &Detection, address: &str) {
    look(detection, address, 3);
}

/// Asks for another program's secrets, as often.
fn look(detection: &Detection, address: &str, times: usize) {
    for _ in 0..times {
        let address = address.parse().unwrap();
        detection.saw_request(&Request {
            address,
            path: "/.env",
            is_served: false,
            agent: None,
            is_elsewheres: false,
        });
    }
}

#[tokio::test]
async fn every_statement_is_one() {
    let database = Database::new(&[audit::MIGRATIONS, detection::MIGRATIONS].concat()).await;
    let client = database.admin().await;
    for statement in detection::sql::ALL {
        client.prepare(statement).await.unwrap_or_else(|error| unreachable!("{statement}: {error:?}"));
    }
}

#[tokio::test]
async fn a_ban_is_one_on_every_node_and_longer_each_time() {
    let house = house().await;
    let (one, other) = (house.node().await, house.node().await);
    let address: std::net::IpAddr = "198.51.100.7".parse().unwrap();
    let mut lengths = Vec::new();
    for _ in 0..3 {
        probe(&one, "198.51.100.7");
        assert!(one.kept_out(address).is_some(), "at once, here");
        eventually(async || other.kept_out(address).is_some()).await;
        let ban = other.list().await.unwrap().pop().unwrap();
        eventually(async || one.kept_out(address) == Some(ban.until)).await;
        lengths.push(ban.at.duration_until(ban.until).as_secs() / 3_600);
        house.clock.advance(Duration::from_secs(86_400));
        assert!(one.kept_out(address).is_none() && other.kept_out(address).is_none(), "it ends by itself");
    }
    assert_eq!(lengths, [1, 4, 16]);
    house.clock.advance(Duration::from_secs(40 * 86_400));
    probe(&one, "198.51.100.7");
    eventually(async || one.list().await.unwrap().first().is_some_and(|ban| ban.times == 1)).await;
    house.audit.settle().await.unwrap();
    let filter = audit::Filter { event: Some("ban.created".to_owned()), ..audit::Filter::default() };
    assert_eq!(house.audit.find(&filter, None, 10).await.unwrap().len(), 4);
}

#[tokio::test]
async fn an_operators_ban_is_lifted_and_slips_of_the_hand_are_refused() {
    let house = house().await;
    let (one, operator) = (house.node().await, Caller::operator());
    let new = |network: &str| NewBan {
        network: network.to_owned(),
        lasts: Duration::from_secs(60),
        reason: "a test".to_owned(),
    };
    one.add(&new("2001:db8::/32"), &operator).await.unwrap().into_inner();
    let inside: std::net::IpAddr = "2001:db8:5::1".parse().unwrap();
    assert!(one.kept_out(inside).is_some());
    one.add(&new("2001:db8:5::/64"), &operator).await.unwrap().into_inner();
    let left = one.remove("2001:db8:5::/64", &operator).await.unwrap().into_inner();
    assert_eq!((left.known, left.still_in.len()), (true, 1), "it lies in the /32");
    one.remove("2001:db8::/32", &operator).await.unwrap().into_inner();
    assert!(one.kept_out(inside).is_none());
    for (wrong, code) in [
        ("0.0.0.0/0", "detection.too_wide"),
        ("::/0", "detection.too_wide"),
        ("127.0.0.1", "detection.exempt"),
        ("192.0.2.9", "detection.exempt"),
        ("nobody", "detection.network"),
    ] {
        let refused = one.add(&new(wrong), &operator).await.map(|_| ()).unwrap_err();
        assert_eq!(base::Fault::code(&refused), code, "{wrong}");
    }
    let slip = one.remove("198.51.100.1", &operator).await.unwrap().into_inner();
    assert!(!slip.known, "whoever mistook an address is told");
    // A trusted proxy inside a banned network goes on being served.
    one.add(&new("192.0.0.0/16"), &operator).await.unwrap().into_inner();
    assert!(one.kept_out("192.0.2.9".parse().unwrap()).is_none());
    assert!(one.kept_out("192.0.3.9".parse().unwrap()).is_some());
}

/// What a jail does is in force at once, and in the table a moment later.
#[tokio::test]
async fn a_jails_ban_can_be_lifted_before_it_is_written_down_and_does_not_come_back() {
    let (house, operator) = (house().await, Caller::operator());
    let (one, keeper) = house.open(Settings::default()).await.unwrap();
    let address: std::net::IpAddr = "198.51.100.7".parse().unwrap();
    probe(&one, "198.51.100.7");
    probe(&one, "203.0.113.9");
    assert!(one.kept_out(address).is_some() && one.list().await.unwrap().is_empty(), "nobody wrote it down");
    // What was counted of them since is forgotten with it.
    look(&one, "198.51.100.7", 2);
    one.remove("198.51.100.7", &operator).await.unwrap().into_inner();
    look(&one, "198.51.100.7", 1);
    assert!(one.kept_out(address).is_none());
    assert!(one.kept_out("203.0.113.9".parse().unwrap()).is_some(), "and the other stays in force");
    let again = one.remove("198.51.100.7", &operator).await.unwrap().into_inner();
    assert!(!again.known, "there is none any more");
    // The one that came later is written down, and with it all that was before.
    let listener = Listener::start(house.database.target(), &[detection::CHANNEL]);
    tokio::spawn(keeper.run(listener, CancellationToken::new()));
    eventually(async || !one.list().await.unwrap().is_empty()).await;
    let networks: Vec<String> = one.list().await.unwrap().iter().map(|ban| ban.network.to_string()).collect();
    assert_eq!(networks, ["203.0.113.9/32"]);
    assert!(one.kept_out(address).is_none());
    house.audit.settle().await.unwrap();
    for (event, many) in [("ban.created", 1), ("ban.lifted", 2)] {
        let filter = audit::Filter { event: Some(event.to_owned()), ..audit::Filter::default() };
        assert_eq!(house.audit.find(&filter, None, 10).await.unwrap().len(), many, "{event}");
    }
    // What is counted begins anew.
    probe(&one, "198.51.100.7");
    eventually(async || one.list().await.unwrap().len() == 2).await;
}

/// The database was slow, or the list of what is to be written was full; the operator asked another node.
#[tokio::test]
async fn a_ban_that_only_another_node_has_in_its_memory_is_lifted_by_any() {
    let (house, operator) = (house().await, Caller::operator());
    let (one, keeper) = house.open(Settings::default()).await.unwrap();
    let two = house.node().await;
    let address: std::net::IpAddr = "198.51.100.7".parse().unwrap();
    probe(&one, "198.51.100.7");
    probe(&one, "203.0.113.9");
    look(&one, "198.51.100.7", 2);
    assert!(one.kept_out(address).is_some() && two.kept_out(address).is_none());
    house.clock.advance(Duration::from_secs(1));
    let lifted = two.remove("198.51.100.7", &operator).await.unwrap().into_inner();
    assert!(!lifted.known && lifted.still_in.is_empty());
    house.keeps(keeper);
    eventually(async || one.kept_out(address).is_none()).await;
    eventually(async || two.kept_out("203.0.113.9".parse().unwrap()).is_some()).await;
    let networks: Vec<String> = two.list().await.unwrap().iter().map(|ban| ban.network.to_string()).collect();
    assert_eq!(networks, ["203.0.113.9/32"]);
    assert_eq!(house.jails_of("198.51.100.7").await.len(), 0, "it was never written down");
    // What was counted is forgotten there too; and whoever does it again later is kept out again.
    house.clock.advance(Duration::from_secs(1));
    look(&one, "198.51.100.7", 1);
    assert!(one.kept_out(address).is_none());
    look(&one, "198.51.100.7", 2);
    eventually(async || two.kept_out(address).is_some()).await;
}

/// Touches a bait, which is once too often.
fn touch(detection: &Detection, address: &str) {
    let entry = audit::Entry::by(&Caller::anonymous(), audit::Event::CanaryTouched);
    let entry = entry.from_address(address.parse().ok()).about("path:/palisade.yaml").refused("canary.path");
    detection.saw_refusal(&entry);
}

impl House {
    fn keeps(&self, keeper: Keeper) {
        let listener = Listener::start(self.database.target(), &[detection::CHANNEL]);
        tokio::spawn(keeper.run(listener, CancellationToken::new()));
    }

    /// The jails that the audit log names for a network, in order.
    async fn jails_of(&self, network: &str) -> Vec<String> {
        self.audit.settle().await.unwrap();
        let filter = audit::Filter { event: Some("ban.created".to_owned()), ..audit::Filter::default() };
        let found = self.audit.export(&filter, 0).await.unwrap();
        let about = found.iter().filter(|one| one.body.contains(network));
        let jail = |body: &str| body.split("\"jail\":\"").nth(1)?.split('"').next().map(str::to_owned);
        about.map(|one| jail(&one.body).unwrap()).collect()
    }
}

/// Both are named, and the longer one holds, whichever came first.
#[tokio::test]
async fn of_two_jails_that_one_network_fills_at_once_each_is_recorded_and_the_longer_ban_holds() {
    let (house, operator) = (house().await, Caller::operator());
    let (one, keeper) = house.open(Settings::default()).await.unwrap();
    probe(&one, "198.51.100.7");
    touch(&one, "198.51.100.7");
    touch(&one, "203.0.113.9");
    probe(&one, "203.0.113.9");
    // What was lifted is not named by what comes after it.
    probe(&one, "203.0.113.200");
    one.remove("203.0.113.200", &operator).await.unwrap().into_inner();
    touch(&one, "203.0.113.200");
    house.keeps(keeper);
    let day = house.clock.now() + jiff::SignedDuration::from_hours(24);
    let jails: [(&str, &[&str]); 3] = [
        ("198.51.100.7", &["probing", "canaries"]),
        ("203.0.113.9", &["canaries", "probing"]),
        ("203.0.113.200", &["canaries"]),
    ];
    eventually(async || {
        house.jails_of("203.0.113.200").await.len() == 1 && house.jails_of("203.0.113.9").await.len() == 2
    })
    .await;
    let bans = one.list().await.unwrap();
    for (address, named) in jails {
        assert_eq!(house.jails_of(&format!("{address}/32")).await, named, "{address}");
        let ban = bans.iter().find(|ban| ban.network.to_string() == format!("{address}/32")).unwrap();
        assert_eq!((ban.jail.as_str(), ban.until, ban.times), ("canaries", day, 1), "{address}");
        eventually(async || one.kept_out(address.parse().unwrap()) == Some(day)).await;
    }
}

/// The database was slow for longer than the ban was.
#[tokio::test]
async fn a_ban_that_ended_or_was_lifted_before_it_was_written_down_does_not_come_back() {
    let (house, operator) = (house().await, Caller::operator());
    let before = house.node().await;
    probe(&before, "203.0.113.9");
    eventually(async || before.list().await.unwrap().len() == 1).await;
    house.clock.advance(Duration::from_secs(86_400));
    let (one, keeper) = house.open(Settings::default()).await.unwrap();
    // An hour; four for the second one, who was there before.
    for address in ["198.51.100.7", "198.51.100.8", "203.0.113.9"] {
        probe(&one, address);
    }
    one.remove("198.51.100.8", &operator).await.unwrap().into_inner();
    house.clock.advance(Duration::from_secs(7_200));
    assert!(one.kept_out("198.51.100.7".parse().unwrap()).is_none(), "it ended by itself");
    probe(&one, "192.88.99.1");
    house.keeps(keeper);
    eventually(async || house.jails_of("192.88.99.1").await.len() == 1).await;
    let in_force: Vec<String> = one.list().await.unwrap().iter().map(|ban| ban.network.to_string()).collect();
    assert_eq!(in_force, ["192.88.99.1/32"]);
    for (address, many) in [("198.51.100.7", 1), ("198.51.100.8", 0), ("203.0.113.9", 2)] {
        assert_eq!(one.kept_out(address.parse().unwrap()), None, "{address}");
        assert_eq!(house.jails_of(&format!("{address}/32")).await.len(), many, "{address} is recorded");
    }
    // Who was banned was banned: the next one is longer.
    probe(&one, "198.51.100.7");
    eventually(async || one.list().await.unwrap().iter().any(|ban| ban.times == 2)).await;
}

/// A ban that is being made while those in force are read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_ban_is_in_force_from_the_moment_it_is_made_while_others_are_read_again() {
    let house = house().await;
    let many = "INSERT INTO detection.bans (network, jail, reason, by, times, at, until) \
        SELECT ('100.64.0.0'::inet + n)::cidr, 'test', 'a test', 'system', 1, '2026-01-01', '2030-01-01' \
        FROM generate_series(0, 9999) AS n";
    house.database.admin().await.batch_execute(many).await.unwrap();
    // Nobody writes down: each stays in force as it was made.
    let (one, _keeper) = house.open(Settings::default()).await.unwrap();
    let reads = tokio::spawn({
        let one = one.clone();
        async move {
            let new = |n: u32| NewBan {
                network: format!("100.127.{}.1", n % 250),
                lasts: Duration::from_secs(60),
                reason: "a test".to_owned(),
            };
            for n in 0.. {
                one.add(&new(n), &Caller::operator()).await.unwrap().into_inner();
            }
        }
    });
    for n in 0..100 {
        let address = format!("203.0.113.{n}");
        probe(&one, &address);
        let until = std::time::Instant::now() + Duration::from_millis(30);
        while std::time::Instant::now() < until {
            assert!(one.kept_out(address.parse().unwrap()).is_some(), "{address} is served again");
            tokio::task::yield_now().await;
        }
    }
    reads.abort();
}

/// While the database takes its time with one ban, whoever is refused meanwhile is counted all the same.
#[tokio::test]
async fn who_is_refused_is_counted_while_the_database_is_slow_to_take_a_ban() {
    let house = house().await;
    let one = house.node().await;
    let mut admin = house.database.admin().await;
    let slow = admin.transaction().await.unwrap();
    slow.batch_execute("LOCK TABLE detection.bans IN SHARE MODE").await.unwrap();
    probe(&one, "198.51.100.7");
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'detection.bans'::regclass";
    let other = house.database.admin().await;
    eventually(async || other.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0).await;
    let thief: std::net::IpAddr = "198.51.100.8".parse().unwrap();
    let touch = audit::Entry::by(&Caller::anonymous(), audit::Event::CanaryTouched).from_address(Some(thief));
    house.audit.refused(touch.about("path:/palisade.yaml").refused("canary.path"));
    eventually(async || one.kept_out(thief).is_some()).await;
    assert!(other.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0, "the first one still waits");
    slow.rollback().await.unwrap();
    eventually(async || one.list().await.unwrap().len() == 2).await;
}

#[tokio::test]
async fn a_mark_is_found_across_the_pieces_of_an_answer_once_and_on_every_node() {
    let house = house().await;
    let (one, other) = (house.node().await, house.node().await);
    assert!(
        other.look(&Caller::anonymous(), "/rest/v1/people").is_none(),
        "nothing is marked, nothing looked through"
    );
    let made = one.mark("people", None, None, &Caller::anonymous()).await.unwrap().into_inner();
    eventually(async || other.look(&Caller::anonymous(), "/").is_some()).await;
    let mut refusals = house.audit.refusals();
    let mark = made.mark.as_bytes();
    let touches = |pieces: &[&[u8]]| {
        let mut look = other.look(&Caller::anonymous(), "/rest/v1/people").unwrap();
        pieces.iter().for_each(|piece| look.at(piece));
    };
    let mut told = || std::iter::from_fn(|| refusals.try_recv().ok()).count();
    touches(&[mark, b"and again ", mark]);
    assert_eq!(told(), 1, "one answer is one touch");
    for cut in 1..mark.len() {
        touches(&[b"[\"", &mark[..cut], &mark[cut..], b"\"]"]);
        assert_eq!(told(), 1, "cut at {cut}");
    }
    touches(&mark.chunks(1).collect::<Vec<_>>());
    assert_eq!(told(), 1, "byte by byte");
    touches(&[&mark[1..], &mark[..35], b"-", &mark[..10]]);
    assert_eq!(told(), 0, "never the whole of it");
}
