//! The function that every request calls first (`data.pre_request`; PostgREST's `db-pre-request`): which one, and whether it
//! may be called at all.
//!
//! Invariant: where one is set, no request is carried out without it. One that is missing, or that a caller could put another
//! in the place of, closes the data API instead of being passed over; the next snapshot looks again.

use std::sync::Arc;

use pg::{Error, Rows, Setup};

use crate::ask::Name;
use crate::gate::{Refusal, Why};
use crate::sql::ident;

/// What comes before each request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Before {
    /// Nothing.
    #[default]
    Nothing,
    /// A call of this function, quoted.
    Calls(Arc<str>),
    /// A function that may not be called: then nothing may.
    Refused(Box<Refusal>),
}

/// Why a function may not be called before requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// There is none.
    Missing,
    /// Whoever asks may become its owner.
    OwnedByCallers,
    /// Whoever asks may make another one beside it.
    SchemaOfCallers,
    /// It runs with its owner's rights, and its names mean what its caller's search path says.
    NoSearchPath,
    /// Some role of callers may not execute it.
    NotExecutable,
}

impl Wrong {
    /// In words, for the operator.
    pub fn reason(self) -> &'static str {
        match self {
            Wrong::Missing => {
                "data.pre_request names it, and there is no such function that can be called without arguments: every request is refused until there is"
            }
            Wrong::OwnedByCallers => {
                "data.pre_request names it, and a role of callers owns it and could change what it says: every request is refused"
            }
            Wrong::SchemaOfCallers => {
                "data.pre_request names it, and a role of callers may create functions in its schema: every request is refused"
            }
            Wrong::NoSearchPath => {
                "data.pre_request names it, it runs with its owner's rights and has no search path of its own, so its caller decides what its names mean: every request is refused"
            }
            Wrong::NotExecutable => {
                "data.pre_request names it, and anon, authenticated or service_role may not execute it: every request is refused"
            }
        }
    }
}

/// From the answer to [`super::sql::BEFORE`] about the function called `name`.
pub(super) fn read(name: &Name, rows: &Rows) -> Result<Before, Error> {
    let quoted = format!("{}.{}", ident(&name.schema), ident(&name.name));
    let refused = |why: Wrong, fix: Option<String>| {
        Ok(Before::Refused(Box::new(Refusal {
            schema: name.schema.as_str().into(),
            name: name.name.as_str().into(),
            why: Why::Before(why),
            fix,
        })))
    };
    let Some(row) = rows.first() else { return refused(Wrong::Missing, None) };
    let (arguments, owners): (String, Option<String>) = (row.at(0)?, row.at(1)?);
    let (creators, locked_out): (Option<String>, Option<String>) = (row.at(2)?, row.at(3)?);
    let loose: bool = row.at(4)?;
    let function = format!("{quoted}({arguments})");
    if owners.is_some() {
        return refused(
            Wrong::OwnedByCallers,
            Some(format!("ALTER FUNCTION {function} OWNER TO palisade_owner")),
        );
    }
    if let Some(creators) = creators {
        let fix = format!("REVOKE CREATE ON SCHEMA {} FROM PUBLIC, {creators}", ident(&name.schema));
        return refused(Wrong::SchemaOfCallers, Some(fix));
    }
    if loose {
        return refused(Wrong::NoSearchPath, Some(format!("ALTER FUNCTION {function} SET search_path = ''")));
    }
    if let Some(locked_out) = locked_out {
        let fix = format!(
            "GRANT USAGE ON SCHEMA {} TO {locked_out}; GRANT EXECUTE ON FUNCTION {function} TO {locked_out}",
            ident(&name.schema)
        );
        return refused(Wrong::NotExecutable, Some(fix));
    }
    Ok(Before::Calls(quoted.into()))
}

impl Before {
    /// Puts the call in front of a request.
    pub(crate) fn surround(&self, setup: &mut Setup) -> Result<(), crate::Error> {
        match self {
            Before::Nothing => Ok(()),
            Before::Calls(function) => {
                setup.before.get_or_insert_with(|| Arc::clone(function));
                Ok(())
            }
            Before::Refused(refusal) => Err(crate::Error::PreRequest(refusal.clone())),
        }
    }
}
