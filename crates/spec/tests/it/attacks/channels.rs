//! Channels: who is let in without a policy (row 68), what ends them with a token or a key (row 44), and who asks for too much (row 100).

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use spec::{Client, Talk, TestApp};
use tokio_tungstenite::tungstenite::Message;

/// `room`: everybody who signed in may be in it and speak; `wall`: they may only hear.
const POLICIES: &str = "
    create policy room_in on realtime.messages for select to authenticated using (realtime.topic() = 'room');
    create policy room_speak on realtime.messages for insert to authenticated with check (realtime.topic() = 'room');
    create policy wall_in on realtime.messages for select to authenticated
        using (realtime.topic() = 'wall' and extension = 'broadcast')";

async fn app() -> TestApp {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(POLICIES).await;
    app
}

fn private() -> Value {
    json!({ "private": true, "broadcast": { "ack": true } })
}

#[track_caller]
fn refused(answer: &Value, code: &str) {
    assert_eq!(answer["status"], "error", "{answer}");
    let reason = answer["response"]["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with(&format!("{code}: ")), "{answer}");
}

async fn broadcast(client: &Client, topic: &str, private: bool) -> u16 {
    let message = json!({ "topic": topic, "event": "x", "payload": { "n": 1 }, "private": private });
    client.post("/realtime/v1/api/broadcast", json!({ "messages": [message] })).await.status.as_u16()
}

#[tokio::test]
async fn row_68_nobody_is_in_a_private_channel_whom_no_policy_let_in() {
    let app = app().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let mut talk = Talk::open(&app).await;
    let token = Some(&*ann.access_token);

    refused(&talk.join("realtime:secret", private(), token).await, "Unauthorized");
    refused(&talk.join("realtime:room", private(), None).await, "Unauthorized");
    refused(&talk.join("realtime:room ", private(), token).await, "Unauthorized");
    refused(&talk.join("realtime:room", json!({ "private": false }), token).await, "PrivateOnly");
    refused(&talk.join("realtime:room", json!({}), token).await, "PrivateOnly");
    refused(&talk.join("realtime:room", json!({ "private": "yes" }), token).await, "InvalidJoinPayload");
    refused(&talk.join("realtime:", private(), token).await, "TopicNameRequired");
    refused(&talk.join("realtime:room", private(), Some("forged.token.here")).await, "InvalidJWTToken");
    for (event, payload) in [
        ("broadcast", json!({ "type": "broadcast", "event": "x", "payload": {} })),
        ("presence", json!({ "type": "presence", "event": "track", "payload": {} })),
    ] {
        let answer = talk.ask("realtime:secret", event, payload).await;
        assert_eq!(answer["response"]["reason"], "unmatched topic", "not joined, no voice");
    }
    assert!(app.audited("realtime.refused").await && app.audited("auth.token_refused").await);

    // Who is let in hears, and is heard.
    let mut other = Talk::open(&app).await;
    assert_eq!(talk.join("realtime:room", private(), token).await["status"], "ok");
    assert_eq!(other.join("realtime:room", private(), Some(&bob.access_token)).await["status"], "ok");
    let said = json!({ "type": "broadcast", "event": "hello", "payload": { "n": 7 } });
    assert_eq!(talk.ask("realtime:room", "broadcast", said.clone()).await["status"], "ok");
    assert_eq!(other.wait("broadcast").await[4]["payload"], json!({ "n": 7 }));

    // Hearing is not speaking, and not seeing.
    assert_eq!(talk.join("realtime:wall", private(), token).await["status"], "ok");
    assert_eq!(other.join("realtime:wall", private(), Some(&bob.access_token)).await["status"], "ok");
    refused(&talk.ask("realtime:wall", "broadcast", said.clone()).await, "Unauthorized");
    let track = json!({ "type": "presence", "event": "track", "payload": { "name": "Ann" } });
    refused(&talk.ask("realtime:wall", "presence", track.clone()).await, "Unauthorized");
    assert_eq!(talk.ask("realtime:room", "presence", track).await["status"], "ok");
    let diff = other.wait("presence_diff").await;
    assert_eq!(diff[2], "realtime:room", "{diff}");
    assert!(other.heard.iter().all(|said| said[3] != "broadcast"), "{:?}", other.heard);

    // By HTTP the same policies count, and a refusal sends nothing.
    assert_eq!(broadcast(&ann.client, "wall", true).await, 403);
    assert_eq!(broadcast(&app.stranger(), "room", true).await, 403);
    assert_eq!(broadcast(&ann.client, "room", false).await, 403, "no public channels");
    assert_eq!(broadcast(&ann.client, "room", true).await, 202);
    assert_eq!(broadcast(&app.service(), "wall", true).await, 202, "a program with the secret key");
    let heard = [other.wait("broadcast").await, other.wait("broadcast").await];
    assert_eq!(heard.map(|said| said[2].clone()), ["realtime:room", "realtime:wall"]);

    // A token that may less takes the channel away.
    talk.say("realtime:room", "access_token", json!({ "access_token": "forged.token.here" })).await;
    assert_eq!(talk.wait("phx_close").await[2], "realtime:room");
    let answer = talk.ask("realtime:room", "broadcast", said).await;
    assert_eq!(answer["response"]["reason"], "unmatched topic");
}

#[tokio::test]
async fn row_68_the_table_of_policies_keeps_nothing_whoever_writes() {
    let app = app().await;
    let ann = app.person("ann").await;
    let as_ann = format!(
        "set local role authenticated; select set_config('request.jwt.claims', '{{\"sub\":\"{}\"}}', true);",
        ann.id
    );
    let mut admin = app.database.admin().await;
    for attempt in [
        "select realtime.place_probes('room')",
        "select realtime.rights('room')",
        "select set_config('realtime.topic', 'room', true); insert into realtime.messages (topic, extension) values ('room', 'broadcast')",
    ] {
        let tx = admin.transaction().await.unwrap();
        tx.batch_execute(&format!("{as_ann} {attempt}")).await.unwrap();
        let error = tx.commit().await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "0A000", "{attempt}");
    }
    let left: i64 = admin.query_one("select count(*) from realtime.messages", &[]).await.unwrap().get(0);
    assert_eq!(left, 0);
    assert_eq!(ann.client.get("/rest/v1/messages").await.status, 404, "and it is served nowhere");
}

async fn closed_within_a_second(talk: &mut Talk, what: &str) {
    let began = testkit::Stopwatch::start();
    assert_eq!(talk.closed().await, 1008, "{what}");
    assert!(began.elapsed() < Duration::from_secs(1), "{what}: {:?}", began.elapsed());
}

#[tokio::test]
async fn row_44_a_socket_ends_with_its_token_and_with_its_key() {
    let app = app().await;
    let ann = app.person("ann").await;
    let mut talk = Talk::open(&app).await;
    assert_eq!(talk.join("realtime:room", private(), Some(&ann.access_token)).await["status"], "ok");
    let mut bystander = Talk::open(&app).await;
    app.clock.advance(Duration::from_secs(14 * 60));
    assert_eq!(talk.beat().await["status"], "ok");

    // The next token in time keeps it open past the end of the first.
    let refresh = json!({ "refresh_token": ann.refresh_token });
    let next = app.stranger().post("/auth/v1/token?grant_type=refresh_token", refresh).await.expect(200);
    let next = ann.again(&next.value());
    talk.say("realtime:room", "access_token", json!({ "access_token": next.access_token })).await;
    assert_eq!(talk.beat().await["status"], "ok");
    app.clock.advance(Duration::from_secs(2 * 60));
    let said = json!({ "type": "broadcast", "event": "hello", "payload": {} });
    assert_eq!(talk.ask("realtime:room", "broadcast", said).await["status"], "ok");
    app.clock.advance(Duration::from_secs(14 * 60));
    closed_within_a_second(&mut talk, "a token that is over").await;
    assert_eq!(bystander.beat().await["status"], "ok");

    let (id, secret) = app.running.services.auth.lend_key().await.unwrap();
    let mut program = Talk::with(&app, secret.expose()).await;
    assert_eq!(program.join("realtime:anything", private(), None).await["status"], "ok");
    app.running.services.auth.take_back_key(&id).await.unwrap();
    closed_within_a_second(&mut program, "a key that was revoked").await;
    assert_eq!(bystander.beat().await["status"], "ok");
    app.eventually(async || app.running.services.realtime.sockets() == 1).await;
}

#[tokio::test]
async fn row_100_who_asks_for_too_much_is_told_and_who_does_not_read_is_left() {
    let app = app().await;
    let ann = app.person("ann").await;
    let token = Some(&*ann.access_token);

    let mut large = Talk::open(&app).await;
    large.send(Message::binary(vec![3; 3_200_001])).await;
    assert_eq!(large.closed().await, 1009, "a message over the limit");

    let mut program = Talk::with(&app, app.running.keys.secret.expose()).await;
    for number in 0..100 {
        assert_eq!(program.join(&format!("realtime:{number}"), private(), None).await["status"], "ok");
    }
    refused(&program.join("realtime:one-more", private(), None).await, "ChannelRateLimitReached");
    assert_eq!(program.ask("realtime:7", "phx_leave", json!({})).await["status"], "ok");
    assert_eq!(
        program.join("realtime:one-more", private(), None).await["status"],
        "ok",
        "one left, one comes"
    );
    for number in 0..400 {
        program.say("phoenix", "heartbeat", json!({ "number": number })).await;
    }
    assert_eq!(program.closed().await, 1008, "more than anybody says");

    // One reads, one does not; what is said is said all the same.
    let (mut reads, mut silent) = (Talk::open(&app).await, Talk::open(&app).await);
    for talk in [&mut reads, &mut silent] {
        assert_eq!(talk.join("realtime:wall", private(), token).await["status"], "ok");
    }
    let payload = bytes::Bytes::from(vec![7; 2_900_000]);
    let headers = [("content-type", "application/octet-stream")];
    let path = "/realtime/v1/api/broadcast/wall/events/large?private=true";
    for _ in 0..12 {
        app.service().send(Method::POST, path, &headers, payload.clone()).await.expect(202);
        assert_eq!(reads.wait("broadcast").await[4]["payload"], json!({ "bytes": 2_900_000 }));
    }
    app.eventually(async || app.running.services.realtime.hub.channels() == 1).await;
    let sockets = || app.running.services.realtime.sockets();
    app.eventually(async || sockets() == 1).await;
    drop(silent);
    assert_eq!(reads.beat().await["status"], "ok");
}

/// Row 68, afterwards: a policy that is taken away, or that lets somebody hear and speak no more, counts in channels that are open.
#[tokio::test]
async fn row_68_a_policy_that_changes_puts_people_out_of_open_channels_within_a_second() {
    let app = app().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let (mut to_ann, mut to_bob) = (Talk::open(&app).await, Talk::open(&app).await);
    for (talk, person) in [(&mut to_ann, &ann), (&mut to_bob, &bob)] {
        for topic in ["realtime:room", "realtime:wall"] {
            assert_eq!(talk.join(topic, private(), Some(&person.access_token)).await["status"], "ok");
        }
    }
    let said = json!({ "type": "broadcast", "event": "x", "payload": {} });
    // One may not speak any more, and stays.
    let admin = app.database.admin().await;
    let only_bob = format!(
        "alter policy room_speak on realtime.messages with check (realtime.topic() = 'room' and auth.uid() = '{}')",
        bob.id
    );
    admin.batch_execute(&only_bob).await.unwrap();
    app.eventually(async || {
        to_ann.ask("realtime:room", "broadcast", said.clone()).await["status"] == "error"
    })
    .await;
    assert_eq!(to_bob.ask("realtime:room", "broadcast", said.clone()).await["status"], "ok");
    assert_eq!(to_ann.wait("broadcast").await[2], "realtime:room");
    // One may not be there any more; the other may, and both are still in the other channel.
    let began = testkit::Stopwatch::start();
    let only_bob = format!(
        "alter policy room_in on realtime.messages using (realtime.topic() = 'room' and auth.uid() = '{}')",
        bob.id
    );
    admin.batch_execute(&only_bob).await.unwrap();
    assert_eq!(to_ann.wait("phx_close").await[2], "realtime:room");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(to_bob.ask("realtime:room", "broadcast", said.clone()).await["status"], "ok");
    assert_eq!(to_ann.beat().await["status"], "ok");
    assert!(to_ann.heard.iter().all(|said| said[3] != "broadcast"), "{:?}", to_ann.heard);
    refused(&to_ann.ask("realtime:wall", "broadcast", said).await, "Unauthorized");
    assert!(app.audited("realtime.refused").await);
}

/// Row 100: what a message costs is who is told of it. However many sockets and channels, an address has so many told in a second.
#[tokio::test]
async fn row_100_one_address_has_so_many_told_and_another_is_heard_meanwhile() {
    const CROWD: usize = 5_000;
    let app = app().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let room = realtime::Topic { name: "room".into(), private: true };
    let hears = realtime::Hears { broadcast: true, presence: true, own: false };
    let hub = &app.running.services.realtime.hub;
    let crowd: Vec<_> = (0..CROWD)
        .map(|number| {
            let (outbox, inbox) = realtime::queue();
            (hub.join(room.clone(), number.to_string().into(), hears, outbox).0, inbox)
        })
        .collect();
    // Two sockets of one address, and one of another.
    let (mut one, mut two, mut other) = (Talk::open(&app).await, Talk::open(&app).await, {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 90, 0, 1], 0).into()).unwrap();
        let stream = socket.connect(app.running.address).await.unwrap();
        let url = format!("ws://{}", app.running.address);
        Talk::over(stream, &url, &app.running.keys.publishable).await
    });
    for (talk, person) in [(&mut one, &ann), (&mut two, &ann), (&mut other, &bob)] {
        let joined = talk.join("realtime:room", private(), Some(&person.access_token)).await;
        assert_eq!(joined["status"], "ok", "{joined}");
    }
    let began = Instant::now();
    let said = json!({ "type": "broadcast", "event": "x", "payload": {} });
    let (mut passed, mut over) = (0.0, None);
    for number in 0..160 {
        let talk = if number % 2 == 0 { &mut one } else { &mut two };
        let answer = talk.ask("realtime:room", "broadcast", said.clone()).await;
        if answer["status"] == "ok" {
            passed += 1.0;
        } else {
            over = Some(answer);
        }
    }
    refused(&over.expect("a bound"), "MessageRateLimitReached");
    let most = realtime::limits::ADDRESS_DELIVERIES_PER_SECOND_MAX.value as f64 / CROWD as f64;
    let seconds = began.elapsed().as_secs_f64();
    assert!(passed <= most * (1.0 + seconds), "{passed} messages in {seconds} s");
    assert!(passed >= most - 1.0, "{passed} messages: what is within the bound passes");
    let answer = other.ask("realtime:room", "broadcast", said).await;
    assert_eq!(answer["status"], "ok", "another address: {answer}");
    assert_eq!(one.beat().await["status"], "ok", "the socket goes on");
    drop(crowd);
}

/// Row 100: sockets of one address, and changes of presence.
#[tokio::test]
async fn row_100_one_address_has_so_many_sockets_and_one_channel_so_many_changes_of_presence() {
    let app = app().await;
    let ann = app.person("ann").await;
    let mut talk = Talk::open(&app).await;
    assert_eq!(talk.join("realtime:room", private(), Some(&ann.access_token)).await["status"], "ok");
    let policy = "create policy room_shown on realtime.messages for insert to authenticated with check (extension = 'presence')";
    app.owner(policy).await;
    app.eventually(async || {
        let track = json!({ "type": "presence", "event": "untrack" });
        talk.ask("realtime:room", "presence", track).await["status"] == "ok"
    })
    .await;
    let mut over = None;
    for number in 0..=realtime::limits::PRESENCE_CALLS_MAX.value {
        let track = json!({ "type": "presence", "event": "track", "payload": { "number": number } });
        let answer = talk.ask("realtime:room", "presence", track).await;
        if answer["status"] != "ok" {
            over = Some(answer);
            break;
        }
    }
    refused(&over.expect("a bound"), "PresenceRateLimitReached");
    assert_eq!(talk.beat().await["status"], "ok", "the socket goes on");

    let realtime = &app.running.services.realtime;
    let (near, far) = (Some("192.0.2.7".parse().unwrap()), Some("192.0.2.8".parse().unwrap()));
    let mut places = Vec::new();
    for _ in 0..realtime::limits::ADDRESS_SOCKETS_MAX.value {
        places.push(realtime.enter(near).expect("a place"));
    }
    assert!(realtime.enter(near).is_err(), "an address has so many");
    drop(realtime.enter(far).expect("another address has its own"));
    places.pop();
    places.push(realtime.enter(near).expect("one that left makes room"));
    // Networks of the other kind are somebody's as a whole.
    let of_network = |last: u64| Some(format!("2001:db8::{last:x}").parse().unwrap());
    for last in 0..realtime::limits::ADDRESS_SOCKETS_MAX.value {
        places.push(realtime.enter(of_network(last)).expect("a place"));
    }
    assert!(realtime.enter(of_network(9_999)).is_err());
    // And so has the server, whoever they are.
    let mut next = 0_u32;
    while realtime.sockets() < realtime::limits::SOCKETS_MAX.value {
        next += 1;
        let address = std::net::Ipv4Addr::from(0x0A00_0000 + next);
        places.push(realtime.enter(Some(address.into())).expect("a place"));
    }
    assert!(realtime.enter(far).is_err(), "the server has so many");
    drop(places);
    app.eventually(async || realtime.sockets() == 1).await;
    drop(realtime.enter(far).expect("room again"));
}
