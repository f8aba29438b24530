//! Whatever somebody writes as a URL: what is accepted names its host the same way to every reader.

use outbound::{Target, address};
use proptest::collection::vec;
use proptest::prelude::*;

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("https://".to_owned()),
        Just("http://".to_owned()),
        Just("127.0.0.1".to_owned()),
        Just("0x7f".to_owned()),
        Just("example.com".to_owned()),
        Just("[::1]".to_owned()),
        Just("[::ffff:".to_owned()),
        Just("localhost".to_owned()),
        "[0-9a-fx.:\\[\\]@/\\\\?#%]{1,6}",
        any::<char>().prop_map(String::from),
    ]
}

proptest! {
    #[test]
    fn an_accepted_url_reads_the_same_twice_and_hides_no_address(pieces in vec(piece(), 1..9)) {
        let text = pieces.concat();
        if let Ok(target) = Target::parse(&text) {
            let again = Target::parse(target.url().as_str()).expect("it reads itself");
            prop_assert_eq!(again.host(), target.host());
            prop_assert_eq!(again.port(), target.port());
            prop_assert!(target.url().username().is_empty());
            let bare = target.host().trim_start_matches('[').trim_end_matches(']');
            // What a resolver would take for a number is an address here too, and so is looked at.
            if let Ok(number) = bare.parse::<std::net::IpAddr>() {
                prop_assert_eq!(target.address(), Some(number));
                let _looked_at = address::class(number);
            }
            let numeric = bare.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            prop_assert!(!numeric || target.address().is_some(), "{}", text);
        }
    }
}
