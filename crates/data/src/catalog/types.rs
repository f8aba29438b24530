//! Types: what a value of one looks like as JSON, and which type a cast in an ask means.
//!
//! Invariant: the text that reaches SQL is `"schema"."type"` of a row of `pg_type`, never the words of an ask.

use std::collections::HashMap;
use std::sync::Arc;

use crate::sql::ident;

/// `pg_type.typtype`, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TypeKind {
    /// A base type that is not an array.
    Base,
    /// An array.
    Array,
    /// A row type.
    Composite,
    /// A domain.
    Domain,
    /// An enum.
    Enum,
    /// A range or multirange.
    Range,
    /// `void`, `record`, `anyelement`, …
    Pseudo,
}

/// A type.
#[derive(Clone, Debug)]
pub struct Type {
    /// `pg_type.oid`
    pub oid: u32,
    /// Its schema.
    pub schema: Arc<str>,
    /// Its name in `pg_type`.
    pub name: Arc<str>,
    /// As PostgreSQL prints it, without modifiers.
    pub text: Arc<str>,
    /// What kind it is.
    pub kind: TypeKind,
    /// The type under a domain.
    pub base: Option<u32>,
    /// The type of an array's elements.
    pub element: Option<u32>,
    /// `pg_class.oid` of a composite.
    pub relation: Option<u32>,
    /// A domain that refuses null.
    pub required: bool,
    /// A domain's default.
    pub default: Option<Arc<str>>,
    /// An enum's values in order.
    pub labels: Vec<Arc<str>>,
    /// Whether somebody defined how it becomes json.
    pub json_cast: bool,
    /// What an enum's comment says.
    pub comment: Option<Arc<str>>,
    /// What a domain's comment asks of its values.
    pub asked: Option<Arc<super::check::Asked>>,
}

/// How a value in PostgreSQL's text format becomes JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Json {
    /// `t` and `f`.
    Bool,
    /// A whole number.
    Integer,
    /// A number; what JSON cannot write (`NaN`, `Infinity`) becomes a string.
    Number,
    /// JSON already.
    Verbatim,
    /// A date and time: ISO 8601 with `T` and whole offsets.
    Timestamp,
    /// Anything else is a string.
    Text,
}

/// Object identifiers of the types this crate knows by heart.
pub mod oid {
    /// `bool`
    pub const BOOL: u32 = 16;
    /// `json`
    pub const JSON: u32 = 114;
    /// `text`
    pub const TEXT: u32 = 25;
    /// `xml`
    pub const XML: u32 = 142;
    /// `bytea`
    pub const BYTEA: u32 = 17;
    /// `jsonb`
    pub const JSONB: u32 = 3802;
    /// `record`
    pub const RECORD: u32 = 2249;
    /// `void`
    pub const VOID: u32 = 2278;
    /// `tsvector`
    pub const TSVECTOR: u32 = 3614;
    /// `anyelement`
    pub const ANYELEMENT: u32 = 2283;
    /// `regproc`, `regprocedure`, `regoper`, `regoperator`, `regclass`, `regtype`, `regrole`, `regnamespace`, `regconfig`,
    /// `regdictionary`, `regcollation`: a number becomes the name of what has it in PostgreSQL's catalogs, whoever asks.
    pub const NAMES_OF_NUMBERS: [u32; 11] = [24, 2202, 2203, 2204, 2205, 2206, 4096, 4089, 3734, 3769, 4191];
}

/// How a result column of this type becomes JSON. The server sends a domain as the type under it.
pub fn json_of(type_oid: u32) -> Json {
    match type_oid {
        oid::BOOL => Json::Bool,
        // int8, int2, int4
        20 | 21 | 23 => Json::Integer,
        // float4, float8, numeric
        700 | 701 | 1700 => Json::Number,
        oid::JSON | oid::JSONB => Json::Verbatim,
        // timestamp, timestamptz
        1114 | 1184 => Json::Timestamp,
        _ => Json::Text,
    }
}

/// The type of the elements of an array whose text we can read: those of the types above, and of `uuid`, `date` and text.
pub fn element_of(array_oid: u32) -> Option<u32> {
    Some(match array_oid {
        1000 => oid::BOOL,
        1005 => 21,
        1007 => 23,
        1016 => 20,
        1021 => 700,
        1022 => 701,
        1231 => 1700,
        199 => oid::JSON,
        3807 => oid::JSONB,
        1115 => 1114,
        1185 => 1184,
        // text, varchar, bpchar, name; uuid; date
        1009 | 1015 | 1014 | 1003 | 2951 | 1182 => oid::TEXT,
        _ => return None,
    })
}

/// All types of a snapshot.
#[derive(Debug, Default)]
pub struct Types {
    by_oid: HashMap<u32, Type>,
    by_name: HashMap<Arc<str>, Vec<u32>>,
}

impl Types {
    /// From rows of `pg_type`.
    pub fn new(types: impl IntoIterator<Item = Type>) -> Self {
        let mut all = Types::default();
        for found in types {
            all.by_name.entry(found.name.clone()).or_default().push(found.oid);
            all.by_oid.insert(found.oid, found);
        }
        all
    }

    /// A type.
    pub fn get(&self, oid: u32) -> Option<&Type> {
        self.by_oid.get(&oid)
    }

    /// Every type, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Type> {
        self.by_oid.values()
    }

    /// The type under every domain.
    pub fn base(&self, oid: u32) -> u32 {
        let mut at = oid;
        // A chain of domains is as long as somebody had patience to create; a cycle cannot be created.
        while let Some(next) = self.get(at).and_then(|found| found.base) {
            at = next;
        }
        at
    }

    /// `"schema"."type"` for SQL text.
    pub fn sql(&self, oid: u32) -> Option<String> {
        self.get(oid).map(|found| format!("{}.{}", ident(&found.schema), ident(&found.name)))
    }

    /// Whether values of this type must be made JSON by the server: arrays but for the plainest, composites, and what has
    /// a cast to json.
    pub fn needs_server_json(&self, oid: u32) -> bool {
        match self.get(self.base(oid)) {
            None => true,
            Some(found) => match found.kind {
                TypeKind::Array => element_of(found.oid).is_none(),
                TypeKind::Composite | TypeKind::Pseudo => true,
                TypeKind::Base | TypeKind::Enum | TypeKind::Range | TypeKind::Domain => found.json_cast,
            },
        }
    }

    /// The type a cast means: SQL's own names first, then names in `schemas` in order, then `pg_catalog`. Words are
    /// folded to lower case as SQL does with names without quotes. Types that make names of numbers are none.
    pub fn for_cast(&self, words: &str, schemas: &[&str]) -> Option<&Type> {
        let names = |found: u32| oid::NAMES_OF_NUMBERS.contains(&found);
        self.found(words, schemas).filter(|found| {
            !names(self.base(found.oid)) && !found.element.is_some_and(|of| names(self.base(of)))
        })
    }

    fn found(&self, words: &str, schemas: &[&str]) -> Option<&Type> {
        let folded = words.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        if let Some(name) = sql_name(&folded) {
            return self.named("pg_catalog", name);
        }
        self.named("pg_catalog", &folded)
            .or_else(|| schemas.iter().find_map(|schema| self.named(schema, &folded)))
    }

    fn named(&self, schema: &str, name: &str) -> Option<&Type> {
        let all = self.by_name.get(name)?;
        all.iter().filter_map(|oid| self.get(*oid)).find(|found| &*found.schema == schema)
    }
}

/// Names of types that the SQL grammar knows and `pg_type` spells otherwise.
fn sql_name(words: &str) -> Option<&'static str> {
    Some(match words {
        "int" | "integer" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "real" => "float4",
        "float" | "double precision" => "float8",
        "decimal" | "dec" => "numeric",
        "boolean" => "bool",
        "char varying" | "character varying" => "varchar",
        // Without a length, SQL means one character; a cast to that would cut, so the unbounded form is meant here.
        "char" | "character" => "bpchar",
        "bit varying" => "varbit",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        "time without time zone" => "time",
        "time with time zone" => "timetz",
        _ => return None,
    })
}
