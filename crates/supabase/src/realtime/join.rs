//! What a client wants of a channel (`phx_join`): read strictly, since a wish that is not understood would be one that is not kept.

use base::Secret;
use realtime::{Error, limits};
use serde::Deserialize;
use serde_json::Value;

use super::changes::Asked;

/// A wish to be in a channel.
pub struct Wish {
    /// Whether policies are to say who may be in it.
    pub private: bool,
    /// Whether a broadcast is answered.
    pub ack: bool,
    /// Whether the sender hears what it says.
    pub own: bool,
    /// Whether it wants to know who is there.
    pub presence: bool,
    /// Under which name it is shown.
    pub key: Option<String>,
    /// Whose channel it is, if not whose the socket is.
    pub token: Option<Secret<String>>,
    /// Which changes of tables it wants to know.
    pub changes: Vec<Asked>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Payload {
    config: Option<Config>,
    access_token: Option<String>,
    user_token: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Config {
    broadcast: Option<Broadcast>,
    presence: Option<Presence>,
    postgres_changes: Option<Vec<Value>>,
    private: Option<Flag>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Broadcast {
    ack: Option<Flag>,
    #[serde(rename = "self")]
    own: Option<Flag>,
    replay: Option<Value>,
    replication_ready: Option<Flag>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Presence {
    key: Option<String>,
    enabled: Option<Flag>,
}

/// Some clients write `"true"`.
#[derive(Deserialize, Clone, Copy)]
#[serde(try_from = "Value")]
struct Flag(bool);

impl TryFrom<Value> for Flag {
    type Error = &'static str;
    fn try_from(value: Value) -> Result<Self, &'static str> {
        match value {
            Value::Bool(flag) => Ok(Flag(flag)),
            Value::String(text) if text == "true" => Ok(Flag(true)),
            Value::String(text) if text == "false" => Ok(Flag(false)),
            _ => Err("expected true or false"),
        }
    }
}

fn is(flag: Option<Flag>) -> bool {
    flag.is_some_and(|flag| flag.0)
}

/// The name of a channel, behind `realtime:`.
pub fn name(topic: &str) -> Result<&str, Error> {
    let name = topic.strip_prefix("realtime:").unwrap_or_default();
    if name.is_empty() {
        return Err(Error::NoName);
    }
    // The whole topic is a field of the wire.
    if topic.len() > limits::NAME_BYTES_MAX.size() {
        return Err(Error::NameTooLong { what: "channel", bytes_max: limits::NAME_BYTES_MAX.value });
    }
    Ok(name)
}

/// A token that is one: keys of the `sb_` kind are the socket's own, and say nothing more here.
pub fn token(text: Option<String>) -> Option<Secret<String>> {
    text.filter(|text| !text.is_empty() && !text.starts_with("sb_")).map(Secret::new)
}

/// Reads it, or says what of it cannot be had.
pub fn wish(payload: &str) -> Result<Wish, Error> {
    // Lists of the right length could be read as the fields in their order.
    if !payload.starts_with('{') {
        return Err(Error::Malformed { what: "A join is an object".to_owned() });
    }
    let Payload { config, access_token, user_token } =
        serde_json::from_str(payload).map_err(|error| Error::Malformed { what: error.to_string() })?;
    let config = config.unwrap_or_default();
    let (broadcast, presence) = (config.broadcast.unwrap_or_default(), config.presence.unwrap_or_default());
    if is(broadcast.replication_ready) {
        return Err(Error::NotHere {
            what: "broadcast.replication_ready",
            instead: "join without it: the database does not broadcast by itself",
        });
    }
    let given = config.postgres_changes.unwrap_or_default().into_iter().filter(|one| !one.is_null());
    let changes: Vec<Asked> = given.map(Asked::read).collect::<Result<_, _>>()?;
    if broadcast.replay.is_some_and(|replay| !replay.is_null()) {
        return Err(Error::NotHere {
            what: "broadcast.replay",
            instead: "join without it: messages are not kept",
        });
    }
    let key = presence.key.filter(|key| !key.is_empty());
    if key.as_ref().is_some_and(|key| key.len() > limits::NAME_BYTES_MAX.size()) {
        return Err(Error::NameTooLong { what: "presence key", bytes_max: limits::NAME_BYTES_MAX.value });
    }
    Ok(Wish {
        private: is(config.private),
        ack: is(broadcast.ack),
        own: is(broadcast.own),
        // Old clients have no word for it, and always want it.
        presence: presence.enabled.is_none_or(|flag| flag.0),
        key,
        token: token(access_token.or(user_token)),
        changes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_read_as_clients_write_it() {
        let wish = wish(
            r#"{"config":{"broadcast":{"ack":true,"self":"true"},"presence":{"key":"ann","enabled":true},
                "postgres_changes":[null],"private":true},"access_token":"sb_publishable_x"}"#,
        )
        .unwrap();
        assert!(wish.private && wish.ack && wish.own && wish.presence);
        assert_eq!(wish.key.as_deref(), Some("ann"));
        assert!(wish.token.is_none(), "a key is no token");
        assert!(wish.changes.is_empty());
        let empty = super::wish("{}").unwrap();
        assert!(!empty.private && !empty.ack && !empty.own && empty.presence && empty.key.is_none());
        assert!(super::wish(r#"{"user_token":"t"}"#).unwrap().token.is_some());
    }

    #[test]
    fn what_cannot_be_had_is_refused_by_name_and_what_cannot_be_read_too() {
        for (payload, words) in [
            (r#"{"config":{"postgres_changes":[{"event":"upsert","schema":"public"}]}}"#, "INSERT"),
            (r#"{"config":{"broadcast":{"replication_ready":true}}}"#, "replication_ready"),
            (r#"{"config":{"broadcast":{"replay":{"since":1}}}}"#, "broadcast.replay"),
            (r#"{"config":{"private":"perhaps"}}"#, "true or false"),
            (r#"{"config":7}"#, "config"),
            ("[]", ""),
        ] {
            let Err(refused) = wish(payload) else { panic!("{payload}") };
            assert!(refused.to_string().contains(words) || words == "config", "{payload}: {refused}");
        }
    }

    #[test]
    fn a_channel_has_a_name() {
        assert_eq!(name("realtime:room:1").unwrap(), "room:1");
        for topic in ["realtime:", "room", "", "phoenix"] {
            assert!(matches!(name(topic), Err(Error::NoName)), "{topic}");
        }
        assert!(name(&format!("realtime:{}", "x".repeat(246))).is_ok());
        assert!(matches!(name(&format!("realtime:{}", "x".repeat(247))), Err(Error::NameTooLong { .. })));
    }
}
