//! The bounds of what leaves the house.

use base::Limit;

/// One whole exchange, with all its redirects, unless the caller asks for less.
pub static SECONDS: Limit =
    Limit::new("outbound_seconds_max", 10, "a sign-in waits for it, and so does a person");
/// Resolving a name.
pub static RESOLVE_SECONDS: Limit = Limit::new(
    "outbound_resolve_seconds_max",
    4,
    "a resolver that takes longer is not going to answer in time for the rest",
);
/// Connecting to one address.
pub static CONNECT_SECONDS: Limit =
    Limit::new("outbound_connect_seconds_max", 3, "leaves time to try the name's next address");
/// The body of an answer, unless the caller asks for less.
pub static BODY_BYTES: Limit = Limit::new(
    "outbound_body_bytes_max",
    2_097_152,
    "the largest SAML metadata of one provider seen is well below a megabyte",
);
/// The body of a request.
pub static SENT_BYTES: Limit = Limit::new(
    "outbound_sent_bytes_max",
    1_048_576,
    "hooks and forms are small; what is larger does not belong here",
);
/// The head of an answer.
pub static HEAD_BYTES: Limit =
    Limit::new("outbound_head_bytes_max", 65_536, "generous: providers send long policies");
/// Headers in an answer.
pub static HEADERS: Limit = Limit::new("outbound_headers_max", 128, "far more than any provider sends");
/// Exchanges at once.
pub static CONCURRENT: Limit = Limit::new(
    "outbound_concurrent_max",
    64,
    "sockets are the machine's; who waits longer than the exchange may take is refused",
);
/// Exchanges at once with one server.
pub static CONCURRENT_PER_SERVER: Limit = Limit::new(
    "outbound_concurrent_per_server_max",
    32,
    "one that answers nobody leaves the other half to all others",
);
/// Redirects that a caller may ask to follow.
pub static REDIRECTS: Limit = Limit::new("outbound_redirects_max", 5, "metadata moves once or twice");
/// Addresses of one name that are looked at.
pub static ADDRESSES: Limit =
    Limit::new("outbound_addresses_max", 16, "a name with more is refused: nobody needs that many");
/// A URL.
pub static URL_BYTES: Limit = Limit::new("outbound_url_bytes_max", 4_096, "longer than any provider's URL");
