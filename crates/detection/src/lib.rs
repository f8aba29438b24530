//! Who is kept out: jails count what looks like an attack by address, and whoever fills one is banned for a while.
//!
//! What fail2ban reads from a web server's logs is seen here as it happens: refused sign-ins come from the audit log's
//! refusals, probing and scanners from the edge, own rules from either. A ban is refused at the accept loop, before
//! TLS or HTTP cost anything; it is a row that all nodes share, it ends by itself, and each one is audited. Nothing here
//! knows HTTP: the edge asks with an address, a path and a name.
//!
//! Invariant: an address that is exempt (this machine's own, a trusted proxy's, one the operator allows) is never kept
//! out, whatever stands in the table.

mod bans;
mod canaries;
mod counts;
mod error;
pub mod import;
mod jails;
mod keep;
pub mod limits;
mod nft;
mod pattern;
mod pending;
pub mod settings;
pub mod sql;
mod table;
mod told;
mod touches;

pub use bans::{Ban, Lifted, NewBan};
pub use canaries::{Canary, Look, PATHS as CANARY_PATHS};
pub use error::Error;
pub use jails::{Jail, Sees};
pub use keep::{Detection, Keeper, Parts, Request};
pub use settings::SETTINGS;

/// Other nodes' bans are told here.
pub const CHANNEL: &str = "palisade_bans";

/// The schema `detection`.
pub const MIGRATIONS: &[pg::Migration] = &[
    pg::Migration {
        owner: "detection",
        version: 1,
        name: "schema",
        sql: include_str!("../migrations/0001_schema.sql"),
    },
    pg::Migration {
        owner: "detection",
        version: 2,
        name: "canaries",
        sql: include_str!("../migrations/0002_canaries.sql"),
    },
    pg::Migration {
        owner: "detection",
        version: 3,
        name: "touches",
        sql: include_str!("../migrations/0003_touches.sql"),
    },
    pg::Migration {
        owner: "detection",
        version: 4,
        name: "lifts",
        sql: include_str!("../migrations/0004_lifts.sql"),
    },
];
