//! `X-JWT-AUD`: with it a client says for which audience it asks. Accounts here are of one audience, that of the settings;
//! whoever asks for another is told so, and is not answered with somebody of ours (wire/gotrue.md 0.4).

use std::sync::Arc;

use ::auth::{Auth, Error};
use http::HeaderName;
use web::Mount;

static HEADER: HeaderName = HeaderName::from_static("x-jwt-aud");

/// The same routes, for our audience alone.
pub fn only_ours(mut mount: Mount, auth: &Auth) -> Mount {
    let ours: Arc<str> = auth.rules().audience.as_str().into();
    for route in &mut mount.routes {
        let (run, ours) = (route.run.clone(), ours.clone());
        route.run = Arc::new(move |cx, ask| {
            let asked = ask.parts.headers.get(&HEADER).and_then(|asked| asked.to_str().ok());
            let asked = asked.filter(|asked| !asked.is_empty());
            if asked.is_some_and(|asked| *asked != *ours) {
                return Box::pin(async {
                    Err(Error::invalid("Token audience doesn't match request audience").into())
                });
            }
            run(cx, ask)
        });
    }
    mount
}
