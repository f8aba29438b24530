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
/// Deliveries that one address (of an IPv6 /64) causes in a second: what its sockets say and show, times whoever is in the channel.
pub const ADDRESS_DELIVERIES_PER_SECOND_MAX: Limit = Limit::new(
    "realtime_address_deliveries_per_second_max",
    100_000,
    "a hundred people of one office who see each other's cursors move ten times a second, and others keep most of the CPU",
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
/// Changes of tables that one socket may want, each a `postgres_changes` of one of its channels.
pub const WANTED_MAX: Limit =
    Limit::new("realtime_changes_wanted_max", 200, "two for each channel; every row is compared with each");
/// Conditions of one of them.
pub const CONDITIONS_MAX: Limit =
    Limit::new("realtime_changes_conditions_max", 10, "a filter names a row or a few columns of it");
/// Bytes of a filter, and of a name in it.
pub const FILTER_BYTES_MAX: Limit =
    Limit::new("realtime_changes_filter_bytes_max", 8 * 1024, "a hundred values of `in`, and their names");
/// Values of an `in`.
pub const FILTER_VALUES_MAX: Limit =
    Limit::new("realtime_changes_filter_values_max", 100, "what Supabase takes as well");
/// Conditions that PostgreSQL looks at in one statement.
pub const CONDITIONS_AT_ONCE: Limit = Limit::new(
    "realtime_changes_conditions_at_once",
    100,
    "a longer statement takes longer to plan than two take to run",
);
/// Changes read at once.
pub const CHANGES_AT_ONCE: Limit =
    Limit::new("realtime_changes_at_once", 500, "each caller who listens is asked once for all of them");
/// Bytes of the changes read at once; one that is larger comes alone.
pub const CHANGES_BYTES_AT_ONCE: Limit = Limit::new(
    "realtime_changes_bytes_at_once",
    8 * 1024 * 1024,
    "they go back to the database once for each caller who listens",
);
/// Changes that wait in the database for the slowest node.
pub const CHANGES_WAITING_MAX: Limit = Limit::new(
    "realtime_changes_waiting_max",
    100_000,
    "what comes then is not written down, and whoever listens is told to come back and read again",
);
/// Bytes of a row, before and after, that is written down at all.
pub const CHANGE_BYTES_MAX: Limit = Limit::new(
    "realtime_change_bytes_max",
    8 * 1024 * 1024,
    "policies look at all of a row; a larger one is told to nobody",
);
/// Bytes of a row as it is sent; of a larger one only the short values are.
pub const RECORD_BYTES_MAX: Limit =
    Limit::new("realtime_record_bytes_max", 1024 * 1024, "what Supabase sends as well");
/// Bytes of a value that is sent of a row that is too large.
pub const SHORT_VALUE_BYTES_MAX: Limit =
    Limit::new("realtime_short_value_bytes_max", 64, "a key has less, and it says which row to read");
/// Milliseconds that the policies may take for one caller and the changes read at once.
pub const JUDGE_MS_MAX: Limit = Limit::new(
    "realtime_judge_ms_max",
    2_000,
    "everybody waits for the slowest; who takes longer is told to come back",
);
/// Callers whose policies are asked at the same time.
pub const JUDGES_MAX: Limit =
    Limit::new("realtime_judges_max", 4, "requests find connections whatever many listen to");
/// Milliseconds after which a node that did not come for its changes is not waited for.
pub const READER_MS_MAX: Limit =
    Limit::new("realtime_reader_ms_max", 30_000, "a node that was killed leaves no more than this behind");
/// Milliseconds between two looks where nothing is heard.
pub const LOOK_MS: Limit = Limit::new(
    "realtime_changes_look_ms",
    1_000,
    "changes are announced; this is for when the announcement is lost",
);
/// Milliseconds for which somebody who begins to listen is kept waiting for those who were writing already.
pub const SETTLE_MS_MAX: Limit = Limit::new(
    "realtime_settle_ms_max",
    1_000,
    "what those write is not told; for whom this is too short, is told to read again when they are done",
);
/// Channels about which policies are asked again at the same time, when they changed.
pub const ASKED_AGAIN_MAX: Limit = Limit::new(
    "realtime_asked_again_max",
    8,
    "everybody is asked about at once; requests find connections meanwhile",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trigger_that_writes_changes_down_has_the_bounds_that_are_said_here() {
        let capture =
            crate::MIGRATIONS.iter().rev().find(|one| one.sql.contains("function realtime.capture()"));
        let text = capture.map_or("", |one| one.sql);
        for bound in [
            format!("if number - behind > {} then", CHANGES_WAITING_MAX.value),
            format!(
                "fits := coalesce(pg_column_size(old), 0) + coalesce(pg_column_size(new), 0) <= {};",
                CHANGE_BYTES_MAX.value
            ),
        ] {
            assert!(text.contains(&bound), "{bound}");
        }
    }
}
