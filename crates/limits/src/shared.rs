//! Counts in Redis or Valkey: one script, one round trip, the same arithmetic as in memory.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Script, ScriptInvocation};
use tokio::sync::OnceCell;

use crate::window::{tightest, verdict};
use crate::{Algorithm, Budget, Store, Verdict, gcra, sliding};

/// A store that takes longer than this is treated as absent: a limiter must not become the slowest part of a request.
const ANSWER_WITHIN: Duration = Duration::from_millis(250);

pub(crate) struct Shared {
    store: Store,
    connection: OnceCell<ConnectionManager>,
    sliding: Scripts,
    gcra: Scripts,
}

/// What a store runs for an algorithm, and under which name it keeps what that remembers.
struct Scripts {
    kept_as: &'static str,
    count: Script,
    give_back: Script,
}

impl Shared {
    pub(crate) fn open(store: Store) -> Self {
        let scripts = |kept_as, count, give_back| Scripts {
            kept_as,
            count: Script::new(count),
            give_back: Script::new(give_back),
        };
        Shared {
            store,
            connection: OnceCell::new(),
            sliding: scripts("limit", sliding::COUNT, sliding::GIVE_BACK),
            gcra: scripts("gcra", gcra::COUNT, gcra::GIVE_BACK),
        }
    }

    /// `None` when the store does not answer: the caller goes on with its own memory.
    pub(crate) async fn weigh(
        &self,
        budget: &Budget,
        subject: &str,
        tries: u32,
        now_ms: u64,
    ) -> Option<Verdict> {
        let call = self.call(&self.scripts(budget).count, budget, subject, tries, now_ms);
        let mut connection = self.connection().await?;
        let counted: Vec<u64> =
            match tokio::time::timeout(ANSWER_WITHIN, call.invoke_async(&mut connection)).await {
                Ok(Ok(counted)) => counted,
                Ok(Err(error)) => return gone(&error.to_string()),
                Err(_) => return gone("no answer in time"),
            };
        Some(tightest(budget.windows.iter().zip(counted.chunks_exact(3)).filter_map(|(window, told)| {
            let [used, wait, reset] = told else { return None };
            let used = u32::try_from(*used).unwrap_or(u32::MAX);
            Some(verdict(window, used, tries, Duration::from_millis(*wait), Duration::from_millis(*reset)))
        })))
    }

    pub(crate) async fn give_back(&self, budget: &Budget, subject: &str) {
        let Some(mut connection) = self.connection().await else { return };
        let call = self.call(&self.scripts(budget).give_back, budget, subject, 0, 0);
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

    fn scripts(&self, budget: &Budget) -> &Scripts {
        match budget.algorithm {
            Algorithm::SlidingWindow => &self.sliding,
            Algorithm::Gcra => &self.gcra,
        }
    }

    fn call<'a>(
        &self,
        script: &'a Script,
        budget: &Budget,
        subject: &str,
        tries: u32,
        now_ms: u64,
    ) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.arg(tries).arg(now_ms);
        for (index, window) in budget.windows.iter().enumerate() {
            call.key(self.key(budget, subject, index)).arg(window.length_ms()).arg(window.tries_max);
        }
        call
    }

    /// The braces keep a budget's windows on one node of a cluster.
    fn key(&self, budget: &Budget, subject: &str, index: usize) -> String {
        let kept_as = self.scripts(budget).kept_as;
        format!("palisade:{kept_as}:{{{}:{}}}:{index}", budget.name, (self.store.pseudonym)(subject))
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
