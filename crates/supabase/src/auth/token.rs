//! `POST /token?grant_type=…`: a password, a refresh token, a flow's code or a wallet's signature for a session.

use std::sync::Arc;

use ::auth::oauth::WalletGrant;
use ::auth::{Error, Grant};
use base::Secret;
use web::{Answer, Ask, Cx, Handled, Rate, Reply};

use super::{State, fields, shape, visit};

/// A password is a guess; a refresh is not, and happens in every tab every quarter of an hour.
pub fn budget(ask: &Ask) -> Rate {
    match ask.query_param("grant_type").as_deref() {
        Some("refresh_token") => Rate::Global,
        _ => Rate::Login,
    }
}

/// The endpoint.
pub fn token(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let granted = match ask.query_param("grant_type").as_deref() {
            Some("password") => by_password(&state, &cx, &ask).await?,
            Some("refresh_token") => {
                let asked: fields::Refresh = ask.object()?;
                let Some(token) = asked.refresh_token else {
                    return Ok(Reply::untouched(missing_refresh_token(), "nothing was presented"));
                };
                state.auth.refresh(&token, &visit(&cx, &ask)).await?
            }
            Some("pkce") => {
                let asked: fields::Exchange = ask.object()?;
                let (Some(code), Some(verifier)) = (asked.auth_code, asked.code_verifier) else {
                    return Err(Error::invalid(
                        "invalid request: both auth code and code verifier should be non-empty",
                    )
                    .into());
                };
                state.auth.exchange_code(&code, &verifier, &visit(&cx, &ask)).await?
            }
            Some("id_token") => super::id_token::grant(&state, &cx, &ask).await?,
            Some("web3") => by_wallet(&state, &cx, &ask).await?,
            _ => return Err(Error::disabled("invalid_credentials", "unsupported_grant_type").into()),
        };
        Ok(granted.map(|grant| shape::signed_in(&grant, &state.auth.rules().public_url)))
    })
}

async fn by_password(state: &State, cx: &Cx, ask: &Ask) -> Result<Reply<Grant>, base::Failure> {
    let asked: fields::Credentials = ask.object()?;
    let password = asked.password.unwrap_or_else(|| Secret::from(""));
    let email = match (asked.email, asked.phone) {
        (Some(email), None) => email,
        (None, Some(phone)) => {
            return Ok(state.auth.sign_in_by_phone(&phone, &password, &visit(cx, ask)).await?);
        }
        (None, None) => return Err(Error::invalid("missing email or phone").into()),
        (Some(_), Some(_)) => {
            return Err(
                Error::invalid("Only an email address or phone number should be provided on login.").into()
            );
        }
    };
    Ok(state.auth.sign_in(&email, &password, &visit(cx, ask)).await?)
}

async fn by_wallet(state: &State, cx: &Cx, ask: &Ask) -> Result<Reply<Grant>, base::Failure> {
    let asked: fields::Wallet = ask.object()?;
    let asked = WalletGrant {
        chain: asked.chain.unwrap_or_default(),
        message: asked.message.unwrap_or_default(),
        signature: asked.signature.unwrap_or_else(|| Secret::from("")),
    };
    Ok(state.auth.sign_in_with_wallet(asked, &visit(cx, ask)).await?)
}

/// Upstream's OAuth shape, whatever the version header says.
fn missing_refresh_token() -> Answer {
    let body =
        serde_json::json!({ "error": "invalid_request", "error_description": "refresh_token required" });
    Answer::json_with(http::StatusCode::BAD_REQUEST, &body)
}
