//! What the database says unasked: sessions that ended elsewhere, keys and schemas that changed.

use std::time::Duration;

use base::Clock;
use pg::admin::Target;
use pg::notify::{Heard, Listener};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::start::Services;

/// Channels that say "read the schema again": ours from the event trigger, and PostgREST's, which people's migrations use.
const CATALOG: [&str; 2] = [pg::bootstrap::CATALOG_CHANNEL, "pgrst"];
/// Changes of one migration come in a burst; one reload serves them all.
const SETTLE: Duration = Duration::from_millis(20);

/// Listens, and passes on what is heard, until `stop`. Whoever else wants to hear takes the listener.
pub fn spawn(
    target: &Target,
    services: &Services,
    clock: &Clock,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> Listener {
    let listener = Listener::start(
        target.clone(),
        &[
            auth::CHANNEL,
            jobs::CHANNEL,
            detection::CHANNEL,
            alerts::CHANNEL,
            realtime::changes::CHANNEL,
            CATALOG[0],
            CATALOG[1],
        ],
    );
    let (services, stop) = (services.clone(), stop.clone());
    tracker.spawn(close_ended(services.clone(), stop.clone()));
    let (looked_after, until) = (look_after(services.clone(), clock.clone()), stop.clone());
    tracker.spawn(async move { until.run_until_cancelled(looked_after).await });
    let (follow, until) = (services.auth.clone().follow(listener.clone()), stop.clone());
    tracker.spawn(async move { until.run_until_cancelled(follow).await });
    let (look, until) = (look(services.clone()), stop.clone());
    tracker.spawn(async move { until.run_until_cancelled(look).await });
    tracker.spawn(services.realtime.clone().run(listener.clone(), stop.clone()));
    let follow = listener.clone();
    tracker.spawn(async move { stop.run_until_cancelled(reload(follow, services)).await });
    listener
}

/// An ended session's sockets and streams end with it.
async fn close_ended(services: Services, stop: CancellationToken) {
    let mut ended = services.auth.revocations().subscribe();
    while let Some(heard) = stop.run_until_cancelled(ended.recv()).await {
        match heard {
            Ok(session) => services.connections.end(session),
            // Which ones were missed is not known: whoever has something open asks again.
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "ended sessions were announced faster than heard");
                services.connections.doubt();
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// How often it is looked whose time has come.
const LOOK: Duration = Duration::from_millis(200);
/// How often sockets ask again while ends elsewhere are not heard of.
const UNSURE_LOOKS: u32 = 4;

/// What is open ends at its time, and asks again for whom it is when that is in doubt.
async fn look_after(services: Services, clock: Clock) {
    let mut doubts = services.auth.doubts();
    let mut unsure: u32 = 0;
    loop {
        tokio::select! {
            changed = doubts.changed() => match changed {
                Ok(()) => services.connections.doubt(),
                Err(_) => return,
            },
            () = tokio::time::sleep(LOOK) => {
                services.connections.pass(clock.unix_seconds());
                unsure = if services.auth.revocations().is_sure() { 0 } else { unsure + 1 };
                if unsure >= UNSURE_LOOKS {
                    unsure = 0;
                    services.connections.doubt();
                }
            }
        }
    }
}

/// Where the database cannot announce its changes, they are looked for.
async fn look(services: Services) {
    loop {
        tokio::time::sleep(Duration::from_millis(data::limits::SCHEMA_LOOK_MS.value)).await;
        if let Err(error) = services.data.look().await {
            tracing::warn!(error = %base::fault::chain(&error), "the schema could not be looked at");
        }
    }
}

/// A changed schema is served as soon as it is heard of.
async fn reload(listener: Listener, services: Services) {
    let mut heard = listener.subscribe();
    loop {
        match heard.recv().await {
            Ok(Heard::Note { channel, .. }) if !CATALOG.contains(&&*channel) => continue,
            Ok(Heard::Note { .. } | Heard::Gap) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
        tokio::time::sleep(SETTLE).await;
        if let Err(error) = services.data.reload().await {
            // The last snapshot goes on serving; the next change or reconnect tries again.
            tracing::warn!(error = %base::fault::chain(&error), "the catalog could not be read again");
        }
    }
}
