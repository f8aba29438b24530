//! The way through a mail server: under TLS with a valid certificate, or not at all.

use std::sync::Arc;

use base::{Rng, Settings};
use mail::{Error, Letter, Message, Outbox, Sender, State};
use pg::Reason;
use tempfile::TempDir;
use testkit::Database;

use crate::server::{Manner, Server};

const LINK: &str = "https://example.org/verify?token=a-very-secret-link";
const PASSWORD: &str = "the-mail-servers-password";

struct House {
    db: Database,
    dir: TempDir,
}

impl House {
    async fn new() -> Self {
        House { db: Database::new(mail::MIGRATIONS).await, dir: tempfile::tempdir().expect("a directory") }
    }

    /// Puts and delivers one mail through `server`, trusting `ca_pem`.
    async fn deliver(&self, server: &Server, ca_pem: &str, security: &str) -> (Result<(), Error>, Letter) {
        let ca_file = self.dir.path().join("ca.pem");
        std::fs::write(&ca_file, ca_pem).expect("written");
        let port = server.port.to_string();
        let given = [
            ("email.smtp_host", "localhost"),
            ("email.smtp_port", port.as_str()),
            ("email.smtp_user", "palisade"),
            ("email.smtp_password", PASSWORD),
            ("email.smtp_security", security),
            ("email.smtp_ca_file", ca_file.to_str().expect("text")),
            ("email.from_address", "noreply@example.org"),
        ];
        let settings =
            given.iter().fold(Settings::default(), |settings, (name, value)| settings.with(name, value));
        let sender = Sender::configured(&settings).expect("configured");
        let outbox = Outbox::open(mail::Parts {
            pg: self.db.pg(),
            root: Arc::new(seal::RootKey::from_bytes([7; 32]).expect("a key")),
            settings,
            sender,
            clock: testkit::mock_clock().clock(),
            rng: Rng::system(),
        })
        .expect("opened");
        let message = Message {
            kind: "confirmation",
            to: "ann@example.org".into(),
            subject: "Bestätigen Sie Ihre Adresse".into(),
            text: LINK.into(),
            html: Some(format!("<a href=\"{LINK}\">ja</a>").as_str().into()),
        };
        let mut tx = self.db.pg().begin_system(Reason::Outbox).await.expect("begun");
        let id = outbox.put(&mut tx, &message).await.expect("put");
        tx.commit(()).await.expect("committed").into_inner();
        let outcome = outbox.deliver(id, false).await;
        (outcome, outbox.get(id).await.expect("there"))
    }
}

fn transcript(letter: &Letter) -> String {
    letter.attempts.iter().flat_map(|attempt| &attempt.transcript).map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn a_mail_travels_under_tls_and_its_transcript_tells_no_secret() {
    for (manner, security) in [(Manner::Good, "starttls"), (Manner::Good, "auto"), (Manner::Implicit, "tls")]
    {
        let house = House::new().await;
        let server = Server::start(manner, "localhost").await;
        let (outcome, letter) = house.deliver(&server, &server.ca_pem, security).await;
        outcome.expect("sent");
        assert_eq!(letter.summary.state, State::Sent);
        assert!(
            server.under_tls().contains("RCPT TO:<ann@example.org>")
                && server.under_tls().contains("Message-ID: <")
        );
        assert!(
            !server.in_clear().contains("AUTH") && !server.in_clear().contains("MAIL"),
            "{}",
            server.in_clear()
        );
        let told = transcript(&letter);
        assert!(told.contains("queued as 4711") && told.contains("RCPT TO"), "{told}");
        assert!(
            !told.contains("secret-link") && !told.contains(PASSWORD) && !told.contains("AHBhbGlzYWRl"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn a_server_without_tls_gets_neither_mail_nor_password() {
    let house = House::new().await;
    let server = Server::start(Manner::Plain, "localhost").await;
    let (outcome, letter) = house.deliver(&server, &server.ca_pem, "auto").await;
    assert!(matches!(outcome, Err(Error::Smtp { step: "STARTTLS", .. })), "{outcome:?}");
    assert_eq!(letter.summary.state, State::Waiting);
    assert!(
        !server.in_clear().contains("AUTH") && !server.in_clear().contains("MAIL"),
        "{}",
        server.in_clear()
    );
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_name_is_not_accepted() {
    let stranger = Server::start(Manner::Good, "localhost").await;
    for (manner, security, name, trusts_its_own) in [
        (Manner::Good, "starttls", "localhost", false),
        (Manner::Implicit, "tls", "localhost", false),
        (Manner::Good, "starttls", "elsewhere.example.org", true),
    ] {
        let house = House::new().await;
        let server = Server::start(manner, name).await;
        let ca_pem = if trusts_its_own { &server.ca_pem } else { &stranger.ca_pem };
        let (outcome, letter) = house.deliver(&server, ca_pem, security).await;
        let refused = outcome.expect_err("refused");
        let why = base::fault::chain(&refused);
        assert!(why.contains("certificate"), "{why}");
        assert!(server.under_tls().is_empty() && !server.in_clear().contains("AUTH"), "{:?}", server.heard());
        assert_eq!(letter.summary.state, State::Waiting);
    }
}

#[tokio::test]
async fn a_lasting_no_gives_the_mail_up_and_a_passing_one_does_not() {
    for (says, state) in [("550 no such user", State::Failed), ("450 try later", State::Waiting)] {
        let house = House::new().await;
        let server = Server::start(Manner::Refuses(says), "localhost").await;
        let (outcome, letter) = house.deliver(&server, &server.ca_pem, "auto").await;
        assert!(matches!(outcome, Err(Error::Smtp { step: "RCPT TO", .. })), "{outcome:?}");
        assert_eq!(letter.summary.state, state);
        assert!(transcript(&letter).contains(&says[4..]), "{}", transcript(&letter));
    }
}
