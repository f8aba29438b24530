-- Which browser a sign-in without PKCE belongs to, where that browser goes once it is known, and an answer that was verified and
-- waits for it (sealed). It goes with the relay state.
create table palisade.saml_browsers (
    relay_id uuid primary key references auth.saml_relay_states (id) on delete cascade,
    location text not null,
    browser bytea check (length(browser) = 32),
    parked bytea
);
alter table palisade.saml_browsers enable row level security;
