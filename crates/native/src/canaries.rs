//! `/admin/v1/canaries`: baits, for people who administrate and for `palisade canaries`. Programs' keys do not reach them:
//! one that was taken must not say where the traps are. In every other list a bait looks like the real thing.

use std::sync::Arc;

use base::Who;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use web::{Answer, Ask, Cx, Guard, Handled, Limits, OwnWords, Reply, Route};

use crate::operator::visit;
use crate::{Error, State};

/// Every bait.
pub const LIST: Route<State> =
    Route::new(Method::GET, "/admin/v1/canaries", Guard::Admin, list).limits(Limits::SMALL).summary(
        "Paths, keys and rows that nobody has a reason to touch, for people only: `palisade canaries list`",
    );
/// One more.
pub const MAKE: Route<State> = Route::new(Method::POST, "/admin/v1/canaries", Guard::Admin, make)
    .limits(Limits::SMALL)
    .summary("Makes a key that opens nothing, or marks a row that nobody needs: `palisade canaries make`");
/// One less.
pub const REMOVE: Route<State> =
    Route::new(Method::DELETE, "/admin/v1/canaries/{name}", Guard::Admin, remove)
        .limits(Limits::SMALL)
        .summary("Takes a bait away, by the name or id that the list shows: `palisade canaries remove`");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    kind: Kind,
    name: String,
    mark: Option<String>,
    table: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Key,
    Row,
}

/// A person or the operator, who proved lately that it is them.
fn require_person(state: &State, cx: &Cx) -> Result<(), base::Failure> {
    match cx.caller.who {
        Who::Service { .. } => Err(Error::CanariesArePeoples.into()),
        Who::User(_) | Who::Operator | Who::Anonymous => Ok(state.auth.require_admin_step_up(&visit(cx))?),
    }
}

/// The edge does not look for marks in an answer that is about them.
fn own_words(body: &Value) -> Answer {
    let mut answer = Answer::json(body);
    answer.0.extensions_mut().insert(OwnWords);
    answer
}

fn list(state: Arc<State>, cx: Cx, _: Ask) -> Handled {
    Box::pin(async move {
        require_person(&state, &cx)?;
        let keys = state.auth.list_baits().await?.into_iter();
        let keys = keys.map(|bait| json!({ "kind": "key", "name": bait.id, "at": bait.created_at }));
        let rows = state.detection.canaries().await?.into_iter().map(
            |row| json!({ "kind": "row", "name": row.name, "mark": row.mark, "table": row.table, "by": row.by, "at": row.at }),
        );
        let paths = state.detection.canary_paths().into_iter();
        let paths = paths.map(|path| json!({ "kind": "path", "name": path }));
        let all: Vec<Value> = keys.chain(rows).chain(paths).collect();
        Ok(Reply::untouched(own_words(&Value::Array(all)), "looked and changed nothing"))
    })
}

fn make(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        require_person(&state, &cx)?;
        let Wanted { kind, name, mark, table } = ask.json()?;
        match kind {
            Kind::Key if mark.is_some() || table.is_some() => Err(Error::CanaryKeyMark.into()),
            Kind::Key => {
                let made = state.auth.make_bait(&name, &visit(&cx)).await?;
                Ok(made.map(|made| {
                    own_words(&json!({ "kind": "key", "name": made.id, "key": made.text.expose() }))
                }))
            }
            Kind::Row => {
                let table = table.as_deref().map(|table| (&state.admin, table));
                let made = state.detection.mark(&name, mark, table, &cx.caller).await?;
                Ok(made.map(|made| {
                    own_words(
                        &json!({ "kind": "row", "name": made.name, "mark": made.mark, "table": made.table }),
                    )
                }))
            }
        }
    })
}

fn remove(state: Arc<State>, cx: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        require_person(&state, &cx)?;
        let name = ask.params.get("name");
        let answer = || Answer::json(&json!({ "name": name }));
        match state.auth.remove_bait(name, &visit(&cx)).await? {
            Some(removed) => Ok(removed.map(|()| answer())),
            None => Ok(state.detection.unmark(name, &state.admin, &cx.caller).await?.map(|()| answer())),
        }
    })
}
