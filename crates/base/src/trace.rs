//! Which trace a request is part of (W3C Trace Context), for whatever is done for it: calls to elsewhere, statements, lines.
//!
//! What a caller says is believed only where the edge believes the caller. A request that brings no trace still has one, made
//! of its own name, so that nothing has to be carried for it.
//!
//! Invariant: an id is hexadecimal digits in lower case, never all zero; nothing else of what was sent is kept but a short
//! `tracestate` of visible ASCII.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Arc;

/// What a caller said of the trace that its request is part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The trace, as 32 digits.
    pub trace: String,
    /// The caller's span, as 16 digits.
    pub parent: String,
    /// Whether the caller keeps what it sees of this trace.
    pub sampled: bool,
    /// What tracing systems on the way wrote for themselves.
    pub state: Option<String>,
}

/// As much of `tracestate` as everybody has to pass on.
const STATE_BYTES_MAX: usize = 512;

impl Given {
    /// Reads a `traceparent` and what came as `tracestate`. Anything that is not exactly one is nothing.
    pub fn read(parent: &str, state: Option<&str>) -> Option<Self> {
        let mut parts = parent.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Version 00 ends here; a later one may go on.
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let right = is_id(trace, 32) && is_id(span, 16) && is_hex(version, 2) && is_hex(flags, 2);
        if !right {
            return None;
        }
        let flags = u8::from_str_radix(flags, 16).ok()?;
        let state = state.filter(|text| {
            !text.is_empty()
                && text.len() <= STATE_BYTES_MAX
                && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        });
        Some(Given {
            trace: trace.to_owned(),
            parent: span.to_owned(),
            sampled: flags & 1 == 1,
            state: state.map(str::to_owned),
        })
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_id(text: &str, length: usize) -> bool {
    is_hex(text, length) && text.bytes().any(|byte| byte != b'0')
}

/// The trace of a request under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The request's name.
    pub request: Arc<str>,
    /// What its caller said, if it is believed.
    pub given: Option<Arc<Given>>,
}

impl Trace {
    /// What is sent along as `traceparent`: our span is the parent of whatever is done there.
    pub fn parent(&self) -> String {
        let (trace, span) = ids(&self.request);
        // Ours is kept with everything else of the request: its line says so.
        let sampled = self.given.as_ref().is_none_or(|given| given.sampled);
        format!("00-{trace}-{span}-0{}", u8::from(sampled))
    }

    /// What is sent along as `tracestate`.
    pub fn state(&self) -> Option<&str> {
        self.given.as_ref()?.state.as_deref()
    }
}

/// The name of a request whose caller said which trace it is part of: its own, and the trace's behind a dot. So whatever
/// knows the request's name, the audit log among others, knows the trace.
pub fn named(own: &str, given: &Given) -> String {
    format!("{own}.{}", given.trace)
}

/// The trace that a request's name tells of, where a caller gave one.
pub fn given_in(request: &str) -> Option<&str> {
    request.rsplit_once('.').map(|(_, trace)| trace).filter(|trace| is_id(trace, 32))
}

/// The ids of a request's trace and of its own span, as text: the trace its caller gave, or one made of the request's name.
pub fn ids(request: &str) -> (String, String) {
    let span = hex(&spread(request.as_bytes(), 3).to_be_bytes());
    if let Some(trace) = given_in(request) {
        return (trace.to_owned(), span);
    }
    let halves = [spread(request.as_bytes(), 1).to_be_bytes(), spread(request.as_bytes(), 2).to_be_bytes()];
    (hex(halves.as_flattened()), span)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A number that looks like chance and is the same for the same name. It names and does not protect: FNV-1a, then a mixer
/// that lets each bit depend on each (the last step of splitmix64). Never zero.
fn spread(bytes: &[u8], which: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ which.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut sum =
        bytes.iter().fold(start, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    sum = (sum ^ (sum >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    sum = (sum ^ (sum >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (sum ^ (sum >> 31)).max(1)
}

thread_local! {
    static CURRENT: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

/// The trace of what is being done here and now, if it is done for a request.
pub fn current() -> Option<Trace> {
    CURRENT.with_borrow(Clone::clone)
}

/// Does something as part of `trace`: one step of a request, which whoever drives the request calls for each.
pub fn during<T>(trace: &Trace, step: impl FnOnce() -> T) -> T {
    struct Restore(Option<Trace>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _restore = Restore(CURRENT.replace(Some(trace.clone())));
    step()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_parent_is_read_as_the_standard_says_or_not_at_all() {
        let given = Given::read(&format!("00-{TRACE}-{SPAN}-01"), Some("a=1,b=2")).unwrap();
        assert_eq!((&*given.trace, &*given.parent, given.sampled), (TRACE, SPAN, true));
        assert_eq!(given.state.as_deref(), Some("a=1,b=2"));
        assert!(!Given::read(&format!("00-{TRACE}-{SPAN}-02"), None).unwrap().sampled);
        assert!(Given::read(&format!("cc-{TRACE}-{SPAN}-01-what-comes-later"), None).is_some());
        let zeros = ("0".repeat(32), "0".repeat(16));
        for wrong in [
            String::new(),
            "00".to_owned(),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}0-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", zeros.0),
            format!("00-{TRACE}-{}-01", zeros.1),
            format!(" 00-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-zz"),
            format!("0x-{TRACE}-{SPAN}-01"),
            format!("00-{}'-{SPAN}-01", &TRACE[1..]),
        ] {
            assert_eq!(Given::read(&wrong, None), None, "{wrong:?}");
        }
        for state in ["", &"x".repeat(513), "a=\u{7f}", "a=ä", "a=\n"] {
            assert_eq!(Given::read(&format!("00-{TRACE}-{SPAN}-01"), Some(state)).unwrap().state, None);
        }
    }

    #[test]
    fn a_name_tells_its_trace_and_each_name_another() {
        let given = Given::read(&format!("00-{TRACE}-{SPAN}-00"), None).unwrap();
        let name = named("b1946ac9-1f", &given);
        assert_eq!(given_in(&name), Some(TRACE));
        let (trace, span) = ids(&name);
        assert!(trace == TRACE && span != SPAN && is_id(&span, 16));
        let with = Trace { request: name.into(), given: Some(Arc::new(given)) };
        assert_eq!(with.parent(), format!("00-{TRACE}-{span}-00"));
        assert_eq!(given_in("b1946ac9-1f"), None);
        assert_eq!(given_in("b1946ac9-1f.x"), None);
        let all: std::collections::HashSet<(String, String)> =
            (0..10_000).map(|number| ids(&format!("b1946ac9-{number:x}"))).collect();
        assert_eq!(all.len(), 10_000);
        assert!(all.iter().all(|(trace, span)| is_id(trace, 32) && is_id(span, 16)));
    }

    #[test]
    fn what_is_current_ends_with_its_step_also_by_a_panic() {
        let trace = |name: &str| Trace { request: name.into(), given: None };
        assert_eq!(current(), None);
        during(&trace("outer"), || {
            during(&trace("inner"), || assert_eq!(current(), Some(trace("inner"))));
            assert_eq!(current(), Some(trace("outer")));
        });
        let broke = std::panic::catch_unwind(|| during(&trace("broken"), || panic!("as wanted")));
        assert!(broke.is_err() && current().is_none());
    }
}
