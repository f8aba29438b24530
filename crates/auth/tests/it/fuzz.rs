//! Texts that pretend to be credentials: nothing but the very text that was given out opens anything, and nothing panics.
//!
//! Half of the tries are noise of the right alphabet and length, half are real credentials with something changed: a byte,
//! a piece cut out, doubled or moved, two of them joined, a header or claim written anew.

use std::time::{Duration, Instant};

use auth::mfa::Error as Mfa;
use auth::{Credentials, Error};
use base::{Rng, Secret};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::world::World;

const ALPHABETS: [&[u8]; 4] = [
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.",
    b"{}[]\":,.eyJhbGciOiJub25lIn0nulltruefalse0123456789\\u00",
    b"sb_publishable_secret_0123456789abcdef",
    b"\0\x01\x7f\xc3\xa4\xf0\x9f\x94\x91 \t\r\n=+/%",
];

/// What was given out, and may open something.
struct Given {
    bearers: Vec<String>,
    refresh: Vec<String>,
    codes: Vec<String>,
}

async fn given(world: &World) -> (Given, auth::Visit) {
    let ann = world.sign_up("ann@example.com").await;
    let (ann, _) = crate::mfa::with_totp(world, &ann).await;
    let visit = world.visit_of(&ann).await;
    let codes = world.auth.make_recovery_codes(false, &visit).await.unwrap().into_inner().codes;
    let keys = world.auth.default_keys().unwrap();
    let given = Given {
        bearers: vec![
            ann.access_token.expose().clone(),
            keys.publishable.clone(),
            keys.secret.expose().clone(),
            keys.anon_token.clone(),
            keys.service_token.expose().clone(),
        ],
        refresh: vec![ann.refresh_token.expose().clone()],
        codes: codes.iter().map(|code| code.expose().clone()).collect(),
    };
    (given, visit)
}

fn pick<'a, T>(rng: &Rng, from: &'a [T]) -> &'a T {
    &from[rng.below(u32::try_from(from.len()).unwrap()) as usize]
}

fn at(rng: &Rng, length: usize) -> usize {
    rng.below(u32::try_from(length.max(1)).unwrap()) as usize
}

fn noise(rng: &Rng) -> String {
    let alphabet = pick(rng, &ALPHABETS);
    let length = match rng.below(8) {
        0 => 0,
        7 => 4_000 + at(rng, 20_000),
        _ => at(rng, 300),
    };
    let bytes: Vec<u8> = (0..length).map(|_| *pick(rng, alphabet)).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A real one with something changed.
fn changed(rng: &Rng, real: &[String]) -> String {
    let mut bytes = pick(rng, real).clone().into_bytes();
    for _ in 0..=rng.below(3) {
        if bytes.is_empty() {
            break;
        }
        let (from, to) = (at(rng, bytes.len()), at(rng, bytes.len()));
        let (from, to) = (from.min(to), from.max(to));
        match rng.below(9) {
            0 => bytes[from] ^= 1 << rng.below(7),
            1 => bytes[from] = *pick(rng, ALPHABETS[0]),
            2 => drop(bytes.drain(from..to)),
            3 => {
                let piece = bytes[from..to].to_vec();
                bytes.splice(from..from, piece);
            }
            4 => bytes.truncate(from),
            5 => bytes.extend_from_slice(noise(rng).as_bytes()),
            6 => bytes.splice(from..from, pick(rng, real).clone().into_bytes()).for_each(drop),
            7 => bytes = rewritten(rng, &bytes, real),
            _ => bytes.swap(from, to),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A part of a token, decoded, changed and encoded again; or parts of two tokens.
fn rewritten(rng: &Rng, bytes: &[u8], real: &[String]) -> Vec<u8> {
    const HEADERS: [&str; 6] = [
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"ES256","kid":"../../x"}"#,
        r#"{"alg":"ES256","jwk":{}}"#,
        r#"{"alg":"HS256","kid":null,"crit":["b64"],"b64":false}"#,
        r#"{"alg":["ES256"]}"#,
    ];
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut parts: Vec<String> = text.split('.').map(str::to_owned).collect();
    let other: Vec<&str> = pick(rng, real).split('.').collect();
    let place = at(rng, parts.len());
    parts[place] = match rng.below(4) {
        0 => URL_SAFE_NO_PAD.encode(pick(rng, &HEADERS)),
        1 => URL_SAFE_NO_PAD.encode(noise(rng)),
        2 => (*pick(rng, &other)).to_owned(),
        _ => {
            let decoded = URL_SAFE_NO_PAD.decode(&parts[place]).unwrap_or_default();
            let claims = String::from_utf8_lossy(&decoded).into_owned();
            let with = [
                ("authenticated", "service_role"),
                ("aal1", "aal2"),
                ("anon", "service_role"),
                ("\"exp\":", "\"exp\":9"),
            ];
            let (from, to) = pick(rng, &with);
            URL_SAFE_NO_PAD.encode(claims.replace(from, to))
        }
    };
    parts.join(".").into_bytes()
}

/// Tries `count` texts of one seed everywhere a credential is read.
async fn try_all(world: &World, given: &Given, visit: &auth::Visit, seed: u64, count: u32) {
    let rng = Rng::seeded(seed);
    for number in 0..count {
        let half = rng.below(2) == 0;
        let bearer = if half { noise(&rng) } else { changed(&rng, &given.bearers) };
        let apikey = (rng.below(3) == 0).then(|| Secret::new(changed(&rng, &given.bearers)));
        let opens = |text: &str| given.bearers.iter().any(|real| real == text);
        let credentials = Credentials {
            apikey: apikey.clone(),
            bearer: Some(Secret::from(&*bearer)),
            browser: half,
            ..Credentials::default()
        };
        if world.auth.identify(&credentials, None).await.is_ok() {
            let key_is_real = apikey.as_ref().is_none_or(|key| opens(key.expose()));
            assert!(
                opens(&bearer) && key_is_real,
                "seed {seed}, {number}: {bearer:?} with {:?}",
                apikey.map(|key| key.expose().clone())
            );
        }
        let refresh = if half { noise(&rng) } else { changed(&rng, &given.refresh) };
        if !given.refresh.contains(&refresh) {
            assert!(
                world.auth.refresh(&refresh, visit).await.is_err(),
                "seed {seed}, {number}: {refresh:?} refreshed"
            );
        }
        if rng.below(50) == 0 {
            let code = if half { noise(&rng) } else { changed(&rng, &given.codes) };
            let same = |real: &String| real.replace('-', "") == code.replace('-', "").to_uppercase();
            if !given.codes.iter().any(same) {
                let refused = world.auth.use_recovery_code(&Secret::new(code), visit).await;
                let expected =
                    matches!(refused, Err(Error::Mfa(Mfa::WrongRecoveryCode | Mfa::RecoveryLocked { .. })));
                assert!(expected, "seed {seed}, {number}: a recovery code was taken");
            }
        }
    }
}

#[tokio::test]
async fn no_text_but_the_one_given_out_is_a_credential() {
    let world = World::new().await;
    let (given, visit) = given(&world).await;
    try_all(&world, &given, &visit, 1, 4_000).await;
    for real in &given.bearers {
        assert!(world.bearer(real).await.is_ok(), "the real ones still open");
    }
    assert!(world.refresh(&Secret::from(&*given.refresh[0])).await.is_ok());
}

#[tokio::test]
#[ignore = "long: an hour of invented tokens, keys, refresh tokens and recovery codes"]
async fn soak_invented_credentials() {
    let world = World::new().await;
    let (given, visit) = given(&world).await;
    let began = Instant::now();
    let mut seed = 2;
    while began.elapsed() < Duration::from_secs(3_600) {
        try_all(&world, &given, &visit, seed, 1_000).await;
        seed += 1;
    }
    assert!(seed > 100, "{seed} thousand tries in an hour");
}
