//! Media types as the data API names them: what `Accept` asks for, what `Content-Type` says.
//!
//! Invariant: a type prints as it parses, so that what is answered names exactly what was understood.

use data::ask::Explain;

/// A media type that means something here, or any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/json`
    Json,
    /// `application/geo+json`
    GeoJson,
    /// `text/csv`
    Csv,
    /// `text/plain`
    Text,
    /// `text/xml`
    Xml,
    /// `application/openapi+json`
    OpenApi,
    /// `application/x-www-form-urlencoded`
    Form,
    /// `application/octet-stream`
    Bytes,
    /// `*/*`
    Any,
    /// An array without nulls.
    ArrayStripped,
    /// One object.
    Object {
        /// Without nulls.
        strip: bool,
    },
    /// The plan of what would answer with `of`.
    Plan {
        /// The type the plan is for.
        of: Box<Media>,
        /// Options and format.
        explain: Explain,
    },
    /// Any other, as sent.
    Other(String),
}

impl Media {
    /// Reads one media type with its parameters.
    pub fn parse(text: &str) -> Media {
        let Some((main, sub, parameters)) = tokens(text) else { return Media::Other(text.to_owned()) };
        let parameter = |name: &str| {
            parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
        };
        let strip = parameter("nulls") == Some("stripped");
        let plan = |json: bool| {
            let of = Media::parse(parameter("for").unwrap_or("application/json"));
            let has = |option: &str| {
                parameter("options").is_some_and(|options| options.split('|').any(|one| one == option))
            };
            let explain = Explain {
                json,
                analyze: has("analyze"),
                verbose: has("verbose"),
                settings: has("settings"),
                buffers: has("buffers"),
                wal: has("wal"),
            };
            Media::Plan { of: Box::new(of), explain }
        };
        match (main.as_str(), sub.as_str()) {
            ("application", "json") => Media::Json,
            ("application", "geo+json") => Media::GeoJson,
            ("text", "csv") => Media::Csv,
            ("text", "plain") => Media::Text,
            ("text", "xml") => Media::Xml,
            ("application", "openapi+json") => Media::OpenApi,
            ("application", "x-www-form-urlencoded") => Media::Form,
            ("application", "octet-stream") => Media::Bytes,
            ("application", "vnd.pgrst.plan" | "vnd.pgrst.plan+text") => plan(false),
            ("application", "vnd.pgrst.plan+json") => plan(true),
            ("application", "vnd.pgrst.object+json" | "vnd.pgrst.object") => Media::Object { strip },
            ("application", "vnd.pgrst.array+json" | "vnd.pgrst.array") if strip => Media::ArrayStripped,
            ("application", "vnd.pgrst.array+json" | "vnd.pgrst.array") => Media::Json,
            ("*", "*") => Media::Any,
            _ => Media::Other(text.to_owned()),
        }
    }

    /// The type without `charset`.
    pub fn name(&self) -> String {
        match self {
            Media::Json => "application/json".to_owned(),
            Media::GeoJson => "application/geo+json".to_owned(),
            Media::Csv => "text/csv".to_owned(),
            Media::Text => "text/plain".to_owned(),
            Media::Xml => "text/xml".to_owned(),
            Media::OpenApi => "application/openapi+json".to_owned(),
            Media::Form => "application/x-www-form-urlencoded".to_owned(),
            Media::Bytes => "application/octet-stream".to_owned(),
            Media::Any => "*/*".to_owned(),
            Media::ArrayStripped => "application/vnd.pgrst.array+json;nulls=stripped".to_owned(),
            Media::Object { strip: true } => "application/vnd.pgrst.object+json;nulls=stripped".to_owned(),
            Media::Object { strip: false } => "application/vnd.pgrst.object+json".to_owned(),
            Media::Plan { of, explain } => plan_name(of, explain),
            Media::Other(text) => text.clone(),
        }
    }

    /// The `Content-Type` of an answer.
    pub fn content_type(&self) -> String {
        match self {
            Media::Bytes | Media::Other(_) => self.name(),
            _ => format!("{}; charset=utf-8", self.name()),
        }
    }
}

fn plan_name(of: &Media, explain: &Explain) -> String {
    let options: Vec<&str> = [
        (explain.analyze, "analyze"),
        (explain.verbose, "verbose"),
        (explain.settings, "settings"),
        (explain.buffers, "buffers"),
        (explain.wal, "wal"),
    ]
    .into_iter()
    .filter_map(|(on, name)| on.then_some(name))
    .collect();
    let format = if explain.json { "json" } else { "text" };
    let mut name = format!("application/vnd.pgrst.plan+{format}; for=\"{}\"", of.name());
    if !options.is_empty() {
        name.push_str(&format!("; options={}", options.join("|")));
    }
    name
}

type Parameters = Vec<(String, String)>;

/// Main type, sub type, parameters; names in lower case. A parameter that cannot be read ends the list, as upstream.
fn tokens(text: &str) -> Option<(String, String, Parameters)> {
    let (main, rest) = text.trim_start().split_once('/')?;
    let is_main = |c: char| c.is_alphanumeric() || c == '.' || c == '*';
    let is_sub = |c: char| is_main(c) || c == '+' || c == '-';
    let end = rest.find(|c| !is_sub(c)).unwrap_or(rest.len());
    let (sub, mut rest) = rest.split_at(end);
    if main.is_empty() || !main.chars().all(is_main) || sub.is_empty() {
        return None;
    }
    let mut parameters = Vec::new();
    while let Some((parameter, after)) = parameter(rest) {
        parameters.push(parameter);
        rest = after;
    }
    Some((main.to_ascii_lowercase(), sub.to_ascii_lowercase(), parameters))
}

fn parameter(text: &str) -> Option<((String, String), &str)> {
    let text = text.trim_start().strip_prefix(';')?.trim_start();
    let (name, value) = text.split_once('=')?;
    let name = name.trim_end();
    if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '-') {
        return None;
    }
    let value = value.trim_start();
    let (value, rest) = match value.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => value.split_at(
            value.find(|c: char| !(c.is_alphanumeric() || c == '|' || c == '-')).unwrap_or(value.len()),
        ),
    };
    Some(((name.to_ascii_lowercase(), value.to_owned()), rest))
}

/// What `Accept` takes, best first. Missing means anything.
pub fn accepted(header: Option<&str>) -> Vec<Media> {
    let Some(header) = header else { return vec![Media::Any] };
    let mut wishes: Vec<(f64, i64, String)> = header.split(',').map(wish).collect();
    // Stable: of equals, the first named wins.
    wishes.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
    wishes.iter().map(|(_, _, text)| Media::parse(text)).collect()
}

/// Quality, how specific it is, and the type without either.
fn wish(text: &str) -> (f64, i64, String) {
    let text: String = text.chars().filter(|c| *c != ' ').collect();
    let (kind, quality) = match text.split_once(";q=") {
        Some((kind, quality)) => {
            (kind, quality.split(';').next().and_then(|q| q.parse().ok()).unwrap_or(1.0))
        }
        None => (text.as_str(), 1.0),
    };
    let count = |c: char| i64::try_from(kind.matches(c).count()).unwrap_or(0);
    (quality, count(';') - count('*'), kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Media, accepted};

    #[test]
    fn a_type_prints_as_it_was_understood() {
        let echo = |text: &str| Media::parse(text).content_type();
        assert_eq!(
            echo("ApplicatIon/vnd.PgRsT.object+json"),
            "application/vnd.pgrst.object+json; charset=utf-8"
        );
        assert_eq!(
            echo("application/vnd.pgrst.plan+text; for=\"text/csv\"; options=analyze|verbose|;"),
            "application/vnd.pgrst.plan+text; for=\"text/csv\"; options=analyze|verbose; charset=utf-8"
        );
        assert_eq!(
            echo("application/vnd.pgrst.array+json;nulls=stripped"),
            "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8"
        );
        assert_eq!(echo("application/json; charset=utf-8"), "application/json; charset=utf-8");
        assert_eq!(echo("image/png"), "image/png");
        assert_eq!(Media::parse("nonsense"), Media::Other("nonsense".to_owned()));
    }

    #[test]
    fn quality_then_order_decides() {
        let first = |text: &str| accepted(Some(text)).first().map(Media::name);
        assert_eq!(first("text/csv;q=0.5, application/json").as_deref(), Some("application/json"));
        assert_eq!(first("text/csv, application/json").as_deref(), Some("text/csv"));
        assert_eq!(first("*/*, text/csv").as_deref(), Some("text/csv"));
        assert_eq!(accepted(None), [Media::Any]);
    }
}
