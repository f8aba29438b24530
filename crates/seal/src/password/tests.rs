//! Passwords against hashes of every accepted kind.

use std::time::{Duration, Instant};

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

use super::*;

fn hasher() -> Hasher {
    Hasher::new(2, &Rng::seeded(1), Secret::new([7; 32])).unwrap()
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

#[tokio::test]
async fn a_password_matches_its_own_hash_only() {
    let hasher = hasher();
    let stored = hasher.hash(&secret("correct horse battery")).await.unwrap();
    assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
    let parsed = PasswordHash::new(&stored).unwrap();
    assert!(
        Argon2::default().verify_password(b"correct horse battery", &parsed).is_ok(),
        "others can read it"
    );
    assert_eq!(hasher.verify(&secret("correct horse battery"), Some(&stored)).await.unwrap(), Verdict::Right);
    assert_eq!(hasher.verify(&secret("correct horse batterz"), Some(&stored)).await.unwrap(), Verdict::Wrong);
    assert_eq!(hasher.verify(&secret(""), Some(&stored)).await.unwrap(), Verdict::Wrong);
}

#[tokio::test]
async fn without_a_stored_hash_every_password_is_wrong_and_costs_a_hash() {
    let hasher = hasher();
    for stored in [None, Some("")] {
        let before = Instant::now();
        assert_eq!(hasher.verify(&secret("anything at all"), stored).await.unwrap(), Verdict::Wrong);
        assert!(before.elapsed() > Duration::from_millis(1), "an argon2 hash was computed");
    }
}

/// Attack row 24.
#[tokio::test]
async fn passwords_that_differ_after_72_bytes_or_a_nul_differ() {
    let hasher = hasher();
    let long = "a".repeat(72);
    for (one, other) in
        [(format!("{long}b"), format!("{long}c")), ("pass\0word-one".into(), "pass\0word-two".into())]
    {
        let stored = hasher.hash(&secret(&one)).await.unwrap();
        assert_eq!(hasher.verify(&secret(&other), Some(&stored)).await.unwrap(), Verdict::Wrong);
    }
    let imported = bcrypt::hash(&long, 4).unwrap();
    assert!(hasher.verify(&secret(&format!("{long}b")), Some(&imported)).await.unwrap() == Verdict::Wrong);
    let imported = bcrypt::hash("pass", 4).unwrap();
    assert!(hasher.verify(&secret("pass\0pass"), Some(&imported)).await.unwrap() == Verdict::Wrong);
}

#[tokio::test]
async fn imported_bcrypt_and_older_argon2_hashes_are_accepted_and_due_for_a_new_one() {
    let hasher = hasher();
    let bcrypt = bcrypt::hash("imported password", 4).unwrap();
    for prefix in ["$2a$", "$2b$", "$2y$"] {
        let stored = format!("{prefix}{}", &bcrypt[4..]);
        assert_eq!(
            hasher.verify(&secret("imported password"), Some(&stored)).await.unwrap(),
            Verdict::RightButOld,
            "{prefix}"
        );
        assert_eq!(
            hasher.verify(&secret("another password"), Some(&stored)).await.unwrap(),
            Verdict::Wrong,
            "{prefix}"
        );
    }
    let salt = SaltString::encode_b64(&[7; 16]).unwrap();
    for kind in [argon2::Algorithm::Argon2i, argon2::Algorithm::Argon2id] {
        let weak = Argon2::new(kind, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let stored = weak.hash_password(b"imported password", &salt).unwrap().to_string();
        assert_eq!(
            hasher.verify(&secret("imported password"), Some(&stored)).await.unwrap(),
            Verdict::RightButOld
        );
    }
}

/// Attack row 25.
#[tokio::test]
async fn a_ten_megabyte_password_is_refused_before_it_is_hashed() {
    let hasher = hasher();
    let huge = secret(&"x".repeat(10 << 20));
    let before = Instant::now();
    assert!(matches!(hasher.hash(&huge).await, Err(Error::PasswordTooLong)));
    assert!(matches!(hasher.verify(&huge, None).await, Err(Error::PasswordTooLong)));
    assert!(before.elapsed() < Duration::from_millis(50));
    assert!(hasher.hash(&secret(&"ä".repeat(128))).await.is_ok(), "128 characters are fine");
}

#[tokio::test]
async fn hashes_that_would_cost_too_much_or_are_of_unknown_kinds_are_nobodys() {
    let greedy = [
        "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0$cmVzdWx0cmVzdWx0cmVzdWx0cmVzdWx0",
        "$argon2id$v=19$m=19456,t=9999,p=1$c2FsdHNhbHRzYWx0$cmVzdWx0cmVzdWx0cmVzdWx0cmVzdWx0",
        "$2b$31$abcdefghijklmnopqrstuuKb2Vd0d8lW0sS0dYh8kP3ZzQ1oO7yKq",
        "$2x$04$abcdefghijklmnopqrstuuKb2Vd0d8lW0sS0dYh8kP3ZzQ1oO7yKq",
        "$6$rounds=5000$salt$hash",
        "plain text",
    ];
    let hasher = hasher();
    for stored in greedy {
        assert!(!Hasher::accepts(stored), "{stored}");
        let before = Instant::now();
        assert_eq!(
            hasher.verify(&secret("anything"), Some(stored)).await.unwrap(),
            Verdict::Wrong,
            "{stored}"
        );
        assert!(before.elapsed() < Duration::from_secs(1), "{stored}");
    }
}

#[tokio::test]
async fn a_crowd_is_refused_instead_of_queued_without_end() {
    let hasher = hasher();
    let held = hasher.queue.clone().acquire_many_owned(limits::HASH_QUEUE_MAX.value as u32).await.unwrap();
    assert!(matches!(hasher.hash(&secret("a fine password")).await, Err(Error::Crowded)));
    drop(held);
    assert!(hasher.hash(&secret("a fine password")).await.is_ok());
}

/// Whoever is imported with half a hash would never get in, and nobody would know why.
#[tokio::test]
async fn a_hash_that_nothing_can_be_compared_with_is_not_accepted() {
    let whole = "$2b$10$abcdefghijklmnopqrstuuKb2Vd0d8lW0sS0dYh8kP3ZzQ1oO7yKq";
    let argon2 = "$argon2id$v=19$m=64,t=3,p=1$c2FsdHNhbHRzYWx0$cmVzdWx0cmVzdWx0cmVzdWx0cmVzdWx0";
    assert!(Hasher::accepts(whole) && Hasher::accepts(argon2));
    for bad in [
        "$2b$10$abc",
        "$2b$10$",
        "$2b$10$\0",
        &whole.replace("$10$", "$03$"),
        &whole.replace("$10$", "$+9$"),
        &whole.replace("abc", "a!c"),
        &whole.replace("abc", "éc"),
        &format!("{whole}x"),
        &whole.replace("0d8", "0$8"),
        "$argon2id$v=19$m=64,t=3,p=1",
        "$argon2id$v=19$m=64,t=3,p=1$c2FsdHNhbHRzYWx0",
        "$argon2id$v=19$m=64,t=3,p=1$c2Fs$cmVzdWx0cmVzdWx0cmVzdWx0cmVzdWx0",
        &argon2.replace("v=19", "v=20"),
    ] {
        assert!(!Hasher::accepts(bad), "{bad}");
        assert_eq!(hasher().verify(&secret("one"), Some(bad)).await.unwrap(), Verdict::Wrong);
    }
}

/// The example that Firebase's own documentation of its scrypt prints.
#[tokio::test]
async fn firebases_hashes_are_accepted_and_due_for_a_new_one() {
    let key = "ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw==";
    let hash = "zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw==";
    let with = |n: u32, r: u32, p: u32, sk: &str, hash: &str| {
        format!("$fbscrypt$v=1,n={n},r={r},p={p},ss=Bw==,sk={sk}$C0sHCg9ek77hsg==${hash}")
    };
    let hasher = hasher();
    let stored = with(14, 8, 1, key, hash);
    assert!(Hasher::accepts(&stored));
    let right = hasher.verify(&secret("mytestpassword"), Some(&stored)).await.unwrap();
    assert_eq!(right, Verdict::RightButOld);
    let wrong = hasher.verify(&secret("mytestpasswore"), Some(&stored)).await.unwrap();
    assert_eq!(wrong, Verdict::Wrong);
    for bad in [
        with(30, 8, 1, key, hash),
        with(14, 1_000, 1, key, hash),
        with(14, 8, 64, key, hash),
        with(0, 8, 1, key, hash),
        with(14, 8, 1, "", hash),
        with(14, 8, 1, key, "AAAA"),
        stored.replace("v=1", "v=2"),
        stored.replace("$C0sH", "$!"),
        "$fbscrypt$".to_owned(),
        "$fbscrypt$v=1,n=14$a$b$c".to_owned(),
    ] {
        assert!(!Hasher::accepts(&bad), "{bad}");
        assert_eq!(hasher.verify(&secret("mytestpassword"), Some(&bad)).await.unwrap(), Verdict::Wrong);
    }
}

/// Attack row 19.
#[tokio::test]
async fn whatever_a_hash_is_made_of_a_password_costs_the_same() {
    let hasher = hasher();
    let salt = SaltString::encode_b64(&[7; 16]).unwrap();
    let weak = Argon2::new(Algorithm::Argon2i, Version::V0x13, Params::new(64, 3, 1, None).unwrap());
    let weak = weak.hash_password(b"one", &salt).unwrap().to_string();
    let scrypt = format!(
        "$fbscrypt$v=1,r=8,n=4,p=1,ss=Bw==,sk={0}$C0sHCg9ek77hsg==${0}",
        "c2lnbmVyIGtleSBvZiBmb3J0eSBieXRlcywgb3IgbW9yZSBvZiB0aGVt"
    );
    let (low, high) = (bcrypt::hash("one", 4).unwrap(), bcrypt::hash("one", 6).unwrap());
    let ours = hasher.hash(&secret("one")).await.unwrap();
    let beginnings =
        ["$2b$04", "$2b$06", "$argon2i$v=19$m=64,t=3,p=1", "$fbscrypt$v=1,r=8,n=4,p=1,ss=Bw==,sk=x"];
    let work =
        Work::of(beginnings.into_iter().chain(["$6$rounds=5000", "$2b$31", "$argon2id$v=19$m=1", "", "$"]));
    let cost = async |password: &str, stored: Option<&str>, work: &Work| {
        let before = hasher.work_done();
        hasher.verify_alike(&secret(password), stored, "ann@example.com", work).await.unwrap();
        std::array::from_fn::<u64, 3, _>(|at| hasher.work_done()[at] - before[at])
    };
    let expected = [u64::from(MEMORY_KIB * PASSES) + 64 * 3, 1 << 6, 8 << 4];
    let stored = [&low, &high, &weak, &scrypt, &ours].map(|stored| Some(stored.as_str()));
    let nobodys = [
        None,
        Some(""),
        Some("$2b$31$abcdefghijklmnopqrstuuKb2Vd0d8lW0sS0dYh8kP3ZzQ1oO7yKq"),
        Some("$2b$04$x"),
    ];
    for stored in stored.into_iter().chain(nobodys) {
        // What bcrypt does not read costs what it would have.
        for password in ["two", "", "a\0b", &"x".repeat(200)] {
            assert_eq!(cost(password, stored, &work).await, expected, "{stored:?} {password:?}");
        }
    }
    assert_eq!(cost("one", Some(&high), &work).await, expected, "the right one too");
    // Where nobody was imported it is one hash of ours.
    let alone = Work::of([]);
    for stored in [Some(ours.as_str()), None] {
        assert_eq!(cost("two", stored, &alone).await, [u64::from(MEMORY_KIB * PASSES), 0, 0]);
    }
}

/// Attack row 19. Which memory argon2id reads depends on the salt.
#[tokio::test]
async fn names_without_a_hash_have_a_salt_each_and_it_stays_theirs() {
    let nobodys = Nobodys::new(Secret::new([7; 32]));
    let hash = nobodys.hash("nobody@example.com").unwrap();
    assert_eq!(nobodys.hash("nobody@example.com").unwrap(), hash);
    let made = hasher().hash(&secret("one")).await.unwrap();
    assert_eq!(hash.len(), made.len(), "it is read as one of ours is: {hash} {made}");
    let salt_of = |hash: &str| hash.split('$').nth(4).unwrap().to_owned();
    let mut salts = std::collections::BTreeSet::from([salt_of(&hash), salt_of(&made)]);
    for at in 0..100 {
        salts.insert(salt_of(&nobodys.hash(&format!("nobody-{at}@example.com")).unwrap()));
    }
    salts.insert(salt_of(&Nobodys::new(Secret::new([8; 32])).hash("nobody@example.com").unwrap()));
    assert_eq!(salts.len(), 103);
    // Whoever guesses what it says is not let in by it either.
    for password in ["", "nobody@example.com", &hash] {
        let verdict =
            hasher().verify_alike(&secret(password), None, "nobody@example.com", &Work::default()).await;
        assert_eq!(verdict.unwrap(), Verdict::Wrong);
    }
}

#[tokio::test]
async fn makes_without_number_do_not_make_a_password_cost_without_end() {
    let many: Vec<String> = (1..=40).map(|n| format!("$argon2id$v=19$m=64,t={},p=1", 1 + n % 10)).collect();
    let work = Work::of(many.iter().map(String::as_str));
    assert!(work.rest(None, OURS).len() <= limits::HASH_MAKES_MAX.size() + 1);
}
