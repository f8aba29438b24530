//! What can be set about who is kept out.

use std::time::Duration;

use base::Setting;
use base::setting::{Definition, Fields, Record, SettingType, Shape, Value, ValueError};
use ipnet::IpNet;
use std::net::IpAddr;
use std::path::PathBuf;

/// Whether anybody is counted and kept out.
pub static ENABLED: Setting<bool> = Setting::new("detection.enabled", "true")
    .changes("whether refused sign-ins, probing and scanners are counted by address, and who goes on is kept out for a while")
    .proven_by(&[103, 104, 105]);

/// Jails that differ from the built-in ones, and further ones.
pub static JAILS: Setting<Vec<GivenJail>> = Setting::new("detection.jails", "")
    .changes(
        "jails: a list of name (authentication, spraying, probing, bots, canaries or one of your own), enabled, max_retry, find_time, \
         ban_time, and for your own paths, agents (with * for anything) or events (names or groups of the audit log)",
    )
    .proven_by(&[103, 104, 105]);

/// Who is never kept out.
pub static ALLOW: Setting<Networks> = Setting::new("detection.allow", "")
    .changes(
        "addresses and networks that are never kept out, besides this machine and server.trusted_proxies",
    )
    .proven_by(&[106]);

/// The longest that a ban gets by coming back.
pub static BAN_TIME_MAX: Setting<Duration> = Setting::new("detection.ban_time_max", "7d")
    .range("1m", "365d")
    .changes("how long a ban may get: each within 30 days of the last is four times as long")
    .proven_by(&[106]);

/// When neighbours are kept out together.
pub static NETWORK_AFTER: Setting<u32> = Setting::new("detection.network_after", "5")
    .range("0", "1000")
    .changes("how many banned addresses of one /24 (IPv6: /48) keep all of it out; 0 never does")
    .proven_by(&[106]);

/// A log for fail2ban.
pub static LOG_FILE: Setting<Option<PathBuf>> = Setting::unset("detection.log_file")
    .changes(
        "a file (ending in .log) that gets one line for each refused sign-in, probe, scanner and touched canary, as \
         deploy/fail2ban reads them; also with detection.enabled: false",
    )
    .proven_by(&[103, 104, 105]);

/// Ports at which the kernel keeps out whom we do.
pub static NFTABLES: Setting<Vec<String>> = Setting::new("detection.nftables", "").changes(
    "ports, such as 80 and 443, at which a set of nftables drops every packet of those who are kept out; it needs nft and \
     CAP_NET_ADMIN, and the program's own refusals stay. Empty: no set",
)
.proven_by(&[106]);

/// Further paths that nobody has a reason to ask for.
pub static CANARY_PATHS: Setting<Vec<String>> = Setting::new("detection.canaries.paths", "")
    .changes(
        "paths of your own that nobody has a reason to ask for (with * for anything, where nothing is served): asking for \
         one is an alert at once, as it is for some built-in ones",
 );

/// Which touches of a canary keep their address out.
pub static CANARY_BANS: Setting<Vec<String>> = Setting::new("detection.canaries.ban", "path, key")
    .changes("which canaries keep whoever touches them out, by the jail canaries: path, key, row; an empty list tells only");

/// This crate's settings.
pub const SETTINGS: &[&Definition] = &[
    &ENABLED.definition,
    &JAILS.definition,
    &ALLOW.definition,
    &BAN_TIME_MAX.definition,
    &NETWORK_AFTER.definition,
    &LOG_FILE.definition,
    &NFTABLES.definition,
    &CANARY_PATHS.definition,
    &CANARY_BANS.definition,
];

/// A jail as it is given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GivenJail {
    /// Which one, or what it is called.
    pub name: String,
    /// Whether it counts at all.
    pub enabled: Option<bool>,
    /// How many tries fill it.
    pub max_retry: Option<u32>,
    /// Within how long.
    pub find_time: Option<Duration>,
    /// How long the first ban is.
    pub ban_time: Option<Duration>,
    /// Unknown paths.
    pub paths: Option<Vec<String>>,
    /// What programs call themselves.
    pub agents: Option<Vec<String>>,
    /// Refusals, as the audit log names them.
    pub events: Option<Vec<String>>,
}

impl Record for GivenJail {
    fn from_fields(fields: &mut Fields<'_>) -> Result<Self, ValueError> {
        Ok(GivenJail {
            name: fields.required("name")?,
            enabled: fields.optional("enabled")?,
            max_retry: fields.optional("max_retry")?,
            find_time: fields.optional("find_time")?,
            ban_time: fields.optional("ban_time")?,
            paths: fields.optional("paths")?,
            agents: fields.optional("agents")?,
            events: fields.optional("events")?,
        })
    }
}

/// Addresses and networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<IpNet>);

impl SettingType for Networks {
    const SHAPE: Shape = Shape::List;
    fn read(value: &Value) -> Result<Self, ValueError> {
        let read = |text: &String| {
            network(text).ok_or_else(|| {
                ValueError::expected(format!("addresses and networks such as 198.51.100.0/24, not `{text}`"))
            })
        };
        Vec::<String>::read(value)?.iter().map(read).collect::<Result<_, _>>().map(Networks)
    }
}

/// An address or a network, without what its mask leaves out.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok();
    network
        .or_else(|| text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical())))
        .map(|network| network.trunc())
}
