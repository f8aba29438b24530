//! Later work on this node: the jobs and reconcilers of every crate, each with what it works with.
//!
//! The lists in [`crate::lists`] say what there is; a test sees that everything listed is started here.

use base::{Clock, Settings};
use jobs::{DeliverMail, ForgetMail, Jobs, Reconcilers, Registry, Worker};
use pg::notify::Listener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use audit::{Audit, Entry, Event};
use auth::sso::{KeepProviders, Sso};

/// Everything a worker of this node can run.
pub fn registry(outbox: &mail::Outbox) -> Registry {
    Registry::new().with::<DeliverMail>(outbox.clone())
}

/// Everything this node keeps as it should be.
pub fn reconcilers(outbox: &mail::Outbox, providers: KeepProviders, clock: &Clock) -> Reconcilers {
    let mut all = Reconcilers::new(clock.clone());
    // Nobody needs to hurry these: their timers are enough.
    let _hurry = all.add(ForgetMail(outbox.clone()));
    let _hurry = all.add(providers);
    all
}

/// What the worker and the reconcilers are started with.
pub struct Later {
    /// The queue.
    pub jobs: Jobs,
    /// Mail, which jobs deliver.
    pub outbox: mail::Outbox,
    /// SAML providers, which are kept.
    pub sso: Sso,
    /// Where a job that is given up is recorded.
    pub audit: Audit,
    /// The time.
    pub clock: Clock,
    /// How many jobs at once.
    pub settings: Settings,
}

impl Later {
    /// Starts both. On `stop` the worker ends what it is at, the reconcilers where they stand.
    pub fn spawn(self, listener: &Listener, tracker: &TaskTracker, stop: &CancellationToken) {
        let Later { jobs, outbox, sso, audit, clock, settings } = self;
        let worker = Worker::new(jobs, registry(&outbox), &settings, "node")
            .woken_by(listener.subscribe())
            .on_dead(move |name, id, why| audit.refused(given_up(name, id, why)));
        tracker.spawn(worker.run(stop.clone()));
        tracker.spawn(reconcilers(&outbox, sso.keeper(), &clock).run(stop.clone()));
    }
}

fn given_up(name: &str, id: uuid::Uuid, why: &str) -> Entry {
    let event = if name == <DeliverMail as jobs::Job>::NAME { Event::MailFailed } else { Event::JobDead };
    Entry::system(event)
        .failed("jobs.given_up")
        .about(format!("job:{id}"))
        .detail("job", name)
        .detail("error", why)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use base::Rng;

    use super::*;

    /// An outbox over a database that nobody asks.
    fn outbox() -> mail::Outbox {
        let server = pg::Server::Socket { dir: "/nowhere".into(), port: 1 };
        let login = pg::Login { name: "nobody".into(), password: None };
        let parts = mail::Parts {
            pg: pg::Pg::connect(pg::Config::new(server, "none", login, None)).expect("lanes"),
            root: Arc::new(seal::RootKey::from_bytes([7; 32]).expect("a key")),
            settings: Settings::default(),
            sender: mail::Sender::Catch,
            clock: Clock::system(),
            rng: Rng::system(),
        };
        mail::Outbox::open(parts).expect("opened")
    }

    #[tokio::test]
    async fn everything_listed_is_started_and_everything_started_is_listed() {
        let outbox = outbox();
        let started: BTreeSet<&str> = registry(&outbox).definitions().map(|job| job.name).collect();
        let listed: BTreeSet<&str> = crate::lists::jobs().iter().map(|job| job.name).collect();
        assert_eq!(started, listed);
        let nothing = KeepProviders(Arc::new(|| Box::pin(async { Ok(()) })));
        let reports = reconcilers(&outbox, nothing, &Clock::system()).reports();
        let started: BTreeSet<&str> = reports().iter().map(|(name, _)| *name).collect();
        let listed: BTreeSet<&str> = crate::lists::reconcilers().iter().map(|kept| kept.name).collect();
        assert_eq!(started, listed);
    }
}
