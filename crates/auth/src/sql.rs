//! Every statement of this crate. A test prepares each against a migrated database.
//!
//! Times are parameters, never `now()`: they come from the clock that the rest of the decision used.

/// An account with its identities and factors, as one row.
macro_rules! user_columns {
    () => {
        "u.id, u.aud, u.role, u.email, u.phone, u.encrypted_password, u.email_confirmed_at, u.phone_confirmed_at, \
         u.confirmed_at, u.invited_at, u.confirmation_sent_at, u.recovery_sent_at, u.email_change, \
         u.email_change_sent_at, u.phone_change, u.phone_change_sent_at, u.reauthentication_sent_at, u.last_sign_in_at, \
         u.raw_app_meta_data, u.raw_user_meta_data, u.created_at, u.updated_at, u.banned_until, u.deleted_at, \
         u.is_anonymous, u.is_sso_user, \
         (select coalesce(json_agg(json_build_object( \
             'identity_id', i.id, 'id', i.provider_id, 'user_id', i.user_id, 'identity_data', i.identity_data, \
             'provider', i.provider, 'last_sign_in_at', i.last_sign_in_at, 'created_at', i.created_at, \
             'updated_at', i.updated_at, 'email', i.email) order by i.created_at, i.id), '[]'::json) \
          from auth.identities i where i.user_id = u.id) as identities, \
         (select coalesce(json_agg(json_build_object( \
             'id', f.id, 'created_at', f.created_at, 'updated_at', f.updated_at, 'status', f.status, \
             'friendly_name', f.friendly_name, 'factor_type', f.factor_type, 'phone', f.phone, \
             'last_challenged_at', f.last_challenged_at) order by f.created_at, f.id), '[]'::json) \
          from auth.mfa_factors f where f.user_id = u.id) as factors"
    };
}

/// A stored hash up to its salt.
macro_rules! foreign_make {
    () => {
        "substring(encrypted_password from '^[$](?:2[aby][$][0-9]{2}|fbscrypt[$][^$]*|argon2id?[$](?:v=[0-9]+[$])?[^$]*)')"
    };
}

macro_rules! is_foreign {
    () => {
        "encrypted_password like '$%' and encrypted_password not like '$argon2id$v=19$m=19456,t=2,p=1$%'"
    };
}

pub mod links;
pub mod reclaim;

pub(crate) const USER_BY_ID: &str = concat!("select ", user_columns!(), " from auth.users u where u.id = $1");

pub(crate) const USER_BY_ID_LOCKED: &str =
    concat!("select ", user_columns!(), " from auth.users u where u.id = $1 for update of u");

/// At most one row: addresses are unique among accounts that no identity provider owns.
pub(crate) const USER_BY_EMAIL: &str = concat!(
    "select ",
    user_columns!(),
    " from auth.users u where u.email = $1 and u.aud = $2 and not u.is_sso_user and u.deleted_at is null"
);

/// Whose password is tried. One row also where there is nobody, and of somebody no more than is compared: identities and
/// factors would tell by the time they take that there are some (control 126, attack row 19).
pub(crate) const TRIED_BY_EMAIL: &str = "select u.id, u.encrypted_password from (values (1)) one(row) left join auth.users u \
     on u.email = $1 and u.aud = $2 and not u.is_sso_user and u.deleted_at is null";

/// The same by number.
pub(crate) const TRIED_BY_PHONE: &str = "select u.id, u.encrypted_password from (values (1)) one(row) left join auth.users u \
     on u.phone = $1 and u.aud = $2 and not u.is_sso_user and u.deleted_at is null";

/// The makes of stored hashes that are not of today's, a few of them. Each step is one look into an index that is empty where
/// nobody was imported (migration 72), whose expression and condition these are.
pub(crate) const FOREIGN_HASHES: &str = concat!(
    "with recursive makes as ((select ",
    foreign_make!(),
    " as make from auth.users where ",
    is_foreign!(),
    " order by 1 limit 1) union all select (select ",
    foreign_make!(),
    " from auth.users where ",
    is_foreign!(),
    " and ",
    foreign_make!(),
    " > makes.make order by 1 limit 1) from makes where makes.make is not null) \
     select make from makes where make is not null limit 16"
);

pub(crate) const USERS_PAGE: &str = concat!(
    "select count(*) over () as total, ",
    user_columns!(),
    " from auth.users u where u.aud = $1 and ($2 = '' or strpos(u.email, lower($2)) > 0 \
     or strpos(lower(u.raw_user_meta_data ->> 'full_name'), lower($2)) > 0) \
     order by case when $3 = 'asc' then u.created_at end asc, case when $3 <> 'asc' then u.created_at end desc, u.id \
     limit $4 offset $5"
);

pub(crate) const USERS_COUNT: &str = "select count(*) as total from auth.users u where u.aud = $1 and ($2 = '' \
     or strpos(u.email, lower($2)) > 0 or strpos(lower(u.raw_user_meta_data ->> 'full_name'), lower($2)) > 0)";

pub(crate) const INSERT_USER: &str = "insert into auth.users (instance_id, id, aud, role, email, phone, encrypted_password, \
     email_confirmed_at, phone_confirmed_at, raw_app_meta_data, raw_user_meta_data, banned_until, created_at, updated_at, \
     confirmation_token, recovery_token, email_change_token_new, email_change) \
     values ('00000000-0000-0000-0000-000000000000', $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, '', '', '', '')";

pub(crate) const INSERT_IDENTITY: &str = "insert into auth.identities (id, provider_id, user_id, identity_data, provider, \
     last_sign_in_at, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $6, $6)";

pub(crate) const UPDATE_IDENTITY_EMAIL: &str = "update auth.identities set updated_at = $3, \
     identity_data = identity_data || jsonb_build_object('email', $2::text, 'email_verified', $4::boolean) \
     where user_id = $1 and provider = 'email'";

/// Only if the password is still the one that was checked: it may have been changed while it was hashed.
pub(crate) const TOUCH_SIGN_IN: &str = "update auth.users set last_sign_in_at = $2, updated_at = $2, \
     encrypted_password = coalesce($4, encrypted_password) where id = $1 and encrypted_password = $3";

/// A sign-in through the identity of provider $3.
pub(crate) const TOUCH_USER: &str = "with known as (update auth.identities set last_sign_in_at = $2, updated_at = $2 \
     where user_id = $1 and provider = $3) \
     update auth.users set last_sign_in_at = $2, updated_at = $2 where id = $1";

pub(crate) const UPDATE_USER: &str = "update auth.users set email = $2, phone = $3, encrypted_password = $4, \
     raw_app_meta_data = $5, raw_user_meta_data = $6, role = $7, banned_until = $8, email_confirmed_at = $9, \
     phone_confirmed_at = $10, updated_at = $11 where id = $1";

pub(crate) const DELETE_USER: &str = "delete from auth.users where id = $1";

pub(crate) const SOFT_DELETE_USER: &str = "update auth.users set deleted_at = $2, updated_at = $2, email = $3, phone = $4, \
     encrypted_password = '', raw_user_meta_data = '{}', raw_app_meta_data = '{}', email_change = '', phone_change = '', \
     confirmation_token = '', recovery_token = '', email_change_token_new = '', email_change_token_current = '', \
     phone_change_token = '', reauthentication_token = '' where id = $1";

pub(crate) const DELETE_ONE_TIME_TOKENS: &str = "delete from auth.one_time_tokens where user_id = $1";

pub(crate) const INSERT_SESSION: &str = "insert into auth.sessions (id, user_id, created_at, updated_at, aal, user_agent, ip, \
     refresh_token_hmac_key, refresh_token_counter, not_after, oauth_client_id, scopes) \
     values ($1, $2, $3, $3, $4, $5, $6, $7, 0, $8, $9, $10)";

pub(crate) const INSERT_SESSION_MARK: &str =
    "insert into palisade.session_marks (session_id, duty) values ($1, $2)";

/// All but the newest so many of the same OAuth client, or of none, and never $2.
pub(crate) const END_OLDEST_SESSIONS: &str = "delete from auth.sessions where id in (select s.id from auth.sessions s \
     where s.user_id = $1 and s.id <> $2 and s.oauth_client_id is not distinct from \
         (select n.oauth_client_id from auth.sessions n where n.id = $2) \
     order by s.created_at desc, s.id offset $3) returning id";

pub(crate) const INSERT_METHOD: &str = "insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, \
     authentication_method) values ($1, $2, $3, $3, $4)";

/// The same proof again counts from now.
pub(crate) const RENEW_METHOD: &str = "insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, \
     authentication_method) values ($1, $2, $3, $3, $4) \
     on conflict (session_id, authentication_method) do update set updated_at = excluded.updated_at";

pub(crate) const RAISE_SESSION: &str = "update auth.sessions set aal = $2::text::auth.aal_level, \
     factor_id = coalesce($3, factor_id) where id = $1";

/// Locks the session: concurrent refreshes of one token wait here and then see what the first one did.
pub(crate) const SESSION_FOR_REFRESH: &str = "select s.id, s.user_id, s.created_at, s.refreshed_at, s.not_after, s.aal, \
     s.refresh_token_hmac_key, s.refresh_token_counter, s.oauth_client_id, s.scopes, \
     coalesce((select to_jsonb(k) from palisade.session_marks k where k.session_id = s.id), '{}'::jsonb) as marks, \
     (select coalesce(json_agg(json_build_object('method', m.authentication_method, 'at', m.updated_at) \
         order by m.updated_at desc), '[]'::json) from auth.mfa_amr_claims m where m.session_id = s.id) as methods \
     from auth.sessions s where s.id = $1 for update of s";

pub(crate) const ADVANCE_SESSION: &str = "with moved as (update auth.sessions set refresh_token_counter = $2, \
     refreshed_at = $3::timestamptz at time zone 'utc', \
     updated_at = $3, user_agent = coalesce($4, user_agent), ip = coalesce($5, ip) where id = $1 returning id) \
     insert into palisade.session_marks (session_id, superseded) select id, $6 from moved \
     on conflict (session_id) do update set superseded = excluded.superseded";

pub(crate) const SESSION_LIVES: &str = "select (select k.duty from palisade.session_marks k where k.session_id = s.id) as duty, u.role \
     from auth.sessions s join auth.users u on u.id = s.user_id \
     where s.id = $1 and s.user_id = $2 and (s.not_after is null or s.not_after > $3) and u.deleted_at is null \
     and (u.banned_until is null or u.banned_until <= $3)";

pub(crate) const END_SESSION: &str = "delete from auth.sessions where id = $1 returning id";

pub(crate) const END_SESSION_OF_USER: &str =
    "delete from auth.sessions where user_id = $1 and id = $2 returning id";

pub(crate) const SESSIONS_OF_USER: &str = "select s.id, s.created_at, s.refreshed_at at time zone 'utc' as refreshed_at, s.aal, s.user_agent, \
     host(s.ip) as ip, s.oauth_client_id, s.not_after, \
     coalesce((select string_agg(m.authentication_method, ' ' order by m.updated_at desc) \
         from auth.mfa_amr_claims m where m.session_id = s.id), '') as methods \
     from auth.sessions s where s.user_id = $1 order by s.created_at desc, s.id limit $2";

/// Nobody's address: no identity either.
pub(crate) const INSERT_ANONYMOUS: &str = "insert into auth.users (instance_id, id, aud, role, raw_app_meta_data, raw_user_meta_data, \
     created_at, updated_at, is_anonymous, confirmation_token, recovery_token, email_change_token_new, email_change) \
     values ('00000000-0000-0000-0000-000000000000', $1, $2, $3, '{}', $4, $5, $5, true, '', '', '', '')";

/// Whoever runs a hook's function has what the operator granted `supabase_auth_admin`, and little time.
pub(crate) const BECOME_HOOK_ROLE: &str =
    "select set_config('statement_timeout', $1, true), set_config('role', 'supabase_auth_admin', true)";

pub(crate) const USER_BANNED: &str =
    "select 1 as banned from auth.users where id = $1 and banned_until > $2 and deleted_at is null";

pub(crate) const REMOVE_IDENTITY: &str =
    "delete from auth.identities where user_id = $1 and id = $2 returning id";

pub(crate) const END_SESSIONS_OF_USER: &str = "delete from auth.sessions where user_id = $1 returning id";

pub(crate) const END_OTHER_SESSIONS: &str =
    "delete from auth.sessions where user_id = $1 and id is distinct from $2 returning id";

pub(crate) const KNOWN_PLACE: &str =
    "select 1 as known from palisade.known_places where account = $1 and place = $2 and seen_at > $3";

/// With the oldest places beyond so many gone.
pub(crate) const REMEMBER_PLACE: &str = "with gone as (delete from palisade.known_places where account = $1 and place in \
     (select place from palisade.known_places where account = $1 and place <> $2 and kind = 'place' \
     order by seen_at desc offset $4 - 1)) \
     insert into palisade.known_places (account, place, seen_at) values ($1, $2, $3) \
     on conflict (account, place) do update set seen_at = excluded.seen_at";

/// Program and network of a sign-in. New is what joins others of its kind; the oldest of each beyond so many go.
pub(crate) const REMEMBER_DEVICE: &str = "with before as (select place, kind from palisade.known_places where account = $1 and kind <> 'place'), \
     gone as (delete from palisade.known_places where account = $1 and place in (select place from (select place, \
     row_number() over (partition by kind order by seen_at desc) as at from palisade.known_places \
     where account = $1 and kind <> 'place' and place not in ($2, $3)) k where at >= $5)), \
     put as (insert into palisade.known_places (account, place, kind, seen_at) values ($1, $2, 'agent', $4), ($1, $3, 'network', $4) \
     on conflict (account, place) do update set seen_at = excluded.seen_at) \
     select exists (select 1 from before) and (not exists (select 1 from before where place = $2) \
     or not exists (select 1 from before where place = $3)) as is_new";

/// Notes how old a password is. $4: the digest of the hash that was there before, if it is the same password.
pub(crate) const NOTE_PASSWORD: &str = "insert into palisade.passwords as p (user_id, made_of, changed_at) values ($1, $2, $3) \
     on conflict (user_id) do update set made_of = excluded.made_of, \
     changed_at = case when p.made_of = $4 then p.changed_at else excluded.changed_at end, \
     must_change = case when p.made_of = $4 then p.must_change end \
     returning changed_at, must_change";

pub(crate) const MUST_CHANGE_PASSWORD: &str =
    "update palisade.passwords set must_change = $2 where user_id = $1 and must_change is null";

pub(crate) const PASSWORD_HISTORY: &str =
    "select hash from palisade.password_history where user_id = $1 order by retired_at desc limit $2";

/// With those beyond so many gone.
pub(crate) const RETIRE_PASSWORD: &str = "with gone as (delete from palisade.password_history h where h.user_id = $1 and h.ctid in \
     (select o.ctid from palisade.password_history o where o.user_id = $1 order by o.retired_at desc offset $4 - 1)) \
     insert into palisade.password_history (user_id, hash, retired_at) values ($1, $2, $3)";

/// What the sessions of a person owed is done.
pub(crate) const LIFT_DUTIES: &str = "update palisade.session_marks k set duty = null from auth.sessions s \
     where s.id = k.session_id and s.user_id = $1 and k.duty is not null returning s.id";

pub(crate) const KNOW_ISSUER: &str =
    "insert into palisade.issuers (issuer, first_used_at) values ($1, $2) on conflict do nothing";

pub(crate) const ISSUERS: &str =
    "select issuer from palisade.issuers order by first_used_at desc, issuer limit $1";

pub(crate) const TELL: &str = "select pg_notify('palisade_auth', $1)";

pub(crate) const LOAD_SIGNING_KEYS: &str = "select kid, state, private_key from palisade.signing_keys where state <> 'retired' order by created_at, kid";

/// Names of keys that were given up, the last ones: what they signed has its time still.
pub(crate) const LOAD_GIVEN_UP_KEYS: &str =
    "select kid from palisade.signing_keys where state = 'retired' order by changed_at desc limit 100";

pub(crate) const INSERT_SIGNING_KEY: &str = "insert into palisade.signing_keys (kid, algorithm, state, private_key, created_at, \
     changed_at) values ($1, 'ES256', $2, $3, $4, $4) on conflict do nothing";

pub(crate) const CHANGE_SIGNING_KEYS: &str = "update palisade.signing_keys set state = $2, changed_at = $3 where state = $1 and ($4::text is null or kid = $4)";

pub(crate) const LOSE_SECRET: &str =
    "insert into palisade.lost_secrets (fingerprint, lost_at) values ($1, $2) on conflict do nothing";

pub(crate) const LOST_SECRET: &str = "select 1 as one from palisade.lost_secrets where fingerprint = $1";

pub(crate) const LOAD_API_KEYS: &str = "select id, kind, hash, scope, expires_at, addresses, bait from palisade.api_keys where revoked_at is null";

pub(crate) const INSERT_API_KEY: &str = "insert into palisade.api_keys (id, kind, name, hash, scope, created_at, expires_at) \
     values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing";

pub(crate) const LIST_API_KEYS: &str = "select id, kind, name, array_to_string(scope, ' ') as scope, array_to_string(addresses, ' ') as addresses, created_at, expires_at, \
     revoked_at is null and coalesce(expires_at > $1, true) as live from palisade.api_keys order by created_at, id";

pub(crate) const APP_ROLES: &str = "select name, description, to_jsonb(grants) as grants, changed_at, \
     (select count(*) from palisade.app_role_members m where m.role = r.name) as members from palisade.app_roles r order by name";

pub(crate) const APP_ROLE_GRANTS: &str =
    "select array_to_string(grants, ' ') from palisade.app_roles where name = $1";

pub(crate) const PUT_APP_ROLE: &str = "insert into palisade.app_roles (name, description, grants, created_at, changed_at) \
     values ($1, $2, $3, $4, $4) on conflict (name) do update set description = $2, grants = $3, changed_at = $4";

pub(crate) const DROP_APP_ROLE: &str = "delete from palisade.app_roles where name = $1";

pub(crate) const APP_ROLES_OF: &str =
    "select role from palisade.app_role_members where user_id = $1 order by role";

pub(crate) const GIVE_APP_ROLE: &str = "insert into palisade.app_role_members (role, user_id, given_by, given_at) \
     values ($1, $2, $3, $4) on conflict do nothing";

pub(crate) const TAKE_APP_ROLE: &str =
    "delete from palisade.app_role_members where role = $1 and user_id = $2";

pub(crate) const LIMIT_API_KEY: &str = "update palisade.api_keys set addresses = $2 where id = $1";

pub(crate) const BAIT_API_KEY: &str = "update palisade.api_keys set bait = true where id = $1";

pub(crate) const LIST_BAITS: &str = "select id, name, created_at from palisade.api_keys where bait and revoked_at is null order by created_at, id";

pub(crate) const DROP_BAIT: &str = "delete from palisade.api_keys where id = $1 and bait";

/// Keys lent to probes have ids of their own shape, so that no other key is ever removed.
pub(crate) const DROP_LENT_KEY: &str = "delete from palisade.api_keys where id = $1 and id like 'probe\\_%'";

/// What a killed round left behind.
pub(crate) const DROP_LENT_KEYS: &str =
    "delete from palisade.api_keys where id like 'probe\\_%' and expires_at <= $1";

pub(crate) const REVOKE_API_KEY: &str =
    "update palisade.api_keys set revoked_at = $2 where id = $1 and revoked_at is null";

pub(crate) const INSERT_ADMIN_LINK: &str = "insert into palisade.admin_links (token_hash, email, created_at, expires_at, factor_id, \
     factor_secret) values ($1, $2, $3, $4, $5, $6)";

/// Locks the link: of two that use it at once, one finds it used. Too many wrong codes end it.
pub(crate) const ADMIN_LINK: &str = "select email, factor_id, factor_secret from palisade.admin_links where token_hash = $1 \
     and used_at is null and expires_at > $2 and failures < $3::int and factor_secret is not null for update";

pub(crate) const USE_ADMIN_LINK: &str =
    "update palisade.admin_links set used_at = $2, factor_secret = null where token_hash = $1";

pub(crate) const MISS_ADMIN_LINK: &str =
    "update palisade.admin_links set failures = failures + 1 where token_hash = $1";

/// A new link replaces the older ones for the same address.
pub(crate) const DROP_ADMIN_LINKS: &str =
    "delete from palisade.admin_links where email = $1 or expires_at <= $2";

/// A few of those that nobody came back to.
pub(crate) const FORGET_FLOWS: &str = "delete from auth.flow_state where id in \
     (select f.id from auth.flow_state f where f.created_at < $1 order by f.created_at limit 20 for update skip locked)";

pub(crate) const INSERT_FLOW: &str = "insert into auth.flow_state (id, user_id, code_challenge_method, code_challenge, \
     provider_type, authentication_method, created_at, updated_at, referrer) values ($1, $2, $3, $4, $5, $6, $7, $7, $8)";

pub(crate) const FLOW_LOCKED: &str = "select id, user_id, code_challenge_method, code_challenge, provider_type, \
     authentication_method, created_at, auth_code_issued_at, referrer from auth.flow_state where id = $1 for update";

/// Once: a flow whose code was given out gives no second one.
pub(crate) const ISSUE_CODE: &str = "update auth.flow_state set user_id = $2, auth_code = $3, auth_code_issued_at = $4, \
     updated_at = $4, authentication_method = $5 where id = $1 and auth_code_issued_at is null";

/// Of two that bring one code at once, one finds nothing.
pub(crate) const TAKE_FLOW: &str = "delete from auth.flow_state where auth_code = $1 returning id, user_id, \
     code_challenge_method, code_challenge, provider_type, authentication_method, created_at, auth_code_issued_at, referrer";

/// Those of signing in through somebody else.
pub const OAUTH: &[&str] = crate::oauth::sql::ALL;

/// Those of our own OAuth server.
pub const SERVER: &[&str] = crate::server::sql::ALL;

/// Every statement, for the test that prepares them.
pub const ALL: &[&str] = &[
    USER_BY_ID,
    USER_BY_ID_LOCKED,
    USER_BY_EMAIL,
    TRIED_BY_EMAIL,
    TRIED_BY_PHONE,
    USERS_PAGE,
    USERS_COUNT,
    INSERT_USER,
    INSERT_IDENTITY,
    UPDATE_IDENTITY_EMAIL,
    TOUCH_SIGN_IN,
    TOUCH_USER,
    UPDATE_USER,
    DELETE_USER,
    SOFT_DELETE_USER,
    DELETE_ONE_TIME_TOKENS,
    INSERT_SESSION,
    INSERT_SESSION_MARK,
    END_OLDEST_SESSIONS,
    INSERT_METHOD,
    RENEW_METHOD,
    RAISE_SESSION,
    LIFT_DUTIES,
    KNOWN_PLACE,
    REMEMBER_PLACE,
    REMEMBER_DEVICE,
    NOTE_PASSWORD,
    MUST_CHANGE_PASSWORD,
    PASSWORD_HISTORY,
    RETIRE_PASSWORD,
    KNOW_ISSUER,
    ISSUERS,
    SESSION_FOR_REFRESH,
    ADVANCE_SESSION,
    SESSION_LIVES,
    END_SESSION,
    END_SESSIONS_OF_USER,
    END_SESSION_OF_USER,
    SESSIONS_OF_USER,
    INSERT_ANONYMOUS,
    BECOME_HOOK_ROLE,
    USER_BANNED,
    REMOVE_IDENTITY,
    END_OTHER_SESSIONS,
    TELL,
    LOAD_SIGNING_KEYS,
    LOAD_GIVEN_UP_KEYS,
    INSERT_SIGNING_KEY,
    CHANGE_SIGNING_KEYS,
    LOSE_SECRET,
    LOST_SECRET,
    LOAD_API_KEYS,
    LIST_API_KEYS,
    INSERT_API_KEY,
    LIMIT_API_KEY,
    BAIT_API_KEY,
    LIST_BAITS,
    DROP_BAIT,
    APP_ROLES,
    APP_ROLE_GRANTS,
    PUT_APP_ROLE,
    DROP_APP_ROLE,
    APP_ROLES_OF,
    GIVE_APP_ROLE,
    TAKE_APP_ROLE,
    DROP_LENT_KEY,
    DROP_LENT_KEYS,
    REVOKE_API_KEY,
    INSERT_ADMIN_LINK,
    ADMIN_LINK,
    USE_ADMIN_LINK,
    MISS_ADMIN_LINK,
    DROP_ADMIN_LINKS,
    FORGET_FLOWS,
    INSERT_FLOW,
    FLOW_LOCKED,
    ISSUE_CODE,
    TAKE_FLOW,
];
