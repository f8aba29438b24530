//! What the data API is told by its operator; and, for the conformance profile, by PostgREST's own variables.
//!
//! Invariant: [`RestConfig::default`] is the product. Everything looser is reached through [`RestConfig::from_pgrst`]
//! alone, which only the conformance profile calls; `docs/reference/conformance.md` lists the difference.

use std::collections::BTreeMap;

use auth::outside::Given;
use base::Secret;
use data::ask::{Name, Rules};
use data::catalog::Scope;

/// How the root describes what is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Describe {
    /// Only what the caller's role may use.
    #[default]
    Permitted,
    /// Everything exposed.
    Everything,
    /// Nothing.
    Disabled,
}

/// How the data API behaves.
pub struct RestConfig {
    /// Exposed schemas, the default one first.
    pub schemas: Vec<String>,
    /// Schemas where names in SQL may also be found.
    pub extra_search_path: Vec<String>,
    /// What any ask may do.
    pub rules: Rules,
    /// A function called before each statement (conformance; in the product `data` knows it, for every dialect).
    pub pre_request: Option<String>,
    /// Whether transactions are thrown away unless `tx=commit` says otherwise.
    pub roll_back: bool,
    /// Whether `tx=` is heard.
    pub ending_allowed: bool,
    /// Whether plans may be asked for.
    pub plans: bool,
    /// How the root describes what is served.
    pub describe: Describe,
    /// Whether the description names the token scheme.
    pub describe_security: bool,
    /// The address the description gives instead of ours.
    pub describe_at: Option<String>,
    /// A function whose result stands for the description.
    pub root_function: Option<Name>,
    /// Whether an embed with an alias may still be named by its target.
    pub target_names: bool,
    /// Whether errors are two fields instead of four.
    pub minimal_errors: bool,
    /// Whether answers tell what the caller did not name; also `Server-Timing`, and the whole `request.headers`.
    pub outspoken: bool,
    /// Whether answers say how long each stage took.
    pub timing: bool,
    /// A request header repeated in the answer.
    pub trace_header: Option<String>,
    /// Origins browsers may come from; empty for all (conformance).
    pub origins: Vec<String>,
    /// Settings for SQL functions: `app.settings.*`.
    pub app_settings: Vec<(String, String)>,
    /// Outside tokens.
    pub outside: Given,
}

impl Default for RestConfig {
    fn default() -> Self {
        RestConfig {
            schemas: vec!["public".to_owned()],
            extra_search_path: vec!["extensions".to_owned()],
            rules: Rules { max_rows: Some(1000), aggregates: false },
            pre_request: None,
            roll_back: false,
            ending_allowed: false,
            plans: false,
            describe: Describe::Permitted,
            describe_security: true,
            describe_at: None,
            root_function: None,
            target_names: true,
            minimal_errors: false,
            outspoken: false,
            timing: false,
            trace_header: None,
            origins: Vec::new(),
            app_settings: Vec::new(),
            outside: Given::default(),
        }
    }
}

/// A variable that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{name} is {value:?}, which is not {expected}")]
pub struct WrongVariable {
    /// The variable.
    pub name: String,
    /// Its value.
    pub value: String,
    /// What it should be.
    pub expected: &'static str,
}

struct Vars<'a>(&'a BTreeMap<String, String>);

impl Vars<'_> {
    /// A value that is there and not empty.
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn flag(&self, name: &str, default: bool) -> Result<bool, WrongVariable> {
        match self.text(name).map(|value| value.to_lowercase()).as_deref() {
            None => Ok(default),
            Some("true" | "yes" | "on" | "1") => Ok(true),
            Some("false" | "no" | "off" | "0") => Ok(false),
            Some(value) => Err(self.wrong(name, value, "true or false")),
        }
    }

    fn list(&self, name: &str) -> Option<Vec<String>> {
        let value = self.0.get(name)?;
        Some(value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
    }

    fn wrong(&self, name: &str, value: &str, expected: &'static str) -> WrongVariable {
        WrongVariable { name: name.to_owned(), value: value.to_owned(), expected }
    }
}

impl RestConfig {
    /// From `PGRST_*` variables, with PostgREST's own defaults for what is not set.
    pub fn from_pgrst(vars: &BTreeMap<String, String>) -> Result<Self, WrongVariable> {
        let vars = Vars(vars);
        let schemas = vars
            .list("PGRST_DB_SCHEMAS")
            .filter(|list| !list.is_empty())
            .unwrap_or_else(|| vec!["public".into()]);
        let default_schema = schemas.first().cloned().unwrap_or_default();
        let max_rows = match vars.text("PGRST_DB_MAX_ROWS") {
            None => None,
            Some(value) => {
                Some(value.parse().map_err(|_| vars.wrong("PGRST_DB_MAX_ROWS", &value, "a number"))?)
            }
        };
        let (roll_back, ending_allowed) = match vars.text("PGRST_DB_TX_END").as_deref() {
            None | Some("commit") => (false, false),
            Some("commit-allow-override") => (false, true),
            Some("rollback") => (true, false),
            Some("rollback-allow-override") => (true, true),
            Some(value) => {
                return Err(vars.wrong(
                    "PGRST_DB_TX_END",
                    value,
                    "commit or rollback, maybe -allow-override",
                ));
            }
        };
        let describe = match vars.text("PGRST_OPENAPI_MODE").as_deref() {
            None | Some("follow-privileges") => Describe::Permitted,
            Some("ignore-privileges") => Describe::Everything,
            Some("disabled") => Describe::Disabled,
            Some(value) => {
                return Err(vars.wrong(
                    "PGRST_OPENAPI_MODE",
                    value,
                    "follow-privileges, ignore-privileges or disabled",
                ));
            }
        };
        let app_settings = vars.0.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix("PGRST_APP_SETTINGS_")?;
            Some((format!("app.settings.{name}"), value.clone()))
        });
        Ok(RestConfig {
            rules: Rules { max_rows, aggregates: vars.flag("PGRST_DB_AGGREGATES_ENABLED", false)? },
            extra_search_path: vars
                .list("PGRST_DB_EXTRA_SEARCH_PATH")
                .unwrap_or_else(|| vec!["public".into()]),
            pre_request: vars.text("PGRST_DB_PRE_REQUEST").map(|name| quoted_name(&name)),
            roll_back,
            ending_allowed,
            plans: vars.flag("PGRST_DB_PLAN_ENABLED", false)?,
            describe,
            describe_security: vars.flag("PGRST_OPENAPI_SECURITY_ACTIVE", false)?,
            describe_at: vars.text("PGRST_OPENAPI_SERVER_PROXY_URI"),
            root_function: vars.text("PGRST_DB_ROOT_SPEC").map(|name| split_name(&name, &default_schema)),
            target_names: vars.flag("PGRST_URL_USE_LEGACY_TARGET_NAMES", true)?,
            minimal_errors: vars.text("PGRST_CLIENT_ERROR_VERBOSITY").as_deref() == Some("minimal"),
            outspoken: true,
            timing: vars.flag("PGRST_SERVER_TIMING_ENABLED", false)?,
            trace_header: vars.text("PGRST_SERVER_TRACE_HEADER"),
            origins: vars.list("PGRST_SERVER_CORS_ALLOWED_ORIGINS").unwrap_or_default(),
            app_settings: app_settings.collect(),
            outside: Given {
                secret: vars.text("PGRST_JWT_SECRET").map(Secret::new),
                secret_is_base64: vars.flag("PGRST_JWT_SECRET_IS_BASE64", false)?,
                audience: vars.text("PGRST_JWT_AUD"),
                role_claim: vars.text("PGRST_JWT_ROLE_CLAIM_KEY").unwrap_or_default(),
                anonymous: vars.text("PGRST_DB_ANON_ROLE"),
            },
            schemas,
        })
    }

    /// The product over what the catalog looks at.
    pub fn over(scope: &Scope, rules: Rules) -> Self {
        RestConfig {
            schemas: scope.exposed.clone(),
            extra_search_path: scope.extra.clone(),
            rules,
            ..Self::default()
        }
    }

    /// What the catalog has to look at. The gate is open in the conformance profile only.
    pub fn scope(&self) -> Scope {
        Scope {
            exposed: self.schemas.clone(),
            extra: self.extra_search_path.clone(),
            gate: !self.outspoken,
            // Left to the database here, as PostgREST leaves it: `pre_request` is called whatever it is.
            pre_request: None,
        }
    }

    /// `search_path` for a request on `schema`.
    pub fn search_path(&self, schema: &str) -> String {
        let all = std::iter::once(schema).chain(self.extra_search_path.iter().map(String::as_str));
        all.map(data::sql::ident).collect::<Vec<_>>().join(", ")
    }
}

/// `schema.name` or `name`, unquoted as PostgREST's settings write them.
fn split_name(text: &str, default_schema: &str) -> Name {
    match text.split_once('.') {
        Some((schema, name)) => Name::new(schema, name),
        None => Name::new(default_schema, text),
    }
}

/// A name without a schema is left to the search path, as PostgREST leaves it.
fn quoted_name(text: &str) -> String {
    match text.split_once('.') {
        Some((schema, name)) => format!("{}.{}", data::sql::ident(schema), data::sql::ident(name)),
        None => data::sql::ident(text),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Describe, RestConfig};

    fn read(pairs: &[(&str, &str)]) -> Result<RestConfig, super::WrongVariable> {
        let vars: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        RestConfig::from_pgrst(&vars)
    }

    #[test]
    fn variables_become_settings() {
        let config = read(&[
            ("PGRST_DB_SCHEMAS", "test, v1"),
            ("PGRST_DB_EXTRA_SEARCH_PATH", ""),
            ("PGRST_DB_PRE_REQUEST", "test.switch_role"),
            ("PGRST_DB_TX_END", "rollback-allow-override"),
            ("PGRST_DB_MAX_ROWS", "2"),
            ("PGRST_APP_SETTINGS_app_host", "localhost"),
            ("PGRST_OPENAPI_MODE", "disabled"),
        ])
        .unwrap();
        assert_eq!(config.search_path("test"), "\"test\"");
        assert_eq!(config.schemas, ["test", "v1"]);
        assert_eq!(config.pre_request.as_deref(), Some("\"test\".\"switch_role\""));
        assert_eq!((config.roll_back, config.ending_allowed, config.rules.max_rows), (true, true, Some(2)));
        assert_eq!(config.app_settings, [("app.settings.app_host".to_owned(), "localhost".to_owned())]);
        assert_eq!(config.describe, Describe::Disabled);
        assert!(read(&[("PGRST_DB_TX_END", "maybe")]).is_err());
    }

    #[test]
    fn the_product_tells_nothing_and_keeps_what_it_writes() {
        let product = RestConfig::default();
        assert!(!product.outspoken && !product.roll_back && !product.ending_allowed && !product.plans);
        assert!(product.rules.max_rows.is_some());
    }
}
