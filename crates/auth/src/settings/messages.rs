//! What an operator can set about the messages that leave: how many, and which are sent unasked.

use base::setting::{Alias, Definition, Guide, Setting};

/// Most mails with links or codes.
pub static MAIL_SENT_MAX: Setting<Option<String>> = Setting::unset("auth.mail_sent_max")
    .also(&[Alias::same("GOTRUE_RATE_LIMIT_EMAIL_SENT", Guide::Other)])
    .changes(
        "how many mails with links or codes leave in an hour, for everybody together: a number, or a number and a time (100/30m); \
         0 for none, as many as are asked for when unset. More are refused (over_email_send_rate_limit)",
    );

/// Most texts with codes.
pub static TEXTS_SENT_MAX: Setting<Option<String>> = Setting::unset("auth.texts_sent_max")
    .also(&[Alias::same("GOTRUE_RATE_LIMIT_SMS_SENT", Guide::Other)])
    .changes(
        "how many texts with codes leave in an hour, for everybody together: a number, or a number and a time (100/30m); 0 for \
         none, as many as are asked for when unset. More are refused (over_sms_send_rate_limit)",
    );

/// Mails about sign-ins with new devices.
pub static NEW_DEVICE_MAILS: Setting<bool> = Setting::new("auth.new_device_mails", "true").changes(
    "people are told by mail when somebody signs in to their account with a program or from a network that was not seen there \
     before, without the cookie of a known device",
);

/// The settings of messages.
pub const MESSAGE_SETTINGS: &[&Definition] =
    &[&MAIL_SENT_MAX.definition, &TEXTS_SENT_MAX.definition, &NEW_DEVICE_MAILS.definition];
