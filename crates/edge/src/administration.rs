//! The listener for administrators: the same edge, which answers here what only they may ask for, where that is answered
//! nowhere else. Everything else is answered here too, so that an administrator's client has one address.

use std::net::IpAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;
use web::Body;

use crate::listener::{Answers, serve_to};
use crate::{Edge, Front, Listening, Peer};

/// Serves administrators until `stop`, then lets requests in flight finish within a bound.
pub async fn serve_admins(edge: Arc<Edge>, listening: Listening, stop: CancellationToken) {
    serve_to(Arc::new(ForAdmins(edge)), listening, stop).await;
}

/// The edge as administrators reach it.
struct ForAdmins(Arc<Edge>);

impl Answers for ForAdmins {
    fn front(&self) -> &Front {
        Edge::front(&self.0)
    }

    fn answer(&self, request: Request<Incoming>, peer: Peer) -> impl Future<Output = Response<Body>> + Send {
        self.0.answer_at(request, peer, true)
    }

    fn admits(&self, address: IpAddr) -> bool {
        Edge::admits(&self.0, address)
    }

    fn hold(&self) -> Option<meters::Held<'_>> {
        Some(Edge::hold(&self.0))
    }
}
