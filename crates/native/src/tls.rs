//! `palisade tls …`: the certificate, over the control socket only.

use std::sync::Arc;

use http::Method;
use serde_json::json;
use web::{Answer, Ask, Cx, Handled, Reply, Route};

use crate::operator::route;
use crate::{Error, State};

/// How it stands.
pub const STATUS: Route<State> =
    route(Method::GET, "/tls", status, "The certificate in force: `palisade tls status`");
/// A new one.
pub const RENEW: Route<State> =
    route(Method::POST, "/tls/renew", renew, "Gets a new certificate now: `palisade tls renew`");
/// A rehearsal.
pub const REHEARSE: Route<State> =
    route(Method::POST, "/tls/rehearse", rehearse, "Rehearses a renewal: `palisade tls renew --dry-run`");

fn status(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let tls = state.tls.as_ref().ok_or(Error::NoCertificate)?;
        Ok(Reply::untouched(Answer::json(&tls.status()), "reads what is in memory"))
    })
}

fn renew(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let tls = state.tls.as_ref().ok_or(Error::NoCertificate)?;
        tls.renew().await?;
        Ok(Reply::untouched(Answer::json(&tls.status()), "a certificate is no row"))
    })
}

fn rehearse(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let tls = state.tls.as_ref().ok_or(Error::NoCertificate)?;
        let facts = tls.rehearse().await?;
        Ok(Reply::untouched(Answer::json(&json!({ "certificate": facts })), "a certificate is no row"))
    })
}
