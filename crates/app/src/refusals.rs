//! Refusals at the edge, of what would leave the house, and uses of programs' keys become audit entries, through the
//! lane that never waits.

use std::sync::Arc;

use audit::{Audit, Entry, Event};
use base::{Caller, Fault, Kind, Who};
use edge::{Refusal, Used};

type OnRefusal = Arc<dyn Fn(&Refusal<'_>) + Send + Sync>;

/// Records what concerns security. A typing mistake (400) or a page that is not there (404) is a log line only.
pub fn to(audit: Audit) -> OnRefusal {
    Arc::new(move |refusal| {
        let Some(event) = event_of(refusal) else { return };
        let anonymous = Caller::anonymous();
        let entry = Entry::by(refusal.caller.unwrap_or(&anonymous), event)
            .from_address(Some(refusal.address))
            .request(&refusal.request_id.0)
            .refused(refusal.fault.code())
            .detail("path", refusal.path.to_owned());
        let entry = match refusal.budget {
            Some(budget) => entry.detail("budget", name_of(budget)),
            None => entry,
        };
        let entry = if refusal.is_elsewheres { entry.detail("asked_by", "another site") } else { entry };
        let entry = match event {
            Event::QueryRefused => entry.detail("why", refusal.fault.to_string()),
            _ => entry,
        };
        audit.refused(entry);
    })
}

/// Records every use of a program's key (control 150): by key, address, method and route; the same within the lane's
/// window is one entry with a count.
pub fn uses(audit: Audit) -> Arc<dyn Fn(&Used<'_>) + Send + Sync> {
    Arc::new(move |used| {
        let entry = match &used.caller.who {
            // Whom a program names is no proof of who it is.
            Who::User(_) => {
                Entry::named("key:jwt", Event::KeyUsed).detail("in_the_name_of", used.caller.actor())
            }
            Who::Service { .. } | Who::Anonymous | Who::Operator => Entry::by(used.caller, Event::KeyUsed),
        };
        let entry = entry.from_address(Some(used.address)).about(format!("{} {}", used.method, used.path));
        audit.refused(entry);
    })
}

/// Records a credential that everybody on the way could read (control 2).
pub fn exposed(audit: Audit) -> Arc<dyn Fn(edge::Exposed) + Send + Sync> {
    Arc::new(move |exposed| {
        let entry = Entry::named("unknown", Event::CredentialExposed).from_address(Some(exposed.address));
        audit.refused(entry.refused("edge.plain_http").detail("path", exposed.path));
    })
}

/// Records what may not leave the house.
pub fn outbound(audit: Audit) -> Arc<dyn Fn(&outbound::Refusal<'_>) + Send + Sync> {
    Arc::new(move |refusal| {
        let entry = Entry::system(Event::OutboundRefused)
            .about(&refusal.to)
            .refused(refusal.error.code())
            .detail("purpose", refusal.purpose)
            .detail("why", refusal.error.to_string());
        audit.refused(entry);
    })
}

fn name_of(budget: web::Rate) -> &'static str {
    match budget {
        web::Rate::Global => "global",
        web::Rate::Login => "login",
        web::Rate::Signup => "signup",
        web::Rate::PasswordReset => "password_reset",
        web::Rate::Exempt => "exempt",
    }
}
/// What a GraphQL document can be refused for that is more than a mistake.
const QUERIES: [&str; 9] = [
    "gql.limit",
    "gql.cycle",
    "graphql.introspection",
    "graphql.unlisted",
    "graphql.wrong_hash",
    "graphql.subscription",
    "graphql.method",
    "graphql.content_type",
    "graphql.batch",
];

fn event_of(refusal: &Refusal<'_>) -> Option<Event> {
    if QUERIES.contains(&refusal.fault.code()) {
        return Some(Event::QueryRefused);
    }
    match refusal.fault.kind() {
        Kind::TooMany => Some(Event::RateLimited),
        Kind::StepUp => Some(Event::StepUpRequired),
        Kind::Forbidden => Some(Event::GuardRefused),
        // Whoever sent nothing was refused by the guard; whoever sent something bad, by auth.
        Kind::Unauthenticated if refusal.caller.is_some() => Some(Event::GuardRefused),
        Kind::Unauthenticated => Some(Event::TokenRefused),
        Kind::TooLarge => Some(Event::RequestRefused),
        Kind::Bug => Some(Event::RequestFailed),
        Kind::Invalid
        | Kind::NotFound
        | Kind::Conflict
        | Kind::Unavailable
        | Kind::Full
        | Kind::Timeout
        | Kind::Unsupported => None,
    }
}
