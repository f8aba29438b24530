//! When within the time that an authority suggests.

use jiff::{SignedDuration, Timestamp};

/// Where in its window a certificate is renewed: everywhere with the same chance, so that those who have the same window do
/// not all come at once, and the same after a start, so that nobody misses their turn by starting again.
pub(crate) fn moment_in((start, end): (Timestamp, Timestamp), serial: &str) -> Timestamp {
    let parts =
        serial.get(serial.len().saturating_sub(4)..).and_then(|tail| i64::from_str_radix(tail, 16).ok());
    let length = end.duration_since(start).as_secs().max(0);
    let ahead = length / 65_536 * parts.unwrap_or(32_768);
    start.checked_add(SignedDuration::from_secs(ahead)).unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_used_in_all_its_length_and_nowhere_else() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let window = (at("2026-01-01T00:00:00Z"), at("2026-01-03T00:00:00Z"));
        assert_eq!(moment_in(window, "0a0000"), window.0);
        assert!(moment_in(window, "0affff") > at("2026-01-02T12:00:00Z"));
        assert!(moment_in(window, "0affff") < window.1);
        assert_eq!(moment_in(window, "7f31"), moment_in(window, "7f31"));
        assert_eq!(moment_in((window.1, window.0), "ffff"), window.1, "a window that ends before it begins");
    }
}
