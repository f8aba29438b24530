//! What our mails say: built in for English and German, replaced by files of the operator.
//!
//! A file `KIND.LOCALE.txt` begins with `Subject: …` and a blank line; `KIND.LOCALE.html`, when there is one, is the
//! HTML beside it. Without a locale in its name a file speaks every language that has no file of its own. Both the
//! spelling of upstream (`{{ .ConfirmationURL }}`) and ours (`{{ ConfirmationURL }}`) are understood.
//!
//! Invariant: a template that names what does not exist, or never ends, stops the start and not a mail; what comes from
//! outside is text in HTML too.

mod kind;
mod words;

pub use kind::Template;

use std::collections::BTreeSet;
use std::path::Path;

use base::{Secret, Settings};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::{Map, Value};

use crate::{Error, limits, settings};

/// A mail without its recipient.
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// The body as plain text.
    pub text: Secret<String>,
    /// The body as HTML.
    pub html: Secret<String>,
}

/// Every template in every language.
pub struct Templates {
    environment: Environment<'static>,
    locales: BTreeSet<String>,
    fallback: String,
}

impl Templates {
    /// Whether there could be a mail of every kind with these settings, before anything is opened.
    pub fn check(given: &Settings) -> Result<(), Error> {
        Self::load(given).map(drop)
    }

    /// The built-in ones, then the operator's files, then the operator's subjects.
    pub fn load(given: &Settings) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(limits::TEMPLATE_FUEL.value));
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
            true => AutoEscape::Html,
            false => AutoEscape::None,
        });
        let fallback = given.get(&settings::LOCALE).to_ascii_lowercase();
        let mut templates = Templates { environment, locales: BTreeSet::new(), fallback };
        for (template, locale, text) in kind::BUILT_IN {
            templates.add_text(*template, locale, text, "built in")?;
        }
        if let Some(directory) = given.get(&settings::TEMPLATES_DIR) {
            templates.add_directory(&directory)?;
        }
        for (template, setting) in settings::SUBJECTS {
            if let Some(subject) = given.get(setting) {
                for locale in templates.locales.clone() {
                    let name = name(*template, &locale, "subject");
                    templates.add(name, &subject, setting.definition.name)?;
                }
            }
        }
        if !templates.locales.contains(&templates.fallback) {
            return Err(Error::Locale { wanted: templates.fallback });
        }
        for template in Template::ALL {
            for locale in templates.locales.clone() {
                templates.render(*template, &[&locale], &sample())?;
            }
        }
        Ok(templates)
    }

    /// The languages there are.
    pub fn locales(&self) -> impl Iterator<Item = &str> {
        self.locales.iter().map(String::as_str).filter(|locale| !locale.is_empty())
    }

    /// A mail in the first of the `wanted` languages that there is.
    pub fn render(
        &self,
        template: Template,
        wanted: &[&str],
        values: &Map<String, Value>,
    ) -> Result<Rendered, Error> {
        let locale = self.choose(wanted);
        let part = |locale: &str, part: &str| {
            let found = self.environment.get_template(&name(template, locale, part)).ok()?;
            Some(found.render(told(values)).map_err(|source| unreadable(found.name(), source)))
        };
        let any = |kind: &str| {
            part(&locale, kind)
                .or_else(|| part("", kind))
                .or_else(|| part(&self.fallback, kind))
                .or_else(|| part("en", kind))
        };
        let subject = any("subject").transpose()?.unwrap_or_default();
        let text = any("txt").transpose()?.unwrap_or_default();
        let html = match part(&locale, "html").or_else(|| part("", "html")).transpose()? {
            Some(html) => html,
            None => words::as_html(&locale, &text, values),
        };
        // A subject is one line whatever its values hold.
        let subject = subject.split(char::is_control).collect::<Vec<_>>().join(" ").trim().to_owned();
        Ok(Rendered { subject, text: Secret::new(text), html: Secret::new(html) })
    }

    /// Every value a template may use, made up: for previews.
    pub fn sample_values() -> Map<String, Value> {
        sample()
    }

    fn choose(&self, wanted: &[&str]) -> String {
        let known = |locale: &str| {
            let locale = locale.trim().to_ascii_lowercase().replace('_', "-");
            let language = locale.split('-').next().unwrap_or_default().to_owned();
            [locale, language].into_iter().find(|name| !name.is_empty() && self.locales.contains(name))
        };
        wanted.iter().find_map(|locale| known(locale)).unwrap_or_else(|| self.fallback.clone())
    }

    fn add_directory(&mut self, directory: &Path) -> Result<(), Error> {
        let refused = |source| Error::TemplateFile { path: directory.to_owned(), source };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(refused)? {
            paths.push(entry.map_err(refused)?.path());
        }
        paths.sort();
        for path in paths {
            let name_of = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if name_of.starts_with('.') || path.is_dir() {
                continue;
            }
            let file = path.display().to_string();
            let parts: Vec<&str> = name_of.split('.').collect();
            let (kind, locale, form) = match &*parts {
                [kind, locale, form @ ("txt" | "html")] => (*kind, locale.to_ascii_lowercase(), *form),
                [kind, form @ ("txt" | "html")] => (*kind, String::new(), *form),
                _ => return Err(Error::TemplateName { file }),
            };
            let Some(template) = Template::named(kind) else { return Err(Error::TemplateName { file }) };
            let text = std::fs::read_to_string(&path)
                .map_err(|source| Error::TemplateFile { path: path.clone(), source })?;
            match form {
                "html" => {
                    self.locales.extend((!locale.is_empty()).then(|| locale.clone()));
                    self.add(name(template, &locale, "html"), &text, &file)?;
                }
                _ => self.add_text(template, &locale, &text, &file)?,
            }
            if locale.is_empty() {
                self.speak_everywhere(template, form);
            }
        }
        Ok(())
    }

    /// A file without a locale takes the place of what is built in, in every language.
    fn speak_everywhere(&mut self, template: Template, form: &str) {
        for (_, locale, _) in kind::BUILT_IN {
            self.environment.remove_template(&name(template, locale, form));
            if form == "txt" {
                self.environment.remove_template(&name(template, locale, "subject"));
            }
        }
    }

    /// `Subject: …`, a blank line, the body.
    fn add_text(&mut self, template: Template, locale: &str, text: &str, place: &str) -> Result<(), Error> {
        let text = text.replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let subject = head.strip_prefix("Subject:").filter(|subject| !subject.contains('\n'));
        let Some(subject) = subject else { return Err(Error::TemplateSubject { file: place.to_owned() }) };
        self.locales.extend((!locale.is_empty()).then(|| locale.to_owned()));
        self.add(name(template, locale, "subject"), subject.trim(), place)?;
        self.add(name(template, locale, "txt"), body.trim_end(), place)
    }

    fn add(&mut self, name: String, text: &str, place: &str) -> Result<(), Error> {
        if text.len() > limits::TEMPLATE_BYTES.size() {
            return Err(Error::TemplateSize { file: place.to_owned(), max: limits::TEMPLATE_BYTES.value });
        }
        let text = without_dots(text);
        self.environment
            .add_template_owned(name.clone(), text)
            .map_err(|source| unreadable(place, source))?;
        let added = self.environment.get_template(&name).map_err(|source| unreadable(place, source))?;
        let known = sample();
        let foreign = added.undeclared_variables(false).into_iter().find(|word| !known.contains_key(word));
        match foreign {
            None => Ok(()),
            Some(word) => Err(Error::TemplateWord { file: place.to_owned(), word }),
        }
    }
}

fn unreadable(place: &str, source: minijinja::Error) -> Error {
    Error::Template { file: place.to_owned(), source }
}

fn name(template: Template, locale: &str, part: &str) -> String {
    format!("{}.{locale}.{part}", template.name())
}

fn told(values: &Map<String, Value>) -> minijinja::Value {
    minijinja::Value::from_pairs(values.iter().map(|(name, value)| (name.clone(), as_value(value))))
}

fn as_value(value: &Value) -> minijinja::Value {
    match value {
        Value::Null => ().into(),
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(as_value).collect::<Vec<_>>().into(),
        Value::Object(fields) => told(fields),
    }
}

/// Upstream writes `{{ .Token }}`.
fn without_dots(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let (before, from) = rest.split_at(at + 2);
        out.push_str(before);
        let blank = from.len() - from.trim_start().len();
        out.push_str(from.get(..blank).unwrap_or_default());
        let from = from.trim_start();
        rest = from.strip_prefix('.').unwrap_or(from);
    }
    out.push_str(rest);
    out
}

/// The names of what a template may use, and of the kinds there are: what a refusal says.
pub(crate) fn known_words() -> String {
    sample().keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

pub(crate) fn known_kinds() -> String {
    Template::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

/// Every value a template may use.
fn sample() -> Map<String, Value> {
    let texts = [
        ("SiteURL", "https://app.example.com"),
        ("ConfirmationURL", "https://app.example.com/auth/v1/verify?token=made-up&type=signup"),
        ("RevertURL", "https://app.example.com/auth/v1/revert?token=made-up"),
        ("Email", "ann@example.com"),
        ("NewEmail", "ann@example.org"),
        ("OldEmail", "ann@example.com"),
        ("SendingTo", "ann@example.com"),
        ("Token", "123456"),
        ("TokenHash", "made-up"),
        ("RedirectTo", "https://app.example.com/welcome"),
        ("Phone", "49301234567"),
        ("OldPhone", "49307654321"),
        ("Provider", "google"),
        ("Name", "ann-at-google"),
        ("FactorType", "totp"),
        ("At", "2026-01-01 12:00 UTC"),
        ("Address", "192.0.2.7"),
        ("Device", "Firefox on Linux"),
    ];
    let mut values: Map<String, Value> =
        texts.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    values.insert("Minutes".into(), 60.into());
    values.insert("Days".into(), 7.into());
    values.insert("Data".into(), Value::Object(Map::new()));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(settings: Settings, template: Template, wanted: &[&str], token: &str) -> Rendered {
        let mut values = sample();
        values.insert("Token".into(), token.into());
        values.insert("Email".into(), "<b>\"ann\"</b>@example.com".into());
        Templates::load(&settings).unwrap().render(template, wanted, &values).unwrap()
    }

    #[test]
    fn every_template_speaks_both_languages_and_the_fallback() {
        let templates = Templates::load(&Settings::default()).unwrap();
        assert_eq!(templates.locales().collect::<Vec<_>>(), ["de", "en"]);
        for template in Template::ALL {
            let [en, de, other, none] = [&["en-GB"][..], &["de_AT"], &["fr", "de"], &[]]
                .map(|wanted| templates.render(*template, wanted, &sample()).unwrap().subject);
            assert_ne!(en, de, "{}", template.name());
            assert_eq!((&other, &none), (&de, &en));
        }
    }

    #[test]
    fn values_are_text_in_html() {
        let mail = rendered(Settings::default(), Template::Confirmation, &[], "000123");
        assert!(mail.text.expose().contains("<b>"));
        let html = mail.html.expose();
        assert!(!html.contains("<b>") && html.contains("&lt;b&gt;"), "{html}");
        assert!(html.contains("000123") && html.contains("href=\"https://app.example.com/auth"), "{html}");
        assert!(!mail.subject.contains("000123"));
    }

    #[test]
    fn an_operators_file_takes_the_place_of_what_is_built_in() {
        let place = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text).unwrap();
        write("magic_link.html", "<p>{{ .Email }} {{ .Data.name }} {{.Token}}</p>");
        write("magic_link.fr.txt", "Subject: Bonjour\n\nVotre code: {{ Token }}");
        write("recovery.txt", "Subject: One for all\r\n\r\n{{ TokenHash }}");
        let settings =
            || Settings::default().with("email.templates_dir", &place.path().display().to_string());
        let mail = rendered(settings(), Template::MagicLink, &["fr"], "5");
        assert_eq!((mail.subject.as_str(), mail.text.expose().as_str()), ("Bonjour", "Votre code: 5"));
        assert_eq!(mail.html.expose(), "<p>&lt;b&gt;&quot;ann&quot;&lt;&#x2f;b&gt;@example.com  5</p>");
        for locale in ["de", "en", "fr"] {
            assert_eq!(rendered(settings(), Template::Recovery, &[locale], "5").subject, "One for all");
        }
        let own = settings().with("email.subject_magic_link", "Code for {{ .SiteURL }}");
        assert_eq!(
            rendered(own, Template::MagicLink, &["de"], "5").subject,
            "Code for https://app.example.com"
        );
    }

    #[test]
    fn a_wrong_template_stops_the_start() {
        for (name, text) in [
            ("magic_link.txt", "no subject"),
            ("magic_link.txt", "Subject: x\nBcc: y\n\nz"),
            ("magic_link.html", "{{ .Tokn }}"),
            ("magic_link.html", "{{ if .Token }}x{{ end }}"),
            (
                "magic_link.html",
                "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
            ),
            ("magic_lnk.html", "x"),
            ("magic_link.exe", "x"),
        ] {
            let place = tempfile::tempdir().unwrap();
            std::fs::write(place.path().join(name), text).unwrap();
            let settings =
                Settings::default().with("email.templates_dir", &place.path().display().to_string());
            assert!(Templates::load(&settings).is_err(), "{name}: {text}");
        }
        assert!(Templates::load(&Settings::default().with("email.locale", "xx")).is_err());
    }
}
