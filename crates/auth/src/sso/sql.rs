//! The statements of SAML sign-in. A test prepares each against a migrated database.

macro_rules! provider_columns {
    () => {
        "p.id, p.resource_id, coalesce(p.disabled, false) as disabled, p.created_at, p.updated_at, \
         s.entity_id, s.metadata_xml, s.metadata_url, s.attribute_mapping, s.name_id_format, \
         coalesce(k.pinned, s.metadata_xml) as pinned, k.offered is not null as has_offer, \
         coalesce(k.learns_issuer, false) as learns_issuer, coalesce(k.allow_idp_initiated, false) as allow_idp_initiated, \
         coalesce(k.allow_clear_text, false) as allow_clear_text, coalesce(k.redirect_hosts, '[]'::jsonb) as redirect_hosts, \
         k.from_settings, k.failure, \
         (select coalesce(json_agg(json_build_object('id', d.id, 'domain', d.domain, 'created_at', d.created_at, \
             'updated_at', d.updated_at) order by d.domain), '[]'::json) \
          from auth.sso_domains d where d.sso_provider_id = p.id) as domains \
         from auth.sso_providers p join auth.saml_providers s on s.sso_provider_id = p.id \
         left join palisade.saml_pins k on k.sso_provider_id = p.id"
    };
}

pub(super) const PROVIDERS: &str =
    concat!("select ", provider_columns!(), " order by p.created_at, p.id limit $1");

pub(super) const PROVIDER_BY_ID: &str = concat!("select ", provider_columns!(), " where p.id = $1");

pub(super) const PROVIDER_BY_RESOURCE: &str =
    concat!("select ", provider_columns!(), " where lower(p.resource_id) = lower($1)");

pub(super) const PROVIDER_BY_ISSUER: &str =
    concat!("select ", provider_columns!(), " where s.entity_id = $1");

pub(super) const PROVIDER_BY_DOMAIN: &str = concat!(
    "select ",
    provider_columns!(),
    " join auth.sso_domains f on f.sso_provider_id = p.id where lower(f.domain) = lower($1)"
);

/// Providers of the settings that take everybody: those without domains of their own.
pub(super) const PROVIDERS_FOR_ANY_DOMAIN: &str = concat!(
    "select ",
    provider_columns!(),
    " where k.from_settings is not null and not coalesce(p.disabled, false) \
      and not exists (select 1 from auth.sso_domains f where f.sso_provider_id = p.id) limit 2"
);

pub(super) const ANY_LIVE_PROVIDER: &str = "select 1 as one from auth.sso_providers p \
     where not coalesce(p.disabled, false) and coalesce(p.resource_id, '') not like 'probe\\_%' limit 1";

pub(super) const ANY_IDP_INITIATED: &str = "select 1 as one from palisade.saml_pins k join auth.sso_providers p \
     on p.id = k.sso_provider_id where k.allow_idp_initiated and not coalesce(p.disabled, false) limit 1";

pub(super) const DOMAIN_OWNER: &str =
    "select sso_provider_id from auth.sso_domains where lower(domain) = lower($1)";

pub(super) const INSERT_PROVIDER: &str = "insert into auth.sso_providers (id, resource_id, created_at, updated_at, disabled) \
     values ($1, $2, $3, $3, $4)";

pub(super) const INSERT_SAML: &str = "insert into auth.saml_providers (id, sso_provider_id, entity_id, metadata_xml, \
     metadata_url, attribute_mapping, created_at, updated_at, name_id_format) values ($1, $2, $3, $4, $5, $6, $7, $7, $8)";

pub(super) const UPDATE_PROVIDER: &str =
    "update auth.sso_providers set resource_id = $2, disabled = $3, updated_at = $4 where id = $1";

pub(super) const UPDATE_SAML: &str = "update auth.saml_providers set entity_id = $2, metadata_xml = $3, metadata_url = $4, \
     attribute_mapping = $5, updated_at = $6, name_id_format = $7 where sso_provider_id = $1";

pub(super) const DELETE_PROVIDER: &str = "delete from auth.sso_providers where id = $1";

pub(super) const DISABLE_FORGOTTEN: &str = "update auth.sso_providers p set disabled = true, updated_at = $2 \
     from palisade.saml_pins k where k.sso_provider_id = p.id and k.from_settings is not null \
     and k.from_settings <> all ($1::text[]) and not coalesce(p.disabled, false)";

pub(super) const INSERT_DOMAIN: &str = "insert into auth.sso_domains (id, sso_provider_id, domain, created_at, updated_at) \
     values ($1, $2, $3, $4, $4)";

pub(super) const DELETE_DOMAINS: &str = "delete from auth.sso_domains where sso_provider_id = $1";

pub(super) const PIN: &str = "insert into palisade.saml_pins (sso_provider_id, pinned, learns_issuer, allow_idp_initiated, \
     allow_clear_text, redirect_hosts, from_settings, fetched_at) values ($1, $2, $3, $4, $5, $6, $7, $8) \
     on conflict (sso_provider_id) do update set pinned = excluded.pinned, offered = null, offered_at = null, \
     learns_issuer = excluded.learns_issuer, allow_idp_initiated = excluded.allow_idp_initiated, \
     allow_clear_text = excluded.allow_clear_text, redirect_hosts = excluded.redirect_hosts, \
     from_settings = excluded.from_settings, fetched_at = excluded.fetched_at, failed_at = null, failure = null";

/// The issuer of a provider that was given without one, once a pinned key signed for it.
pub(super) const LEARN_ISSUER: &str = "with learnt as (update palisade.saml_pins set learns_issuer = false, pinned = $3 \
     where sso_provider_id = $1 and learns_issuer returning sso_provider_id) \
     update auth.saml_providers s set entity_id = $2 from learnt where s.sso_provider_id = learnt.sso_provider_id";

/// Of several nodes, one fetches.
pub(super) const CLAIM_REFRESH: &str = "update palisade.saml_pins k set fetched_at = $2 from auth.saml_providers s, \
     auth.sso_providers p where s.sso_provider_id = k.sso_provider_id and p.id = k.sso_provider_id \
     and s.metadata_url is not null and not coalesce(p.disabled, false) \
     and coalesce(k.fetched_at, '-infinity') < $1 returning k.sso_provider_id as id";

pub(super) const KEEP_PIN: &str = "update palisade.saml_pins set pinned = $2, offered = null, offered_at = null, failed_at = null, failure = null where sso_provider_id = $1";

/// Zero rows when the same was offered before: one change is told once.
pub(super) const OFFER_PIN: &str = "update palisade.saml_pins set offered = $2, offered_at = $3, failed_at = null, \
     failure = null where sso_provider_id = $1 and offered is distinct from $2";

pub(super) const REFRESH_FAILED: &str =
    "update palisade.saml_pins set failed_at = $2, failure = $3 where sso_provider_id = $1";

pub(super) const INSERT_RELAY: &str = "insert into auth.saml_relay_states (id, sso_provider_id, request_id, redirect_to, \
     created_at, updated_at, flow_state_id) values ($1, $2, $3, $4, $5, $5, $6)";

/// Locked, so that of two answers at once one finds nothing.
pub(super) const RELAY_LOCKED: &str = "select r.id, r.sso_provider_id, r.request_id, r.redirect_to, r.created_at, r.flow_state_id, \
     b.relay_id is not null as by_browser, b.browser, b.parked from auth.saml_relay_states r left join palisade.saml_browsers b on b.relay_id = r.id \
     where r.id = $1 for update of r";

/// Once, whatever comes of it.
pub(super) const TAKE_RELAY: &str = "delete from auth.saml_relay_states where id = $1 \
     returning sso_provider_id, request_id, redirect_to, created_at";

pub(super) const INSERT_BROWSER: &str =
    "insert into palisade.saml_browsers (relay_id, location) values ($1, $2)";

/// The first browser that comes, and no other.
pub(super) const BIND_BROWSER: &str = "update palisade.saml_browsers b set browser = $2 from auth.saml_relay_states r \
     where b.relay_id = $1 and r.id = b.relay_id and b.parked is null and (b.browser is null or b.browser = $2) \
     returning b.location, r.created_at";

pub(super) const PARK_RESPONSE: &str = "update palisade.saml_browsers set parked = $2 \
     where relay_id = $1 and browser is not null and parked is null";

pub(super) const FORGET_RELAYS: &str = "delete from auth.saml_relay_states where created_at < $1";

pub(super) const TAKE_ASSERTION: &str = "insert into palisade.saml_assertions (sso_provider_id, assertion_id, expires_at) \
     values ($1, $2, $3) on conflict do nothing";

pub(super) const FORGET_ASSERTIONS: &str = "delete from palisade.saml_assertions where expires_at < $1";

pub(super) const IDENTITY: &str =
    "select user_id from auth.identities where provider_id = $1 and provider = $2";

pub(super) const INSERT_USER: &str = "insert into auth.users (instance_id, id, aud, role, email, email_confirmed_at, \
     raw_app_meta_data, raw_user_meta_data, created_at, updated_at, confirmation_token, recovery_token, \
     email_change_token_new, email_change, is_sso_user) \
     values ('00000000-0000-0000-0000-000000000000', $1, $2, $3, $4, $5, $6, $7, $5, $5, '', '', '', '', true)";

pub(super) const UPDATE_USER: &str = "update auth.users set email = $2, raw_user_meta_data = coalesce(raw_user_meta_data, '{}') || $3, \
     updated_at = $4 where id = $1";

pub(super) const UPDATE_IDENTITY: &str =
    "update auth.identities set identity_data = $3, updated_at = $4 where provider_id = $1 and provider = $2";

pub(super) const INSERT_SESSION: &str = "insert into palisade.saml_sessions (session_id, sso_provider_id, name_id, \
     name_id_format, session_index) values ($1, $2, $3, $4, $5)";

pub(super) const INSERT_ARRIVAL: &str = "insert into palisade.saml_arrivals (flow_id, sso_provider_id, name_id, \
     name_id_format, session_index, ends_at, arrived_at) values ($1, $2, $3, $4, $5, $6, $7)";

pub(super) const FORGET_ARRIVALS: &str = "delete from palisade.saml_arrivals where arrived_at < $1";

pub(super) const TAKE_ARRIVAL: &str = "delete from palisade.saml_arrivals where flow_id = $1 \
     returning sso_provider_id, name_id, name_id_format, session_index, ends_at";

pub(super) const SESSION_THERE: &str = "select sso_provider_id, name_id, name_id_format, session_index, null::timestamptz as ends_at \
     from palisade.saml_sessions where session_id = $1";

/// All of a person's, or those of the sessions that are named.
pub(super) const END_SESSIONS: &str = "delete from auth.sessions a using palisade.saml_sessions s where s.session_id = a.id \
     and s.sso_provider_id = $1 and s.name_id = $2 and (cardinality($3::text[]) = 0 or s.session_index = any ($3::text[])) \
     returning a.id, a.user_id";

pub(super) const KEYS: &str = "select private_key, certificate from palisade.saml_keys";

/// Two nodes that make keys at once end with the same.
pub(super) const INSERT_KEYS: &str = "insert into palisade.saml_keys (private_key, certificate, created_at) values ($1, $2, $3) \
     on conflict do nothing";

pub(super) const ADMINISTRATORS: &str = "select email from auth.users where role in ('supabase_admin', 'dashboard_admin', 'service_role') \
     and email_confirmed_at is not null and deleted_at is null and not is_sso_user order by created_at limit 20";

/// Every statement, for the test that prepares them.
pub const ALL: &[&str] = &[
    PROVIDERS,
    PROVIDER_BY_ID,
    PROVIDER_BY_RESOURCE,
    PROVIDER_BY_ISSUER,
    PROVIDER_BY_DOMAIN,
    PROVIDERS_FOR_ANY_DOMAIN,
    ANY_LIVE_PROVIDER,
    ANY_IDP_INITIATED,
    DOMAIN_OWNER,
    INSERT_PROVIDER,
    INSERT_SAML,
    UPDATE_PROVIDER,
    UPDATE_SAML,
    DELETE_PROVIDER,
    DISABLE_FORGOTTEN,
    INSERT_DOMAIN,
    DELETE_DOMAINS,
    PIN,
    LEARN_ISSUER,
    CLAIM_REFRESH,
    KEEP_PIN,
    OFFER_PIN,
    REFRESH_FAILED,
    INSERT_RELAY,
    RELAY_LOCKED,
    TAKE_RELAY,
    INSERT_BROWSER,
    BIND_BROWSER,
    PARK_RESPONSE,
    FORGET_RELAYS,
    TAKE_ASSERTION,
    FORGET_ASSERTIONS,
    IDENTITY,
    INSERT_USER,
    UPDATE_USER,
    UPDATE_IDENTITY,
    INSERT_SESSION,
    INSERT_ARRIVAL,
    FORGET_ARRIVALS,
    TAKE_ARRIVAL,
    SESSION_THERE,
    END_SESSIONS,
    KEYS,
    INSERT_KEYS,
    ADMINISTRATORS,
];
