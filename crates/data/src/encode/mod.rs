//! From rows in PostgreSQL's text format to a body, without the server's help.
//!
//! Invariant: what is written is what `json_agg(row)` or a record's text would have been, read as JSON or CSV.

mod csv;
mod json;

use bytes::Bytes;
use pg::{Column, Row, Rows};

use crate::Error;
use crate::plan::BodyShape;

/// The body made of the rows of a page. `lead` fields before each row's own are not part of it.
pub fn rows(rows: &Rows, lead: usize, shape: &BodyShape) -> Result<Bytes, Error> {
    let columns = rows.columns.get(lead..).unwrap_or_default();
    let page = || rows.iter().filter(|row| is_present(*row, lead));
    let mut out = Vec::with_capacity(room(rows));
    match shape {
        BodyShape::Rows { strip_nulls: false } => {
            let keys = json::Keys::of(columns);
            array(&mut out, page(), |out, row| keys.object(out, row, lead));
        }
        BodyShape::Rows { strip_nulls: true } | BodyShape::Values => {
            array(&mut out, page(), |out, row| first(out, row, lead, columns));
        }
        BodyShape::Object { strip_nulls: false } => match page().next() {
            Some(row) => json::Keys::of(columns).object(&mut out, row, lead),
            None => out.extend_from_slice(b"null"),
        },
        BodyShape::Object { strip_nulls: true } | BodyShape::Value => match page().next() {
            Some(row) => first(&mut out, row, lead, columns),
            None => out.extend_from_slice(b"null"),
        },
        BodyShape::Csv { .. } => csv::table(&mut out, page(), lead, columns),
        BodyShape::Raw => {
            // Nothing said, as NULL or as no row, is an empty body.
            if let Some(field) = page().next().and_then(|row| row.field(lead)) {
                out = raw(field, columns.first())?;
            }
        }
        BodyShape::Nothing | BodyShape::GeoJson | BodyShape::Handler { .. } => {
            return Err(Error::Bug("this body is made by the server"));
        }
    }
    Ok(out.into())
}

/// What the body of some rows takes, near enough: each field has a key in place of its length.
fn room(rows: &Rows) -> usize {
    let keys: usize = rows.columns.iter().map(|column| column.name.len() + 4).sum();
    rows.bytes() + rows.len() * (keys + 4) + 64
}

/// A body made of rows as they come: chunk by chunk the same bytes as [`rows`] makes of all.
pub struct Growing {
    csv: bool,
    keys: json::Keys,
    began: bool,
    any: bool,
}

impl Growing {
    /// For the shapes that can be begun before the last row is known.
    pub fn of(shape: &BodyShape) -> Option<Self> {
        match shape {
            BodyShape::Rows { strip_nulls: false } => Some(false),
            BodyShape::Csv { .. } => Some(true),
            _ => None,
        }
        .map(|csv| Growing { csv, keys: json::Keys::default(), began: false, any: false })
    }

    /// What some rows add.
    pub fn add(&mut self, rows: &Rows) -> Bytes {
        let mut out = Vec::with_capacity(room(rows));
        if !std::mem::replace(&mut self.began, true) {
            self.keys = json::Keys::of(&rows.columns);
            if !self.csv {
                out.push(b'[');
            }
        }
        if self.csv && !self.any && !rows.is_empty() {
            csv::header_line(&mut out, &rows.columns);
        }
        for row in rows.iter() {
            if std::mem::replace(&mut self.any, true) {
                out.extend_from_slice(if self.csv { b"\n" } else { b", \n " });
            }
            if self.csv {
                csv::line(&mut out, row, 0);
            } else {
                self.keys.object(&mut out, row, 0);
            }
        }
        out.into()
    }

    /// What is left to say behind the last row.
    pub fn end(&self) -> &'static [u8] {
        match (self.csv, self.any) {
            (false, _) => b"]",
            (true, false) => b"\n",
            (true, true) => b"",
        }
    }
}

/// The body the server made of all rows.
pub fn whole(row: Row<'_>, at: usize, columns: &[Column]) -> Result<Bytes, Error> {
    match row.field(at) {
        None => Ok(Bytes::new()),
        Some(field) => Ok(raw(field, columns.get(at))?.into()),
    }
}

/// Whether a row is one of the page: without a mark in the second of its leading fields it stands for none.
pub fn is_present(row: Row<'_>, lead: usize) -> bool {
    lead < 2 || row.field(1).is_some()
}

fn array<'a>(
    out: &mut Vec<u8>,
    rows: impl Iterator<Item = Row<'a>>,
    mut each: impl FnMut(&mut Vec<u8>, Row<'a>),
) {
    out.push(b'[');
    for (at, row) in rows.enumerate() {
        if at > 0 {
            // As json_agg writes it: somebody may count bytes.
            out.extend_from_slice(b", \n ");
        }
        each(out, row);
    }
    out.push(b']');
}

fn first(out: &mut Vec<u8>, row: Row<'_>, lead: usize, columns: &[Column]) {
    let type_oid = columns.first().map_or(0, |column| column.type_oid);
    json::value(out, row.field(lead), type_oid);
}

/// Bytes of a value as they are; `bytea` comes in hex.
fn raw(field: &[u8], column: Option<&Column>) -> Result<Vec<u8>, Error> {
    let is_bytes = column.is_some_and(|column| column.type_oid == crate::catalog::types::oid::BYTEA);
    if !is_bytes {
        return Ok(field.to_vec());
    }
    let text = std::str::from_utf8(field).ok();
    text.and_then(<Vec<u8> as pg::FromText>::from_text).ok_or(Error::Bug("bytea is not in hex"))
}
