//! The statements of second factors. A test prepares each against a migrated database.

/// Every factor of a person, oldest first.
pub(crate) const FACTORS: &str = "select id, factor_type, status, friendly_name, phone, secret, last_totp_step, web_authn_credential, \
     created_at, updated_at from auth.mfa_factors where user_id = $1 order by created_at, id";

pub(crate) const INSERT_FACTOR: &str = "insert into auth.mfa_factors (id, user_id, friendly_name, factor_type, status, created_at, \
     updated_at, secret, phone, last_totp_step) values ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9)";

/// Factors that nobody verified in time.
pub(crate) const DROP_STALE_FACTORS: &str =
    "delete from auth.mfa_factors where user_id = $1 and status = 'unverified' and created_at <= $2";

/// Earlier tries at the same number.
pub(crate) const DROP_UNVERIFIED_PHONE: &str =
    "delete from auth.mfa_factors where user_id = $1 and status = 'unverified' and phone = $2";

/// The other tries at the same kind of factor.
pub(crate) const DROP_OTHER_UNVERIFIED: &str = "delete from auth.mfa_factors where user_id = $1 and status = 'unverified' \
     and factor_type = $2 and id <> $3";

pub(crate) const VERIFY_FACTOR: &str =
    "update auth.mfa_factors set status = 'verified', updated_at = $2 where id = $1";

pub(crate) const RENAME_FACTOR: &str = "update auth.mfa_factors set friendly_name = coalesce($3, friendly_name), phone = coalesce($4, phone), updated_at = $2 where id = $1";

/// Takes a time step: of two that show the same code at once, one finds it taken.
pub(crate) const TAKE_STEP: &str = "update auth.mfa_factors set last_totp_step = $2, updated_at = $3 \
     where id = $1 and (last_totp_step is null or last_totp_step < $2)";

pub(crate) const REMOVE_FACTOR: &str = "delete from auth.mfa_factors where id = $1";

pub(crate) const REMOVE_FACTORS: &str = "delete from auth.mfa_factors where user_id = $1";

pub(crate) const INSERT_CHALLENGE: &str = "insert into auth.mfa_challenges (id, factor_id, created_at, ip_address, otp_code, \
     web_authn_session_data) values ($1, $2, $3, $4, $5, $6)";

/// What is too old, and what is more than may wait beside the newest, `$4`.
pub(crate) const DROP_CHALLENGES: &str = "delete from auth.mfa_challenges where factor_id = $1 and id <> $4 and (created_at <= $2 \
     or id not in (select id from auth.mfa_challenges where factor_id = $1 and id <> $4 order by created_at desc, id limit $3::int - 1))";

pub(crate) const TOUCH_CHALLENGED: &str = "update auth.mfa_factors set last_challenged_at = $2 where id = $1";

pub(crate) const CHALLENGE: &str = "select created_at, ip_address, otp_code, web_authn_session_data \
     from auth.mfa_challenges where id = $1 and factor_id = $2 for update";

pub(crate) const REMOVE_CHALLENGE: &str = "delete from auth.mfa_challenges where id = $1";

/// Wrong codes of a person, locked: whoever guesses at the same time waits here.
pub(crate) const GUESSES: &str =
    "select failures, locked_until from palisade.guesses where user_id = $1 for update";

pub(crate) const COUNT_GUESS: &str = "insert into palisade.guesses (user_id, failures, locked_until, changed_at) \
     values ($1, $2, $3, $4) on conflict (user_id) do update set failures = $2, locked_until = $3, changed_at = $4";

pub(crate) const FORGET_GUESSES: &str = "delete from palisade.guesses where user_id = $1";

pub(crate) const RECOVERY_CODES: &str =
    "select id, codes from auth.mfa_recovery_code_sets where user_id = $1";

pub(crate) const PUT_RECOVERY_CODES: &str = "insert into auth.mfa_recovery_code_sets (id, user_id, codes, created_at, updated_at) \
     values ($1, $2, $3, $4, $4) on conflict (user_id) do update set id = $1, codes = $3, created_at = $4, updated_at = $4";

pub(crate) const CHANGE_RECOVERY_CODES: &str =
    "update auth.mfa_recovery_code_sets set codes = $2, updated_at = $3 where id = $1";

pub(crate) const REMOVE_RECOVERY_CODES: &str = "delete from auth.mfa_recovery_code_sets where user_id = $1";

/// Codes of somebody who has no other factor left.
pub(crate) const DROP_LONE_RECOVERY_CODES: &str = "delete from auth.mfa_recovery_code_sets where user_id = $1 \
     and not exists (select from auth.mfa_factors where user_id = $1 and status = 'verified')";

pub(crate) const REMOVE_PASSKEYS: &str = "delete from auth.webauthn_credentials where user_id = $1";

/// What a security key is known by, as it is now.
pub(crate) const SET_FACTOR_CREDENTIAL: &str =
    "update auth.mfa_factors set web_authn_credential = $2, updated_at = $3 where id = $1";

pub(crate) const PASSKEYS: &str = "select id, friendly_name, created_at, last_used_at, credential \
     from auth.webauthn_credentials where user_id = $1 order by created_at, id";

/// Locked, so that one answer moves the counter at a time.
pub(crate) const PASSKEY_BY_CREDENTIAL: &str = "select id, user_id, credential from auth.webauthn_credentials \
     where credential_id = $1 for update";

pub(crate) const INSERT_PASSKEY: &str = "insert into auth.webauthn_credentials (id, user_id, credential_id, public_key, sign_count, \
     backup_eligible, backed_up, friendly_name, created_at, updated_at, credential) \
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)";

pub(crate) const TOUCH_PASSKEY: &str = "update auth.webauthn_credentials set last_used_at = $2, updated_at = $2, sign_count = $3, \
     credential = $4 where id = $1";

pub(crate) const RENAME_PASSKEY: &str =
    "update auth.webauthn_credentials set friendly_name = $3, updated_at = $4 where id = $1 and user_id = $2";

pub(crate) const REMOVE_PASSKEY: &str =
    "delete from auth.webauthn_credentials where id = $1 and user_id = $2";

pub(crate) const INSERT_CEREMONY: &str = "insert into auth.webauthn_challenges (id, user_id, challenge_type, session_data, \
     created_at, expires_at) values ($1, $2, $3, $4, $5, $6)";

/// Takes it: of two that answer at once, one finds it gone.
pub(crate) const TAKE_CEREMONY: &str = "delete from auth.webauthn_challenges where id = $1 \
     and user_id is not distinct from $2 and challenge_type = $3 returning session_data, expires_at";

/// What is too old; and when strangers begin too many, the oldest give way.
pub(crate) const DROP_CEREMONIES: &str = "delete from auth.webauthn_challenges where expires_at <= $1 or id in \
     (select id from auth.webauthn_challenges order by created_at desc, id offset $2::bigint)";

/// A new key for the refresh tokens of a session: those from before are worthless, without the alarm of reuse.
pub(crate) const REKEY_SESSION: &str = "update auth.sessions set refresh_token_hmac_key = $2 where id = $1";

/// Sessions of one proof, once there is one of two.
pub(crate) const END_LOWER_SESSIONS: &str = "delete from auth.sessions where user_id = $1 and id <> $2 and coalesce(aal, 'aal1') = 'aal1' returning id";

/// Other sessions that rest on a factor that is gone.
pub(crate) const END_SESSIONS_OF_FACTOR: &str =
    "delete from auth.sessions where factor_id = $1 and id is distinct from $2 returning id";

/// A session that rests on a factor that is gone has one proof again.
pub(crate) const LOWER_SESSIONS: &str =
    "update auth.sessions set aal = 'aal1', factor_id = null where user_id = $1 and factor_id = $2";

pub(crate) const DROP_SECOND_METHODS: &str = "delete from auth.mfa_amr_claims m using auth.sessions s where s.id = m.session_id \
     and s.user_id = $1 and s.aal = 'aal1' and m.authentication_method in ('totp', 'mfa/phone', 'mfa/webauthn', 'mfa/recovery_code')";

/// Every statement, for the test that prepares them.
pub const ALL: &[&str] = &[
    FACTORS,
    INSERT_FACTOR,
    DROP_STALE_FACTORS,
    DROP_UNVERIFIED_PHONE,
    DROP_OTHER_UNVERIFIED,
    VERIFY_FACTOR,
    RENAME_FACTOR,
    TAKE_STEP,
    REMOVE_FACTOR,
    REMOVE_FACTORS,
    INSERT_CHALLENGE,
    DROP_CHALLENGES,
    TOUCH_CHALLENGED,
    CHALLENGE,
    REMOVE_CHALLENGE,
    GUESSES,
    COUNT_GUESS,
    FORGET_GUESSES,
    RECOVERY_CODES,
    PUT_RECOVERY_CODES,
    CHANGE_RECOVERY_CODES,
    REMOVE_RECOVERY_CODES,
    DROP_LONE_RECOVERY_CODES,
    REMOVE_PASSKEYS,
    SET_FACTOR_CREDENTIAL,
    PASSKEYS,
    PASSKEY_BY_CREDENTIAL,
    INSERT_PASSKEY,
    TOUCH_PASSKEY,
    RENAME_PASSKEY,
    REMOVE_PASSKEY,
    INSERT_CEREMONY,
    TAKE_CEREMONY,
    DROP_CEREMONIES,
    REKEY_SESSION,
    END_LOWER_SESSIONS,
    END_SESSIONS_OF_FACTOR,
    LOWER_SESSIONS,
    DROP_SECOND_METHODS,
];
