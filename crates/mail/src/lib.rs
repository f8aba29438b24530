//! Mail: what to say, the outbox it waits in, and the ways out.
//!
//! A mail is put into the outbox in the transaction that asks for it, so a rolled-back request sends nothing; a job
//! delivers it later. Where no mail leaves (`dev`), the outbox is the catcher.
//!
//! Invariants: a mail never travels or rests in clear text (TLS with a valid certificate, or nothing), and neither its
//! body nor the server's password reaches a log or a transcript.

mod error;
pub mod limits;
mod message;
mod outbox;
mod sender;
pub mod settings;
mod smtp;
pub mod sql;
mod templates;

pub use error::Error;
pub use message::Message;
pub use outbox::{Attempt, Letter, Outbox, Parts, State, Summary};
pub use sender::{Caught, Sender};
pub use settings::SETTINGS;
pub use smtp::Smtp;
pub use templates::{Rendered, Template, Templates};

/// The schema `mail`.
pub const MIGRATIONS: &[pg::Migration] = &[pg::Migration {
    owner: "mail",
    version: 1,
    name: "schema",
    sql: include_str!("../migrations/0001_schema.sql"),
}];
