//! Counts in Redis or Valkey: one script, one round trip, the same arithmetic as in memory.

use std::time::Duration;

use redis::Script;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio::sync::OnceCell;

use crate::window::{STEPS, tightest, verdict};
use crate::{Budget, Store, Verdict};

/// A store that takes longer than this is treated as absent: a limiter must not become the slowest part of a request.
const ANSWER_WITHIN: Duration = Duration::from_millis(250);

/// KEYS: one hash per window. ARGV: tries, then per window its step number, how long it is kept, and its limit. Gives per window:
/// used before, and how many steps ago the tries were made whose leaving makes room. A field is a step's number, its value the tries in
/// it; fields older than the window are removed as they are met.
const COUNT: &str = r"
local tries, out = tonumber(ARGV[1]), {}
for i, key in ipairs(KEYS) do
  local step, keep_ms, limit = tonumber(ARGV[3 * i - 1]), ARGV[3 * i], tonumber(ARGV[3 * i + 1])
  local steps, used, aged = redis.call('HGETALL', key), 0, {[0] = tries}
  for j = 1, #steps, 2 do
    local at, count = tonumber(steps[j]), tonumber(steps[j + 1])
    if at < step - 12 then
      redis.call('HDEL', key, steps[j])
    else
      local age = math.max(step - at, 0)
      used = used + count
      aged[age] = (aged[age] or 0) + count
    end
  end
  if tries > 0 then
    redis.call('HINCRBY', key, string.format('%.0f', step), tries)
    redis.call('PEXPIRE', key, keep_ms)
  end
  local leaving, left, room = used + tries + math.max(tries, 1) - limit, 0, 0
  for age = 12, 0, -1 do
    left = left + (aged[age] or 0)
    if left >= leaving then
      room = age
      break
    end
  end
  out[#out + 1] = used
  out[#out + 1] = room
end
return out";

/// KEYS: one hash per window. Takes one try out of the newest step that has any.
const GIVE_BACK: &str = r"
for _, key in ipairs(KEYS) do
  local steps, newest = redis.call('HGETALL', key), nil
  for j = 1, #steps, 2 do
    if tonumber(steps[j + 1]) > 0 and (not newest or tonumber(steps[j]) > tonumber(newest)) then newest = steps[j] end
  end
  if newest then redis.call('HINCRBY', key, newest, -1) end
end
return 0";

pub(crate) struct Shared {
    store: Store,
    connection: OnceCell<ConnectionManager>,
    script: Script,
    give_back: Script,
}

impl Shared {
    pub(crate) fn open(store: Store) -> Self {
        let (script, give_back) = (Script::new(COUNT), Script::new(GIVE_BACK));
        Shared { store, connection: OnceCell::new(), script, give_back }
    }

    /// `None` when the store does not answer: the caller goes on with its own memory.
    pub(crate) async fn weigh(
        &self,
        budget: &Budget,
        subject: &str,
        tries: u32,
        now_ms: u64,
    ) -> Option<Verdict> {
        let mut call = self.script.prepare_invoke();
        call.arg(tries);
        for (index, window) in budget.windows.iter().enumerate() {
            call.key(self.key(budget, subject, index));
            call.arg(now_ms / window.step_ms()).arg(window.step_ms() * (STEPS + 2));
            call.arg(window.tries_max);
        }
        let mut connection = self.connection().await?;
        let counted: Vec<u64> =
            match tokio::time::timeout(ANSWER_WITHIN, call.invoke_async(&mut connection)).await {
                Ok(Ok(counted)) => counted,
                Ok(Err(error)) => return gone(&error.to_string()),
                Err(_) => return gone("no answer in time"),
            };
        Some(tightest(budget.windows.iter().zip(counted.chunks_exact(2)).filter_map(|(window, pair)| {
            let (used, age) = (u32::try_from(*pair.first()?).unwrap_or(u32::MAX), *pair.get(1)?);
            Some(verdict(window, used, tries, age, window.step_ms(), now_ms))
        })))
    }

    pub(crate) async fn give_back(&self, budget: &Budget, subject: &str) {
        let Some(mut connection) = self.connection().await else { return };
        let mut call = self.give_back.prepare_invoke();
        for index in 0..budget.windows.len() {
            call.key(self.key(budget, subject, index));
        }
        let given = call.invoke_async::<u64>(&mut connection);
        if let Err(error) = tokio::time::timeout(ANSWER_WITHIN, given).await.unwrap_or(Ok(0)) {
            tracing::warn!(%error, "the shared limiter did not take a try back");
        }
    }

    pub(crate) async fn forget(&self, budget: &Budget, subject: &str) {
        let Some(mut connection) = self.connection().await else { return };
        let keys: Vec<String> =
            (0..budget.windows.len()).map(|index| self.key(budget, subject, index)).collect();
        let mut delete = redis::cmd("DEL");
        let deleted = delete.arg(keys).query_async::<u64>(&mut connection);
        if let Err(error) = tokio::time::timeout(ANSWER_WITHIN, deleted).await.unwrap_or(Ok(0)) {
            tracing::warn!(%error, "the shared limiter did not forget a subject");
        }
    }

    /// The braces keep a budget's windows on one node of a cluster.
    fn key(&self, budget: &Budget, subject: &str, index: usize) -> String {
        format!("palisade:limit:{{{}:{}}}:{index}", budget.name, (self.store.pseudonym)(subject))
    }

    async fn connection(&self) -> Option<ConnectionManager> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(ANSWER_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN))
            .set_number_of_retries(1);
        let connect = self
            .connection
            .get_or_try_init(|| ConnectionManager::new_with_config(self.store.client.clone(), config));
        match tokio::time::timeout(ANSWER_WITHIN * 2, connect).await {
            Ok(Ok(connection)) => Some(connection.clone()),
            Ok(Err(error)) => gone(&error.to_string()),
            Err(_) => gone("no connection in time"),
        }
    }
}

fn gone<T>(why: &str) -> Option<T> {
    tracing::warn!(why, "the shared limiter does not answer; this node counts by itself");
    None
}
