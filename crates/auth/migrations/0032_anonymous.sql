-- An anonymous account stops being one with its first confirmed address or number, or its first identity, whoever wrote it:
-- a confirmed link, an outside sign-in, an administrator, a script.
create function palisade.settle_anonymous() returns trigger language plpgsql set search_path = '' as $$
declare
    kind text := case
        when coalesce(new.email, '') <> '' and new.email_confirmed_at is not null then 'email'
        when coalesce(new.phone, '') <> '' and new.phone_confirmed_at is not null then 'phone'
    end;
begin
    if kind is null then
        return new;
    end if;
    new.is_anonymous := false;
    new.raw_app_meta_data := coalesce(new.raw_app_meta_data, '{}'::jsonb)
        || jsonb_build_object('provider', kind, 'providers', jsonb_build_array(kind));
    insert into auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
    values (new.id::text, new.id,
        jsonb_strip_nulls(jsonb_build_object('sub', new.id, 'email', nullif(new.email, ''), 'phone', nullif(new.phone, ''),
            'email_verified', new.email_confirmed_at is not null, 'phone_verified', new.phone_confirmed_at is not null)),
        kind, new.updated_at, new.updated_at, new.updated_at)
    on conflict do nothing;
    return new;
end $$;

create trigger palisade_settle_anonymous before update on auth.users
    for each row when (old.is_anonymous and new.is_anonymous) execute function palisade.settle_anonymous();

create function palisade.settle_identity() returns trigger language plpgsql set search_path = '' as $$
begin
    update auth.users set is_anonymous = false,
        raw_app_meta_data = coalesce(raw_app_meta_data, '{}'::jsonb)
            || jsonb_build_object('provider', new.provider, 'providers', jsonb_build_array(new.provider))
        where id = new.user_id and is_anonymous and new.provider not in ('email', 'phone');
    return null;
end $$;

create trigger palisade_settle_identity after insert on auth.identities
    for each row execute function palisade.settle_identity();
