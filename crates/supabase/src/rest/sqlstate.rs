//! PostgreSQL's errors on the wire: SQLSTATE → status, and what of the text the caller may read (wire section 19).
//!
//! Invariant: what user code raises on purpose (`RAISE`) passes whole; what PostgreSQL says of rows, or of its own
//! troubles, does not pass outside the conformance profile.

use serde_json::{Map, Value};

use super::error::Voice;
use super::wording::Words;

/// A database error in words.
pub(super) fn words(error: &pg::Error, voice: Voice) -> Words {
    match error {
        pg::Error::Database(error) => said(error, voice),
        pg::Error::Busy { .. } => {
            Words::of(504, "PGRST003", "Timed out acquiring connection from connection pool.")
        }
        pg::Error::TooLarge { .. } => Words::of(413, "54000", "The answer is too large")
            .hint("Ask for fewer rows, columns or embedded rows (result_bytes_max)".to_owned()),
        pg::Error::Unreachable(_) => Words::of(503, "PGRST000", "Database connection error."),
        pg::Error::Broken(_) => Words::of(503, "PGRST001", "Database client error. Retrying the connection."),
        _ => Words::of(500, "PGRSTX00", "An unexpected error occurred"),
    }
}

fn said(error: &pg::DbError, voice: Voice) -> Words {
    if error.sqlstate == "PGRST" {
        return raised(error);
    }
    // Where it is about a login, it names ours.
    if error.ends_session() && error.sqlstate != "57P01" && !voice.outspoken {
        return Words::of(503, "PGRST000", "Database connection error.");
    }
    let status = status(error, voice.known);
    let code = error.sqlstate.as_str();
    // A statement stopped for its time is the one trouble of ours the caller can do something about.
    let ours = matches!(status, 500 | 503 | 507) && !code.starts_with('P') && code != "57014";
    if ours && !voice.outspoken {
        let said = if status == 507 {
            "There is no room left to store this"
        } else {
            "An unexpected error occurred"
        };
        return Words::of(status, code, said);
    }
    let mut words = Words::of(status, code, error.message.clone());
    let on_purpose = code.starts_with('P') && code != "P0002" && code != "P0003";
    if voice.outspoken || on_purpose {
        words.details = error.detail.clone().map_or(Value::Null, Value::String);
        words.hint = error.hint.clone().map_or(Value::Null, Value::String);
    }
    words
}

/// SQLSTATE → status.
fn status(error: &pg::DbError, known: bool) -> u16 {
    let code = error.sqlstate.as_str();
    let message = error.message.as_str();
    match code {
        "23001" | "23503" | "23505" => 409,
        "25006" => 405,
        "21000" if message.ends_with("requires a WHERE clause") => 400,
        "22023" if message.starts_with("role") && message.ends_with("does not exist") => 401,
        // PostgREST says 503 of a full disk too, and clients try those again.
        "53100" => 507,
        "53400" => 500,
        "57P01" => 503,
        "P0001" => 400,
        "42883" if message.starts_with("function xmlagg(") => 406,
        "42883" | "42P01" => 404,
        "42P17" => 500,
        "42501" if known => 403,
        "42501" => 401,
        _ => match code.get(..2).unwrap_or_default() {
            "PT" => code.get(2..).and_then(|digits| digits.parse().ok()).unwrap_or(500),
            "08" | "53" => 503,
            "0L" | "0P" | "28" => 403,
            "09" | "21" | "25" | "2D" | "38" | "39" | "3B" | "40" | "54" | "55" | "57" | "58" | "F0"
            | "HV" | "P0" | "XX" => 500,
            _ => 400,
        },
    }
}

/// `RAISE SQLSTATE 'PGRST'`: message and detail are JSON and decide the whole answer.
fn raised(error: &pg::DbError) -> Words {
    let broken = |details: String, hint: &str| {
        let mut words =
            Words::of(500, "PGRST121", "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error");
        words.details = details.into();
        words.hint = hint.into();
        words
    };
    const MESSAGE: &str = "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'.";
    const DETAIL: &str = "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'.";
    let Some(message) = message(&error.message) else {
        return broken(format!("Invalid JSON value for MESSAGE: '{}'", error.message), MESSAGE);
    };
    let Some(detail) = &error.detail else {
        return broken("DETAIL is missing in the RAISE statement".to_owned(), DETAIL);
    };
    let Some((status, headers)) = detail_parts(detail) else {
        return broken(format!("Invalid JSON value for DETAIL: '{detail}'"), DETAIL);
    };
    let (code, text, details, hint) = message;
    let mut words = Words::of(status, &code, text);
    (words.details, words.hint, words.headers) = (details, hint, headers);
    words
}

fn message(text: &str) -> Option<(String, String, Value, Value)> {
    let object: Map<String, Value> = serde_json::from_str(text).ok()?;
    let required = |key: &str| object.get(key)?.as_str().map(str::to_owned);
    let optional = |key: &str| match object.get(key) {
        None | Some(Value::Null) => Some(Value::Null),
        Some(Value::String(text)) => Some(Value::String(text.clone())),
        Some(_) => None,
    };
    Some((required("code")?, required("message")?, optional("details")?, optional("hint")?))
}

fn detail_parts(text: &str) -> Option<(u16, Vec<(String, String)>)> {
    let object: Map<String, Value> = serde_json::from_str(text).ok()?;
    let status = object.get("status")?.as_u64().and_then(|status| u16::try_from(status).ok())?;
    match object.get("status_text") {
        None | Some(Value::Null | Value::String(_)) => {}
        Some(_) => return None,
    }
    let header = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    let headers = object.get("headers")?.as_object()?.iter().map(header).collect::<Option<_>>()?;
    Some((status, headers))
}

#[cfg(test)]
mod tests {
    use super::{Voice, said};

    fn error(sqlstate: &str, message: &str, detail: Option<&str>) -> pg::DbError {
        pg::DbError {
            sqlstate: sqlstate.to_owned(),
            severity: "ERROR".to_owned(),
            message: message.to_owned(),
            detail: detail.map(str::to_owned),
            hint: Some("Perhaps you meant to reference the column \"secrets.key\".".to_owned()),
            ..pg::DbError::default()
        }
    }

    #[test]
    fn rows_of_a_violated_constraint_stay_inside() {
        let violation = error(
            "23505",
            "duplicate key value violates unique constraint \"x\"",
            Some("Key (a)=(secret) already exists."),
        );
        let product = said(&violation, Voice::default());
        assert!(product.details.is_null() && product.hint.is_null());
        let conformance = said(&violation, Voice { outspoken: true, ..Voice::default() });
        assert_eq!(conformance.details, "Key (a)=(secret) already exists.");
        assert_eq!(product.status, 409);
    }

    #[test]
    fn what_user_code_raises_passes_whole() {
        let raised = said(&error("P0001", "no", Some("why")), Voice::default());
        assert_eq!((raised.status.as_u16(), raised.details.as_str()), (400, Some("why")));
        assert_eq!(said(&error("PT402", "pay", None), Voice::default()).status, 402);
        let whole = said(
            &error("PGRST", r#"{"code":"1","message":"m"}"#, Some(r#"{"status":332,"headers":{"X-H":"v"}}"#)),
            Voice::default(),
        );
        assert_eq!((whole.status.as_u16(), whole.headers.len()), (332, 1));
        assert_eq!(said(&error("PGRST", "x", None), Voice::default()).code, "PGRST121");
    }

    #[test]
    fn our_own_troubles_are_not_told() {
        assert_eq!(
            said(&error("XX000", "could not open file /var/lib/x", None), Voice::default()).message,
            "An unexpected error occurred"
        );
    }

    #[test]
    fn denied_is_401_for_nobody_and_403_for_somebody() {
        let denied = error("42501", "permission denied for table x", None);
        assert_eq!(said(&denied, Voice::default()).status, 401);
        assert_eq!(said(&denied, Voice { known: true, ..Voice::default() }).status, 403);
    }
}
