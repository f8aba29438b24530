//! What comes back: rows in PostgreSQL's text format, decoded only where somebody looks.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use crate::Error;

/// A result column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// `pg_type.oid`.
    pub type_oid: u32,
}

/// A whole result.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The columns, shared with the prepared statement.
    pub columns: Arc<[Column]>,
    /// The rows as the server sent them.
    pub frames: Frames,
    /// Rows the command touched, from its tag.
    pub affected: u64,
}

impl Rows {
    /// How many rows came back.
    pub fn len(&self) -> usize {
        self.frames.count
    }
    /// Whether none came back.
    pub fn is_empty(&self) -> bool {
        self.frames.count == 0
    }
    /// Their size, heads of fields and rows counted.
    pub fn bytes(&self) -> usize {
        self.frames.bytes()
    }
    /// The rows in order.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.frames.bodies().map(|raw| Row { columns: &self.columns, raw })
    }
    /// The first row, if any.
    pub fn first(&self) -> Option<Row<'_>> {
        self.iter().next()
    }
}

/// DataRow frames, in the pieces they were read in: one behind the other and whole, so that a row costs nothing of its own.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    pieces: Vec<Bytes>,
    count: usize,
}

impl Frames {
    /// A piece of `count` whole frames.
    pub(crate) fn of(piece: Bytes, count: usize) -> Self {
        Frames { pieces: vec![piece], count }
    }

    /// What is in `more` follows.
    pub fn append(&mut self, mut more: Frames) {
        if self.pieces.is_empty() {
            *self = more;
            return;
        }
        self.pieces.append(&mut more.pieces);
        self.count += more.count;
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn bytes(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// What each frame holds: a field count, then per field a length and its bytes.
    fn bodies(&self) -> Bodies<'_> {
        Bodies { pieces: self.pieces.iter(), rest: &[] }
    }
}

/// A frame's tag and length stand before its body.
pub(crate) const FRAME_HEAD: usize = 5;

struct Bodies<'a> {
    pieces: std::slice::Iter<'a, Bytes>,
    rest: &'a [u8],
}

impl<'a> Iterator for Bodies<'a> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        while self.rest.is_empty() {
            self.rest = self.pieces.next()?;
        }
        let ([_, length @ ..], _) = self.rest.split_first_chunk::<FRAME_HEAD>()?;
        let whole = usize::try_from(i32::from_be_bytes(*length)).ok()? + 1;
        let (frame, rest) = self.rest.split_at_checked(whole)?;
        self.rest = rest;
        frame.get(FRAME_HEAD..)
    }
}

/// One row.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    columns: &'a [Column],
    raw: &'a [u8],
}

impl<'a> Row<'a> {
    /// The fields in order; `None` is NULL.
    pub fn fields(self) -> Fields<'a> {
        Fields { rest: self.raw.get(2..).unwrap_or_default() }
    }

    /// A field by position.
    pub fn field(self, index: usize) -> Option<&'a [u8]> {
        self.fields().nth(index).flatten()
    }

    /// A field by name, decoded. NULL is an error unless `T` is an `Option`.
    pub fn get<T: FromText>(self, name: &str) -> Result<T, Error> {
        let index = self.columns.iter().position(|column| column.name == name);
        let index = index
            .ok_or_else(|| Error::Shape { column: name.to_owned(), expected: "column of this result" })?;
        T::from_field(self.field(index))
            .ok_or_else(|| Error::Shape { column: name.to_owned(), expected: T::NAME })
    }

    /// A field by position, decoded.
    pub fn at<T: FromText>(self, index: usize) -> Result<T, Error> {
        T::from_field(self.field(index))
            .ok_or_else(|| Error::Shape { column: format!("#{index}"), expected: T::NAME })
    }
}

/// Iterates over a row's fields without copying.
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<&'a [u8]>;
    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        match usize::try_from(i32::from_be_bytes(*length)) {
            Err(_) => {
                self.rest = rest;
                Some(None)
            }
            Ok(length) => {
                let (field, rest) = rest.split_at_checked(length)?;
                self.rest = rest;
                Some(Some(field))
            }
        }
    }
}

/// A type that PostgreSQL's text format can be read as.
pub trait FromText: Sized {
    /// What it is called in an error.
    const NAME: &'static str;
    /// Reads a value that is not NULL.
    fn from_text(text: &str) -> Option<Self>;
    /// Reads a field.
    fn from_field(field: Option<&[u8]>) -> Option<Self> {
        Self::from_text(std::str::from_utf8(field?).ok()?)
    }
}

impl<T: FromText> FromText for Option<T> {
    const NAME: &'static str = T::NAME;
    fn from_text(text: &str) -> Option<Self> {
        T::from_text(text).map(Some)
    }
    fn from_field(field: Option<&[u8]>) -> Option<Self> {
        match field {
            None => Some(None),
            Some(_) => T::from_field(field).map(Some),
        }
    }
}

macro_rules! by_parse {
    ($($kind:ty),+) => {$(
        impl FromText for $kind {
            const NAME: &'static str = stringify!($kind);
            fn from_text(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )+};
}
by_parse!(String, i16, i32, i64, u32, u64, f64, Uuid);

impl FromText for std::net::IpAddr {
    const NAME: &'static str = "inet";
    /// PostgreSQL writes host addresses without, networks with a mask.
    fn from_text(text: &str) -> Option<Self> {
        text.split('/').next()?.parse().ok()
    }
}

impl FromText for bool {
    const NAME: &'static str = "bool";
    fn from_text(text: &str) -> Option<Self> {
        match text {
            "t" => Some(true),
            "f" => Some(false),
            _ => None,
        }
    }
}

impl FromText for serde_json::Value {
    const NAME: &'static str = "json";
    fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// `timestamptz` as connections of this crate print it (`DateStyle` ISO, `TimeZone` UTC).
impl FromText for Timestamp {
    const NAME: &'static str = "timestamptz";
    fn from_text(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(' ')?;
        let iso = match time.rfind(['+', '-']) {
            Some(at) if time.len() - at == 3 => format!("{date}T{time}:00"),
            Some(_) => format!("{date}T{time}"),
            None => format!("{date}T{time}Z"),
        };
        iso.parse().ok()
    }
}

/// `bytea` in hex format.
impl FromText for Vec<u8> {
    const NAME: &'static str = "bytea";
    fn from_text(text: &str) -> Option<Self> {
        hex::decode(text.strip_prefix("\\x")?).ok()
    }
}
