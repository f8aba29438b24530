//! Forged, confused, replayed and revoked tokens (rows 36-45, 82).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use spec::{Client, TestApp};

/// Every API that takes a token; a dead one must be dead everywhere.
const DOORS: [&str; 2] = ["/rest/v1/notes?select=id", "/auth/v1/user"];

fn encode(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

fn decode(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

async fn assert_refused(app: &TestApp, what: &str, token: &str) {
    for door in DOORS {
        let seen = app.stranger().with("authorization", &format!("Bearer {token}")).get(door).await;
        assert!(
            [400, 401, 403].contains(&seen.status.as_u16()),
            "{what} at {door}: {} {}",
            seen.status,
            seen.text()
        );
    }
}

async fn app_with_notes() -> TestApp {
    let app = TestApp::start().await;
    app.owner("create table public.notes (id int primary key, owner uuid default auth.uid(), body text);
               create policy own on public.notes using (owner = (select auth.uid())) with check (owner = (select auth.uid()))")
        .await;
    app
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
    for door in DOORS {
        ann.client.get(door).await.expect(200);
    }
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
    for secret in [jwk.to_string().into_bytes(), point, x.as_bytes().to_vec(), jwks.to_string().into_bytes()]
    {
        let head = encode(&json!({ "alg": "HS256", "typ": "JWT", "kid": jwk["kid"] }));
        let body = format!("{head}.{claims}");
        let mac = URL_SAFE_NO_PAD.encode(spec::hmac_sha256(&secret, body.as_bytes()));
        assert_refused(&app, "HS256 with our public key", &format!("{body}.{mac}")).await;
    }
}

#[tokio::test]
async fn row_39_a_header_cannot_choose_the_key() {
    let app = app_with_notes().await;
    let ann = app.person("ann").await;
    let mut parts = ann.access_token.split('.');
    let (head, claims, signature) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let tricks = [
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("' or 1=1 --")),
        ("kid", json!("")),
        ("kid", json!(null)),
        ("jku", json!("http://127.0.0.1:1/keys")),
        ("x5u", json!("http://127.0.0.1:1/cert")),
        ("jwk", json!({ "kty": "oct", "k": "AA" })),
        ("x5c", json!(["AA"])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
    ];
    for (name, value) in tricks {
        let mut header = decode(head);
        header[name] = value;
        assert_refused(&app, name, &format!("{}.{claims}.{signature}", encode(&header))).await;
    }
}

#[tokio::test]
async fn row_40_a_zero_signature_is_refused() {
    let app = app_with_notes().await;
    let ann = app.person("ann").await;
    let body = ann.access_token.rsplit_once('.').unwrap().0.to_owned();
    for signature in [vec![0u8; 64], vec![0xff; 64], vec![], vec![0u8; 63]] {
        assert_refused(&app, "forged signature", &format!("{body}.{}", URL_SAFE_NO_PAD.encode(signature)))
            .await;
    }
    let der = [0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00];
    assert_refused(&app, "zero DER signature", &format!("{body}.{}", URL_SAFE_NO_PAD.encode(der))).await;
}

#[tokio::test]
async fn row_41_a_token_of_another_instance_is_refused() {
    let (app, other) = (app_with_notes().await, TestApp::start().await);
    let stranger = other.person("ann").await;
    assert_refused(&app, "another instance's token", &stranger.access_token).await;
}

#[tokio::test]
async fn row_42_a_signed_out_token_is_dead_at_once_everywhere() {
    let app = app_with_notes().await;
    let ann = app.person("ann").await;
    for door in DOORS {
        ann.client.get(door).await.expect(200);
    }
    ann.client.post("/auth/v1/logout", json!({})).await.expect(204);
    assert_refused(&app, "signed-out token", &ann.access_token).await;
    let refresh = json!({ "refresh_token": ann.refresh_token });
    app.stranger().post("/auth/v1/token?grant_type=refresh_token", refresh).await.expect(400);
}

#[tokio::test]
async fn row_42_an_expired_token_is_refused() {
    let app = app_with_notes().await;
    let ann = app.person("ann").await;
    app.clock.advance(std::time::Duration::from_secs(15 * 60 + 60));
    assert_refused(&app, "expired token", &ann.access_token).await;
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
    let quickest = |other: &[u8], equal: fn(&[u8], &[u8]) -> bool| {
        let one = |_| {
            let began = std::time::Instant::now();
            for _ in 0..4 {
                assert!(!equal(black_box(&secret), black_box(other)));
            }
            began.elapsed().as_nanos()
        };
        (0..60).map(one).min().unwrap() as f64
    };
    let ours = quickest(&last, seal::same) / quickest(&first, seal::same);
    assert!((0.7..1.4).contains(&ours), "{ours}");
    // The measure itself sees one that stops at the first difference.
    let usual: fn(&[u8], &[u8]) -> bool =
        |left, right| left.iter().zip(right).all(|(left, right)| left == right);
    let theirs = quickest(&last, usual) / quickest(&first, usual);
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
