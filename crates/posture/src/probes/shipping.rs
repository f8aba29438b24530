//! Control 99: logs that leave. A receiver of the probes' own is sent to, goes away and comes back; and the operator's
//! receivers have what happened.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixListener;

use crate::Finding;
use crate::bench::{Bench, Person, Trouble};

/// The receiver that gets what was gathered, not what happened.
const STORE: &str = "s3";
/// How long something may be on its way.
const SECONDS_TO_ARRIVE: u64 = 10;
/// What is done while the receiver is away.
const ROUNDS: usize = 3;

/// 99: RFC 5424, from both logs; nothing of what happened during an outage is missing or out of order afterwards.
pub async fn logs_leave_and_wait_for_their_receiver(bench: &Bench) -> Result<Finding, Trouble> {
    let mut receiver = Receiver::new(bench);
    let tried = tried(bench, &mut receiver).await;
    receiver.remove();
    let mut lines = tried?;
    lines.extend(operators(bench).await?);
    Ok(Finding::all(lines))
}

async fn tried(bench: &Bench, receiver: &mut Receiver) -> Result<Vec<(bool, String)>, Trouble> {
    receiver.listen()?;
    let person = bench.guest_with(json!({})).await?;
    // Whatever comes first says that it is begun: what was before the receiver is not for it.
    let begun = begun(bench, receiver).await;
    let mut lines = vec![(begun, "a receiver on the probes' own socket is sent to".to_owned())];
    let mut done = vec![round(bench, &person).await?];
    let there = arrived(bench, receiver, &done).await;
    lines.push((there, "a sign-in arrives from the audit log, and its request from the log".to_owned()));
    let got = receiver.messages();
    let broken = got.iter().filter(|message| message.is_none()).count();
    lines.push((broken == 0, format!("{broken} of {} messages are not as RFC 5424 has them", got.len())));
    if !there {
        // To wait as long once more, after an outage, says nothing new, and is more than a probe may take.
        return Ok(lines);
    }

    receiver.go_away();
    for _ in 0..ROUNDS {
        done.push(round(bench, &person).await?);
    }
    let heard = receiver.has(&done[1]);
    lines.push((!heard, "the receiver is away during the next sign-ins".to_owned()));
    receiver.listen()?;
    let there = arrived(bench, receiver, &done).await;
    lines.push((there, format!("back again it has all {ROUNDS} of them, from both logs")));
    let (gaps, backwards) = receiver.order();
    lines.push((gaps == 0, format!("{gaps} places of the chain are missing in between")));
    lines.push((backwards == 0, format!("{backwards} messages came out of order")));
    Ok(lines)
}

/// One sign-in: the request's id, and how many sign-ins of that person there are now.
async fn round(bench: &Bench, person: &Person) -> Result<String, Trouble> {
    let answer = bench.try_sign_in(&person.email, &person.password).await?;
    Ok(answer.header("x-request-id").unwrap_or("nothing").to_owned())
}

/// Waits for anything to be received, and gives it reasons to come.
async fn begun(bench: &Bench, receiver: &Receiver) -> bool {
    let look = async || {
        bench.ask("GET", "/health").send().await?;
        Ok(!receiver.messages().is_empty())
    };
    bench.within(SECONDS_TO_ARRIVE, "a first line", look).await.is_ok()
}

/// Whether each of these requests arrived from both logs, in time.
async fn arrived(bench: &Bench, receiver: &Receiver, requests: &[String]) -> bool {
    let all = async || Ok(requests.iter().all(|request| receiver.has(request)));
    bench.within(SECONDS_TO_ARRIVE * 4, "the messages", all).await.is_ok()
}

/// The operator's own receivers: each has to get to an entry that is made now; a store, for which lines are gathered, to what
/// is older than that.
async fn operators(bench: &Bench) -> Result<Vec<(bool, String)>, Trouble> {
    let sql = bench.sql().await?;
    let sinks = "SELECT sink FROM logs.shipped WHERE held_until > now() - interval '1 hour' ORDER BY sink";
    let sinks: Vec<String> =
        sql.rows(sinks).await?.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
    if sinks.is_empty() {
        return Ok(vec![(true, "nothing is sent to a receiver of the operator's".to_owned())]);
    }
    let end = sql.value("SELECT coalesce(max(seq), 0) FROM audit.log").await?;
    let mut lines = Vec::new();
    for sink in sinks {
        let gathered = if sink == STORE { bench.place.logs_gathered } else { Duration::ZERO };
        let until = bench.place.clock.now().checked_sub(gathered).unwrap_or(jiff::Timestamp::MIN);
        let behind = format!(
            "SELECT NOT EXISTS (SELECT FROM audit.log AS entry WHERE entry.seq > sent.seq AND entry.seq <= {end} AND entry.chained_at <= '{until}') \
             FROM logs.shipped AS sent WHERE sink = '{sink}'"
        );
        let there = async || Ok(sql.value(&behind).await? == "t");
        let is_there = bench.within(SECONDS_TO_ARRIVE, "the operator's receiver", there).await.is_ok();
        let at = sql.value(&format!("SELECT seq FROM logs.shipped WHERE sink = '{sink}'")).await?;
        lines.push((is_there, format!("{sink} has confirmed entry {at}; the audit log was at {end}")));
    }
    Ok(lines)
}

/// A message, as far as it is looked at.
#[derive(Clone)]
struct Message {
    of_audit: bool,
    body: Value,
}

/// A syslog receiver on a socket in the data folder.
struct Receiver {
    path: PathBuf,
    got: Arc<Mutex<Vec<Option<Message>>>>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Receiver {
    fn new(bench: &Bench) -> Self {
        Receiver { path: bench.place.data.join("logs.sock"), got: Arc::default(), task: None }
    }

    /// Listens, at once where somebody listened before: there is no moment without a socket.
    fn listen(&mut self) -> Result<(), Trouble> {
        let what = self.path.display().to_string();
        let refused = |source| Trouble::Network { what: what.clone(), source };
        let beside = self.path.with_extension("next");
        // Left behind by a probe that was interrupted, or nothing.
        let _gone = std::fs::remove_file(&beside);
        let listener = UnixListener::bind(&beside).map_err(refused)?;
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o600)).map_err(refused)?;
        std::fs::rename(&beside, &self.path).map_err(refused)?;
        let got = self.got.clone();
        self.task = Some(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut bytes = Vec::new();
                // A batch that broke off is not confirmed, and comes again.
                if stream
                    .take(crate::limits::ANSWER_BYTES_MAX.value * 4)
                    .read_to_end(&mut bytes)
                    .await
                    .is_ok()
                {
                    let mut got = got.lock().unwrap_or_else(PoisonError::into_inner);
                    got.extend(messages(&bytes));
                }
            }
        }));
        Ok(())
    }

    /// The socket stays, and nobody listens.
    fn go_away(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    fn remove(mut self) {
        self.go_away();
        let _gone = std::fs::remove_file(&self.path);
    }

    fn messages(&self) -> Vec<Option<Message>> {
        self.got.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a request arrived from both logs.
    fn has(&self, request: &str) -> bool {
        let got = self.messages();
        let of = |audit: bool| {
            let mut own = got.iter().flatten().filter(|message| message.of_audit == audit);
            own.any(|message| message.body.get("request_id").and_then(Value::as_str) == Some(request))
        };
        of(true) && of(false)
    }

    /// Places of the chain that are missing between the first and the last, and messages older than one before them.
    fn order(&self) -> (i64, usize) {
        let got = self.messages();
        let seqs: Vec<i64> = got
            .iter()
            .flatten()
            .filter(|message| message.of_audit)
            .filter_map(|message| message.body.get("seq").and_then(Value::as_i64))
            .collect();
        let times: Vec<&str> = got
            .iter()
            .flatten()
            .filter(|message| !message.of_audit)
            .filter_map(|message| message.body.get("timestamp").and_then(Value::as_str))
            .collect();
        let mut known = seqs.clone();
        known.sort_unstable();
        known.dedup();
        let span = known.last().zip(known.first()).map_or(0, |(last, first)| last - first + 1);
        let gaps = span - i64::try_from(known.len()).unwrap_or(0);
        // Threads may write two lines of the same moment in either order.
        let second = |text: &str| text.get(..19).unwrap_or_default().to_owned();
        let late = times.windows(2).filter(|pair| second(pair[1]) < second(pair[0])).count();
        (gaps, seqs.windows(2).filter(|pair| pair[1] < pair[0]).count() + late)
    }
}

/// What came on one connection: each message after its length. What is not one is nothing.
fn messages(mut bytes: &[u8]) -> Vec<Option<Message>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let blank = bytes.iter().position(|byte| *byte == b' ').unwrap_or(bytes.len());
        let (length, rest) = bytes.split_at(blank);
        let length = std::str::from_utf8(length).ok().and_then(|text| text.parse::<usize>().ok());
        let text = length.and_then(|length| rest.get(1..=length));
        let Some(text) = text else {
            all.push(None);
            return all;
        };
        bytes = rest.get(text.len() + 1..).unwrap_or_default();
        all.push(message(&String::from_utf8_lossy(text)));
    }
    all
}

/// RFC 5424, 6: priority and version, five names, structured data, and the text.
fn message(text: &str) -> Option<Message> {
    let (priority, rest) = text.strip_prefix('<')?.split_once('>')?;
    let priority: u8 = priority.parse().ok().filter(|priority| *priority < 192)?;
    let mut parts = rest.splitn(7, ' ');
    let (version, at) = (parts.next()?, parts.next()?);
    let names: Vec<&str> = parts.by_ref().take(4).collect();
    let data = parts.next()?;
    let is_name = |name: &&str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    let at_ok = at.parse::<jiff::Timestamp>().is_ok() && at.ends_with('Z');
    if version != "1" || !at_ok || names.len() != 4 || !names.iter().all(is_name) {
        return None;
    }
    let end =
        if data.starts_with('[') { data.find("] ")? + 1 } else { data.starts_with("- ").then_some(1)? };
    let body: Value = serde_json::from_str(data.get(end + 1..)?).ok()?;
    Some(Message { of_audit: priority / 8 == 13, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_rfc_5424_is_no_message() {
        let good = "<110>1 2026-11-22T07:00:00.5Z host app 7 audit.auth.login [origin software=\"x\"][meta language=\"en\"] {\"seq\":1}";
        assert!(message(good).is_some_and(|message| message.of_audit && message.body["seq"] == 1));
        let framed = format!("{} {good}{} {good}", good.len(), good.len());
        assert_eq!(messages(framed.as_bytes()).iter().flatten().count(), 2);
        for bad in [
            "<110>2 2026-11-22T07:00:00Z h a 7 m - {}",
            "<999>1 2026-11-22T07:00:00Z h a 7 m - {}",
            "<110>1 now h a 7 m - {}",
            "<110>1 2026-11-22T07:00:00Z h a 7 m {}",
            "text",
        ] {
            assert!(message(bad).is_none(), "{bad}");
        }
        assert!(messages(b"12 short").iter().any(Option::is_none));
    }
}
