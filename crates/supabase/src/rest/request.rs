//! What every request of the data API says besides its query: schema, preferences, types, range, surroundings.
//!
//! Invariant: only what [`web::told`] shows of a request reaches SQL.

use std::borrow::Cow;
use std::sync::Arc;

use data::ask::Terms;
use data::catalog::Catalog;
use data::query::{Query, Reading};
use http::{HeaderMap, Method};
use pg::Setup;
use web::Ask;

use super::config::RestConfig;
use super::error::Refusal;
use super::media::{self, Media};
use super::prefer::{Ending, Preferences};

/// The parts of a request that all endpoints share.
pub(super) struct Heading {
    pub(super) schema: String,
    /// `search_path` for a request on it.
    path: Arc<str>,
    /// Whether the answer names the schema.
    pub(super) names_schema: bool,
    pub(super) prefer: Preferences,
    pub(super) accept: Vec<Media>,
    pub(super) content: Media,
    pub(super) query: Query,
    pub(super) range: Option<(i64, Option<i64>)>,
}

impl Heading {
    pub(super) fn read(config: &RestConfig, ask: &Ask, reading: Reading) -> Result<Self, Refusal> {
        Heading::of(config, ask, &without_key(ask.query()), reading)
    }

    /// With another query than the request's own.
    pub(super) fn of(config: &RestConfig, ask: &Ask, query: &str, reading: Reading) -> Result<Self, Refusal> {
        let headers = &ask.parts.headers;
        let (schema, names_schema) = schema(config, &ask.parts.method, headers)?;
        let query = data::query::parse(query, reading)?;
        let range = match ask.parts.method == Method::GET {
            true => ask.header("range").and_then(range),
            false => None,
        };
        Ok(Heading {
            path: config.search_path(&schema).into(),
            schema,
            names_schema,
            prefer: Preferences::read(headers, config.ending_allowed),
            accept: media::accepted(ask.header("accept")),
            content: ask.header("content-type").map_or(Media::Json, Media::parse),
            query,
            range,
        })
    }

    /// The terms of an ask, but for its body.
    pub(super) fn terms(&self, config: &RestConfig) -> Terms {
        let roll_back = match self.prefer.ending {
            Some(Ending::Commit) => false,
            Some(Ending::RollBack) => true,
            None => config.roll_back,
        };
        Terms {
            count: self.prefer.count,
            max_affected: self.prefer.binding_max_affected(),
            roll_back,
            ..Terms::default()
        }
    }
}

/// The schema asked for, and whether the answer names it: one profile header for reading, another for writing.
fn schema(config: &RestConfig, method: &Method, headers: &HeaderMap) -> Result<(String, bool), Refusal> {
    let writes = matches!(*method, Method::POST | Method::PATCH | Method::PUT | Method::DELETE);
    let name = if writes { "content-profile" } else { "accept-profile" };
    let asked = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    match asked {
        Some(asked) if config.schemas.contains(&asked) => Ok((asked, true)),
        Some(asked) => Err(Refusal::Schema { asked, exposed: config.schemas.clone() }),
        None => Ok((config.schemas.first().cloned().unwrap_or_default(), config.schemas.len() != 1)),
    }
}

/// `apikey=` belongs to the edge, which read it already; as a filter it would be a mistake.
pub(super) fn without_key(query: &str) -> Cow<'_, str> {
    if !query.split('&').any(|pair| pair.starts_with("apikey=")) {
        return query.into();
    }
    query.split('&').filter(|pair| !pair.starts_with("apikey=")).collect::<Vec<_>>().join("&").into()
}

/// `5-9` or `5-`; anything else is no range.
fn range(text: &str) -> Option<(i64, Option<i64>)> {
    let (first, last) = text.split_once('-')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if first.is_empty() || !digits(first) || !digits(last) {
        return None;
    }
    let number = |text: &str| text.parse().unwrap_or(i64::MAX);
    Some((number(first), (!last.is_empty()).then(|| number(last))))
}

/// What SQL sees of the request; where no code of the database looks at it, none is made up.
pub(super) fn setup(config: &RestConfig, catalog: &Catalog, ask: &Ask, heading: &Heading) -> Setup {
    let mut more: Vec<(Cow<'static, str>, Arc<str>)> = Vec::new();
    if catalog.request_is_read || config.pre_request.is_some() {
        let path = percent_encoding::percent_decode_str(&ask.path).decode_utf8_lossy();
        more.extend(web::told::all(ask, &path, config.outspoken));
    }
    if let Some(zone) = &heading.prefer.timezone {
        more.push(("timezone".into(), zone.as_str().into()));
    }
    more.extend(config.app_settings.iter().map(|(name, value)| (name.clone().into(), value.as_str().into())));
    Setup {
        search_path: Some(Arc::clone(&heading.path)),
        more,
        before: config.pre_request.as_deref().map(Into::into),
        ..Setup::default()
    }
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn a_range_is_digits_and_a_dash() {
        assert_eq!(range("0-1"), Some((0, Some(1))));
        assert_eq!(range("5-"), Some((5, None)));
        assert_eq!(range("bytes=0-1"), None);
        assert_eq!(range("-1"), None);
    }
}
