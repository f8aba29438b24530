//! Small modules for browsers, served as the packages in `clients/` hold them.

use std::sync::Arc;

use http::header::CACHE_CONTROL;
use http::{Method, StatusCode};
use web::{Answer, Ask, Credentials, Cx, Guard, Handled, Limits, Reply, Route};

use crate::State;

/// The module of the npm package, which is this one file.
const WRITES: &str = include_str!("../../../clients/writes/index.js");

/// `import { writesOnce } from '…/client/v1/writes.js'` (control 125).
pub const WRITES_JS: Route<State> = Route::new(Method::GET, "/client/v1/writes.js", Guard::Open, writes)
    .credentials(Credentials::None)
    .limits(Limits::NO_BODY)
    .summary("A module for browsers whose writes happen once");

fn writes(_: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async {
        let answer = Answer::text(StatusCode::OK, "text/javascript; charset=utf-8", WRITES);
        Ok(Reply::untouched(answer.with(CACHE_CONTROL, "public, max-age=600"), "a text of our own"))
    })
}
