//! `docs/reference/routes.md`: every route, from the tables that are mounted.

use std::fmt::Write as _;

use base::Profile;
use web::{Credentials, Guard, Rate, RouteInfo};

use super::cell;
use crate::mounts::{self, Table};

const HEAD: &str = "# Routes\n\n\
    <!-- Generated from the route tables of the dialects: change a route there, then run cargo xtask docs. -->\n\n\
    What is not listed is not served. A route says who may pass (*guard*), before anything of it runs:\n\
    *open* is anybody, *key* anybody with a valid key or token, *signed in* a person, *admin* an administrator or the secret key,\n\
    *operator* whoever may open the control socket. *Owing too*: also a session that still has to show a second factor,\n\
    to which everything else is closed (`insufficient_aal`). Where credentials are *not read*, a stale token cannot be in the way.\n\
    *Body* is the largest body taken (413 above it), *time* the longest from the request's first byte to the answer (504 after it).\n\
    *Rate* names the budget beside the global one (429; `rate_limiting.*` in [settings](settings.md)); *exempt* is not counted at all.\n\
    Refusals are in [errors](errors.md), other bounds in [limits](limits.md).\n";

/// The page.
pub(super) fn page() -> String {
    let mut page = HEAD.to_owned();
    for table in mounts::tables(Profile::Dev) {
        section(&mut page, &table);
    }
    section(&mut page, &mounts::operator_table());
    page.push_str(
        "\nThe control socket is `control.sock` in the data folder, mode 0600; the [commands](commands.md) ask it. With\n\
         `auth.second_prefix` set, the first table is served below that prefix too.\n",
    );
    page
}

fn section(page: &mut String, table: &Table) {
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        page,
        "\n## {}\n\n| Method | Path | Guard | Credentials | Body | Time | Rate | What it does |\n|---|---|---|---|---|---|---|---|\n",
        table.title
    );
    for route in &table.routes {
        row(page, route);
    }
}

fn row(page: &mut String, route: &RouteInfo) {
    let credentials = match route.terms.credentials {
        Credentials::None => "not read",
        Credentials::Browser => "cookie of our pages",
        Credentials::KeyAndBearer if route.terms.guard == Guard::Operator => "the socket",
        Credentials::KeyAndBearer => "key, bearer",
    };
    let _ = writeln!(
        page,
        "| {} | `{}` | {} | {credentials} | {} | {} s | {}{} | {} |",
        route.method,
        route.path,
        admits(route),
        bytes(route.terms.limits.body_bytes_max),
        route.terms.limits.duration_ms_max / 1_000,
        route.rate().map_or("by what is asked", rate),
        if route.terms.account.is_some() { ", per account too" } else { "" },
        cell(&if route.terms.upgrades {
            format!("{} (a WebSocket)", route.terms.summary)
        } else {
            route.terms.summary.to_owned()
        }),
    );
}

/// The guard, and whether a session that still owes something is let in too.
fn admits(route: &RouteInfo) -> String {
    let guard = guard(route.terms.guard);
    if route.terms.settles.is_empty() { guard } else { format!("{guard}, owing too") }
}

fn guard(guard: Guard) -> String {
    match guard {
        Guard::Open => "open".to_owned(),
        Guard::Key => "key".to_owned(),
        Guard::SignedIn => "signed in".to_owned(),
        Guard::StepUp { max_age } => format!("second factor within {} min", max_age.as_secs() / 60),
        Guard::Admin => "admin".to_owned(),
        Guard::Operator => "operator".to_owned(),
    }
}

fn rate(rate: Rate) -> &'static str {
    match rate {
        Rate::Global => "global",
        Rate::Login => "sign-in",
        Rate::Signup => "sign-up",
        Rate::PasswordReset => "password reset",
        Rate::Exempt => "exempt",
    }
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0 => "none".to_owned(),
        bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_says_what_it_does() {
        let tables = mounts::tables(Profile::Dev).into_iter().chain([mounts::operator_table()]);
        for route in tables.flat_map(|table| table.routes) {
            assert!(!route.terms.summary.is_empty(), "{} {} has no summary", route.method, route.path);
        }
    }

    #[test]
    fn what_exists_in_dev_only_is_not_in_the_product() {
        let paths = |profile| {
            let routes = mounts::tables(profile).into_iter().flat_map(|table| table.routes);
            routes.map(|route| route.path).collect::<Vec<_>>()
        };
        let (product, dev) = (paths(Profile::Serve), paths(Profile::Dev));
        assert!(dev.contains(&"/_/outbox".to_owned()) && !product.contains(&"/_/outbox".to_owned()));
    }
}
