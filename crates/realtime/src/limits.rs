//! The bounds of channels.

use base::Limit;

/// Sockets open at once.
pub const SOCKETS_MAX: Limit = Limit::new(
    "realtime_sockets_max",
    10_000,
    "of the 16,000 connections there are, so that requests find some whatever sockets do",
);
/// Sockets of one address (of an IPv6 /64) open at once.
pub const ADDRESS_SOCKETS_MAX: Limit = Limit::new(
    "realtime_address_sockets_max",
    500,
    "an office behind one address fits; one machine cannot take every socket there is",
);
/// Channels of one socket.
pub const CHANNELS_MAX: Limit =
    Limit::new("realtime_channels_max", 100, "what clients of Supabase may have as well");
/// Joins of one socket in a second.
pub const JOINS_PER_SECOND_MAX: Limit = Limit::new(
    "realtime_joins_per_second_max",
    20,
    "each asks the database about policies; 100 at once are taken, as when a client comes back",
);
/// Messages of one socket in a second.
pub const MESSAGES_PER_SECOND_MAX: Limit = Limit::new(
    "realtime_messages_per_second_max",
    100,
    "each is sent to everybody in its channel; cursors move 20 to 60 times a second",
);
/// Bytes that one socket sends in a second.
pub const BYTES_PER_SECOND_MAX: Limit = Limit::new(
    "realtime_bytes_per_second_max",
    1024 * 1024,
    "one large message at once is taken, and then as much as this",
);
/// Bytes of a message as it comes.
pub const MESSAGE_BYTES_MAX: Limit = Limit::new(
    "realtime_message_bytes_max",
    3_200_000,
    "a payload of 3,000 kB, which Supabase takes, and what is written around it",
);
/// Bytes of what is broadcast.
pub const PAYLOAD_BYTES_MAX: Limit =
    Limit::new("realtime_payload_bytes_max", 3_000_000, "what Supabase takes as well");
/// Bytes of a channel's name, of an event's and of a presence key.
pub const NAME_BYTES_MAX: Limit =
    Limit::new("realtime_name_bytes_max", 255, "the wire format has one byte for the length of each");
/// Silence of a client.
pub const IDLE_MS_MAX: Limit =
    Limit::new("realtime_idle_ms_max", 60_000, "clients send a heartbeat every 25 s: two were missed");
/// Messages that wait for one socket to take them.
pub const WAITING_MAX: Limit = Limit::new(
    "realtime_waiting_max",
    512,
    "five seconds of the busiest channel; who is slower comes back with a new connection",
);
/// Bytes that wait for one socket to take them.
pub const WAITING_BYTES_MAX: Limit = Limit::new(
    "realtime_waiting_bytes_max",
    8 * 1024 * 1024,
    "two of the largest messages; a reader that takes nothing is closed, not waited for",
);
/// Presence keys of one channel.
pub const PRESENCE_KEYS_MAX: Limit =
    Limit::new("realtime_presence_keys_max", 1_000, "everybody who joins is sent all of them");
/// Bytes of what somebody tells about themselves.
pub const PRESENCE_BYTES_MAX: Limit = Limit::new(
    "realtime_presence_bytes_max",
    8 * 1024,
    "a name, a picture's address, a state: everybody who joins is sent everybody's",
);
/// Changes of presence by one channel of one socket in half a minute.
pub const PRESENCE_CALLS_MAX: Limit = Limit::new(
    "realtime_presence_calls_max",
    30,
    "presence is who is there, not where their pointer is; that is what broadcast is for",
);
