//! What can be set about texts to telephones.

use std::time::Duration;

use base::setting::{Alias, Definition, Guide};
use base::{Secret, Setting};

/// Who sends our texts.
pub static PROVIDER: Setting<Option<String>> = Setting::unset("sms.provider")
    .also(&[Alias::same("GOTRUE_SMS_PROVIDER", Guide::Other)])
    .choices(&["twilio", "vonage", "messagebird", "textlocal", "webhook"])
    .changes("who sends our texts; without one nobody signs in by telephone");

/// What a text says.
pub static TEMPLATE: Setting<String> = Setting::new("sms.template", "Your code is {{ .Code }}")
    .also(&[Alias::same("GOTRUE_SMS_TEMPLATE", Guide::Other)])
    .changes("what a text with a code says");

/// Life of a texted code.
pub static OTP_EXPIRY: Setting<Duration> = Setting::new("sms.otp_expiry", "5m")
    .also(&[Alias::seconds("GOTRUE_SMS_OTP_EXP", Guide::Other)])
    .range("30s", "1h")
    .changes("how long a code that was texted can be used");

/// Length of a texted code.
pub static OTP_LENGTH: Setting<u8> = Setting::new("sms.otp_length", "6")
    .also(&[Alias::same("GOTRUE_SMS_OTP_LENGTH", Guide::Other)])
    .range("6", "10")
    .changes("how many digits a texted code has");

/// The pause between texts to one number.
pub static MAX_FREQUENCY: Setting<Duration> = Setting::new("sms.max_frequency", "1m")
    .also(&[Alias::same("GOTRUE_SMS_MAX_FREQUENCY", Guide::Other)])
    .range("0s", "24h")
    .changes("how long a number has to wait before it is sent another text");

/// Another address of the provider.
pub static API_URL: Setting<Option<String>> = Setting::unset("sms.api_url")
    .changes("another address of the provider's API than its usual one: a region's, or a gateway's");

/// Numbers that are believed.
pub static AUTOCONFIRM: Setting<bool> = Setting::new("sms.autoconfirm", "false")
    .also(&[Alias::same("GOTRUE_SMS_AUTOCONFIRM", Guide::Other)])
    .changes("whether new accounts are confirmed without a text to their number: anybody can then take anybody's number");

/// Codes that are known beforehand.
pub static TEST_OTP: Setting<Option<Secret<String>>> = Setting::unset("sms.test_otp")
    .also(&[Alias::same("GOTRUE_SMS_TEST_OTP", Guide::Other)])
    .changes(
        "numbers that are sent no text and whose code is the one here, for tests and the reviewers of app shops: 4915550100:123456,…; good until sms.test_otp_valid_until. Never a second factor",
    )
    .proven_by(&[115]);

/// Until when they are good.
pub static TEST_OTP_VALID_UNTIL: Setting<Option<String>> = Setting::unset("sms.test_otp_valid_until")
    .also(&[Alias::same("GOTRUE_SMS_TEST_OTP_VALID_UNTIL", Guide::Other)])
    .changes(
        "until when the codes of sms.test_otp are good: 2026-12-31T00:00:00Z; needed beside them, but in dev",
    );

/// Twilio's account.
pub static TWILIO_ACCOUNT_SID: Setting<Option<String>> = Setting::unset("sms.twilio_account_sid")
    .also(&[Alias::same("GOTRUE_SMS_TWILIO_ACCOUNT_SID", Guide::Other)])
    .changes("the account at Twilio");

/// Its token.
pub static TWILIO_AUTH_TOKEN: Setting<Option<Secret<String>>> = Setting::unset("sms.twilio_auth_token")
    .also(&[Alias::same("GOTRUE_SMS_TWILIO_AUTH_TOKEN", Guide::Other)])
    .changes("the token at Twilio")
    .proven_by(&[101, 115]);

/// Its sender: a number, or a messaging service.
pub static TWILIO_MESSAGE_SERVICE_SID: Setting<Option<String>> =
    Setting::unset("sms.twilio_message_service_sid")
        .also(&[Alias::same("GOTRUE_SMS_TWILIO_MESSAGE_SERVICE_SID", Guide::Other)])
        .changes("the messaging service (MG…) or number that Twilio sends from");

/// Vonage's key.
pub static VONAGE_API_KEY: Setting<Option<String>> = Setting::unset("sms.vonage_api_key")
    .also(&[Alias::same("GOTRUE_SMS_VONAGE_API_KEY", Guide::Other)])
    .changes("the key at Vonage");

/// Its secret.
pub static VONAGE_API_SECRET: Setting<Option<Secret<String>>> = Setting::unset("sms.vonage_api_secret")
    .also(&[Alias::same("GOTRUE_SMS_VONAGE_API_SECRET", Guide::Other)])
    .changes("the secret at Vonage")
    .proven_by(&[101, 115]);

/// Its sender.
pub static VONAGE_FROM: Setting<Option<String>> = Setting::unset("sms.vonage_from")
    .also(&[Alias::same("GOTRUE_SMS_VONAGE_FROM", Guide::Other)])
    .changes("the name or number that Vonage sends from");

/// MessageBird's key.
pub static MESSAGEBIRD_ACCESS_KEY: Setting<Option<Secret<String>>> =
    Setting::unset("sms.messagebird_access_key")
        .also(&[Alias::same("GOTRUE_SMS_MESSAGEBIRD_ACCESS_KEY", Guide::Other)])
        .changes("the key at MessageBird")
        .proven_by(&[101, 115]);

/// Its sender.
pub static MESSAGEBIRD_ORIGINATOR: Setting<Option<String>> = Setting::unset("sms.messagebird_originator")
    .also(&[Alias::same("GOTRUE_SMS_MESSAGEBIRD_ORIGINATOR", Guide::Other)])
    .changes("the name or number that MessageBird sends from");

/// Textlocal's key.
pub static TEXTLOCAL_API_KEY: Setting<Option<Secret<String>>> = Setting::unset("sms.textlocal_api_key")
    .also(&[Alias::same("GOTRUE_SMS_TEXTLOCAL_API_KEY", Guide::Other)])
    .changes("the key at Textlocal")
    .proven_by(&[101, 115]);

/// Its sender.
pub static TEXTLOCAL_SENDER: Setting<Option<String>> = Setting::unset("sms.textlocal_sender")
    .also(&[Alias::same("GOTRUE_SMS_TEXTLOCAL_SENDER", Guide::Other)])
    .changes("the name or number that Textlocal sends from");

/// Somebody else's program.
pub static WEBHOOK_URL: Setting<Option<String>> = Setting::unset("sms.webhook_url")
    .changes("where texts are sent as signed JSON (Standard Webhooks), for providers we do not know");

/// What it is signed with.
pub static WEBHOOK_SECRET: Setting<Option<Secret<String>>> = Setting::unset("sms.webhook_secret")
    .changes("the secret that texts to the webhook are signed with: v1,whsec_ and base64")
    .proven_by(&[101, 115]);

/// This crate's settings.
pub const SETTINGS: &[&Definition] = &[
    &PROVIDER.definition,
    &TEMPLATE.definition,
    &OTP_EXPIRY.definition,
    &OTP_LENGTH.definition,
    &MAX_FREQUENCY.definition,
    &API_URL.definition,
    &AUTOCONFIRM.definition,
    &TEST_OTP.definition,
    &TEST_OTP_VALID_UNTIL.definition,
    &TWILIO_ACCOUNT_SID.definition,
    &TWILIO_AUTH_TOKEN.definition,
    &TWILIO_MESSAGE_SERVICE_SID.definition,
    &VONAGE_API_KEY.definition,
    &VONAGE_API_SECRET.definition,
    &VONAGE_FROM.definition,
    &MESSAGEBIRD_ACCESS_KEY.definition,
    &MESSAGEBIRD_ORIGINATOR.definition,
    &TEXTLOCAL_API_KEY.definition,
    &TEXTLOCAL_SENDER.definition,
    &WEBHOOK_URL.definition,
    &WEBHOOK_SECRET.definition,
];
