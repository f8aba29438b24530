//! The data pipe against a real PostgreSQL: asks in PostgREST's grammar, SQL and bodies out.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod before;
mod calls;
mod catalog;
mod differential;
mod effects;
mod fuzz;
mod gate;
mod house;
mod reads;
mod shapes;
mod stored;
mod typings;
mod writes;
