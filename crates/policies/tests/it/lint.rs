//! Each rule has a database that triggers it and a neighbour that does not (attack row 58).

use std::collections::BTreeSet;

use policies::lint::{self, RULES};
use policies::{Facts, sql};
use testkit::Database;

use crate::cases::{self, Case};

const CASES: &str = include_str!("lint.sql");

fn exposed(case: &Case) -> Vec<String> {
    let more = case.notes("exposes").map(str::to_owned);
    std::iter::once("public".to_owned()).chain(more).collect()
}

#[tokio::test]
async fn each_rule_finds_what_breaks_it_and_leaves_its_neighbour_alone() {
    let (_database, admin) = cases::administrator().await;
    let mut seen = BTreeSet::new();
    for case in cases::read(CASES) {
        let (rule, kind) = case.name.split_once(' ').unwrap();
        admin
            .batch_execute(&format!("BEGIN; {}", case.sql))
            .await
            .unwrap_or_else(|error| panic!("{}: {error:?}", case.name));
        let facts = Facts::read_as(&admin, &exposed(&case)).await.unwrap();
        let findings = lint::run(&facts);
        admin.batch_execute("ROLLBACK").await.unwrap();
        let of_rule: Vec<_> = findings.iter().filter(|finding| finding.rule == rule).collect();
        match kind {
            "bad" => assert_eq!(of_rule.len(), 1, "{}: {of_rule:?}", case.name),
            "good" => assert!(of_rule.is_empty(), "{}: {of_rule:?}", case.name),
            _ => panic!("{}", case.name),
        }
        seen.insert((rule.to_owned(), kind.to_owned()));
    }
    // Counted by the server only after a commit: tested by itself below.
    let with_cases = RULES.iter().filter(|rule| rule.id != "0020");
    for rule in with_cases {
        for kind in ["bad", "good"] {
            assert!(seen.contains(&(rule.id.to_owned(), kind.to_owned())), "no {kind} case for {}", rule.id);
        }
    }
}

/// Rule 0020.
#[tokio::test]
async fn a_table_of_mostly_empty_space_is_found() {
    let (_database, admin) = cases::administrator().await;
    let bloated = async || {
        let facts = Facts::read_as(&admin, &["public".to_owned()]).await.unwrap();
        lint::run(&facts).iter().any(|finding| finding.rule == "0020")
    };
    admin
        .batch_execute(
            "CREATE TABLE full_of_holes (id int PRIMARY KEY, body text) WITH (autovacuum_enabled = false);
             ALTER TABLE full_of_holes ALTER body SET STORAGE PLAIN;
             INSERT INTO full_of_holes SELECT n, repeat('x', 2000) FROM generate_series(1, 16000) n",
        )
        .await
        .unwrap();
    admin.batch_execute("ANALYZE full_of_holes").await.unwrap();
    assert!(!bloated().await, "a full table is not bloated");
    admin.batch_execute("DELETE FROM full_of_holes WHERE id > 100").await.unwrap();
    admin.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
    admin.batch_execute("ANALYZE full_of_holes").await.unwrap();
    assert!(bloated().await);
}

#[tokio::test]
async fn the_system_login_reads_the_same_facts_as_an_administrator() {
    let database = Database::new(cases::AUTH).await;
    let owner = database.owner().await;
    owner.batch_execute("CREATE TABLE notes (id int); CREATE POLICY p ON notes USING (true)").await.unwrap();
    let pg = database.pg();
    let mut tx = pg.begin_system(pg::Reason::Catalog).await.unwrap();
    let facts = Facts::read(&mut tx, &["public".to_owned()]).await.unwrap();
    let findings: Vec<&str> = lint::run(&facts).iter().map(|finding| finding.rule).collect();
    for rule in ["0004", "0024", "P002"] {
        assert!(findings.contains(&rule), "{rule}: {findings:?}");
    }
    assert!(!findings.contains(&"0013"));
}

#[tokio::test]
async fn every_statement_prepares() {
    let database = Database::new(&[]).await;
    let admin = database.admin().await;
    for statement in sql::ALL {
        admin.prepare(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
}
