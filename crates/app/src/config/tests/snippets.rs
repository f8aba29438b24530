//! Both guides, fed as they are printed (with only the substitutions that `docs/guides/snippets` allows): every line is in
//! force or refused by name. These two lists are the ratchet: a line only ever moves from the second to the first.

use super::*;

const SECRETS: &[(&str, &str)] = &[
    ("JWT_SECRET", "3q2-71ZQm8sV0hYc5uE4kTnRwXaGpLdJbFiOyCvNzMtU"),
    ("DATABASE_URL", "postgres://palisade:generated@db.test:5432/app?sslmode=require"),
    ("SMTP_PASSWORD", "generated-for-this-test"),
];

/// What a snippet's names came to: in force, and refused as not built yet.
#[track_caller]
fn partition(start: &Start, names: &[String]) -> (Vec<String>, Vec<String>) {
    let refused: Vec<Problem> = start.load().err().map(|problems| problems.all).unwrap_or_default();
    let (odd, refused): (Vec<_>, Vec<_>) =
        refused.into_iter().partition(|problem| problem.kind != ProblemKind::NotYet);
    // AppFlowy's guide lists SMS and names nobody who sends it: that fails closed, with its reason.
    let is_expected =
        |problem: &&Problem| &*problem.name == "mfa.methods" && problem.what.contains("SMS provider");
    let odd: Vec<_> = odd.iter().filter(|problem| !is_expected(problem)).collect();
    assert!(odd.is_empty(), "{odd:#?}");
    let refused: Vec<String> = refused.into_iter().flat_map(|problem| names_of(&problem.name)).collect();
    let (refused_here, effective) = names.iter().cloned().partition(|name| refused.contains(name));
    (effective, refused_here)
}

/// Every name of the setting that has this name: the environment wins over the file, under a name of its own.
fn names_of(name: &str) -> Vec<String> {
    let all = definitions();
    let named = |definition: &&&Definition| {
        definition.name == name || definition.also.iter().any(|alias| alias.name == name)
    };
    let Some(definition) = all.iter().find(named) else { return vec![name.to_owned()] };
    definition.also.iter().map(|alias| alias.name.to_owned()).chain([definition.name.to_owned()]).collect()
}

#[track_caller]
fn list(names: &[String], expect: &str) {
    assert_eq!(names.join("\n"), expect.split_whitespace().collect::<Vec<_>>().join("\n"));
}

#[test]
fn the_appflowy_guide_is_in_force_or_refused_by_name() {
    let text = include_str!("../../../../../docs/guides/snippets/appflowy.env");
    let text = text.replace("your-32-byte-hex-key", &"5c".repeat(32));
    let variables: Vec<(&'static str, &'static str)> = dotenv::parse(&text)
        .unwrap()
        .into_iter()
        .map(|(name, value)| (&*name.leak(), &*value.leak()))
        .collect();
    let names: Vec<String> = variables.iter().map(|(name, _)| (*name).to_owned()).collect();
    let start = Start { variables, ..Start::default() };

    let (effective, refused) = partition(&start, &names);

    list(&effective, "AUDIT_LOG_FILE AUDIT_LOG_LEVEL ENABLE_AUDIT_LOG ENFORCE_HTTPS GOTRUE_JWT_EXP GOTRUE_MFA_ENABLED GOTRUE_MFA_METHODS GOTRUE_MFA_REQUIRED GOTRUE_PASSWORD_MIN_LENGTH GOTRUE_PASSWORD_REQUIRED_CHARACTERS
         GOTRUE_REFRESH_TOKEN_EXP GOTRUE_SAML_CERTIFICATE GOTRUE_SAML_ENABLED GOTRUE_SAML_ENTITY_ID GOTRUE_SAML_METADATA_URL
         GOTRUE_SAML_SSO_URL GOTRUE_SECURITY_REQUIRE_REAUTH LOG_ADMIN_ACTIONS LOG_AUTH_EVENTS POSTGRES_INITDB_ARGS POSTGRES_SSL_MODE REDIS_TLS_ENABLED WS_REQUIRE_TLS");
    list(
        &refused,
        "LOG_DATA_ACCESS MINIO_KMS_SECRET_KEY MINIO_SERVER_SIDE_ENCRYPTION          S3_SERVER_SIDE_ENCRYPTION",
    );
    assert!(start.load().map(|loaded| loaded.not_effective).unwrap_or_default().is_empty());
}

#[test]
fn the_fluxbase_guide_is_in_force_or_refused_by_name() {
    let text = include_str!("../../../../../docs/guides/snippets/fluxbase.yaml");
    let start = Start { file: text, variables: SECRETS.to_vec(), ..Start::default() };
    let mut names = Vec::new();
    leaves(&definitions(), "", &file::parse(text).unwrap(), &mut names);

    let (effective, refused) = partition(&start, &names);

    list(
        &effective,
        "auth.password_min_length auth.password_require_uppercase auth.password_require_lowercase auth.password_require_number
         auth.password_require_special auth.password_max_age_days auth.require_2fa_for_admins auth.require_2fa_for_sensitive_ops auth.access_token_expiry auth.refresh_token_expiry auth.refresh_token_rotation
         auth.max_login_attempts auth.lockout_duration auth.lockout_type auth.jwt_secret auth.saml_providers graphql.enabled graphql.max_depth graphql.max_complexity graphql.introspection database.url database.max_connections database.ssl_mode server.port server.tls.enabled server.tls.cert_file server.tls.key_file
         server.tls.min_version server.cors.allowed_origins server.cors.allowed_methods server.cors.allowed_headers
         server.cors.allow_credentials server.cors.max_age rate_limiting.enabled rate_limiting.per_minute
         rate_limiting.per_hour rate_limiting.endpoints security.headers.content_security_policy
         security.headers.x_frame_options security.headers.strict_transport_security email.smtp_password logging.level logging.audit_enabled logging.audit_log_file logging.audit_events
         alerts.failed_logins.threshold alerts.failed_logins.window
         alerts.failed_logins.action alerts.unusual_api_activity.threshold alerts.unusual_api_activity.window
         alerts.unusual_api_activity.action alerts.admin_actions.threshold alerts.admin_actions.window
         alerts.admin_actions.action monitoring.enabled monitoring.port monitoring.path metrics",
    );
    list(&refused, "");
}

/// Every setting of a file, in the order written.
fn leaves(definitions: &[&'static Definition], above: &str, node: &file::Node, names: &mut Vec<String>) {
    let is_setting = definitions.iter().any(|definition| definition.name == above);
    match &node.kind {
        file::Kind::Map(entries) if !is_setting => {
            for (key, below) in entries {
                let name = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
                leaves(definitions, &name, below, names);
            }
        }
        file::Kind::Nothing | file::Kind::Text(_) | file::Kind::List(_) | file::Kind::Map(_) => {
            names.push(above.to_owned())
        }
    }
}
