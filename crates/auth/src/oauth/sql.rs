//! The statements of signing in through somebody else.

pub(crate) const FORGET_OAUTH_FLOWS: &str = "delete from palisade.oauth_flows where id in \
     (select f.id from palisade.oauth_flows f where f.created_at < $1 order by f.created_at limit 20 for update skip locked)";

pub(crate) const INSERT_OAUTH_FLOW: &str =
    "insert into palisade.oauth_flows (id, browser, sealed, result, created_at) values ($1, $2, $3, $4, $5)";

/// A flow that was begun by an application is bound to the first browser that takes it up, and to no other.
pub(crate) const BIND_OAUTH_FLOW: &str = "update palisade.oauth_flows set browser = $2 \
     where id = $1 and browser is null and sealed is not null returning sealed";

/// What a provider posted, until the browser comes by itself. The first post counts.
pub(crate) const PARK_OAUTH_FLOW: &str = "update palisade.oauth_flows set parked = $2 \
     where id = $1 and parked is null and sealed is not null";

/// Of two that return at once, one finds nothing.
pub(crate) const TAKE_OAUTH_FLOW: &str = "with found as (select id, sealed, parked from palisade.oauth_flows \
     where id = $1 and browser = $2 and sealed is not null for update) \
     update palisade.oauth_flows f set sealed = null, parked = null from found where f.id = found.id \
     returning found.sealed, found.parked";

pub(crate) const OAUTH_FLOW_STANDS: &str =
    "select sealed is null as used, browser = $2 as same from palisade.oauth_flows where id = $1";

pub(crate) const KEEP_OAUTH_RESULT: &str = "update palisade.oauth_flows set result = $2 where id = $1";

/// Once, like the code it waits for.
pub(crate) const TAKE_OAUTH_RESULT: &str = "delete from palisade.oauth_flows where id = $1 and result is not null \
     and ($2::bytea is null or browser = $2) and created_at > $3 returning result";

pub(crate) const SEE_OAUTH_RESULT: &str = "select result from palisade.oauth_flows where id = $1 and result is not null and browser = $2 \
     and created_at > $3";

/// One at a time for one identity and one address, so that two first sign-ins at once make one account.
pub(crate) const LOCK_NAME: &str = "select pg_advisory_xact_lock(hashtextextended($1, 40))";

pub(crate) const IDENTITY_OWNER: &str =
    "select user_id from auth.identities where provider = $1 and provider_id = $2";

/// Further claims are those that the provider says now: who left a group has left it.
pub(crate) const RENEW_IDENTITY: &str = "update auth.identities set identity_data = (identity_data - 'custom_claims') || $3, updated_at = $4, \
     last_sign_in_at = $4 where provider = $1 and provider_id = $2";

pub(crate) const MERGE_USER_METADATA: &str = "update auth.users set raw_user_meta_data = \
     (coalesce(raw_user_meta_data, '{}') - 'custom_claims') || $2, updated_at = $3 where id = $1";

/// `provider` and `providers` as they are now, which clients read.
pub(crate) const SET_PROVIDERS: &str = "update auth.users u set updated_at = $2, raw_app_meta_data = \
     coalesce(u.raw_app_meta_data, '{}') || jsonb_build_object('providers', known.all, 'provider', \
     case when known.all ? (u.raw_app_meta_data ->> 'provider') then u.raw_app_meta_data ->> 'provider' else known.all ->> 0 end) \
     from (select coalesce(jsonb_agg(p.provider order by p.first), '[]') as all from (select i.provider, min(i.created_at) as first \
     from auth.identities i where i.user_id = $1 group by i.provider) p) known where u.id = $1";

/// Somebody without an address got one, and stays who they were.
pub(crate) const NAME_ANONYMOUS: &str = "update auth.users set is_anonymous = false, email = coalesce(email, $2), \
     email_confirmed_at = coalesce(email_confirmed_at, $3), updated_at = $4 where id = $1";

pub(crate) const DELETE_IDENTITY: &str = "delete from auth.identities where id = $1 and user_id = $2";

pub(crate) const SET_EMAIL: &str = "update auth.users set email = $2, email_confirmed_at = $3, \
     encrypted_password = case when $4 then '' else encrypted_password end, updated_at = $5 where id = $1";

pub(crate) const FORGET_WALLET_MESSAGES: &str = "delete from palisade.wallet_messages where digest in \
     (select digest from palisade.wallet_messages where expires_at < $1 limit 100)";

pub(crate) const TAKE_WALLET_MESSAGE: &str =
    "insert into palisade.wallet_messages (digest, expires_at) values ($1, $2) on conflict do nothing";

pub(crate) const FORGET_ID_TOKENS: &str = "delete from palisade.id_tokens where digest in \
     (select digest from palisade.id_tokens where expires_at < $1 limit 100)";

pub(crate) const TAKE_ID_TOKEN: &str =
    "insert into palisade.id_tokens (digest, expires_at) values ($1, $2) on conflict do nothing";

pub(crate) const SESSION_OF_USER: &str = "select id from auth.sessions where id = $1 and user_id = $2";

macro_rules! custom_columns {
    () => {
        "id, provider_type, identifier, name, client_id, client_secret, to_json(acceptable_client_ids) as acceptable, \
         to_json(scopes) as scopes, pkce_enabled, attribute_mapping, to_json(custom_claims_allowlist) as allowlist, \
         authorization_params, enabled, email_optional, issuer, discovery_url, skip_nonce_check, authorization_url, \
         token_url, userinfo_url, jwks_uri, created_at, updated_at"
    };
}

pub(crate) const CUSTOM_PROVIDER: &str =
    concat!("select ", custom_columns!(), " from auth.custom_oauth_providers where identifier = $1");

pub(crate) const CUSTOM_PROVIDERS: &str = concat!(
    "select ",
    custom_columns!(),
    " from auth.custom_oauth_providers where ($1 = '' or provider_type = $1) order by created_at, id limit 1000"
);

pub(crate) const CUSTOM_OFFERED: &str =
    "select identifier, name from auth.custom_oauth_providers where enabled order by name, id limit 100";

pub(crate) const CUSTOM_COUNT: &str = "select count(*) as total from auth.custom_oauth_providers";

pub(crate) const SAVE_CUSTOM_PROVIDER: &str = "insert into auth.custom_oauth_providers (id, provider_type, identifier, name, \
     client_id, client_secret, acceptable_client_ids, scopes, pkce_enabled, attribute_mapping, custom_claims_allowlist, \
     authorization_params, enabled, email_optional, issuer, discovery_url, skip_nonce_check, authorization_url, token_url, \
     userinfo_url, jwks_uri, created_at, updated_at) \
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $22) \
     on conflict (identifier) do update set name = excluded.name, client_id = excluded.client_id, \
     client_secret = excluded.client_secret, acceptable_client_ids = excluded.acceptable_client_ids, scopes = excluded.scopes, \
     pkce_enabled = excluded.pkce_enabled, attribute_mapping = excluded.attribute_mapping, \
     custom_claims_allowlist = excluded.custom_claims_allowlist, authorization_params = excluded.authorization_params, \
     enabled = excluded.enabled, email_optional = excluded.email_optional, issuer = excluded.issuer, \
     discovery_url = excluded.discovery_url, skip_nonce_check = excluded.skip_nonce_check, \
     authorization_url = excluded.authorization_url, token_url = excluded.token_url, userinfo_url = excluded.userinfo_url, \
     jwks_uri = excluded.jwks_uri, updated_at = excluded.updated_at";

pub(crate) const DELETE_CUSTOM_PROVIDER: &str =
    "delete from auth.custom_oauth_providers where identifier = $1";

/// Every statement here, for the test that prepares them.
pub const ALL: &[&str] = &[
    FORGET_OAUTH_FLOWS,
    INSERT_OAUTH_FLOW,
    BIND_OAUTH_FLOW,
    PARK_OAUTH_FLOW,
    TAKE_OAUTH_FLOW,
    OAUTH_FLOW_STANDS,
    KEEP_OAUTH_RESULT,
    TAKE_OAUTH_RESULT,
    SEE_OAUTH_RESULT,
    LOCK_NAME,
    IDENTITY_OWNER,
    RENEW_IDENTITY,
    MERGE_USER_METADATA,
    SET_PROVIDERS,
    NAME_ANONYMOUS,
    DELETE_IDENTITY,
    SET_EMAIL,
    SESSION_OF_USER,
    FORGET_WALLET_MESSAGES,
    TAKE_WALLET_MESSAGE,
    FORGET_ID_TOKENS,
    TAKE_ID_TOKEN,
    CUSTOM_PROVIDER,
    CUSTOM_PROVIDERS,
    CUSTOM_OFFERED,
    CUSTOM_COUNT,
    SAVE_CUSTOM_PROVIDER,
    DELETE_CUSTOM_PROVIDER,
];
