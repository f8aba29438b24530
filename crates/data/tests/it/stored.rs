//! HTML that stands in tagged columns already.

use data::ask::Name;
use data::stored;

use crate::house::{House, run};

const SCHEMA: &str = "
CREATE DOMAIN page AS text; COMMENT ON DOMAIN page IS '@palisade html: sanitize';
CREATE TABLE posts (id int PRIMARY KEY, body text, notes text[], extra jsonb, shown page, plain text,
                    loud text GENERATED ALWAYS AS (upper(plain)) STORED, touched int NOT NULL DEFAULT 0);
COMMENT ON COLUMN posts.body IS '@palisade html: sanitize';
COMMENT ON COLUMN posts.notes IS '@palisade html: sanitize';
COMMENT ON COLUMN posts.extra IS E'@palisade html: sanitize\\n@palisade schema: {\"required\": [\"title\"]}';
CREATE TABLE strict (body text CHECK (body LIKE '%script%' OR body = 'fine'));
COMMENT ON COLUMN strict.body IS '@palisade html: sanitize';
CREATE TABLE parts (id int, body text) PARTITION BY LIST (id);
COMMENT ON COLUMN parts.body IS '@palisade html: sanitize';
CREATE TABLE part_one PARTITION OF parts FOR VALUES IN (1);
CREATE VIEW shown WITH (security_invoker = true) AS SELECT id, body FROM posts;
INSERT INTO posts (id, body, notes, extra, shown, plain) VALUES
    (1, '<b>bold</b><script>steal()</script>', '{\"<img src=x onerror=steal()>\",fine}', '{\"a\": \"<script>x</script>y\"}',
     '<a onclick=\"x()\">here</a>', '<script>kept</script>'),
    (2, '<b>bold</b>', NULL, '{\"a\": \"y\"}', 'words', 'words'),
    (3, NULL, NULL, NULL, NULL, NULL);
INSERT INTO posts (id, body) SELECT n, CASE n % 7 WHEN 0 THEN '<i>' || n || '</i><script>x</script>' ELSE 'row ' || n END
    FROM generate_series(10, 3009) n;
INSERT INTO strict VALUES ('fine'), ('<script>x</script>');
INSERT INTO parts VALUES (1, '<p onclick=x()>p</p>');
";

#[tokio::test]
async fn what_stands_there_becomes_what_would_be_stored_today() {
    let house = House::with(SCHEMA).await;
    let (target, catalog) = (house.database.target(), house.catalog());
    let admin = house.database.admin().await;
    let text = async |sql: &str| admin.query_one(sql, &[]).await.unwrap().get::<_, Option<String>>(0);

    let looked = stored::clean(&target, &catalog, None, true).await.unwrap();
    let of = |found: &[stored::Found], table: &str, column: &str| {
        found.iter().find(|one| one.table == table && one.column == column).unwrap().clone()
    };
    let body = of(&looked, "public.posts", "body");
    assert_eq!((body.looked_at, body.unclean, body.cleaned), (3002, 429, 0));
    assert!(text("SELECT body FROM posts WHERE id = 1").await.unwrap().contains("script"), "it only looked");

    let found = stored::clean(&target, &catalog, None, false).await.unwrap();
    for (table, column, cleaned, refused) in [
        ("public.posts", "body", 429, 0),
        ("public.posts", "notes", 1, 0),
        ("public.posts", "extra", 1, 0),
        ("public.posts", "shown", 1, 0),
        ("public.strict", "body", 0, 1),
        ("public.part_one", "body", 1, 0),
    ] {
        let one = of(&found, table, column);
        assert_eq!((one.cleaned, one.refused), (cleaned, refused), "{one:?}");
    }
    assert_eq!(found.len(), 6, "neither views nor columns without a tag: {found:?}");
    assert!(of(&found, "public.strict", "body").why.unwrap().contains("violates check constraint"));
    let row = "SELECT concat_ws(' | ', body, notes, extra, shown, plain) FROM posts WHERE id = 1";
    assert_eq!(
        text(row).await.unwrap(),
        r#"<b>bold</b> | {"<img src=\"x\">",fine} | {"a": "y"} | <a rel="noopener noreferrer">here</a> | <script>kept</script>"#
    );
    assert_eq!(text("SELECT count(*)::text FROM posts WHERE body LIKE '%script%'").await.unwrap(), "0");
    assert_eq!(text("SELECT count(*)::text FROM posts").await.unwrap(), "3003");

    let again = stored::clean(&target, &catalog, None, false).await.unwrap();
    assert!(again.iter().all(|one| one.cleaned == 0 && one.unclean == one.refused), "{again:?}");
}

#[tokio::test]
async fn one_table_is_named_as_it_is_and_policies_hide_no_row_from_its_owner() {
    let house = House::with(SCHEMA).await;
    let (target, catalog) = (house.database.target(), house.catalog());
    let name = |table: &str| Name::new("public", table);
    let found = stored::clean(&target, &catalog, Some(&name("part_one")), false).await.unwrap();
    assert_eq!(
        found.iter().map(|one| (one.table.as_str(), one.cleaned)).collect::<Vec<_>>(),
        [("public.part_one", 1)]
    );
    for wrong in ["parts", "nothing"] {
        assert!(stored::clean(&target, &catalog, Some(&name(wrong)), false).await.is_err(), "{wrong}");
    }
    // An owner who is bound by policies would see no row, and say that all is clean: that is an error instead.
    let admin = house.database.admin().await;
    run(&admin, "CREATE ROLE someone; GRANT USAGE, CREATE ON SCHEMA public TO someone; ALTER TABLE posts OWNER TO someone").await;
    house.data.reload().await.unwrap();
    let hidden = stored::clean(&target, &house.catalog(), Some(&name("posts")), true).await;
    assert!(hidden.is_err(), "{hidden:?}");
}

/// Whoever makes tables and triggers is not the administrator, on whose connection the cleaning is done.
#[tokio::test]
async fn what_a_table_runs_while_it_is_cleaned_becomes_nobody_but_its_owner() {
    for (trigger, body) in [
        ("create trigger t before update on public.pages for each row", "perform public.take(); return new;"),
        (
            "create constraint trigger t after update on public.pages deferrable initially deferred for each row",
            "perform public.take(); return null;",
        ),
        (
            "create constraint trigger t after insert or update on public.pages deferrable initially deferred for each row",
            "if new.n < 3 then set constraints all deferred; insert into public.pages values (new.n + 1, 'x');
             else perform public.take(); end if; return null;",
        ),
    ] {
        let house = House::with(
            "CREATE TABLE pages (n int, body text); COMMENT ON COLUMN pages.body IS '@palisade html: sanitize';
             INSERT INTO pages VALUES (1, 'a<script>x</script>');
             CREATE FUNCTION take() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN
                 PERFORM set_config('role', 'none', true);
                 EXECUTE 'create table public.loot as select count(*) from pg_catalog.pg_authid';
             EXCEPTION WHEN OTHERS THEN NULL; END $f$;",
        )
        .await;
        let sql = format!(
            "create function public.ran() returns trigger language plpgsql as $f$ begin {body} end $f$; {trigger} execute function public.ran()"
        );
        run(&house.database.owner().await, &sql).await;
        let cleaned = stored::clean(&house.database.target(), &house.catalog(), None, false).await;
        let admin = house.database.admin().await;
        let seen = admin.query_one("select to_regclass('public.loot') is not null, (select body from public.pages where n = 1)", &[]);
        let seen = seen.await.unwrap();
        assert!(!seen.get::<_, bool>(0), "{trigger}: {cleaned:?}");
        assert_eq!(seen.get::<_, &str>(1) == "a", cleaned.is_ok(), "{trigger}: {cleaned:?}");
    }
}

#[tokio::test]
async fn what_took_a_tables_place_since_it_was_looked_at_becomes_nobody_but_its_owner() {
    let house = House::with(
        "CREATE TABLE pages (n int, body text); COMMENT ON COLUMN pages.body IS '@palisade html: sanitize';
         INSERT INTO pages VALUES (1, 'a<script>x</script>');
         CREATE FUNCTION place() RETURNS tid LANGUAGE plpgsql AS $f$ BEGIN
             PERFORM nextval('public.asked');
             PERFORM set_config('role', 'none', true);
             EXECUTE 'create table public.loot as select count(*) from pg_catalog.pg_authid'; RETURN '(0,1)';
         EXCEPTION WHEN OTHERS THEN RETURN '(0,1)'; END $f$; CREATE SEQUENCE asked",
    )
    .await;
    let catalog = house.catalog();
    let swap = "alter table public.pages rename to were;
        create view public.pages as select public.place() as ctid, n, body from public.were";
    run(&house.database.owner().await, swap).await;
    let cleaned = stored::clean(&house.database.target(), &catalog, None, false).await;
    let seen = "select to_regclass('public.loot') is not null, is_called from public.asked";
    let seen = house.database.admin().await.query_one(seen, &[]).await.unwrap();
    assert!(!seen.get::<_, bool>(0), "{cleaned:?}");
    assert!(seen.get::<_, bool>(1), "it was asked: {cleaned:?}");
}
