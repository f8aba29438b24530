//! Controls 101 and 115-117: where secrets come from, and where they never arrive.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::bench::{Bench, Trouble};
use crate::{Finding, limits};

/// 101: a password that is sent right and wrong, and a token, are found in no file and no table of ours afterwards; nor does
/// a crash or a full memory write them to a disk.
pub async fn no_sink_holds_a_password(bench: &Bench) -> Result<Finding, Trouble> {
    let person = bench.person(json!({})).await?;
    let wrong = bench.random_name("canary-");
    bench.try_sign_in(&person.email, &wrong).await?;
    let session = bench.sign_in(&person).await?;
    bench.client("GET", &format!("/rest/v1/nothing?password={wrong}")).bearer(&session.access).send().await?;
    bench.forget(&person).await?;
    let sql = bench.sql().await?;
    let tables = sql
        .rows(
            "SELECT quote_ident(nspname) || '.' || quote_ident(relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace \
             WHERE relkind = 'r' AND (nspname IN ('auth', 'audit', 'jobs', 'mail', 'palisade', 'posture') \
                OR pg_get_userbyid(relowner) IN ('palisade_system', 'palisade_audit'))",
        )
        .await?;
    let tables: Vec<String> = tables.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
    let canaries =
        [wrong.as_str(), person.password.as_str(), session.refresh.as_str(), session.access.as_str()];
    let mut found = Vec::new();
    for table in &tables {
        for canary in canaries {
            let hits = sql
                .value(&format!("SELECT count(*) FROM {table} t WHERE strpos(t::text, '{canary}') > 0"))
                .await?;
            if hits != "0" {
                found.push(format!("table {table}"));
            }
        }
    }
    let files = files(&bench.place.data);
    for path in &files {
        let bytes = std::fs::read(path).unwrap_or_default();
        if canaries.iter().any(|canary| contains(&bytes, canary.as_bytes())) {
            found.push(format!("file {}", path.display()));
        }
    }
    let seen = format!(
        "looked for 2 passwords and 2 tokens in {} tables and {} files of ours",
        tables.len(),
        files.len()
    );
    let nowhere =
        if found.is_empty() { "found nowhere".to_owned() } else { format!("found in {}", found.join(", ")) };
    let sinks = Finding::all([(!tables.is_empty(), seen), (found.is_empty(), nowhere)]);
    Ok(sinks.and(super::machine::crashes_leave_nothing()).and(super::machine::memory_is_not_swapped()))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Logs and other files of ours below the data directory; PostgreSQL's own pages are looked at as tables.
fn files(data: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        // A cluster is known by its version file, wherever it lies.
        if folder.join("PG_VERSION").exists() {
            folders.extend(folder.join("log").is_dir().then(|| folder.join("log")));
            continue;
        }
        for entry in entries.flatten() {
            let Ok(kind) = entry.metadata() else { continue };
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && kind.len() < limits::ANSWER_BYTES_MAX.value * 64 {
                found.push(entry.path());
            }
        }
    }
    found
}

/// 115: a reference to a variable that is not there stops the start; one that is there does not.
pub async fn undefined_references_stop_the_start(bench: &Bench) -> Result<Finding, Trouble> {
    let file = OwnFile::new(bench, "auth:\n  jwt_secret: ${PROBE_SECRET}\n")?;
    let words = ["config", "check", "--config", file.path()];
    let secret = bench.random_secret();
    let without = bench.program(&words, &[]).await?;
    let with = bench.program(&words, &[("PROBE_SECRET", &secret)]).await?;
    Ok(Finding::all([
        (without.code == Some(78), format!("${{PROBE_SECRET}} without a value: exit {:?}", without.code)),
        (without.said.contains("PROBE_SECRET"), "and the message names it".to_owned()),
        (with.code == Some(0), format!("with a value: exit {:?}", with.code)),
        (!with.said.contains(&secret), "the value is not printed".to_owned()),
    ]))
}

/// 116: short and published signing secrets stop the start, and tokens signed with published ones open nothing here.
pub async fn weak_signing_secrets_are_refused(bench: &Bench) -> Result<Finding, Trouble> {
    let mut lines = Vec::new();
    for (what, secret) in [("short", "kV7-only-31-bytes-of-q2x-in-it!"), ("published", PUBLISHED[0])] {
        let ended = bench.program(&["config", "check"], &[("JWT_SECRET", secret)]).await?;
        lines.push((
            ended.code == Some(78),
            format!("a start with a {what} signing secret: exit {:?}", ended.code),
        ));
    }
    let now = bench.place.clock.unix_seconds();
    let claims = json!({ "role": "service_role", "aud": "authenticated", "iss": "supabase-demo", "iat": now, "exp": now + 600, "sub": "00000000-0000-4000-8000-000000000000" });
    for secret in PUBLISHED {
        let token = signed(secret, &claims);
        let answer = bench.client("GET", "/auth/v1/user").bearer(&token).send().await?;
        lines.push((
            answer.status == 401 || answer.status == 403,
            format!("a token signed with \"{secret}\": {}", answer.status),
        ));
    }
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = format!("{}.{}.", part(&json!({ "alg": "none", "typ": "JWT" })), part(&claims));
    let answer = bench.client("GET", "/auth/v1/user").bearer(&unsigned).send().await?;
    lines.push((
        answer.status == 401 || answer.status == 403,
        format!("a token signed with nothing: {}", answer.status),
    ));
    Ok(Finding::all(lines))
}

/// Signing secrets that stand in public documents and examples.
const PUBLISHED: [&str; 3] = [
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "your-super-secret-jwt-token-with-at-least-32-characters-long",
    "your-super-secret-key-min-32-chars",
];

fn signed(secret: &str, claims: &serde_json::Value) -> String {
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&json!({ "alg": "HS256", "typ": "JWT" })), part(claims));
    let mac = seal::keyed_mac(secret.as_bytes(), text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac))
}

/// 117: the guide's own Docker example, and a file that is not there.
pub async fn secrets_come_from_files(bench: &Bench) -> Result<Finding, Trouble> {
    let secret = bench.random_secret();
    let file = OwnFile::new(bench, &format!("{secret}\n"))?;
    let mut lines = Vec::new();
    for name in ["JWT_SECRET_FILE", "PALISADE_AUTH_JWT_SECRET_FILE"] {
        let explained = bench.program(&["config", "explain"], &[(name, file.path())]).await?;
        let line = explained
            .said
            .lines()
            .find(|line| line.starts_with("auth.jwt_secret "))
            .unwrap_or("(missing)")
            .to_owned();
        let is_set = line.contains(" set ") && line.contains(name);
        lines.push((
            explained.code == Some(0) && is_set,
            format!("{name}: {}", line.split_whitespace().collect::<Vec<_>>().join(" ")),
        ));
        lines.push((!explained.said.contains(&secret), "the secret is not printed".to_owned()));
    }
    let missing = bench.program(&["config", "check"], &[("JWT_SECRET_FILE", "/nonexistent/secret")]).await?;
    lines.push((missing.code == Some(78), format!("a file that is not there: exit {:?}", missing.code)));
    Ok(Finding::all(lines))
}

/// A file of the probe's own, below the data directory, gone with the probe.
struct OwnFile(String);

impl OwnFile {
    fn new(bench: &Bench, text: &str) -> Result<Self, Trouble> {
        let path = bench.place.data.join(bench.random_name("probe-"));
        std::fs::write(&path, text)
            .map_err(|source| Trouble::Network { what: format!("writing {}", path.display()), source })?;
        Ok(OwnFile(path.display().to_string()))
    }

    fn path(&self) -> &str {
        &self.0
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        // Left behind it holds nothing that is used anywhere.
        let _ = std::fs::remove_file(&self.0);
    }
}
