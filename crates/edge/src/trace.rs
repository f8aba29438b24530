//! The trace that a request is part of, where its caller is believed to say so: a trusted proxy, or the operator's own program.

use std::pin::Pin;
use std::task::{Context, Poll};

use base::Trace;
use base::trace::{Given, during};
use http::HeaderMap;
use web::Handled;

use crate::names::TRACEPARENT;

/// What the headers say; nothing unless they say exactly one thing.
pub(crate) fn offered(headers: &HeaderMap) -> Option<Given> {
    let mut said = headers.get_all(&TRACEPARENT).iter();
    let parent = said.next()?;
    if said.next().is_some() {
        return None;
    }
    let lines: Vec<&str> =
        headers.get_all("tracestate").iter().filter_map(|line| line.to_str().ok()).collect();
    let state = lines.join(",");
    Given::read(parent.to_str().ok()?, Some(&state))
}

/// A handler whose every step is part of a trace.
pub(crate) struct Within {
    pub(crate) trace: Trace,
    pub(crate) handled: Handled,
}

impl Future for Within {
    type Output = <Handled as Future>::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Within { trace, handled } = &mut *self;
        during(trace, || handled.as_mut().poll(cx))
    }
}
