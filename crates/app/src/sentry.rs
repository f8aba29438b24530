//! Between the edge and detection: what comes in is told to the jails, and who is kept out is not served.

use std::sync::Arc;

use base::Settings;
use detection::{Detection, Keeper, Request};
use edge::{Arrived, Sentry, TrustedProxies};

use crate::error::StartError;
use crate::services::Basics;

/// Opens it, with the trusted proxies exempt: a ban of theirs would be one of everybody behind them.
pub async fn open(
    basics: &Basics,
    pg: &pg::Pg,
    audit: &audit::Audit,
) -> Result<(Detection, Keeper), StartError> {
    let exempt = TrustedProxies::from(&basics.settings)?;
    Ok(Detection::open(detection::Parts {
        pg: pg.clone(),
        audit: audit.clone(),
        settings: basics.settings.clone(),
        exempt: exempt.networks().to_vec(),
        clock: basics.clock.clone(),
        rng: basics.rng.clone(),
    })
    .await?)
}

/// What the edge asks. Switched off, nobody is kept out; canaries tell all the same.
pub fn of(detection: &Detection, alerts: &alerts::Alerts, settings: &Settings) -> Sentry {
    let alerts = alerts.clone();
    let is_on = settings.get(&detection::settings::ENABLED);
    let (asked, told, looking) = (detection.clone(), detection.clone(), detection.clone());
    Sentry {
        on_caller: Arc::new(move |caller: &str, address| alerts.saw(caller, address)),
        keeps_out: Arc::new(move |address| is_on && asked.kept_out(address).is_some()),
        on_request: Arc::new(move |arrived: &Arrived<'_>| {
            told.saw_request(&Request {
                address: arrived.address,
                path: arrived.path,
                is_served: arrived.is_served,
                agent: arrived.agent,
                is_elsewheres: arrived.is_elsewheres,
            })
        }),
        on_answer: Arc::new(move |caller, path| {
            let mut look = looking.look(caller, path)?;
            Some(Box::new(move |piece: &[u8]| look.at(piece)))
        }),
    }
}
