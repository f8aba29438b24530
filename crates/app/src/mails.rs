//! `palisade mails …`: what our mails say.

use clap::Subcommand;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::cli::At;
use crate::commands::say;
use crate::config::exit::Exit;
use crate::control::{self, Error};

/// `palisade mails …`
#[derive(Subcommand)]
pub enum Mails {
    /// Print the kinds of mail there are, and their languages.
    List {
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Print a mail as it would be sent, with made-up values.
    Preview {
        /// Its kind: confirmation, recovery, magic_link, …
        kind: String,
        /// In which language.
        #[arg(long, default_value = "")]
        locale: String,
        /// As HTML instead of text.
        #[arg(long)]
        html: bool,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
}

/// Runs it.
pub async fn run(what: &Mails) -> Result<Exit, Error> {
    let quoted = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    match what {
        Mails::List { at } => {
            let told = ask(at, "/admin/v1/mail-templates").await?;
            let words = |name: &str, by: &str| {
                let all = told[name].as_array().map(Vec::as_slice).unwrap_or_default();
                all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(by)
            };
            say(&words("kinds", "\n"));
            say(&format!("in: {}", words("locales", ", ")));
        }
        Mails::Preview { kind, locale, html, at } => {
            let path = format!("/admin/v1/mail-templates/{}?locale={}", quoted(kind), quoted(locale));
            let mail = ask(at, &path).await?;
            let part = |name: &str| mail[name].as_str().unwrap_or_default().trim_end().to_owned();
            match html {
                true => say(&part("html")),
                false => say(&format!("Subject: {}\n\n{}", part("subject"), part("text"))),
            }
        }
    }
    Ok(Exit::Success)
}

async fn ask(at: &At, path: &str) -> Result<Value, Error> {
    control::ask(&at.data, http::Method::GET, path, None).await
}
