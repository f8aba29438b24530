//! Writes that come again (`Idempotency-Key`, control 125): the answer of the first is kept in its own transaction and given
//! to every later one, which does nothing.
//!
//! Invariant: an answer is kept if and only if what it tells of is committed: both are one transaction, as the caller. A
//! crash leaves neither or both.

use std::time::Duration;

use base::{Clock, Failure, Repeat};
use bytes::Bytes;
use jobs::Reconciler;
use pg::{Open, Param, Pg, Reason, Statement};
use serde::{Deserialize, Serialize};

use crate::ask::Outcome;
use crate::error::Error;
use crate::limits::{KEPT_ANSWER_BYTES_MAX, KEPT_ANSWERS_MAX};

/// What is known of the write.
pub const CLAIM: &str =
    "SELECT c.state, c.kept, c.now_rules FROM idempotency.claim_answer($1, $2, $3, $4, $5) AS c";

/// Keeps its answer.
pub const KEEP: &str = "SELECT idempotency.keep_answer($1, $2, $3, $4, $5, $6)";

/// Forgets what has been kept long enough, a batch at a time.
pub const FORGET: &str = "DELETE FROM idempotency.answers WHERE ctid = ANY (ARRAY(\
    SELECT ctid FROM idempotency.answers WHERE kept_until <= $1 ORDER BY kept_until LIMIT 10000))";

/// Every statement, for the test that prepares each.
pub const ALL: &[&str] = &[CLAIM, KEEP, FORGET];

/// What is known of a write with a key.
pub enum Known {
    /// It begins, under these rules; its answer is kept with them.
    New(Rules),
    /// It was made before, and this was its answer; nothing more may be done.
    Kept(Vec<u8>),
}

/// A digest of what says which rows anybody may see, of the moment a write began.
pub struct Rules(Vec<u8>);

/// Says in the transaction of the write that it begins, or that it did.
pub async fn claim(open: &mut Open, repeat: &Repeat) -> Result<Known, Error> {
    let params: [Param; 5] = [
        repeat.scope.into(),
        repeat.key.into(),
        repeat.request.into(),
        repeat.at.into(),
        i64::try_from(KEPT_ANSWERS_MAX.value).unwrap_or(i64::MAX).into(),
    ];
    let rows = open.run(Statement::new(CLAIM, params)).await?;
    let row = rows.first().ok_or(Error::Bug("nothing is known of a key"))?;
    match row.at::<String>(0)?.as_str() {
        "new" => Ok(Known::New(Rules(
            row.at::<Option<Vec<u8>>>(2)?.ok_or(Error::Bug("a write that begins under no rules"))?,
        ))),
        "again" => {
            Ok(Known::Kept(row.at::<Option<Vec<u8>>>(1)?.ok_or(Error::Bug("an answer without a body"))?))
        }
        "changed" => Err(Error::RepeatRules),
        "running" => Err(Error::RepeatRunning),
        "other" => Err(Error::RepeatOther),
        "full" => Err(Error::RepeatsTooMany { most: KEPT_ANSWERS_MAX.value }),
        _ => Err(Error::Bug("an unknown state of a key")),
    }
}

/// Asks PostgreSQL whether the caller still may do what was done: planning a statement to its first step checks every right
/// to tables, columns and functions, and does nothing. What was taken from somebody since is not told to them again.
pub async fn require_rights(open: &mut Open, statement: &Statement) -> Result<(), Error> {
    let asked = Statement::rare(format!("EXPLAIN {}", statement.sql), statement.params.clone());
    open.run(asked).await?;
    Ok(())
}

/// Keeps the answer of the write, in its transaction.
pub async fn keep(
    open: &mut Open,
    repeat: &Repeat,
    rules: &Rules,
    answer: &[u8],
    retention: Duration,
) -> Result<(), Error> {
    if answer.len() as u64 > KEPT_ANSWER_BYTES_MAX.value {
        return Err(Error::RepeatTooLarge { most: KEPT_ANSWER_BYTES_MAX.value });
    }
    let until = repeat.at.checked_add(retention).map_err(|_| Error::Bug("a retention beyond time"))?;
    let params: [Param; 6] = [
        repeat.scope.into(),
        repeat.key.into(),
        repeat.request.into(),
        answer.into(),
        until.into(),
        rules.0.as_slice().into(),
    ];
    match open.run(Statement::new(KEEP, params)).await {
        Ok(_) => Ok(()),
        Err(error) if error.is("23505") => Err(Error::RepeatRunning),
        Err(error) => Err(error.into()),
    }
}

/// An outcome as it is kept: its facts as JSON on one line, then its body as it is.
#[derive(Serialize, Deserialize)]
struct Facts {
    rows: i64,
    total: Option<i64>,
    inserted: Option<i64>,
    key: Vec<(String, Option<String>)>,
    resolved: bool,
    void: bool,
    headers: Option<String>,
    status: Option<String>,
}

pub(crate) fn written(outcome: &Outcome) -> Result<Vec<u8>, Error> {
    let facts = Facts {
        rows: outcome.rows,
        total: outcome.total,
        inserted: outcome.inserted,
        key: outcome.key.clone(),
        resolved: outcome.resolved,
        void: outcome.void,
        headers: outcome.response_headers.clone(),
        status: outcome.response_status.clone(),
    };
    let mut text = serde_json::to_vec(&facts).map_err(|_| Error::Bug("an outcome that is no JSON"))?;
    text.push(b'\n');
    text.extend_from_slice(&outcome.body);
    Ok(text)
}

pub(crate) fn read(kept: Vec<u8>) -> Result<Outcome, Error> {
    let broken = Error::Bug("a kept answer cannot be read");
    let Some(end) = kept.iter().position(|byte| *byte == b'\n') else { return Err(broken) };
    let kept = Bytes::from(kept);
    let facts: Facts = serde_json::from_slice(&kept.slice(..end)).map_err(|_| broken)?;
    Ok(Outcome {
        body: kept.slice(end + 1..),
        rows: facts.rows,
        total: facts.total,
        inserted: facts.inserted,
        key: facts.key,
        resolved: facts.resolved,
        void: facts.void,
        response_headers: facts.headers,
        response_status: facts.status,
        replayed: true,
        touched: None,
    })
}

/// Several answers as one text: each with its length before it.
pub(crate) fn written_all(answers: &[Bytes]) -> Vec<u8> {
    let mut text = Vec::new();
    for answer in answers {
        text.extend_from_slice(&(answer.len() as u64).to_be_bytes());
        text.extend_from_slice(answer);
    }
    text
}

pub(crate) fn read_all(kept: Vec<u8>) -> Result<Vec<Bytes>, Error> {
    let mut rest = Bytes::from(kept);
    let mut answers = Vec::new();
    while let Some((length, _)) = rest.split_first_chunk::<8>() {
        let length = usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let _length = rest.split_to(8);
        if length > rest.len() {
            return Err(Error::Bug("a kept answer is cut short"));
        }
        answers.push(rest.split_to(length));
    }
    Ok(answers)
}

/// Keeps answers no longer than they may be kept.
pub struct ForgetAnswers {
    /// The door.
    pub pg: Pg,
    /// When now is.
    pub clock: Clock,
}

impl Reconciler for ForgetAnswers {
    const NAME: &'static str = "data.forget_answers";
    const WHAT: &'static str = "forgets answers to writes after data.idempotency_retention";
    const EVERY: Duration = Duration::from_secs(900);

    async fn reconcile(&self) -> Result<(), Failure> {
        loop {
            let mut tx = self.pg.begin_system(Reason::Repeats).await?;
            let gone = tx.execute(FORGET, [self.clock.now().into()]).await?;
            tx.commit(()).await?.into_inner();
            if gone == 0 {
                return Ok(());
            }
            tracing::debug!(gone, "kept answers were forgotten");
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{read, read_all, written, written_all};
    use crate::ask::Outcome;

    #[test]
    fn what_is_kept_is_what_was_said() {
        let outcome = Outcome {
            body: Bytes::from_static(b"[{\"a\":\n1}]\n"),
            rows: 1,
            inserted: Some(1),
            key: vec![("id".into(), Some("7".into())), ("x".into(), None)],
            response_status: Some("201".into()),
            ..Outcome::default()
        };
        let again = read(written(&outcome).unwrap()).unwrap();
        assert_eq!(again, Outcome { replayed: true, ..outcome });
        assert!(read(b"no line".to_vec()).is_err());
        let several = [Bytes::from_static(b"{}"), Bytes::new(), Bytes::from_static(b"null")];
        assert_eq!(read_all(written_all(&several)).unwrap(), several);
        assert!(read_all(vec![0, 0, 0, 0, 0, 0, 0, 9, 1]).is_err());
    }
}
