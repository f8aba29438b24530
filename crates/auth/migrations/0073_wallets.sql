-- Texts that a wallet signed and somebody signed in with, until they could not be presented any more anyway.
create table palisade.wallet_messages (
    digest bytea primary key check (length(digest) = 32),
    expires_at timestamptz not null
);
create index wallet_messages_expires_at on palisade.wallet_messages (expires_at);
alter table palisade.wallet_messages enable row level security;
