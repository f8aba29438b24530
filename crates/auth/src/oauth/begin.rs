//! Sending a browser to a provider, bound to that browser.
//!
//! Invariant: a flow belongs to one browser: the one whose cookie began it, or took it up first. Nobody else's return is
//! looked at (attack row 28).

use base::{Secret, SignedIn};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use pg::{Param, Reason, Reply, SystemTx};
use seal::sha256;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::account::require_own;
use super::provider::{Provider, Shape};
use super::{OauthError, sql};
use crate::flow::{Challenge, NewFlow, Redirect};
use crate::session::Way;
use crate::{Auth, Error, Visit, limits};

/// What an application asks for.
pub struct Start {
    /// With whom.
    pub provider: String,
    /// Beyond what is always asked for.
    pub scopes: String,
    /// Where the browser goes in the end.
    pub back_to: Redirect,
    /// What the application showed.
    pub challenge: Option<Challenge>,
    /// The token of the invitation that is accepted so.
    pub invite: Option<Secret<String>>,
    /// Handed on to the provider.
    pub extra: Vec<(String, String)>,
}

/// What has to be known when the browser comes back.
#[derive(Serialize, Deserialize)]
pub(super) struct Pending {
    pub provider: String,
    pub verifier: String,
    pub nonce: String,
    pub redirect_uri: String,
    /// Whose account the identity is linked to, and the session that asked.
    pub link: Option<(Uuid, Option<Uuid>)>,
    /// Where the browser goes, for a flow that an application began.
    pub location: Option<String>,
    /// The token of an invitation.
    #[serde(default)]
    pub invite: Option<String>,
}

/// Parameters that are ours to set: an application's own are not handed on.
const OURS: [&str; 20] = [
    "client_id",
    "client_secret",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "request",
    "request_uri",
    "provider",
    "scopes",
    "redirect_to",
    "invite_token",
    "skip_http_redirect",
    "flow",
    "apikey",
    "code_verifier",
];

impl Auth {
    /// Begins a sign-in in the browser whose cookie is `browser`; returns where it goes.
    pub async fn oauth_begin(&self, start: Start, browser: &str) -> Result<Reply<String>, Error> {
        let (flow, pending, location) = self.prepare(&start, None).await?;
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        self.keep_flow(&mut tx, &start, flow, &pending, Some(browser_hash(browser))).await?;
        Ok(tx.commit(location).await?)
    }

    /// Begins a sign-in for an application that is no browser; returns the id that a browser brings to take the flow up.
    pub async fn oauth_begin_apart(&self, start: Start) -> Result<Reply<Uuid>, Error> {
        let (flow, mut pending, location) = self.prepare(&start, None).await?;
        pending.location = Some(location);
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        self.keep_flow(&mut tx, &start, flow, &pending, None).await?;
        Ok(tx.commit(flow).await?)
    }

    /// Begins linking an identity to `person`'s account; returns the id that the browser brings to take the flow up.
    pub async fn oauth_begin_link(
        &self,
        start: Start,
        person: &SignedIn,
        visit: &Visit,
    ) -> Result<Reply<Uuid>, Error> {
        if !self.0.outside.manual_linking {
            return Err(OauthError::LinkingOff.into());
        }
        let user = self.own_user(person.user).await?.into_inner();
        require_own(&user)?;
        self.require_fresh(user.has_factor(), visit)?;
        let (flow, mut pending, location) = self.prepare(&start, Some((person.user, person.session))).await?;
        pending.location = Some(location);
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        self.keep_flow(&mut tx, &start, flow, &pending, None).await?;
        Ok(tx.commit(flow).await?)
    }

    /// Binds a flow that an application began to the browser that brings it, and says where that goes.
    pub async fn oauth_take_up(&self, flow: Uuid, browser: &str) -> Result<Reply<String>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let row: [Param; 2] = [flow.into(), browser_hash(browser).as_slice().into()];
        let rows = tx.query(sql::BIND_OAUTH_FLOW, row).await?;
        let sealed: Vec<u8> = rows.first().ok_or(OauthError::State)?.get("sealed")?;
        self.returned_flow(&mut tx, flow).await.map_err(|_| OauthError::StateExpired)?;
        let location = self.open_pending(flow, &sealed)?.location.ok_or(OauthError::State)?;
        Ok(tx.commit(location).await?)
    }

    /// Everything about a flow before it is written down.
    async fn prepare(
        &self,
        start: &Start,
        link: Option<(Uuid, Option<Uuid>)>,
    ) -> Result<(Uuid, Pending, String), Error> {
        let provider = self.provider(&start.provider).await?;
        if let Some(token) = &start.invite {
            self.require_invited(token).await?;
        }
        let endpoint = match provider.shape {
            Shape::Oidc => {
                let now = self.0.clock.unix_seconds();
                let outside = &self.0.outside;
                let known = outside.documents.of(&provider, &outside.outbound, now, false).await?;
                known.document.authorization_endpoint.clone()
            }
            _ => provider.endpoints.authorize.clone(),
        };
        let rng = &self.0.rng;
        let random = || URL_SAFE_NO_PAD.encode(rng.bytes::<32>());
        let pending = Pending {
            provider: provider.id.clone(),
            verifier: random(),
            nonce: random(),
            redirect_uri: self.callback_of(&provider),
            link,
            location: None,
            invite: start.invite.as_ref().map(|token| token.expose().clone()),
        };
        let flow = rng.uuid();
        let location = location(&endpoint, &provider, flow, &pending, start)?;
        Ok((flow, pending, location))
    }

    /// Where a provider sends people back to.
    fn callback_of(&self, provider: &Provider) -> String {
        provider.redirect_uri.clone().unwrap_or_else(|| format!("{}/callback", self.0.rules.auth_url()))
    }

    async fn keep_flow(
        &self,
        tx: &mut SystemTx,
        start: &Start,
        flow: Uuid,
        pending: &Pending,
        browser: Option<Vec<u8>>,
    ) -> Result<(), Error> {
        let now = self.0.clock.now();
        let oldest = SignedDuration::from_secs(self.0.rules.flow_seconds.max(self.0.rules.link_seconds));
        tx.execute(sql::FORGET_OAUTH_FLOWS, [now.checked_sub(oldest).unwrap_or(Timestamp::MIN).into()])
            .await?;
        let new = NewFlow {
            user: pending.link.map(|(user, _)| user),
            challenge: start.challenge.as_ref(),
            provider: &pending.provider,
            method: Way::Oauth.name(),
            back_to: Some(&start.back_to),
        };
        self.begin_flow_as(tx, flow, new).await?;
        let sealed = self.seal_flow(flow, "pending", pending)?;
        let row: [Param; 5] =
            [flow.into(), browser.as_deref().into(), sealed.as_slice().into(), Param::NULL, now.into()];
        tx.execute(sql::INSERT_OAUTH_FLOW, row).await?;
        Ok(())
    }

    pub(super) fn open_pending(&self, flow: Uuid, sealed: &[u8]) -> Result<Pending, Error> {
        self.open_flow(flow, "pending", sealed)
    }

    /// Seals something for the row of a flow.
    pub(super) fn seal_flow(&self, flow: Uuid, what: &str, value: &impl Serialize) -> Result<Vec<u8>, Error> {
        let text = serde_json::to_vec(value).map_err(|_| OauthError::State)?;
        Ok(self.0.root.seal(&text, &place(flow, what))?)
    }

    pub(super) fn open_flow<T: for<'de> Deserialize<'de>>(
        &self,
        flow: Uuid,
        what: &str,
        sealed: &[u8],
    ) -> Result<T, Error> {
        let opened: Secret<Vec<u8>> = self.0.root.open(sealed, &place(flow, what))?;
        Ok(serde_json::from_slice(opened.expose()).map_err(|_| OauthError::State)?)
    }
}

fn place(flow: Uuid, what: &str) -> String {
    format!("palisade.oauth_flows.{what}:{flow}")
}

/// What is kept of a browser's cookie.
pub(super) fn browser_hash(browser: &str) -> Vec<u8> {
    sha256(format!("oauth flow: {browser}").as_bytes()).to_vec()
}

/// The authorization request.
pub(super) fn location(
    endpoint: &str,
    provider: &Provider,
    flow: Uuid,
    pending: &Pending,
    start: &Start,
) -> Result<String, OauthError> {
    let mut url =
        url::Url::parse(endpoint).map_err(|_| OauthError::Answer("its authorization endpoint is no URL"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(OauthError::Answer("its authorization endpoint is not of the web"));
    }
    let mut scopes = provider.scopes.clone();
    for asked in start.scopes.split([' ', ',']).filter(|scope| !scope.is_empty()) {
        if !scopes.iter().any(|scope| scope == asked) {
            scopes.push(asked.to_owned());
        }
    }
    let taken: Vec<String> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
    let mut query = url.query_pairs_mut();
    query
        .append_pair("client_id", provider.client_id())
        .append_pair("redirect_uri", &pending.redirect_uri)
        .append_pair("response_type", "code")
        .append_pair("scope", &scopes.join(" "))
        .append_pair("state", &flow.to_string());
    if provider.shape == Shape::Oidc {
        query.append_pair("nonce", &pending.nonce);
    }
    if provider.form_post {
        query.append_pair("response_mode", "form_post");
    }
    if provider.pkce {
        let challenge = URL_SAFE_NO_PAD.encode(sha256(pending.verifier.as_bytes()));
        query.append_pair("code_challenge", &challenge).append_pair("code_challenge_method", "S256");
    }
    let handed_on = provider.params.iter().chain(&start.extra);
    let allowed = |name: &str| !OURS.contains(&name) && !taken.iter().any(|other| other == name);
    for (name, value) in handed_on.filter(|(name, _)| allowed(name)).take(limits::OAUTH_PARAMS_MAX.size()) {
        query.append_pair(name, value);
    }
    drop(query);
    Ok(url.into())
}
