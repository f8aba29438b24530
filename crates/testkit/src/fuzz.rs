//! Random schemas, policies, people and requests, each request in several languages that must mean the same: plain SQL
//! under `SET ROLE` is the oracle, REST and whatever else reads rows are compared with it.
//!
//! Pure and seeded. A new surface adds one more method beside [`Request::rest`]; nothing else changes. The numbers of a
//! failing case are in its message.

use std::fmt::Write as _;

/// Small, seeded and the same everywhere.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Below `most`.
    pub fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % most.max(1)
    }

    /// One of several.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// One of several words.
    pub fn word(&mut self, of: &[&'static str]) -> &'static str {
        of[self.below(of.len())]
    }

    /// Once in `n`.
    pub fn rarely(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A schema: tables `f0`, `f1`, … each pointing at the one before, with policies and rows.
pub struct Schema {
    /// How many tables.
    pub tables: usize,
    /// The statements that make it, and unmake what was there before.
    pub sql: String,
}

/// The columns of every table.
pub const COLUMNS: &[&str] = &["id", "parent", "owner", "team", "flag", "word", "num"];
/// People, by the `sub` of their claims.
pub const PEOPLE: &[&str] = &["ann", "bob", "cid"];
/// Words that rows have.
const WORDS: &[&str] = &["a", "b", "ab", "", "x y", "\"q\"", "é"];
/// The most tables there are.
pub const TABLES_MAX: usize = 4;

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

const SUB: &str = "(SELECT current_setting('request.jwt.claims', true)::json ->> 'sub')";

/// A condition on a row of table `at`, which may look into tables before it: never round in a circle.
fn condition(dice: &mut Dice, at: usize) -> String {
    match dice.below(if at == 0 { 8 } else { 11 }) {
        0..=2 => format!("owner = {SUB}"),
        3 => "flag".to_owned(),
        4 => format!("(num > {} OR owner = {SUB})", dice.below(8)),
        5 => "team IN (1, 2)".to_owned(),
        6 => format!("word <> {}", quoted(dice.word(WORDS))),
        7 => ["true", "flag IS NOT TRUE", "team IS NULL", "NOT (flag AND num < 5)"][dice.below(4)].to_owned(),
        8 => format!("parent IN (SELECT o.id FROM f{} o)", at - 1),
        9 => format!("EXISTS (SELECT FROM f{0} o WHERE o.team = f{at}.team AND o.flag)", dice.below(at)),
        _ => format!(
            "NOT EXISTS (SELECT FROM f{0} o WHERE o.owner = f{at}.owner AND o.num = f{at}.num)",
            dice.below(at)
        ),
    }
}

fn policy(dice: &mut Dice, at: usize, number: usize) -> String {
    let command = *dice.one(&["ALL", "ALL", "SELECT", "SELECT", "INSERT", "UPDATE", "DELETE"]);
    let role = *dice.one(&["public", "authenticated", "authenticated", "anon", "anon, authenticated"]);
    let kind = if dice.rarely(5) { "RESTRICTIVE" } else { "PERMISSIVE" };
    let using = if command == "INSERT" { String::new() } else { format!(" USING ({})", condition(dice, at)) };
    let checks = matches!(command, "ALL" | "UPDATE") && !dice.rarely(3) || command == "INSERT";
    let check = if checks { format!(" WITH CHECK ({})", condition(dice, at)) } else { String::new() };
    format!("CREATE POLICY p{number} ON f{at} AS {kind} FOR {command} TO {role}{using}{check};\n")
}

fn value(dice: &mut Dice, column: &str, table: usize, rows: usize) -> String {
    if column != "id" && dice.rarely(6) {
        return "NULL".to_owned();
    }
    match column {
        "parent" if table == 0 => "NULL".to_owned(),
        "parent" => (dice.below(rows) + 1).to_string(),
        "owner" => quoted(dice.word(PEOPLE)),
        "team" => (dice.below(3) + 1).to_string(),
        "flag" => ["true", "false"][dice.below(2)].to_owned(),
        "word" => quoted(dice.word(WORDS)),
        _ => dice.below(9).to_string(),
    }
}

/// Rows of each table.
const ROWS: usize = 14;

impl Schema {
    /// A random one.
    pub fn random(dice: &mut Dice) -> Self {
        let tables = 2 + dice.below(TABLES_MAX - 1);
        let mut sql = String::new();
        for at in (0..TABLES_MAX).rev() {
            let _ = writeln!(sql, "DROP TABLE IF EXISTS f{at} CASCADE;");
        }
        for at in 0..tables {
            let points = if at == 0 { String::new() } else { format!(" REFERENCES f{}", at - 1) };
            let _ = writeln!(
                sql,
                "CREATE TABLE f{at} (id int PRIMARY KEY, parent int{points}, owner text, team int, flag boolean, word text, num int);
                 CREATE FUNCTION found{at}() RETURNS SETOF f{at} LANGUAGE sql STABLE AS 'SELECT * FROM f{at}';
                 GRANT ALL ON f{at} TO anon, authenticated, service_role; GRANT EXECUTE ON FUNCTION found{at}() TO anon, authenticated, service_role;"
            );
            for id in 1..=ROWS {
                let values =
                    COLUMNS[1..].iter().map(|column| value(dice, column, at, ROWS)).collect::<Vec<_>>();
                let _ = writeln!(sql, "INSERT INTO f{at} VALUES ({id}, {});", values.join(", "));
            }
            for number in 0..dice.below(5) {
                sql.push_str(&policy(dice, at, number));
            }
            if dice.rarely(5) {
                let hidden = *dice.one(&["num", "word"]);
                let seen: Vec<&str> = COLUMNS.iter().copied().filter(|column| *column != hidden).collect();
                let _ = writeln!(
                    sql,
                    "REVOKE SELECT ON f{at} FROM anon, authenticated; GRANT SELECT ({}) ON f{at} TO anon, authenticated;",
                    seen.join(", ")
                );
            }
        }
        Schema { tables, sql }
    }
}

/// Somebody who asks.
#[derive(Clone, Debug)]
pub struct Somebody {
    /// Their database role.
    pub role: &'static str,
    /// Their claims.
    pub claims: String,
}

impl Somebody {
    /// Somebody random.
    pub fn random(dice: &mut Dice) -> Self {
        let role = *dice.one(&["anon", "authenticated", "authenticated", "authenticated", "service_role"]);
        let sub = if role == "authenticated" {
            format!(",\"sub\":\"{}\"", dice.one(PEOPLE))
        } else {
            String::new()
        };
        Somebody { role, claims: format!("{{\"role\":\"{role}\"{sub}}}") }
    }
}

/// A test of a column.
#[derive(Clone, Debug)]
enum Test {
    /// `column`, operator of REST and SQL, value.
    Compare(&'static str, &'static str, &'static str, String),
    /// Is it unknown?
    Null(&'static str),
    /// Any of several numbers.
    In(&'static str, Vec<usize>),
    /// Either.
    Or(Box<Test>, Box<Test>),
    /// The opposite.
    Not(Box<Test>),
}

impl Test {
    fn random(dice: &mut Dice, deep: usize) -> Test {
        match dice.below(if deep > 2 { 5 } else { 8 }) {
            0 | 1 => {
                let (rest, sql) = *dice.one(&[("eq", "="), ("neq", "<>"), ("gt", ">"), ("lte", "<=")]);
                let column = *dice.one(&["id", "num", "team"]);
                Test::Compare(column, rest, sql, dice.below(15).to_string())
            }
            2 => Test::Compare("owner", "eq", "=", (*dice.one(PEOPLE)).to_owned()),
            3 => Test::Null(COLUMNS[1 + dice.below(6)]),
            4 => Test::In("id", (0..dice.below(4) + 1).map(|_| dice.below(15)).collect()),
            5 => Test::Compare("word", "eq", "=", (*dice.one(&["a", "b", "ab"])).to_owned()),
            6 => Test::Or(Box::new(Test::random(dice, deep + 1)), Box::new(Test::random(dice, deep + 1))),
            _ => Test::Not(Box::new(Test::random(dice, deep + 1))),
        }
    }

    fn sql(&self, alias: &str) -> String {
        match self {
            Test::Compare(column, _, sql, value) => format!("{alias}.{column} {sql} {}", quoted(value)),
            Test::Null(column) => format!("{alias}.{column} IS NULL"),
            Test::In(column, values) => {
                format!(
                    "{alias}.{column} IN ({})",
                    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                )
            }
            Test::Or(a, b) => format!("({} OR {})", a.sql(alias), b.sql(alias)),
            Test::Not(test) => format!("NOT ({})", test.sql(alias)),
        }
    }

    /// As a member of a logic tree.
    fn rest(&self) -> String {
        match self {
            Test::Compare(column, rest, _, value) => format!("{column}.{rest}.{value}"),
            Test::Null(column) => format!("{column}.is.null"),
            Test::In(column, values) => {
                format!(
                    "{column}.in.({})",
                    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
                )
            }
            Test::Or(a, b) => format!("or({},{})", a.rest(), b.rest()),
            Test::Not(test) => match &**test {
                Test::Or(a, b) => format!("not.or({},{})", a.rest(), b.rest()),
                Test::Not(inner) => inner.rest(),
                other => {
                    let text = other.rest();
                    let (column, test) = text.split_once('.').unwrap_or((&text, ""));
                    format!("{column}.not.{test}")
                }
            },
        }
    }
}

/// What is done.
#[derive(Clone, Debug)]
pub enum Verb {
    /// Rows are read.
    Read,
    /// Rows are read through a function that gives out the table's rows.
    Call,
    /// A row is made: column and value, both as SQL has them.
    Insert(Vec<(&'static str, String)>),
    /// Rows are changed.
    Update(&'static str, String),
    /// Rows are removed.
    Delete,
}

/// A request: every surface says it in its own words.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is done.
    pub verb: Verb,
    /// The table's number.
    pub table: usize,
    /// Columns that come back; never none.
    pub columns: Vec<&'static str>,
    /// Whether the row it points at comes along, and if so whether rows without one are left out.
    pub parent: Option<bool>,
    /// Whether the rows that point at it come along.
    pub children: bool,
    tests: Vec<Test>,
    /// How many come back at most.
    pub limit: Option<usize>,
}

impl Request {
    /// A random one on a schema of so many tables.
    pub fn random(dice: &mut Dice, tables: usize) -> Self {
        let table = dice.below(tables);
        let verb = match dice.below(10) {
            0..=4 => Verb::Read,
            5 => Verb::Call,
            6 => Verb::Insert(
                COLUMNS
                    .iter()
                    .map(|column| {
                        (
                            *column,
                            if *column == "id" { "1000".into() } else { value(dice, column, table, ROWS) },
                        )
                    })
                    .collect(),
            ),
            7 | 8 => {
                let column = *dice.one(&["owner", "team", "flag", "num"]);
                Verb::Update(column, value(dice, column, table, ROWS))
            }
            _ => Verb::Delete,
        };
        let mut columns = vec!["id"];
        columns.extend(COLUMNS[1..].iter().copied().filter(|_| dice.rarely(2)));
        let reads = matches!(verb, Verb::Read);
        Request {
            parent: (reads && table > 0 && dice.rarely(3)).then(|| dice.rarely(2)),
            children: reads && table + 1 < tables && dice.rarely(3),
            tests: (0..dice.below(3)).map(|_| Test::random(dice, 0)).collect(),
            limit: (reads && dice.rarely(4)).then(|| dice.below(6)),
            verb,
            table,
            columns,
        }
    }

    /// The rows it is about, as a condition.
    fn condition(&self, alias: &str) -> String {
        let mut all: Vec<String> = self.tests.iter().map(|test| test.sql(alias)).collect();
        if self.parent == Some(true) {
            all.push(format!(
                "EXISTS (SELECT FROM f{} p WHERE p.id = {alias}.parent)",
                self.table.saturating_sub(1)
            ));
        }
        if all.is_empty() { "true".to_owned() } else { all.join(" AND ") }
    }

    /// As plain SQL that gives one JSON array, ordered by `id`.
    pub fn sql(&self) -> String {
        let table = format!("f{}", self.table);
        let columns: Vec<String> = self.columns.iter().map(|column| format!("t.{column}")).collect();
        let mut columns = columns.join(", ");
        if self.parent.is_some() {
            let above = self.table.saturating_sub(1);
            let _ = write!(
                columns,
                ", (SELECT row_to_json(x) FROM (SELECT p.id, p.word FROM f{above} p WHERE p.id = t.parent) x) AS f{above}"
            );
        }
        if self.children {
            let below = self.table + 1;
            let _ = write!(
                columns,
                ", (SELECT coalesce(json_agg(x ORDER BY x.id), '[]') FROM (SELECT c.id, c.word FROM f{below} c WHERE c.parent = t.id) x) AS f{below}"
            );
        }
        let condition = self.condition("t");
        let limit = self.limit.map_or_else(String::new, |limit| format!(" LIMIT {limit}"));
        let changed = |statement: String| {
            format!(
                "WITH x AS ({statement} RETURNING {columns}) SELECT coalesce(json_agg(x ORDER BY x.id), '[]')::text FROM x"
            )
        };
        match &self.verb {
            Verb::Read => format!(
                "SELECT coalesce(json_agg(x), '[]')::text FROM (SELECT {columns} FROM {table} t WHERE {condition} ORDER BY t.id{limit}) x"
            ),
            Verb::Call => format!(
                "SELECT coalesce(json_agg(x), '[]')::text FROM (SELECT {columns} FROM found{}() t WHERE {condition} ORDER BY t.id) x",
                self.table
            ),
            Verb::Insert(values) => {
                let (names, values): (Vec<&str>, Vec<&str>) =
                    values.iter().map(|(name, value)| (*name, value.as_str())).unzip();
                changed(format!(
                    "INSERT INTO {table} AS t ({}) VALUES ({})",
                    names.join(", "),
                    values.join(", ")
                ))
            }
            Verb::Update(column, value) => {
                changed(format!("UPDATE {table} t SET {column} = {value} WHERE {condition}"))
            }
            Verb::Delete => changed(format!("DELETE FROM {table} t WHERE {condition}")),
        }
    }

    /// Whether rows of other tables come along.
    pub fn embeds(&self) -> bool {
        self.parent.is_some() || self.children
    }

    /// The rows it finds, without what comes along with them, as plain SQL.
    pub fn found_sql(&self) -> String {
        format!(
            "SELECT coalesce(json_agg(t.id), '[]')::text FROM f{} t WHERE {}",
            self.table,
            self.condition("t")
        )
    }

    /// As REST has it: what stands behind `/rest/v1/`.
    pub fn rest(&self) -> String {
        let mut select = self.columns.join(",");
        if let Some(inner) = self.parent {
            let _ = write!(
                select,
                ",f{}{}(id,word)",
                self.table.saturating_sub(1),
                if inner { "!inner" } else { "" }
            );
        }
        let name = if matches!(self.verb, Verb::Call) {
            format!("found{}", self.table)
        } else {
            format!("f{}", self.table)
        };
        if self.children {
            let _ = write!(select, ",f{}(id,word)", self.table + 1);
        }
        let mut url = format!("{name}?select={select}");
        if !self.tests.is_empty() {
            let tests: Vec<String> = self.tests.iter().map(Test::rest).collect();
            let _ = write!(url, "&and=({})", tests.join(","));
        }
        if !matches!(self.verb, Verb::Insert(_)) {
            url.push_str("&order=id");
        }
        if self.children {
            let _ = write!(url, "&f{}.order=id", self.table + 1);
        }
        if let Some(limit) = self.limit {
            let _ = write!(url, "&limit={limit}");
        }
        url
    }

    /// The body of a write, as JSON.
    pub fn body(&self) -> String {
        let pair = |name: &str, value: &str| {
            let value = match value.strip_prefix('\'') {
                Some(text) => {
                    serde_json::Value::from(text.trim_end_matches('\'').replace("''", "'")).to_string()
                }
                None => value.to_lowercase(),
            };
            format!("\"{name}\":{value}")
        };
        match &self.verb {
            Verb::Insert(values) => {
                let pairs: Vec<String> = values.iter().map(|(name, value)| pair(name, value)).collect();
                format!("{{{}}}", pairs.join(","))
            }
            Verb::Update(column, value) => format!("{{{}}}", pair(column, value)),
            Verb::Read | Verb::Call | Verb::Delete => String::new(),
        }
    }
}
