//! `palisade db clean-html`: HTML that stands in tagged columns already, over the control socket only.

use std::sync::Arc;

use audit::{Entry, Event};
use data::ask::Name;
use data::stored;
use http::Method;
use serde::Deserialize;
use serde_json::json;
use web::{Answer, Ask, Cx, Handled, Reply, Route};

use crate::State;
use crate::operator::route;

/// Cleans what stands there, or only looks.
pub const CLEAN: Route<State> =
    route(Method::POST, "/database/html", clean, "Cleans stored HTML: `palisade db clean-html`");

#[derive(Deserialize)]
struct Wanted {
    /// `schema.table` or `table`; none for every table with a tagged column.
    table: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

fn clean(state: Arc<State>, _: Cx, ask: Ask) -> Handled {
    Box::pin(async move {
        let Wanted { table, dry_run } = ask.json()?;
        let catalog = state.data.catalog();
        let name = table.as_deref().map(|text| match text.split_once('.') {
            Some((schema, table)) => Name::new(schema, table),
            None => Name::new(catalog.exposed().first().map_or("public", |schema| &**schema), text),
        });
        if !dry_run {
            // What cannot be recorded does not happen.
            let about = table.as_deref().unwrap_or("every table");
            let entry = Entry::named("operator", Event::DbHtmlCleaned).about(about);
            state.audit.record_alone(entry).await?;
        }
        let found = stored::clean(&state.admin, &catalog, name.as_ref(), dry_run).await?;
        Ok(Reply::untouched(Answer::json(&json!({ "columns": found })), "committed table by table"))
    })
}
