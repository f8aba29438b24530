//! The generator: what it proposes keeps people apart, and it refuses half a policy (control 42, attack row 59).

use policies::{Error, Facts, generate};

use crate::cases;

const SCHEMA: &str = "
CREATE TABLE notes (id int PRIMARY KEY, user_id uuid REFERENCES auth.users, body text);
CREATE TABLE lines (id int PRIMARY KEY, note int REFERENCES notes, text text);
CREATE TABLE teams (id int PRIMARY KEY, name text);
CREATE TABLE members (team int REFERENCES teams, person uuid REFERENCES auth.users, PRIMARY KEY (team, person));
CREATE TABLE plans (id int PRIMARY KEY, team int REFERENCES teams, created_by uuid);
CREATE TABLE steps (id int PRIMARY KEY, plan int REFERENCES plans);
CREATE TABLE lonely (id int PRIMARY KEY);
GRANT ALL ON ALL TABLES IN SCHEMA public TO anon, authenticated;
INSERT INTO auth.users (id) VALUES ('00000000-0000-0000-0000-00000000000a'), ('00000000-0000-0000-0000-00000000000b');
INSERT INTO notes VALUES (1, '00000000-0000-0000-0000-00000000000a'), (2, '00000000-0000-0000-0000-00000000000b');
INSERT INTO lines VALUES (1, 1), (2, 2);
INSERT INTO teams VALUES (1), (2);
INSERT INTO members VALUES (1, '00000000-0000-0000-0000-00000000000a'), (2, '00000000-0000-0000-0000-00000000000b');
INSERT INTO plans VALUES (1, 1), (2, 2);
INSERT INTO steps VALUES (1, 1), (2, 2);
INSERT INTO lonely VALUES (1);
";

const ANN: &str = "SET LOCAL ROLE authenticated; SET LOCAL request.jwt.claims = '{\"sub\": \"00000000-0000-0000-0000-00000000000a\", \"role\": \"authenticated\"}'";

#[tokio::test]
async fn what_is_proposed_shows_and_changes_own_rows_only() {
    let (_database, admin) = cases::administrator().await;
    admin.batch_execute(SCHEMA).await.unwrap();
    let facts = Facts::read_as(&admin, &["public".to_owned()]).await.unwrap();
    let proposals = generate::propose(&facts, None).unwrap();
    let tables: Vec<&str> = proposals.iter().map(|one| one.table.as_str()).collect();
    assert_eq!(
        tables,
        ["public.lines", "public.members", "public.notes", "public.plans", "public.steps", "public.teams"]
    );
    for statement in proposals.iter().flat_map(|one| &one.statements) {
        admin.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
    for table in ["notes", "lines", "teams", "members", "plans", "steps"] {
        admin.batch_execute(&format!("BEGIN; {ANN}")).await.unwrap();
        let seen: i64 = admin.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0);
        assert_eq!(seen, 1, "{table}");
        admin.batch_execute("ROLLBACK").await.unwrap();
    }
    for attack in [
        "UPDATE notes SET user_id = '00000000-0000-0000-0000-00000000000b'",
        "INSERT INTO notes VALUES (3, '00000000-0000-0000-0000-00000000000b')",
        "UPDATE plans SET team = 2",
        "INSERT INTO members VALUES (2, '00000000-0000-0000-0000-00000000000a')",
        "UPDATE steps SET plan = 2",
        "INSERT INTO lines VALUES (3, 2)",
    ] {
        admin.batch_execute(&format!("BEGIN; {ANN}")).await.unwrap();
        assert!(admin.batch_execute(attack).await.is_err(), "{attack}");
        admin.batch_execute("ROLLBACK").await.unwrap();
    }
    admin.batch_execute(&format!("BEGIN; {ANN}")).await.unwrap();
    admin
        .batch_execute("INSERT INTO notes VALUES (3, '00000000-0000-0000-0000-00000000000a')")
        .await
        .unwrap();
    admin.batch_execute("ROLLBACK").await.unwrap();
    let facts = Facts::read_as(&admin, &["public".to_owned()]).await.unwrap();
    assert!(generate::propose(&facts, None).unwrap().is_empty(), "what has a policy is left alone");
    let after: Vec<_> =
        policies::lint::run(&facts).into_iter().filter(|one| one.rule.starts_with('P')).collect();
    assert!(after.is_empty(), "{after:?}");
}

#[tokio::test]
async fn using_without_check_is_refused() {
    let (_database, admin) = cases::administrator().await;
    admin.batch_execute(SCHEMA).await.unwrap();
    let facts = Facts::read_as(&admin, &["public".to_owned()]).await.unwrap();
    let using = "user_id = (select auth.uid())";
    let refused = generate::by_hand(&facts, "notes", using, None);
    assert!(matches!(&refused, Err(Error::Asked(why)) if why.contains("WITH CHECK")), "{refused:?}");
    assert!(matches!(generate::by_hand(&facts, "notes", using, Some("true")), Err(Error::Asked(_))));
    assert!(matches!(generate::by_hand(&facts, "nothing", using, Some(using)), Err(Error::NoTable { .. })));
    let made = generate::by_hand(&facts, "notes", using, Some(using)).unwrap();
    for statement in &made.statements {
        admin.batch_execute(statement).await.unwrap();
    }
}

/// Keys of several columns are followed, and a second person of a row is named, not forgotten.
#[tokio::test]
async fn keys_of_two_columns_lead_to_an_owner_and_a_second_one_is_named() {
    let (_database, admin) = cases::administrator().await;
    let schema = "
        CREATE TABLE \"Order\" (\"year\" int, no int, \"Buyer\" uuid NOT NULL REFERENCES auth.users, seller uuid REFERENCES auth.users,
            PRIMARY KEY (\"year\", no));
        CREATE TABLE \"order-lines\" (id int PRIMARY KEY, \"y\"\"r\" int, nr int, FOREIGN KEY (\"y\"\"r\", nr) REFERENCES \"Order\");
        GRANT ALL ON ALL TABLES IN SCHEMA public TO authenticated;
        INSERT INTO auth.users (id) VALUES ('00000000-0000-0000-0000-00000000000a'), ('00000000-0000-0000-0000-00000000000b');
        INSERT INTO \"Order\" VALUES (1, 1, '00000000-0000-0000-0000-00000000000a'), (1, 2, '00000000-0000-0000-0000-00000000000b');
        INSERT INTO \"order-lines\" VALUES (1, 1, 1), (2, 1, 2)";
    admin.batch_execute(schema).await.unwrap();
    let facts = Facts::read_as(&admin, &["public".to_owned()]).await.unwrap();
    let proposals = generate::propose(&facts, None).unwrap();
    let whys: Vec<&str> = proposals.iter().map(|one| one.why.as_str()).collect();
    assert!(
        whys.iter().any(|why| why.starts_with("Buyer references auth.users; so does seller")),
        "{whys:?}"
    );
    assert!(whys.contains(&"y\"r and nr lead to \"public\".\"Order\""), "{whys:?}");
    for statement in proposals.iter().flat_map(|one| &one.statements) {
        admin.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
    for table in ["\"Order\"", "\"order-lines\""] {
        admin.batch_execute(&format!("BEGIN; {ANN}")).await.unwrap();
        let seen: i64 = admin.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0);
        assert_eq!(seen, 1, "{table}");
        admin.batch_execute("ROLLBACK").await.unwrap();
    }
    admin.batch_execute(&format!("BEGIN; {ANN}")).await.unwrap();
    let hop = admin.batch_execute("UPDATE \"order-lines\" SET nr = 2").await;
    assert!(hop.is_err(), "a line cannot be handed to somebody else's order");
    admin.batch_execute("ROLLBACK").await.unwrap();
}

/// Memberships of what several columns name: nobody is in by their own hand, and what belongs to one team is not another's, of the
/// same number or of the same organisation. Who made a membership is not who it is of.
#[tokio::test]
async fn memberships_of_several_columns_are_followed_and_nobody_writes_themselves_into_one() {
    let (_database, admin) = cases::administrator().await;
    let schema = "
        CREATE TABLE teams (org_id int, no int, name text, PRIMARY KEY (org_id, no));
        CREATE TABLE members (created_by uuid REFERENCES auth.users, team_no int, org_id int, person uuid NOT NULL REFERENCES auth.users,
            PRIMARY KEY (person, org_id, team_no), FOREIGN KEY (team_no, org_id) REFERENCES teams (no, org_id));
        CREATE TABLE plans (id int PRIMARY KEY, org_id int, team int, FOREIGN KEY (org_id, team) REFERENCES teams);
        CREATE TABLE steps (id int PRIMARY KEY, plan int REFERENCES plans);
        CREATE TABLE notes (id int PRIMARY KEY, org_id int, team int, author uuid, FOREIGN KEY (org_id, team, author) REFERENCES members (org_id, team_no, person));
        CREATE TABLE readers (org_id int, team int, reader uuid, note int REFERENCES notes, PRIMARY KEY (note, reader),
            FOREIGN KEY (org_id, team, reader) REFERENCES members (org_id, team_no, person));
        GRANT ALL ON ALL TABLES IN SCHEMA public TO authenticated;
        INSERT INTO auth.users (id) VALUES ('00000000-0000-0000-0000-00000000000a'), ('00000000-0000-0000-0000-00000000000b');
        INSERT INTO teams VALUES (1, 1), (1, 2), (2, 1);
        INSERT INTO members (org_id, team_no, person, created_by) VALUES (1, 1, '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-00000000000b'),
            (1, 2, '00000000-0000-0000-0000-00000000000b', '00000000-0000-0000-0000-00000000000a'), (2, 1, '00000000-0000-0000-0000-00000000000b', NULL);
        INSERT INTO plans VALUES (1, 1, 1), (2, 1, 2), (3, 2, 1);
        INSERT INTO steps VALUES (1, 1), (2, 2), (3, 3);
        INSERT INTO notes VALUES (1, 1, 1, '00000000-0000-0000-0000-00000000000a'), (2, 1, 2, '00000000-0000-0000-0000-00000000000b');
        INSERT INTO readers VALUES (1, 1, '00000000-0000-0000-0000-00000000000a', 1), (1, 2, '00000000-0000-0000-0000-00000000000b', 1)";
    admin.batch_execute(schema).await.unwrap();
    let facts = Facts::read_as(&admin, &["public".to_owned()]).await.unwrap();
    let proposals = generate::propose(&facts, None).unwrap();
    let tables = ["members", "notes", "plans", "readers", "steps", "teams"];
    let proposed: Vec<&str> = proposals.iter().filter_map(|one| one.table.strip_prefix("public.")).collect();
    assert_eq!(proposed, tables);
    for statement in proposals.iter().flat_map(|one| &one.statements) {
        admin.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
    for table in tables {
        admin.batch_execute(&format!("BEGIN; {ANN}")).await.unwrap();
        let seen: i64 = admin.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0);
        assert_eq!(seen, 1, "{table}");
        admin.batch_execute("ROLLBACK").await.unwrap();
    }
    let me = "00000000-0000-0000-0000-00000000000a";
    for attack in [
        &format!("INSERT INTO members (org_id, team_no, person, created_by) VALUES (2, 1, '{me}', '{me}')"),
        "UPDATE plans SET team = 2",
        "UPDATE plans SET org_id = 2",
        "INSERT INTO plans VALUES (4, 1, 2)",
        "UPDATE steps SET plan = 2",
        "UPDATE notes SET (team, author) = (2, '00000000-0000-0000-0000-00000000000b')",
        &format!("INSERT INTO readers VALUES (1, 1, '{me}', 2)"),
        "INSERT INTO teams VALUES (9, 9)",
    ] {
        admin.batch_execute(&format!("BEGIN; {ANN}")).await.unwrap();
        let error = admin.batch_execute(attack).await.expect_err(attack);
        assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{attack}: {error:?}");
        admin.batch_execute("ROLLBACK").await.unwrap();
    }
    admin.batch_execute(&format!("BEGIN; {ANN}")).await.unwrap();
    let own = format!("INSERT INTO plans VALUES (4, 1, 1); INSERT INTO notes VALUES (3, 1, 1, '{me}')");
    admin.batch_execute(&own).await.unwrap();
    admin.batch_execute("ROLLBACK").await.unwrap();
}
