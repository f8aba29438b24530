//! The prover on a corpus: every flaw is found with a counter-example that replays, and no right schema is accused.

use std::time::Duration;

use policies::Facts;
use policies::prove::{self, Proof, Verdict};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::cases::{self, Case};

const FLAWED: &str = include_str!("corpus/flawed.sql");
const RIGHT: &str = include_str!("corpus/right.sql");
const STRANGE: &str = include_str!("corpus/strange.sql");

/// Milliseconds after which a schema hangs. How fast the prover is says `cargo xtask bench prover`, on a machine that does nothing else.
const SLOW: u64 = 6_000;

/// What a case leaves unsaid: its tables have row level security and the usual grants.
const USUAL: &str = "
DO $$ DECLARE one record; BEGIN
  FOR one IN SELECT c.oid::regclass AS name FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
               AND coalesce(obj_description(c.oid), '') NOT LIKE '%@open%' LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', one.name);
  END LOOP; END $$";

async fn set(admin: &Client, case: &Case) {
    let begin =
        "BEGIN; ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated;";
    let sql = format!("{begin} {} {USUAL}; {}", case.sql, pg::admin::EVENT_TRIGGERS_OFF);
    admin.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{}: {error:?}", case.name));
}

async fn judged(admin: &Client, case: &Case) -> Vec<Proof> {
    set(admin, case).await;
    let facts = Facts::read_as(admin, &["public".to_owned()]).await.unwrap();
    let proofs = prove::prove(admin, &facts, None).await;
    admin.batch_execute("ROLLBACK").await.unwrap();
    let mut proofs = proofs.unwrap_or_else(|error| panic!("{}: {error:?}", case.name));
    proofs.retain(|proof| !matches!(proof.verdict, Verdict::Unclaimed));
    assert!(!proofs.is_empty(), "{}: nothing says whose rows they are", case.name);
    proofs
}

fn took(proofs: &[Proof]) -> u64 {
    proofs.iter().map(|proof| proof.milliseconds).sum()
}

/// The script of a counter-example, in the case's database, by itself: what its last statement gives.
async fn replay(admin: &Client, case: &Case, sql: &str) -> (bool, u64) {
    set(admin, case).await;
    admin.batch_execute("DO $$ DECLARE found record; BEGIN
        FOR found IN SELECT c.oid::regclass AS name FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') LOOP
          EXECUTE format('TRUNCATE %s CASCADE', found.name); END LOOP; END $$").await.unwrap();
    let script = sql.strip_prefix("BEGIN;\n").unwrap().strip_suffix("ROLLBACK;\n").unwrap();
    let answer = admin.simple_query(script).await;
    let failed = answer.is_err();
    let touched = answer.unwrap_or_default().iter().fold(0, |_, message| match message {
        SimpleQueryMessage::CommandComplete(rows) => *rows,
        _ => 0,
    });
    admin.batch_execute("ROLLBACK").await.unwrap();
    (failed, touched)
}

#[tokio::test]
async fn every_flaw_is_found_with_a_counter_example_that_replays() {
    let (_database, admin) = cases::administrator().await;
    let (mut wrong, mut slow) = (Vec::new(), 0);
    let corpus = cases::read(FLAWED);
    assert!(corpus.len() >= 60, "{}", corpus.len());
    for case in &corpus {
        let proofs = judged(&admin, case).await;
        // `cargo xtask bench prover` reads this.
        println!("prover: {} ms {}", took(&proofs), case.name);
        slow = slow.max(took(&proofs));
        let found = proofs.iter().find_map(|proof| match &proof.verdict {
            Verdict::Refuted(found) => Some((proof, found)),
            Verdict::Proven | Verdict::Tested { .. } | Verdict::Unclaimed => None,
        });
        let Some((proof, found)) = found else {
            wrong.push(format!("{}: {proofs:?}", case.name));
            continue;
        };
        let kind = serde_json::to_value(found.kind).unwrap();
        let said = format!("{} {}", proof.object.trim_start_matches("public."), kind.as_str().unwrap());
        let expected: Vec<&str> = case.notes("flaw").collect();
        if !expected.iter().any(|one| said.starts_with(one)) {
            wrong.push(format!("{}: said {said}\n{}", case.name, found.sql));
        }
        let (failed, touched) = replay(&admin, case, &found.sql).await;
        if failed != (kind == "fails") || (touched == 0 && !failed) {
            wrong.push(format!("{}: does not replay\n{}", case.name, found.sql));
        }
    }
    assert!(slow < SLOW, "one schema took {slow} ms");
    println!("{} flaws, the slowest schema took {slow} ms", corpus.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), corpus.len(), wrong.join("\n"));
}

#[tokio::test]
async fn no_right_schema_is_accused_and_most_are_proven() {
    let (_database, admin) = cases::administrator().await;
    let (mut wrong, mut slow, mut proven) = (Vec::new(), 0, 0);
    let corpus = cases::read(RIGHT);
    assert!(corpus.len() >= 60, "{}", corpus.len());
    for case in &corpus {
        let proofs = judged(&admin, case).await;
        // `cargo xtask bench prover` reads this.
        println!("prover: {} ms {}", took(&proofs), case.name);
        slow = slow.max(took(&proofs));
        let decidable = case.notes("tested").next().is_none();
        for proof in &proofs {
            match &proof.verdict {
                Verdict::Refuted(found) => {
                    wrong.push(format!("{}: {}\n{}", case.name, found.what, found.sql))
                }
                Verdict::Proven => {
                    proven += usize::from(decidable);
                    if !decidable && case.notes("tested").any(|object| proof.object.ends_with(object)) {
                        wrong.push(format!("{}: {} cannot be proven", case.name, proof.object));
                    }
                }
                Verdict::Tested { because } if decidable => {
                    wrong.push(format!("{}: {} is only tested: {because:?}", case.name, proof.object));
                }
                Verdict::Tested { .. } | Verdict::Unclaimed => {}
            }
            // Without a case nothing is proven; that it could not be tested either is said.
            let said = matches!(&proof.verdict, Verdict::Tested { because } if !because.is_empty());
            assert!(proof.cases > 0 || said, "{}: {} was decided without a case", case.name, proof.object);
        }
    }
    assert!(slow < SLOW, "one schema took {slow} ms");
    println!("{} right schemas, {proven} proofs, the slowest schema took {slow} ms", corpus.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), corpus.len(), wrong.join("\n"));
}

#[tokio::test]
async fn what_is_strange_is_neither_accused_nor_believed_without_ground() {
    let (_database, admin) = cases::administrator().await;
    let mut wrong = Vec::new();
    for case in &cases::read(STRANGE) {
        set(&admin, case).await;
        let facts = Facts::read_as(&admin, &["public".to_owned()]).await.unwrap();
        let proofs = prove::prove(&admin, &facts, None).await;
        admin.batch_execute("ROLLBACK").await.unwrap();
        let proofs = match proofs {
            Ok(proofs) => proofs,
            Err(error) => {
                wrong.push(format!("{}: {error}", case.name));
                continue;
            }
        };
        let said: Vec<String> = proofs.iter().map(said).collect();
        for expected in case.notes("says").filter(|one| !said.iter().any(|said| said == one)) {
            wrong.push(format!("{}: not {expected}, but {said:#?}\n{proofs:?}", case.name));
        }
        for found in proofs.iter().filter_map(|proof| match &proof.verdict {
            Verdict::Refuted(found) => Some(found),
            Verdict::Proven | Verdict::Tested { .. } | Verdict::Unclaimed => None,
        }) {
            if replay(&admin, case, &found.sql).await.1 == 0 {
                wrong.push(format!("{}: does not replay\n{}", case.name, found.sql));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// `notes refuted sees`.
fn said(proof: &Proof) -> String {
    let verdict = match &proof.verdict {
        Verdict::Proven => "proven".to_owned(),
        Verdict::Tested { .. } => "tested".to_owned(),
        Verdict::Refuted(found) => {
            format!("refuted {}", serde_json::to_value(found.kind).unwrap().as_str().unwrap())
        }
        Verdict::Unclaimed => "unclaimed".to_owned(),
    };
    format!("{} {verdict}", proof.object.trim_start_matches("public."))
}

#[tokio::test]
async fn a_proof_that_takes_too_long_ends_as_one_that_is_none() {
    let (_database, admin) = cases::administrator().await;
    let slow = "-- case: slow
        CREATE TABLE notes (id int PRIMARY KEY, user_id {user}); {own notes};
        CREATE TABLE slow (id int PRIMARY KEY, user_id {user});
        CREATE FUNCTION patient() RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT true FROM pg_catalog.pg_sleep(60)';
        CREATE POLICY p ON slow USING (user_id = {uid} AND patient());
        CREATE VIEW shown AS SELECT id, user_id FROM notes WHERE patient();";
    let case = &cases::read(slow)[0];
    let ends = async |each: u64, all: u64| {
        set(&admin, case).await;
        let facts = Facts::read_as(&admin, &["public".to_owned()]).await.unwrap();
        let patience = prove::Patience { each: Duration::from_millis(each), all: Duration::from_millis(all) };
        let proofs = prove::prove_within(&admin, &facts, None, patience).await.unwrap();
        // Nothing of it binds what comes after.
        let timeout: String = admin.query_one("SHOW statement_timeout", &[]).await.unwrap().get(0);
        admin.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(timeout, "0");
        proofs
    };
    let proofs = ends(4_000, 60_000).await;
    let told: Vec<String> = proofs.iter().map(said).collect();
    assert_eq!(told, ["notes proven", "shown tested", "slow tested"]);
    for (proof, name) in proofs.iter().zip(["", "", "proof_ms_max"]) {
        let because = serde_json::to_string(&proof.verdict).unwrap();
        assert!(because.contains(name), "{because}");
    }
    for proof in ends(1_000, 0).await {
        assert!(serde_json::to_string(&proof.verdict).unwrap().contains("proofs_ms_max"), "{proof:?}");
    }
}
