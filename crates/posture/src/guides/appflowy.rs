//! AppFlowy's guide: its headings, its lines, in its order.

use super::{Line, Section, line};

pub(super) const SECTIONS: &[Section] = &[
    Section { heading: "SSL/TLS Configuration", lines: TLS },
    Section { heading: "Using Custom SSL Certificates", lines: OWN_CERTIFICATES },
    Section { heading: "SSL Best Practices", lines: TLS_PRACTICE },
    Section { heading: "Strong Password Policies", lines: PASSWORDS },
    Section { heading: "Multi-Factor Authentication (MFA)", lines: MFA },
    Section { heading: "Session Management", lines: SESSIONS },
    Section { heading: "Single Sign-On (SSO)", lines: SSO },
    Section { heading: "Encryption at Rest", lines: AT_REST },
    Section { heading: "Encryption in Transit", lines: IN_TRANSIT },
    Section { heading: "Firewall Configuration", lines: FIREWALL },
    Section { heading: "Docker Network Isolation", lines: DOCKER },
    Section { heading: "Security Headers", lines: HEADERS },
    Section { heading: "Automated Database Backups", lines: BACKUPS },
    Section { heading: "Off-Site Backup Storage", lines: OFF_SITE },
    Section { heading: "Audit Logging", lines: AUDIT },
    Section { heading: "Centralized Logging", lines: CENTRAL },
    Section { heading: "Intrusion Detection", lines: DETECTION },
    Section { heading: "Security Scanning", lines: SCANNING },
    Section { heading: "Compliance & Standards", lines: COMPLIANCE },
    Section { heading: "Security Checklist", lines: CHECKLIST },
    Section { heading: "Security Best Practices", lines: PRACTICE },
    Section { heading: "Getting Help", lines: HELP },
];

const TLS: &[Line] = &[
    line("Install Certbot; `certbot --nginx -d appflowy.yourdomain.com`; e-mail, terms of service", &[1]),
    line("Choose whether to redirect HTTP to HTTPS (recommended: Yes)", &[2]),
    line("`certbot certificates`: check the expiry date and renewal status", &[3]),
    line("`certbot renew --dry-run`", &[4]),
    line("`systemctl status certbot.timer`", &[5]),
    line("Ensure ports 80 and 443 are open before obtaining certificates", &[6]),
];

const OWN_CERTIFICATES: &[Line] = &[
    line("Copy certificates to the server; `ssl_certificate`, `ssl_certificate_key`", &[7]),
    line("`chmod 600` the key, `chmod 644` the certificate", &[8]),
    line("`listen 443 ssl http2`", &[9]),
    line("`nginx -t`; `systemctl reload nginx`", &[17]),
];

const TLS_PRACTICE: &[Line] = &[
    line("`ssl_protocols TLSv1.2 TLSv1.3`", &[10]),
    line("`ssl_ciphers 'ECDHE-…-GCM-…'`", &[11]),
    line("`ssl_prefer_server_ciphers on`", &[12]),
    line("`Strict-Transport-Security \"max-age=31536000; includeSubDomains\" always`", &[13]),
    line("`ssl_session_tickets off`", &[14]),
    line("`ssl_stapling on; ssl_stapling_verify on; ssl_trusted_certificate …`", &[15]),
    line("`ssl_dhparam`; `openssl dhparam … 4096`", &[16]),
];

const PASSWORDS: &[Line] = &[
    line("`GOTRUE_PASSWORD_MIN_LENGTH=12`", &[18]),
    line("`GOTRUE_PASSWORD_REQUIRED_CHARACTERS=lower,upper,number,special`", &[19]),
];

const MFA: &[Line] = &[
    line("`GOTRUE_MFA_ENABLED=true`", &[22]),
    line("`GOTRUE_MFA_METHODS=totp,sms`", &[23]),
    line("`GOTRUE_MFA_REQUIRED=true`", &[24]),
];

const SESSIONS: &[Line] = &[
    line("`GOTRUE_JWT_EXP=3600`", &[27]),
    line("`GOTRUE_REFRESH_TOKEN_EXP=604800`", &[28]),
    line("`GOTRUE_SECURITY_REQUIRE_REAUTH=true`", &[26]),
];

const SSO: &[Line] = &[
    line("`GOTRUE_SAML_ENABLED=true`", &[32]),
    line("`GOTRUE_SAML_METADATA_URL`", &[33]),
    line("`GOTRUE_SAML_ENTITY_ID`, `GOTRUE_SAML_SSO_URL`, `GOTRUE_SAML_CERTIFICATE`", &[34]),
];

const AT_REST: &[Line] = &[
    line("Encrypted volume for PostgreSQL: `/encrypted/volume/postgres`", &[58]),
    line("`POSTGRES_INITDB_ARGS=\"--data-checksums\"`", &[59]),
    line("`MINIO_SERVER_SIDE_ENCRYPTION=on`, `MINIO_KMS_SECRET_KEY`", &[60]),
    line("`S3_SERVER_SIDE_ENCRYPTION=AES256` or `aws:kms`, `S3_SSE_KMS_KEY_ID`", &[61]),
    line("Encrypt Redis persistence: `/encrypted/volume/redis`", &[62]),
];

const IN_TRANSIT: &[Line] = &[
    line("`ENFORCE_HTTPS=true`", &[2]),
    line("`WS_REQUIRE_TLS=true`", &[63]),
    line("`POSTGRES_SSL_MODE=require`", &[53]),
    line("`REDIS_TLS_ENABLED=true`", &[64]),
    line("Never transmit credentials or sensitive data over unencrypted connections", &[65]),
];

const FIREWALL: &[Line] = &[
    line("`ufw default deny incoming`, `ufw default allow outgoing`", &[66]),
    line("`ufw allow 22/tcp`, `80/tcp`, `443/tcp`", &[67]),
    line("`ufw allow from 10.0.0.0/8 to any port 5432`", &[68]),
    line("`ufw enable`, `ufw status verbose`", &[69]),
];

const DOCKER: &[Line] = &[line("Networks `frontend` and `backend`, the latter `internal: true`", &[70])];

const HEADERS: &[Line] = &[
    line("`X-Frame-Options \"SAMEORIGIN\"`", &[76]),
    line("`X-Content-Type-Options \"nosniff\"`", &[77]),
    line("`X-XSS-Protection \"1; mode=block\"`", &[78]),
    line("`Referrer-Policy \"strict-origin-when-cross-origin\"`", &[79]),
    line("`Content-Security-Policy \"default-src 'self'; …\"`", &[80]),
    line("`Permissions-Policy \"geolocation=(), microphone=(), camera=()\"`", &[81]),
    line("`server_tokens off`", &[82]),
];

const BACKUPS: &[Line] = &[
    line("`pg_dump … | gzip` with a timestamp", &[83]),
    line("`mc mirror` of the objects", &[84]),
    line("`cp .env` beside it", &[85]),
    line("`find … -mtime +30 -delete`", &[86]),
    line("`0 2 * * *` with a log", &[87]),
    line("Test backup restoration: `gunzip < backup.sql.gz | psql`", &[88]),
];

const OFF_SITE: &[Line] = &[
    line("`aws s3 sync … --delete`", &[89]),
    line("Encrypt backups before storing off-site; test your restoration process regularly", &[90, 88]),
];

const AUDIT: &[Line] = &[
    line("`ENABLE_AUDIT_LOG=true`", &[92]),
    line("`AUDIT_LOG_LEVEL=info`", &[93]),
    line("`AUDIT_LOG_FILE=/var/log/appflowy/audit.log`", &[94]),
    line("`LOG_AUTH_EVENTS=true`", &[95]),
    line("`LOG_DATA_ACCESS=true`", &[96]),
    line("`LOG_ADMIN_ACTIONS=true`", &[97]),
];

const CENTRAL: &[Line] = &[line("`driver: syslog`, `syslog-address: \"tcp://…:514\"`, `tag`", &[99])];

const DETECTION: &[Line] = &[
    line("Fail2ban `[nginx-http-auth]`", &[103]),
    line("Fail2ban `[nginx-noscript]`", &[104]),
    line("Fail2ban `[nginx-badbots]`", &[105]),
    line("`fail2ban-client status`", &[106]),
];

const SCANNING: &[Line] = &[
    line("`docker scan appflowy/appflowy:latest`", &[111]),
    line("`docker compose pull`, `docker compose up -d`", &[112]),
];

const COMPLIANCE: &[Line] = &[
    line("GDPR: enable data export functionality", &[132]),
    line("GDPR: implement data deletion procedures", &[133]),
    line("GDPR: maintain audit logs for data access", &[134]),
    line("GDPR: document data processing activities", &[135]),
    line("SOC 2: access controls, logging, assessments, incident response", &[136]),
    line("HIPAA: encrypt PHI, BAA, audit trail, risk assessments", &[137]),
    line("ISO 27001: policies, risk management, awareness, improvement", &[138]),
];

const CHECKLIST: &[Line] = &[
    line("The 14 items as a whole", &[139]),
    line("SSL/TLS certificates installed and auto-renewal configured", &[1, 5]),
    line("Firewall rules configured to restrict access", &[66, 67]),
    line("Strong passwords enforced (12+ characters)", &[18]),
    line("Multi-factor authentication enabled", &[22]),
    line("Database encryption at rest enabled", &[58]),
    line("Regular automated backups configured", &[83, 87]),
    line("Off-site backup storage configured", &[89]),
    line("Audit logging enabled", &[92]),
    line("Security headers configured", &[76, 77, 78, 79, 80, 81]),
    line("Docker network isolation implemented", &[70]),
    line("Fail2ban or similar IDS installed", &[103]),
    line("Regular security updates scheduled", &[112]),
    line("Incident response plan documented", &[141]),
    line("Regular security assessments scheduled", &[146]),
];

const PRACTICE: &[Line] = &[
    line("Principle of least privilege", &[147, 50]),
    line("Regular updates", &[112]),
    line("Defense in depth; continuous monitoring", &[148]),
    line("Incident response: contacts, escalation, containment, recovery", &[141]),
    line("Regular drills, quarterly", &[142]),
    line("Post-incident review", &[143]),
];

const HELP: &[Line] = &[line("Report security vulnerabilities responsibly", &[149])];
