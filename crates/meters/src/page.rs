//! The page itself: Prometheus' text format, or OpenMetrics for those who ask for it, which has exemplars.
//!
//! Invariant: a family stands once, with everything of it together; label values are escaped.

use std::fmt::Write as _;

use crate::spread::{BOUNDS_US, SpreadNow};

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number that only grows.
    Counter,
    /// A number.
    Gauge,
    /// Durations.
    Histogram,
    /// A counter whose name, for the guide's sake, does not end in `_total`: OpenMetrics has no such counters.
    BareCounter,
}

/// A page being written.
#[derive(Debug)]
pub struct Page {
    text: String,
    open: bool,
    /// Before the number of a thing, its name.
    things: String,
}

/// Names and values.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    /// An empty one; `open` is for OpenMetrics. Things that are remembered are called `things` and a number in hexadecimal.
    pub fn new(open: bool, things: &str) -> Self {
        Page { text: String::with_capacity(32 << 10), open, things: things.to_owned() }
    }

    /// The type by which it is sent.
    pub fn content_type(open: bool) -> &'static str {
        if open {
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        } else {
            "text/plain; version=0.0.4; charset=utf-8"
        }
    }

    /// Begins a family. In OpenMetrics a counter's family is named without `_total`.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let (name, kind) = match (kind, self.open) {
            (Kind::Counter, true) => (name.trim_end_matches("_total"), "counter"),
            (Kind::Counter | Kind::BareCounter, false) => (name, "counter"),
            (Kind::BareCounter, true) => (name, "unknown"),
            (Kind::Gauge, _) => (name, "gauge"),
            (Kind::Histogram, _) => (name, "histogram"),
        };
        self.add(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// A whole number.
    pub fn number(&mut self, name: &str, labels: Labels<'_>, value: u64) {
        self.sample(name, labels, None);
        self.add(format_args!(" {value}\n"));
    }

    /// Any number.
    pub fn real(&mut self, name: &str, labels: Labels<'_>, value: f64) {
        self.sample(name, labels, None);
        self.add(format_args!(" {value}\n"));
    }

    /// Durations, in seconds.
    pub fn spread(&mut self, name: &str, labels: Labels<'_>, now: &SpreadNow) {
        let bucket = format!("{name}_bucket");
        let mut sum = 0;
        for (at, count) in now.buckets.iter().enumerate() {
            sum += count;
            let bound = BOUNDS_US.get(at).map_or("+Inf".to_owned(), |us| seconds(*us));
            self.sample(&bucket, labels, Some(&bound));
            self.add(format_args!(" {sum}"));
            if let (true, Some(Some((number, took)))) = (self.open, now.last.get(at)) {
                let (things, took) = (self.things.clone(), seconds(*took));
                self.add(format_args!(" # {{request_id=\"{things}{number:x}\"}} {took}"));
            }
            self.text.push('\n');
        }
        self.sample(&format!("{name}_sum"), labels, None);
        self.add(format_args!(" {}\n", seconds(now.sum_us)));
        self.number(&format!("{name}_count"), labels, sum);
    }

    /// The whole page.
    pub fn end(mut self) -> String {
        if self.open {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, bound: Option<&str>) {
        self.text.push_str(name);
        let bound = bound.map(|bound| ("le", bound));
        let mut before = '{';
        for (name, value) in labels.iter().copied().chain(bound) {
            self.text.push(before);
            before = ',';
            self.text.push_str(name);
            self.text.push_str("=\"");
            for c in value.chars() {
                match c {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    c => self.text.push(c),
                }
            }
            self.text.push('"');
        }
        if before == ',' {
            self.text.push('}');
        }
    }

    fn add(&mut self, words: std::fmt::Arguments<'_>) {
        let _a_string_takes_everything = self.text.write_fmt(words);
    }
}

/// Microseconds as seconds, without rounding.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spread;

    fn page(open: bool) -> String {
        let spread = Spread::default();
        spread.took_by(1500, 255);
        spread.took(3_000_000);
        let mut page = Page::new(open, "ab-");
        page.family("asked_total", Kind::Counter, "How often");
        page.number("asked_total", &[("what", "a \"b\"\\\n")], 7);
        page.family("took_seconds", Kind::Histogram, "How long");
        page.spread("took_seconds", &[("route", "/x")], &spread.now());
        page.family("share", Kind::Gauge, "Part");
        page.real("share", &[], 0.25);
        page.end()
    }

    #[test]
    fn it_is_what_prometheus_reads() {
        let text = page(false);
        assert!(text.starts_with("# HELP asked_total How often\n# TYPE asked_total counter\nasked_total{what=\"a \\\"b\\\"\\\\\\n\"} 7\n"), "{text}");
        for line in [
            "took_seconds_bucket{route=\"/x\",le=\"0.001\"} 0",
            "took_seconds_bucket{route=\"/x\",le=\"0.0025\"} 1",
            "took_seconds_bucket{route=\"/x\",le=\"10.0\"} 2",
            "took_seconds_bucket{route=\"/x\",le=\"+Inf\"} 2",
            "took_seconds_sum{route=\"/x\"} 3.0015",
            "took_seconds_count{route=\"/x\"} 2",
            "share 0.25",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn openmetrics_has_exemplars_and_an_end() {
        let text = page(true);
        assert!(text.contains("le=\"0.0025\"} 1 # {request_id=\"ab-ff\"} 0.0015\n"), "{text}");
        assert!(text.contains("# TYPE asked counter\nasked_total{"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
