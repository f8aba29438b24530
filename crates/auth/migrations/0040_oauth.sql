-- Flows through somebody else's sign-in, as upstream's tables have no place for them, in the schema of our own bookkeeping.

-- What a flow needs when the browser comes back (the verifier, the nonce, whom it links) is sealed; `browser` is the hash of
-- the cookie that the flow is bound to. A row is taken by its first return. `result` is what waits for the exchange of the
-- flow's code: the provider's tokens, and an identity that is linked only then.
create table palisade.oauth_flows (
    id uuid primary key,
    browser bytea check (octet_length(browser) = 32),
    sealed bytea,
    parked bytea,
    result bytea,
    created_at timestamptz not null
);
create index oauth_flows_created_at on palisade.oauth_flows (created_at);
alter table palisade.oauth_flows enable row level security;
