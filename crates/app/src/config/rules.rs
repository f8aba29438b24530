//! What only shows once everything is merged: values that do not go together, or are not safe here.
//!
//! Whoever uses a setting checks it; this file asks each of them before anything starts.

use base::setting::{Definition, Origin};
use base::{Clock, Settings};

use super::problem::{Problem, ProblemKind};
use super::{NotEffective, STRICT_ENV, registry};

/// The name of a setting, what is wrong with its value, and the fix if its owner knows one.
type Refusal = (&'static str, String, Option<&'static str>);

type Check = fn(&Settings) -> Result<(), Refusal>;

/// Everyone who has an opinion on merged settings. One line each.
const CHECKS: &[Check] = &[
    |settings| edge::SecurityHeaders::from(settings).map(drop).map_err(of_edge),
    |settings| edge::Cors::from(settings).map(drop).map_err(of_edge),
    |settings| edge::TrustedProxies::from(settings).map(drop).map_err(of_edge),
    |settings| {
        edge::Rates::from(settings, limits::Limiter::in_memory(Clock::system())).map(drop).map_err(of_edge)
    },
    |settings| auth::check_settings(settings).map_err(of_auth),
    database,
];

pub(super) fn check(settings: &Settings, idle: &[NotEffective], problems: &mut Vec<Problem>) {
    let definitions = registry::all();
    let refusals = CHECKS.iter().filter_map(|check| check(settings).err());
    problems.extend(refusals.map(|refusal| problem(settings, &definitions, refusal)));
    strict(settings, idle, problems);
}

fn of_edge(error: edge::Error) -> Refusal {
    match error {
        edge::Error::Setting { setting, what } => (setting, what, None),
        other @ (edge::Error::PlainOffLoopback { .. }
        | edge::Error::Listen { .. }
        | edge::Error::Route { .. }) => ("server.port", other.to_string(), None),
    }
}

fn of_auth(error: auth::Error) -> Refusal {
    let name = auth::settings::JWT_SECRET.definition.name;
    match error {
        auth::Error::Unsafe { what, fix } => (name, what.to_owned(), Some(fix)),
        other => (name, other.to_string(), None),
    }
}

/// `database.url` is read as the start reads it, and refused as a connection would be (control 53).
fn database(settings: &Settings) -> Result<(), Refusal> {
    let Some(url) = settings.get(&crate::settings::DATABASE_URL) else { return Ok(()) };
    let refusal = |what: String| (crate::settings::DATABASE_URL.definition.name, what, None);
    let target = crate::database_url::target(&url, settings).map_err(|error| refusal(error.to_string()))?;
    let config = pg::Config::new(target.server, &target.database, target.login, None);
    config.check().map_err(|error| refusal(error.to_string()))
}

fn problem(settings: &Settings, definitions: &[&'static Definition], (name, what, fix): Refusal) -> Problem {
    let origin = settings.origin(name);
    let controls = definitions
        .iter()
        .find(|definition| definition.name == name)
        .map_or(&[][..], |found| found.proven_by);
    let controls = controls.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    Problem::new(ProblemKind::Unsafe, name, origin, format!("{name}: {what}."))
        .why(format!("It would weaken control {controls} (palisade explain tells more)."))
        .fix(
            fix.map_or_else(|| format!("See {name} in docs/reference/settings.md."), |fix| format!("{fix}.")),
        )
}

/// With `strict_env`, what is not effective stops the start (law 1).
fn strict(settings: &Settings, idle: &[NotEffective], problems: &mut Vec<Problem>) {
    if !settings.get(&STRICT_ENV) {
        return;
    }
    problems.extend(idle.iter().map(|idle| {
        let name = &idle.variable;
        let fix = match idle.nearest {
            Some(meant) => format!("Did you mean {meant}? Otherwise unset it."),
            None => "Unset it, or set strict_env to false to have it listed instead.".to_owned(),
        };
        let origin = Origin::Environment { name: name.clone() };
        Problem::new(ProblemKind::NotEffective, name, origin, format!("{name} changes nothing here."))
            .why(
                "strict_env is on, so that no variable of another product looks like protection and is none.",
            )
            .fix(fix)
    }));
}
