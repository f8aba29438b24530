//! `/admin/v1/roles`: an application's own roles, for administrators over HTTP and for the operator's commands.

use std::sync::Arc;

use http::Method;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;
use web::{Answer, Ask, Cx, Handled, Route};

use crate::operator::{for_admins, visit};
use crate::{Error, State};

/// Every role.
pub const LIST: Route<State> =
    for_admins(Method::GET, "/admin/v1/roles", list, "Every application role and its grants");
/// Makes or changes one.
pub const PUT: Route<State> = for_admins(
    Method::PUT,
    "/admin/v1/roles/{role}",
    put,
    "Makes an application role, or replaces its grants",
);
/// Removes one.
pub const REMOVE: Route<State> = for_admins(
    Method::DELETE,
    "/admin/v1/roles/{role}",
    remove,
    "Removes an application role from everybody",
);
/// Gives one.
pub const GIVE: Route<State> = for_admins(
    Method::PUT,
    "/admin/v1/roles/{role}/members/{user}",
    give,
    "Gives somebody an application role",
);
/// Takes one.
pub const TAKE: Route<State> = for_admins(
    Method::DELETE,
    "/admin/v1/roles/{role}/members/{user}",
    take,
    "Takes an application role from somebody",
);
/// Somebody's.
pub const OF: Route<State> =
    for_admins(Method::GET, "/admin/v1/users/{user}/roles", of, "The application roles somebody has");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    description: String,
    #[serde(default)]
    grants: Vec<String>,
}

fn user(ask: &Ask) -> Result<Uuid, Error> {
    Uuid::try_parse(ask.params.get("user")).map_err(|_| Error::NoPerson)
}

fn list(state: Arc<State>, _: Cx, _: Ask) -> Handled {
    Box::pin(async move { Ok(state.auth.app_roles().await?.map(|roles| Answer::json(&roles))) })
}

fn put(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let Wanted { description, grants } = ask.json()?;
        let name = ask.params.get("role");
        let done = state.auth.put_app_role(name, &description, &grants, &visit(&cx)).await?;
        Ok(done
            .map(|()| Answer::json(&json!({ "name": name, "description": description, "grants": grants }))))
    })
}

fn remove(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let name = ask.params.get("role");
        Ok(state
            .auth
            .drop_app_role(name, &visit(&cx))
            .await?
            .map(|()| Answer::json(&json!({ "name": name }))))
    })
}

fn give(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let (role, user) = (ask.params.get("role"), user(&ask)?);
        let done = state.auth.give_app_role(role, user, &visit(&cx)).await?;
        Ok(done.map(|()| Answer::json(&json!({ "role": role, "user": user }))))
    })
}

fn take(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let (role, user) = (ask.params.get("role"), user(&ask)?);
        let done = state.auth.take_app_role(role, user, &visit(&cx)).await?;
        Ok(done.map(|()| Answer::json(&json!({ "role": role, "user": user }))))
    })
}

fn of(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move { Ok(state.auth.app_roles_of(user(&ask)?).await?.map(|names| Answer::json(&names))) })
}
