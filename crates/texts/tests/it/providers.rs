//! What each provider's API takes and answers, from what it publishes: Twilio's description of its API (2010-04-01, Create
//! Message), Vonage's of its SMS API (`/sms/{format}`), and MessageBird's and Textlocal's of theirs. A double of one refuses what
//! the provider would, in its words.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::double::Asked;

/// A provider, and the account that may ask it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Api {
    Twilio,
    Vonage,
    MessageBird,
    Textlocal,
}

pub const TWILIO_ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
pub const TWILIO_TOKEN: &str = "fedcba9876543210fedcba9876543210";
pub const VONAGE_KEY: &str = "abcd1234";
pub const VONAGE_SECRET: &str = "abcdef0123456789";
pub const MESSAGEBIRD_KEY: &str = "live_the-key";
pub const TEXTLOCAL_KEY: &str = "the key";

/// A field of the form: its name, whether it must be there, and what it may say.
type Field = (&'static str, bool, fn(&str) -> bool);

impl Api {
    fn path(self) -> String {
        match self {
            Api::Twilio => format!("/2010-04-01/Accounts/{TWILIO_ACCOUNT}/Messages.json"),
            Api::Vonage => "/sms/json".to_owned(),
            Api::MessageBird => "/messages".to_owned(),
            Api::Textlocal => "/send".to_owned(),
        }
    }

    /// Every field that is taken and that we could mean; what is not here is not taken.
    fn fields(self) -> &'static [Field] {
        match self {
            Api::Twilio => &[
                ("To", true, |to| e164(to.strip_prefix("whatsapp:").unwrap_or(to))),
                ("From", false, |from| {
                    let number = from.strip_prefix("whatsapp:").unwrap_or(from);
                    e164(number) || is_name(from)
                }),
                ("MessagingServiceSid", false, |sid| {
                    sid.len() == 34 && sid.starts_with("MG") && sid[2..].bytes().all(is_hex)
                }),
                ("Body", true, |body| (1..=1_600).contains(&body.chars().count())),
            ],
            Api::Vonage => &[
                ("api_key", true, |key| key.len() == 8),
                ("api_secret", true, |secret| (6..=32).contains(&secret.len())),
                ("from", true, |from| is_name(from) || digits(from)),
                ("to", true, digits),
                ("text", true, |text| !text.is_empty()),
                ("type", false, |kind| ["text", "unicode"].contains(&kind)),
            ],
            Api::MessageBird => &[
                ("originator", true, |from| is_name(from) || digits(from)),
                ("recipients", true, |to| to.split(',').all(digits)),
                ("body", true, |body| !body.is_empty()),
                ("type", false, |kind| ["sms", "binary", "flash"].contains(&kind)),
                ("datacoding", false, |coding| ["plain", "unicode", "auto"].contains(&coding)),
            ],
            Api::Textlocal => &[
                ("apikey", true, |key| !key.is_empty()),
                ("sender", true, is_name),
                ("numbers", true, |to| to.split(',').all(digits)),
                ("message", true, |text| !text.is_empty()),
                ("unicode", false, |is| ["true", "false"].contains(&is)),
            ],
        }
    }

    fn knows(self, asked: &Asked) -> bool {
        let basic = format!("Basic {}", STANDARD.encode(format!("{TWILIO_ACCOUNT}:{TWILIO_TOKEN}")));
        let said = |name: &str| asked.field(name).unwrap_or_default();
        match self {
            Api::Twilio => asked.header("authorization") == basic,
            Api::Vonage => (said("api_key"), said("api_secret")) == (VONAGE_KEY.into(), VONAGE_SECRET.into()),
            Api::MessageBird => asked.header("authorization") == format!("AccessKey {MESSAGEBIRD_KEY}"),
            Api::Textlocal => said("apikey") == TEXTLOCAL_KEY,
        }
    }

    /// The field that is wrong, if one is.
    fn wrong(self, asked: &Asked) -> Option<String> {
        let given = asked.form();
        let fields = self.fields();
        let unknown = given.iter().find(|(name, _)| !fields.iter().any(|field| field.0 == name));
        if let Some((name, _)) = unknown {
            return Some(name.clone());
        }
        let twice =
            given.iter().enumerate().find(|(at, (name, _))| given[..*at].iter().any(|(n, _)| n == name));
        if let Some((_, (name, _))) = twice {
            return Some(name.clone());
        }
        let bad = |&&(name, required, is): &&Field| match asked.field(name) {
            Some(value) => !is(&value),
            None => required,
        };
        if let Some((name, ..)) = fields.iter().find(bad) {
            return Some((*name).to_owned());
        }
        let text = |name: &str| asked.field(name).unwrap_or_default();
        match self {
            Api::Twilio if asked.field("From").is_none() && asked.field("MessagingServiceSid").is_none() => {
                Some("From".to_owned())
            }
            // What is not of the alphabet of telephones arrives as question marks unless it is said.
            Api::Vonage if !of_gsm(&text("text")) && text("type") != "unicode" => Some("type".to_owned()),
            Api::MessageBird
                if !of_gsm(&text("body")) && !["unicode", "auto"].contains(&&*text("datacoding")) =>
            {
                Some("datacoding".to_owned())
            }
            Api::Textlocal if !of_gsm(&text("message")) && text("unicode") != "true" => {
                Some("unicode".to_owned())
            }
            Api::Twilio | Api::Vonage | Api::MessageBird | Api::Textlocal => None,
        }
    }

    /// What the provider answers.
    pub fn answer(self, asked: &Asked) -> (u16, String) {
        if asked.line != format!("POST {} HTTP/1.1", self.path()) {
            return (404, "{}".to_owned());
        }
        if asked.header("content-type") != "application/x-www-form-urlencoded" {
            return self.no(415, 0, "content-type");
        }
        if !self.knows(asked) {
            let (status, code) = match self {
                Api::Twilio => (401, 20_003),
                Api::Vonage => (200, 4),
                Api::MessageBird => (401, 2),
                Api::Textlocal => (200, 3),
            };
            return self.no(status, code, "credentials");
        }
        if let Some(field) = self.wrong(asked) {
            let (status, code) = match self {
                Api::Twilio => (400, if field == "To" { 21_211 } else { 21_603 }),
                Api::Vonage => (200, if asked.field(&field).is_none() { 2 } else { 3 }),
                Api::MessageBird => (422, if asked.field(&field).is_none() { 9 } else { 10 }),
                Api::Textlocal => (200, 4),
            };
            return self.no(status, code, &field);
        }
        self.yes(asked)
    }

    fn no(self, status: u16, code: u32, about: &str) -> (u16, String) {
        let body = match self {
            Api::Twilio => format!(
                r#"{{"code":{code},"message":"The '{about}' is not valid","more_info":"https://www.twilio.com/docs/errors/{code}","status":{status}}}"#
            ),
            Api::Vonage => format!(
                r#"{{"message-count":"1","messages":[{{"status":"{code}","error-text":"Invalid value for {about} param"}}]}}"#
            ),
            Api::MessageBird => format!(
                r#"{{"errors":[{{"code":{code},"description":"{about} is invalid","parameter":"{about}"}}]}}"#
            ),
            Api::Textlocal => {
                format!(r#"{{"errors":[{{"code":{code},"message":"Invalid {about}"}}],"status":"failure"}}"#)
            }
        };
        (status, body)
    }

    fn yes(self, asked: &Asked) -> (u16, String) {
        let said = |name: &str| asked.field(name).unwrap_or_default();
        match self {
            Api::Twilio => (
                201,
                format!(
                    r#"{{"account_sid":"{TWILIO_ACCOUNT}","api_version":"2010-04-01","body":"","date_sent":null,"direction":"outbound-api",
                    "error_code":null,"error_message":null,"from":null,"num_media":"0","num_segments":"0","price":null,
                    "sid":"SM1","status":"queued","to":"{}"}}"#,
                    said("To")
                ),
            ),
            Api::Vonage => (
                200,
                format!(
                    r#"{{"message-count":"1","messages":[{{"to":"{}","message-id":"V1","status":"0","remaining-balance":"3.14159265",
                    "message-price":"0.03330000","network":"12345"}}]}}"#,
                    said("to")
                ),
            ),
            Api::MessageBird => (201, bird(&said("recipients"), 1)),
            Api::Textlocal => (
                200,
                format!(
                    r#"{{"balance":1162,"batch_id":124974984,"cost":1,"num_messages":1,
                    "messages":[{{"id":"1151346216","recipient":{}}}],"status":"success"}}"#,
                    said("numbers")
                ),
            ),
        }
    }
}

/// MessageBird's answer about a message of which `sent` left.
pub fn bird(to: &str, sent: u32) -> String {
    format!(
        r#"{{"id":"M1","href":"https://rest.messagebird.com/messages/M1","direction":"mt","type":"sms","gateway":10,"mclass":1,
        "validity":null,"typeDetails":{{}},"recipients":{{"totalCount":1,"totalSentCount":{sent},"totalDeliveredCount":0,
        "totalDeliveryFailedCount":{},"items":[{{"recipient":{to},"status":"sent","messagePartCount":1}}]}}}}"#,
        1 - sent
    )
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn digits(text: &str) -> bool {
    (7..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(digits)
}

/// A name that a telephone shows: at most eleven letters and digits.
fn is_name(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == ' ';
    (1..=11).contains(&text.len()) && text.chars().all(is_letter)
}

/// The basic alphabet of telephones (GSM 03.38) as far as it is ASCII, with its extension. No back tick.
fn of_gsm(text: &str) -> bool {
    text.chars().all(|letter| (letter.is_ascii_graphic() && letter != '`') || letter == ' ' || letter == '\n')
}
