//! Whom hooks are asked at: read from the settings once, refused at the start when it cannot be.

use base::{Secret, Settings};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Hook;
use crate::{Error, settings};

/// Where one hook is asked.
pub(crate) enum Target {
    Http { url: String, secrets: Vec<Secret<Vec<u8>>>, clear_text: bool },
    Function { call: String },
}

/// Every hook that is on.
pub(crate) struct Hooks(Vec<(Hook, Target)>);

impl Hooks {
    pub(crate) fn from_settings(given: &Settings) -> Result<Self, Error> {
        let named = [
            (
                Hook::CustomAccessToken,
                given.get(&settings::HOOK_TOKEN_URI),
                given.get(&settings::HOOK_TOKEN_SECRETS),
                given.get(&settings::HOOK_TOKEN_ENABLED),
            ),
            (
                Hook::BeforeUserCreated,
                given.get(&settings::HOOK_USER_URI),
                given.get(&settings::HOOK_USER_SECRETS),
                given.get(&settings::HOOK_USER_ENABLED),
            ),
            (
                Hook::PasswordVerificationAttempt,
                given.get(&settings::HOOK_PASSWORD_URI),
                given.get(&settings::HOOK_PASSWORD_SECRETS),
                given.get(&settings::HOOK_PASSWORD_ENABLED),
            ),
            (
                Hook::MfaVerificationAttempt,
                given.get(&settings::HOOK_MFA_URI),
                given.get(&settings::HOOK_MFA_SECRETS),
                given.get(&settings::HOOK_MFA_ENABLED),
            ),
            (
                Hook::AfterUserCreated,
                given.get(&settings::HOOK_AFTER_USER_URI),
                given.get(&settings::HOOK_AFTER_USER_SECRETS),
                given.get(&settings::HOOK_AFTER_USER_ENABLED),
            ),
            (
                Hook::SendEmail,
                given.get(&settings::HOOK_EMAIL_URI),
                given.get(&settings::HOOK_EMAIL_SECRETS),
                given.get(&settings::HOOK_EMAIL_ENABLED),
            ),
            (
                Hook::SendSms,
                given.get(&settings::HOOK_SMS_URI),
                given.get(&settings::HOOK_SMS_SECRETS),
                given.get(&settings::HOOK_SMS_ENABLED),
            ),
        ];
        let mut on = Vec::new();
        for (hook, uri, secrets, enabled) in named {
            if let Some(uri) = uri.filter(|_| enabled) {
                on.push((hook, read(&uri, secrets)?));
            }
        }
        Ok(Hooks(on))
    }

    pub(crate) fn target(&self, hook: Hook) -> Option<&Target> {
        self.0.iter().find(|(known, _)| *known == hook).map(|(_, target)| target)
    }
}

fn read(uri: &str, secrets: Option<Secret<String>>) -> Result<Target, Error> {
    let refuse = |what: &'static str, fix: &'static str| Err(Error::Unsafe { what, fix });
    if let Some(path) = uri.strip_prefix("pg-functions://") {
        let mut parts = path.split('/');
        return match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("postgres"), Some(schema), Some(function), None)
                if is_name(schema) && is_name(function) =>
            {
                let call = format!("select \"{schema}\".\"{function}\"($1::jsonb)::jsonb as answer");
                Ok(Target::Function { call })
            }
            _ => refuse("a hook's function is not named", "write pg-functions://postgres/schema/function"),
        };
    }
    let local = ["http://localhost", "http://127.0.0.1", "http://[::1]", "http://host.docker.internal"];
    let clear_text = local.iter().any(|place| {
        uri.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    });
    if !uri.starts_with("https://") && !clear_text {
        return refuse("a hook is not asked over https", "use https, or http on this very machine");
    }
    let Some(secrets) = secrets else {
        return refuse(
            "a hook has no secret to sign with",
            "set its secrets: v1,whsec_ and 32 random bytes in base64",
        );
    };
    let secrets: Option<Vec<_>> = secrets.expose().split('|').map(read_secret).collect();
    match secrets {
        Some(secrets) => Ok(Target::Http { url: uri.to_owned(), secrets, clear_text }),
        None => {
            refuse("a hook's secret cannot be read", "write v1,whsec_ and at least 24 random bytes in base64")
        }
    }
}

/// Lower-case identifiers, as hooks are written: nothing that would have to be quoted.
fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    first
        && text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn read_secret(text: &str) -> Option<Secret<Vec<u8>>> {
    let encoded = text.trim().strip_prefix("v1,whsec_")?;
    let bytes = STANDARD.decode(encoded).ok()?;
    (bytes.len() >= 24).then(|| Secret::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(uri: &str, secrets: Option<&str>) -> Result<Target, Error> {
        read(uri, secrets.map(|text| Secret::new(text.to_owned())))
    }

    #[test]
    fn only_what_is_safe_to_ask_is_asked() {
        let secret = format!("v1,whsec_{}", STANDARD.encode([7; 32]));
        let two = format!("{secret}|{secret}");
        assert!(
            matches!(read_of("https://example.com/hook", Some(&two)), Ok(Target::Http { secrets, .. }) if secrets.len() == 2)
        );
        assert!(read_of("http://localhost:3000/hook", Some(&secret)).is_ok());
        assert!(matches!(
            read_of("pg-functions://postgres/public/my_hook", None),
            Ok(Target::Function { .. })
        ));
        for (uri, secrets) in [
            ("http://example.com/hook", Some(secret.as_str())),
            ("http://localhost.example.com/hook", Some(&secret)),
            ("https://example.com/hook", None),
            ("https://example.com/hook", Some("v1,whsec_c2hvcnQ=")),
            ("https://example.com/hook", Some("plain")),
            ("pg-functions://postgres/public", None),
            ("pg-functions://postgres/public/f\"; drop table x; --", None),
            ("pg-functions://other/public/f", None),
            ("ftp://example.com", Some(&secret)),
        ] {
            assert!(read_of(uri, secrets).is_err(), "{uri}");
        }
    }
}
