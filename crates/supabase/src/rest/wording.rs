//! The error envelope: four fields, PostgREST's codes and statuses (wire section 19).
//!
//! Invariant: outside the conformance profile nothing is told that the caller did not name: no suggestions, no rows of
//! constraint violations, no hints of the parser, no text of failures that are ours.

use base::{Failure, Fault, Kind};
use data::fields::{FieldFault, Report};
use http::header::{CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use web::Answer;

use super::error::{Refusal, Refused, Voice};

/// What is said.
#[derive(Clone, Debug)]
pub(super) struct Words {
    pub(super) status: StatusCode,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) details: Value,
    pub(super) hint: Value,
    /// What is wrong, field by field.
    pub(super) fields: Vec<FieldFault>,
    pub(super) headers: Vec<(String, String)>,
}

impl Words {
    fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Words {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: code.to_owned(),
            message: message.into(),
            details: Value::Null,
            hint: Value::Null,
            fields: Vec::new(),
            headers: Vec::new(),
        }
    }

    fn details(mut self, details: impl Into<Value>) -> Self {
        self.details = details.into();
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<Value>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The JSON body.
    pub(super) fn body(&self, minimal: bool) -> String {
        if minimal {
            return json!({ "code": self.code, "message": self.message }).to_string();
        }
        let mut body =
            json!({ "code": self.code, "details": self.details, "hint": self.hint, "message": self.message });
        if !self.fields.is_empty() {
            body["fields"] = json!(self.fields);
        }
        body.to_string()
    }

    fn answer(self, voice: Voice) -> Answer {
        let content_type = HeaderValue::from_static("application/json; charset=utf-8");
        let mut answer = Answer::bytes(self.status, Some(content_type), self.body(voice.minimal).into());
        // Upstream's suite asks for its own name here; the product names no software (control 82).
        if let Ok(value) = HeaderValue::from_str(&format!("PostgREST; error={}", self.code))
            && voice.outspoken
        {
            answer.headers_mut().insert(HeaderName::from_static("proxy-status"), value);
        }
        if self.status == StatusCode::UNAUTHORIZED
            && !self.headers.iter().any(|(name, _)| name == "www-authenticate")
        {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        for (name, value) in &self.headers {
            // User code may name any header here; what is no header is left out.
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
            {
                if name == CONTENT_TYPE {
                    answer.headers_mut().remove(CONTENT_TYPE);
                }
                answer.headers_mut().append(name, value);
            }
        }
        answer
    }
}

/// The envelope of the mount.
pub fn envelope(failure: &Failure, request: &web::Refused<'_>) -> Answer {
    worded(failure, request, Voice::default())
}

/// The same in the conformance profile, for refusals that come before any handler.
pub(super) fn outspoken_envelope(failure: &Failure, request: &web::Refused<'_>) -> Answer {
    worded(failure, request, Voice { outspoken: true, ..Voice::default() })
}

fn worded(failure: &Failure, request: &web::Refused<'_>, voice: Voice) -> Answer {
    if let Some(refused) = failure.downcast_ref::<Refused>() {
        return words(&refused.refusal, refused.voice).answer(refused.voice);
    }
    if let Some(refused) = failure.downcast_ref::<auth::outside::Error>() {
        return outside(refused).answer(voice);
    }
    if let Some(words) = credentials(failure) {
        return words.answer(voice);
    }
    let fault = failure.fault();
    let status = web::status_of(fault.kind()).as_u16();
    let words = match failure.downcast_ref::<web::Error>() {
        Some(web::Error::NoRoute) => words(&Refusal::Path, voice),
        Some(web::Error::NoMethod { method, .. }) => words(&Refusal::Method(method.clone()), voice),
        _ => {
            let code = match fault.kind() {
                Kind::Unauthenticated => "PGRST301",
                Kind::StepUp => "insufficient_aal",
                // The same word everywhere (control 20).
                Kind::Forbidden if fault.code() == "web.password_expired" => "password_expired",
                Kind::Forbidden => "42501",
                Kind::Unavailable => "PGRST001",
                Kind::Full => "53100",
                Kind::Timeout => "57014",
                Kind::Bug => "PGRSTX00",
                _ => fault.code(),
            };
            let words = Words::new(status, code, fault.message());
            match fault.hint() {
                Some(hint) => words.hint(hint.into_owned()),
                None => words,
            }
        }
    };
    let words = if fault.kind().is_ours() {
        words.details(format!("Request {}", request.request_id.0))
    } else {
        words
    };
    words.answer(voice)
}

/// Who asks without a credential, or with a token that no longer holds, is told so in PostgREST's words.
fn credentials(failure: &Failure) -> Option<Words> {
    let (code, message, says) = match failure.downcast_ref::<web::Error>() {
        Some(web::Error::NoApiKey | web::Error::NotSignedIn) => {
            ("PGRST302", failure.fault().message().into_owned(), None)
        }
        _ => match failure.downcast_ref::<auth::Error>()? {
            auth::Error::TokenExpired => ("PGRST303", "JWT expired".to_owned(), Some("JWT expired")),
            auth::Error::TokenRevoked => {
                ("PGRST303", failure.fault().message().into_owned(), Some("Token has been revoked"))
            }
            auth::Error::BadToken(_) | auth::Error::KeyGivenUp => {
                ("PGRST301", failure.fault().message().into_owned(), Some("invalid JWT"))
            }
            _ => return None,
        },
    };
    let mut words = Words::new(401, code, message);
    if let Some(hint) = failure.fault().hint() {
        words = words.hint(hint.into_owned());
    }
    if let Some(says) = says {
        let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{says}\"");
        words.headers.push(("www-authenticate".to_owned(), challenge));
    }
    Some(words)
}

fn outside(error: &auth::outside::Error) -> Words {
    let mut words = Words::new(error.status(), error.pgrst_code(), error.to_string());
    if let Some(details) = error.details() {
        words = words.details(details);
    }
    if let Some(challenge) = error.challenge() {
        words.headers.push(("www-authenticate".to_owned(), challenge));
    }
    words
}

/// A refusal in words.
pub(super) fn words(refusal: &Refusal, voice: Voice) -> Words {
    let message = refusal.to_string();
    match refusal {
        Refusal::Query(unreadable) => {
            Words::new(400, "PGRST100", &unreadable.message).details(unreadable.details.as_str())
        }
        Refusal::CallMethod(_) => Words::new(405, "PGRST101", message),
        Refusal::Body(_) => Words::new(400, "PGRST102", message),
        Refusal::Range(range) => Words::new(416, "PGRST103", message).details(range.to_string()),
        Refusal::OutOfRange { offset, total } => Words::new(416, "PGRST103", message)
            .details(format!("An offset of {offset} was requested, but there are only {total} rows.")),
        Refusal::PutFilters => Words::new(405, "PGRST105", message),
        Refusal::Schema { exposed, .. } => {
            let words = Words::new(406, "PGRST106", message);
            match voice.outspoken {
                true => words.hint(format!("Only the following schemas are exposed: {}", exposed.join(", "))),
                false => words,
            }
        }
        Refusal::Media(_) => Words::new(406, "PGRST107", message),
        Refusal::NotEmbedded(embed) => not_embedded(&embed.resource, embed.alias.as_deref()),
        Refusal::ResponseHeaders => Words::new(500, "PGRST111", message),
        Refusal::ResponseStatus => Words::new(500, "PGRST112", message),
        Refusal::PutLimit => Words::new(400, "PGRST114", message),
        Refusal::Method(_) => Words::new(405, "PGRST117", message),
        Refusal::InvalidPreferences(unknown) => Words::new(400, "PGRST122", message)
            .details(format!("Invalid preferences: {}", unknown.join(", "))),
        Refusal::Path => Words::new(404, "PGRST125", message),
        Refusal::NoDescription => Words::new(404, "PGRST126", message),
        Refusal::Data(error) => data_words(error, voice),
        Refusal::Write(refused) => write_words(&refused.error, &refused.report, voice),
        Refusal::Database(error) => super::sqlstate::words(error, voice),
    }
}

fn not_embedded(resource: &str, alias: Option<&str>) -> Words {
    let words =
        Words::new(400, "PGRST108", format!("'{resource}' is not an embedded resource in this request"));
    match alias {
        Some(alias) => words
            .details("Target names are not allowed in filters if they have an alias")
            .hint(format!("Change '{resource}' to '{alias}' in filters, orders or limits.")),
        None => words.hint(format!("Verify that '{resource}' is included in the 'select' query parameter.")),
    }
}

fn data_words(error: &data::Error, voice: Voice) -> Words {
    let message = error.to_string();
    let told = |words: Words, hint: Option<String>| match hint.filter(|_| voice.outspoken) {
        Some(hint) => words.hint(hint),
        None => words,
    };
    match error {
        data::Error::Database(error) => super::sqlstate::words(error, voice),
        data::Error::NoRelation { schema, suggestion, .. } => {
            let hint =
                suggestion.as_ref().map(|name| format!("Perhaps you meant the table '{schema}.{name}'"));
            told(Words::new(404, "PGRST205", message), hint)
        }
        data::Error::NoColumn { .. } => Words::new(400, "PGRST204", message),
        data::Error::NoRelationship { schema, source_name, target, hint, suggestion } => {
            let using = hint.as_ref().map(|hint| format!("' using the hint '{hint}")).unwrap_or_default();
            let details = format!(
                "Searched for a foreign key relationship between '{source_name}' and '{target}{using}' in the schema '{schema}', but no matches were found."
            );
            let hint = suggestion
                .as_ref()
                .map(|(wrong, right)| format!("Perhaps you meant '{right}' instead of '{wrong}'."));
            told(Words::new(400, "PGRST200", message).details(details), hint)
        }
        data::Error::AmbiguousRelationship { target, candidates, .. } => {
            ambiguous(message, target, candidates, voice)
        }
        data::Error::NoFunction { schema, name, arguments, called, suggestion } => super::call::no_function(
            schema,
            name,
            arguments,
            *called,
            suggestion.as_deref().filter(|_| voice.outspoken),
        ),
        data::Error::AmbiguousFunction { .. } => {
            let hint = "Try renaming the parameters or the function itself in the database so function overloading can be resolved";
            let message = if voice.outspoken {
                message
            } else {
                "Could not choose the best candidate function".to_owned()
            };
            Words::new(300, "PGRST203", message).hint(hint)
        }
        data::Error::NoType { .. } => Words::new(400, "42704", message),
        data::Error::NotSingular { rows } => {
            Words::new(406, "PGRST116", message).details(format!("The result contains {rows} rows"))
        }
        data::Error::MaxAffected { rows } => {
            Words::new(400, "PGRST124", message).details(format!("The query affects {rows} rows"))
        }
        data::Error::MaxAffectedSingle => Words::new(400, "PGRST128", message),
        data::Error::OrderNotToOne { source_name, target } => Words::new(400, "PGRST118", message).details(
            format!("'{source_name}' and '{target}' do not form a many-to-one or one-to-one relationship"),
        ),
        data::Error::NotEmbedded { name } => not_embedded(name, None),
        data::Error::AggregatesOff => Words::new(400, "PGRST123", message),
        data::Error::NotImplemented { what } => {
            Words::new(400, "PGRST127", "Feature not implemented").details(*what)
        }
        data::Error::PutFilters => Words::new(405, "PGRST105", message),
        data::Error::PutMismatch => Words::new(400, "PGRST115", message),
        data::Error::TooMuch { .. } => Words::new(413, "54000", message),
        data::Error::NotJson => Words::new(400, "PGRST102", message),
        // A rule of a column that is kept here is worded like one that PostgreSQL keeps.
        data::Error::Field(fault) => with_fields(Words::new(400, "23514", message), vec![(**fault).clone()]),
        data::Error::RepeatOther => fault_words(422, error),
        data::Error::RepeatRunning | data::Error::RepeatRules => fault_words(409, error),
        data::Error::RepeatsTooMany { .. } => fault_words(429, error),
        data::Error::RepeatTooLarge { .. } => fault_words(413, error),
        data::Error::PreRequest(_) | data::Error::Full => fault_words(503, error),
        data::Error::NoCatalog => {
            Words::new(503, "PGRST002", "Could not query the database for the schema cache. Retrying.")
        }
        data::Error::BrokenRule { .. } | data::Error::Bug(_) => {
            Words::new(500, "PGRSTX00", "An unexpected error occurred")
        }
    }
}

/// A refused write: which fields are wrong, or, where the refusal came from what is not served, not even its name.
fn write_words(error: &data::Error, report: &Report, voice: Voice) -> Words {
    let words = data_words(error, voice);
    if voice.outspoken {
        return words;
    }
    let words = match report.elsewhere {
        true => Words { message: "A rule of the database refused this".to_owned(), ..words },
        false => words,
    };
    with_fields(words, report.fields.clone())
}

/// With what is wrong, field by field: in words for who reads `details`, and by name for programs.
fn with_fields(words: Words, fields: Vec<FieldFault>) -> Words {
    if fields.is_empty() {
        return words;
    }
    let said: Vec<String> = fields.iter().map(|fault| format!("{} {}", fault.column, fault.says)).collect();
    Words { fields, ..words.details(said.join("; ")) }
}

/// In our own words, with our own code.
fn fault_words(status: u16, error: &data::Error) -> Words {
    let words = Words::new(status, error.code(), error.message());
    match error.hint() {
        Some(hint) => words.hint(hint.into_owned()),
        None => words,
    }
}

/// Candidates are the foreign keys between two relations the caller named; without their names the caller could not
/// choose. Outside the conformance profile the junctions and columns they run over are left out.
fn ambiguous(message: String, target: &str, candidates: &[data::Candidate], voice: Voice) -> Words {
    // Whoever may use none of them is told of none.
    if candidates.is_empty() {
        return Words::new(300, "PGRST201", message);
    }
    let options: Vec<String> =
        candidates.iter().map(|candidate| format!("'{}!{}'", candidate.target, candidate.hint)).collect();
    let details: Vec<Value> = candidates
        .iter()
        .map(|candidate| {
            json!({
                "cardinality": candidate.cardinality,
                "embedding": format!("{} with {}", candidate.source, candidate.target),
                "relationship": if voice.outspoken { candidate.relationship.as_str() } else { candidate.hint.as_str() },
            })
        })
        .collect();
    Words::new(300, "PGRST201", message).details(details).hint(format!(
        "Try changing '{target}' to one of the following: {}. Find the desired relationship in the 'details' key.",
        options.join(", ")
    ))
}

impl Words {
    /// For the neighbouring files.
    pub(super) fn of(status: u16, code: &str, message: impl Into<String>) -> Self {
        Words::new(status, code, message)
    }
}
