//! `docs/reference/errors.md`: every code of every `base::Fault`, from the `match`es that give it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};

use super::{cell, once, owner, product, rust, wire};
use crate::tidy::text::File;

const HEAD: &str = "# Errors\n\n\
    <!-- Generated from every impl of base::Fault in the crates: run cargo xtask docs. -->\n\n\
    A code never changes its meaning and is never used again. Its kind is one of twelve and decides the status, unless a\n\
    dialect's protocol has a word of its own for it: those stand in the last two columns with the status clients see there.\n\
    *Message* is what the log has; of `Bug`, `Unavailable` and `Timeout` callers read little more than that it happened, and the\n\
    request's name. `…` is what differs from case to case. What has no row carries another fault, and its code.\n";

/// A code and what is known of it.
#[derive(Debug)]
struct Row<'a> {
    owner: &'a str,
    code: String,
    kinds: Vec<String>,
    means: String,
    says: String,
    gotrue: String,
    postgrest: String,
}

/// The page.
pub fn page(files: &[File]) -> Result<String> {
    let rows = rows(files)?;
    once("code", rows.iter().map(|row| row.code.as_str()))?;
    let statuses = wire::statuses(files)?;
    let mut page = HEAD.to_owned();
    let mut section = "";
    for row in &rows {
        if row.owner != section {
            section = row.owner;
            // Writing to a String cannot fail, here and below.
            let _ = write!(
                page,
                "\n## {section}\n\n| Code | Kind | Status | Means | Message | `/auth/v1` | `/rest/v1` |\n|---|---|---|---|---|---|---|\n"
            );
        }
        let mut known = Vec::new();
        for kind in &row.kinds {
            let status = statuses.get(kind.as_str()).with_context(|| format!("no status for {kind}"))?;
            known.push(status.to_string());
        }
        let (kinds, status) = match row.kinds.is_empty() {
            true => ("its cause's".to_owned(), "its cause's".to_owned()),
            false => (row.kinds.join(", "), known.join(", ")),
        };
        let Row { code, means, says, gotrue, postgrest, .. } = row;
        let (means, says) = (cell(means), cell(says));
        let _ =
            writeln!(page, "| `{code}` | {kinds} | {status} | {means} | {says} | {gotrue} | {postgrest} |");
    }
    Ok(page)
}

fn rows(files: &[File]) -> Result<Vec<Row<'_>>> {
    let (gotrue, postgrest) = (wire::gotrue(files)?, wire::postgrest(files)?);
    let mut rows = Vec::new();
    for file in files {
        let Some(owner) = owner(&file.path) else { continue };
        let code = product(&file.text);
        for (at, _) in code.match_indices("Fault for ") {
            let of_it = code.get(at..).unwrap_or_default();
            let found = of(owner, code, of_it).with_context(|| format!("{} cannot be read", file.path))?;
            for (variant, mut row) in found {
                let place = (file.path.clone(), variant);
                row.gotrue = gotrue.get(&place).cloned().unwrap_or_default();
                row.postgrest = postgrest.get(&place).cloned().unwrap_or_default();
                rows.push(row);
            }
        }
    }
    rows.extend(set_up(files)?);
    rows.sort_by(|a, b| a.owner.cmp(b.owner));
    Ok(rows)
}

/// The codes that one implementation gives itself, each with a variant that has it.
fn of<'a>(owner: &'a str, code: &str, implementation: &str) -> Result<Vec<(String, Row<'a>)>> {
    let name = rust::names_after(implementation, "Fault for ").first().copied().unwrap_or_default();
    let inside = rust::body(implementation, "Fault for ").context("no body")?;
    let kind = rust::body(inside, "fn kind(").context("no fn kind")?;
    let gives = rust::body(inside, "fn code(").context("no fn code")?;
    let (kind_arms, code_arms) = (rust::arms(kind), rust::arms(gives));
    let row = |text: &str, variant: &str, kinds: Vec<String>| -> Result<(String, Row<'a>)> {
        let (means, says) = words(code, name, variant)?;
        let (gotrue, postgrest) = (String::new(), String::new());
        Ok((variant.to_owned(), Row { owner, code: text.to_owned(), kinds, means, says, gotrue, postgrest }))
    };
    if code_arms.is_empty() {
        let Some(text) = rust::strings(gives).pop() else { return Ok(Vec::new()) };
        return Ok(vec![row(&text, name, kinds_in(kind))?]);
    }
    let mut rows: Vec<(String, Row<'a>)> = Vec::new();
    for (variants, expression) in code_arms {
        if !expression.starts_with('"') {
            if expression.ends_with(".code()") || expression.ends_with(".code") {
                continue;
            }
            bail!("`{expression}` is no code");
        }
        let text = rust::strings(expression).pop().unwrap_or_default();
        for (at, variant) in variants.iter().enumerate() {
            let is_it = |wanted: &str| kind_arms.iter().find(|(names, _)| names.contains(&wanted));
            let (_, kind) = is_it(variant).or_else(|| is_it("_")).context("a code without a kind")?;
            let (_, more) = row(&text, variant, kinds_in(kind))?;
            match rows.last_mut().filter(|_| at > 0) {
                Some((_, first)) => {
                    first.means = format!("{} {}", first.means, more.means);
                    first.says = format!("{} · {}", first.says, more.says);
                }
                None => rows.push(((*variant).to_owned(), more)),
            }
        }
    }
    Ok(rows)
}

/// The kinds an expression can give, each once.
fn kinds_in(expression: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let kinds = rust::names_after(expression, "Kind::").into_iter();
    kinds.filter(|kind| seen.insert(*kind)).map(str::to_owned).collect()
}

/// What a variant's documentation says it means, and its message.
fn words(code: &str, name: &str, variant: &str) -> Result<(String, String)> {
    let missing = || format!("{name}::{variant} has no documentation");
    let (from, wanted) = match variant == name {
        true => (0, format!("struct {name}")),
        false => (code.find(&format!("enum {name} {{")).with_context(missing)?, format!("\n    {variant}")),
    };
    let ends = |at: &usize| {
        let next = code.get(at + wanted.len()..).and_then(|rest| rest.chars().next());
        next.is_none_or(|letter| !letter.is_alphanumeric())
    };
    let after = code.get(from..).unwrap_or_default();
    let at = after.match_indices(&wanted).map(|(at, _)| from + at).find(ends).with_context(missing)?;
    let attribute = code.get(..at).and_then(|before| before.rfind("#[error(")).with_context(missing)?;
    let begins = code.get(..attribute).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
    let means = rust::doc_above(code, begins);
    if means.is_empty() {
        bail!(missing());
    }
    let says = rust::inside(code.get(attribute + 1..).unwrap_or_default()).unwrap_or_default();
    let says = rust::inside(says).map(rust::strings).and_then(|texts| texts.into_iter().next());
    Ok((means, placeholders(&says.unwrap_or_default())))
}

/// A message with `…` for what it is filled with.
fn placeholders(template: &str) -> String {
    let mut text = String::new();
    let mut depth = 0;
    for letter in template.chars() {
        match letter {
            '{' => {
                depth += 1;
                text.push('…');
            }
            '}' => depth -= 1,
            _ if depth == 0 => text.push(letter),
            _ => {}
        }
    }
    text
}

/// The codes that `pg::SetupError` is made with: the variant that carries it has none of its own.
fn set_up(files: &[File]) -> Result<Vec<Row<'_>>> {
    const NEW: &str = "SetupError::new(";
    let mut codes: BTreeMap<String, (&str, String)> = BTreeMap::new();
    for file in files {
        let Some(owner) = owner(&file.path) else { continue };
        let code = product(&file.text);
        for (at, _) in code.match_indices(NEW) {
            let arguments = rust::split(code.get(at..).and_then(rust::inside).unwrap_or_default(), ',');
            let text =
                |at: usize| arguments.get(at).map(|text| rust::strings(text)).unwrap_or_default().pop();
            let code =
                text(0).with_context(|| format!("a SetupError in {} has no literal code", file.path))?;
            let what = text(1).filter(|what| !what.is_empty());
            let entry = codes.entry(code).or_insert((owner, String::new()));
            if let Some(what) = what.filter(|_| entry.1.is_empty()) {
                entry.1 = placeholders(&what);
            }
        }
    }
    Ok(codes
        .into_iter()
        .map(|(code, (owner, says))| Row {
            owner,
            code,
            kinds: vec!["Unavailable".to_owned()],
            means: "There is no server to work with; the message says why and what to do.".to_owned(),
            says,
            gotrue: String::new(),
            postgrest: String::new(),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    const ERROR: &str = r#"
/// What.
pub enum Error {
    /// It is closed.
    #[error(
        "closed: {why} \
         now"
    )]
    Closed { why: String },
    /// Another.
    #[error(transparent)]
    Below(#[from] pg::Error),
    /// It is late.
    #[error("late")]
    Late,
}
impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Closed { .. } => Kind::Invalid,
            Error::Below(error) => error.kind(),
            _ => Kind::Bug,
        }
    }
    fn code(&self) -> &'static str {
        match self {
            Error::Closed { .. } => "shop.closed",
            Error::Below(error) => error.code(),
            Error::Late => "shop.late",
        }
    }
}
"#;

    #[test]
    fn codes_are_read_with_kind_meaning_and_message_and_carried_ones_left_out() {
        let rows =
            of("shop", ERROR, ERROR.get(ERROR.find("Fault for").unwrap_or_default()..).unwrap_or_default());
        let rows = rows.unwrap_or_default();
        let seen: Vec<_> = rows
            .iter()
            .map(|(_, row)| (row.code.as_str(), row.kinds.join(","), row.means.as_str(), row.says.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("shop.closed", "Invalid".to_owned(), "It is closed.", "closed: … now"),
                ("shop.late", "Bug".to_owned(), "It is late.", "late"),
            ]
        );
    }

    #[test]
    fn a_code_that_is_made_up_elsewhere_fails_the_page() {
        let hidden = ERROR.replace("\"shop.late\"", "LATE");
        let implementation = hidden.get(hidden.find("Fault for").unwrap_or_default()..).unwrap_or_default();
        assert!(of("shop", &hidden, implementation).is_err());
    }

    #[test]
    fn codes_of_set_up_are_found_where_they_are_made() {
        let text = "fn a() { SetupError::new(\n \"pg.server.start\",\n format!(\"no {x}\"), why, fix) }";
        let files = [file("crates/pg/src/start.rs", text)];
        let rows = set_up(&files).unwrap_or_default();
        assert_eq!(
            rows.first().map(|row| (row.code.as_str(), row.says.as_str())),
            Some(("pg.server.start", "no …"))
        );
    }
}
