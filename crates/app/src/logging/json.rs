//! One JSON object a line, written straight into a buffer: the general formatter took an eighth of a request's time.
//!
//! Invariant: whatever a field holds, the line is one line and one object.

use std::cell::RefCell;
use std::fmt::{self, Write as _};

use base::Clock;
use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::{Kept, To};

/// Writes every event as a line of JSON.
pub(super) struct JsonLines {
    pub(super) kept: Kept,
    pub(super) to: To,
}

/// What a thread writes its lines with.
struct Pen {
    line: String,
    /// A second, and how a time within it begins: most lines are of the same second as the last one.
    second: i64,
    begins: String,
}

thread_local! {
    static PEN: RefCell<Pen> = const { RefCell::new(Pen::new()) };
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        PEN.with(|pen| {
            // Busy only if a value logs while it is being printed: that line gets a pen of its own.
            match pen.try_borrow_mut() {
                Ok(mut pen) => self.line(event, &mut pen),
                Err(_) => self.line(event, &mut Pen::new()),
            }
        });
    }
}

impl Pen {
    const fn new() -> Self {
        Pen { line: String::new(), second: i64::MIN, begins: String::new() }
    }

    fn time(&mut self, now: Timestamp) {
        if self.second != now.as_second() {
            (self.second, self.begins) = (now.as_second(), now.strftime("%Y-%m-%dT%H:%M:%S").to_string());
        }
        // Writing to a string does not fail.
        let _written = write!(self.line, "{}.{:06}Z", self.begins, now.subsec_microsecond());
    }
}

impl JsonLines {
    fn line(&self, event: &Event<'_>, pen: &mut Pen) {
        pen.line.clear();
        pen.line.push_str("{\"timestamp\":\"");
        pen.time(Clock::system().now());
        let line = &mut pen.line;
        let level = *event.metadata().level();
        line.push_str("\",\"level\":\"");
        line.push_str(level.as_str());
        line.push('"');
        event.record(&mut Fields(line));
        line.push_str(",\"target\":");
        quoted(line, event.metadata().target());
        line.push_str("}\n");
        self.kept.line(line.as_bytes(), level, self.to);
    }
}

/// Fields, behind what is there.
struct Fields<'a>(&'a mut String);

impl Fields<'_> {
    fn name(&mut self, field: &Field) {
        self.0.push(',');
        quoted(self.0, field.name().strip_prefix("r#").unwrap_or(field.name()));
        self.0.push(':');
    }

    fn bare(&mut self, field: &Field, value: impl fmt::Display) {
        self.name(field);
        let _written = write!(self.0, "{value}");
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        quoted(self.0, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, value);
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.bare(field, value);
        } else {
            self.bare(field, "null");
        }
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.name(field);
        self.0.push('"');
        let _written = write!(Escaped(self.0), "{value:?}");
        self.0.push('"');
    }
}

/// Escapes whatever is written through it.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escaped(self.0, text);
        Ok(())
    }
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    escaped(out, text);
    out.push('"');
}

fn escaped(out: &mut String, text: &str) {
    // Without an early end, so that many bytes are looked at at once.
    let is_odd = |byte: u8| (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte == 0x7f);
    if !text.bytes().fold(false, |odd, byte| odd | is_odd(byte)) {
        return out.push_str(text);
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' || c == '\u{7f}' => {
                let _written = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn a_line_is_one_object_whatever_it_says() {
        let kept = Kept::default();
        let subscriber = tracing_subscriber::Registry::default()
            .with(JsonLines { kept: kept.clone(), to: To::Everywhere });
        tracing::subscriber::with_default(subscriber, || {
            let odd = "a \"b\"\\\n{\"c\": 1}\u{1}\u{7f}é";
            tracing::info!(target: "t", text = odd, shown = %odd, number = -5_i64, share = 0.5, none = f64::NAN, yes = true, "said {}", 7);
        });
        let lines = kept.after(0).lines;
        let said: serde_json::Value = serde_json::from_str(lines.first().unwrap()).unwrap();
        assert_eq!(said["text"], "a \"b\"\\\n{\"c\": 1}\u{1}\u{7f}é");
        assert_eq!(said["text"], said["shown"]);
        assert_eq!(
            (&said["number"], &said["share"], &said["none"], &said["yes"]),
            (&(-5).into(), &0.5.into(), &serde_json::Value::Null, &true.into())
        );
        assert_eq!(
            (&said["message"], &said["level"], &said["target"]),
            (&"said 7".into(), &"INFO".into(), &"t".into())
        );
        assert_eq!(said["timestamp"].as_str().unwrap().len(), "2026-11-22T00:00:00.000000Z".len());
    }
}
