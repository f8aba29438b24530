//! The tester and `explain-access`: what is said is what happens.

use std::sync::Arc;

use base::{Caller, DbRole};
use policies::Facts;
use policies::access::{self, Outcome, Verb};
use serde_json::{Map, Value, json};
use testkit::Database;

use crate::cases;

const SCHEMA: &str = "
CREATE TABLE teams (id int PRIMARY KEY, owner uuid);
CREATE TABLE members (team int, person uuid, role text, PRIMARY KEY (team, person));
CREATE TABLE notes (id int PRIMARY KEY, owner uuid, team int, public boolean, state text DEFAULT 'draft', locked boolean NOT NULL DEFAULT false);
CREATE TABLE broken (id int PRIMARY KEY, owner uuid);
CREATE TABLE open (id int PRIMARY KEY, word text);
ALTER TABLE open DISABLE ROW LEVEL SECURITY;
CREATE FUNCTION is_member(wanted int) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
  AS 'SELECT EXISTS (SELECT FROM public.members m WHERE m.team = wanted AND m.person = auth.uid())';
CREATE POLICY own_rows ON members FOR SELECT USING (person = auth.uid());
CREATE POLICY theirs ON teams FOR ALL TO authenticated USING (owner = (SELECT auth.uid())) WITH CHECK (owner = (SELECT auth.uid()));
CREATE POLICY own ON notes FOR ALL TO authenticated USING (owner = auth.uid()) WITH CHECK (owner = auth.uid() AND state <> 'final');
CREATE POLICY of_team ON notes FOR SELECT TO authenticated USING (is_member(team));
CREATE POLICY of_editors ON notes FOR UPDATE TO authenticated
  USING (EXISTS (SELECT FROM members m WHERE m.team = notes.team AND m.role = 'editor'));
CREATE POLICY published ON notes FOR SELECT USING (public);
CREATE POLICY unlocked ON notes AS RESTRICTIVE FOR UPDATE USING (NOT locked) WITH CHECK (true);
CREATE POLICY kept ON notes AS RESTRICTIVE FOR DELETE TO authenticated USING (state = 'draft');
CREATE POLICY around ON broken USING (id IN (SELECT b.id FROM broken b));
GRANT ALL ON ALL TABLES IN SCHEMA public TO anon, authenticated, service_role;
REVOKE UPDATE ON notes FROM authenticated; GRANT UPDATE (owner, team, public, state) ON notes TO authenticated;
INSERT INTO teams SELECT n, ('00000000-0000-0000-0000-00000000000' || n)::uuid FROM generate_series(1, 3) n;
INSERT INTO members VALUES (1, '00000000-0000-0000-0000-000000000001', 'editor'), (1, '00000000-0000-0000-0000-000000000002', 'reader'), (2, '00000000-0000-0000-0000-000000000002', 'editor');
INSERT INTO notes SELECT n, CASE WHEN n % 5 > 0 THEN ('00000000-0000-0000-0000-00000000000' || n % 5)::uuid END,
  nullif(n % 4, 3), CASE n % 3 WHEN 0 THEN true WHEN 1 THEN false END, (ARRAY['draft', 'final', NULL])[n % 3 + 1], n % 7 = 0 FROM generate_series(1, 60) n;
INSERT INTO broken VALUES (1); INSERT INTO open VALUES (1);
";

fn person(n: usize) -> String {
    format!("00000000-0000-0000-0000-00000000000{n}")
}

/// Somebody with an account, nobody (0), or the service (9).
fn caller(n: usize) -> Caller {
    let role = match n {
        0 => DbRole::anon(),
        9 => DbRole::service(),
        _ => DbRole::authenticated(),
    };
    let claims =
        if n == 0 { json!({ "role": "anon" }) } else { json!({ "sub": person(n), "role": role.name() }) };
    let subject: Arc<str> = if n == 0 { "".into() } else { person(n).into() };
    Caller { role, claims: claims.to_string().into(), subject, ..Caller::anonymous() }
}

async fn house() -> (Database, pg::Pg, Facts) {
    let database = Database::new(cases::AUTH).await;
    database.owner().await.batch_execute(SCHEMA.split("ALTER TABLE open").next().unwrap()).await.unwrap();
    let admin = database.admin().await;
    let rest = SCHEMA.split_once("CREATE TABLE open (id int PRIMARY KEY, word text);").unwrap().1;
    admin.batch_execute(rest).await.unwrap();
    let facts = Facts::read_as(&admin, &["public".to_owned()]).await.unwrap();
    let pg = database.pg();
    (database, pg, facts)
}

/// Small, seeded, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

fn values(dice: &mut Dice) -> Map<String, Value> {
    let mut values = Map::new();
    let owners = [json!(person(1)), json!(person(2)), json!(person(3)), Value::Null];
    if dice.below(2) == 0 {
        values.insert("owner".into(), owners[dice.below(4)].clone());
    }
    if dice.below(3) == 0 {
        values.insert("team".into(), [json!(1), json!(2), Value::Null][dice.below(3)].clone());
    }
    values.insert("state".into(), [json!("draft"), json!("final")][dice.below(2)].clone());
    if dice.below(12) == 0 {
        values.insert("locked".into(), json!(true));
    }
    values
}

#[tokio::test]
async fn the_verdict_is_what_happens_for_a_thousand_random_questions_and_names_who_decided() {
    let (_database, pg, facts) = house().await;
    let mut dice = Dice(42);
    let (mut allowed, mut deciders) = (0, std::collections::BTreeSet::new());
    for _ in 0..1000 {
        let who = caller([0, 1, 2, 3, 4, 9][dice.below(6)]);
        let verb = Verb::ALL[dice.below(4)];
        let row = match verb {
            Verb::Insert => "notes".to_owned(),
            _ => format!("public.notes:{}", dice.below(60) + 1),
        };
        let mut given = values(&mut dice);
        if verb == Verb::Insert {
            given.insert("id".into(), json!(1000));
        }
        let said = access::explain(&pg, &who, &facts, &row, verb, &given).await.unwrap();
        let happened = said.executed == Outcome::Done;
        assert_eq!(said.allowed, happened, "{}", serde_json::to_string_pretty(&said).unwrap());
        assert!(said.agrees());
        allowed += usize::from(happened);
        let words = said.because.split([' ', ',']).map(str::to_owned);
        deciders.extend(words.filter(|word| facts.policies.iter().any(|one| one.name == *word)));
    }
    assert!((200..800).contains(&allowed), "{allowed} of 1000 allowed");
    for policy in ["own", "of_team", "of_editors", "published", "unlocked", "kept"] {
        assert!(deciders.contains(policy), "{policy} never decided: {deciders:?}");
    }
}

#[tokio::test]
async fn the_answer_shows_the_values_it_was_made_with() {
    let (_database, pg, facts) = house().await;
    let said = access::explain(&pg, &caller(3), &facts, "notes:1", Verb::Select, &Map::new()).await.unwrap();
    assert!(!said.allowed);
    let own = said.policies.iter().find(|one| one.policy == "own").unwrap();
    assert_eq!(own.bound["owner"], json!(person(1)));
    assert_eq!(own.bound["auth.uid()"], json!(person(3)));
    assert_eq!((own.holds, own.clause), (Some(false), "USING"));
    assert!(said.because.contains("not own"), "{}", said.because);

    let said = access::explain(&pg, &caller(1), &facts, "broken:1", Verb::Select, &Map::new()).await.unwrap();
    assert!(said.because.contains("42P17"), "{}", said.because);
    let said = access::explain(&pg, &caller(0), &facts, "open:1", Verb::Delete, &Map::new()).await.unwrap();
    assert!(said.allowed && said.because.contains("no row level security"), "{}", said.because);
    let said = access::explain(&pg, &caller(9), &facts, "notes:1", Verb::Delete, &Map::new()).await.unwrap();
    assert!(said.allowed && said.because.contains("passes by"), "{}", said.because);
    for wrong in ["notes", "notes:1,2", "nothing:1", "notes:4711"] {
        assert!(
            access::explain(&pg, &caller(1), &facts, wrong, Verb::Select, &Map::new()).await.is_err(),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn all_four_verbs_are_tried_and_nothing_stays() {
    let (database, pg, facts) = house().await;
    let owner = database.owner().await;
    let before: String = owner
        .query_one("SELECT md5(string_agg(n::text, '' ORDER BY id)) FROM notes n", &[])
        .await
        .unwrap()
        .get(0);
    let new = json!({ "id": 1000, "owner": person(1) });
    let tried = access::try_all(&pg, &caller(1), &facts, "notes", new.as_object().unwrap()).await.unwrap();
    let rows: Vec<(Verb, u64)> = tried.attempts.iter().map(|one| (one.verb, one.rows)).collect();
    let as_ann = |what: &str| {
        format!(
            "BEGIN; SET LOCAL ROLE authenticated; SET LOCAL request.jwt.claims = '{}'; {what}",
            json!({ "sub": person(1) })
        )
    };
    let admin = database.admin().await;
    admin.batch_execute(&as_ann("")).await.unwrap();
    let seen: i64 = admin.query_one("SELECT count(*) FROM notes", &[]).await.unwrap().get(0);
    let removed = admin.execute("DELETE FROM notes", &[]).await.unwrap();
    admin.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(tried.rows, 60);
    assert_eq!(rows[0], (Verb::Select, u64::try_from(seen).unwrap()));
    assert_eq!(rows[1], (Verb::Insert, 1));
    assert_eq!(rows[3], (Verb::Delete, removed));
    assert!(
        matches!(&tried.attempts[2].outcome, Outcome::Refused { code, .. } if code == "42501"),
        "{:?}",
        tried.attempts[2]
    );
    let after: String = owner
        .query_one("SELECT md5(string_agg(n::text, '' ORDER BY id)) FROM notes n", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(before, after);
}

/// Keys of several columns, names that need quotes, values that are arrays or composites, and a partition.
#[tokio::test]
async fn rows_of_an_awkward_schema_are_named_and_tried() {
    let database = Database::new(cases::AUTH).await;
    database
        .owner()
        .await
        .batch_execute(
            "CREATE TYPE addr AS (street text, zip int);
             CREATE TYPE \"Mood ü\" AS ENUM ('fine', 'so \"so\"');
             CREATE TABLE \"Päper, 'x'\" (org text, nr int, owner uuid, home addr, tags text[], mood \"Mood ü\", data jsonb, PRIMARY KEY (org, nr));
             CREATE POLICY \"mine ü\" ON \"Päper, 'x'\" TO authenticated USING (owner = auth.uid())
               WITH CHECK (owner = auth.uid() AND (home).zip > 5 AND 'b' = ANY (tags));
             CREATE TABLE logs (id int, day date, owner uuid, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
             CREATE TABLE logs_26 PARTITION OF logs FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
             CREATE POLICY own ON logs TO authenticated USING (owner = auth.uid());
             GRANT ALL ON ALL TABLES IN SCHEMA public TO anon, authenticated, service_role;",
        )
        .await
        .unwrap();
    let admin = database.admin().await;
    admin
        .batch_execute(&format!(
            "INSERT INTO \"Päper, 'x'\" VALUES ('a, \"b\":c', 1, '{0}'), ('d', 1, '{1}'); INSERT INTO logs VALUES (1, '2026-02-02', '{0}')",
            person(1),
            person(2)
        ))
        .await
        .unwrap();
    let facts = Facts::read_as(&admin, &["public".to_owned()]).await.unwrap();
    let pg = database.pg();
    let ann = caller(1);
    let ask = async |row: &str, verb: Verb, values: Value| {
        access::explain(&pg, &ann, &facts, row, verb, values.as_object().unwrap()).await
    };
    for row in ["Päper, 'x':\"a, \"\"b\"\":c\",1", "public.\"Päper, 'x'\":\"a, \"\"b\"\":c\",1"] {
        let said = ask(row, Verb::Select, json!({})).await.unwrap();
        assert!(said.allowed && said.agrees(), "{row}: {said:?}");
    }
    let said = ask("\"Päper, 'x'\":d,1", Verb::Select, json!({})).await.unwrap();
    assert!(!said.allowed && said.agrees(), "{said:?}");
    let new = |zip: i32, tags: Value| {
        json!({ "org": "n", "nr": 1, "owner": person(1), "home": { "street": "x, \"y\"", "zip": zip }, "tags": tags,
            "mood": "so \"so\"", "data": { "a": [1] } })
    };
    for (zip, tags, allowed) in
        [(6, json!(["a", null, "b"]), true), (5, json!(["b"]), false), (6, json!([]), false)]
    {
        let said = ask("Päper, 'x'", Verb::Insert, new(zip, tags.clone())).await.unwrap();
        assert!(said.allowed == allowed && said.agrees(), "{zip} {tags}: {said:?}");
    }
    let change = json!({ "home": { "zip": 9 }, "tags": ["b"] });
    let said = ask("Päper, 'x':\"a, \"\"b\"\":c\",1", Verb::Update, change).await.unwrap();
    assert!(said.allowed && said.agrees(), "{said:?}");
    assert_eq!(said.becomes.unwrap()["home"], json!({ "street": null, "zip": 9 }));
    let said = ask("logs:1,2026-02-02", Verb::Delete, json!({})).await.unwrap();
    assert!(said.allowed && said.agrees(), "{said:?}");
    let refused = ask("logs_26:1,2026-02-02", Verb::Select, json!({})).await.unwrap_err();
    assert!(refused.to_string().contains("the table it is a part of"), "{refused}");
    let new = new(6, json!(["b"]));
    let tried = access::try_all(&pg, &ann, &facts, "\"Päper, 'x'\"", new.as_object().unwrap()).await.unwrap();
    assert_eq!(tried.attempts[1].outcome, Outcome::Done, "{tried:?}");
}
