//! The words of HTTP: a [`Route`] with its [`Guard`] and limits, the [`Cx`] a handler works with, the [`Answer`] it makes.
//!
//! There is no listener here and no feature. The edge matches, identifies and guards; a dialect parses and answers.
//! A [`Route`] cannot be built without a [`Guard`], and a handler can only return a [`pg::Reply`], which only a commit
//! makes.

mod answer;
mod arriving;
mod ask;
mod body;
mod cookies;
pub mod csrf;
mod cx;
mod envelope;
mod error;
mod guard;
mod info;
mod oversize;
pub mod repeat;
mod route;
mod socket;
mod status;
pub mod told;

pub use answer::{Answer, OwnWords, RefusedInside};
pub use arriving::{Arriving, NoRoom, Part};
pub use ask::{Ask, Params, decode_form};
pub use body::Body;
pub use cookies::{cookies, set_cookie};
pub use cx::{Cx, RequestId};
pub use envelope::{code_of, plain};
pub use error::Error;
pub use guard::Guard;
pub use info::RouteInfo;
pub use oversize::long_password;
pub use route::{
    Account, Area, Asked, Bound, Budgeted, Credentials, Envelope, Handled, Handler, Limits, Mount, Rate,
    Refused, Route, Terms,
};
pub use socket::{Begin, Bounds, Converse, Ending, Message, Show, Shown, Socket, Wire};
pub use status::{retry_after, status_of};

pub use pg::Reply;
