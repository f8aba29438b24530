//! The outbox: what waits to be sent, and what became of what was.
//!
//! A mail may be sent twice when the server stops between the mail server's yes and our note of it; both carry the
//! same `Message-ID`. It is never lost once the transaction that put it has committed.

use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Rng, Secret, Settings};
use jiff::{SignedDuration, Timestamp};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MultiPart};
use pg::{Open, Pg, Reason, Row};
use seal::RootKey;
use uuid::Uuid;

use crate::message::{Message, split_bodies};
use crate::sender::Sender;
use crate::smtp::Transcript;
use crate::{Error, limits, settings, sql};

/// What the outbox is built from.
pub struct Parts {
    /// The database.
    pub pg: Pg,
    /// Seals bodies at rest.
    pub root: Arc<RootKey>,
    /// The merged settings: who our mail comes from.
    pub settings: Settings,
    /// The way out.
    pub sender: Sender,
    /// The time.
    pub clock: Clock,
    /// Randomness, for ids.
    pub rng: Rng,
}

/// The outbox. Cheap to clone.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    pg: Pg,
    root: Arc<RootKey>,
    sender: Sender,
    from: Mailbox,
    retention: Duration,
    clock: Clock,
    rng: Rng,
}

/// Where a mail is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// To be sent, or sent again.
    Waiting,
    /// A mail server took it.
    Sent,
    /// It was given up.
    Failed,
    /// It stays here, to be looked at.
    Caught,
}

impl State {
    /// As the table spells it.
    pub const fn name(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Sent => "sent",
            State::Failed => "failed",
            State::Caught => "caught",
        }
    }

    fn read(name: &str) -> Result<Self, pg::Error> {
        [State::Waiting, State::Sent, State::Failed, State::Caught]
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| pg::Error::Shape { column: "state".to_owned(), expected: "state of a mail" })
    }
}

/// A mail without its body.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Its id.
    pub id: Uuid,
    /// When it was put.
    pub created_at: Timestamp,
    /// What it is about.
    pub kind: String,
    /// To whom.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Where it is.
    pub state: State,
    /// How often it was tried.
    pub tries: i32,
    /// When it was sent or given up.
    pub settled_at: Option<Timestamp>,
}

/// One try.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// 1, 2, 3…
    pub number: i32,
    /// When.
    pub at: Timestamp,
    /// `sent`, `again` or `failed`.
    pub outcome: String,
    /// What was said, without bodies and passwords.
    pub transcript: Vec<String>,
}

/// A mail with everything about it.
pub struct Letter {
    /// The mail.
    pub summary: Summary,
    /// Its plain text; gone once it was sent or given up.
    pub text: Option<Secret<String>>,
    /// Its HTML.
    pub html: Option<Secret<String>>,
    /// Every try.
    pub attempts: Vec<Attempt>,
}

/// Who mails are from. A way out needs a sender; where nothing leaves, any will do.
fn from(settings: &Settings, sender: &Sender) -> Result<Mailbox, Error> {
    let address = match (sender, settings.get(&settings::FROM_ADDRESS)) {
        (_, Some(address)) => address,
        (Sender::Smtp(_), None) => String::new(),
        (Sender::Files(_) | Sender::Memory(_) | Sender::Catch | Sender::None, None) => {
            "palisade@localhost".into()
        }
    };
    let address = address.parse().map_err(|source| Error::Address { field: "email.from_address", source })?;
    Ok(Mailbox::new(Some(settings.get(&settings::FROM_NAME)), address))
}

impl Outbox {
    /// Whether mail could leave with these settings, before anything is opened.
    pub fn check(settings: &Settings) -> Result<(), Error> {
        from(settings, &Sender::configured(settings)?).map(drop)
    }

    /// Opens the outbox. Refuses a sender's address that is not one.
    pub fn open(parts: Parts) -> Result<Self, Error> {
        let Parts { pg, root, settings, sender, clock, rng } = parts;
        let from = from(&settings, &sender)?;
        let retention = settings.get(&settings::OUTBOX_RETENTION);
        Ok(Outbox(Arc::new(Inner { pg, root, sender, from, retention, clock, rng })))
    }

    /// Whether a mail that is put can reach anybody: its recipient, or in `dev` whoever looks here.
    pub fn takes_mail(&self) -> bool {
        !matches!(self.0.sender, Sender::None)
    }

    /// Whether mail stays here instead of leaving.
    pub fn is_catcher(&self) -> bool {
        matches!(self.0.sender, Sender::Catch)
    }

    /// Whether a mail to this address stays here: all of it in `dev`, and what no mail server could deliver (RFC 2606).
    pub fn keeps(&self, to: &str) -> bool {
        self.is_catcher() || to.to_ascii_lowercase().ends_with(".invalid")
    }

    /// Puts a mail, in the transaction that asks for it. `jobs::post` does this and sees to its delivery.
    pub async fn put(&self, tx: &mut Open, message: &Message) -> Result<Uuid, Error> {
        if !self.takes_mail() {
            return Err(Error::NoSender);
        }
        message.check()?;
        let inner = &self.0;
        let id = inner.rng.uuid();
        let sealed = inner.root.seal(message.bodies().expose(), &context(id))?;
        let state = if self.keeps(&message.to) { State::Caught } else { State::Waiting };
        tx.execute(
            sql::PUT,
            [
                id.into(),
                inner.clock.now().into(),
                message.kind.into(),
                message.to.as_str().into(),
                message.subject.as_str().into(),
                sealed.as_slice().into(),
                state.name().into(),
            ],
        )
        .await?;
        Ok(id)
    }

    /// Keeps a text to a telephone beside the mails, where nothing leaves: for whoever looks.
    pub async fn keep_text(&self, to: &str, text: &Secret<String>) -> Result<Uuid, Error> {
        if !self.is_catcher() {
            return Err(Error::NoSender);
        }
        let inner = &self.0;
        let id = inner.rng.uuid();
        let message = Message {
            kind: "text",
            to: to.to_owned(),
            subject: "Text".to_owned(),
            text: text.clone(),
            html: None,
        };
        let sealed = inner.root.seal(message.bodies().expose(), &context(id))?;
        let row = [
            id.into(),
            inner.clock.now().into(),
            message.kind.into(),
            to.into(),
            message.subject.as_str().into(),
            sealed.as_slice().into(),
            State::Caught.name().into(),
        ];
        let mut tx = inner.pg.begin_system(Reason::Outbox).await?;
        tx.execute(sql::PUT, row).await?;
        tx.commit(()).await?.into_inner();
        Ok(id)
    }

    /// Tries to deliver a mail and notes what was said. A mail that is settled already stays as it is. With `last`,
    /// or when the mail server says never, it is given up.
    pub async fn deliver(&self, id: Uuid, last: bool) -> Result<(), Error> {
        let letter = self.get(id).await?;
        if letter.summary.state != State::Waiting {
            return Ok(());
        }
        let mut transcript = Transcript::default();
        let outcome = self.send(&letter, &mut transcript).await;
        let (state, word) = match &outcome {
            Ok(()) => (State::Sent, "sent"),
            Err(error) if last || error.is_permanent() => (State::Failed, "failed"),
            Err(_) => (State::Waiting, "again"),
        };
        self.settle(id, state, word, transcript).await?;
        outcome
    }

    /// Notes that a mail is given up for a reason that no try could note. One that is settled already stays as it is.
    pub async fn give_up(&self, id: Uuid, why: &str) -> Result<(), Error> {
        let mut transcript = Transcript::default();
        transcript.note(why);
        self.settle(id, State::Failed, "failed", transcript).await
    }

    async fn send(&self, letter: &Letter, transcript: &mut Transcript) -> Result<(), Error> {
        let mail = self.compose(letter)?;
        self.0.sender.send(letter.summary.id, &mail, transcript).await
    }

    fn compose(&self, letter: &Letter) -> Result<lettre::Message, Error> {
        let from = &self.0.from;
        let id = letter.summary.id;
        let to =
            letter.summary.to.parse().map_err(|source| Error::Address { field: "the recipient", source })?;
        let builder = lettre::Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, to))
            .subject(&letter.summary.subject)
            .message_id(Some(format!("<{id}@{}>", from.email.domain())))
            .date(letter.summary.created_at.into());
        let text = letter.text.as_ref().map(|text| text.expose().clone()).unwrap_or_default();
        let mail = match &letter.html {
            Some(html) => builder.multipart(MultiPart::alternative_plain_html(text, html.expose().clone())),
            // Said, not left to be guessed: a name or a path in it may be in any script.
            None => builder.header(ContentType::TEXT_PLAIN).body(text),
        };
        Ok(mail?)
    }

    async fn settle(&self, id: Uuid, state: State, word: &str, transcript: Transcript) -> Result<(), Error> {
        let now = self.0.clock.now();
        let mut tx = self.0.pg.begin_system(Reason::Outbox).await?;
        let rows = tx.query(sql::SETTLE, [id.into(), state.name().into(), now.into()]).await?;
        // No row: another worker settled it while we were sending.
        if let Some(row) = rows.first() {
            let number: i32 = row.at(0)?;
            let note = [id.into(), number.into(), now.into(), word.into(), transcript.0.into()];
            tx.execute(sql::NOTE, note).await?;
        }
        tx.commit(()).await?.into_inner();
        Ok(())
    }

    /// A page of mails, newest first: at most `limit` of those put before `before`.
    pub async fn list(&self, before: Option<Timestamp>, limit: u32) -> Result<Vec<Summary>, Error> {
        let limit = i64::from(limit).min(i64::try_from(limits::PAGE.value).unwrap_or(i64::MAX));
        let mut tx = self.0.pg.begin_system(Reason::Outbox).await?;
        let rows = tx.query(sql::LIST, [before.into(), limit.into()]).await?;
        tx.roll_back().await?;
        rows.iter().map(|row| Ok(Summary::read(row)?)).collect()
    }

    /// One mail with everything about it.
    pub async fn get(&self, id: Uuid) -> Result<Letter, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Outbox).await?;
        let rows = tx.query(sql::GET, [id.into()]).await?;
        let attempts = tx.query(sql::ATTEMPTS, [id.into()]).await?;
        tx.roll_back().await?;
        let row = rows.first().ok_or(Error::NotFound)?;
        let summary = Summary::read(row)?;
        let sealed: Option<Vec<u8>> = row.get("sealed")?;
        let opened = sealed.map(|sealed| self.0.root.open(&sealed, &context(id))).transpose()?;
        let (text, html) = match opened.and_then(|opened| split_bodies(opened.expose())) {
            Some((text, html)) => (Some(text), html),
            None => (None, None),
        };
        let attempts = attempts.iter().map(Attempt::read).collect::<Result<_, _>>()?;
        Ok(Letter { summary, text, html, attempts })
    }

    /// Forgets mails that were settled longer ago than `email.outbox_retention`, with their transcripts.
    pub async fn forget_old(&self) -> Result<u64, Error> {
        let kept = SignedDuration::try_from(self.0.retention).unwrap_or(SignedDuration::MAX);
        let before = self.0.clock.now().checked_sub(kept).unwrap_or(Timestamp::MIN);
        let mut tx = self.0.pg.begin_system(Reason::Outbox).await?;
        let gone = tx.execute(sql::FORGET, [before.into()]).await?;
        tx.commit(()).await?.into_inner();
        Ok(gone)
    }
}

/// Binds a sealed body to its row, so that one mail's body cannot be put under another's address.
fn context(id: Uuid) -> String {
    format!("mail.outbox:{id}")
}

impl Summary {
    fn read(row: Row<'_>) -> Result<Self, pg::Error> {
        Ok(Summary {
            id: row.get("id")?,
            created_at: row.get("created_at")?,
            kind: row.get("kind")?,
            to: row.get("recipient")?,
            subject: row.get("subject")?,
            state: State::read(&row.get::<String>("state")?)?,
            tries: row.get("tries")?,
            settled_at: row.get("settled_at")?,
        })
    }
}

impl Attempt {
    fn read(row: Row<'_>) -> Result<Self, pg::Error> {
        let transcript: String = row.get("transcript")?;
        let shape = |_| pg::Error::Shape { column: "transcript".to_owned(), expected: "list of lines" };
        Ok(Attempt {
            number: row.get("number")?,
            at: row.get("at")?,
            outcome: row.get("outcome")?,
            transcript: serde_json::from_str(&transcript).map_err(shape)?,
        })
    }
}
