//! SQL text from plans. Pure: the same plan gives the same text, so that a prepared statement is found again.
//!
//! Invariant: a name reaches the text only through [`ident`], a value only as a parameter.

/// A name, quoted.
pub fn ident(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for c in name.chars() {
        // A name with a NUL cannot exist, and would end the text early.
        if c == '\0' {
            continue;
        }
        if c == '"' {
            quoted.push('"');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}
