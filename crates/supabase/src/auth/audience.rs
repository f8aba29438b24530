//! `X-JWT-AUD`: with it a client says for which audience it asks. Accounts here are of one audience, that of the settings;
//! whoever asks for another is told so, and is not answered with somebody of ours (wire/gotrue.md 0.4).

use std::sync::Arc;

use ::auth::{Auth, Error};
use http::{HeaderName, Method};
use web::{Ask, Asked, Cx, Mount};

static HEADER: HeaderName = HeaderName::from_static("x-jwt-aud");

/// The same routes, for our audience alone.
pub fn only_ours(mount: Mount, auth: &Auth) -> Mount {
    let ours: Arc<str> = auth.rules().audience.as_str().into();
    let first = move |_: &Cx, ask: &Ask| -> Asked {
        let asked = ask.parts.headers.get(&HEADER).and_then(|asked| asked.to_str().ok());
        let another = asked.is_some_and(|asked| !asked.is_empty() && *asked != *ours);
        // Upstream has a code of its own where an identity is to go.
        let unlinks =
            ask.parts.method == Method::DELETE && ask.parts.uri.path().contains("/user/identities/");
        let refusal = || match unlinks {
            true => Error::Audience,
            false => Error::invalid("Token audience doesn't match request audience"),
        };
        let refusal = another.then(|| refusal().into());
        Box::pin(async move { refusal.map_or(Ok(()), Err) })
    };
    mount.behind(|_, _| true, first)
}
