//! HTML made of plain text: paragraphs, with the link to follow and the code to enter set off.
//!
//! Invariant: every character of the text is escaped; nothing in it becomes markup.

use serde_json::{Map, Value};

/// The text as a page of HTML.
pub(super) fn as_html(locale: &str, text: &str, values: &Map<String, Value>) -> String {
    let value = |name: &str| values.get(name).and_then(Value::as_str).unwrap_or_default();
    let links = [value("ConfirmationURL"), value("RevertURL")];
    let paragraph = |text: &str| {
        let escaped = escape(text);
        if !text.is_empty() && links.contains(&text) {
            format!("<p><a href=\"{escaped}\">{escaped}</a></p>")
        } else if !text.is_empty() && text == value("Token") {
            format!("<p style=\"font-size:1.5em;letter-spacing:.2em\"><strong>{escaped}</strong></p>")
        } else {
            format!("<p>{}</p>", escaped.replace('\n', "<br>"))
        }
    };
    let body: String = text.split("\n\n").map(|text| paragraph(text.trim())).collect();
    let locale = escape(locale);
    format!("<!doctype html><html lang=\"{locale}\"><meta charset=\"utf-8\"><body>{body}</body></html>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
