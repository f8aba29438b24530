//! What is sent: a statement with its parameters, and what surrounds it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// SQL text with `$1…` parameters. The text is the key of the prepared-statement cache, together with the role.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The text.
    pub sql: Arc<str>,
    /// The values, as text; PostgreSQL infers each type from its place.
    pub params: Vec<Param>,
    /// Whether to keep it prepared. Rare shapes are better parsed each time.
    pub keep: bool,
}

impl Statement {
    /// A statement worth keeping prepared.
    pub fn new(sql: impl Into<Arc<str>>, params: impl Into<Vec<Param>>) -> Self {
        Statement { sql: sql.into(), params: params.into(), keep: true }
    }
    /// A statement that will hardly come again.
    pub fn rare(sql: impl Into<Arc<str>>, params: impl Into<Vec<Param>>) -> Self {
        Statement { keep: false, ..Statement::new(sql, params) }
    }
}

/// One value, in PostgreSQL's text format. `None` is NULL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param(pub Option<Bytes>);

impl Param {
    /// NULL.
    pub const NULL: Param = Param(None);
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Param(Some(Bytes::copy_from_slice(text.as_bytes())))
    }
}
impl From<String> for Param {
    fn from(text: String) -> Self {
        Param(Some(text.into()))
    }
}
impl From<&String> for Param {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}
impl From<Cow<'_, str>> for Param {
    fn from(text: Cow<'_, str>) -> Self {
        text.into_owned().into()
    }
}
impl From<Bytes> for Param {
    fn from(text: Bytes) -> Self {
        Param(Some(text))
    }
}
/// `bytea`, in hex format.
impl From<&[u8]> for Param {
    fn from(bytes: &[u8]) -> Self {
        format!("\\x{}", hex::encode(bytes)).into()
    }
}
impl<const N: usize> From<[u8; N]> for Param {
    fn from(bytes: [u8; N]) -> Self {
        bytes.as_slice().into()
    }
}
impl From<bool> for Param {
    fn from(value: bool) -> Self {
        if value { "t".into() } else { "f".into() }
    }
}
impl From<serde_json::Value> for Param {
    fn from(value: serde_json::Value) -> Self {
        value.to_string().into()
    }
}
impl From<&serde_json::Value> for Param {
    fn from(value: &serde_json::Value) -> Self {
        value.to_string().into()
    }
}
/// A text array.
impl From<Vec<String>> for Param {
    fn from(items: Vec<String>) -> Self {
        array_literal(items.iter().map(String::as_str)).into()
    }
}

macro_rules! by_display {
    ($($kind:ty),+) => {$(
        impl From<$kind> for Param {
            fn from(value: $kind) -> Self {
                value.to_string().into()
            }
        }
    )+};
}
by_display!(i16, i32, i64, u32, f64, uuid::Uuid, jiff::Timestamp, std::net::IpAddr);

impl<T: Into<Param>> From<Option<T>> for Param {
    fn from(value: Option<T>) -> Self {
        value.map_or(Param::NULL, Into::into)
    }
}

/// `{"a","b"}`: an array literal whose every element is quoted.
pub fn array_literal<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let mut literal = String::from("{");
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        literal.push('"');
        for c in item.chars() {
            if c == '"' || c == '\\' {
                literal.push('\\');
            }
            literal.push(c);
        }
        literal.push('"');
    }
    literal.push('}');
    literal
}

/// Whether a transaction may write. A read-only one cannot be turned back inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// `transaction_read_only = on`.
    #[default]
    Read,
    /// Reads and writes.
    Write,
}

/// Which connections a statement may wait on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Lane {
    /// Few connections shared by many short reads; a slow statement here would delay the others.
    #[default]
    Short,
    /// A connection of its own while it runs: writes, functions, anything that may take long.
    Own,
}

/// How much of a caller's token a transaction is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Claims {
    /// All claims, and role, subject and address by themselves.
    #[default]
    All,
    /// Only the subject, where nothing a read can reach looks at more: some 2 µs of PostgreSQL less. Whatever looks at
    /// `request.jwt.claims` after all (a policy made a moment ago) fails there, and the read is sent again with all.
    /// Heard for short reads that leave nothing ([`Setup::leaves_nothing`]) alone.
    Subject,
}

/// How much a transaction sees of others that run meanwhile, where that is not PostgreSQL's default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isolation {
    /// What was committed when each statement began.
    ReadCommitted,
    /// What was committed when the transaction began.
    RepeatableRead,
    /// As if one ran after the other.
    Serializable,
}

impl Isolation {
    /// As `default_transaction_isolation` names it.
    pub fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "read committed" | "read uncommitted" => Some(Isolation::ReadCommitted),
            "repeatable read" => Some(Isolation::RepeatableRead),
            "serializable" => Some(Isolation::Serializable),
            _ => None,
        }
    }

    /// What begins such a transaction.
    pub(crate) fn begin(of: Option<Self>, read_only: bool) -> &'static str {
        match (of, read_only) {
            (None, false) => "BEGIN",
            (None, true) => "BEGIN READ ONLY",
            (Some(Isolation::ReadCommitted), false) => "BEGIN ISOLATION LEVEL READ COMMITTED",
            (Some(Isolation::ReadCommitted), true) => "BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY",
            (Some(Isolation::RepeatableRead), false) => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            (Some(Isolation::RepeatableRead), true) => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            (Some(Isolation::Serializable), false) => "BEGIN ISOLATION LEVEL SERIALIZABLE",
            (Some(Isolation::Serializable), true) => "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY",
        }
    }
}

/// What surrounds a caller's statements besides who they are. All of it ends with the transaction.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// `search_path`; `None` leaves the login role's (the first exposed schema and its extra path).
    pub search_path: Option<Arc<str>>,
    /// `statement_timeout`; `None` leaves the role's.
    pub statement_timeout: Option<Duration>,
    /// More settings, by name: `request.method`, `request.headers`, `TimeZone`, …
    pub more: Vec<(Cow<'static, str>, Arc<str>)>,
    /// A function to call before the statement (PostgREST's pre-request), already quoted.
    pub before: Option<Arc<str>>,
    /// Promises that nothing of this transaction can leave anything in the session: it is one read (short lane) whose
    /// tables, views and policies call no function but harmless ones of `pg_catalog` (not `set_config`, not advisory
    /// locks) and ours in `auth`. The cleaning behind it, some 5 µs of PostgreSQL, is then left out.
    pub leaves_nothing: bool,
    /// How much of the caller's token it is told.
    pub claims: Claims,
    /// Its isolation, of a transaction that is begun ([`crate::Pg::begin`]); a single statement has no use for one.
    pub isolation: Option<Isolation>,
}

/// One statement in a transaction of its own.
#[derive(Clone, Debug)]
pub struct Once {
    /// The statement.
    pub statement: Statement,
    /// Whether it may write.
    pub mode: Mode,
    /// Which connections it may use.
    pub lane: Lane,
    /// What surrounds it.
    pub setup: Setup,
}

impl Once {
    /// A short read.
    pub fn read(statement: Statement) -> Self {
        Once { statement, mode: Mode::Read, lane: Lane::Short, setup: Setup::default() }
    }
    /// A write.
    pub fn write(statement: Statement) -> Self {
        Once { statement, mode: Mode::Write, lane: Lane::Own, setup: Setup::default() }
    }
}
