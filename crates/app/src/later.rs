//! Later work on this node: the jobs and reconcilers of every crate, each with what it works with.
//!
//! The lists in [`crate::lists`] say what there is; a test sees that everything listed is started here.

use base::{Clock, Settings};
use jobs::{DeliverMail, ForgetDead, ForgetMail, Jobs, Reconcilers, Registry, Worker};
use pg::notify::Listener;
use tls::KeepCertificate;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use audit::{Audit, Entry, Event};
use auth::sso::{KeepProviders, Sso};
use auth::{Auth, SendByHook, SendLink};

/// Everything a worker of this node can run.
pub fn registry(outbox: &mail::Outbox, auth: &Auth, hooks: alerts::Hooks) -> Registry {
    Registry::new()
        .with::<alerts::CallHook>(hooks)
        .with::<DeliverMail>(outbox.clone())
        .with::<SendLink>(auth.clone())
        .with::<SendByHook>(auth.clone())
}

/// Everything this node keeps as it should be.
pub fn reconcilers(
    (mails, dead): (ForgetMail, ForgetDead),
    providers: KeepProviders,
    certificates: Vec<tls::Tls>,
    database_certificate: Option<tls::database::Keeping>,
    pg: &pg::Pg,
    guests: guests::Guests,
    clock: &Clock,
) -> Reconcilers {
    let mut all = Reconcilers::new(clock.clone());
    // Nobody needs to hurry these: their timers are enough.
    let _hurry = all.add(mails);
    let _hurry = all.add(dead);
    let _hurry = all.add(providers);
    let _hurry = all.add(KeepCertificate(certificates));
    let _hurry = all.add(tls::KeepDatabaseCertificate(database_certificate));
    let _hurry = all.add(data::ForgetAnswers { pg: pg.clone(), clock: clock.clone() });
    let _hurry = all.add(guests::KeepGuests(guests));
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
    /// Accounts, whose links jobs send.
    pub auth: Auth,
    /// Where a job that is given up is recorded.
    pub audit: Audit,
    /// The time.
    pub clock: Clock,
    /// How many jobs at once.
    pub settings: Settings,
    /// The certificates.
    pub tls: Vec<tls::Tls>,
    /// The door, for what is kept in our own tables.
    pub pg: pg::Pg,
    /// Logins that are lent.
    pub guests: guests::Guests,
    /// Where alerts are posted.
    pub hooks: alerts::Hooks,
    /// The certificate of the database's own listener.
    pub database_certificate: Option<tls::database::Keeping>,
}

impl Later {
    /// Starts both. On `stop` the worker ends what it is at, the reconcilers where they stand.
    pub fn spawn(self, listener: &Listener, tracker: &TaskTracker, stop: &CancellationToken) {
        let Later {
            jobs,
            outbox,
            sso,
            auth,
            audit,
            clock,
            settings,
            tls,
            pg,
            guests,
            hooks,
            database_certificate,
        } = self;
        let forget = (ForgetMail(outbox.clone()), ForgetDead::new(jobs.clone(), &settings));
        let worker = Worker::new(jobs, registry(&outbox, &auth, hooks), &settings, "node")
            .woken_by(listener.subscribe())
            .on_dead(move |name, id, why| audit.refused(given_up(name, id, why)));
        tracker.spawn(worker.run(stop.clone()));
        tracker.spawn(
            reconcilers(forget, sso.keeper(), tls, database_certificate, &pg, guests, &clock)
                .run(stop.clone()),
        );
    }
}

fn given_up(name: &str, id: uuid::Uuid, why: &str) -> Entry {
    let mails =
        [<DeliverMail as jobs::Job>::NAME, <SendLink as jobs::Job>::NAME, <SendByHook as jobs::Job>::NAME];
    let is_mail = mails.contains(&name);
    let event = if is_mail { Event::MailFailed } else { Event::JobDead };
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

    async fn outbox_and_auth(database: &testkit::Database) -> (mail::Outbox, Auth, Audit, alerts::Hooks) {
        let (pg, clock) = (database.pg(), Clock::system());
        let root = Arc::new(seal::RootKey::from_bytes([7; 32]).expect("a key"));
        let data = tempfile::tempdir().expect("a directory");
        let (audit, _tasks) = Audit::open(audit::Parts {
            pg: pg.clone(),
            settings: Settings::default(),
            data_dir: data.path().to_owned(),
            node: "test".into(),
            keys: audit::Keys::from_root(&root),
            clock: clock.clone(),
            rng: Rng::system(),
        })
        .await
        .expect("opened");
        let outbox = mail::Outbox::open(mail::Parts {
            pg: pg.clone(),
            root: root.clone(),
            settings: Settings::default(),
            sender: mail::Sender::Catch,
            clock: clock.clone(),
            rng: Rng::system(),
        })
        .expect("opened");
        let outbound = outbound::Outbound::open(outbound::Parts {
            settings: Settings::default(),
            resolver: outbound::system_resolver(),
            on_refusal: Arc::new(|_| {}),
        })
        .expect("opened");
        let texts = texts::Texts::open(texts::Parts {
            settings: Settings::default(),
            outbound: outbound.clone(),
            outbox: outbox.clone(),
            clock: clock.clone(),
            rng: Rng::system(),
        })
        .expect("opened");
        let hooks =
            alerts::Hooks::from(&Settings::default(), outbound.clone(), clock.clone()).expect("opened");
        let auth = Auth::open(auth::Parts {
            jobs: Jobs::new(pg.clone(), clock.clone(), Rng::system()),
            outbox: outbox.clone(),
            limiter: limits::Limiter::in_memory(clock.clone()),
            profile: base::Profile::Dev,
            public_url: "http://127.0.0.1:8000".into(),
            settings: Settings::default(),
            rng: Rng::system(),
            audit: audit.clone(),
            outbound,
            clock,
            pg,
            root,
            texts,
        });
        (outbox, auth.await.expect("opened"), audit, hooks)
    }

    #[tokio::test]
    async fn everything_listed_is_started_and_everything_started_is_listed() {
        let database = testkit::Database::new(&crate::lists::migrations()).await;
        let (outbox, auth, audit, hooks) = outbox_and_auth(&database).await;
        let started: BTreeSet<&str> =
            registry(&outbox, &auth, hooks).definitions().map(|job| job.name).collect();
        let listed: BTreeSet<&str> = crate::lists::jobs().iter().map(|job| job.name).collect();
        assert_eq!(started, listed);
        let nothing = KeepProviders(Arc::new(|| Box::pin(async { Ok(()) })));
        let guests = guests::Guests::new(guests::Parts {
            admin: database.target(),
            pg: database.pg(),
            audit,
            settings: Settings::default(),
            url: Arc::new(|login| base::Secret::new(login.name.clone())),
            clock: Clock::system(),
            rng: Rng::system(),
        });
        let jobs = Jobs::new(database.pg(), Clock::system(), Rng::system());
        let forget = (ForgetMail(outbox), ForgetDead::new(jobs, &Settings::default()));
        let reports =
            reconcilers(forget, nothing, Vec::new(), None, &database.pg(), guests, &Clock::system())
                .reports();
        let started: BTreeSet<&str> = reports().iter().map(|(name, _)| *name).collect();
        let listed: BTreeSet<&str> = crate::lists::reconcilers().iter().map(|kept| kept.name).collect();
        assert_eq!(started, listed);
    }
}
