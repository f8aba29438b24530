//! Each provider asked as recorded, by a double on loopback that answers as the provider does.

#![expect(clippy::unwrap_used, reason = "clippy knows the tests of this binary, not their helpers")]

mod double;

use std::sync::Arc;

use base::{Clock, Rng, Secret, Settings};
use double::{Asked, Double};
use mail::{Outbox, Sender};
use outbound::Outbound;
use seal::{RootKey, keyed_mac};
use testkit::Database;
use texts::{Channel, Error, Texts};

async fn texts(double: &Double, settings: &[(&'static str, &str)]) -> Result<Texts, Error> {
    let db = Database::new(mail::MIGRATIONS).await;
    let allow = Settings::default().with("outbound.allow", &format!("127.0.0.1:{}", double.port));
    let outbound = Outbound::open(outbound::Parts {
        settings: allow,
        resolver: outbound::system_resolver(),
        on_refusal: Arc::new(|_| {}),
    });
    let outbox = Outbox::open(mail::Parts {
        pg: db.pg(),
        root: Arc::new(RootKey::from_bytes([7; 32]).unwrap()),
        settings: Settings::default(),
        sender: Sender::None,
        clock: Clock::system(),
        rng: Rng::system(),
    });
    let given = settings
        .iter()
        .fold(Settings::default(), |given, (name, value)| given.with(name, value))
        .with("sms.api_url", &double.url());
    Texts::open(texts::Parts {
        settings: given,
        outbound: outbound.unwrap(),
        outbox: outbox.unwrap(),
        clock: testkit::mock_clock().clock(),
        rng: Rng::system(),
    })
}

const TWILIO: &[(&str, &str)] = &[
    ("sms.provider", "twilio"),
    ("sms.twilio_account_sid", "AC0123456789"),
    ("sms.twilio_auth_token", "the token"),
    ("sms.twilio_message_service_sid", "MG987"),
];

const VONAGE: &[(&str, &str)] = &[
    ("sms.provider", "vonage"),
    ("sms.vonage_api_key", "abcd1234"),
    ("sms.vonage_api_secret", "the secret"),
    ("sms.vonage_from", "Palisade"),
];

const MESSAGEBIRD: &[(&str, &str)] = &[
    ("sms.provider", "messagebird"),
    ("sms.messagebird_access_key", "the key"),
    ("sms.messagebird_originator", "Palisade"),
];

async fn send(texts: &Texts, channel: Channel) -> Result<Option<String>, Error> {
    texts.send("49301234567", &texts.words(&Secret::from("123456")), channel).await
}

fn form(asked: &Asked) -> Vec<(String, String)> {
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
    };
    asked
        .body
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(a, b)| (decode(a), decode(b)))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[tokio::test]
async fn twilio_is_asked_for_a_message_and_names_it() {
    let double = Double::start(201, r#"{"sid":"SM1","status":"queued"}"#).await;
    let texts = texts(&double, TWILIO).await.unwrap();
    assert_eq!((texts.provider(), texts.takes_texts()), ("twilio", true));
    assert_eq!(send(&texts, Channel::Sms).await.unwrap().as_deref(), Some("SM1"));
    let asked = double.asked();
    assert_eq!(asked.line, "POST /2010-04-01/Accounts/AC0123456789/Messages.json HTTP/1.1");
    assert_eq!(asked.header("authorization"), "Basic QUMwMTIzNDU2Nzg5OnRoZSB0b2tlbg==");
    let expected =
        pairs(&[("To", "+49301234567"), ("MessagingServiceSid", "MG987"), ("Body", "Your code is 123456")]);
    assert_eq!(form(&asked), expected);
    send(&texts, Channel::Whatsapp).await.unwrap();
    assert_eq!(form(&double.asked())[0], ("To".to_owned(), "whatsapp:+49301234567".to_owned()));
}

#[tokio::test]
async fn vonage_is_asked_for_a_message_and_its_no_with_status_200_is_a_no() {
    let double =
        Double::start(200, r#"{"message-count":"1","messages":[{"status":"0","message-id":"V1"}]}"#).await;
    let texts = texts(&double, VONAGE).await.unwrap();
    assert_eq!(send(&texts, Channel::Sms).await.unwrap().as_deref(), Some("V1"));
    let asked = double.asked();
    assert_eq!(asked.line, "POST /sms/json HTTP/1.1");
    let expected = pairs(&[
        ("from", "Palisade"),
        ("to", "49301234567"),
        ("text", "Your code is 123456"),
        ("api_key", "abcd1234"),
        ("api_secret", "the secret"),
    ]);
    assert_eq!(form(&asked), expected);
    assert!(matches!(send(&texts, Channel::Whatsapp).await, Err(Error::Channel { .. })));
    for (code, permanent) in [("4", true), ("1", false)] {
        double.answer(200, &format!(r#"{{"messages":[{{"status":"{code}","error-text":"no"}}]}}"#));
        match send(&texts, Channel::Sms).await {
            Err(error @ Error::Refused { .. }) => assert_eq!(error.is_permanent(), permanent, "{code}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn messagebird_is_asked_for_a_message_and_names_it() {
    let double = Double::start(201, r#"{"id":"M1","recipients":{"totalSentCount":1}}"#).await;
    let texts = texts(&double, MESSAGEBIRD).await.unwrap();
    assert_eq!(send(&texts, Channel::Sms).await.unwrap().as_deref(), Some("M1"));
    let asked = double.asked();
    assert_eq!(asked.line, "POST /messages HTTP/1.1");
    assert_eq!(asked.header("authorization"), "AccessKey the key");
    let expected = pairs(&[
        ("originator", "Palisade"),
        ("recipients", "49301234567"),
        ("body", "Your code is 123456"),
        ("type", "sms"),
        ("datacoding", "plain"),
    ]);
    assert_eq!(form(&asked), expected);
}

#[tokio::test]
async fn textlocal_is_asked_for_a_message_and_its_no_with_status_200_is_a_no() {
    let settings: &[(&'static str, &str)] = &[
        ("sms.provider", "textlocal"),
        ("sms.textlocal_api_key", "the key"),
        ("sms.textlocal_sender", "Palisade"),
    ];
    let double = Double::start(200, r#"{"status":"success","messages":[{"id":"1151346216"}]}"#).await;
    let texts = texts(&double, settings).await.unwrap();
    assert_eq!(send(&texts, Channel::Sms).await.unwrap().as_deref(), Some("1151346216"));
    let asked = double.asked();
    assert_eq!(asked.line, "POST /send HTTP/1.1");
    let expected = pairs(&[
        ("sender", "Palisade"),
        ("apikey", "the key"),
        ("message", "Your code is 123456"),
        ("numbers", "49301234567"),
    ]);
    assert_eq!(form(&asked), expected);
    assert!(matches!(send(&texts, Channel::Whatsapp).await, Err(Error::Channel { .. })));
    for (code, permanent) in [(3, true), (7, false)] {
        double.answer(200, &format!(r#"{{"status":"failure","errors":[{{"code":{code},"message":"no"}}]}}"#));
        match send(&texts, Channel::Sms).await {
            Err(error @ Error::Refused { .. }) => assert_eq!(error.is_permanent(), permanent, "{code}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_webhook_can_verify_who_sent_it() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let double = Double::start(200, "{}").await;
    let (key, url) = (b"a secret of thirty-two bytes here", format!("{}/texts", double.url()));
    let secret = format!("v1,whsec_{}", STANDARD.encode(key));
    let settings =
        [("sms.provider", "webhook"), ("sms.webhook_url", &*url), ("sms.webhook_secret", &*secret)];
    let texts = texts(&double, &settings).await.unwrap();
    send(&texts, Channel::Sms).await.unwrap();
    let asked = double.asked();
    assert_eq!(asked.line, "POST /texts HTTP/1.1");
    assert_eq!(asked.body, r#"{"to":"+49301234567","text":"Your code is 123456","channel":"sms"}"#);
    let signed =
        format!("{}.{}.{}", asked.header("webhook-id"), asked.header("webhook-timestamp"), asked.body);
    let expected = format!("v1,{}", STANDARD.encode(keyed_mac(key, signed.as_bytes())));
    assert_eq!(asked.header("webhook-signature"), expected);
}

#[tokio::test]
async fn a_no_is_told_without_words_or_credentials() {
    let double =
        Double::start(400, r#"{"code":21211,"message":"The 'To' number is not valid: 123456"}"#).await;
    let texts = texts(&double, TWILIO).await.unwrap();
    let refused = send(&texts, Channel::Sms).await.unwrap_err();
    assert!(refused.is_permanent());
    let told = format!("{refused} {refused:?}");
    assert!(told.contains("21211") && !told.contains("123456") && !told.contains("the token"), "{told}");
    double.answer(503, "");
    assert!(!send(&texts, Channel::Sms).await.unwrap_err().is_permanent());
    for number in ["+49301", "4930x", &"1".repeat(16)] {
        let sent = texts.send(number, &Secret::from("x"), Channel::Sms).await;
        assert!(matches!(sent, Err(Error::Number)), "{number}");
    }
}

#[tokio::test]
async fn a_provider_without_its_credentials_does_not_start() {
    let double = Double::start(200, "{}").await;
    for settings in [TWILIO, VONAGE, MESSAGEBIRD] {
        for missing in 1..settings.len() {
            let mut given = settings.to_vec();
            given.remove(missing);
            assert!(matches!(texts(&double, &given).await, Err(Error::Missing { .. })), "{given:?}");
        }
    }
    let short = [
        ("sms.provider", "webhook"),
        ("sms.webhook_url", "http://x"),
        ("sms.webhook_secret", "v1,whsec_YQ=="),
    ];
    assert!(texts(&double, &short).await.is_err());
    assert!(matches!(texts(&double, &[("sms.template", "no code")]).await, Err(Error::Template)));
    let none = texts(&double, &[]).await.unwrap();
    assert!(!none.takes_texts());
    assert!(matches!(send(&none, Channel::Sms).await, Err(Error::NoProvider)));
}
