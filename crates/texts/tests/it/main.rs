//! Each provider asked as recorded, by a double on loopback that answers as the provider does.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows the tests of this binary, not their helpers"
)]

mod double;
mod providers;

use std::sync::Arc;

use base::{Clock, Rng, Secret, Settings};
use double::{Asked, Double};
use mail::{Outbox, Sender};
use outbound::Outbound;
use providers::{
    Api, MESSAGEBIRD_KEY, TEXTLOCAL_KEY, TWILIO_ACCOUNT, TWILIO_TOKEN, VONAGE_KEY, VONAGE_SECRET, bird,
};
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
    ("sms.twilio_account_sid", TWILIO_ACCOUNT),
    ("sms.twilio_auth_token", TWILIO_TOKEN),
    ("sms.twilio_message_service_sid", "MG0123456789abcdef0123456789abcdef"),
];

const VONAGE: &[(&str, &str)] = &[
    ("sms.provider", "vonage"),
    ("sms.vonage_api_key", VONAGE_KEY),
    ("sms.vonage_api_secret", VONAGE_SECRET),
    ("sms.vonage_from", "Palisade"),
];

const MESSAGEBIRD: &[(&str, &str)] = &[
    ("sms.provider", "messagebird"),
    ("sms.messagebird_access_key", MESSAGEBIRD_KEY),
    ("sms.messagebird_originator", "Palisade"),
];

const TEXTLOCAL: &[(&str, &str)] = &[
    ("sms.provider", "textlocal"),
    ("sms.textlocal_api_key", TEXTLOCAL_KEY),
    ("sms.textlocal_sender", "Palisade"),
];

type Given = &'static [(&'static str, &'static str)];

/// Each provider, and which of its settings are credentials.
const ALL: [(Api, Given, &[&str]); 4] = [
    (Api::Twilio, TWILIO, &["sms.twilio_account_sid", "sms.twilio_auth_token"]),
    (Api::Vonage, VONAGE, &["sms.vonage_api_key", "sms.vonage_api_secret"]),
    (Api::MessageBird, MESSAGEBIRD, &["sms.messagebird_access_key"]),
    (Api::Textlocal, TEXTLOCAL, &["sms.textlocal_api_key"]),
];

async fn send(texts: &Texts, channel: Channel) -> Result<Option<String>, Error> {
    texts.send("49301234567", &texts.words(&Secret::from("123456")), channel).await
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// What is refused, and whether trying again is pointless.
fn permanent(sent: Result<Option<String>, Error>) -> bool {
    match sent {
        Err(error @ Error::Refused { .. }) => error.is_permanent(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_provider_takes_our_request_and_names_the_text() {
    for ((api, settings, credentials), name) in ALL.into_iter().zip(["SM1", "V1", "M1", "1151346216"]) {
        let double = Double::of(api).await;
        let sms = texts(&double, settings).await.unwrap();
        assert!(sms.takes_texts());
        assert_eq!(send(&sms, Channel::Sms).await.unwrap().as_deref(), Some(name), "{api:?}");
        let said = ["Body", "text", "body", "message"].iter().find_map(|name| double.asked().field(name));
        assert_eq!(said.as_deref(), Some("Your code is 123456"), "{api:?}");
        // Words that need more than the alphabet of telephones, and what a form could get wrong.
        for words in ["Dein Code für Ünal: 123456", "代码 123456", "`123456`", "a+b&c=d %41 123456\n;"] {
            let sent = sms.send("49301234567", &Secret::from(words), Channel::Sms).await;
            assert_eq!(sent.unwrap().as_deref(), Some(name), "{api:?} {words}");
            let said = ["Body", "text", "body", "message"].iter().find_map(|name| double.asked().field(name));
            assert_eq!(said.as_deref(), Some(words), "{api:?}");
        }
        // Wrong credentials are refused there, and it is known to be for good.
        for credential in credentials {
            let mut wrong = settings.to_vec();
            wrong.iter_mut().find(|(name, _)| name == credential).unwrap().1 = "wrong678";
            let sms = texts(&double, &wrong).await.unwrap();
            assert!(permanent(send(&sms, Channel::Sms).await), "{credential}");
        }
        double.answer(503, "");
        assert!(!permanent(send(&sms, Channel::Sms).await), "{api:?}");
        double.answer(429, "{}");
        assert!(!permanent(send(&sms, Channel::Sms).await), "{api:?}");
    }
}

/// The doubles themselves: each refuses a request that its provider would.
#[test]
fn the_doubles_take_nothing_that_their_provider_does_not() {
    let right = |api: Api| {
        let (path, header, body) = match api {
            Api::Twilio => (
                format!("/2010-04-01/Accounts/{TWILIO_ACCOUNT}/Messages.json"),
                "Basic QUMwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjpmZWRjYmE5ODc2NTQzMjEwZmVkY2JhOTg3NjU0MzIxMA==",
                "To=%2B49301234567&From=%2B15005550006&Body=1".to_owned(),
            ),
            Api::Vonage => (
                "/sms/json".to_owned(),
                "",
                format!("api_key={VONAGE_KEY}&api_secret={VONAGE_SECRET}&from=Acme&to=49301234567&text=1"),
            ),
            Api::MessageBird => (
                "/messages".to_owned(),
                "AccessKey live_the-key",
                "originator=Acme&recipients=49301234567&body=1".to_owned(),
            ),
            Api::Textlocal => (
                "/send".to_owned(),
                "",
                "apikey=the+key&sender=Acme&numbers=49301234567&message=1".to_owned(),
            ),
        };
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", header)];
        Asked {
            line: format!("POST {path} HTTP/1.1"),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body,
        }
    };
    let taken = |api: Api, asked: &Asked| {
        let (status, body) = api.answer(asked);
        status < 300 && ["\"SM1\"", "\"V1\"", "\"M1\"", "1151346216"].iter().any(|id| body.contains(id))
    };
    for (api, ..) in ALL {
        let asked = right(api);
        assert!(taken(api, &asked), "{api:?}: {:?}", api.answer(&asked));
        let line = Asked { line: asked.line.replace("POST ", "GET "), ..asked.clone() };
        assert!(!taken(api, &line), "{api:?}");
        for without in 0..2 {
            let mut asked = asked.clone();
            let gone = asked.headers.remove(without);
            assert_eq!(taken(api, &asked), gone.1.is_empty(), "{api:?} without {}", gone.0);
        }
        let pairs: Vec<&str> = asked.body.split('&').collect();
        for at in 0..pairs.len() {
            let mut fewer = pairs.clone();
            fewer.remove(at);
            let fewer = Asked { body: fewer.join("&"), ..asked.clone() };
            assert!(!taken(api, &fewer), "{api:?} without {}", pairs[at]);
            let empty = pairs[at].split('=').next().unwrap();
            let body = asked.body.replace(pairs[at], &format!("{empty}="));
            assert!(!taken(api, &Asked { body, ..asked.clone() }), "{api:?} with no {empty}");
        }
        for more in ["x=1", pairs[0]] {
            let more = Asked { body: format!("{}&{more}", asked.body), ..asked.clone() };
            assert!(!taken(api, &more), "{api:?}: {}", more.body);
        }
        for (with, instead) in
            [("49301234567", "0301"), ("49301234567", "x49301234567"), ("=1", "=%C3%BCber+`")]
        {
            let other = Asked { body: asked.body.replace(with, instead), ..asked.clone() };
            // Twilio finds out for itself how a text has to be written.
            assert_eq!(taken(api, &other), api == Api::Twilio && with == "=1", "{api:?}: {}", other.body);
        }
    }
}

#[tokio::test]
async fn twilio_sends_from_a_service_or_a_number_and_through_whatsapp() {
    let double = Double::of(Api::Twilio).await;
    let service = texts(&double, TWILIO).await.unwrap();
    send(&service, Channel::Sms).await.unwrap();
    let asked = double.asked();
    assert_eq!(asked.line, format!("POST /2010-04-01/Accounts/{TWILIO_ACCOUNT}/Messages.json HTTP/1.1"));
    let expected = pairs(&[
        ("To", "+49301234567"),
        ("MessagingServiceSid", "MG0123456789abcdef0123456789abcdef"),
        ("Body", "Your code is 123456"),
    ]);
    assert_eq!(asked.form(), expected);
    send(&service, Channel::Whatsapp).await.unwrap();
    assert_eq!(double.asked().field("To").as_deref(), Some("whatsapp:+49301234567"));
    let mut from_number = TWILIO.to_vec();
    from_number[3].1 = "+15005550006";
    let number = texts(&double, &from_number).await.unwrap();
    send(&number, Channel::Sms).await.unwrap();
    assert_eq!(double.asked().field("From").as_deref(), Some("+15005550006"));
    send(&number, Channel::Whatsapp).await.unwrap();
    assert_eq!(double.asked().field("From").as_deref(), Some("whatsapp:+15005550006"));
    assert_eq!(double.asked().field("MessagingServiceSid"), None);
    // Taken, and given up at once: its status says so, not HTTP's.
    for (status, code) in [("failed", 30_006), ("undelivered", 30_003)] {
        double.answer(201, &format!(r#"{{"sid":"SM2","status":"{status}","error_code":{code}}}"#));
        let refused = send(&service, Channel::Sms).await;
        assert!(refused.as_ref().unwrap_err().to_string().contains(&code.to_string()), "{refused:?}");
        assert!(permanent(refused));
    }
}

#[tokio::test]
async fn vonage_says_no_with_status_200() {
    let double = Double::of(Api::Vonage).await;
    let texts = texts(&double, VONAGE).await.unwrap();
    send(&texts, Channel::Sms).await.unwrap();
    let asked = double.asked();
    assert_eq!(asked.line, "POST /sms/json HTTP/1.1");
    let expected = pairs(&[
        ("from", "Palisade"),
        ("to", "49301234567"),
        ("text", "Your code is 123456"),
        ("api_key", VONAGE_KEY),
        ("api_secret", VONAGE_SECRET),
    ]);
    assert_eq!(asked.form(), expected);
    assert!(matches!(send(&texts, Channel::Whatsapp).await, Err(Error::Channel { .. })));
    for (code, is_permanent) in [("4", true), ("1", false), ("5", false)] {
        double.answer(200, &format!(r#"{{"messages":[{{"status":"{code}","error-text":"no"}}]}}"#));
        assert_eq!(permanent(send(&texts, Channel::Sms).await), is_permanent, "{code}");
    }
    // Of a text in parts the second one did not leave.
    double.answer(
        200,
        r#"{"message-count":"2","messages":[{"status":"0","message-id":"V1"},{"status":"9","error-text":"no"}]}"#,
    );
    assert!(permanent(send(&texts, Channel::Sms).await));
}

#[tokio::test]
async fn messagebird_is_believed_when_something_was_sent() {
    let double = Double::of(Api::MessageBird).await;
    let texts = texts(&double, MESSAGEBIRD).await.unwrap();
    send(&texts, Channel::Sms).await.unwrap();
    let asked = double.asked();
    assert_eq!(asked.line, "POST /messages HTTP/1.1");
    assert_eq!(asked.header("authorization"), "AccessKey live_the-key");
    let expected = pairs(&[
        ("originator", "Palisade"),
        ("recipients", "49301234567"),
        ("body", "Your code is 123456"),
        ("type", "sms"),
        ("datacoding", "plain"),
    ]);
    assert_eq!(asked.form(), expected);
    assert!(matches!(send(&texts, Channel::Whatsapp).await, Err(Error::Channel { .. })));
    double.answer(201, &bird("49301234567", 0));
    assert!(permanent(send(&texts, Channel::Sms).await), "nothing was sent");
}

#[tokio::test]
async fn textlocal_says_no_with_status_200() {
    let double = Double::of(Api::Textlocal).await;
    let texts = texts(&double, TEXTLOCAL).await.unwrap();
    send(&texts, Channel::Sms).await.unwrap();
    let asked = double.asked();
    assert_eq!(asked.line, "POST /send HTTP/1.1");
    let expected = pairs(&[
        ("sender", "Palisade"),
        ("apikey", TEXTLOCAL_KEY),
        ("message", "Your code is 123456"),
        ("numbers", "49301234567"),
    ]);
    assert_eq!(asked.form(), expected);
    assert!(matches!(send(&texts, Channel::Whatsapp).await, Err(Error::Channel { .. })));
    for (code, is_permanent) in [(3, true), (7, false)] {
        double.answer(200, &format!(r#"{{"status":"failure","errors":[{{"code":{code},"message":"no"}}]}}"#));
        assert_eq!(permanent(send(&texts, Channel::Sms).await), is_permanent, "{code}");
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
    assert!(told.contains("21211") && !told.contains("123456") && !told.contains(TWILIO_TOKEN), "{told}");
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
    for settings in [TWILIO, VONAGE, MESSAGEBIRD, TEXTLOCAL] {
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
