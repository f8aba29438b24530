//! What is not protected is not served.

use data::gate::{acknowledged, report};
use data::{Data, Error, Scope};

use crate::house::{House, run};

#[tokio::test]
async fn a_table_without_forced_row_security_does_not_exist_for_callers() {
    let house = House::new().await;
    // Only a superuser can take off what the event trigger puts on.
    let admin = house.database.admin().await;
    let changes = [
        "ALTER TABLE teams DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE teams ENABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
    ];
    for change in changes {
        run(&admin, change).await;
        house.data.reload().await.unwrap();
        assert!(matches!(house.get("teams").await, Err(Error::NoRelation { .. })), "{change}");
        assert!(
            matches!(house.get("tasks?select=id,teams(*)").await, Err(Error::NoRelationship { .. })),
            "{change}"
        );
        let refused = report(&house.catalog());
        assert!(refused.iter().any(|one| &*one.name == "teams" && one.fix.is_some()), "{refused:?}");
    }
    run(&admin, "ALTER TABLE teams ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY").await;
    house.data.reload().await.unwrap();
    assert_eq!(house.get("teams").await.unwrap().rows, 3);
}

#[tokio::test]
async fn views_with_their_owners_rights_and_copies_of_rows_are_refused() {
    let house = House::new().await;
    let admin = house.database.admin().await;
    run(&admin, "CREATE MATERIALIZED VIEW copy AS SELECT * FROM teams; GRANT SELECT ON copy TO service_role")
        .await;
    run(&admin, "CREATE VIEW open_door AS SELECT * FROM people; GRANT SELECT ON open_door TO service_role")
        .await;
    // The event trigger would close it again.
    for row in admin.query("SELECT quote_ident(evtname) FROM pg_event_trigger", &[]).await.unwrap() {
        run(&admin, &format!("ALTER EVENT TRIGGER {} DISABLE", row.get::<_, String>(0))).await;
    }
    run(&admin, "ALTER VIEW open_door RESET (security_invoker)").await;
    house.data.reload().await.unwrap();
    for name in ["copy", "open_door"] {
        assert!(matches!(house.get(name).await, Err(Error::NoRelation { .. })), "{name}");
    }
}

/// What each function says of itself, and the reason it is refused for; none when it is served.
const FUNCTIONS: &[(&str, &str, Option<&str>)] = &[
    ("plain", "LANGUAGE sql", None),
    ("loose", "LANGUAGE sql SECURITY DEFINER", Some("no search path")),
    (
        "open",
        "LANGUAGE sql SECURITY DEFINER SET search_path = playground, pg_temp",
        Some("callers may create"),
    ),
    ("own", "LANGUAGE sql SECURITY DEFINER SET search_path = \"$user\", public", Some("callers may create")),
    ("strong", "LANGUAGE sql SECURITY DEFINER SET search_path = ''", Some("does not bind")),
    ("said", "LANGUAGE sql SECURITY DEFINER SET search_path = ''", None),
    ("loose_said", "LANGUAGE sql SECURITY DEFINER", Some("no search path")),
];

#[tokio::test]
async fn functions_with_their_owners_rights_are_served_only_on_their_owners_word() {
    let house = House::new().await;
    let admin = house.database.admin().await;
    run(&admin, "CREATE SCHEMA playground; GRANT USAGE, CREATE ON SCHEMA playground TO authenticated").await;
    for (name, how, _) in FUNCTIONS {
        let sql = format!(
            "CREATE FUNCTION {name}() RETURNS bigint {how} AS 'SELECT count(*) FROM public.people';
             ALTER FUNCTION {name}() OWNER TO palisade_owner; GRANT EXECUTE ON FUNCTION {name}() TO service_role"
        );
        run(&admin, &sql).await;
    }
    run(
        &admin,
        "COMMENT ON FUNCTION said() IS 'Counts.
@palisade serve: a number, no rows'",
    )
    .await;
    run(&admin, "COMMENT ON FUNCTION loose_said() IS '@palisade serve: but unsafe'").await;
    run(&admin, "CREATE FUNCTION weak() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1'").await;
    run(&admin, "ALTER FUNCTION weak() OWNER TO readonly; REVOKE ALL ON FUNCTION weak() FROM PUBLIC, anon")
        .await;
    run(&admin, "CREATE FUNCTION weak_open() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = '' AS 'SELECT 1'").await;
    run(
        &admin,
        "ALTER FUNCTION weak_open() OWNER TO readonly; GRANT EXECUTE ON FUNCTION weak_open() TO anon",
    )
    .await;
    run(&admin, "CREATE FUNCTION stolen(people) RETURNS SETOF tasks LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS 'SELECT * FROM public.tasks'").await;
    house.data.reload().await.unwrap();
    let refused = report(&house.catalog());
    let why = |name: &str| refused.iter().find(|one| &*one.name == name).map(|one| one.why.reason());
    for (name, _, expected) in FUNCTIONS {
        match expected {
            None => {
                assert_eq!(why(name), None, "{name}");
                assert_eq!(house.rpc(name).await, "3", "{name}");
            }
            Some(expected) => {
                assert!(why(name).is_some_and(|why| why.contains(expected)), "{name}: {:?}", why(name));
                assert!(house.rpc(name).await.contains("Could not find the function"), "{name}");
            }
        }
    }
    assert_eq!(why("weak"), None, "an owner whom policies bind, and not for anybody");
    assert!(why("weak_open").is_some_and(|why| why.contains("anybody")));
    assert!(house.get("people?select=id,stolen(id)").await.is_err(), "a relationship past the policies");
    let word: Vec<_> = acknowledged(&house.catalog()).into_iter().map(|one| (one.name, one.reason)).collect();
    assert_eq!(word, [("said".into(), "a number, no rows".into())]);
    let catalog = house.catalog();
    assert_eq!(
        catalog.functions("public", "said")[0].comment.as_deref(),
        Some("Counts."),
        "not told to callers"
    );
}

/// Two schemas are exposed, and callers' names are looked for in both. What is not served of one has the name of what is of the other.
const SHADOWS: &str = "
CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO service_role;
CREATE FUNCTION public.purse() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT 'loot' $$;
CREATE FUNCTION other.purse() RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'of other' $$;
CREATE FUNCTION public.chest() RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'of public' $$;
CREATE FUNCTION other.chest() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT 'loot' $$;
CREATE FUNCTION other.alone() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT 'loot' $$;
CREATE FUNCTION public.purse_of(people) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT 'loot' $$;
CREATE FUNCTION other.purse_of(public.people) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'of other' $$;
CREATE FUNCTION public.chest_of(people) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'of public' $$;
CREATE FUNCTION other.chest_of(public.people) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT 'loot' $$;
CREATE FUNCTION public.kin(people) RETURNS SETOF tasks LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT 1, 'loot', 1, 1, 1 $$;
CREATE FUNCTION other.kin(public.people) RETURNS SETOF public.tasks LANGUAGE sql STABLE AS $$ SELECT 1, 'of other', 1, 1, 1 $$;
CREATE FUNCTION spare(a int) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT 'loot' $$;
CREATE FUNCTION spare(a int, b int DEFAULT 1) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'of public' $$;
CREATE FUNCTION nil() RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT 'loot' $$;
CREATE FUNCTION nil(a int DEFAULT 1) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'of public' $$;
CREATE FUNCTION many(n int[]) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT 'loot' $$;
CREATE FUNCTION many(n int[], VARIADIC more int[] DEFAULT '{}') RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'of public' $$;
CREATE FUNCTION kind(a text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS $$ SELECT 'loot' $$;
CREATE FUNCTION kind(a int) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'of public' $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public, other TO service_role;
";

#[tokio::test]
async fn a_function_that_is_not_served_is_not_reached_by_the_name_of_one_that_is() {
    let mut house = House::new().await;
    run(&house.database.owner().await, SHADOWS).await;
    let exposed = vec!["public".into(), "other".into()];
    let scope =
        Scope { exposed, extra: vec!["public".into(), "other".into()], gate: true, pre_request: None };
    house.data = Data::open(house.pg.clone(), scope).await.unwrap();
    let refused: Vec<_> = report(&house.catalog()).into_iter().map(|one| (one.schema, one.name)).collect();
    assert_eq!(refused.len(), 10, "{refused:?}");

    let none = "Could not find the function";
    for (asked, expected) in [
        ("purse", none),
        ("other.purse", "\"of other\""),
        ("chest", "\"of public\""),
        ("other.chest", none),
        ("alone", none),
        ("other.alone", none),
        // PostgreSQL looks for the function itself, at all that there are: with parameters left out it would take the closed one.
        ("spare?a=1&b=2", "\"of public\""),
        ("spare?a=1", none),
        ("nil?a=1", "\"of public\""),
        ("nil", none),
        ("many?n={1}", none),
        ("kind?a=1", "\"of public\""),
    ] {
        let seen = house.rpc(asked).await;
        assert!(!seen.contains("loot") && seen.contains(expected), "{asked}: {seen}");
    }
    for (name, json, expected) in [("spare", r#"{"a": 1}"#, none), ("nil", "{}", none), ("purse", "{}", none)]
    {
        let seen = house.post(name, json).await;
        assert!(!seen.contains("loot") && seen.contains(expected), "{name}: {seen}");
    }
    for asked in
        ["people?select=purse_of", "people?select=id&purse_of=eq.loot", "people?select=id&order=purse_of"]
    {
        let seen = house.body(asked).await;
        assert!(!seen.contains("loot") && house.get(asked).await.is_err(), "{asked}: {seen}");
    }
    // A relationship is a function that is known: the one of the other schema, by its full name.
    let seen = house.body("people?select=kin(title)&id=eq.1").await;
    assert_eq!(seen, r#"[{"kin":[{"title":"of other"}]}]"#);
    let seen = house.body("people?select=chest_of&id=eq.1").await;
    assert_eq!(seen, r#"[{"chest_of":"of public"}]"#, "beside its table, it is the one that is meant");
}

#[tokio::test]
async fn a_view_past_policies_and_a_copy_are_served_on_their_owners_word_until_it_is_taken_back() {
    let house = House::new().await;
    let admin = house.database.admin().await;
    run(
        &admin,
        "CREATE MATERIALIZED VIEW copy AS SELECT id FROM teams; GRANT SELECT ON copy TO service_role;
         CREATE VIEW totals WITH (security_invoker = false) AS SELECT count(*) FROM people;
         GRANT SELECT ON totals TO service_role;
         COMMENT ON MATERIALIZED VIEW copy IS '@palisade serve: ids only'; COMMENT ON VIEW totals IS '@palisade serve: a number';
         CREATE TABLE said (id int); COMMENT ON TABLE said IS '@palisade serve: please'; ALTER TABLE said DISABLE ROW LEVEL SECURITY",
    )
    .await;
    house.data.reload().await.unwrap();
    for name in ["copy", "totals"] {
        house.get(name).await.unwrap();
    }
    assert!(matches!(house.get("said").await, Err(Error::NoRelation { .. })), "a table can have policies");
    assert_eq!(acknowledged(&house.catalog()).len(), 2);
    run(&admin, "COMMENT ON VIEW totals IS 'a number'").await;
    house.data.reload().await.unwrap();
    assert!(matches!(house.get("totals").await, Err(Error::NoRelation { .. })));
}
