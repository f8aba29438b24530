//! Kills in the midst of what changes keys and schemas (row 113): what is there afterwards is whole, on either side.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use spec::{Client, Palisade, Person, program};

const FLAGS: [&str; 6] =
    ["--auth.autoconfirm", "true", "--rate_limiting.enabled", "false", "--detection.enabled", "false"];

fn client(palisade: &Palisade) -> Client {
    let address = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    Client::new(address, std::net::Ipv4Addr::LOCALHOST.into()).with("apikey", &palisade.ready.publishable_key)
}

/// What a query of the database's administrator says, in the first column of its rows.
async fn ask(palisade: &Palisade, sql: &str) -> Vec<String> {
    let (database, connection) =
        tokio_postgres::connect(&palisade.ready.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let rows = database.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Begun, and not waited for: whoever asked may find nobody there any more.
fn begin(palisade: &Palisade, words: &[&str]) -> tokio::process::Child {
    let mut command = tokio::process::Command::new(program::binary());
    command.args(words).arg("--data").arg(palisade.data()).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A migration is at work.
async fn is_under_way(palisade: &Palisade) {
    let at_work = "select query from pg_stat_activity where query ~ 'palisade_runs' and wait_event = 'PgSleep' and state = 'active' and pid <> pg_backend_pid()";
    for _ in 0..1_000 {
        if !ask(palisade, at_work).await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no migration began:\n{}", palisade.output());
}

/// One that takes a while, and that half of would be seen.
fn migration(number: u32) -> String {
    format!(
        "create table public.killed{number} (id int primary key);\ninsert into public.killed{number} select generate_series(1, 500);\n\
         select pg_sleep(0.15);\ninsert into public.killed{number} select generate_series(501, 1000);\n"
    )
}

const FILES: u32 = 20;

/// Which migrations there are: remembered, and there wholly, or neither.
async fn whole_migrations(palisade: &Palisade) -> usize {
    let remembered =
        ask(palisade, "select version::text as known from migrate.applied order by version").await;
    let tables = "select substr(relname, 7) from pg_class where relname ~ '^killed[0-9]+$' order by substr(relname, 7)::int";
    assert_eq!(ask(palisade, tables).await, remembered, "what is there and what is remembered");
    for version in &remembered {
        let rows = ask(palisade, &format!("select count(*)::text from public.killed{version}")).await;
        assert_eq!(rows, ["1000"], "migration {version}");
    }
    remembered.len()
}

#[tokio::test]
async fn row_113_a_kill_while_keys_rotate_and_a_schema_migrates_leaves_either_side_whole() {
    let place = tempfile::tempdir().unwrap();
    for number in 1..=FILES {
        std::fs::write(place.path().join(format!("{number:04}_killed.sql")), migration(number)).unwrap();
    }
    let dir = place.path().display().to_string();
    let mut palisade = Palisade::start("serve", &FLAGS).await;
    let ann = Person::sign_up(&client(&palisade), "ann@example.com").await;
    let sign_in = async |palisade: &Palisade| -> Value {
        Person::sign_in(&client(palisade), &ann.email, &ann.password).await.expect(200).value()
    };
    let mut before = sign_in(&palisade).await;
    let (mut migrated, mut signed_by) = (0, Vec::new());
    for round in 0..6_u64 {
        let mut begun = vec![begin(&palisade, &["migrate", "up", "--dir", &dir])];
        is_under_way(&palisade).await;
        // Several: one of them is under way whenever the kill comes, and so is one migration or the next.
        begun.extend((0..4).map(|_| begin(&palisade, &["keys", "rotate"])));
        tokio::time::sleep(Duration::from_millis(round * 61)).await;
        palisade = palisade.kill_and_start_again("serve", &FLAGS).await;
        for mut one in begun {
            one.wait().await.unwrap();
        }
        let states = "select string_agg(state, ' ' order by state) from palisade.signing_keys where state in ('active', 'next')";
        assert_eq!(ask(&palisade, states).await, ["active next"], "round {round}");
        // What was signed before the kill is believed, and so is what is signed after it.
        let after = sign_in(&palisade).await;
        for session in [&before, &after] {
            let person = Person::from(&client(&palisade), &ann.email, session);
            person.client.get("/auth/v1/user").await.expect(200);
        }
        before = after;
        signed_by
            .extend(ask(&palisade, "select kid from palisade.signing_keys where state = 'active'").await);
        let now = whole_migrations(&palisade).await;
        assert!(now >= migrated, "{now} of {migrated} are left");
        migrated = now;
        let verdict = palisade.command(&["audit", "verify"]).await;
        assert!(verdict.status.success(), "{}", String::from_utf8_lossy(&verdict.stdout));
    }
    signed_by.dedup();
    assert!(signed_by.len() > 1, "keys were rotated between the kills");
    let done = palisade.command(&["migrate", "up", "--dir", &dir]).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(whole_migrations(&palisade).await, FILES as usize);
    assert!(palisade.stop().await.success());
}
