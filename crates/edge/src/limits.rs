//! Every bound of the edge, by name.

use base::Limit;

/// Connections open at once.
pub const CONNECTIONS_MAX: Limit = Limit::new(
    "edge_connections_max",
    16_000,
    "below the usual descriptor limit of 20,000, so that files and the database stay reachable",
);
/// Connections of one address (of an IPv6 /64) open at once.
pub const ADDRESS_CONNECTIONS_MAX: Limit = Limit::new(
    "edge_address_connections_max",
    1_024,
    "an office behind one address fits; one machine cannot take every connection there is",
);
/// Bytes of a PROXY header (version 2) behind its first sixteen.
pub const PROXY_HEADER_BYTES_MAX: Limit =
    Limit::new("edge_proxy_header_bytes_max", 2_048, "two addresses and what load balancers add to them");
/// Time for a TLS handshake.
pub const HANDSHAKE_MS_MAX: Limit = Limit::new(
    "edge_handshake_ms_max",
    10_000,
    "three round trips to the other side of the world are under one",
);
/// Time to send a request's head.
pub const HEAD_MS_MAX: Limit =
    Limit::new("edge_head_ms_max", 10_000, "a slow sender holds a descriptor, not the server");
/// Time between two requests of one connection.
pub const IDLE_MS_MAX: Limit = Limit::new(
    "edge_idle_ms_max",
    75_000,
    "longer than load balancers keep a connection that rests (60 s), so that it is they who close it",
);
/// Time for which an answered connection of HTTP/1.1 is kept ready for its next request.
pub const READY_MS_MAX: Limit = Limit::new(
    "edge_ready_ms_max",
    50,
    "the next request of a busy client comes sooner; after it a connection rests, with a third of the memory",
);
/// Time in which a client takes nothing of what it is sent.
pub const WRITE_STALL_MS_MAX: Limit = Limit::new(
    "edge_write_stall_ms_max",
    60_000,
    "whoever asks and does not read holds memory, and the query that an answer streams from",
);
/// Time between two pieces of a body.
pub const BODY_STALL_MS_MAX: Limit =
    Limit::new("edge_body_stall_ms_max", 10_000, "a body that stops arriving is given up");
/// Time for a whole body.
pub const BODY_MS_MAX: Limit = Limit::new(
    "edge_body_ms_max",
    120_000,
    "the largest body over a slow line (0.7 Mbit/s); a drop now and then does not hold memory for ever",
);
/// Bytes of bodies, and of messages over sockets, that are being received, together; a body that came in a single piece is not
/// counted, nor are the first bytes of a message.
pub const BODIES_HELD_BYTES_MAX: Limit = Limit::new(
    "edge_bodies_held_bytes_max",
    256 * 1024 * 1024,
    "twenty-five of the largest at once; bodies that never come to their end cannot fill the memory",
);
/// The same of one address (of an IPv6 /64).
pub const ADDRESS_BODIES_HELD_BYTES_MAX: Limit = Limit::new(
    "edge_address_bodies_held_bytes_max",
    64 * 1024 * 1024,
    "a quarter: six of the largest at once; one machine does not take all the room there is",
);
/// How long the beginning of a body that is too large is waited for, where a route has words for it.
pub const OVERSIZE_LOOK_MS_MAX: Limit =
    Limit::new("edge_oversize_look_ms_max", 20, "what is refused anyway is refused at once");
/// Bytes of a request's head.
pub const HEAD_BYTES_MAX: Limit =
    Limit::new("edge_head_bytes_max", 64 * 1024, "long filters fit in a URL, a megabyte does not");
/// Headers of a request.
pub const HEADERS_MAX: Limit = Limit::new("edge_headers_max", 100, "browsers send about twenty");
/// Streams of one HTTP/2 connection.
pub const H2_STREAMS_MAX: Limit =
    Limit::new("edge_h2_streams_max", 128, "one connection must not be a fleet");
/// Streams a peer may open and reset before it is sent away (CVE-2023-44487).
pub const H2_RESETS_MAX: Limit = Limit::new("edge_h2_resets_max", 32, "rapid reset costs the sender nothing");
/// Streams of one HTTP/2 connection that we reset because of what the peer sent, before it is sent away (CVE-2025-8671).
pub const H2_FAULTS_MAX: Limit =
    Limit::new("edge_h2_faults_max", 128, "a peer that makes us reset every stream is no client");
/// Tokens that are looked after on one WebSocket.
pub const SHOWN_MAX: Limit = Limit::new(
    "edge_shown_max",
    128,
    "a socket for each of its channels, and each of them on its way to the next token",
);
/// Time in which a WebSocket that is over has to have said goodbye.
pub const SOCKET_END_MS_MAX: Limit = Limit::new(
    "edge_socket_end_ms_max",
    700,
    "an ended session has nothing open within a second; a goodbye takes half of that",
);
/// Longest wait for requests in flight when stopping.
pub const DRAIN_MS_MAX: Limit =
    Limit::new("edge_drain_ms_max", 10_000, "longer than any route's own deadline but the data routes'");
