//! The edge: sockets, limits, headers, request ids, real addresses; match, identify, guard, answer.
//!
//! One request passes [`pipeline`] top to bottom, once. Nothing here knows a feature or a dialect's words: routes come
//! as [`web::Mount`]s, who is calling is asked through [`Identify`], and a refusal is worded by the route's envelope.
//!
//! A listener off loopback without TLS is refused at start; what comes in plain HTTP anyway meets [`plain`].

mod access;
mod address;
mod administration;
mod authority;
mod body;
mod config;
mod connections;
mod cors;
mod counts;
mod credentials;
mod error;
mod framing;
mod front;
mod headers;
pub mod limits;
mod listener;
mod monitoring;
mod names;
mod pace;
mod path;
mod pipeline;
mod plain;
mod rates;
mod router;
mod sentry;
pub mod settings;
mod standing;
mod stream;
mod trace;
mod upgrade;

pub use address::TrustedProxies;
pub use administration::serve_admins;
pub use authority::{Authority, CertificateNames, Hosts};
pub use config::{EdgeConfig, Identified, Identify, Recognise, Refusal, Used};
pub use connections::{Connections, Until, Watch};
pub use cors::Cors;
pub use counts::Counts;
pub use credentials::Presented;
pub use error::Error;
pub use front::Front;
pub use headers::SecurityHeaders;
pub use listener::{Listening, Peer, bind, listen, serve};
pub use monitoring::Monitoring;
pub use pipeline::Edge;
pub use plain::{Exposed, OnExposed, Plain};
pub use rates::Rates;
pub use sentry::{Arrived, Look, OnAnswer, OnCaller, Sentry};
pub use settings::SETTINGS;
