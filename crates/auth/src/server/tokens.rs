//! A program exchanges a code or a refresh token for the tokens of a session of its own, and gives them back.
//!
//! Invariant: a code is spent by its first use by its client, whether the rest fits or not; a second use ends the session
//! that the first one began (RFC 6749 4.1.2, attack row 9).

use audit::Event;
use base::{Level, Secret};
use pg::{Param, Reason, Reply, SystemTx};
use serde_json::Value;
use uuid::Uuid;

use super::clients::Client;
use super::consent::code_hash;
use super::requests::Kept;
use super::{ServerError, scope, sql as own};
use crate::events::{self, Happening, Outside};
use crate::flow::{Challenge, ChallengeMethod};
use crate::session::{Grant, Opening, Proof, Way, ids, session_named};
use crate::user::{User, timestamp};
use crate::{Auth, Error, Visit, sql};

/// Who a program says it is.
pub struct ClientProof {
    /// Its id.
    pub id: Option<String>,
    /// Its secret.
    pub secret: Option<Secret<String>>,
}

/// What a program brings.
pub enum TokenAsk {
    /// The code that its person came back with.
    Code {
        /// It.
        code: Secret<String>,
        /// Where they came back to.
        redirect_uri: Option<String>,
        /// What the challenge was made of.
        verifier: Option<Secret<String>>,
        /// For whom the token is.
        resource: Option<String>,
    },
    /// A refresh token.
    Refresh(Secret<String>),
}

/// What it gets.
pub struct ServerGrant {
    /// The session.
    pub grant: Grant,
    /// What it may know.
    pub scope: String,
    /// Whether it may have the refresh token.
    pub refreshes: bool,
    /// Who the person is, for programs that asked for `openid`.
    pub id_token: Option<Secret<String>>,
}

impl Auth {
    /// The token endpoint.
    pub async fn oauth_token(
        &self,
        proof: &ClientProof,
        ask: &TokenAsk,
        visit: &Visit,
    ) -> Result<Reply<ServerGrant>, Error> {
        let granted = self.try_token(proof, ask, visit).await;
        if let Err(error) = &granted {
            events::refused(self, visit, Event::CodeRefused, error, "");
        }
        granted
    }

    async fn try_token(
        &self,
        proof: &ClientProof,
        ask: &TokenAsk,
        visit: &Visit,
    ) -> Result<Reply<ServerGrant>, Error> {
        let client = self.proven_client(proof).await?;
        match ask {
            TokenAsk::Code { code, redirect_uri, verifier, resource } => {
                if !client.may("authorization_code") {
                    return Err(ServerError::Unauthorized("This client may not exchange codes").into());
                }
                let shown = Shown {
                    redirect_uri: redirect_uri.as_deref(),
                    verifier: verifier.as_ref(),
                    resource: resource.as_deref(),
                };
                self.exchange_server_code(&client, code, &shown, visit).await
            }
            TokenAsk::Refresh(token) => {
                if !client.may("refresh_token") {
                    return Err(ServerError::Unauthorized("This client may not refresh").into());
                }
                let grant = self
                    .refresh_for(token.expose(), Some(client.id), visit)
                    .await
                    .map_err(as_grant)?
                    .into_inner();
                let scope = grant.client.as_ref().map(|(_, scope)| scope.clone()).unwrap_or_default();
                let granted = ServerGrant { grant, scope, refreshes: true, id_token: None };
                Ok(Reply::untouched(granted, "the refresh was committed above"))
            }
        }
    }

    /// The client that a proof is of.
    async fn proven_client(&self, proof: &ClientProof) -> Result<Client, Error> {
        self.require_server()?;
        let id = proof.id.as_deref().and_then(|id| Uuid::try_parse(id).ok());
        let id = id.ok_or(ServerError::Credentials)?;
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let client = self.find_client(&mut tx, id).await?;
        tx.commit(()).await?.into_inner();
        match client.filter(|client| client.proves_itself(proof.secret.as_ref())) {
            Some(client) => Ok(client),
            None => Err(ServerError::Credentials.into()),
        }
    }

    async fn exchange_server_code(
        &self,
        client: &Client,
        code: &Secret<String>,
        shown: &Shown<'_>,
        visit: &Visit,
    ) -> Result<Reply<ServerGrant>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let rows = tx.query(own::AUTHORIZATION_BY_CODE, [code_hash(code).into()]).await?;
        let kept = rows.first().map(Kept::read).transpose()?;
        let kept = kept.filter(|kept| kept.client == client.id).ok_or(ServerError::Grant("no such code"))?;
        if kept.spent_at.is_some() {
            return self.replayed(tx, &kept, visit).await;
        }
        let now = self.0.clock.now();
        let user = match self.judge_code(&mut tx, &kept, shown).await? {
            Ok(user) => user,
            Err(refusal) => {
                // The code is spent all the same.
                tx.execute(own::SPEND_CODE, [kept.id.into(), now.into(), Param::NULL]).await?;
                tx.commit(()).await?.into_inner();
                return Err(refusal);
            }
        };
        let opening = Opening {
            client: Some((client.id, kept.scope.clone())),
            agreed: Some((level_of(&kept), proofs_of(&kept.proofs))),
            ..Opening::through(Way::OauthServer, "")
        };
        let opened = self.open_session(&mut tx, user, opening, visit).await?;
        let spent = [kept.id.into(), now.into(), opened.session().into()];
        if tx.execute(own::SPEND_CODE, spent).await? == 0 {
            return Err(ServerError::Grant("the code was spent meanwhile").into());
        }
        let grant = self.commit_session(tx, opened).await?.into_inner();
        let id_token = match scope::has(&kept.scope, "openid") && self.signs_id_tokens() {
            true => Some(self.id_token(&grant, client.id, &kept)?),
            false => None,
        };
        let granted =
            ServerGrant { grant, scope: kept.scope, refreshes: client.may("refresh_token"), id_token };
        Ok(Reply::untouched(granted, "the exchange was committed above"))
    }

    /// A code that comes twice is one that somebody took: whoever has its session loses it.
    async fn replayed(
        &self,
        mut tx: SystemTx,
        kept: &Kept,
        visit: &Visit,
    ) -> Result<Reply<ServerGrant>, Error> {
        let ended = match kept.session {
            Some(session) => ids(&tx.query(sql::END_SESSION, [session.into()]).await?)?,
            None => Vec::new(),
        };
        if !ended.is_empty() {
            let happening =
                Happening::Outside(Outside::CodeReplayed { user: kept.user, client: kept.client });
            events::record(&mut tx, self, visit, happening).await?;
        }
        self.commit_ended(tx, ended, ()).await?.into_inner();
        Err(ServerError::Replayed.into())
    }

    /// Whose session a code opens, or why none.
    async fn judge_code(
        &self,
        tx: &mut SystemTx,
        kept: &Kept,
        shown: &Shown<'_>,
    ) -> Result<Result<User, Error>, Error> {
        let refuse = |why: &'static str| Ok(Err(ServerError::Grant(why).into()));
        if kept.expires_at <= self.0.clock.now() {
            return refuse("the code has had its time");
        }
        if shown.redirect_uri != Some(kept.redirect_uri.as_str()) {
            return refuse("redirect_uri is not that of the request");
        }
        let challenge = Challenge { method: ChallengeMethod::S256, text: kept.challenge.clone() };
        if !shown.verifier.is_some_and(|verifier| challenge.is_of(verifier)) {
            return refuse("code_verifier is not that of the request");
        }
        if shown.resource.is_some() && shown.resource != kept.resource.as_deref() {
            return refuse("resource is not that of the request");
        }
        let Some(user) = kept.user else { return refuse("nobody agreed") };
        if tx.query(own::SESSION_STANDS, [kept.agreed_in.into(), user.into()]).await?.is_empty() {
            return refuse("the session that agreed has ended");
        }
        let rows = tx.query(sql::USER_BY_ID, [user.into()]).await?;
        let user = rows.first().map(User::read).transpose()?.filter(|user| user.deleted_at.is_none());
        match user {
            Some(user) if !user.is_banned(self.0.clock.now()) => Ok(Ok(user)),
            Some(_) => refuse("the account is banned"),
            None => refuse("the account is gone"),
        }
    }

    /// A program gives a token back: its session ends. Whether there was one is nobody's business (RFC 7009).
    pub async fn oauth_give_back(
        &self,
        proof: &ClientProof,
        token: &Secret<String>,
        visit: &Visit,
    ) -> Result<Reply<()>, Error> {
        let proven = self.proven_client(proof).await;
        self.note_refusal(&proven, Event::ClientRefused, proof.id.as_deref(), visit);
        let client = proven?;
        let Some(session) = self.session_of_token(token.expose()) else {
            return Ok(Reply::untouched((), "no token of ours"));
        };
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        if !self.is_whole(&mut tx, token.expose(), session).await? {
            return Ok(tx.commit(()).await?);
        }
        let rows = tx.query(own::END_SESSION_OF_CLIENT, [session.into(), client.id.into()]).await?;
        let ended = ids(&rows)?;
        if let Some(row) = rows.first() {
            let user: Uuid = row.get("user_id")?;
            let given = Outside::TokenGivenBack { user, client: client.id };
            events::record(&mut tx, self, visit, Happening::Outside(given)).await?;
        }
        self.commit_ended(tx, ended, ()).await
    }

    /// The session that a refresh token names, or an access token that we signed.
    fn session_of_token(&self, token: &str) -> Option<Uuid> {
        session_named(token).or_else(|| {
            let verified = self.0.keys.load().ring.verify(token).ok()?;
            verified.claims.get("session_id").and_then(Value::as_str).and_then(|id| Uuid::try_parse(id).ok())
        })
    }

    /// Whether a refresh token is made with its session's key; an access token was verified already.
    async fn is_whole(&self, tx: &mut SystemTx, token: &str, session: Uuid) -> Result<bool, Error> {
        if session_named(token).is_none() {
            return Ok(true);
        }
        self.is_refresh_token_of(tx, token, session).await
    }
}

/// What is wrong with a refresh token, in the one word that programs have for it.
fn as_grant(error: Error) -> Error {
    match error {
        Error::RefreshNotFound
        | Error::RefreshUsed
        | Error::RefreshMalformed
        | Error::RefreshBanned
        | Error::SessionExpired(_)
        | Error::Validation(_) => ServerError::Grant("the refresh token is not good").into(),
        other => other,
    }
}

/// What a program shows with a code.
struct Shown<'a> {
    redirect_uri: Option<&'a str>,
    verifier: Option<&'a Secret<String>>,
    resource: Option<&'a str>,
}

fn level_of(kept: &Kept) -> Level {
    match kept.level.as_deref() {
        Some("aal2") => Level::Aal2,
        Some(_) | None => Level::Aal1,
    }
}

/// How the person who agreed had shown who they are, each way once.
fn proofs_of(kept: &Value) -> Vec<Proof> {
    let mut proofs: Vec<Proof> = Vec::new();
    for entry in kept.as_array().into_iter().flatten() {
        let method = entry.get("method").and_then(Value::as_str);
        let at = entry.get("at").and_then(Value::as_str).and_then(timestamp);
        let (Some(method), Some(at)) = (method, at) else { continue };
        let is_new = method != Way::OauthServer.name() && proofs.iter().all(|proof| proof.method != method);
        if is_new && Way::named(method).is_some() {
            proofs.push(Proof { method: method.to_owned(), at });
        }
    }
    proofs
}
