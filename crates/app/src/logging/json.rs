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

use super::{Kept, LOG_FIELD_BYTES_MAX, To};
use crate::commands::is_obeyed;

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
        self.line.push_str(&self.begins);
        // With the one in front the digits are always six.
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(1_000_000 + now.subsec_microsecond());
        self.line.push('.');
        self.line.push_str(digits.get(1..).unwrap_or_default());
        self.line.push('Z');
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

    fn whole(&mut self, field: &Field, value: impl itoa::Integer) {
        self.name(field);
        self.0.push_str(itoa::Buffer::new().format(value));
    }

    fn bare(&mut self, field: &Field, value: impl fmt::Display) {
        self.name(field);
        // Writing to a string does not fail.
        let _written = write!(self.0, "{value}");
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        let end = value.floor_char_boundary(LOG_FIELD_BYTES_MAX.size());
        quoted(self.0, value.get(..end).unwrap_or_default());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.whole(field, value);
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.whole(field, value);
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
        // What is longer than it may be ends the writing.
        let _written = write!(Escaped(self.0, LOG_FIELD_BYTES_MAX.size()), "{value:?}");
        self.0.push('"');
    }
}

/// Escapes whatever is written through it, as much as there is room for.
struct Escaped<'a>(&'a mut String, usize);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fits = text.get(..text.floor_char_boundary(self.1)).unwrap_or_default();
        escaped(self.0, fits);
        self.1 -= fits.len();
        if fits.len() < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    escaped(out, text);
    out.push('"');
}

fn escaped(out: &mut String, text: &str) {
    if !needs_escapes(text.as_bytes()) {
        return out.push_str(text);
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Files of a log are read on terminals too.
            c if is_obeyed(c) => {
                let _written = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

/// Whether there is a quote, a backslash, a control character or anything beyond ASCII: eight bytes at once, since hardly ever
/// there is.
fn needs_escapes(text: &[u8]) -> bool {
    let (eights, rest) = text.as_chunks::<8>();
    // The last ones may be looked at twice.
    let odd_end = match (text.last_chunk::<8>(), text.first_chunk::<4>(), text.last_chunk::<4>()) {
        (Some(end), _, _) => any_odd(*end),
        (None, Some([a, b, c, d]), Some([e, f, g, h])) => any_odd([*a, *b, *c, *d, *e, *f, *g, *h]),
        (None, _, _) => rest.iter().any(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f..)),
    };
    odd_end || eights.iter().any(|eight| any_odd(*eight))
}

/// The same of eight bytes, each in its place of one number: taking 1 from a byte sets its highest bit only where it was 0,
/// or had that bit; what is lent by the byte below changes nothing, for then that one was 0.
const fn any_odd(eight: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    const fn below(word: u64, bound: u8) -> u64 {
        word.wrapping_sub(ONES * bound as u64) & !word
    }
    const fn is(word: u64, byte: u8) -> u64 {
        below(word ^ (ONES * byte as u64), 1)
    }
    let word = u64::from_ne_bytes(eight);
    (word | below(word, 0x20) | is(word, b'"') | is(word, b'\\') | is(word, 0x7f)) & HIGH != 0
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
            let odd = "a \"b\"\\\n{\"c\": 1}\u{1}\u{7f}é\u{9b}2J\u{202e}";
            tracing::info!(target: "t", text = odd, shown = %odd, number = -5_i64, share = 0.5, none = f64::NAN, yes = true, "said {}", 7);
        });
        let lines = kept.after(0).lines;
        let said: serde_json::Value = serde_json::from_str(lines.first().unwrap()).unwrap();
        assert_eq!(said["text"], "a \"b\"\\\n{\"c\": 1}\u{1}\u{7f}é\u{9b}2J\u{202e}");
        assert!(lines.iter().all(|line| !line.contains(is_obeyed) && line.contains('é')), "{lines:?}");
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

    #[test]
    fn a_field_has_so_many_bytes_whoever_wrote_it_and_its_line_is_one_object_still() {
        let kept = Kept::default();
        let subscriber =
            tracing_subscriber::Registry::default().with(JsonLines { kept: kept.clone(), to: To::Files });
        let long = "é\"".repeat(LOG_FIELD_BYTES_MAX.size());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "t", text = long, shown = %long, last = true, "said {long}");
        });
        let line = std::mem::take(&mut kept.lines().batch.filed);
        let said: serde_json::Value = serde_json::from_slice(&line).unwrap();
        for field in ["text", "shown", "message"] {
            let text = said[field].as_str().unwrap();
            assert!(
                LOG_FIELD_BYTES_MAX.size() - text.len() < 8 && !text.is_empty(),
                "{field}: {}",
                text.len()
            );
        }
        assert_eq!(said["last"], true);
    }

    #[test]
    fn what_needs_an_escape_is_found_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let needs = byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f..);
            for (length, fill) in (1..=20).flat_map(|length| [b' ', b'~'].map(|fill| (length, fill))) {
                assert!(!needs_escapes(&vec![fill; length]), "{fill:x}");
                for at in 0..length {
                    let mut text = vec![fill; length];
                    text[at] = byte;
                    assert_eq!(needs_escapes(&text), needs, "{byte:x} at {at} of {length}, among {fill:x}");
                }
            }
        }
        assert!(!needs_escapes(b""));
    }
}
