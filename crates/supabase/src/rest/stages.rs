//! How long each stage of a request took, for `Server-Timing` (the conformance profile only).
//!
//! Invariant: where it is off, no clock is read.

use std::time::Instant;

use web::Ask;

use super::Rest;

/// A stop-watch over the stages.
pub(super) struct Stages(Option<Watch>);

struct Watch {
    token_ms: f64,
    last: Instant,
    parse_ms: f64,
    plan_ms: f64,
    run_ms: f64,
}

impl Stages {
    /// Starts, if the operator wants it. The token was verified at the edge already; its share is measured by doing it
    /// once more.
    pub(super) fn begin(rest: &Rest, ask: &Ask) -> Self {
        if !rest.config.timing {
            return Stages(None);
        }
        let began = Instant::now();
        rest.verify_again(ask);
        let token_ms = milliseconds(began);
        Stages(Some(Watch { token_ms, last: Instant::now(), parse_ms: 0.0, plan_ms: 0.0, run_ms: 0.0 }))
    }

    pub(super) fn parsed(&mut self) {
        self.lap(|watch, took| watch.parse_ms = took);
    }

    pub(super) fn planned(&mut self) {
        self.lap(|watch, took| watch.plan_ms = took);
    }

    pub(super) fn ran(&mut self) {
        self.lap(|watch, took| watch.run_ms = took);
    }

    fn lap(&mut self, put: impl FnOnce(&mut Watch, f64)) {
        if let Some(watch) = &mut self.0 {
            let took = milliseconds(watch.last);
            put(watch, took);
            watch.last = Instant::now();
        }
    }

    /// The header.
    pub(super) fn header(&self) -> Option<String> {
        let watch = self.0.as_ref()?;
        Some(format!(
            "jwt;dur={:.1}, parse;dur={:.1}, plan;dur={:.1}, transaction;dur={:.1}, response;dur={:.1}",
            watch.token_ms,
            watch.parse_ms,
            watch.plan_ms,
            watch.run_ms,
            milliseconds(watch.last)
        ))
    }
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
