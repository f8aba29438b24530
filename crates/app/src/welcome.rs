//! What a start prints: what was done, where it is, what to try, and what still needs the operator. No secret.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::Profile;

use crate::commands::printable;
use crate::config::{NotEffective, explain};
use crate::dev::Demo;
use crate::error::StartError;
use crate::ready::write_private;
use crate::start::Running;

/// What the transcript says.
pub struct Facts<'a> {
    /// The instance.
    pub running: &'a Running,
    /// How it is run.
    pub profile: Profile,
    /// The demo application, in `dev`.
    pub demo: Option<&'a Demo>,
    /// Where the secret key lies.
    pub secret_file: &'a Path,
    /// Variables that change nothing.
    pub not_effective: &'a [NotEffective],
    /// Files with secrets that everybody may read.
    pub read_by_all: &'a [String],
    /// How long the start took.
    pub took: Duration,
}

/// Writes the secret key to its file (0600), so that it is never on a terminal or in a log.
pub fn write_secret(data: &Path, running: &Running) -> Result<PathBuf, StartError> {
    let path = data.join("keys/secret_key");
    let content = format!("{}\n", running.keys.secret.expose());
    write_private(&path, content.as_bytes())
        .map_err(|source| StartError::File { path: path.clone(), source })?;
    Ok(path)
}

/// Prints it.
pub fn print(facts: &Facts<'_>) {
    let text = text(facts);
    let _reader_may_be_gone = std::io::stdout().lock().write_all(text.as_bytes());
}

fn text(facts: &Facts<'_>) -> String {
    let running = facts.running;
    let (url, key) = (&running.url, &running.keys.publishable);
    let secret = facts.secret_file.display();
    let mut text = String::new();
    let mut line =
        |sign: &str, what: &str, told: String| text.push_str(&format!(" {sign} {what:<12} {told}\n"));
    match &running.database.server {
        Some(server) => line(
            "✓",
            "PostgreSQL",
            format!("our own, unix socket only, checksums on ({})", server.cluster_dir().display()),
        ),
        None => line(
            "✓",
            "PostgreSQL",
            format!("database.url, {} changes made at this start", running.database.plan.changes.len()),
        ),
    }
    for lost in &running.database.plan.degraded {
        line("!", "PostgreSQL", format!("{}: {} (control {})", lost.step, lost.effect, lost.control));
    }
    line(
        "✓",
        "Audit",
        "on, chained; its head is kept outside the database too: palisade audit verify".to_owned(),
    );
    let how = match &running.services.tls {
        Some(_) => "over TLS only",
        // In clear nothing but loopback is listened on.
        None => "only, from this machine; `palisade up --domain NAME` serves others, over TLS",
    };
    line("✓", "Exposure", format!("listening on {} {how}", running.address));
    match facts.demo {
        Some(demo) => {
            line(
                "✓",
                "Demo",
                format!(
                    "{} rows with row level security; people and passwords in {}",
                    demo.rows,
                    demo.credentials.display()
                ),
            );
            line(
                "!",
                "Mail",
                format!("caught, never sent: {url}/_/outbox. Sign-ups are confirmed at once, in dev only"),
            );
        }
        None if running.services.outbox.takes_mail() => line("✓", "Mail", "configured".to_owned()),
        None => line(
            "!",
            "Mail",
            "not configured, so sign-up by password is refused: set email.smtp_host".to_owned(),
        ),
    }
    text.push_str(&explain::not_effective(facts.not_effective));
    text.push_str(&explain::read_by_all(facts.read_by_all));
    text.push_str(&format!(
        "\n Palisade answers at  {url}   ({} profile, started in {:.1} s)\n Publishable key      {key}\n Secret key           in {secret} (0600); never put it into a browser\n",
        facts.profile.name(),
        facts.took.as_secs_f64(),
    ));
    text.push_str(&format!(" What is proven       {}\n", command("posture", facts)));
    if let Some(demo) = facts.demo {
        text.push_str(&first_requests(url, key, demo));
    }
    text.push_str(" Ctrl-C stops everything; the data stays.\n");
    text
}

/// A command against this instance, as it can be pasted.
fn command(words: &str, facts: &Facts<'_>) -> String {
    let program =
        std::env::current_exe().map_or_else(|_| "palisade".to_owned(), |path| path.display().to_string());
    let data = facts
        .secret_file
        .parent()
        .and_then(Path::parent)
        .map_or_else(String::new, |data| data.display().to_string());
    format!("{program} {words} --data {data}")
}

fn first_requests(url: &str, key: &str, demo: &Demo) -> String {
    let (email, file) = (demo.email, demo.credentials.display());
    format!(
        "\n Nobody sees a row before signing in:\n   curl \"{url}/rest/v1/projects?select=name\" -H \"apikey: {key}\"\n\
         \n The same from JavaScript, signed in (npm install @supabase/supabase-js; the password is in {file}):\n\
         \x20  import {{ createClient }} from '@supabase/supabase-js'\n\
         \x20  const db = createClient('{url}', '{key}')\n\
         \x20  await db.auth.signInWithPassword({{ email: '{email}', password: process.env.PASSWORD }})\n\
         \x20  console.log((await db.from('projects').select('name, tasks(count)').limit(5)).data)\n\n"
    )
}

/// Says that the stop has begun, so that a second Ctrl-C is not needed.
pub fn stopping() {
    let _reader_may_be_gone = writeln!(std::io::stderr().lock(), "stopping…");
}

/// Says what takes a while.
pub fn note(what: &str) {
    let _reader_may_be_gone = writeln!(std::io::stderr().lock(), " … {}", printable(what));
}

/// Says why the program does not start.
pub fn complain(why: &str) {
    let _reader_may_be_gone = writeln!(std::io::stderr().lock(), "palisade: {}", printable(why));
}
