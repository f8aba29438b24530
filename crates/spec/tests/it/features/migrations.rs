//! `palisade migrate`: an application's schema, from its files to the API.

use spec::{Client, Palisade};

#[tokio::test]
async fn a_schema_goes_from_files_to_the_api_and_back_and_hand_work_is_found() {
    let palisade = Palisade::start("serve", &[]).await;
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("migrations").display().to_string();
    let migrate = async |words: &[&str]| {
        let words: Vec<&str> = ["migrate"].iter().chain(words).copied().chain(["--dir", &dir]).collect();
        let output = palisade.command(&words).await;
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
    };
    let write =
        |name: &str, sql: &str| std::fs::write(place.path().join("migrations").join(name), sql).unwrap();
    std::fs::create_dir(place.path().join("migrations")).unwrap();
    write(
        "0001_cities.sql",
        "create table cities (id int primary key, name text);
         create policy everyone on cities for select to anon using (name is not null);
         grant select on cities to anon;
         insert into cities values (1, 'Ulm'), (2, null);",
    );
    write("0001_cities.down.sql", "drop table cities;");

    let (exit, said) = migrate(&["rehearse"]).await;
    assert!(exit == 0 && said.contains("taken back 1_cities"), "{said}");
    let (exit, said) = migrate(&["up"]).await;
    assert!(exit == 0 && said.starts_with("applied 1_cities"), "{said}");
    // Of everything that is granted, the linter says that it is described: no remark on this migration.
    assert_eq!(said.lines().count(), 1, "{said}");
    let address = palisade.ready.url.strip_prefix("http://").unwrap().parse().unwrap();
    let client = Client::new(address, std::net::Ipv4Addr::LOCALHOST.into())
        .with("apikey", &palisade.ready.publishable_key);
    let seen = async || client.get("/rest/v1/cities?select=name").await;
    for _ in 0..100 {
        if seen().await.status == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(seen().await.expect(200).text(), r#"[{"name":"Ulm"}]"#);
    assert_eq!(migrate(&["diff"]).await, (0, "the database is what the files make\n".to_owned()));

    let (database, connection) =
        tokio_postgres::connect(&palisade.ready.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    database.batch_execute("set role palisade_owner; alter table cities add column size int").await.unwrap();
    let (exit, said) = migrate(&["diff"]).await;
    assert_eq!(exit, 1);
    assert!(said.contains("ALTER TABLE public.cities ADD COLUMN IF NOT EXISTS size integer;"), "{said}");

    let (exit, said) = migrate(&["down"]).await;
    assert!(exit == 0 && said.starts_with("taken back 1_cities"), "{said}");
    let (exit, said) = migrate(&["status"]).await;
    assert!(exit == 0 && said.contains("pending"), "{said}");
    write("0002_bad.sql", "select 1;\nselect nothing;");
    let (exit, said) = migrate(&["up"]).await;
    assert!(exit != 0 && said.contains("0002_bad.sql, line 2: column \"nothing\" does not exist"), "{said}");
    assert!(palisade.stop().await.success());
}
