//! Fluxbase's guide: its subjects, its lines, in its order. The published text lost most headings; these are its subjects.

use super::{Line, Section, line};

pub(super) const SECTIONS: &[Section] = &[
    Section { heading: "Passwords", lines: PASSWORDS },
    Section { heading: "Two-factor authentication", lines: TWO_FACTORS },
    Section { heading: "Tokens and sessions", lines: TOKENS },
    Section { heading: "Account lockout", lines: LOCKOUT },
    Section { heading: "Row level security", lines: ROWS },
    Section { heading: "SAML SSO", lines: SAML },
    Section { heading: "GraphQL", lines: GRAPHQL },
    Section { heading: "Database users and connections", lines: DATABASE },
    Section { heading: "Database backups and auditing", lines: BACKUPS },
    Section { heading: "HTTPS and certificates", lines: TLS },
    Section { heading: "Firewall", lines: FIREWALL },
    Section { heading: "Rate limiting", lines: RATES },
    Section { heading: "CORS and security headers", lines: HEADERS },
    Section { heading: "Secrets", lines: SECRETS },
    Section { heading: "Input validation", lines: VALIDATION },
    Section { heading: "Error handling", lines: ERRORS },
    Section { heading: "Audit logs, alerts and monitoring", lines: LOGS },
    Section { heading: "Containers", lines: CONTAINERS },
    Section { heading: "Incident response and recovery", lines: INCIDENTS },
    Section { heading: "Checklist before deployment", lines: CHECKLIST },
    Section { heading: "Regular maintenance", lines: CADENCE },
];

const PASSWORDS: &[Line] = &[
    line("`auth.password_min_length: 12`", &[18]),
    line("`auth.password_require_uppercase/lowercase/number/special`", &[19]),
    line("`auth.password_max_age_days: 90`", &[20]),
    line("`validatePassword` in the client", &[21]),
];

const TWO_FACTORS: &[Line] = &[
    line("`setup2FA()`, the QR code, `enable2FA({ code })`", &[22]),
    line("`auth.require_2fa_for_admins: true`", &[25]),
    line("`auth.require_2fa_for_sensitive_ops: true`", &[26]),
];

const TOKENS: &[Line] = &[
    line("`auth.access_token_expiry: \"15m\"`", &[27]),
    line("`auth.refresh_token_expiry: \"7d\"`", &[28]),
    line("`auth.refresh_token_rotation: true`", &[29]),
    line("`signOut()` adds the token to a blacklist; `checkTokenBlacklist`", &[30]),
];

const LOCKOUT: &[Line] =
    &[line("`max_login_attempts: 5`, `lockout_duration: \"15m\"`, `lockout_type: \"ip_and_email\"`", &[31])];

const ROWS: &[Line] = &[
    line("`ENABLE ROW LEVEL SECURITY` on ALL user tables", &[40]),
    line("`FORCE ROW LEVEL SECURITY`", &[41]),
    line("`CREATE POLICY user_isolation … USING … WITH CHECK`", &[42]),
];

const SAML: &[Line] = &[
    line("`saml_providers[]`: name, enabled", &[32]),
    line("`idp_metadata_url`", &[33]),
    line("`allow_idp_initiated: false`", &[35]),
    line("The Audience element is checked", &[36]),
    line("`allowed_redirect_hosts`", &[37]),
    line("`allow_insecure_metadata_url: false`", &[38]),
    line("User attributes are sanitized", &[39]),
];

const GRAPHQL: &[Line] = &[
    line("`graphql.max_depth: 10`", &[43]),
    line("`graphql.max_complexity: 1000`", &[44]),
    line("`graphql.introspection: false`", &[45]),
    line("`SET LOCAL ROLE` and `request.jwt.claims`", &[46]),
    line("The role mapping", &[47]),
    line("Foreign key traversals respect RLS", &[48]),
    line("Policies on JWT claims: `current_setting('request.jwt.claims')`", &[49]),
];

const DATABASE: &[Line] = &[
    line("`CREATE USER fluxbase_app` with minimal grants", &[50]),
    line("`REVOKE CREATE ON SCHEMA public`, `REVOKE ALL ON SCHEMA pg_catalog`", &[51]),
    line("`CREATE USER readonly_user`", &[52]),
    line("`database.url …?sslmode=require`, `ssl_mode`", &[53]),
    line("`postgresql.conf`: `ssl`, `ssl_cert_file`, `ssl_key_file`, `ssl_ca_file`", &[54]),
    line("`database.max_connections: 50`", &[55]),
];

const BACKUPS: &[Line] = &[
    line("`backup.sh`: `pg_dump`", &[83]),
    line("`gpg --encrypt --recipient`", &[90]),
    line("`find … -mtime +30 -delete`", &[86]),
    line("`0 2 * * *`", &[87]),
    line("`CREATE EXTENSION pgaudit`, `pgaudit.log = 'write, ddl'` …", &[56]),
    line("Parameterized queries, no concatenation", &[57]),
];

const TLS: &[Line] = &[
    line("`server.port: 443`, `server.tls.enabled/cert_file/key_file`", &[7]),
    line("`server.tls.min_version: \"1.2\"`", &[10]),
    line("`certbot certonly --standalone`", &[1]),
    line("`0 0 1 * * certbot renew && systemctl reload`", &[5]),
];

const FIREWALL: &[Line] = &[
    line("`ufw default deny incoming`; `iptables -P INPUT DROP`", &[66]),
    line("Only 22, 80 and 443", &[67]),
    line("5432 only from 10.0.0.0/8", &[68]),
];

const RATES: &[Line] = &[
    line("`rate_limiting.per_minute: 60`, `per_hour: 1000`", &[71]),
    line("`endpoints[]`: login 5/20, signup 3/10, password reset 2/5", &[72]),
];

const HEADERS: &[Line] = &[
    line("`server.cors.allowed_origins`: specific origins, never `*`", &[73]),
    line("`allowed_methods`, `allowed_headers`, `allow_credentials`, `max_age: 3600`", &[74]),
    line("`X-CSRF-Token`", &[75]),
    line("`content_security_policy: \"default-src 'self'\"`", &[80]),
    line("`x_frame_options: \"DENY\"`", &[76]),
    line("`strict_transport_security`", &[13]),
];

const SECRETS: &[Line] = &[
    line("`.gitignore`", &[113]),
    line("`git secrets --scan`, `trufflehog filesystem .`", &[114]),
    line("`${DATABASE_URL}`, `${JWT_SECRET}`, `${SMTP_PASSWORD}`", &[115]),
    line("`JWT_SECRET=your-super-secret-key-min-32-chars`", &[116]),
    line("Docker secrets: `JWT_SECRET_FILE`", &[117]),
    line("Kubernetes secrets, `secretKeyRef`, RBAC", &[118]),
    line("AWS Secrets Manager", &[119]),
    line("`rotate-secrets.sh`", &[120]),
];

const VALIDATION: &[Line] = &[
    line("`validateUserInput`: e-mail, name 2 to 100, age 0 to 150, URL", &[121]),
    line("`DOMPurify.sanitize`", &[122]),
    line("`validateUpload`: jpeg, png, gif, 5 MB", &[123]),
    line("`zod` schemas", &[124]),
    line("`debounce` 1000", &[125]),
];

const ERRORS: &[Line] = &[
    line("\"Invalid email or password\", whatever was wrong", &[126]),
    line("Never log passwords and tokens", &[101]),
    line("Global error handler: \"An unexpected error occurred\"", &[127]),
];

const LOGS: &[Line] = &[
    line("`logging.level: \"info\"`", &[102]),
    line("`logging.audit_enabled: true`", &[92]),
    line("`logging.audit_log_file`", &[94]),
    line("`logging.audit_events`", &[98]),
    line("alert `failed_logins`: 10 in 5m, notify_admin", &[107]),
    line("alert `unusual_api_activity`: 1000 in 1m, rate_limit", &[108]),
    line("alert `admin_actions`: 1 in 0s, log_and_notify", &[109]),
    line("winston: JSON, `error.log`, `combined.log`", &[100]),
    line("`monitoring.enabled/port/path`, the six metrics", &[110]),
];

const CONTAINERS: &[Line] = &[
    line("`docker scan`, `trivy image`, `snyk container test`", &[111]),
    line("Non-root user 1001", &[128]),
    line("`read_only: true`, tmpfs `/tmp` and `/var/run`", &[129]),
    line("Limits: 2 CPUs, 2G; reservations 1 and 1G", &[130]),
    line("Kubernetes `securityContext`", &[131]),
];

const INCIDENTS: &[Line] = &[
    line("Detection, containment, eradication, recovery, post-incident", &[141]),
    line("Isolate, block IPs, revoke credentials, more logging", &[145]),
    line("Document the incident, conduct a retrospective", &[143]),
    line("`disaster-recovery.sh`", &[91]),
    line("`contacts.yaml`", &[144]),
];

const CHECKLIST: &[Line] = &[
    line("The 17 items as a whole", &[139]),
    line("Strong password policies enforced", &[18, 19]),
    line("2FA enabled for admin accounts", &[25]),
    line("HTTPS/TLS configured with valid certificates", &[1, 10]),
    line("Database connections encrypted", &[53]),
    line("RLS policies reviewed and tested", &[40, 42]),
    line("Rate limiting configured", &[71, 72]),
    line("Security headers configured", &[76, 80]),
    line("CORS properly configured", &[73]),
    line("Secrets stored securely (not in code)", &[113, 115]),
    line("Input validation implemented", &[121]),
    line("Error handling doesn't leak information", &[126, 127]),
    line("Audit logging enabled", &[92]),
    line("Backup strategy implemented", &[83]),
    line("Firewall rules configured", &[66]),
    line("Container security scanning passed", &[111]),
    line("Dependency vulnerabilities resolved", &[112]),
    line("Penetration testing completed", &[146]),
];

const CADENCE: &[Line] = &[
    line("The nine duties as a whole", &[140]),
    line("Monitor logs daily, review audit logs weekly", &[92]),
    line("Update dependencies monthly", &[112]),
    line("Rotate secrets quarterly", &[120]),
    line("Conduct security audits annually", &[146]),
    line("Test backups monthly", &[88]),
    line("Review access controls quarterly", &[147]),
];
