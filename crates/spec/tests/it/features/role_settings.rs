//! What an administrator set to the roles of callers stays theirs over restarts, and is what requests have.

use spec::{Client, Palisade};

async fn admin(palisade: &Palisade) -> tokio_postgres::Client {
    let (admin, connection) =
        tokio_postgres::connect(&palisade.ready.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    admin
}

/// What was set to the callers' roles, by name: `anon statement_timeout=3s`.
async fn said(palisade: &Palisade) -> Vec<String> {
    let sql = "SELECT r.rolname || ' ' || said FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
                CROSS JOIN unnest(s.setconfig) said
                WHERE r.rolname IN ('anon', 'authenticated', 'readonly', 'service_role') ORDER BY 1";
    let rows = admin(palisade).await.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn shown(palisade: &Palisade, key: &str, setting: &str) -> String {
    let address = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    let client = Client::new(address, std::net::Ipv4Addr::LOCALHOST.into()).with("apikey", key);
    let got = client.get(&format!("/rest/v1/rpc/shown?setting={setting}")).await.expect(200).value();
    got.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_administrators_settings_of_roles_outlast_a_start_and_ours_follow_our_settings() {
    let palisade = Palisade::start("serve", &[]).await;
    let ours = said(&palisade).await;
    assert_eq!(ours.len(), 4, "a bound for each role: {ours:?}");
    let sql = "CREATE FUNCTION public.shown(setting text) RETURNS text LANGUAGE sql STABLE
                   AS $$ SELECT current_setting(setting) $$;
               GRANT EXECUTE ON FUNCTION public.shown TO anon, service_role;
               ALTER ROLE anon SET statement_timeout = '11s';
               ALTER ROLE anon SET \"TimeZone\" = 'Asia/Tokyo';
               ALTER ROLE authenticated SET statement_timeout = 1500";
    admin(&palisade).await.batch_execute(sql).await.unwrap();

    let flags =
        ["--database.statement_timeout.anon", "2s", "--database.statement_timeout.service_role", "7s"];
    let palisade = palisade.kill_and_start_again("serve", &flags).await;
    let kept = said(&palisade).await;
    for theirs in
        ["anon TimeZone=Asia/Tokyo", "anon statement_timeout=11s", "authenticated statement_timeout=1500"]
    {
        assert!(kept.iter().any(|said| said == theirs), "{theirs}: {kept:?}");
    }
    assert_eq!(kept.len(), 5, "{kept:?}");
    let (publishable, secret) = (palisade.ready.publishable_key.clone(), palisade.ready.secret_key.clone());
    assert_eq!(shown(&palisade, &publishable, "statement_timeout").await, "11s", "theirs before ours");
    assert_eq!(shown(&palisade, &publishable, "TimeZone").await, "Asia/Tokyo");
    assert_eq!(shown(&palisade, &secret, "statement_timeout").await, "7s", "ours, as it is set now");

    // Taken away: ours is back with the next start.
    let sql = "ALTER ROLE anon RESET ALL; ALTER ROLE authenticated RESET ALL";
    admin(&palisade).await.batch_execute(sql).await.unwrap();
    let palisade = palisade.kill_and_start_again("serve", &[]).await;
    assert_eq!(said(&palisade).await, ours);
    assert_eq!(shown(&palisade, &publishable, "statement_timeout").await, "3s");
    assert!(palisade.stop().await.success());
}
