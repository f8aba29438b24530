//! What the OAuth server says of itself: RFC 8414 and OpenID Connect Discovery. Only what is true stands there.

use std::sync::Arc;

use ::auth::ServerError;
use ::auth::server::SCOPES;
use http::header::CACHE_CONTROL;
use serde_json::{Value, json};
use web::{Answer, Ask, Cx, Handled, Reply};

use super::State;

const NO_DATA: &str = "what is on: no row is touched";
/// As the keys that it names.
const FOR_ALL: &str = "public, max-age=600";

/// `GET /.well-known/oauth-authorization-server`.
pub fn oauth(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let told = described(&state).ok_or(::auth::Error::from(ServerError::Off))?;
        Ok(Reply::untouched(Answer::json(&told).with(CACHE_CONTROL, FOR_ALL), NO_DATA))
    })
}

/// `GET /.well-known/openid-configuration`: there also without an OAuth server, for whoever looks for the keys.
pub fn openid(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        let told = described(&state).unwrap_or_else(|| bare(&state));
        Ok(Reply::untouched(Answer::json(&told).with(CACHE_CONTROL, FOR_ALL), NO_DATA))
    })
}

fn at(state: &State, path: &str) -> String {
    format!("{}{path}", state.auth.rules().auth_url())
}

/// Without an authorization endpoint, none is named.
fn bare(state: &State) -> Value {
    json!({
        "issuer": state.auth.rules().issuer,
        "jwks_uri": at(state, "/.well-known/jwks.json"),
        "token_endpoint": at(state, "/token"),
        "response_types_supported": [],
        "grant_types_supported": ["password", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "HS256"],
        "claims_supported": ["sub", "aud", "iss", "exp", "iat", "email", "phone", "role", "aal", "amr", "session_id"],
    })
}

fn described(state: &State) -> Option<Value> {
    let offered = state.auth.oauth_server()?;
    let scopes: Vec<&str> =
        SCOPES.iter().copied().filter(|scope| offered.id_tokens || *scope != "openid").collect();
    let mut told = json!({
        "issuer": state.auth.rules().issuer,
        "authorization_endpoint": at(state, "/oauth/authorize"),
        "token_endpoint": at(state, "/oauth/token"),
        "revocation_endpoint": at(state, "/oauth/revoke"),
        "userinfo_endpoint": at(state, "/oauth/userinfo"),
        "jwks_uri": at(state, "/.well-known/jwks.json"),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "claims_parameter_supported": false,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "claims_supported": [
            "sub", "aud", "iss", "exp", "iat", "auth_time", "nonce", "at_hash", "acr", "email", "email_verified", "phone_number",
            "phone_number_verified", "name", "picture", "preferred_username", "updated_at",
        ],
    });
    if offered.registration {
        told["registration_endpoint"] = json!(at(state, "/oauth/clients/register"));
    }
    Some(told)
}
