//! Forged, confused, replayed and revoked tokens (rows 36-45, 82).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P256K1_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use spec::{Client, Talk, TestApp, TestAppBuilder};

/// Every API that takes a token, and what its refusal of one that is not good looks like; a dead one must be dead everywhere.
pub(super) const DOORS: [(&str, &[u16]); 5] = [
    ("/rest/v1/notes?select=id", &[401]),
    ("/graphql/v1?query=%7B__typename%7D", &[401]),
    ("/auth/v1/user", &[401, 403]),
    ("/auth/v1/admin/users", &[401, 403]),
    ("/api/v1/auth/user", &[401]),
];

fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

fn decode(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

async fn assert_refused(app: &TestApp, what: &str, token: &str) {
    for (door, refused) in DOORS {
        let seen = app.stranger().with("authorization", &format!("Bearer {token}")).get(door).await;
        let status = seen.status.as_u16();
        assert!(refused.contains(&status), "{what} at {door}: {status} {}", seen.text());
    }
    let joined = Talk::open(app).await.join("realtime:row", json!({ "private": true }), Some(token)).await;
    assert_eq!(joined["status"], "error", "{what} on a socket: {joined}");
}

/// The legitimate neighbour of each.
pub(super) async fn assert_let_in(app: &TestApp, what: &str, token: &str) {
    for (door, _) in DOORS.iter().filter(|(door, _)| !door.contains("admin")) {
        let seen = app.stranger().with("authorization", &format!("Bearer {token}")).get(door).await;
        assert_eq!(seen.status, 200, "{what} at {door}: {}", seen.text());
    }
    let joined = Talk::open(app).await.join("realtime:row", json!({ "private": true }), Some(token)).await;
    assert_eq!(joined["status"], "ok", "{what} on a socket: {joined}");
}

async fn app_with_notes() -> TestApp {
    with_notes(TestApp::builder()).await
}

pub(super) async fn with_notes(builder: TestAppBuilder) -> TestApp {
    let app = builder.unlimited().start().await;
    app.owner("create table public.notes (id int primary key, owner uuid default auth.uid(), body text);
               create policy own on public.notes using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
               create policy everybody on realtime.messages for select to authenticated using (true)")
        .await;
    app
}

/// The private half of a curve's key, as somebody else has it.
fn key_of(curve: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(curve, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(curve, pkcs8.as_ref()).unwrap()
}

fn sign(key: &EcdsaKeyPair, header: &Value, claims: &str) -> String {
    let message = format!("{}.{claims}", encode(header));
    let signature = key.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The order of P-256 less `s`: of each signature there are two, and ours has the smaller.
fn mirrored(s: &[u8]) -> Vec<u8> {
    let order = hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").unwrap();
    let (mut left, mut borrow) = (vec![0; 32], 0);
    for at in (0..32).rev() {
        let digit = i32::from(order[at]) - i32::from(s[at]) - borrow;
        borrow = i32::from(digit < 0);
        left[at] = u8::try_from(digit + 256 * borrow).unwrap();
    }
    left
}

#[tokio::test]
async fn row_36_a_token_without_signature_is_refused_everywhere() {
    let app = app_with_notes().await;
    let ann = app.person("ann").await;
    let mut parts = ann.access_token.split('.');
    let (head, claims) = (parts.next().unwrap(), parts.next().unwrap());
    for alg in ["none", "None", "nOnE", "NONE", "", "HS256"] {
        let mut header = decode(head);
        header["alg"] = alg.into();
        assert_refused(&app, alg, &format!("{}.{claims}.", encode(&header))).await;
    }
    let mut header = decode(head);
    header.as_object_mut().unwrap().remove("alg");
    assert_refused(&app, "no alg", &format!("{}.{claims}.x", encode(&header))).await;
    assert_refused(&app, "two parts", &format!("{head}.{claims}")).await;
    assert_let_in(&app, "ours", &ann.access_token).await;
}

#[tokio::test]
async fn row_37_our_public_key_is_no_hs256_secret() {
    let app = app_with_notes().await;
    let ann = app.person("ann").await;
    let jwks = app.stranger().get("/auth/v1/.well-known/jwks.json").await.expect(200).value();
    let jwk = jwks["keys"][0].clone();
    assert_eq!(jwk["kty"], "EC", "the default key is asymmetric");
    let (x, y) = (jwk["x"].as_str().unwrap(), jwk["y"].as_str().unwrap());
    let mut point = vec![4u8];
    point.extend(URL_SAFE_NO_PAD.decode(x).unwrap());
    point.extend(URL_SAFE_NO_PAD.decode(y).unwrap());
    let claims = ann.access_token.split('.').nth(1).unwrap();
    // The fixed beginning of a P-256 SubjectPublicKeyInfo (RFC 5480).
    let der = [hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap(), point.clone()]
        .concat();
    let lines = base64::engine::general_purpose::STANDARD.encode(&der);
    let pem =
        format!("-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----", &lines[..64], &lines[64..]);
    let secrets = [
        jwk.to_string().into_bytes(),
        jwks.to_string().into_bytes(),
        point,
        x.as_bytes().to_vec(),
        der,
        format!("{pem}\n").into_bytes(),
        pem.into_bytes(),
    ];
    for secret in secrets {
        for kid in [&jwk["kid"], &Value::Null] {
            let mut header = json!({ "alg": "HS256", "typ": "JWT" });
            if !kid.is_null() {
                header["kid"] = kid.clone();
            }
            let body = format!("{}.{claims}", encode(&header));
            let mac = URL_SAFE_NO_PAD.encode(spec::hmac_sha256(&secret, body.as_bytes()));
            assert_refused(&app, "HS256 with our public key", &format!("{body}.{mac}")).await;
        }
    }
    assert_let_in(&app, "ours", &ann.access_token).await;
}

/// Each is signed by a key that its own header names, as the attacker would have it looked at.
#[tokio::test]
async fn row_39_a_header_cannot_choose_the_key_and_nothing_is_fetched() {
    let app = app_with_notes().await;
    let ann = app.person("ann").await;
    let (head, claims) = {
        let mut parts = ann.access_token.split('.');
        (decode(parts.next().unwrap()), parts.next().unwrap().to_owned())
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let there = format!("http://{}/keys", listener.local_addr().unwrap());
    let theirs = key_of(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let point = theirs.public_key().as_ref().to_vec();
    let half = |at: usize| URL_SAFE_NO_PAD.encode(&point[at..at + 32]);
    let jwk =
        json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "x": half(1), "y": half(33), "kid": "theirs" });
    let certificate = base64::engine::general_purpose::STANDARD.encode(&point);
    for (name, value) in [
        ("jku", json!(there)),
        ("x5u", json!(there)),
        ("jwk", jwk),
        ("x5c", json!([certificate])),
        ("kid", json!(there)),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("' or 1=1 --")),
        ("kid", json!("")),
        ("kid", json!(null)),
        ("kid", json!(["x"])),
    ] {
        let mut header = head.clone();
        header[name] = value;
        assert_refused(&app, name, &sign(&theirs, &header, &claims)).await;
        header["kid"] = json!("theirs");
        assert_refused(&app, name, &sign(&theirs, &header, &claims)).await;
    }
    // A file that is empty, a row of the attacker's making, a key that the header brings: as a shared secret.
    for (kid, secret) in [
        (json!("../../../../dev/null"), ""),
        (json!("/dev/null"), ""),
        (json!("x' union select 'known"), "known"),
        (json!(""), ""),
        (json!(null), "null"),
    ] {
        let message = format!("{}.{claims}", encode(&json!({ "alg": "HS256", "typ": "JWT", "kid": kid })));
        let mac = spec::hmac_sha256(secret.as_bytes(), message.as_bytes());
        assert_refused(&app, "a chosen secret", &format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac))).await;
    }
    // Nothing of it was looked for.
    let came = tokio::time::timeout(std::time::Duration::from_millis(50), listener.accept()).await;
    assert!(came.is_err(), "somebody asked for the attacker's keys");
    assert_let_in(&app, "ours", &ann.access_token).await;
}

/// With the right secret, so that nothing but the header is wrong.
#[tokio::test]
async fn row_39_what_a_header_demands_or_brings_is_refused_also_with_a_good_signature() {
    const SECRET: &str = "a secret of a test, longer than thirty-two bytes";
    let app =
        with_notes(TestApp::builder().with("auth.jwt_secret", SECRET).with("jwt.signing", "hs256")).await;
    let ann = app.person("ann").await;
    let claims = ann.access_token.split('.').nth(1).unwrap();
    let signed = |more: &[(&str, Value)]| {
        let mut header = json!({ "alg": "HS256", "typ": "JWT" });
        more.iter().for_each(|(name, value)| header[*name] = value.clone());
        let message = format!("{}.{claims}", encode(&header));
        let mac = spec::hmac_sha256(SECRET.as_bytes(), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac))
    };
    assert_let_in(&app, "the same without it", &signed(&[])).await;
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("jku", json!("http://127.0.0.1:1/keys")),
        ("x5u", json!("http://127.0.0.1:1/cert")),
        ("jwk", json!({ "kty": "oct", "k": "AA" })),
        ("x5c", json!(["AA"])),
        ("kid", json!("somebody")),
        ("kid", json!("")),
    ] {
        assert_refused(&app, name, &signed(&[(name, value)])).await;
    }
    assert_refused(&app, "both", &signed(&[("crit", json!(["b64"])), ("b64", json!(false))])).await;
}

#[tokio::test]
async fn row_40_a_zero_a_mirrored_and_another_curves_signature_are_refused() {
    let app = app_with_notes().await;
    let ann = app.person("ann").await;
    let (message, signature) = ann.access_token.rsplit_once('.').unwrap();
    let (head, claims) = message.split_once('.').unwrap();
    let own = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = own.split_at(32);
    let forged = |what: &str, signature: &[u8]| {
        (what.to_owned(), format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    };
    let der = [0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00];
    let mut cases = vec![
        forged("zeros", &[0; 64]),
        forged("ones", &[0xff; 64]),
        forged("nothing", &[]),
        forged("too short", &own[..63]),
        forged("too long", &[own.as_slice(), &[0]].concat()),
        forged("zeros as DER", &der),
        forged("r = 0", &[&[0; 32], s].concat()),
        forged("s = 0", &[r, &[0; 32]].concat()),
        // The other signature of the same key over the same bytes: mathematically as good.
        forged("high s", &[r, &mirrored(s)].concat()),
    ];
    assert_eq!(mirrored(&mirrored(s)), s, "it is the mirror image");
    // Another curve, called by its own name, by ours, and by none; with our key's id and without.
    let curves: [(&str, &'static EcdsaSigningAlgorithm); 4] = [
        ("ES384", &ECDSA_P384_SHA384_FIXED_SIGNING),
        ("ES512", &ECDSA_P521_SHA512_FIXED_SIGNING),
        ("ES256K", &ECDSA_P256K1_SHA256_FIXED_SIGNING),
        ("ES256", &ECDSA_P256_SHA256_FIXED_SIGNING),
    ];
    for (name, curve) in curves {
        let theirs = key_of(curve);
        for alg in [name, "ES256", "ES256K", "EdDSA"] {
            let mut header = decode(head);
            header["alg"] = alg.into();
            cases.push((format!("{name} as {alg}"), sign(&theirs, &header, claims)));
            header.as_object_mut().unwrap().remove("kid");
            cases.push((format!("{name} as {alg} without a name"), sign(&theirs, &header, claims)));
        }
    }
    for (what, token) in cases {
        assert_refused(&app, &what, &token).await;
    }
    assert_let_in(&app, "ours", &ann.access_token).await;
}

#[tokio::test]
async fn row_41_a_token_of_another_instance_is_refused() {
    let (app, other) = (app_with_notes().await, TestApp::start().await);
    let stranger = other.person("ann").await;
    assert_refused(&app, "another instance's token", &stranger.access_token).await;
    let ann = app.person("ann").await;
    assert_let_in(&app, "ours", &ann.access_token).await;
}

/// Two projects with one secret, as both were set up from the same file.
#[tokio::test]
async fn row_41_a_token_of_another_project_or_app_with_the_same_key_is_refused() {
    const SECRET: &str = "a secret that two projects share, of 32 bytes";
    let shared = || TestApp::builder().with("auth.jwt_secret", SECRET).with("jwt.signing", "hs256");
    let app = with_notes(shared().with("auth.jwt_issuer", "https://one.example.com/auth/v1")).await;
    let other = with_notes(shared().with("auth.jwt_issuer", "https://two.example.com/auth/v1")).await;
    let (ann, theirs) = (app.person("ann").await, other.person("ann").await);
    assert_let_in(&other, "at home", &theirs.access_token).await;
    assert_refused(&app, "another project's", &theirs.access_token).await;
    assert_refused(&other, "ours at theirs", &ann.access_token).await;
    let own = decode(ann.access_token.split('.').nth(1).unwrap());
    let with = |name: &str, value: Option<Value>| {
        let mut claims = own.clone();
        match value {
            Some(value) => claims[name] = value,
            None => drop(claims.as_object_mut().unwrap().remove(name)),
        }
        spec::hs256(SECRET.as_bytes(), &claims)
    };
    assert_let_in(&app, "signed by the shared secret", &with("aud", Some(own["aud"].clone()))).await;
    for (name, value) in [
        ("iss", None),
        ("iss", Some(json!(null))),
        ("iss", Some(json!(""))),
        ("iss", Some(json!("supabase"))),
        ("iss", Some(json!("https://one.example.com/auth/v1/"))),
        ("iss", Some(json!("https://one.example.com"))),
        ("iss", Some(json!(["https://one.example.com/auth/v1"]))),
        ("aud", None),
        ("aud", Some(json!(null))),
        ("aud", Some(json!(""))),
        ("aud", Some(json!([]))),
        ("aud", Some(json!(["another-app"]))),
        ("aud", Some(json!("another-app"))),
        ("aud", Some(json!({ "authenticated": true }))),
        ("exp", None),
        ("exp", Some(json!("tomorrow"))),
        ("session_id", Some(json!("00000000-0000-4000-8000-000000000000"))),
        ("session_id", Some(json!("x"))),
    ] {
        assert_refused(&app, &format!("{name} {value:?}"), &with(name, value.clone())).await;
    }
    // A program's token of another project: its service key opens nothing here.
    let minted =
        json!({ "iss": "https://two.example.com/auth/v1", "role": "service_role", "exp": 4_102_444_800_i64 });
    assert_refused(&app, "another project's program", &spec::hs256(SECRET.as_bytes(), &minted)).await;
    let for_another = json!({ "aud": "another-app", "role": "service_role", "exp": 4_102_444_800_i64 });
    assert_refused(&app, "another app's program", &spec::hs256(SECRET.as_bytes(), &for_another)).await;
}

#[tokio::test]
async fn row_42_a_signed_out_token_is_dead_at_once_everywhere() {
    let app = app_with_notes().await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    assert_let_in(&app, "before", &ann.access_token).await;
    ann.client.post("/auth/v1/logout", json!({})).await.expect(204);
    assert_refused(&app, "signed-out token", &ann.access_token).await;
    let refresh = json!({ "refresh_token": ann.refresh_token });
    app.stranger().post("/auth/v1/token?grant_type=refresh_token", refresh).await.expect(400);
    assert_let_in(&app, "somebody else's", &bob.access_token).await;
}

/// Rotated: both keys are good, and nobody is signed out. Rotated because the key was lost: what it signed is dead at once, at
/// the other node too, and whoever it was signed for refreshes.
#[tokio::test]
async fn row_42_what_a_lost_key_signed_is_refused_within_a_second_everywhere() {
    let app = app_with_notes().await;
    let ann = app.person("ann").await;
    let rotate = async |compromised: bool| {
        let wanted = json!({ "compromised": compromised });
        app::control::ask(app.data(), http::Method::POST, "/keys/rotate", Some(&wanted)).await.unwrap()
    };
    assert_let_in(&app, "before", &ann.access_token).await;
    assert_eq!(rotate(false).await["refused"], json!([]));
    let bob = app.person("bob").await;
    let kid = |token: &str| decode(token.split('.').next().unwrap())["kid"].clone();
    assert_ne!(kid(&ann.access_token), kid(&bob.access_token));
    assert_let_in(&app, "of the last key", &ann.access_token).await;
    assert_let_in(&app, "of the new key", &bob.access_token).await;
    // Known to every cache by now.
    let mut refused = rotate(true).await["refused"].as_array().unwrap().clone();
    let began = testkit::Stopwatch::start();
    assert_refused(&app, "of the first key", &ann.access_token).await;
    assert_refused(&app, "of the lost key", &bob.access_token).await;
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    let mut lost = vec![kid(&ann.access_token), kid(&bob.access_token)];
    refused.sort_by_key(Value::to_string);
    lost.sort_by_key(Value::to_string);
    assert_eq!(refused, lost);
    let published = app.stranger().get("/auth/v1/.well-known/jwks.json").await.expect(200).text();
    assert!(lost.iter().all(|kid| !published.contains(kid.as_str().unwrap())), "{published}");
    for person in [&ann, &bob] {
        let body = json!({ "refresh_token": person.refresh_token });
        let next = app.stranger().post("/auth/v1/token?grant_type=refresh_token", body).await.expect(200);
        assert_let_in(&app, "refreshed", &next.field("access_token")).await;
    }
    // A program's key in the form of a token is signed too, and anew.
    app.service().get("/auth/v1/admin/users").await.expect(200);
    assert!(app.audited("key.signing_rotated").await && app.audited("key.signing_revoked").await);
}

/// Who refreshes a little later, and the office they sit in, are no guessers.
#[tokio::test]
async fn row_42_who_still_has_a_token_of_a_lost_key_is_not_kept_out_for_it() {
    let app = TestApp::builder().with("rate_limiting.enabled", "false").start().await;
    let ann = app.person("ann").await;
    let wanted = json!({ "compromised": true });
    app::control::ask(app.data(), http::Method::POST, "/keys/rotate", Some(&wanted)).await.unwrap();
    let bears = |token: &str| app.stranger().with("authorization", &format!("Bearer {token}"));
    let (office, guesser) = (bears(&ann.access_token), bears("a.b.c"));
    for _ in 0..20 {
        office.get("/auth/v1/user").await.expect(403);
        guesser.get("/auth/v1/user").await.expect(403);
    }
    office.get("/auth/v1/user").await.expect(403);
    let detection = &app.running.services.detection;
    app.eventually(async || detection.kept_out(guesser.from).is_some()).await;
    assert!(detection.kept_out(office.from).is_none());
}

/// Where no key of ours signs, nobody is told that another one does: the lost secret would go on opening everything.
#[tokio::test]
async fn row_42_a_shared_secret_that_signs_is_not_said_to_be_changed() {
    let app = with_notes(TestApp::builder().with("jwt.signing", "hs256")).await;
    let ann = app.person("ann").await;
    for compromised in [false, true] {
        let wanted = json!({ "compromised": compromised });
        let asked = app::control::ask(app.data(), http::Method::POST, "/keys/rotate", Some(&wanted)).await;
        let said = asked.expect_err("no key was changed").to_string();
        assert!(said.contains("auth.jwt_secret") && said.contains("jwt.signing"), "{said}");
    }
    assert!(!app.audited("key.signing_rotated").await && !app.audited("key.signing_revoked").await);
    assert_let_in(&app, "as before", &ann.access_token).await;
}

/// A shared secret from before that only verifies is one of the last keys: whoever has it is anybody.
#[tokio::test]
async fn row_42_a_shared_secret_that_only_verifies_is_given_up_with_the_lost_key() {
    const SECRET: &str = "kH7fD2mQ9xR4tW8zB1nV6pL3sJ5gA0cE";
    let app =
        with_notes(TestApp::builder().with("auth.jwt_secret", SECRET).with("jwt.signing", "es256")).await;
    let ann = app.person("ann").await;
    let claims = decode(ann.access_token.split('.').nth(1).unwrap());
    let forged = spec::hs256(SECRET.as_bytes(), &claims);
    let program = json!({ "role": "service_role", "exp": 4_102_444_800_i64 });
    let program = spec::hs256(SECRET.as_bytes(), &program);
    let users = async |token: &str| {
        let client = app.stranger().with("authorization", &format!("Bearer {token}"));
        client.get("/auth/v1/admin/users").await.status.as_u16()
    };
    let rotate = async |compromised: bool| {
        let wanted = json!({ "compromised": compromised });
        app::control::ask(app.data(), http::Method::POST, "/keys/rotate", Some(&wanted)).await.unwrap()
    };
    // Kept for verification, it is believed, also when the next key signs.
    assert_let_in(&app, "signed with it", &forged).await;
    assert_eq!(rotate(false).await, json!({ "refused": [], "believed": [] }));
    assert_let_in(&app, "still", &forged).await;
    assert_eq!(users(&program).await, 200);
    let refused = rotate(true).await["refused"].clone();
    assert!(refused.as_array().unwrap().contains(&json!("auth.jwt_secret")), "{refused}");
    assert_refused(&app, "signed with it", &forged).await;
    assert_eq!(users(&program).await, 403);
    let told = audit::Filter { event: Some("key.signing_revoked".to_owned()), ..audit::Filter::default() };
    app.running.services.audit.settle().await.unwrap();
    let told = app.running.services.audit.find(&told, None, 50).await.unwrap();
    assert!(told.iter().any(|entry| entry.body.contains("key:auth.jwt_secret")), "{} entries", told.len());
    // It is told once, and nobody is signed out.
    assert!(!rotate(true).await["refused"].as_array().unwrap().contains(&json!("auth.jwt_secret")));
    let body = json!({ "refresh_token": ann.refresh_token });
    let next = app.stranger().post("/auth/v1/token?grant_type=refresh_token", body).await.expect(200);
    assert_let_in(&app, "refreshed", &next.field("access_token")).await;
}

#[tokio::test]
async fn row_42_an_expired_token_is_refused_and_its_successor_is_not() {
    let app = app_with_notes().await;
    let ann = app.person("ann").await;
    // Until its last second it is good, and known from before: what was cached is asked for its time too.
    app.clock.advance(std::time::Duration::from_secs(15 * 60 - 1));
    assert_let_in(&app, "a second before", &ann.access_token).await;
    app.clock.advance(std::time::Duration::from_secs(1));
    assert_refused(&app, "expired token", &ann.access_token).await;
    let refresh = json!({ "refresh_token": ann.refresh_token });
    let next = app.stranger().post("/auth/v1/token?grant_type=refresh_token", refresh).await.expect(200);
    assert_let_in(&app, "the next one", &next.field("access_token")).await;
    assert_refused(&app, "the old one still", &ann.access_token).await;
}

#[tokio::test]
async fn row_82_ambiguous_credentials_are_refused() {
    let app = app_with_notes().await;
    let ann = app.person("ann").await;
    let token = &ann.access_token;
    let twice =
        app.stranger().with("authorization", &format!("Bearer {token}")).with("authorization", "Bearer x");
    let odd = |value: &str| app.stranger().with("authorization", value);
    let clients: [(&str, Client); 5] = [
        ("two Authorization headers", twice),
        ("no space", odd(&format!("Bearer{token}"))),
        ("two tokens", odd(&format!("Bearer {token} {token}"))),
        ("comma", odd(&format!("Bearer {token}, Bearer x"))),
        ("another scheme", odd(&format!("Token {token}"))),
    ];
    for (what, client) in clients {
        let seen = client.get("/auth/v1/user").await;
        assert!([400, 401, 403].contains(&seen.status.as_u16()), "{what}: {}", seen.status);
    }
    app.stranger().with("authorization", &format!("bearer {token}")).get("/auth/v1/user").await.expect(200);
    let mut bare = app.stranger();
    bare.headers.clear();
    let key = &app.running.keys.publishable;
    bare.get(&format!("/rest/v1/notes?apikey={key}&select=id&apikey={key}")).await.expect(200);
    for two in [format!("apikey={key}&apikey=x"), format!("apikey=x&select=id&apikey={key}")] {
        bare.get(&format!("/rest/v1/notes?{two}")).await.expect(400);
        app.stranger().get(&format!("/rest/v1/notes?{two}")).await.expect(400);
    }
}

/// Whether a line compares what was exposed in a way that ends at the first difference.
fn tells_by_its_time(line: &str) -> bool {
    let compares = line.contains(" == ") || line.contains(" != ");
    let of_a_secret = line.contains(".expose()");
    let of_its_size = line.contains(".len()") || line.contains(".is_empty()");
    compares && of_a_secret && !of_its_size && !line.trim_start().starts_with("assert")
}

fn sources(place: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn row_47_secrets_are_compared_in_a_time_that_tells_nothing() {
    use std::hint::black_box;
    // The first byte wrong takes as long as the last one wrong.
    let secret = vec![7_u8; 16_384];
    let (mut first, mut last) = (secret.clone(), secret.clone());
    first[0] ^= 1;
    last[16_383] ^= 1;
    // How much longer the last byte takes: the quickest of many of both, in turns, because the machine does other things too.
    let how_much_longer = |equal: fn(&[u8], &[u8]) -> bool| {
        let one = |other: &[u8]| {
            let began = std::time::Instant::now();
            for _ in 0..4 {
                assert!(!equal(black_box(&secret), black_box(other)));
            }
            began.elapsed().as_nanos() as f64
        };
        let pairs: Vec<_> = (0..400).map(|_| (one(&first), one(&last))).collect();
        let quickest = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).fold(f64::MAX, f64::min);
        quickest(|pair| pair.1) / quickest(|pair| pair.0)
    };
    let ours = how_much_longer(seal::same);
    assert!((0.7..1.4).contains(&ours), "{ours}");
    // The measure itself sees one that stops at the first difference.
    let theirs = how_much_longer(|left, right| left.iter().zip(right).all(|(left, right)| left == right));
    assert!(theirs > 10.0, "{theirs}");
    // And nothing is compared in another way.
    assert!(tells_by_its_time("    if given.expose() == stored.expose() {"));
    assert!(!tells_by_its_time("    if given.expose().len() != 32 {"));
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut all = Vec::new();
    for entry in std::fs::read_dir(crates).unwrap() {
        sources(&entry.unwrap().path().join("src"), &mut all);
    }
    assert!(all.len() > 500, "{}", all.len());
    for path in all {
        let text = std::fs::read_to_string(&path).unwrap();
        // Tests of a file stand at its end, and keep nothing from anybody.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (at, line) in text.lines().enumerate() {
            assert!(!tells_by_its_time(line), "{}:{}: {line}", path.display(), at + 1);
        }
    }
}
