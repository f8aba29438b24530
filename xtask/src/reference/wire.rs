//! What a fault is called on the wire: the statuses of kinds, and the codes GoTrue's and PostgREST's clients know.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::rust;
use crate::tidy::text::File;

/// A file and a variant of its error → status and code as a cell.
pub type Wire = BTreeMap<(String, String), String>;

const AUTH: &str = "crates/auth/src/error.rs";
const DATA: &str = "crates/data/src/error.rs";
const PG: &str = "crates/pg/src/error.rs";
const REST: &str = "crates/supabase/src/rest/error.rs";
const WEB: &str = "crates/web/src/error.rs";

/// Kind → status, as `web::status_of` has it.
pub fn statuses(files: &[File]) -> Result<BTreeMap<&str, u16>> {
    let code = text(files, "crates/web/src/status.rs")?;
    let arms = rust::arms(rust::body(code, "fn status_of(").context("no fn status_of")?);
    let mut statuses = BTreeMap::new();
    for (kinds, expression) in arms {
        let name = rust::names_after(expression, "StatusCode::").first().copied().unwrap_or_default();
        let status = number(name).with_context(|| format!("what is {name}?"))?;
        statuses.extend(kinds.into_iter().map(|kind| (kind, status)));
    }
    Ok(statuses)
}

/// GoTrue's codes for the errors its envelope names.
pub fn gotrue(files: &[File]) -> Result<Wire> {
    let envelope = text(files, "crates/supabase/src/auth/envelope.rs")?;
    let mut wire = Wire::new();
    for (function, of) in [("fn of_auth(", AUTH), ("fn of_web(", WEB)] {
        let body = rust::body(envelope, function).with_context(|| format!("no {function}"))?;
        for (variants, expression) in rust::arms(body) {
            let named = rust::names_after(expression, "S::").first().copied();
            let name = named.unwrap_or(if expression.contains("UNPROCESSABLE") {
                "UNPROCESSABLE_ENTITY"
            } else {
                ""
            });
            let code = rust::strings(expression).into_iter().next();
            // Decided by more than the variant: the fault's own code and status tell it well enough.
            let (Some(code), false) = (code, expression.contains("match ")) else { continue };
            let status = number(name).with_context(|| format!("what is {name}?"))?;
            for variant in variants.iter().filter(|variant| **variant != "_") {
                wire.insert((of.to_owned(), (*variant).to_owned()), format!("{status} `{code}`"));
            }
        }
    }
    Ok(wire)
}

/// PostgREST's codes for the errors its envelope names.
pub fn postgrest(files: &[File]) -> Result<Wire> {
    let tables = [
        ("crates/supabase/src/rest/wording.rs", "fn words(", "match refusal {", REST),
        ("crates/supabase/src/rest/wording.rs", "fn data_words(", "match error {", DATA),
        ("crates/supabase/src/rest/sqlstate.rs", "fn words(", "match error {", PG),
    ];
    let mut wire = Wire::new();
    for (path, function, from, of) in tables {
        let body =
            rust::body(text(files, path)?, function).with_context(|| format!("no {function} in {path}"))?;
        let table = body.find(from).and_then(|at| body.get(at..)).context("no match")?;
        for (variants, expression) in rust::arms(table) {
            let Some(said) = said(expression).or_else(|| said(called(files, expression)?)) else { continue };
            for variant in variants.iter().filter(|variant| **variant != "_") {
                wire.insert((of.to_owned(), (*variant).to_owned()), said.clone());
            }
        }
    }
    Ok(wire)
}

/// `Words::new(404, "PGRST205", …)` as a cell.
fn said(expression: &str) -> Option<String> {
    let at = expression.find("Words::new(").or_else(|| expression.find("Words::of("))?;
    let arguments = rust::split(rust::inside(expression.get(at..)?)?, ',');
    let status: u16 = arguments.first()?.parse().ok()?;
    let code = rust::strings(arguments.get(1)?).pop()?;
    Some(format!("{status} `{code}`"))
}

/// The body of the function an arm hands over to, unless that one decides by more than the variant.
fn called<'a>(files: &'a [File], expression: &str) -> Option<&'a str> {
    let name = expression.split('(').next()?.rsplit("::").next()?;
    let is_one = name != "words" && name != "data_words";
    let head = format!("fn {name}(");
    let rest = files.iter().filter(|file| file.path.starts_with("crates/supabase/src/rest/"));
    rest.filter(|_| is_one).find_map(|file| rust::body(&file.text, &head))
}

fn text<'a>(files: &'a [File], path: &str) -> Result<&'a str> {
    let file = files.iter().find(|file| file.path == path).with_context(|| format!("{path} is missing"))?;
    Ok(&file.text)
}

/// RFC 9110, 6585 and 4918, by the names the code uses.
fn number(name: &str) -> Option<u16> {
    Some(match name {
        "BAD_REQUEST" => 400,
        "UNAUTHORIZED" => 401,
        "FORBIDDEN" => 403,
        "NOT_FOUND" => 404,
        "METHOD_NOT_ALLOWED" => 405,
        "NOT_ACCEPTABLE" => 406,
        "CONFLICT" => 409,
        "PAYLOAD_TOO_LARGE" => 413,
        "UNPROCESSABLE_ENTITY" => 422,
        "TOO_MANY_REQUESTS" => 429,
        "INTERNAL_SERVER_ERROR" => 500,
        "SERVICE_UNAVAILABLE" => 503,
        "GATEWAY_TIMEOUT" => 504,
        "INSUFFICIENT_STORAGE" => 507,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn gotrues_codes_are_read_from_its_envelope() {
        let envelope = "fn of_auth(error: &Error) -> X { match error {\n\
            Error::A(_) | Error::B => (S::FORBIDDEN, \"bad_jwt\"),\n\
            Error::C { code, .. } => (status(code), code),\n\
            Error::D => (UNPROCESSABLE, \"weak\"),\n} }\nfn of_web(e: &E) -> X { match e { other => of_kind(other), } }";
        let wire = gotrue(&[file("crates/supabase/src/auth/envelope.rs", envelope)]).unwrap_or_default();
        let seen: Vec<_> =
            wire.iter().map(|((_, variant), said)| (variant.as_str(), said.as_str())).collect();
        assert_eq!(seen, [("A", "403 `bad_jwt`"), ("B", "403 `bad_jwt`"), ("D", "422 `weak`")]);
    }

    #[test]
    fn postgrests_codes_are_read_where_they_are_said() {
        assert_eq!(said("Words::new(404, \"PGRST205\", message).hint(x)").as_deref(), Some("404 `PGRST205`"));
        assert_eq!(said("super::sqlstate::words(error, voice)"), None);
        let files =
            [file("crates/supabase/src/rest/call.rs", "fn none(a: A) -> Words { Words::of(404, \"P\", m) }")];
        assert_eq!(called(&files, "super::call::none(a)").and_then(said).as_deref(), Some("404 `P`"));
    }

    #[test]
    fn statuses_follow_their_kinds() {
        let status = "fn status_of(kind: Kind) -> StatusCode { match kind { Kind::A | Kind::B => StatusCode::FORBIDDEN, } }";
        let files = [file("crates/web/src/status.rs", status)];
        let statuses = statuses(&files).unwrap_or_default();
        assert_eq!(statuses.into_iter().collect::<Vec<_>>(), [("A", 403), ("B", 403)]);
    }
}
