//! One normaliser for paths, used by matching and guarding alike, so that the two can never see different paths.
//!
//! A path is refused rather than repaired where a proxy and we might read it differently: dot segments, empty segments,
//! backslashes, encoded slashes, control characters, bytes that are not UTF-8 (attack rows 23, 80, 92).

use percent_encoding::percent_decode_str;

/// Whether matching may look at `path` at all. A trailing slash is the caller's business with the route.
pub(crate) fn is_plain(path: &str) -> bool {
    // Most are of letters that mean one thing to everybody.
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
    if path.starts_with('/') && path.bytes().all(harmless) {
        return !path.contains("//");
    }
    let lower = path.to_ascii_lowercase();
    let suspicious = ["//", "\\", "%2f", "%5c", "%00"];
    let decodes = percent_decode_str(path).decode_utf8();
    // However its dots are written, also as the last.
    let is_plain = |text: &str| {
        !text.chars().any(char::is_control) && !text.split('/').any(|segment| matches!(segment, "." | ".."))
    };
    path.starts_with('/')
        && !suspicious.iter().any(|pattern| lower.contains(pattern))
        && decodes.is_ok_and(|text| is_plain(&text))
}

/// One path parameter, decoded.
pub(crate) fn decode(segment: &str) -> String {
    if !segment.contains('%') {
        return segment.to_owned();
    }
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for path in [
            "//auth",
            "/a/../b",
            "/a/./b",
            "/a%2fb",
            "/a%5Cb",
            "/a\\b",
            "/%2e%2e/b",
            "/a/.%2e",
            "/a/%2E.",
            "/a/%2e",
            "/a/.",
            "/a%00",
            "/a%ff",
            "a",
            "/a%0d%0ab",
        ] {
            assert!(!is_plain(path), "{path}");
        }
    }

    #[test]
    fn names_in_any_script_are_plain() {
        for path in [
            "/",
            "/rest/v1/tasks",
            "/rest/v1/%D9%85%D9%88%D8%A7%D8%B1%D8%AF",
            "/rest/v1/a%20b",
            "/rest/v1/a.b",
            "/x/",
        ] {
            assert!(is_plain(path), "{path}");
        }
    }
}
