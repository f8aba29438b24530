//! Sessions: begun by a proof, carried on by refresh tokens that are derived instead of stored, ended at once.
//!
//! A refresh token names its session and a counter, under a MAC with a key of the session alone. Nothing of it is stored
//! but the counter, so the successor of a token is always the same one: whoever lost an answer, or refreshes in three
//! tabs at once, gets the same child (controls 28, 29; attack rows 10, 11).
//!
//! Invariant: the counter moves forward by one, under the session's row lock, and a token behind the last one ends the
//! family.

use base::{Level, Secret};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use pg::{Param, Reason, Reply, Row, SystemTx};
use seal::{keyed_mac, same, sha256};
use serde_json::Value;
use uuid::Uuid;

use crate::events::{self, Happening};
use crate::revocation::Notice;
use crate::user::{User, timestamp};
use crate::{Auth, Error, Visit, claims, limits, sql};

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
    /// What a now too weak password lacks.
    pub weak_password: Option<(String, Vec<&'static str>)>,
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

/// First byte of a refresh token.
const TOKEN_FORMAT: u8 = 2;
const NAMED: usize = 1 + 16 + 8;
const TAG: usize = 16;
const CHECK: usize = 4;

impl Auth {
    /// Begins a session of `user` in `tx`, which the caller commits.
    pub(crate) async fn begin_session(
        &self,
        tx: &mut SystemTx,
        user: User,
        method: &str,
        visit: &Visit,
    ) -> Result<Grant, Error> {
        let (rng, now) = (&self.0.rng, self.0.clock.now());
        let session = rng.uuid();
        let key = Secret::new(rng.bytes::<32>());
        let sealed = URL_SAFE_NO_PAD.encode(self.0.root.seal(key.expose(), &key_place(session))?);
        let agent = visit
            .user_agent
            .as_deref()
            .map(|agent| cut(agent, limits::USER_AGENT_BYTES_MAX.size()).to_owned());
        let level = Level::Aal1;
        let address = visit.caller.address.map(|address| address.to_string());
        let row: [Param; 7] = [
            session.into(),
            user.id.into(),
            now.into(),
            level.name().into(),
            agent.into(),
            address.into(),
            sealed.into(),
        ];
        tx.execute(sql::INSERT_SESSION, row).await?;
        tx.execute(sql::INSERT_METHOD, [rng.uuid().into(), session.into(), now.into(), method.into()])
            .await?;
        let proofs = [Proof { method: method.to_owned(), at: now }];
        self.grant(user, session, level, &proofs, key.expose(), 0)
    }

    fn grant(
        &self,
        user: User,
        session: Uuid,
        level: Level,
        proofs: &[Proof],
        key: &[u8],
        counter: i64,
    ) -> Result<Grant, Error> {
        let (rules, now) = (&self.0.rules, self.0.clock.unix_seconds());
        let claims = claims::of_session(&user, session, level, proofs, rules, now);
        Ok(Grant {
            access_token: Secret::new(self.0.keys.load().sign(&claims)?),
            refresh_token: refresh_token(session, counter, key),
            expires_in: rules.access_seconds,
            expires_at: now + rules.access_seconds,
            user,
            session,
            weak_password: None,
        })
    }

    /// Exchanges a refresh token for new tokens of its session.
    pub async fn refresh(&self, token: &str, visit: &Visit) -> Result<Reply<Grant>, Error> {
        let presented = Presented::read(token).ok_or(Error::RefreshMalformed)?;
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let rows = tx.query(sql::SESSION_FOR_REFRESH, [presented.session.into()]).await?;
        let stored = rows.first().map(Stored::read).transpose()?.ok_or(Error::RefreshNotFound)?;
        let key = stored.key(self)?;
        if !presented.is_made_with(key.expose()) {
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
                let grant =
                    self.grant(user, stored.id, stored.level, &stored.proofs, key.expose(), counter)?;
                return Ok(tx.commit(grant).await?);
            }
            Ruling::End(why) => why,
        };
        let happening = match end {
            Error::RefreshUsed => Happening::TokenReused { user: &user, session: stored.id },
            _ => Happening::SessionExpired { user: &user, session: stored.id },
        };
        events::record(&mut tx, self, visit, happening).await?;
        tx.query(sql::END_SESSION, [stored.id.into()]).await?;
        self.commit_ended(tx, vec![stored.id], ()).await?.into_inner();
        Err(end)
    }

    async fn advance(
        &self,
        tx: &mut SystemTx,
        stored: &Stored,
        counter: i64,
        now: Timestamp,
        visit: &Visit,
    ) -> Result<(), Error> {
        let agent = visit
            .user_agent
            .as_deref()
            .map(|agent| cut(agent, limits::USER_AGENT_BYTES_MAX.size()).to_owned());
        let address = visit.caller.address.map(|address| address.to_string());
        tx.execute(
            sql::ADVANCE_SESSION,
            [stored.id.into(), counter.into(), now.into(), agent.into(), address.into()],
        )
        .await?;
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
        let behind = stored.counter.saturating_sub(presented.counter);
        match behind {
            0 => Ok(Ruling::Successor(stored.counter + 1)),
            1 if since(stored.refreshed_at) <= rules.grace_seconds => Ok(Ruling::Successor(stored.counter)),
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
        let ended = ids(&rows)?;
        events::record(&mut tx, self, visit, Happening::Logout { user, sessions: ended.len() }).await?;
        self.commit_ended(tx, ended, ()).await
    }

    /// Commits a transaction that ended sessions: the other nodes are told in it, this one right after it.
    pub(crate) async fn commit_ended<T>(
        &self,
        mut tx: SystemTx,
        ended: Vec<Uuid>,
        value: T,
    ) -> Result<Reply<T>, Error> {
        for chunk in ended.chunks(limits::ENDED_PER_NOTICE_MAX.size()) {
            tx.query(sql::TELL, [Notice::Ended(chunk.to_vec()).text().into()]).await?;
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
    proofs: Vec<Proof>,
}

impl Stored {
    fn read(row: Row<'_>) -> Result<Self, Error> {
        let methods: Value = row.get("methods")?;
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
            proofs: methods.as_array().map(|all| all.iter().filter_map(proof).collect()).unwrap_or_default(),
        })
    }

    fn key(&self, auth: &Auth) -> Result<Secret<Vec<u8>>, Error> {
        let sealed = self.sealed_key.as_deref().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        Ok(auth.0.root.open(&sealed.ok_or(Error::RefreshNotFound)?, &key_place(self.id))?)
    }
}

fn key_place(session: Uuid) -> String {
    format!("auth.sessions.refresh_token_hmac_key:{session}")
}

fn refresh_token(session: Uuid, counter: i64, key: &[u8]) -> Secret<String> {
    let mut bytes = Vec::with_capacity(NAMED + TAG + CHECK);
    bytes.push(TOKEN_FORMAT);
    bytes.extend_from_slice(session.as_bytes());
    bytes.extend_from_slice(&counter.to_be_bytes());
    let tag = keyed_mac(key, &bytes);
    bytes.extend(tag.iter().take(TAG));
    let check = sha256(&bytes);
    bytes.extend(check.iter().take(CHECK));
    Secret::new(URL_SAFE_NO_PAD.encode(bytes))
}

/// A refresh token that is whole; whether it is ours only the session's key can say.
struct Presented {
    session: Uuid,
    counter: i64,
    named: [u8; NAMED],
    tag: [u8; TAG],
}

impl Presented {
    fn read(token: &str) -> Option<Self> {
        if token.len() > 2 * (NAMED + TAG + CHECK) {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (signed, check) = bytes.split_at_checked(NAMED + TAG)?;
        let (named, tag) = signed.split_first_chunk::<NAMED>()?;
        let whole = check.len() == CHECK && sha256(signed).starts_with(check);
        let (format, rest) = named.split_first()?;
        let (session, counter) = rest.split_first_chunk::<16>()?;
        let counter = i64::from_be_bytes(counter.try_into().ok()?);
        let read = Presented {
            session: Uuid::from_bytes(*session),
            counter,
            named: *named,
            tag: tag.try_into().ok()?,
        };
        (whole && *format == TOKEN_FORMAT && counter >= 0).then_some(read)
    }

    fn is_made_with(&self, key: &[u8]) -> bool {
        keyed_mac(key, &self.named).get(..TAG).is_some_and(|tag| same(tag, &self.tag))
    }
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

    const SESSION: Uuid = Uuid::from_u128(5);

    #[test]
    fn a_refresh_token_is_read_back_and_its_successor_is_always_the_same() {
        let token = refresh_token(SESSION, 7, b"key");
        let read = Presented::read(token.expose()).unwrap();
        assert_eq!((read.session, read.counter), (SESSION, 7));
        assert!(read.is_made_with(b"key"));
        assert!(!read.is_made_with(b"other key"));
        assert_eq!(refresh_token(SESSION, 8, b"key").expose(), refresh_token(SESSION, 8, b"key").expose());
    }

    #[test]
    fn a_refresh_token_with_any_character_changed_is_not_one() {
        let token = refresh_token(SESSION, 7, b"key").expose().clone();
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(Presented::read(&String::from_utf8(changed).unwrap()).is_none(), "{at}");
        }
        for text in ["", "x", "abcdefghijkl", &"A".repeat(60), &"A".repeat(10_000)] {
            assert!(Presented::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("aäb", 2), "a");
        assert_eq!(cut("aäb", 3), "aä");
        assert_eq!(cut("ab", 9), "ab");
    }
}
