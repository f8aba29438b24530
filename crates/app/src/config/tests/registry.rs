//! Walks every definition of the program.

use std::collections::BTreeMap;

use base::setting::State;

use super::super::registry::all;
use super::*;

/// Settings that protect nothing: where things are and what they are called.
const WITHOUT_CONTROL: &[&str] = &[
    "auth.anonymous_users",
    "auth.autoconfirm",
    "auth.captcha.enabled",
    "auth.captcha.provider",
    "auth.captcha.secret",
    "auth.captcha.site_key",
    "auth.captcha.verify_url",
    "auth.captcha.work",
    "auth.custom_providers.enabled",
    "auth.custom_providers.max",
    "auth.disable_signup",
    "auth.email_enabled",
    "auth.external_url",
    "auth.flow_state_expiry",
    "auth.hashing_permits",
    "auth.hooks.after_user_created.enabled",
    "auth.hooks.after_user_created.secrets",
    "auth.hooks.after_user_created.uri",
    "auth.hooks.before_user_created.enabled",
    "auth.hooks.before_user_created.secrets",
    "auth.hooks.before_user_created.uri",
    "auth.hooks.custom_access_token.enabled",
    "auth.hooks.custom_access_token.secrets",
    "auth.hooks.custom_access_token.uri",
    "auth.hooks.mfa_verification_attempt.enabled",
    "auth.hooks.mfa_verification_attempt.secrets",
    "auth.hooks.mfa_verification_attempt.uri",
    "auth.hooks.password_verification_attempt.enabled",
    "auth.hooks.password_verification_attempt.secrets",
    "auth.hooks.password_verification_attempt.uri",
    "auth.hooks.send_email.enabled",
    "auth.hooks.send_email.secrets",
    "auth.hooks.send_email.uri",
    "auth.hooks.send_sms.enabled",
    "auth.hooks.send_sms.secrets",
    "auth.hooks.send_sms.uri",
    "auth.jwt_audience",
    "auth.jwt_issuer",
    "auth.links_path",
    "auth.magic_links",
    "auth.mail_max_frequency",
    "auth.mail_sent_max",
    "auth.manual_linking",
    "auth.new_device_mails",
    "auth.oauth_server.allow_dynamic_registration",
    "auth.oauth_server.authorization_path",
    "auth.oauth_server.authorization_ttl",
    "auth.oauth_server.default_scope",
    "auth.oauth_server.require_state",
    "auth.oidc_providers",
    "auth.otp_expiry",
    "auth.otp_length",
    "auth.password_breached_api_url",
    "auth.phone_enabled",
    "auth.scim.enabled",
    "auth.second_prefix",
    "auth.secure_email_change",
    "auth.single_session",
    "auth.site_url",
    "auth.texts_sent_max",
    "auth.uri_allow_list",
    "data.aggregates",
    "data.extra_search_path",
    "data.max_rows",
    "data.pre_request",
    "database.pg_bin",
    "detection.canaries.ban",
    "detection.canaries.paths",
    "email.file_dir",
    "email.from_address",
    "email.from_name",
    "email.locale",
    "email.outbox_retention",
    "email.smtp_ca_file",
    "email.smtp_host",
    "email.smtp_port",
    "email.smtp_security",
    "email.smtp_user",
    "email.subject_confirmation",
    "email.subject_email_change",
    "email.subject_email_changed_notification",
    "email.subject_identity_linked_notification",
    "email.subject_identity_unlinked_notification",
    "email.subject_invite",
    "email.subject_magic_link",
    "email.subject_mfa_factor_enrolled_notification",
    "email.subject_mfa_factor_unenrolled_notification",
    "email.subject_password_changed_notification",
    "email.subject_phone_changed_notification",
    "email.subject_reauthentication",
    "email.subject_recovery",
    "email.templates_dir",
    "jobs.dead_retention",
    "jobs.workers",
    "outbound.allow",
    "outbound.ca_file",
    "realtime.enabled",
    "realtime.public_channels",
    "server.admin.client_ca_file",
    "server.admin.listen",
    "server.hosts",
    "sms.api_url",
    "sms.autoconfirm",
    "sms.max_frequency",
    "sms.messagebird_originator",
    "sms.otp_expiry",
    "sms.otp_length",
    "sms.provider",
    "sms.template",
    "sms.test_otp_valid_until",
    "sms.textlocal_sender",
    "sms.twilio_account_sid",
    "sms.twilio_message_service_sid",
    "sms.vonage_api_key",
    "sms.vonage_from",
    "sms.webhook_url",
    "strict_env",
];

/// The number of settings that a guide names and that do nothing yet. Lower it when one is built; never raise it.
const NOT_YET: usize = 5;

/// Settings whose reader is being built. It only shrinks, and is empty when this issue is done.
const NOT_READ: &[&str] = &[];

#[test]
fn names_aliases_and_variables_are_unique() {
    let mut seen = BTreeMap::new();
    for definition in all() {
        let names = definition.also.iter().map(|alias| alias.name.to_owned());
        for name in names.chain([definition.name.to_owned(), definition.variable()]) {
            if let Some(other) = seen.insert(name.clone(), definition.name) {
                panic!("{name} names both {other} and {}", definition.name);
            }
        }
    }
}

#[test]
fn every_default_is_a_value_the_setting_takes() {
    for definition in all() {
        let Some(default) = definition.default else { continue };
        let value = Value::Scalar(default.to_owned());
        let accepted = definition.accept(&value);
        // An empty list has no item to be among the choices.
        assert!(accepted.is_ok() || default.is_empty(), "{}: {accepted:?}", definition.name);
        assert!(definition.refusal(&value).is_none(), "{}", definition.name);
        for bound in definition.range.iter().flat_map(|(low, high)| [low, high]) {
            let bound = definition.accept(&Value::Scalar((*bound).to_owned()));
            assert!(bound.is_ok(), "{}: {bound:?}", definition.name);
        }
    }
}

#[test]
fn every_setting_says_what_it_changes_and_which_control_proves_it() {
    for definition in all() {
        assert!(!definition.changes.is_empty(), "{} says nothing", definition.name);
        assert!(!definition.changes.ends_with('.'), "{} completes the sentence \"Sets …\"", definition.name);
        assert!(definition.proven_by.iter().all(|number| (1..=150).contains(number)), "{}", definition.name);
    }
    let free: Vec<&str> = all()
        .iter()
        .filter(|definition| definition.proven_by.is_empty())
        // Which sign-in of somebody else's is where: one group for each of them.
        .filter(|definition| !definition.name.starts_with("auth.external."))
        .map(|definition| definition.name)
        .collect();
    assert_eq!(free, WITHOUT_CONTROL, "a setting that protects something names the control that proves it");
}

#[test]
fn every_name_of_both_guides_is_a_setting() {
    // docs/guides/snippets has all but these, which the guides print elsewhere.
    let elsewhere = ["S3_SSE_KMS_KEY_ID", "JWT_SECRET"];
    let env = include_str!("../../../../../docs/guides/snippets/appflowy.env");
    let known: Vec<String> = all()
        .iter()
        .flat_map(|definition| {
            definition.also.iter().map(|alias| alias.name.to_owned()).chain([definition.name.to_owned()])
        })
        .collect();
    let names = dotenv::parse(env).unwrap().into_keys().chain(elsewhere.map(str::to_owned));
    for name in names {
        assert!(known.contains(&name), "{name}");
    }
    let secret =
        all().into_iter().find(|definition| definition.also.iter().any(|alias| alias.name == "JWT_SECRET"));
    assert_eq!(
        secret.map(|definition| definition.shape),
        Some(base::setting::Shape::Secret),
        "JWT_SECRET_FILE works"
    );
}

#[test]
fn what_is_not_yet_effective_only_shrinks() {
    let count = all().iter().filter(|definition| definition.state != State::Effective).count();
    assert_eq!(count, NOT_YET, "lower the number when a setting takes effect; never raise it");
}

#[test]
fn every_effective_setting_is_read_or_effective_by_its_refusal() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut sources = Vec::new();
    for krate in std::fs::read_dir(root.join("crates")).unwrap() {
        collect(&krate.unwrap().path().join("src"), &mut sources);
    }
    // One macro defines these for every provider; a field of its struct that nothing reads is the compiler's to find.
    let of_a_provider = |name: &str| {
        let own = ["apple.team_id", "apple.key_id", "apple.private_key"];
        name.strip_prefix("auth.external.").is_some_and(|rest| !own.contains(&rest))
    };
    let mut unread = Vec::new();
    for definition in all()
        .iter()
        .filter(|definition| definition.state == State::Effective && definition.refused.is_empty())
        .filter(|definition| !of_a_provider(definition.name))
    {
        let written = format!("\"{}\"", definition.name);
        let Some(constant) = sources.iter().find_map(|text| constant_before(text, &written)) else {
            panic!("no static defines {}", definition.name)
        };
        // `&NAME)` or `&settings::NAME,` outside its own definition hands the setting to whoever reads it.
        let read = |text: &String| {
            [")", ",", "\n"].iter().any(|end| {
                text.match_indices(&format!("{constant}{end}")).any(|(at, _)| {
                    let path = text
                        .get(..at)
                        .and_then(|before| before.rsplit_once('&'))
                        .map_or("(", |(_, path)| path);
                    path.is_empty() || path.ends_with("::") && !path.contains(['(', ' '])
                })
            })
        };
        if !sources.iter().any(read) {
            unread.push(definition.name);
        }
    }
    assert_eq!(unread, NOT_READ, "a setting that nothing reads is a setting without effect");
}

/// The name of the static whose definition has `written`.
fn constant_before(text: &str, written: &str) -> Option<String> {
    text.match_indices(written).find_map(|(at, _)| {
        let before = text.get(..at)?.trim_end();
        let opened =
            before.strip_suffix("Setting::new(").or_else(|| before.strip_suffix("Setting::unset("))?;
        let (_, after) = opened.rsplit_once("pub static ")?;
        after.split(':').next().map(str::to_owned)
    })
}

fn collect(folder: &Path, sources: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            sources.push(std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn the_reference_pages_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (path, text) in docs::pages() {
        let held = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        assert!(held == text, "docs/{path} is not current: run cargo xtask docs");
    }
}
