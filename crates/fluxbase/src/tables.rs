//! `/api/v1/tables`: rows as the Fluxbase SDK asks for them (wire/fluxbase.md 2.2).
//!
//! Translation only: a query or a body becomes an ask of the data API, what came of it the SDK's answer. Whatever is served,
//! refused, counted or limited at `/rest/v1` is so here, because it is the same plan.
//!
//! A path of two pieces is a schema and a table where there is such a table, else a table and the key of a row.

mod body;
mod cut;
pub mod error;
mod one;
mod rows;
mod wish;

use std::sync::Arc;

use data::Data;
use data::ask::{Name, Rules};
use data::catalog::Catalog;
use http::Method;
use pg::Setup;
use web::{Ask, Guard, Limits, Route};

pub use error::Refused;
pub(crate) use rows::{replayed, whole_row};

/// What the handlers work with.
pub struct Tables {
    /// The data.
    pub data: Data,
    /// What any ask may do.
    pub rules: Rules,
}

const fn route(method: Method, path: &'static str, handler: web::Handler<Tables>) -> Route<Tables> {
    Route::new(method, path, Guard::Key, handler).limits(Limits::DATA)
}

const TABLE: &str = "/{first}";
const TABLE_OR_ROW: &str = "/{first}/{second}";
const ROW: &str = "/{first}/{second}/{third}";

const ROUTES: [Route<Tables>; 15] = [
    route(Method::GET, TABLE, rows::list).summary("Rows of a table"),
    route(Method::POST, TABLE, rows::insert).summary("Inserts or upserts rows"),
    route(Method::PATCH, TABLE, rows::update).summary("Changes the rows that its filters choose"),
    route(Method::DELETE, TABLE, rows::delete).summary("Removes the rows that its filters choose"),
    route(Method::POST, "/{first}/query", rows::query).summary("Rows, asked for in a body"),
    route(Method::GET, TABLE_OR_ROW, rows::list).summary("Rows of a schema's table, or one row by its key"),
    route(Method::POST, TABLE_OR_ROW, rows::insert).summary("Inserts or upserts rows of a schema's table"),
    route(Method::PUT, TABLE_OR_ROW, one::change).summary("Changes one row by its key"),
    route(Method::PATCH, TABLE_OR_ROW, rows::update)
        .summary("Changes rows of a schema's table, or one by its key"),
    route(Method::DELETE, TABLE_OR_ROW, rows::delete)
        .summary("Removes rows of a schema's table, or one by its key"),
    route(Method::POST, "/{first}/{second}/query", rows::query)
        .summary("Rows of a schema's table, asked for in a body"),
    route(Method::GET, ROW, one::get).summary("One row of a schema's table by its key"),
    route(Method::PUT, ROW, one::change).summary("Changes it"),
    route(Method::PATCH, ROW, one::change).summary("Changes it"),
    route(Method::DELETE, ROW, one::remove).summary("Removes it"),
];

/// Its routes.
pub fn routes() -> Vec<Route<Tables>> {
    ROUTES.into_iter().collect()
}

/// What a path means.
struct Target {
    relation: Name,
    /// The key of one row.
    key: Option<String>,
}

impl Target {
    fn of(catalog: &Catalog, ask: &Ask) -> Target {
        let piece = |name: &str| ask.params.get(name);
        let default = || catalog.exposed().first().map_or_else(String::new, ToString::to_string);
        let (first, second, third) = (piece("first"), piece("second"), piece("third"));
        let key = |text: &str| Some(text.to_owned());
        match (second, third) {
            ("", _) => Target { relation: Name::new(default(), first), key: None },
            (second, "") if exposed(catalog, first, second) => {
                Target { relation: Name::new(first, second), key: None }
            }
            (id, "") => Target { relation: Name::new(default(), first), key: key(id) },
            // A schema that is not exposed is one without tables.
            (table, id) => Target { relation: Name::new(first, table), key: key(id) },
        }
    }

    /// For what never names one row: the second piece is a table whether there is one or not.
    fn table_of(catalog: &Catalog, ask: &Ask) -> Name {
        let target = Target::of(catalog, ask);
        match target.key {
            None => target.relation,
            Some(table) => Name::new(ask.params.get("first"), table),
        }
    }
}

fn exposed(catalog: &Catalog, schema: &str, table: &str) -> bool {
    catalog.exposed().iter().any(|name| **name == *schema) && catalog.find(schema, table).is_some()
}

/// What SQL sees of the request, where any code of the database looks at it.
pub(crate) fn setup(catalog: &Catalog, ask: &Ask) -> Setup {
    let mut setup = Setup::default();
    if catalog.request_is_read {
        let headers = &ask.parts.headers;
        let told: [(&'static str, Arc<str>); 4] = [
            ("request.method", ask.parts.method.as_str().into()),
            ("request.path", ask.parts.uri.path().into()),
            ("request.headers", web::told::headers(headers, false).to_string().into()),
            ("request.cookies", web::told::cookies(headers, false).to_string().into()),
        ];
        setup.more.extend(told.map(|(name, value)| (name.into(), value)));
    }
    setup
}
