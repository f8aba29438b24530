//! The schema that user migrations and policies rely on.

use crate::world::World;

#[tokio::test]
async fn every_statement_can_be_prepared() {
    let world = World::new().await;
    let client = world.db.admin().await;
    client.batch_execute("set role palisade_system").await.unwrap();
    for sql in auth::sql::ALL
        .iter()
        .chain(auth::sql::links::ALL)
        .chain(auth::sql::reclaim::ALL)
        .chain(auth::sso::sql::ALL)
        .chain(auth::impersonation::sql::ALL)
        .chain(auth::mfa::sql::ALL)
        .chain(auth::sql::OAUTH)
        .chain(auth::sql::SERVER)
    {
        client.prepare(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}

#[tokio::test]
async fn every_table_is_behind_row_level_security_without_a_policy() {
    let world = World::new().await;
    let open = "select count(*) from pg_class c where relkind = 'r' and not relrowsecurity \
                and (relnamespace = 'auth'::regnamespace or relname in ('signing_keys', 'api_keys', 'admin_links', 'address_reverts'))";
    assert_eq!(world.count(open).await, 0);
    assert_eq!(world.count("select count(*) from pg_policies where schemaname = 'auth'").await, 0);
    assert_eq!(
        world
            .count(
                "select count(*) from pg_class where relkind = 'r' and relnamespace = 'auth'::regnamespace"
            )
            .await,
        24
    );
}

#[tokio::test]
async fn callers_read_no_row_of_ours() {
    let world = World::new().await;
    world.sign_up("ann@example.com").await;
    for role in ["anon", "authenticated", "service_role", "readonly"] {
        let client = world.db.acting(role).await;
        for table in [
            "auth.users",
            "auth.sessions",
            "palisade.signing_keys",
            "palisade.api_keys",
            "palisade.admin_links",
            "palisade.session_marks",
            "palisade.issuers",
            "palisade.saml_keys",
            "palisade.saml_pins",
            "palisade.saml_assertions",
            "palisade.saml_sessions",
            "palisade.saml_arrivals",
            "palisade.saml_browsers",
            "palisade.lost_secrets",
            "palisade.impersonations",
            "palisade.id_tokens",
            "palisade.oauth_requests",
            "auth.oauth_clients",
            "auth.oauth_authorizations",
        ] {
            assert!(
                client.query(&format!("select * from {table}"), &[]).await.is_err(),
                "{role} read {table}"
            );
        }
    }
}

#[tokio::test]
async fn user_migrations_may_refer_to_users_and_hang_triggers_on_them() {
    let world = World::new().await;
    let owner = world.db.owner().await;
    owner
        .batch_execute(
            "create table public.profiles (id uuid primary key references auth.users (id) on delete cascade, name text);
             create function public.new_profile() returns trigger language plpgsql security definer set search_path = '' as $$
             begin insert into public.profiles values (new.id, new.raw_user_meta_data ->> 'email'); return new; end $$;
             create trigger on_signup after insert on auth.users for each row execute function public.new_profile();",
        )
        .await
        .unwrap();
    let ann = world.sign_up("ann@example.com").await;
    assert_eq!(world.count("select count(*) from public.profiles where name = 'ann@example.com'").await, 1);
    world.auth.admin_delete(ann.user.id, false, &world.visit()).await.unwrap().into_inner();
    assert_eq!(
        world.count("select count(*) from public.profiles").await,
        0,
        "the profile went with its user"
    );

    owner.batch_execute("create or replace function public.new_profile() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$").await.unwrap();
    let refused = world.try_sign_up("bob@example.com", crate::world::PASSWORD).await.err().unwrap();
    assert_eq!(refused.to_string(), "Database error saving new user");
    assert_eq!(world.count("select count(*) from auth.users").await, 0, "nothing of it is left");
}

/// Seeds of Supabase projects insert users with pgcrypto's bcrypt.
#[tokio::test]
async fn seeded_users_sign_in_and_their_bcrypt_hash_is_renewed() {
    let world = World::new().await;
    let owner = world.db.owner().await;
    // The password as `crypt` of pgcrypto hashes it, which not every PostgreSQL has.
    let hash = "$2b$04$ggIo9OA3byjpGazFV9EtMu6CLOnejdISZ55BMKStN7/4LBUiMkpDG";
    owner
        .batch_execute(&format!(
            "insert into auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, created_at, \
             updated_at, raw_app_meta_data, raw_user_meta_data, confirmation_token, recovery_token, email_change, \
             email_change_token_new) values ('00000000-0000-0000-0000-000000000000', gen_random_uuid(), 'authenticated', \
             'authenticated', 'seed@example.com', '{hash}', now(), now(), now(), \
             '{{\"provider\":\"email\"}}', '{{}}', '', '', '', '')"
        ))
        .await
        .unwrap();
    world.sign_in("seed@example.com", crate::world::PASSWORD).await.unwrap();
    let renewed = "select count(*) from auth.users where encrypted_password like '$argon2id$%'";
    assert_eq!(world.count(renewed).await, 1);
    world.sign_in("seed@example.com", crate::world::PASSWORD).await.unwrap();
    assert!(world.events().await.contains(&"auth.password_rehashed".to_owned()));
}

#[tokio::test]
async fn policies_read_the_claims_in_either_spelling() {
    let world = World::new().await;
    let client = world.db.acting("authenticated").await;
    let id = "00000000-0000-0000-0000-000000000001";
    let read = "select auth.uid()::text, auth.role(), auth.email(), auth.jwt() ->> 'sub'";
    let row = client.query_one(read, &[]).await.unwrap();
    assert_eq!(row.get::<_, Option<String>>(0), None);
    client
        .batch_execute(&format!(
            "set request.jwt.claims = '{{\"sub\":\"{id}\",\"role\":\"editor\",\"email\":\"a@example.com\"}}'"
        ))
        .await
        .unwrap();
    let row = client.query_one(read, &[]).await.unwrap();
    let texts: Vec<Option<String>> = (0..4).map(|at| row.get(at)).collect();
    assert_eq!(
        texts,
        [Some(id), Some("editor"), Some("a@example.com"), Some(id)].map(|text| text.map(str::to_owned))
    );
    client.batch_execute("set request.jwt.claims = ''; set request.jwt.claim.role = 'flat'").await.unwrap();
    let row = client.query_one(read, &[]).await.unwrap();
    assert_eq!(row.get::<_, Option<String>>(1).as_deref(), Some("flat"));
}
