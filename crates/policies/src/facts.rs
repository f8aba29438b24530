//! What there is to be judged: relations, keys, policies, functions, and who may reach them.
//!
//! Invariant: read whole, in one transaction; judging asks the database nothing.

use std::collections::BTreeMap;

use pg::{Open, Param, Statement};
use serde::Deserialize;
use serde_json::Value;

use crate::{Error, sql};

/// A relation.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Relation {
    /// `pg_class.oid`
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `pg_class.relkind`
    pub kind: String,
    /// Its owner.
    pub owner: String,
    /// Whether row level security does not bind that owner.
    pub owner_bypasses: bool,
    /// Row level security is enabled.
    pub secured: bool,
    /// It binds the owner too.
    pub forced: bool,
    /// It is a partition of another.
    pub partition: bool,
    /// Its schema is served.
    pub exposed: bool,
    /// A view that asks as its caller.
    pub invoker: bool,
    /// Its comment.
    pub comment: Option<String>,
    /// It belongs to an extension.
    pub extension: bool,
    /// Pages on disk.
    pub pages: i64,
    /// Rows.
    pub live: i64,
    /// Rows that are gone and still take their place.
    pub dead: i64,
    /// Rights of the API's roles: SELECT, INSERT, UPDATE, DELETE, on all or some columns.
    pub may: Option<BTreeMap<String, Vec<String>>>,
    /// What a view stands on.
    pub stands_on: Option<Vec<u32>>,
    /// Tables whose readers find its rows there; a partition's are in `partition`.
    pub inherits: Option<Vec<u32>>,
}

/// A column.
#[derive(Clone, Debug, Deserialize)]
pub struct Column {
    /// Whose.
    pub relation: u32,
    /// `attnum`
    pub number: i16,
    /// Its name.
    pub name: String,
    /// Its type with modifiers.
    pub r#type: String,
    /// `pg_type.typname`, of a domain that of what it is made of.
    pub type_name: String,
    /// `pg_type.typtype`
    pub type_kind: String,
    /// The type's schema.
    pub type_schema: String,
    /// `NOT NULL`
    pub required: bool,
    /// Whether only the database gives it a value.
    pub generated: bool,
    /// Its default.
    pub default: Option<String>,
    /// An enum's values.
    pub labels: Option<Vec<String>>,
}

/// A key or check.
#[derive(Clone, Debug, Deserialize)]
pub struct Constraint {
    /// Its name.
    pub name: String,
    /// `p`, `u`, `f` or `c`.
    pub kind: String,
    /// Whose.
    pub relation: u32,
    /// What a foreign key points at, or 0.
    pub target: u32,
    /// Its columns.
    pub columns: Vec<i16>,
    /// Columns there.
    pub target_columns: Vec<i16>,
    /// As PostgreSQL prints it.
    pub definition: String,
    /// Whether the key it points at is the primary one.
    pub on_primary: Option<bool>,
}

/// An index.
#[derive(Clone, Debug, Deserialize)]
pub struct Index {
    /// Whose.
    pub relation: u32,
    /// Its name.
    pub name: String,
    /// Its columns; 0 is an expression.
    pub columns: Vec<i16>,
    /// Whether it keeps values apart.
    pub unique: bool,
    /// Of the primary key.
    pub primary: bool,
    /// Usable.
    pub valid: bool,
    /// Of some rows only.
    pub partial: bool,
    /// Holds a constraint.
    pub of_constraint: bool,
    /// Its definition without its name.
    pub shape: String,
    /// How often it was used.
    pub scans: i64,
}

/// A policy.
#[derive(Clone, Debug, Deserialize)]
pub struct Policy {
    /// `pg_policy.oid`
    pub oid: u32,
    /// Whose.
    pub relation: u32,
    /// Its name.
    pub name: String,
    /// One of several that let through, or one that all must pass.
    pub permissive: bool,
    /// `r`, `a`, `w`, `d` or `*`.
    pub command: String,
    /// For whom; `public` is everybody.
    pub roles: Vec<String>,
    /// Which rows are found.
    pub using: Option<String>,
    /// Which rows may be written.
    pub check: Option<String>,
    /// Columns of its own relation that it reads.
    pub columns: Vec<i16>,
    /// Other relations it reads.
    pub relations: Vec<u32>,
    /// Functions it calls.
    pub functions: Vec<u32>,
}

/// A function.
#[derive(Clone, Debug, Deserialize)]
pub struct Function {
    /// `pg_proc.oid`
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its schema is served.
    pub exposed: bool,
    /// Its parameters, as its identity.
    pub arguments: String,
    /// Runs with its owner's rights.
    pub definer: bool,
    /// Its owner.
    pub owner: String,
    /// Whether row level security does not bind that owner.
    pub owner_bypasses: bool,
    /// Its language.
    pub language: String,
    /// `i`, `s` or `v`.
    pub volatility: String,
    /// `name=value` settings it runs under.
    pub settings: Vec<String>,
    /// Its text.
    pub body: String,
    /// The statement that makes it.
    pub definition: Option<String>,
    /// `f`, `p`, `a` or `w`.
    pub kind: String,
    /// Called by triggers only.
    pub trigger: bool,
    /// Called by event triggers only.
    pub event_trigger: bool,
    /// Its comment.
    pub comment: Option<String>,
    /// `anon` may call it.
    pub anon: bool,
    /// `authenticated` may call it.
    pub authenticated: bool,
}

/// A trigger.
#[derive(Clone, Debug, Deserialize)]
pub struct Trigger {
    /// Whose.
    pub relation: u32,
    /// Its name.
    pub name: String,
    /// What it calls.
    pub function: u32,
    /// The statement that makes it.
    pub definition: String,
}

/// An extension.
#[derive(Clone, Debug, Deserialize)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// Its schema.
    pub schema: String,
    /// What is installed.
    pub version: String,
    /// What the server would install.
    pub newest: Option<String>,
    /// Its schema is served.
    pub exposed: bool,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Relations.
    pub relations: Vec<Relation>,
    /// Columns.
    pub columns: Vec<Column>,
    /// Keys and checks.
    pub constraints: Vec<Constraint>,
    /// Indexes.
    pub indexes: Vec<Index>,
    /// Policies.
    pub policies: Vec<Policy>,
    /// Functions.
    pub functions: Vec<Function>,
    /// Triggers.
    pub triggers: Vec<Trigger>,
    /// Extensions.
    pub extensions: Vec<Extension>,
    /// Buckets that are public.
    pub public_buckets: Vec<String>,
    /// The exposed schemas.
    pub exposed: Vec<String>,
    /// Whether there are accounts of people who have not said who they are.
    pub anonymous_sign_ins: bool,
}

impl Facts {
    /// Reads them in the transaction it is given.
    pub async fn read(open: &mut Open, exposed: &[String]) -> Result<Facts, Error> {
        open.run(Statement::rare(sql::SURROUNDINGS, [])).await?;
        let schemas = Param::from(exposed.to_vec());
        let mut answers = Vec::new();
        for query in sql::FACTS {
            let rows = open.run(Statement::rare(*query, [schemas.clone()])).await?;
            answers.push(rows.first().ok_or(Error::Shape("no facts"))?.at::<Value>(0)?);
        }
        let mut facts = Facts::from_answers(answers, exposed)?;
        let has = open.run(Statement::rare(sql::HAS_BUCKETS, [])).await?;
        if has.first().is_some_and(|row| row.at::<Option<bool>>(0).ok().flatten() == Some(true)) {
            let rows = open.run(Statement::rare(sql::BUCKETS, [])).await?;
            let ids = rows.first().ok_or(Error::Shape("no buckets"))?.at::<Value>(0)?;
            facts.public_buckets = serde_json::from_value(ids)?;
        }
        if facts.users().is_some() {
            let rows = open.run(Statement::rare(sql::HAS_ANONYMOUS, [])).await?;
            facts.anonymous_sign_ins = rows.first().ok_or(Error::Shape("no answer"))?.at(0)?;
        }
        Ok(facts)
    }

    /// Reads them over an administrator's connection, in whatever transaction is open there, and leaves its search path
    /// as it was.
    pub async fn read_as(client: &tokio_postgres::Client, exposed: &[String]) -> Result<Facts, Error> {
        let path: String = client.query_one(sql::PATH, &[]).await?.try_get(0)?;
        client.query(sql::SET_PATH, &[&""]).await?;
        let facts = Facts::read_qualified(client, exposed).await;
        // After a failed statement the transaction takes no other; its end puts the path back.
        let restored = client.query(sql::SET_PATH, &[&path]).await;
        let facts = facts?;
        restored?;
        Ok(facts)
    }

    async fn read_qualified(client: &tokio_postgres::Client, exposed: &[String]) -> Result<Facts, Error> {
        let mut answers = Vec::new();
        for query in sql::FACTS {
            answers.push(client.query_one(*query, &[&exposed]).await?.try_get::<_, Value>(0)?);
        }
        let mut facts = Facts::from_answers(answers, exposed)?;
        if client.query_one(sql::HAS_BUCKETS, &[]).await?.try_get::<_, Option<bool>>(0)? == Some(true) {
            let ids: Value = client.query_one(sql::BUCKETS, &[]).await?.try_get(0)?;
            facts.public_buckets = serde_json::from_value(ids)?;
        }
        if facts.users().is_some() {
            facts.anonymous_sign_ins = client.query_one(sql::HAS_ANONYMOUS, &[]).await?.try_get(0)?;
        }
        Ok(facts)
    }

    fn from_answers(answers: Vec<Value>, exposed: &[String]) -> Result<Facts, Error> {
        let mut answers = answers.into_iter();
        let mut next = || answers.next().ok_or(Error::Shape("a fact is missing"));
        Ok(Facts {
            relations: serde_json::from_value(next()?)?,
            columns: serde_json::from_value(next()?)?,
            constraints: serde_json::from_value(next()?)?,
            indexes: serde_json::from_value(next()?)?,
            policies: serde_json::from_value(next()?)?,
            functions: serde_json::from_value(next()?)?,
            triggers: serde_json::from_value(next()?)?,
            extensions: serde_json::from_value(next()?)?,
            exposed: exposed.to_vec(),
            ..Facts::default()
        })
    }

    /// A relation by its number.
    pub fn relation(&self, oid: u32) -> Option<&Relation> {
        self.relations.iter().find(|relation| relation.oid == oid)
    }

    /// A relation by `schema.name`, or by a name alone in the first exposed schema that has it.
    pub fn named(&self, name: &str) -> Option<&Relation> {
        self.named_plainly(name).or_else(|| self.named_as_in_sql(name))
    }

    fn named_as_in_sql(&self, name: &str) -> Option<&Relation> {
        let plain = |name: &str| crate::text::unquoted(name).unwrap_or_else(|| name.to_owned());
        let (schema, name) = match crate::text::split_outside_quotes(name, '.') {
            Some((schema, name)) => (Some(plain(schema)), plain(name)),
            None => (None, plain(name)),
        };
        self.relations.iter().find(|one| {
            let there = schema
                .as_ref()
                .map_or_else(|| self.exposed.contains(&one.schema), |schema| one.schema == *schema);
            there && one.name == name
        })
    }

    fn named_plainly(&self, name: &str) -> Option<&Relation> {
        if let Some((schema, name)) = name.split_once('.') {
            return self.relations.iter().find(|one| one.schema == schema && one.name == name);
        }
        let in_schema =
            |schema: &String| self.relations.iter().find(|one| one.schema == *schema && one.name == name);
        self.exposed.iter().find_map(in_schema)
    }

    /// A function by its number.
    pub fn function(&self, oid: u32) -> Option<&Function> {
        self.functions.iter().find(|function| function.oid == oid)
    }

    /// Columns of a relation, in order.
    pub fn columns_of(&self, relation: u32) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |column| column.relation == relation)
    }

    /// A column by its number.
    pub fn column(&self, relation: u32, number: i16) -> Option<&Column> {
        self.columns_of(relation).find(|column| column.number == number)
    }

    /// Policies of a relation.
    pub fn policies_of(&self, relation: u32) -> impl Iterator<Item = &Policy> {
        self.policies.iter().filter(move |policy| policy.relation == relation)
    }

    /// Constraints of a relation and kind.
    pub fn constraints_of(&self, relation: u32, kind: &'static str) -> impl Iterator<Item = &Constraint> {
        self.constraints.iter().filter(move |one| one.relation == relation && one.kind == kind)
    }

    /// `auth.users`.
    pub fn users(&self) -> Option<u32> {
        self.relations.iter().find(|one| one.schema == "auth" && one.name == "users").map(|one| one.oid)
    }
}

impl Relation {
    /// `schema.name`, for people.
    pub fn title(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// Quoted, for SQL.
    pub fn quoted(&self) -> String {
        format!("{}.{}", pg::admin::quote_name(&self.schema), pg::admin::quote_name(&self.name))
    }

    /// A table, plain or partitioned.
    pub fn is_table(&self) -> bool {
        matches!(self.kind.as_str(), "r" | "p")
    }

    /// Whether `role` has the right `verb` on it or on some of its columns.
    pub fn lets(&self, role: &str, verb: &str) -> bool {
        let rights = self.may.as_ref().and_then(|may| may.get(role));
        rights.is_some_and(|rights| rights.iter().any(|right| right == verb))
    }

    /// Whether callers of the API may read it.
    pub fn readable(&self) -> bool {
        self.lets("anon", "SELECT") || self.lets("authenticated", "SELECT")
    }
}

impl Policy {
    /// Both expressions.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.using.iter().chain(&self.check).map(String::as_str)
    }

    /// Whether it applies to `role`.
    pub fn concerns(&self, role: &str) -> bool {
        self.roles.iter().any(|one| one == "public" || one == role)
    }

    /// Whether it applies to `command` (`r`, `a`, `w`, `d`).
    pub fn rules(&self, command: &str) -> bool {
        self.command == "*" || self.command == command
    }

    /// What a written row must be, when the policy rules writing.
    pub fn effective_check(&self) -> Option<&str> {
        match self.command.as_str() {
            "r" | "d" => None,
            _ => self.check.as_deref().or(self.using.as_deref()),
        }
    }
}

impl Function {
    /// `schema.name(arguments)`
    pub fn title(&self) -> String {
        format!("{}.{}({})", self.schema, self.name, self.arguments)
    }

    /// Quoted, for SQL.
    pub fn quoted(&self) -> String {
        let name = pg::admin::quote_name;
        format!("{}.{}({})", name(&self.schema), name(&self.name), self.arguments)
    }

    /// Its search path, when it has one of its own.
    pub fn search_path(&self) -> Option<&str> {
        self.settings.iter().find_map(|setting| setting.strip_prefix("search_path="))
    }
}
