//! OpenTelemetry: logs and, of each request, a span, as OTLP over HTTP in JSON.
//!
//! A span is made of the request's own line, so that nothing is carried through a request for it. Its ids come from the
//! request's, the same on its lines, its span and in what it asks of others; a trace that a believed caller named is in the
//! request's id too.

use std::time::Duration;

use base::{Secret, Settings};
use jiff::{SignedDuration, Timestamp};
use outbound::{Outbound, Request};
use serde_json::{Map, Value, json};

use crate::record::{From, Record, Severity};
use crate::{Error, limits, settings};

/// A collector.
pub(crate) struct Otlp {
    logs: String,
    traces: Option<String>,
    headers: Vec<(String, Secret<String>)>,
}

impl Otlp {
    /// From the settings, when one is set.
    pub fn from(given: &Settings) -> Result<Option<Self>, Error> {
        let Some(endpoint) = given.get(&settings::OTLP_ENDPOINT) else { return Ok(None) };
        let base = endpoint.trim_end_matches('/');
        outbound::Target::parse(base).map_err(|error| Error::Setting {
            setting: settings::OTLP_ENDPOINT.definition.name,
            what: error.to_string(),
        })?;
        let mut headers = Vec::new();
        if let Some(text) = given.get(&settings::OTLP_HEADERS) {
            for pair in text.expose().split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
                let (name, value) = pair.split_once('=').ok_or_else(|| Error::Setting {
                    setting: settings::OTLP_HEADERS.definition.name,
                    what: "expected name=value with commas between them".to_owned(),
                })?;
                if !Request::can_carry(name.trim(), value.trim()) {
                    return Err(Error::Setting {
                        setting: settings::OTLP_HEADERS.definition.name,
                        what: "a name or a value in it can be in no header".to_owned(),
                    });
                }
                headers.push((name.trim().to_owned(), Secret::from(value.trim())));
            }
        }
        let traces = given.get(&settings::OTLP_TRACES).then(|| format!("{base}/v1/traces"));
        Ok(Some(Otlp { logs: format!("{base}/v1/logs"), traces, headers }))
    }

    /// Gives them to the collector. Spans come first: a batch that is tried again sends the same ones again.
    pub async fn deliver(&self, outbound: &Outbound, records: &[Record]) -> Result<(), Error> {
        let read: Vec<(&Record, Map<String, Value>)> =
            records.iter().map(|record| (record, record.fields())).collect();
        if let Some(url) = &self.traces {
            let spans = read.iter().filter_map(|(record, fields)| span(record, fields));
            for body in bodies(["resourceSpans", "scopeSpans", "spans"], spans) {
                self.post(outbound, url, body).await?;
            }
        }
        let logs = read.iter().map(|(record, fields)| log(record, fields));
        for body in bodies(["resourceLogs", "scopeLogs", "logRecords"], logs) {
            self.post(outbound, &self.logs, body).await?;
        }
        Ok(())
    }

    async fn post(&self, outbound: &Outbound, url: &str, body: String) -> Result<(), Error> {
        let mut request = Request::post("otlp", url)
            .body("application/json", body)
            .within(Duration::from_secs(limits::ANSWER_SECONDS.value));
        for (name, value) in &self.headers {
            request = request.header(name, value.expose());
        }
        outbound.send(request).await.and_then(outbound::Answer::success)?;
        Ok(())
    }
}

/// As few bodies as hold all of these: with every name in it, OTLP's JSON is several times as long as what it tells. What
/// fits into none by itself is no line of ours; it is left out, or nothing behind it would ever leave.
fn bodies([outer, scope, inner]: [&str; 3], items: impl Iterator<Item = Value>) -> Vec<String> {
    let resource = resource();
    let begin = format!(
        "{{\"{outer}\":[{{\"resource\":{resource},\"{scope}\":[{{\"scope\":{{\"name\":\"palisade\"}},\"{inner}\":["
    );
    const END: &str = "]}]}]}";
    let room = limits::BODY_BYTES.size().saturating_sub(begin.len() + END.len());
    let mut bodies: Vec<String> = Vec::new();
    let mut open = String::new();
    let mut close = |open: &mut String| {
        if !open.is_empty() {
            bodies.push(format!("{begin}{open}{END}"));
            open.clear();
        }
    };
    for item in items {
        let item = item.to_string();
        if item.len() > room {
            tracing::error!(bytes = item.len(), "a line that no collector takes was left out");
            continue;
        }
        if open.len() + 1 + item.len() > room {
            close(&mut open);
        }
        if !open.is_empty() {
            open.push(',');
        }
        open.push_str(&item);
    }
    close(&mut open);
    bodies
}

fn resource() -> Value {
    let host = crate::host_name();
    json!({ "attributes": [
        attribute("service.name", &"palisade".into()),
        attribute("service.version", &env!("CARGO_PKG_VERSION").into()),
        attribute("host.name", &host.into()),
    ] })
}

fn attribute(name: &str, value: &Value) -> Value {
    let value = match value {
        Value::String(text) => json!({ "stringValue": text }),
        Value::Bool(yes) => json!({ "boolValue": yes }),
        // Whole numbers are text in OTLP's JSON: they have 64 bits.
        Value::Number(number) if number.is_i64() || number.is_u64() => {
            json!({ "intValue": number.to_string() })
        }
        Value::Number(number) => json!({ "doubleValue": number }),
        Value::Null => json!({}),
        Value::Array(_) | Value::Object(_) => json!({ "stringValue": value.to_string() }),
    };
    json!({ "key": name, "value": value })
}

/// Ids of a request's trace and of its span.
fn ids(fields: &Map<String, Value>) -> Option<(String, String)> {
    fields.get("request_id")?.as_str().map(base::trace::ids)
}

fn nanoseconds(at: Timestamp) -> String {
    at.as_nanosecond().to_string()
}

fn log(record: &Record, fields: &Map<String, Value>) -> Value {
    let (number, text) = match record.severity {
        Severity::Critical => (21, "FATAL"),
        Severity::Error => (17, "ERROR"),
        Severity::Warning => (13, "WARN"),
        Severity::Informational => (9, "INFO"),
        Severity::Debug => (5, "DEBUG"),
    };
    let body = fields.get("message").and_then(Value::as_str).unwrap_or(&record.name);
    let kind = match record.from {
        From::Audit => "audit",
        From::Log => "log",
    };
    let rest = fields.iter().filter(|(name, _)| !matches!(name.as_str(), "message" | "timestamp" | "level"));
    let mut attributes: Vec<Value> = rest.map(|(name, value)| attribute(name, value)).collect();
    attributes.push(attribute("palisade.stream", &kind.into()));
    let mut log = json!({
        "timeUnixNano": nanoseconds(record.at),
        "observedTimeUnixNano": nanoseconds(record.at),
        "severityNumber": number,
        "severityText": text,
        "body": { "stringValue": body },
        "attributes": attributes,
    });
    if let (Some((trace, span)), Some(log)) = (ids(fields), log.as_object_mut()) {
        log.insert("traceId".to_owned(), trace.into());
        log.insert("spanId".to_owned(), span.into());
    }
    log
}

/// The span of a request, when this is a request's line.
fn span(record: &Record, fields: &Map<String, Value>) -> Option<Value> {
    if record.from != From::Log || record.name != "palisade::access" {
        return None;
    }
    let (trace, span) = ids(fields)?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let (method, path) = (text("method")?, text("path")?);
    let status = fields.get("status").and_then(Value::as_i64)?;
    let took = SignedDuration::from_micros(fields.get("took_us").and_then(Value::as_i64)?);
    let began = record.at.checked_sub(took).ok()?;
    let mut attributes = vec![
        attribute("http.request.method", &method.into()),
        attribute("http.route", &path.into()),
        attribute("http.response.status_code", &status.into()),
    ];
    for (name, ours) in [
        ("client.address", "ip"),
        ("user_agent.original", "user_agent"),
        ("user.id", "user_id"),
        ("palisade.request_id", "request_id"),
    ] {
        attributes.extend(text(ours).map(|value| attribute(name, &value.into())));
    }
    let mut said = json!({
        "traceId": trace,
        "spanId": span,
        "name": format!("{method} {path}"),
        // A server's.
        "kind": 2,
        "startTimeUnixNano": nanoseconds(began),
        "endTimeUnixNano": nanoseconds(record.at),
        "attributes": attributes,
        "status": { "code": if status >= 500 { 2 } else { 0 } },
    });
    if let (Some(parent), Some(said)) = (text("parent_span_id"), said.as_object_mut()) {
        said.insert("parentSpanId".to_owned(), parent.into());
    }
    Some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_cannot_be_sent_are_told_at_start_and_not_repeated() {
        let with = |headers: &str| {
            let given = Settings::default().with("logging.otlp_endpoint", "https://otlp.example.com");
            Otlp::from(&given.with("logging.otlp_headers", headers)).map(|found| found.is_some())
        };
        assert!(with("x-tenant=ours, authorization=Bearer abc").unwrap());
        for headers in ["x tenant=hunter2", "x-tenant=hunter2\nx-other: 1", "hunter2"] {
            let refused = with(headers).unwrap_err().to_string();
            assert!(refused.contains("logging.otlp_headers") && !refused.contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn bodies_hold_everything_in_order_and_none_is_longer_than_what_leaves_the_house() {
        let wide = |number: usize| json!({ "number": number, "text": "x".repeat(1_000) });
        let too_wide = json!({ "text": "x".repeat(limits::BODY_BYTES.size()) });
        let items = (0..3_000).map(wide).chain([too_wide]).chain([wide(3_000)]);
        let bodies = bodies(["resourceLogs", "scopeLogs", "logRecords"], items);
        assert!(bodies.len() >= 3 && bodies.iter().all(|body| body.len() <= limits::BODY_BYTES.size()));
        assert!(limits::BODY_BYTES.value <= outbound::limits::SENT_BYTES.value);
        let read = bodies.iter().flat_map(|body| {
            let body: Value = serde_json::from_str(body).unwrap();
            body["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().unwrap().clone()
        });
        assert!(read.map(|one| one["number"].as_u64().unwrap()).eq(0..=3_000));
        assert!(super::bodies(["a", "b", "c"], std::iter::empty()).is_empty());
    }

    #[test]
    fn a_requests_line_is_a_log_and_a_span_of_the_same_trace() {
        let line = r#"{"timestamp":"2026-11-22T07:00:01Z","level":"INFO","request_id":"ab-1","method":"GET","path":"/health","status":503,"took_us":250000,"ip":"192.0.2.1","target":"palisade::access"}"#;
        let record = Record::of_line(line, Timestamp::UNIX_EPOCH);
        let fields = record.fields();
        let (log, span) = (log(&record, &fields), span(&record, &fields).unwrap());
        assert_eq!(log["traceId"], span["traceId"]);
        assert_eq!(
            (log["traceId"].as_str().unwrap().len(), span["spanId"].as_str().unwrap().len()),
            (32, 16)
        );
        assert_eq!(span["name"], "GET /health");
        assert_eq!(span["startTimeUnixNano"], "1795330800750000000");
        assert_eq!(span["endTimeUnixNano"], "1795330801000000000");
        assert_eq!(span["status"]["code"], 2);
        assert!(
            log["attributes"]
                .as_array()
                .unwrap()
                .contains(&json!({ "key": "status", "value": { "intValue": "503" } }))
        );
        let given = "4bf92f3577b34da6a3ce929d0e0e4736";
        let line = line.replace("ab-1", &format!("ab-1.{given}"));
        let line =
            line.replace("\"ip\"", "\"trace_id\":\"x\",\"parent_span_id\":\"00f067aa0ba902b7\",\"ip\"");
        let record = Record::of_line(&line, Timestamp::UNIX_EPOCH);
        let within = super::span(&record, &record.fields()).unwrap();
        assert_eq!(
            (&within["traceId"], &within["parentSpanId"]),
            (&given.into(), &"00f067aa0ba902b7".into())
        );
        let other =
            Record::of_line(r#"{"level":"WARN","message":"said","target":"x"}"#, Timestamp::UNIX_EPOCH);
        assert!(super::span(&other, &other.fields()).is_none());
        assert_eq!(super::log(&other, &other.fields())["body"]["stringValue"], "said");
    }
}
