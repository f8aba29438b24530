//! What only shows once everything is merged: values that do not go together, or are not safe here.
//!
//! Whoever uses a setting checks it ([`crate::preflight`]); here each refusal gets its place, its control and its fix.

use base::Settings;
use base::setting::{Definition, Origin};

use super::problem::{Problem, ProblemKind};
use super::{NotEffective, STRICT_ENV, registry};
use crate::error::StartError;
use crate::preflight;

/// The name of a setting, what is wrong with its value, and the fix if its owner knows one.
type Refusal = (&'static str, String, Option<&'static str>);

pub(super) fn check(settings: &Settings, idle: &[NotEffective], problems: &mut Vec<Problem>) {
    let definitions = registry::all();
    let refusals = preflight::CHECKS.iter().filter_map(|check| check(settings).err()).map(refusal);
    problems.extend(refusals.map(|refusal| problem(settings, &definitions, refusal)));
    strict(settings, idle, problems);
}

/// Which setting an owner's refusal is about.
fn refusal(error: StartError) -> Refusal {
    let database = crate::settings::DATABASE_URL.definition.name;
    match error {
        StartError::Edge(edge::Error::Setting { setting, what }) => (setting, what, None),
        StartError::Logs(logs::Error::Setting { setting, what })
        | StartError::Alerts(alerts::Error::Setting { setting, what })
        | StartError::Detection(detection::Error::Setting { setting, what }) => (setting, what, None),
        StartError::Limits(limits::StoreError { setting, why }) => (setting, why, None),
        StartError::Tls(tls::Error::Setting { setting, why }) => (setting, why, None),
        StartError::Tls(tls::Error::Preflight { why }) => (tls::settings::DOMAINS.definition.name, why, None),
        StartError::Auth(auth::Error::Setting { setting, what }) => (setting, what, None),
        StartError::Auth(auth::Error::Unsafe { what, fix }) => {
            (auth::settings::JWT_SECRET.definition.name, what.to_owned(), Some(fix))
        }
        StartError::Database(error) => (database, error.to_string(), None),
        // What is left of the checks is the reading of the URL.
        other => (database, other.to_string(), None),
    }
}

fn problem(settings: &Settings, definitions: &[&'static Definition], (name, what, fix): Refusal) -> Problem {
    let origin = settings.origin(name);
    let controls = definitions
        .iter()
        .find(|definition| definition.name == name)
        .map_or(&[][..], |found| found.proven_by);
    let controls = controls.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let why = match controls.as_str() {
        "" => "It cannot be done as it is set, and is not done in part.".to_owned(),
        controls => format!("It would weaken control {controls} (palisade explain tells more)."),
    };
    let what = if what.starts_with(name) { what } else { format!("{name}: {what}") };
    Problem::new(ProblemKind::Unsafe, name, origin, format!("{what}.")).why(why).fix(
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
