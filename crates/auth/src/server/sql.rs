//! The statements of our own OAuth server.

macro_rules! client_columns {
    () => {
        "c.id, c.client_secret_hash, c.registration_type::text as registration_type, c.redirect_uris, c.grant_types, c.client_name, \
         c.client_uri, c.logo_uri, c.created_at, c.updated_at, c.client_type::text as client_type, c.token_endpoint_auth_method"
    };
}

pub(crate) const CLIENT: &str = concat!(
    "select ",
    client_columns!(),
    " from auth.oauth_clients c where c.id = $1 and c.deleted_at is null"
);

pub(crate) const CLIENTS: &str = concat!(
    "select ",
    client_columns!(),
    " from auth.oauth_clients c where c.deleted_at is null order by c.created_at desc, c.id limit $1 offset $2"
);

/// Of one kind, or of both.
pub(crate) const CLIENTS_COUNT: &str = "select count(*) as total from auth.oauth_clients \
     where deleted_at is null and ($1 = '' or registration_type::text = $1)";

pub(crate) const INSERT_CLIENT: &str = "insert into auth.oauth_clients (id, client_secret_hash, registration_type, redirect_uris, \
     grant_types, client_name, client_uri, logo_uri, client_type, token_endpoint_auth_method, created_at, updated_at) \
     values ($1, $2, $3::text::auth.oauth_registration_type, $4, $5, $6, $7, $8, $9::text::auth.oauth_client_type, $10, $11, $11)";

pub(crate) const CHANGE_CLIENT: &str = "update auth.oauth_clients set client_secret_hash = $2, redirect_uris = $3, \
     grant_types = $4, client_name = $5, client_uri = $6, logo_uri = $7, updated_at = $8, token_endpoint_auth_method = $9 \
     where id = $1 and deleted_at is null";

/// Its sessions, consents and waiting requests go with it.
pub(crate) const DELETE_CLIENT: &str = "delete from auth.oauth_clients where id = $1";

pub(crate) const END_SESSIONS_OF_CLIENT: &str = "delete from auth.sessions where oauth_client_id = $1 \
     and ($2::uuid is null or user_id = $2) returning id";

pub(crate) const END_SESSION_OF_CLIENT: &str =
    "delete from auth.sessions where id = $1 and oauth_client_id = $2 returning id, user_id";

/// What waits for nothing any more; exchanged codes are known for a day, so that a late second use is known for what it is.
pub(crate) const FORGET_AUTHORIZATIONS: &str = "delete from auth.oauth_authorizations where id in \
     (select a.id from auth.oauth_authorizations a where a.expires_at < $1 or (a.expires_at < $2 and a.status = 'pending') \
      order by a.expires_at limit 20 for update skip locked)";

pub(crate) const INSERT_AUTHORIZATION: &str = "insert into auth.oauth_authorizations (id, authorization_id, client_id, \
     redirect_uri, scope, state, resource, code_challenge, code_challenge_method, nonce, created_at, expires_at) \
     values ($1, $2, $3, $4, $5, $6, $7, $8, 's256', $9, $10, $11)";

pub(crate) const INSERT_REQUEST: &str =
    "insert into palisade.oauth_requests (authorization_id, prompt, max_age) values ($1, $2, $3)";

macro_rules! authorization_columns {
    () => {
        "a.id, a.authorization_id, a.client_id, a.user_id, a.redirect_uri, a.scope, a.state, a.resource, a.code_challenge, \
         a.nonce, a.status::text as status, a.created_at, a.expires_at, r.prompt, r.max_age, r.level, r.proofs, r.proven_at, \
         r.agreed_in, r.spent_at, r.session_id"
    };
}

pub(crate) const AUTHORIZATION: &str = concat!(
    "select ",
    authorization_columns!(),
    " from auth.oauth_authorizations a join palisade.oauth_requests r on r.authorization_id = a.id \
     where a.authorization_id = $1 for update of a, r"
);

/// A request belongs to the first person who looks at it.
pub(crate) const CLAIM_AUTHORIZATION: &str =
    "update auth.oauth_authorizations set user_id = $2 where id = $1 and (user_id is null or user_id = $2)";

/// Once: of two answers to one request, one finds it answered.
pub(crate) const ANSWER_AUTHORIZATION: &str = "update auth.oauth_authorizations set \
     status = $2::text::auth.oauth_authorization_status, authorization_code = $3, approved_at = $4, expires_at = $5 \
     where id = $1 and status = 'pending'";

pub(crate) const NOTE_PROOFS: &str = "update palisade.oauth_requests set level = $2, proofs = $3, proven_at = $4, agreed_in = $5 where authorization_id = $1";

/// The session somebody agreed in must be there when the code is exchanged: who signed out everywhere is out.
pub(crate) const SESSION_STANDS: &str = "select id from auth.sessions where id = $1 and user_id = $2";

/// Kept when it is spent, so that a second use is known for what it is. Both rows are locked: whoever waited for the first
/// use sees what it did, which a row that is only joined would not show.
pub(crate) const AUTHORIZATION_BY_CODE: &str = concat!(
    "select ",
    authorization_columns!(),
    " from auth.oauth_authorizations a join palisade.oauth_requests r on r.authorization_id = a.id \
     where a.authorization_code = $1 and a.status = 'approved' for update of a, r"
);

pub(crate) const SPEND_CODE: &str = "update palisade.oauth_requests set spent_at = $2, session_id = $3 where authorization_id = $1 and spent_at is null";

pub(crate) const CONSENT: &str =
    "select scopes from auth.oauth_consents where user_id = $1 and client_id = $2 and revoked_at is null";

pub(crate) const SAVE_CONSENT: &str = "insert into auth.oauth_consents (id, user_id, client_id, scopes, granted_at) \
     values ($1, $2, $3, $4, $5) on conflict (user_id, client_id) do update set scopes = excluded.scopes, \
     granted_at = excluded.granted_at, revoked_at = null";

pub(crate) const CONSENTS: &str = "select c.id, c.client_name, c.client_uri, c.logo_uri, o.scopes, o.granted_at \
     from auth.oauth_consents o join auth.oauth_clients c on c.id = o.client_id \
     where o.user_id = $1 and o.revoked_at is null and c.deleted_at is null order by o.granted_at desc, c.id limit 1000";

pub(crate) const REVOKE_CONSENT: &str = "update auth.oauth_consents set revoked_at = greatest($3, granted_at) \
     where user_id = $1 and client_id = $2 and revoked_at is null";

/// All that somebody agreed to.
pub(crate) const REVOKE_CONSENTS: &str = "update auth.oauth_consents set revoked_at = greatest($2, granted_at) \
     where user_id = $1 and revoked_at is null";

/// What waits between consent and exchange goes with the consent.
pub(crate) const DROP_AUTHORIZATIONS: &str =
    "delete from auth.oauth_authorizations where user_id = $1 and client_id = $2";

/// Every statement here, for the test that prepares them.
pub const ALL: &[&str] = &[
    CLIENT,
    CLIENTS,
    CLIENTS_COUNT,
    INSERT_CLIENT,
    CHANGE_CLIENT,
    DELETE_CLIENT,
    END_SESSIONS_OF_CLIENT,
    END_SESSION_OF_CLIENT,
    FORGET_AUTHORIZATIONS,
    INSERT_AUTHORIZATION,
    INSERT_REQUEST,
    AUTHORIZATION,
    CLAIM_AUTHORIZATION,
    ANSWER_AUTHORIZATION,
    NOTE_PROOFS,
    SESSION_STANDS,
    AUTHORIZATION_BY_CODE,
    SPEND_CODE,
    CONSENT,
    SAVE_CONSENT,
    CONSENTS,
    REVOKE_CONSENT,
    REVOKE_CONSENTS,
    DROP_AUTHORIZATIONS,
];
