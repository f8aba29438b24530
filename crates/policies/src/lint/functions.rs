//! Rules about functions.

use super::Found;
use crate::facts::{Facts, Function};

fn ours(function: &&Function) -> bool {
    !matches!(function.schema.as_str(), "auth" | "extensions" | "storage" | "realtime" | "graphql")
        && matches!(function.kind.as_str(), "f" | "p")
}

pub(super) fn search_path_mutable(facts: &Facts) -> Vec<Found> {
    let found = facts.functions.iter().filter(ours).filter(|function| function.search_path().is_none());
    found
        .map(|function| {
            Found::new(
                function.title(),
                "has no search path of its own: names in it mean what its caller says",
            )
            .fix(format!("ALTER FUNCTION {} SET search_path = ''", function.quoted()))
        })
        .collect()
}

fn definer_for(facts: &Facts, role: &str, may: impl Fn(&Function) -> bool) -> Vec<Found> {
    let callable = |function: &&Function| {
        function.exposed && function.definer && !function.trigger && !function.event_trigger && may(function)
    };
    let found = facts.functions.iter().filter(ours).filter(callable);
    found
        .map(|function| {
            let detail = format!("{role} may call it, and it runs with the rights of {}", function.owner);
            Found::new(function.title(), detail)
                .fix(format!("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC, {role}", function.quoted()))
        })
        .collect()
}

pub(super) fn definer_for_anon(facts: &Facts) -> Vec<Found> {
    definer_for(facts, "anon", |function| function.anon)
}

pub(super) fn definer_for_authenticated(facts: &Facts) -> Vec<Found> {
    definer_for(facts, "authenticated", |function| function.authenticated)
}
