//! The function that every request calls first.

use base::{Caller, DbRole};
use data::ask::{Name, Returning, Rules};
use data::catalog::before::Wrong;
use data::gate::Why;
use data::{Data, Error, Scope};
use pg::Setup;

use crate::house::{House, insert, read_ask, run};

const GUARD: &str = "
CREATE SCHEMA guard; GRANT USAGE ON SCHEMA guard TO anon, authenticated, service_role;
CREATE FUNCTION guard.pass() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    IF current_setting('request.headers', true)::json->>'x-shut' IS NOT NULL THEN
        RAISE SQLSTATE 'PT429' USING MESSAGE = 'not now, ' || current_user;
    END IF;
    PERFORM set_config('app.passed', current_user, true);
END $$;
GRANT EXECUTE ON FUNCTION guard.pass() TO anon, authenticated, service_role;
CREATE FUNCTION passed() RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_setting('app.passed', true) $$;
GRANT EXECUTE ON FUNCTION passed() TO anon, authenticated, service_role;
";

/// The house, and its data behind `guard.pass`.
async fn guarded(more: &str) -> (House, Data) {
    let house = House::new().await;
    run(&house.database.owner().await, GUARD).await;
    run(&house.database.admin().await, more).await;
    let pre_request = Some(Name::new("guard", "pass"));
    let scope = Scope { exposed: vec!["public".into()], extra: vec![], gate: true, pre_request };
    let data = Data::open(house.pg.clone(), scope).await.unwrap();
    (House { data: data.clone(), ..house }, data)
}

fn shut() -> Setup {
    Setup { more: vec![("request.headers".into(), r#"{"x-shut":"yes"}"#.into())], ..Setup::default() }
}

#[tokio::test]
async fn it_runs_as_the_caller_in_front_of_reads_writes_and_calls() {
    let (house, _) = guarded("").await;
    assert_eq!(house.rpc("passed").await, r#""service_role""#);
    assert_eq!(house.get("teams").await.unwrap().rows, 3);
    house.write("teams", insert(r#"{"id": 9, "name": "new"}"#), Returning::Minimal).await.unwrap();

    let member = Caller { role: DbRole::authenticated(), ..Caller::anonymous() };
    let rules = Rules { max_rows: None, aggregates: false };
    for url in ["teams", "teams?limit=1"] {
        let ask = read_ask(url, Default::default());
        let refused = house.data.read(&house.pg, &member, &ask, &rules, shut()).await.unwrap_err();
        let Error::Database(said) = refused else { panic!("{refused}") };
        assert!(said.is("PT429") && said.database().unwrap().message == "not now, authenticated", "{said}");
        let streamed = house.data.stream(&house.pg, &member, &ask, &rules, shut()).await;
        assert!(streamed.is_err() || streamed.is_ok_and(|begun| begun.is_none()), "{url}");
    }
}

#[tokio::test]
async fn a_request_is_still_one_round_trip() {
    let (house, _) = guarded("").await;
    let syncs = |house: &House| {
        let now = house.pg.stats();
        now.short.round_trips + now.own.round_trips
    };
    house.get("teams?id=eq.1").await.unwrap();
    for url in ["teams?id=eq.1", "teams", "people?select=id,name"] {
        let before = syncs(&house);
        house.get(url).await.unwrap();
        assert_eq!(syncs(&house) - before, 1, "{url}");
    }
    let before = syncs(&house);
    house.rpc("passed").await;
    house.write("teams", insert(r#"{"id": 8, "name": "eight"}"#), Returning::Minimal).await.unwrap();
    assert_eq!(syncs(&house) - before, 2);
}

#[tokio::test]
async fn one_that_callers_could_change_or_that_is_missing_closes_everything() {
    let wrong = [
        ("DROP FUNCTION guard.pass()", Wrong::Missing),
        (
            "DROP FUNCTION guard.pass(); CREATE FUNCTION guard.pass(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            Wrong::Missing,
        ),
        ("ALTER FUNCTION guard.pass() OWNER TO authenticated", Wrong::OwnedByCallers),
        ("ALTER FUNCTION guard.pass() OWNER TO service_role", Wrong::OwnedByCallers),
        ("GRANT CREATE ON SCHEMA guard TO PUBLIC", Wrong::SchemaOfCallers),
        ("GRANT CREATE ON SCHEMA guard TO anon", Wrong::SchemaOfCallers),
        ("ALTER FUNCTION guard.pass() SECURITY DEFINER", Wrong::NoSearchPath),
        ("REVOKE EXECUTE ON FUNCTION guard.pass() FROM anon, PUBLIC", Wrong::NotExecutable),
        ("REVOKE USAGE ON SCHEMA guard FROM authenticated", Wrong::NotExecutable),
    ];
    let (house, data) = guarded("").await;
    let admin = house.database.admin().await;
    for (change, why) in wrong {
        run(&admin, change).await;
        data.reload().await.unwrap();
        let refused = house.get("teams").await.unwrap_err();
        assert!(matches!(&refused, Error::PreRequest(_)), "{change}: {refused}");
        assert_eq!(base::Fault::kind(&refused), base::Kind::Unavailable);
        let told = data::gate::report(&data.catalog());
        assert!(told.iter().any(|one| one.why == Why::Before(why)), "{change}: {told:?}");
        // What the report says to run mends it; what is gone is made again.
        match told.iter().find_map(|one| one.fix.clone()) {
            Some(fix) => run(&admin, &fix).await,
            None => run(&admin, "DROP SCHEMA guard CASCADE; DROP FUNCTION passed()").await,
        }
        if why == Wrong::Missing {
            run(&house.database.owner().await, GUARD).await;
        }
        data.reload().await.unwrap();
        assert_eq!(house.get("teams").await.unwrap().rows, 3, "{change}");
        run(&admin, "ALTER FUNCTION guard.pass() SECURITY INVOKER").await;
    }
}
