//! Statements of taking an account back, see [`crate::reclaim`].

/// Everything that hangs on an account but its row and its sessions. `$2`, `$3` name the identity that stays (any subject
/// when `$3` is empty), `$4` the flow that goes on.
pub(crate) const FORGET: &str = "with identities as (delete from auth.identities where user_id = $1 \
         and not (provider = $2 and $3::text in ('', provider_id)) returning 1), \
     factors as (delete from auth.mfa_factors where user_id = $1 returning 1), \
     codes as (delete from auth.mfa_recovery_code_sets where user_id = $1 returning 1), \
     passkeys as (delete from auth.webauthn_credentials where user_id = $1 returning 1), \
     ceremonies as (delete from auth.webauthn_challenges where user_id = $1), \
     consents as (delete from auth.oauth_consents where user_id = $1 returning 1), \
     authorizations as (delete from auth.oauth_authorizations where user_id = $1 returning 1), \
     tokens as (delete from auth.one_time_tokens where user_id = $1), \
     flows as (delete from auth.flow_state where user_id = $1 and id is distinct from $4), \
     reverts as (delete from palisade.address_reverts where user_id = $1 returning 1), \
     history as (delete from palisade.password_history where user_id = $1), \
     guesses as (delete from palisade.guesses where user_id = $1) \
     select (select count(*) from identities) + (select count(*) from factors) + (select count(*) from codes) \
     + (select count(*) from passkeys) + (select count(*) from consents) + (select count(*) from authorizations) \
     + (select count(*) from reverts) as removed";

/// What somebody else said of themselves is not the owner's.
pub(crate) const RESET_IDENTITY: &str =
    "update auth.identities set identity_data = $3, updated_at = $4 where user_id = $1 and provider = $2";

/// The row itself: the proven address (`$2`) stays, the other one goes, and so do password and data unless they are what is
/// being confirmed (`$3`). What an administrator wrote into an invitation is not a stranger's.
pub(crate) const RECLAIM_USER: &str = "update auth.users u set \
     encrypted_password = case when $3::boolean then encrypted_password else '' end, \
     email = case when $2::text = 'email' then email end, \
     email_confirmed_at = case when $2::text = 'email' then email_confirmed_at end, \
     phone = case when $2::text = 'phone' then phone end, \
     phone_confirmed_at = case when $2::text = 'phone' then phone_confirmed_at end, \
     email_change = '', email_change_token_new = '', email_change_token_current = '', email_change_confirm_status = 0, \
     phone_change = '', phone_change_token = '', \
     recovery_token = '', confirmation_token = '', reauthentication_token = '', updated_at = $4, \
     raw_user_meta_data = case when $3::boolean or invited_at is not null then raw_user_meta_data \
     else coalesce((select i.identity_data from auth.identities i where i.user_id = u.id order by i.created_at limit 1), '{}') end \
     where id = $1";

/// Every statement, for the test that prepares them.
pub const ALL: &[&str] = &[FORGET, RESET_IDENTITY, RECLAIM_USER];
