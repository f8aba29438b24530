//! Reads asked before: the work on a request's text is done once for its shape, the values of plain comparisons left open.
//!
//! Invariant: a recipe is made by the same steps that answer a request without one, of the same text but for the values,
//! and holds nothing of a caller. It is dropped with the snapshot of the catalog it was made for.

use std::sync::Arc;

use base::Limit;
use data::Prepared;
use data::ask::{Name, ReadAsk};
use data::query::{Canonical, LegacyNames, Reading, shape};
use http::header::{CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use quick_cache::sync::Cache;
use web::{Answer, Ask, Cx, Reply};

use super::Rest;
use super::config::RestConfig;
use super::error::Refusal;
use super::request::{Heading, setup, without_key};
use super::respond::{Draft, content_range, page_status};

/// Shapes remembered.
pub const RECIPES: Limit = Limit::new(
    "rest_recipes_max",
    512,
    "each is a plan and its SQL, some 10 KiB; an application asks in tens of shapes, and the least used go first",
);
/// The longest shape remembered.
pub const RECIPE_BYTES: Limit =
    Limit::new("rest_recipe_bytes_max", 2_048, "longer queries are hardly the frequent ones");

/// The recipes of one data API.
pub(super) struct Recipes(Cache<Arc<str>, Arc<Recipe>>);

impl Default for Recipes {
    fn default() -> Self {
        Recipes(Cache::new(RECIPES.size()))
    }
}

/// How a shape is answered.
struct Recipe {
    prepared: Prepared,
    offset: i64,
    content_type: HeaderValue,
    content_profile: Option<HeaderValue>,
    location: Canonical,
    legacy: LegacyNames,
    heading: Heading,
}

/// A request that a recipe can answer.
struct Wish {
    /// The types accepted, the query without its values, the relation: the first two are of one line each.
    key: String,
    values: Vec<String>,
}

const CONTENT_PROFILE: HeaderName = HeaderName::from_static("content-profile");
/// What is not part of a shape; a request with one of these is answered the long way.
const ODD: [&str; 3] = ["prefer", "range", "accept-profile"];

impl Wish {
    fn of(config: &RestConfig, ask: &Ask) -> Option<Self> {
        let headers = &ask.parts.headers;
        let odd = config.outspoken || config.timing || ODD.iter().any(|name| headers.contains_key(*name));
        if odd || ask.parts.method != Method::GET {
            return None;
        }
        let shape = shape(&without_key(ask.query()));
        let accept = ask.header("accept").unwrap_or_default();
        let key = [accept, &shape.marked, ask.params.get("relation")].join("\n");
        (key.len() <= RECIPE_BYTES.size()).then_some(Wish { key, values: shape.values })
    }

    fn query(&self) -> &str {
        self.key.split('\n').nth(1).unwrap_or_default()
    }
}

/// Answers by a recipe, remembered or made now; `None` is for the long way.
pub(super) async fn answer(rest: &Rest, cx: &Cx, ask: &Ask) -> Option<Result<Reply<Answer>, Refusal>> {
    let wish = Wish::of(&rest.config, ask)?;
    if let Some(recipe) = rest.recipes.0.get(wish.key.as_str())
        && let Some(answered) = recipe.cook(rest, cx, ask, wish.values.clone()).await
    {
        return Some(answered);
    }
    let recipe = Recipe::of(rest, ask, &wish)?;
    rest.recipes.0.insert(wish.key.into(), Arc::clone(&recipe));
    recipe.cook(rest, cx, ask, wish.values).await
}

impl Recipe {
    /// Whatever is wrong with the request is found again, and worded, the long way.
    fn of(rest: &Rest, ask: &Ask, wish: &Wish) -> Option<Arc<Self>> {
        let config = &rest.config;
        let heading = Heading::of(config, ask, wish.query(), Reading::Filters).ok()?;
        let page = heading.query.page(None).ok()?;
        let name = Name::new(&heading.schema, ask.params.get("relation"));
        let (level, chosen, legacy) = rest.shaped(&heading, &name, page, false).ok()?;
        if chosen.explain.is_some() {
            return None;
        }
        let mut terms = heading.terms(config);
        (terms.shape, terms.singular, terms.max_affected) = (chosen.shape, chosen.singular, None);
        let asked = ReadAsk { relation: name, level, terms };
        let profile = heading.names_schema.then_some(heading.schema.as_str());
        Some(Arc::new(Recipe {
            prepared: rest.data.prepare(&asked, &config.rules, wish.values.len()).ok()??,
            offset: page.offset,
            content_type: HeaderValue::try_from(chosen.media.content_type()).ok()?,
            content_profile: profile.map(HeaderValue::try_from).transpose().ok()?,
            location: Canonical::of(&heading.query.canonical, wish.values.len())?,
            legacy,
            heading,
        }))
    }

    /// `None` when the catalog is another by now.
    async fn cook(
        &self,
        rest: &Rest,
        cx: &Cx,
        ask: &Ask,
        values: Vec<String>,
    ) -> Option<Result<Reply<Answer>, Refusal>> {
        let mut location = String::with_capacity(128);
        location.push('/');
        location.push_str(ask.params.get("relation"));
        location.push('?');
        self.location.with(&values, &mut location);
        if location.ends_with('?') {
            location.pop();
        }
        let setup = setup(&rest.config, &rest.data.catalog(), ask, &self.heading);
        let reply = match rest.data.read_prepared(&cx.pg, &cx.caller, &self.prepared, values, setup).await {
            Ok(reply) => reply?,
            Err(error) => return Some(Err(error.into())),
        };
        Some(reply.try_map(|outcome| {
            let status = page_status(self.offset, outcome.rows, outcome.total);
            if status == StatusCode::RANGE_NOT_SATISFIABLE {
                let total = outcome.total.unwrap_or(0);
                return Err(Refusal::OutOfRange { offset: self.offset, total });
            }
            let range = content_range(self.offset, self.offset + outcome.rows - 1, outcome.total);
            let draft = Draft::new(status)
                .with_value(CONTENT_RANGE, HeaderValue::try_from(range).ok())
                .with_value(CONTENT_LOCATION, HeaderValue::try_from(location).ok())
                .with_value(CONTENT_TYPE, Some(self.content_type.clone()))
                .with_value(CONTENT_PROFILE, self.content_profile.clone())
                .with_body(outcome.body.clone());
            rest.warned(draft, &self.legacy).finish(&outcome)
        }))
    }
}
