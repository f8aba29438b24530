//! Which names a certificate can be got for.

use std::net::IpAddr;

use crate::Error;

/// What this machine calls itself.
pub(crate) fn this_machine() -> Vec<String> {
    ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec()
}

/// What no public authority gives certificates for is told before it is asked (control 6).
pub(crate) fn can_be_public(name: &str) -> Result<(), Error> {
    let no = |why: &str| Err(Error::Preflight { why: format!("{name} {why}") });
    if let Ok(address) = name.parse::<IpAddr>() {
        return if address.is_unspecified() { no("is no address of a machine") } else { Ok(()) };
    }
    if name.starts_with("*.") {
        return no(
            "is a wildcard, which needs a DNS challenge: name the hosts, or bring a certificate of your own (server.tls.cert_file)",
        );
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    if name.len() > 253 || !name.contains('.') || !name.split('.').all(label) {
        return no("is not a name that the internet knows, such as api.example.com");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_authority_knows_are_told_at_start() {
        for good in ["api.example.com", "192.0.2.1", "2001:db8::1", "a-b.example"] {
            can_be_public(good).unwrap();
        }
        for bad in
            ["localhost", "*.example.com", "a..b", "-a.example", "a b.example", "0.0.0.0", "exämple.com"]
        {
            assert!(can_be_public(bad).is_err(), "{bad}");
        }
    }
}
