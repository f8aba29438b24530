//! Rows as comma-separated values: a header of the columns' names, then each row as PostgreSQL writes a record.

use pg::{Column, Row};

/// A table. Without rows there is no header either: PostgREST takes the names from the first row.
pub(super) fn table<'a>(
    out: &mut Vec<u8>,
    rows: impl Iterator<Item = Row<'a>>,
    lead: usize,
    columns: &[Column],
) {
    let mut rows = rows.peekable();
    if rows.peek().is_some() {
        header_line(out, columns);
    } else {
        out.push(b'\n');
    }
    for (at, row) in rows.enumerate() {
        if at > 0 {
            out.push(b'\n');
        }
        line(out, row, lead);
    }
}

/// The columns' names, and the end of their line.
pub(super) fn header_line(out: &mut Vec<u8>, columns: &[Column]) {
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        header(out, column.name.as_bytes());
    }
    out.push(b'\n');
}

/// One row.
pub(super) fn line(out: &mut Vec<u8>, row: Row<'_>, lead: usize) {
    for (at, field) in row.fields().skip(lead).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        if let Some(field) = field {
            value(out, field);
        }
    }
}

/// A name, quoted only where it would be taken for two.
fn header(out: &mut Vec<u8>, name: &[u8]) {
    if name.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        quoted(out, name);
    } else {
        out.extend_from_slice(name);
    }
}

/// A field as in a record's text: empty text is quoted, so that it is not NULL.
fn value(out: &mut Vec<u8>, field: &[u8]) {
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'(' | b')' | b',' | b' ' | b'\t'..=b'\r');
    if field.is_empty() || field.iter().any(special) {
        quoted(out, field);
    } else {
        out.extend_from_slice(field);
    }
}

fn quoted(out: &mut Vec<u8>, field: &[u8]) {
    out.push(b'"');
    for byte in field {
        if matches!(byte, b'"' | b'\\') {
            out.push(*byte);
        }
        out.push(*byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_in_a_record() {
        let written = |field: &str| {
            let mut out = Vec::new();
            value(&mut out, field.as_bytes());
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written("plain"), "plain");
        assert_eq!(written(""), r#""""#);
        assert_eq!(written("a b"), r#""a b""#);
        assert_eq!(written(r#"say "x\""#), r#""say ""x\\""""#);
    }
}
