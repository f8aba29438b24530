-- auth.uid() stands in nearly every policy. PostgreSQL writes it out there and prepares every part of it for each statement;
-- the part for claims that were set without a subject (by hand, in psql) moves behind a function that is not written out.

create function auth.claimed_subject() returns text language plpgsql stable as $$
begin
    return nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub';
end
$$;
revoke execute on function auth.claimed_subject() from public;
grant execute on function auth.claimed_subject() to anon, authenticated, service_role, readonly, palisade_owner;

create or replace function auth.uid() returns uuid language sql stable as $$
    select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''), auth.claimed_subject())::uuid
$$;
