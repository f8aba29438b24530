//! What is said of bodies over their limit, by how they begin.

use base::Failure;

use crate::Error;

/// A body that is too large because of its password is told so, with the status that one which fits has (attack row 25).
pub fn long_password(beginning: &[u8]) -> Option<Failure> {
    let text = String::from_utf8_lossy(beginning);
    let (_, rest) = text.split_once("\"password\"")?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let mut is_escaped = false;
    let ends = value.bytes().any(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    (!ends)
        .then(|| Error::Malformed { what: "The password is longer than any that is taken".to_owned() }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_password_that_does_not_end_is_a_long_one() {
        let is_long = |text: &str| long_password(text.as_bytes()).is_some();
        assert!(is_long(r#"{"email":"ann@example.com","password":"Aa1!Aa1!"#));
        assert!(is_long(r#"{ "password" : "a\"b"#));
        assert!(!is_long(r#"{"password":"short","data":{"x":"yyyy"#));
        assert!(!is_long(r#"{"email":"ann@example.com","data":{"x":"yyyy"#));
        assert!(!is_long(r#"{"password":7"#) && !is_long(""));
        assert!(long_password(b"{\"password\":\"\xff\xfe\xc3").is_some());
    }
}
