//! Statements of links and codes.

/// The row that a number belongs to, as `USER_BY_EMAIL` for addresses.
pub(crate) const USER_BY_PHONE: &str = concat!(
    "select ",
    user_columns!(),
    " from auth.users u where u.phone = $1 and u.aud = $2 and not u.is_sso_user and u.deleted_at is null"
);

/// Whoever wants this number; the one who asked last where several do.
pub(crate) const USER_BY_PHONE_CHANGE: &str = concat!(
    "select ",
    user_columns!(),
    " from auth.users u where u.phone_change = $1 and u.aud = $2 and not u.is_sso_user and u.deleted_at is null \
     order by u.phone_change_sent_at desc nulls last limit 1"
);

/// Does nothing where there is one: a stranger's try and a repeated one are the same statement (control 126).
pub(crate) const INSERT_USER_IF_FREE: &str = "insert into auth.users (instance_id, id, aud, role, email, phone, \
     encrypted_password, raw_app_meta_data, raw_user_meta_data, created_at, updated_at, confirmation_token, \
     recovery_token, email_change_token_new, email_change) \
     values ('00000000-0000-0000-0000-000000000000', $1, $2, $3, $4, $5, $6, $7, $8, $9, $9, '', '', '', '') \
     on conflict do nothing";

pub(crate) const INSERT_IDENTITY_IF_NEW: &str = "insert into auth.identities (id, provider_id, user_id, identity_data, \
     provider, last_sign_in_at, created_at, updated_at) select $1::uuid, $2::text, $3::uuid, $4::jsonb, $5::text, \
     $6::timestamptz, $6::timestamptz, $6::timestamptz \
     where exists (select 1 from auth.users u where u.id = $3) on conflict do nothing";

/// Two sign-ups that disagree about the password of an address nobody confirmed: neither is believed. What an administrator
/// wrote into an invitation is nobody's sign-up.
pub(crate) const DOUBT_SIGN_UP: &str = "update auth.users set encrypted_password = '', updated_at = $3, \
     raw_user_meta_data = case when invited_at is not null then raw_user_meta_data else \
     jsonb_build_object('sub', id, 'email', email, 'email_verified', false, 'phone_verified', false) end \
     where id = $1 and $2::boolean and email_confirmed_at is null and phone_confirmed_at is null";

/// One of each type for each person: the newest ends the older.
pub(crate) const PUT_TOKEN: &str = "insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to, \
     created_at, updated_at, purpose, code_mac, expires_at, flow_state_id) \
     values ($1, $2, $3::auth.one_time_token_type, $4, $5, $6::timestamptz at time zone 'utc', \
     $6::timestamptz at time zone 'utc', $7, $8, $9, $10) \
     on conflict (user_id, token_type) do update set id = excluded.id, token_hash = excluded.token_hash, \
     relates_to = excluded.relates_to, created_at = excluded.created_at, updated_at = excluded.updated_at, \
     purpose = excluded.purpose, code_mac = excluded.code_mac, expires_at = excluded.expires_at, \
     flow_state_id = excluded.flow_state_id";

/// Takes a link's token: of two that bring it at once, one finds nothing.
pub(crate) const TAKE_TOKEN: &str = "delete from auth.one_time_tokens where token_hash = $1 and expires_at > $2 \
     and purpose = any($3::text[]) returning user_id, purpose, relates_to, flow_state_id";

/// The same without spending it.
pub(crate) const LOOK_AT_TOKEN: &str = "select user_id from auth.one_time_tokens where token_hash = $1 and expires_at > $2 \
     and purpose = any($3::text[])";

/// What was sent to an address, whoever it is: nobody is looked up.
pub(crate) const TOKENS_TO: &str = "select id, user_id, code_mac from auth.one_time_tokens where relates_to = $1 \
     and expires_at > $2 and purpose = any($3::text[]) and code_mac is not null order by created_at desc limit 16 for update";

/// What an administrator sent and nobody accepted yet.
pub(crate) const INVITATION_WAITS: &str =
    "select id from auth.one_time_tokens where user_id = $1 and purpose = 'invite' and expires_at > $2";

pub(crate) const TAKE_TOKEN_BY_ID: &str = "delete from auth.one_time_tokens where id = $1 \
     returning user_id, purpose, relates_to, flow_state_id";

pub(crate) const TOKEN_OF_USER: &str = "select id, user_id, code_mac from auth.one_time_tokens where user_id = $1 \
     and expires_at > $2 and purpose = $3 and code_mac is not null for update";

pub(crate) const NOTE_SENT: &str = "update auth.users set updated_at = $2, \
     confirmation_sent_at = case when $3 in ('confirmation_token') then $2 else confirmation_sent_at end, \
     recovery_sent_at = case when $3 in ('recovery_token') then $2 else recovery_sent_at end, \
     reauthentication_sent_at = case when $3 in ('reauthentication_token') then $2 else reauthentication_sent_at end, \
     invited_at = case when $4::boolean then $2 else invited_at end where id = $1";

/// A proven address or number.
pub(crate) const CONFIRM_USER: &str = "update auth.users set updated_at = $2, \
     email_confirmed_at = case when $3 = 'email' then coalesce(email_confirmed_at, $2) else email_confirmed_at end, \
     phone_confirmed_at = case when $3 = 'phone' then coalesce(phone_confirmed_at, $2) else phone_confirmed_at end \
     where id = $1";

pub(crate) const CONFIRM_IDENTITY: &str = "update auth.identities set updated_at = $2, identity_data = identity_data || \
     jsonb_build_object($3::text, true) where user_id = $1 and provider = $4";

/// A change of address is asked for: the earlier one is forgotten with its tokens.
pub(crate) const ASK_EMAIL_CHANGE: &str = "update auth.users set email_change = $2, email_change_sent_at = $3, \
     email_change_confirm_status = 0, updated_at = $3 where id = $1";

pub(crate) const DROP_EMAIL_CHANGE_TOKENS: &str = "delete from auth.one_time_tokens where user_id = $1 \
     and token_type in ('email_change_token_new', 'email_change_token_current')";

/// One of two confirmations: which one (`$3`) is kept, so that the same address does not count twice. Nothing where the
/// other one was there before.
pub(crate) const CONFIRM_HALF: &str = "update auth.users set email_change_confirm_status = $3::smallint, updated_at = $2 \
     where id = $1 and email_change_confirm_status in (0, $3::smallint) and email_change <> ''";

pub(crate) const ASK_PHONE_CHANGE: &str = "update auth.users set phone_change = $2, phone_change_sent_at = $3, \
     updated_at = $3 where id = $1";

/// Nothing that was under way outlives a change of the ways in.
pub(crate) const DROP_PENDING_CHANGES: &str = "update auth.users set email_change = '', email_change_confirm_status = 0, \
     phone_change = '', updated_at = $2 where id = $1";

pub(crate) const SET_PHONE: &str = "update auth.users set phone = $2, phone_change = '', phone_confirmed_at = $3, \
     updated_at = $3 where id = $1";

pub(crate) const SET_EMAIL: &str = "update auth.users set email = $2, email_confirmed_at = $3, email_change = '', \
     email_change_confirm_status = 0, phone_change = '', updated_at = $3, is_anonymous = false where id = $1";

/// A number that was never proven is its owner's; the account is that of whoever proved its address.
pub(crate) const LOSE_PHONE: &str = "with gone as (delete from auth.identities where user_id = $1 and provider = 'phone'), \
     said as (update auth.identities set identity_data = identity_data - 'phone' where user_id = $1 and provider <> 'phone') \
     update auth.users set phone = null where id = $1 and phone_confirmed_at is null";

/// An address that was never proven is its owner's; the account is that of whoever proved its number.
pub(crate) const LOSE_EMAIL: &str = "with said as (update auth.identities set identity_data = identity_data - 'email' \
     where user_id = $1 and provider = 'email') \
     update auth.users set email = null where id = $1 and email_confirmed_at is null";

pub(crate) const INSERT_REVERT: &str = "insert into palisade.address_reverts (token_hash, user_id, old_email, changed_at, \
     expires_at) values ($1, $2, $3, $4, $5)";

pub(crate) const TAKE_REVERT: &str = "update palisade.address_reverts set used_at = $2 where token_hash = $1 \
     and used_at is null and expires_at > $2 returning user_id, old_email, changed_at";

/// Whoever goes back to an address ends the ways back from every later change.
pub(crate) const DROP_LATER_REVERTS: &str = "update palisade.address_reverts set used_at = $3 where user_id = $1 and changed_at >= $2 and used_at is null";

/// What was added since the address was changed may be whoever changed it.
pub(crate) const DROP_FACTORS_SINCE: &str =
    "delete from auth.mfa_factors where user_id = $1 and created_at >= $2";

pub(crate) const DROP_PASSKEYS_SINCE: &str =
    "delete from auth.webauthn_credentials where user_id = $1 and created_at >= $2";

pub(crate) const DROP_IDENTITIES_SINCE: &str = "delete from auth.identities where user_id = $1 and created_at >= $2 \
     and provider not in ('email', 'phone')";

/// A number that was confirmed since then signs in whoever confirmed it.
pub(crate) const DROP_PHONE_SINCE: &str = "update auth.users set phone = null, phone_confirmed_at = null, phone_change = '' \
     where id = $1 and phone_confirmed_at >= $2";

/// And so do codes that were made since then, for whoever made them.
pub(crate) const DROP_RECOVERY_CODES_SINCE: &str =
    "delete from auth.mfa_recovery_code_sets where user_id = $1 and created_at >= $2";

/// What was agreed to since then lets programs in without being asked again.
pub(crate) const DROP_CONSENTS_SINCE: &str =
    "delete from auth.oauth_consents where user_id = $1 and granted_at >= $2";

/// Codes of flows that wait for their exchange, but for the flow that goes on (`$2`): who is out is out with all they began.
pub(crate) const DROP_FLOWS: &str =
    "delete from auth.flow_state where user_id = $1 and id is distinct from $2::uuid";

/// The same of those whose code was given out.
pub(crate) const DROP_ISSUED_FLOWS: &str =
    "delete from auth.flow_state where user_id = $1 and auth_code_issued_at is not null";

pub(crate) const CLEAR_PASSWORD: &str =
    "update auth.users set encrypted_password = '', updated_at = $2 where id = $1";

/// Every statement, for the test that prepares them.
pub const ALL: &[&str] = &[
    USER_BY_PHONE,
    USER_BY_PHONE_CHANGE,
    INSERT_USER_IF_FREE,
    INSERT_IDENTITY_IF_NEW,
    DOUBT_SIGN_UP,
    PUT_TOKEN,
    TAKE_TOKEN,
    LOOK_AT_TOKEN,
    TOKENS_TO,
    INVITATION_WAITS,
    TAKE_TOKEN_BY_ID,
    TOKEN_OF_USER,
    NOTE_SENT,
    CONFIRM_USER,
    CONFIRM_IDENTITY,
    ASK_EMAIL_CHANGE,
    DROP_EMAIL_CHANGE_TOKENS,
    CONFIRM_HALF,
    ASK_PHONE_CHANGE,
    DROP_PENDING_CHANGES,
    SET_PHONE,
    SET_EMAIL,
    LOSE_EMAIL,
    LOSE_PHONE,
    INSERT_REVERT,
    TAKE_REVERT,
    DROP_LATER_REVERTS,
    DROP_FACTORS_SINCE,
    DROP_PASSKEYS_SINCE,
    DROP_IDENTITIES_SINCE,
    DROP_PHONE_SINCE,
    DROP_RECOVERY_CODES_SINCE,
    DROP_CONSENTS_SINCE,
    DROP_FLOWS,
    DROP_ISSUED_FLOWS,
    CLEAR_PASSWORD,
];
