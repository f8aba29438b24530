//! Signing in with a wallet, and what is tried against it (rows of linking and tokens, in wallets' words).

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use k256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha3::{Digest, Keccak256};
use spec::{Authenticator, Person, Seen, TestApp, TestAppBuilder};

const SITE: &str = "https://app.example.com";

fn with_wallets() -> TestAppBuilder {
    TestApp::builder()
        .unlimited()
        .with("auth.site_url", SITE)
        .with("auth.external.web3.ethereum", "true")
        .with("auth.external.web3.solana", "true")
}

/// A wallet of either chain.
enum Wallet {
    Ethereum(Box<SigningKey>),
    Solana(Ed25519KeyPair),
}

impl Wallet {
    fn ethereum(seed: u8) -> Self {
        Wallet::Ethereum(Box::new(SigningKey::from_slice(&[seed; 32]).unwrap()))
    }

    fn solana(seed: u8) -> Self {
        Wallet::Solana(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    fn chain(&self) -> &'static str {
        match self {
            Wallet::Ethereum(_) => "ethereum",
            Wallet::Solana(_) => "solana",
        }
    }

    fn address(&self) -> String {
        match self {
            Wallet::Ethereum(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                format!("0x{}", hex::encode(&Keccak256::digest(&point.as_bytes()[1..])[12..]))
            }
            Wallet::Solana(key) => bs58::encode(key.public_key().as_ref()).into_string(),
        }
    }

    /// The text that auth-js has it sign, made now.
    fn text(&self, app: &TestApp) -> String {
        let (name, more) = match self {
            Wallet::Ethereum(_) => ("Ethereum", "Chain ID: 1\n"),
            Wallet::Solana(_) => ("Solana", ""),
        };
        format!(
            "app.example.com wants you to sign in with your {name} account:\n{}\n\nCome in.\n\nVersion: 1\n\
             URI: {SITE}/\n{more}Issued At: {}",
            self.address(),
            app.clock.now()
        )
    }

    fn sign(&self, text: &str) -> String {
        match self {
            Wallet::Ethereum(key) => {
                let spoken = format!("\u{19}Ethereum Signed Message:\n{}{text}", text.len());
                let (signature, id) = key.sign_prehash_recoverable(&Keccak256::digest(spoken.as_bytes()));
                format!("0x{}{:02x}", hex::encode(signature.to_bytes()), 27 + id.to_byte())
            }
            Wallet::Solana(key) => URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes())),
        }
    }
}

async fn show(app: &TestApp, chain: &str, message: &str, signature: &str) -> Seen {
    let body = json!({ "chain": chain, "message": message, "signature": signature });
    app.stranger().post("/auth/v1/token?grant_type=web3", body).await
}

/// Refused in OAuth's words, with nobody made.
#[track_caller]
fn refused(what: &str, seen: &Seen) {
    assert_eq!(seen.status, 400, "{what}: {}", seen.text());
    let said = seen.value();
    let known = said["error"] == "invalid_grant" || said["error_code"] == "validation_failed";
    assert!(known && said.get("access_token").is_none(), "{what}: {said}");
}

async fn people(app: &TestApp) -> i64 {
    app.database.admin().await.query_one("select count(*) from auth.users", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_wallet_opens_its_own_account_each_time_and_no_other() {
    let app = with_wallets().start().await;
    for (wallet, other) in
        [(Wallet::ethereum(1), Wallet::ethereum(2)), (Wallet::solana(1), Wallet::solana(2))]
    {
        let enter = async |wallet: &Wallet| {
            let text = wallet.text(&app);
            app.clock.advance(std::time::Duration::from_secs(1));
            show(&app, wallet.chain(), &text, &wallet.sign(&text)).await.expect(200).value()
        };
        let first = enter(&wallet).await;
        let person = Person::from(&app.stranger(), "", &first);
        let user = person.client.get("/auth/v1/user").await.expect(200).value();
        let subject = format!("web3:{}:{}", wallet.chain(), wallet.address());
        assert_eq!((&user["email"], &user["role"]), (&json!(""), &json!("authenticated")));
        assert_eq!(user["identities"][0]["provider"], "web3");
        assert_eq!(user["identities"][0]["id"], json!(subject));
        assert_eq!(user["app_metadata"]["provider"], "web3");
        assert_eq!(user["user_metadata"]["custom_claims"]["address"], json!(wallet.address()));
        let claims = first["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        assert_eq!((&claims["amr"][0]["method"], &claims["aal"]), (&json!("web3"), &json!("aal1")));
        assert_eq!(enter(&wallet).await["user"]["id"], user["id"], "again");
        assert_ne!(enter(&other).await["user"]["id"], user["id"], "somebody else");
    }
    assert_eq!(people(&app).await, 4);
    assert!(app.audited("auth.signup").await);
}

#[tokio::test]
async fn wallets_are_off_unless_they_are_set_each_chain_for_itself() {
    let wallet = Wallet::ethereum(1);
    let off = TestApp::builder().unlimited().with("auth.site_url", SITE).start().await;
    let text = wallet.text(&off);
    let seen = show(&off, "ethereum", &text, &wallet.sign(&text)).await.expect(422);
    assert_eq!(seen.field("error_code"), "web3_provider_disabled");
    let half =
        TestApp::builder().unlimited().with("auth.site_url", SITE).with("auth.external.web3.solana", "true");
    let half = half.start().await;
    let seen = show(&half, "ethereum", &text, &wallet.sign(&text)).await.expect(422);
    assert_eq!(
        (seen.field("error_code").as_str(), seen.field("msg").as_str()),
        ("web3_provider_disabled", "Ethereum Web3 provider is disabled")
    );
    let seen = show(&half, "bitcoin", &text, &wallet.sign(&text)).await.expect(400);
    assert_eq!(seen.field("error_code"), "web3_unsupported_chain");
    let wallet = Wallet::solana(1);
    let text = wallet.text(&half);
    show(&half, "solana", &text, &wallet.sign(&text)).await.expect(200);
    // Where nobody may sign up, nobody does this way.
    let closed = with_wallets().with("auth.disable_signup", "true").start().await;
    let text = wallet.text(&closed);
    let seen = show(&closed, "solana", &text, &wallet.sign(&text)).await.expect(422);
    assert_eq!(seen.field("error_code"), "signup_disabled");
}

/// Row 8 and 28: a text is for one site, one time, and a few minutes.
#[tokio::test]
async fn row_8_a_wallets_text_is_taken_once_however_many_bring_it() {
    let app = with_wallets().start().await;
    for wallet in [Wallet::ethereum(3), Wallet::solana(3)] {
        let text = wallet.text(&app);
        let body = json!({ "chain": wallet.chain(), "message": text, "signature": wallet.sign(&text) });
        let tries: Vec<_> = (0..30)
            .map(|_| {
                let (client, body) = (app.stranger(), body.clone());
                tokio::spawn(async move { client.post("/auth/v1/token?grant_type=web3", body).await })
            })
            .collect();
        let mut entered = 0;
        for tried in tries {
            let seen = tried.await.unwrap();
            match seen.status.as_u16() {
                200 => entered += 1,
                _ => refused("a replay", &seen),
            }
        }
        assert_eq!(entered, 1, "one of thirty");
        // Nor later, nor with the other spelling of its signature.
        app.clock.advance(std::time::Duration::from_secs(300));
        refused("five minutes later", &show(&app, wallet.chain(), &text, &wallet.sign(&text)).await);
        let spelled = match &wallet {
            Wallet::Ethereum(_) => wallet.sign(&text).to_uppercase().replacen("0X", "", 1),
            Wallet::Solana(_) => wallet.sign(&text).replace('-', "+").replace('_', "/") + "==",
        };
        refused("spelled otherwise", &show(&app, wallet.chain(), &text, &spelled).await);
        let again = wallet.text(&app);
        show(&app, wallet.chain(), &again, &wallet.sign(&again)).await.expect(200);
    }
}

#[tokio::test]
async fn row_28_a_wallets_text_for_another_site_or_time_or_of_another_key_opens_nothing() {
    let app = with_wallets().start().await;
    for (wallet, thief) in
        [(Wallet::ethereum(5), Wallet::ethereum(6)), (Wallet::solana(5), Wallet::solana(6))]
    {
        let text = wallet.text(&app);
        let now = app.clock.now().to_string();
        let at = |seconds: i64| (app.clock.now() + jiff::SignedDuration::from_secs(seconds)).to_string();
        let changes = [
            ("another site", "app.example.com", "evil.example".to_owned()),
            ("a site below", "app.example.com", "app.example.com.evil.example".to_owned()),
            (
                "a name before it",
                "https://app.example.com",
                "https://app.example.com@evil.example".to_owned(),
            ),
            ("another port", "app.example.com", "app.example.com:8443".to_owned()),
            ("without TLS", "https://", "http://".to_owned()),
            ("two addresses", "Version: 1", "Version: 1\nURI: https://evil.example/".to_owned()),
            ("another version", "Version: 1", "Version: 2".to_owned()),
            ("a line of nobody's", "Version: 1", "Version: 1\nAdmin: yes".to_owned()),
            ("too old", &now, at(-600)),
            ("of tomorrow", &now, at(3_600)),
            ("without a time", "Issued At", "Request ID".to_owned()),
            ("expired", &now, format!("{now}\nExpiration Time: {now}")),
            ("not yet", &now, format!("{now}\nNot Before: {}", at(60))),
        ];
        for (what, from, to) in &changes {
            // Signed as it is: nothing but what it says is wrong.
            let changed = text.replace(from, to);
            assert_ne!(&changed, &text, "{what}");
            refused(what, &show(&app, wallet.chain(), &changed, &wallet.sign(&changed)).await);
        }
        refused("the thief's signature", &show(&app, wallet.chain(), &text, &thief.sign(&text)).await);
        let forged = text.replace("Come in.", "Go away.");
        refused("another sentence", &show(&app, wallet.chain(), &forged, &wallet.sign(&text)).await);
        let named = text.replace(&wallet.address(), &thief.address());
        refused("another's name", &show(&app, wallet.chain(), &named, &wallet.sign(&named)).await);
        let other = if wallet.chain() == "solana" { "ethereum" } else { "solana" };
        refused("as the other chain", &show(&app, other, &text, &wallet.sign(&text)).await);
        for odd in ["", "0x", "AA", &"0".repeat(130), &"A".repeat(86), &"é".repeat(40)] {
            refused("no signature", &show(&app, wallet.chain(), &text, odd).await);
        }
        refused("no text", &show(&app, wallet.chain(), "", &wallet.sign("")).await);
        let long = format!("{text}\nRequest ID: {}", "x".repeat(21_000));
        refused("too long", &show(&app, wallet.chain(), &long, &wallet.sign(&long)).await);
    }
    // Row 40: the mirror image of an Ethereum signature.
    let wallet = Wallet::ethereum(7);
    let text = wallet.text(&app);
    let bytes = hex::decode(wallet.sign(&text).trim_start_matches("0x")).unwrap();
    let signature = Signature::from_slice(&bytes[..64]).unwrap();
    let (r, s) = signature.split_scalars();
    let mirrored = Signature::from_scalars(r, -s).unwrap();
    for id in 27..31 {
        let mirrored = format!("0x{}{id:02x}", hex::encode(mirrored.to_bytes()));
        refused("a mirrored signature", &show(&app, "ethereum", &text, &mirrored).await);
    }
    assert_eq!(people(&app).await, 0, "nobody was made by any of it");
    assert!(app.audited("auth.login_failed").await);
    // The neighbour: the same text, honestly.
    show(&app, "ethereum", &text, &wallet.sign(&text)).await.expect(200);
}

/// Rows 6 and 16: what a wallet says gives no address, no role and no level.
#[tokio::test]
async fn row_16_a_wallet_is_one_proof_and_a_ban_holds_for_it() {
    let app = with_wallets().with("mfa.required", "true").start().await;
    let wallet = Wallet::solana(9);
    let enter = async || {
        app.clock.advance(std::time::Duration::from_secs(1));
        let text = wallet.text(&app);
        show(&app, "solana", &text, &wallet.sign(&text)).await
    };
    let first = Person::from(&app.stranger(), "", &enter().await.expect(200).value());
    let (high, _) = Authenticator::with(&first, app.clock.now().as_second()).await;
    high.client.get("/auth/v1/user/sessions").await.expect(200);
    let low = Person::from(&app.stranger(), "", &enter().await.expect(200).value());
    low.client.get("/auth/v1/user/sessions").await.expect(403);
    let user = format!("/auth/v1/admin/users/{}", high.id);
    app.service().json(Method::PUT, &user, json!({ "ban_duration": "1h" })).await.expect(200);
    let seen = enter().await;
    assert!(seen.status.is_client_error() && seen.text().contains("user_banned"), "{}", seen.text());
}
