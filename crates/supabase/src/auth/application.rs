//! At the second prefix, whoever signs in gets a token that the application behind it can verify: the same claims, signed
//! with the application's own key (wire/appflowy.md 2.3).

use std::sync::Arc;

use ::auth::{Auth, Error};
use http::HeaderValue;
use http::header::{CONTENT_TYPE, LOCATION};
use serde_json::Value;
use web::{Answer, Body, Mount};

/// The same routes, whose tokens are the application's.
pub fn at(mut mount: Mount, auth: &Auth) -> Mount {
    for route in &mut mount.routes {
        let (run, auth) = (route.run.clone(), auth.clone());
        route.run = Arc::new(move |cx, ask| {
            let (answered, auth) = (run(cx, ask), auth.clone());
            Box::pin(async move { Ok(answered.await?.try_map(|answer| signed_again(answer, &auth))?) })
        });
    }
    mount
}

fn signed_again(mut answer: Answer, auth: &Auth) -> Result<Answer, Error> {
    if !auth.has_application_key() {
        return Ok(answer);
    }
    let location = answer.0.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if let Some((before, rest)) = location.as_deref().and_then(|to| to.split_once("access_token=")) {
        let token = rest.split('&').next().unwrap_or_default();
        let after = rest.get(token.len()..).unwrap_or_default();
        let signed = auth.for_application(token)?;
        if let Ok(value) = HeaderValue::from_str(&format!("{before}access_token={}{after}", signed.expose()))
        {
            answer.headers_mut().insert(LOCATION, value);
        }
    }
    let is_json = answer.0.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    let Body::Whole(bytes) = answer.0.body() else { return Ok(answer) };
    if !is_json || !String::from_utf8_lossy(bytes).contains("\"access_token\"") {
        return Ok(answer);
    }
    let Ok(mut body) = serde_json::from_slice::<Value>(bytes) else { return Ok(answer) };
    let Some(token) = body.get("access_token").and_then(Value::as_str) else { return Ok(answer) };
    body["access_token"] = auth.for_application(token)?.expose().as_str().into();
    *answer.0.body_mut() = Body::Whole(body.to_string().into());
    Ok(answer)
}
