//! Sessions: begun by a proof, carried on by refresh tokens that are derived instead of stored, ended at once.
//!
//! A refresh token names its session and a counter, under a MAC with a key of the session alone. Nothing of it is stored
//! but the counter, so the successor of a token is always the same one: whoever lost an answer, or refreshes in three
//! tabs at once, gets the same child (controls 28, 29; attack rows 10, 11).
//!
//! Invariant: the counter moves forward by one, under the session's row lock, and a token that was replaced longer ago
//! than the grace ends the family.

mod opening;
mod own;
mod token;

pub(crate) use opening::read_duty;
pub use opening::{Opened, Opening, Way};
pub use own::SessionInfo;
pub(crate) use token::session_named;

use base::{Level, Owed, Secret};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use pg::{Reason, Reply, Row, SystemTx};
use serde_json::Value;
use uuid::Uuid;

use token::Presented;

use crate::events::{self, Happening};
use crate::impersonation::Behind;
use crate::lockout::DeviceToken;
use crate::post::Warning;
use crate::revocation::Notice;
use crate::user::{User, timestamp};
use crate::{Auth, Error, Visit, limits, sql};

/// One way a person proved who they are.
#[derive(Clone, Debug)]
pub struct Proof {
    /// `password`, `otp`, …
    pub method: String,
    /// When.
    pub at: Timestamp,
}

/// What a sign-in gives.
pub struct Grant {
    /// The access token.
    pub access_token: Secret<String>,
    /// The refresh token.
    pub refresh_token: Secret<String>,
    /// Life of the access token.
    pub expires_in: i64,
    /// Its last second.
    pub expires_at: i64,
    /// Whose it is.
    pub user: User,
    /// The session.
    pub session: Uuid,
    /// What the session must do first.
    pub owes: Option<Owed>,
    /// What a now too weak password lacks.
    pub weak_password: Option<(String, Vec<&'static str>)>,
    /// What makes the device known from now on, for it to keep.
    pub device: Option<DeviceToken>,
    /// The provider's own tokens, access and refresh, given once and kept nowhere.
    pub provider_tokens: Option<(String, Option<String>)>,
    /// The OAuth client it is for, with its scopes.
    pub client: Option<(Uuid, String)>,
}

/// Which sessions of a person end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// All.
    Global,
    /// This one.
    Local,
    /// All but this one.
    Others,
}

impl Auth {
    /// Exchanges a refresh token for new tokens of its session.
    pub async fn refresh(&self, token: &str, visit: &Visit) -> Result<Reply<Grant>, Error> {
        self.refresh_for(token, None, visit).await
    }

    /// The same for the OAuth client whose session it is: no other client's, and nobody's own.
    pub(crate) async fn refresh_for(
        &self,
        token: &str,
        client: Option<Uuid>,
        visit: &Visit,
    ) -> Result<Reply<Grant>, Error> {
        let presented = Presented::read(token).ok_or(Error::RefreshMalformed)?;
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let wait = std::time::Duration::from_secs(limits::REFRESH_WAIT_SECONDS_MAX.value);
        let locked = tx.query(sql::SESSION_FOR_REFRESH, [presented.session.into()]);
        let rows = tokio::time::timeout(wait, locked).await.map_err(|_| Error::RefreshBusy)??;
        let stored = rows.first().map(Stored::read).transpose()?.ok_or(Error::RefreshNotFound)?;
        let key = stored.key(self)?;
        let is_theirs = stored.client.as_ref().map(|(id, _)| *id) == client;
        if !presented.is_made_with(key.expose()) || !is_theirs {
            return Err(Error::RefreshNotFound);
        }
        let users = tx.query(sql::USER_BY_ID, [stored.user.into()]).await?;
        let user = users.first().map(User::read).transpose()?.ok_or(Error::RefreshNotFound)?;
        let now = self.0.clock.now();
        let end = match self.judge(&presented, &stored, &user, now)? {
            Ruling::Successor(counter) => {
                if counter > stored.counter {
                    self.advance(&mut tx, &stored, counter, now, visit).await?;
                    events::record(
                        &mut tx,
                        self,
                        visit,
                        Happening::TokenRefreshed { user: &user, session: stored.id },
                    )
                    .await?;
                }
                let opened = stored.opened(user, key, counter, visit);
                return self.commit_session(tx, opened).await;
            }
            Ruling::End(why) => why,
        };
        let happening = match end {
            Error::RefreshUsed => Happening::TokenReused { user: &user, session: stored.id },
            _ => Happening::SessionExpired { user: &user, session: stored.id },
        };
        events::record(&mut tx, self, visit, happening).await?;
        if matches!(end, Error::RefreshUsed) {
            self.notify(&mut tx, &user, Warning::SessionStolen, visit).await?;
        }
        tx.query(sql::END_SESSION, [stored.id.into()]).await?;
        self.commit_ended(tx, vec![stored.id], ()).await?.into_inner();
        Err(end)
    }

    /// Whether `token` was made with the key of `session`, now or earlier.
    pub(crate) async fn is_refresh_token_of(
        &self,
        tx: &mut SystemTx,
        token: &str,
        session: Uuid,
    ) -> Result<bool, Error> {
        let rows = tx.query(sql::SESSION_FOR_REFRESH, [session.into()]).await?;
        let stored = rows.first().map(Stored::read).transpose()?;
        match stored.zip(Presented::read(token)) {
            Some((stored, presented)) => Ok(presented.is_made_with(stored.key(self)?.expose())),
            None => Ok(false),
        }
    }

    async fn advance(
        &self,
        tx: &mut SystemTx,
        stored: &Stored,
        counter: i64,
        now: Timestamp,
        visit: &Visit,
    ) -> Result<(), Error> {
        let mut superseded = vec![now.as_second()];
        superseded.extend(stored.superseded.iter().take(limits::SUPERSEDED_KEPT_MAX.size() - 1));
        let address = visit.caller.address.map(|address| address.to_string());
        let row = [
            stored.id.into(),
            counter.into(),
            now.into(),
            agent_of(visit).into(),
            address.into(),
            Value::from(superseded).into(),
        ];
        tx.execute(sql::ADVANCE_SESSION, row).await?;
        Ok(())
    }

    /// What becomes of a refresh token whose MAC is right.
    fn judge(
        &self,
        presented: &Presented,
        stored: &Stored,
        user: &User,
        now: Timestamp,
    ) -> Result<Ruling, Error> {
        let rules = &self.0.rules;
        let since =
            |at: Option<Timestamp>| at.map_or(i64::MAX, |at| now.as_second().saturating_sub(at.as_second()));
        if user.is_banned(now) || user.deleted_at.is_some() {
            return Err(Error::RefreshBanned);
        }
        if since(stored.created_at) >= rules.session_seconds || stored.not_after.is_some_and(|at| at <= now) {
            return Ok(Ruling::End(Error::SessionExpired("")));
        }
        if since(stored.refreshed_at.or(stored.created_at)) >= rules.idle_seconds {
            return Ok(Ruling::End(Error::SessionExpired(" (Inactivity)")));
        }
        let is_low = stored.level == Level::Aal1 && user.has_factor();
        if is_low && rules.low_level_seconds.is_some_and(|most| since(stored.created_at) >= most) {
            return Ok(Ruling::End(Error::SessionExpired(" (Low AAL: User Needs MFA Verification)")));
        }
        let behind = stored.counter.saturating_sub(presented.counter);
        match behind {
            0 => Ok(Ruling::Successor(stored.counter + 1)),
            // It was good until then: another tab, or an answer that was lost. How many tokens came after it says nothing.
            1.. if stored
                .replaced_at(behind)
                .is_some_and(|at| now.as_second() - at <= rules.grace_seconds) =>
            {
                Ok(Ruling::Successor(stored.counter))
            }
            1.. => Ok(Ruling::End(Error::RefreshUsed)),
            // Ahead of the database: an old backup was restored. The token was ours once, its session is not known.
            _ => Err(Error::invalid("Refresh Token Not Issued By This Server")),
        }
    }

    /// Signs out. `session` is the one that asks; a token without a session ends all of its user's.
    pub async fn sign_out(
        &self,
        user: Uuid,
        session: Option<Uuid>,
        scope: Scope,
        visit: &Visit,
    ) -> Result<Reply<()>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::OwnAccount).await?;
        let rows = match (scope, session) {
            (Scope::Local, Some(session)) => tx.query(sql::END_SESSION, [session.into()]).await?,
            (Scope::Others, _) => tx.query(sql::END_OTHER_SESSIONS, [user.into(), session.into()]).await?,
            (Scope::Global, _) | (Scope::Local, None) => {
                tx.query(sql::END_SESSIONS_OF_USER, [user.into()]).await?
            }
        };
        if scope != Scope::Local {
            // A code that waits for its exchange is a session that nobody sees yet.
            tx.execute(sql::links::DROP_ISSUED_FLOWS, [user.into()]).await?;
        }
        let ended = ids(&rows)?;
        events::record(&mut tx, self, visit, Happening::Logout { user, sessions: ended.len() }).await?;
        self.commit_ended(tx, ended, ()).await
    }

    /// Commits a transaction that ended sessions: the other nodes are told in it, this one right after it. What an
    /// administrator did in others' names out of one of them ends too.
    pub(crate) async fn commit_ended<T>(
        &self,
        mut tx: SystemTx,
        mut ended: Vec<Uuid>,
        value: T,
    ) -> Result<Reply<T>, Error> {
        if !ended.is_empty() {
            ended.extend(self.end_impersonations(&mut tx, Behind::Sessions(&ended)).await?);
        }
        for chunk in ended.chunks(limits::ENDED_PER_NOTICE_MAX.size()) {
            tx.queue(sql::TELL, [Notice::Ended(chunk.to_vec()).text().into()]);
        }
        let reply = tx.commit(value).await?;
        self.note_ended(&ended);
        Ok(reply)
    }

    /// Remembers ended sessions until their last access token is dead.
    pub(crate) fn note_ended(&self, ended: &[Uuid]) {
        let now = self.0.clock.unix_seconds();
        self.0.revocations.add(ended, now + self.0.rules.access_seconds, now);
    }
}

pub(crate) fn ids(rows: &pg::Rows) -> Result<Vec<Uuid>, Error> {
    Ok(rows.iter().map(|row| row.get("id")).collect::<Result<_, _>>()?)
}

enum Ruling {
    /// The token with this counter is the answer.
    Successor(i64),
    /// The session is over.
    End(Error),
}

/// A session as its row has it.
struct Stored {
    id: Uuid,
    user: Uuid,
    created_at: Option<Timestamp>,
    refreshed_at: Option<Timestamp>,
    not_after: Option<Timestamp>,
    level: Level,
    sealed_key: Option<String>,
    counter: i64,
    client: Option<(Uuid, String)>,
    proofs: Vec<Proof>,
    owes: Option<Owed>,
    /// The seconds in which the last tokens were replaced, newest first.
    superseded: Vec<i64>,
}

impl Stored {
    fn read(row: Row<'_>) -> Result<Self, Error> {
        let methods: Value = row.get("methods")?;
        let marks: Value = row.get("marks")?;
        let client: Option<Uuid> = row.get("oauth_client_id")?;
        let scopes: Option<String> = row.get("scopes")?;
        let proof = |entry: &Value| {
            let at = timestamp(entry.get("at")?.as_str()?)?;
            Some(Proof { method: entry.get("method")?.as_str()?.to_owned(), at })
        };
        Ok(Stored {
            id: row.get("id")?,
            user: row.get("user_id")?,
            created_at: row.get("created_at")?,
            refreshed_at: row.get("refreshed_at")?,
            not_after: row.get("not_after")?,
            level: match row.get::<Option<String>>("aal")?.as_deref() {
                Some("aal2" | "aal3") => Level::Aal2,
                _ => Level::Aal1,
            },
            sealed_key: row.get("refresh_token_hmac_key")?,
            counter: row.get::<Option<i64>>("refresh_token_counter")?.unwrap_or(0),
            client: client.map(|id| (id, scopes.unwrap_or_default())),
            proofs: methods.as_array().map(|all| all.iter().filter_map(proof).collect()).unwrap_or_default(),
            owes: marks.get("duty").and_then(Value::as_str).and_then(read_duty),
            superseded: marks
                .get("superseded")
                .and_then(Value::as_array)
                .map(|all| all.iter().filter_map(Value::as_i64).collect())
                .unwrap_or_default(),
        })
    }

    /// When the token `behind` generations before the current one was replaced.
    fn replaced_at(&self, behind: i64) -> Option<i64> {
        let index = usize::try_from(behind.checked_sub(1)?).ok()?;
        // A session from before this was kept knows only of its last refresh.
        let last = (index == 0).then(|| self.refreshed_at.map(Timestamp::as_second)).flatten();
        self.superseded.get(index).copied().or(last)
    }

    fn opened(self, user: User, key: Secret<Vec<u8>>, counter: i64, visit: &Visit) -> Opened {
        Opened {
            user,
            session: self.id,
            level: self.level,
            proofs: self.proofs,
            key,
            counter,
            asked: (visit.clone(), "token_refresh"),
            client: self.client,
            acting: None,
            owes: self.owes,
            ended: Vec::new(),
            weak_password: None,
            device: None,
            provider_tokens: None,
        }
    }

    fn key(&self, auth: &Auth) -> Result<Secret<Vec<u8>>, Error> {
        let sealed = self.sealed_key.as_deref().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        Ok(auth.0.root.open(&sealed.ok_or(Error::RefreshNotFound)?, &key_place(self.id))?)
    }
}

fn key_place(session: Uuid) -> String {
    format!("auth.sessions.refresh_token_hmac_key:{session}")
}

/// The program a visit came with, as it is kept.
pub(crate) fn agent_of(visit: &Visit) -> Option<String> {
    visit.user_agent.as_deref().map(|agent| cut(agent, limits::USER_AGENT_BYTES_MAX.size()).to_owned())
}

/// At most `max` bytes of `text`, never half a character.
fn cut(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("aäb", 2), "a");
        assert_eq!(cut("aäb", 3), "aä");
        assert_eq!(cut("ab", 9), "ab");
    }
}
