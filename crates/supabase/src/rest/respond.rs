//! From an outcome to an answer: status, ranges, headers, what user code set.
//!
//! Invariant: a header that user code set replaces ours of that name, except those the edge and the connection own
//! ([`NOT_THEIRS`]): user code can neither forge a request's name nor cut a body short.

use bytes::Bytes;
use data::ask::Outcome;
use http::header::{CONTENT_TYPE, VARY};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use web::{Answer, Body};

use super::error::Refusal;
use super::media::Media;
use super::request::Heading;

/// An answer being put together.
pub(super) struct Draft {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Draft {
    /// A status, nothing else yet.
    pub(super) fn new(status: StatusCode) -> Self {
        Draft { status, headers: Vec::with_capacity(8), body: Bytes::new() }
    }

    /// With one more header; a value that cannot be one is left out.
    pub(super) fn with(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_bytes(value.as_ref().as_bytes()) {
            self.headers.push((HeaderName::from_static(name), value));
        }
        self
    }

    /// With one more header, if there is a value.
    pub(super) fn with_some(self, name: &'static str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With one more header that is one already, if there is a value.
    pub(super) fn with_value(mut self, name: HeaderName, value: Option<HeaderValue>) -> Self {
        self.headers.extend(value.map(|value| (name, value)));
        self
    }

    /// With a body whose type is among the headers.
    pub(super) fn with_body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    /// With a body of a type.
    pub(super) fn body(self, heading: &Heading, media: &Media, body: Bytes) -> Self {
        let mut draft = self.typed(heading, media);
        draft.body = body;
        draft
    }

    /// With the type a body would have.
    pub(super) fn typed(self, heading: &Heading, media: &Media) -> Self {
        let profile = heading.names_schema.then_some(heading.schema.as_str());
        self.with("content-type", media.content_type()).with_some("content-profile", profile)
    }

    /// The answer, with a body that comes piece by piece.
    pub(super) fn flowing(self, body: Body) -> Answer {
        let mut answer = self.plain();
        *answer.0.body_mut() = body;
        answer
    }

    /// The answer, with what user code set on top.
    pub(super) fn finish(mut self, outcome: &Outcome) -> Result<Answer, Refusal> {
        if let Some(status) = outcome.response_status.as_deref().filter(|status| !status.is_empty()) {
            let digits: String = status.chars().take_while(char::is_ascii_digit).collect();
            let number = digits.parse::<u16>().ok().and_then(|number| StatusCode::from_u16(number).ok());
            self.status = number.ok_or(Refusal::ResponseStatus)?;
        }
        if outcome.replayed {
            self = self.with(web::repeat::REPLAYED, "true");
        }
        if let Some(headers) = outcome.response_headers.as_deref().filter(|headers| !headers.is_empty()) {
            let theirs = user_headers(headers)?;
            self.headers.retain(|(name, _)| !theirs.iter().any(|(own, _)| own == name));
            self.headers.extend(theirs);
        }
        Ok(self.plain())
    }

    /// The answer.
    pub(super) fn plain(self) -> Answer {
        let mut answer = Answer::bytes(self.status, None, self.body);
        let headers = answer.headers_mut();
        for (name, value) in self.headers {
            if name == CONTENT_TYPE || name == VARY {
                headers.insert(name, value);
            } else {
                headers.append(name, value);
            }
        }
        if !headers.contains_key(VARY) {
            headers.insert(VARY, HeaderValue::from_static("Accept, Prefer, Range"));
        }
        answer
    }
}

/// Headers user code cannot set: how the connection works, and what the edge says.
const NOT_THEIRS: [&str; 7] =
    ["connection", "content-length", "keep-alive", "server", "transfer-encoding", "upgrade", "x-request-id"];

fn user_headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, Refusal> {
    let items: Vec<serde_json::Map<String, Value>> =
        serde_json::from_str(text).map_err(|_| Refusal::ResponseHeaders)?;
    let header = |item: &serde_json::Map<String, Value>| {
        let mut entries = item.iter();
        match (entries.next(), entries.next()) {
            (Some((name, Value::String(value))), None) => {
                let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
                Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
            }
            _ => None,
        }
    };
    let mut headers = items
        .iter()
        .map(|item| header(item).ok_or(Refusal::ResponseHeaders))
        .collect::<Result<Vec<_>, _>>()?;
    headers.retain(|(name, _)| !NOT_THEIRS.contains(&name.as_str()));
    Ok(headers)
}

/// `Content-Range`: `first-last/total`, `*` where there is nothing to say.
pub(super) fn content_range(first: i64, last: i64, total: Option<i64>) -> String {
    let total_text = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
    if total != Some(0) && first <= last {
        format!("{first}-{last}/{total_text}")
    } else {
        format!("*/{total_text}")
    }
}

/// The status of a page: all, a part, or beyond the end.
pub(super) fn page_status(offset: i64, rows: i64, total: Option<i64>) -> StatusCode {
    match total {
        None => StatusCode::OK,
        Some(total) if offset > total => StatusCode::RANGE_NOT_SATISFIABLE,
        Some(total) if rows < total => StatusCode::PARTIAL_CONTENT,
        Some(_) => StatusCode::OK,
    }
}

#[cfg(test)]
mod tests {
    use data::ask::Outcome;
    use http::StatusCode;

    use super::{Draft, content_range, page_status};

    #[test]
    fn ranges_say_what_is_known() {
        assert_eq!(content_range(0, 4, Some(15)), "0-4/15");
        assert_eq!(content_range(0, -1, None), "*/*");
        assert_eq!(content_range(0, -1, Some(0)), "*/0");
        assert_eq!(content_range(1, 0, Some(3)), "*/3");
        assert_eq!(page_status(0, 5, Some(15)), 206);
        assert_eq!(page_status(20, 0, Some(15)), 416);
        assert_eq!(page_status(0, 5, None), 200);
    }

    #[test]
    fn user_code_overrides_status_and_headers() {
        let outcome = Outcome {
            response_headers: Some(r#"[{"Vary":"X"},{"Set-Cookie":"a"},{"Set-Cookie":"b"}]"#.into()),
            response_status: Some("418".into()),
            ..Outcome::default()
        };
        let mut answer = Draft::new(StatusCode::OK).with("content-range", "*/*").finish(&outcome).unwrap();
        assert_eq!(answer.0.status(), 418);
        assert_eq!(answer.headers_mut().get_all("set-cookie").iter().count(), 2);
        assert_eq!(answer.headers_mut().get("vary").unwrap(), "X");
        for wrong in ["{}", r#"[{"a":1}]"#, r#"[{"a":"b","c":"d"}]"#, "x"] {
            let outcome = Outcome { response_headers: Some(wrong.into()), ..Outcome::default() };
            assert!(Draft::new(StatusCode::OK).finish(&outcome).is_err(), "{wrong}");
        }
    }
}
