//! Flows: signing in that leaves the page and comes back, by mail or by somebody else's sign-in.
//!
//! A flow begins with what the client showed (a PKCE challenge or nothing) and ends with a code that only that client can
//! exchange. The code is a name for the row and stored as its hash.
//!
//! Invariant: a code is spent by its first use, whoever uses it and whether the proof fits or not (attack rows 8, 9, 28).

mod glob;
mod pkce;
mod redirect;

pub use pkce::{Challenge, ChallengeMethod};
pub use redirect::{Redirect, Redirects};

use audit::Event;
use base::Secret;
use jiff::{SignedDuration, Timestamp};
use pg::{Param, Reason, Reply, Row, SystemTx};
use seal::sha256;
use uuid::Uuid;

use crate::session::{Grant, Opening, Way};
use crate::user::User;
use crate::{Auth, Error, Visit, events, sql, sso};

/// A flow to begin.
pub struct NewFlow<'a> {
    /// Whose it is, where that is known already.
    pub user: Option<Uuid>,
    /// What the client showed.
    pub challenge: Option<&'a Challenge>,
    /// `email`, `phone`, `google`, `sso:…`.
    pub provider: &'a str,
    /// How the session will have been opened: `magiclink`, `recovery`, `oauth`, `sso/saml`, ….
    pub method: &'a str,
    /// Where the browser goes in the end.
    pub back_to: Option<&'a Redirect>,
}

/// A flow as its row has it.
pub struct Flow {
    /// Its id: what an identity provider gets as `state`.
    pub id: Uuid,
    /// Whose it is, once that is known.
    pub user: Option<Uuid>,
    /// What the client showed.
    pub challenge: Option<Challenge>,
    /// With whom.
    pub provider: String,
    /// How the session will have been opened.
    pub method: String,
    /// When it began.
    pub created_at: Option<Timestamp>,
    /// When its code was given out.
    pub issued_at: Option<Timestamp>,
    /// Where the browser goes in the end.
    pub back_to: Option<String>,
}

impl Flow {
    fn read(row: Row<'_>) -> Result<Self, Error> {
        let method: Option<String> = row.get("code_challenge_method")?;
        let text: Option<String> = row.get("code_challenge")?;
        let challenge = text.filter(|text| !text.is_empty()).zip(method).map(|(text, method)| Challenge {
            method: if method == "plain" { ChallengeMethod::Plain } else { ChallengeMethod::S256 },
            text,
        });
        Ok(Flow {
            id: row.get("id")?,
            user: row.get("user_id")?,
            challenge,
            provider: row.get("provider_type")?,
            method: row.get("authentication_method")?,
            created_at: row.get("created_at")?,
            issued_at: row.get("auth_code_issued_at")?,
            back_to: row.get("referrer")?,
        })
    }
}

impl Auth {
    /// Begins a flow in `tx`, and forgets some that nobody came back to.
    pub async fn begin_flow(&self, tx: &mut SystemTx, new: NewFlow<'_>) -> Result<Uuid, Error> {
        let id = self.0.rng.uuid();
        self.begin_flow_as(tx, id, new).await?;
        Ok(id)
    }

    /// Begins a flow whose id went somewhere already.
    pub(crate) async fn begin_flow_as(
        &self,
        tx: &mut SystemTx,
        id: Uuid,
        new: NewFlow<'_>,
    ) -> Result<(), Error> {
        let now = self.0.clock.now();
        let oldest = SignedDuration::from_secs(self.0.rules.link_seconds.max(self.0.rules.flow_seconds));
        let gone = now.checked_sub(oldest).unwrap_or(Timestamp::MIN);
        tx.execute(sql::FORGET_FLOWS, [gone.into()]).await?;
        let row: [Param; 8] = [
            id.into(),
            new.user.into(),
            new.challenge.map(|challenge| challenge.method.name()).into(),
            new.challenge.map(|challenge| challenge.text.as_str()).into(),
            new.provider.into(),
            new.method.into(),
            now.into(),
            new.back_to.map(Redirect::text).into(),
        ];
        tx.execute(sql::INSERT_FLOW, row).await?;
        Ok(())
    }

    /// The flow that somebody came back to, locked, and still young enough.
    pub async fn returned_flow(&self, tx: &mut SystemTx, id: Uuid) -> Result<Flow, Error> {
        let rows = tx.query(sql::FLOW_LOCKED, [id.into()]).await?;
        let flow = rows.first().map(Flow::read).transpose()?.ok_or(Error::FlowNotFound)?;
        match flow.issued_at.is_none() && self.is_within(flow.created_at, self.0.rules.flow_seconds) {
            true => Ok(flow),
            false => Err(Error::FlowExpired),
        }
    }

    /// Gives out the code of a flow that ended well for `user`. Only its hash stays here.
    pub async fn issue_code(
        &self,
        tx: &mut SystemTx,
        flow: Uuid,
        user: Uuid,
        method: &str,
    ) -> Result<Secret<String>, Error> {
        let code = Secret::new(self.0.rng.uuid().to_string());
        let row: [Param; 5] = [
            flow.into(),
            user.into(),
            code_hash(code.expose()).into(),
            self.0.clock.now().into(),
            method.into(),
        ];
        match tx.execute(sql::ISSUE_CODE, row).await? {
            1 => Ok(code),
            _ => Err(Error::FlowNotFound),
        }
    }

    /// A code, and the proof that its flow was begun here, for a session.
    pub async fn exchange_code(
        &self,
        code: &Secret<String>,
        verifier: &Secret<String>,
        visit: &Visit,
    ) -> Result<Reply<Grant>, Error> {
        let exchanged = self.try_exchange(code.expose(), verifier, visit).await;
        if let Err(error) = &exchanged {
            events::refused(self, visit, Event::CodeRefused, error, "");
        }
        exchanged
    }

    async fn try_exchange(
        &self,
        code: &str,
        verifier: &Secret<String>,
        visit: &Visit,
    ) -> Result<Reply<Grant>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let rows = tx.query(sql::TAKE_FLOW, [code_hash(code).into()]).await?;
        let flow = rows.first().map(Flow::read).transpose()?.ok_or(Error::FlowNotFound)?;
        let proven = flow.challenge.as_ref().is_some_and(|challenge| challenge.is_of(verifier));
        let refusal = match (proven, self.is_within(flow.issued_at, self.0.rules.flow_seconds)) {
            (true, true) => None,
            (true, false) => Some(Error::FlowExpired),
            (false, _) => Some(Error::CodeVerifier),
        };
        if let Some(refusal) = refusal {
            // The code is spent all the same.
            tx.commit(()).await?.into_inner();
            return Err(refusal);
        }
        let user = flow.user.ok_or(Error::FlowNotFound)?;
        let users = tx.query(sql::USER_BY_ID, [user.into()]).await?;
        let user = users.first().map(User::read).transpose()?;
        let user = user.filter(|user| user.deleted_at.is_none()).ok_or(Error::FlowNotFound)?;
        if user.is_banned(self.0.clock.now()) {
            return Err(Error::Banned);
        }
        let waited = self.take_outcome(&mut tx, flow.id, user, visit).await?;
        let way = Way::named(&flow.method).unwrap_or(Way::Otp);
        let opening = Opening::through(way, &flow.provider);
        let (opening, there) = sso::arrival_opening(&mut tx, flow.id, opening).await?;
        let mut opened = self.open_session(&mut tx, waited.user, opening, visit).await?;
        sso::arrival_opened(&mut tx, opened.session(), there).await?;
        opened.also_ended(waited.ended);
        opened.provider_tokens = waited.tokens;
        self.commit_session(tx, opened).await
    }

    /// Whether `since` is at most `seconds` ago.
    pub(crate) fn is_within(&self, since: Option<Timestamp>, seconds: i64) -> bool {
        let now = self.0.clock.unix_seconds();
        since.is_some_and(|since| now.saturating_sub(since.as_second()) < seconds)
    }
}

fn code_hash(code: &str) -> String {
    hex::encode(sha256(code.as_bytes()))
}
