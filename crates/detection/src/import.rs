//! fail2ban's `jail.local`, read as it is: what of it is effective here, what needs nothing, and what is refused by name.
//!
//! Pure: text in, a `detection:` block and remarks out. Nothing that would make a jail stricter or looser is passed over in
//! silence.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a `jail.local` comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The same for our settings.
    pub yaml: String,
    /// What has its effect, or needs nothing here, and why.
    pub effective: Vec<String>,
    /// What has none.
    pub refused: Vec<String>,
}

/// Jails of fail2ban that count what we count.
const KNOWN: &[(&str, &[&str])] = &[
    ("authentication", &["nginx-http-auth", "apache-auth", "lighttpd-auth", "traefik-auth"]),
    (
        "probing",
        &[
            "nginx-noscript",
            "apache-noscript",
            "nginx-botsearch",
            "apache-botsearch",
            "nginx-nohome",
            "apache-nohome",
            "php-url-fopen",
        ],
    ),
    ("bots", &["nginx-badbots", "apache-badbots", "apache-fakegooglebot"]),
];

/// What a jail needs in front of a log, and not here.
const NEEDLESS: &[(&str, &str)] = &[
    ("port", "whoever is kept out is kept out of every port that Palisade serves"),
    ("protocol", "whoever is kept out is kept out whatever they speak"),
    ("logpath", "what a log would tell is seen as it happens"),
    ("logencoding", "no log is read"),
    ("backend", "no log is read"),
    ("filter", "the jail brings what it counts"),
    ("usedns", "addresses are never looked up"),
];

type Section = BTreeMap<String, String>;

/// Reads a `jail.local`.
pub fn jail_local(text: &str) -> Imported {
    let mut imported = Imported::default();
    let sections = sections(text, &mut imported.refused);
    let common =
        sections.iter().find(|(name, _)| name == "DEFAULT").map(|(_, keys)| keys.clone()).unwrap_or_default();
    let mut jails = Vec::new();
    for (name, own) in sections.iter().filter(|(name, _)| name != "DEFAULT") {
        let Some((jail, _)) = KNOWN.iter().find(|(_, theirs)| theirs.contains(&name.as_str())) else {
            imported
                .refused
                .push(format!("[{name}]: it watches what Palisade does not serve; leave it to fail2ban"));
            continue;
        };
        let mut keys = common.clone();
        keys.extend(own.clone());
        let block = read_jail(name, jail, &keys, own, &mut imported);
        jails.push(block);
    }
    let mut yaml = String::from("detection:\n");
    read_common(&common, &mut yaml, &mut imported);
    if !jails.is_empty() {
        yaml.push_str("  jails:\n");
        yaml.extend(jails);
    }
    imported.yaml = if yaml == "detection:\n" { String::new() } else { yaml };
    imported
}

fn read_jail(name: &str, jail: &str, keys: &Section, own: &Section, imported: &mut Imported) -> String {
    // fail2ban's jails are off until they are switched on.
    let is_on = match keys.get("enabled").map(|text| text.to_ascii_lowercase()) {
        None => false,
        Some(text) => match text.as_str() {
            "true" | "yes" | "on" | "1" => true,
            "false" | "no" | "off" | "0" => false,
            _ => {
                imported.refused.push(format!("[{name}] enabled = {text}: neither true nor false"));
                true
            }
        },
    };
    let mut block = format!("    - name: {jail}\n      enabled: {is_on}\n");
    imported.effective.push(format!("[{name}] is the jail {jail}, {}", if is_on { "on" } else { "off" }));
    for (key, value) in keys {
        let is_own = own.contains_key(key);
        let number = |most: u64| value.parse::<u64>().ok().filter(|number| (1..=most).contains(number));
        let mut set = |ours: &str, read: Option<String>, what: &str| match read {
            Some(read) => block.push_str(&format!("      {ours}: {read}\n")),
            None => imported.refused.push(format!("[{name}] {key} = {value}: {what}")),
        };
        match key.as_str() {
            "enabled" => {}
            "maxretry" => set("max_retry", number(1_000).map(|many| many.to_string()), "from 1 to 1000"),
            "findtime" => set("find_time", seconds(value, 30), "from 1 s to 30 days"),
            "bantime" => {
                set("ban_time", seconds(value, 365), "from 1 s to 365 days; nobody is kept out for ever")
            }
            _ if !is_own => {}
            _ => match NEEDLESS.iter().find(|(known, _)| known == key) {
                Some((_, why)) => imported.effective.push(format!("[{name}] {key}: needs nothing, {why}")),
                None => imported.refused.push(format!("[{name}] {key}: {}", why_refused(key))),
            },
        }
    }
    block
}

fn read_common(common: &Section, yaml: &mut String, imported: &mut Imported) {
    for (key, value) in common {
        match key.as_str() {
            // Handed down to each jail.
            "enabled" | "maxretry" | "findtime" | "bantime" => {}
            "ignoreip" => {
                let (networks, odd): (Vec<&str>, Vec<&str>) = value
                    .split([' ', ',', '\n'])
                    .filter(|word| !word.is_empty())
                    .partition(|word| crate::settings::network(word).is_some());
                if !networks.is_empty() {
                    yaml.push_str(&format!(
                        "  allow: [{}]\n",
                        networks.iter().map(|one| format!("\"{one}\"")).collect::<Vec<_>>().join(", ")
                    ));
                    imported.effective.push("[DEFAULT] ignoreip is detection.allow".to_owned());
                }
                let refuse = |name| format!("[DEFAULT] ignoreip {name}: a name, not an address or a network");
                imported.refused.extend(odd.into_iter().map(refuse));
            }
            "ignoreself" => {
                imported.effective.push("[DEFAULT] ignoreself: this machine is never kept out".to_owned());
            }
            "bantime.increment" => {
                imported.effective.push(
                    "[DEFAULT] bantime.increment: each ban is four times as long as the last".to_owned(),
                );
            }
            "bantime.maxtime" => match seconds(value, 365) {
                Some(time) => {
                    yaml.push_str(&format!("  ban_time_max: {time}\n"));
                    imported.effective.push("[DEFAULT] bantime.maxtime is detection.ban_time_max".to_owned());
                }
                None => imported.refused.push(format!("[DEFAULT] bantime.maxtime = {value}: up to 365 days")),
            },
            _ => match NEEDLESS.iter().find(|(known, _)| known == key) {
                Some((_, why)) => imported.effective.push(format!("[DEFAULT] {key}: needs nothing, {why}")),
                None => imported.refused.push(format!("[DEFAULT] {key}: {}", why_refused(key))),
            },
        }
    }
}

fn why_refused(key: &str) -> &'static str {
    match key {
        "action" | "banaction" | "banaction_allports" | "chain" => {
            "Palisade keeps out by itself; what else shall happen is an alert rule on ban.created (alerts.rules)"
        }
        "destemail" | "sender" | "sendername" | "mta" => {
            "mails are alerts: alerts.email, and a rule on ban.created"
        }
        "ignoreregex" | "failregex" | "ignorecommand" => {
            "what counts is not read from a log: give a jail of your own paths, agents or events"
        }
        _ => "there is nothing like it here",
    }
}

/// fail2ban's times: seconds, or numbers with s, m, h, d, w.
fn seconds(text: &str, days_max: u64) -> Option<String> {
    let mut total: u64 = 0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        let unit_text = rest.get(digits..)?.trim_start();
        let letters = unit_text.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = match unit_text.get(..letters)? {
            "" | "s" | "sec" | "seconds" => 1,
            "m" | "min" | "minutes" => 60,
            "h" | "hour" | "hours" => 3_600,
            "d" | "day" | "days" => 86_400,
            "w" | "week" | "weeks" => 7 * 86_400,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = unit_text.get(letters..)?.trim_start();
    }
    let time = Duration::from_secs(total);
    (!time.is_zero() && time <= Duration::from_secs(days_max * 86_400)).then(|| format!("{total}s"))
}

/// Sections in their order, with their keys in small letters. A line that begins with blanks goes on with the value before.
fn sections(text: &str, refused: &mut Vec<String>) -> Vec<(String, Section)> {
    let mut sections: Vec<(String, Section)> = Vec::new();
    let mut last: Option<String> = None;
    for (at, line) in text.lines().enumerate() {
        let plain = line.trim();
        if plain.is_empty() || plain.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = plain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push((name.trim().to_owned(), Section::new()));
            last = None;
            continue;
        }
        let Some((_, keys)) = sections.last_mut() else {
            refused.push(format!("line {}: it stands before any section", at + 1));
            continue;
        };
        if let (true, Some(value)) =
            (line.starts_with([' ', '\t']), last.as_ref().and_then(|key| keys.get_mut(key)))
        {
            value.push(' ');
            value.push_str(plain);
            continue;
        }
        match plain.split_once('=') {
            Some((key, value)) => {
                let value =
                    value.split(" ;").next().unwrap_or_default().split(" #").next().unwrap_or_default();
                let key = key.trim().to_ascii_lowercase();
                keys.insert(key.clone(), value.trim().to_owned());
                last = Some(key);
            }
            None => refused.push(format!("line {}: neither a section nor a key", at + 1)),
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUIDE: &str = include_str!("../../../docs/guides/snippets/jail.local");

    #[test]
    fn the_guides_file_is_read_as_it_is_and_nothing_of_it_is_refused() {
        let imported = jail_local(GUIDE);
        assert_eq!(imported.refused, [""; 0]);
        let expected = "detection:\n  jails:\n    - name: authentication\n      enabled: true\n    - name: probing\n      enabled: true\n    \
                        - name: bots\n      enabled: true\n";
        assert_eq!(imported.yaml, expected);
        assert_eq!(imported.effective.len(), 9, "{:#?}", imported.effective);
    }

    #[test]
    fn times_numbers_and_exceptions_are_taken_and_the_rest_is_refused_by_name() {
        let imported = jail_local(
            "stray = 1\n[DEFAULT]\nbantime  = 1h 30m\nfindtime = 600 ; ten minutes\nmaxretry = 5\nignoreip = 127.0.0.1/8 ::1\n  203.0.113.0/24 office.example.com\n\
             bantime.increment = true\nbantime.maxtime = 5w\nbanaction = nftables\n# a remark\n[sshd]\nenabled = true\n\
             [nginx-http-auth]\nenabled = yes\nbantime = -1\naction = %(action_mwl)s\n[nginx-badbots]\nmaxretry = 2\nodd line\n",
        );
        let expected = "detection:\n  ban_time_max: 3024000s\n  allow: [\"127.0.0.1/8\", \"::1\", \"203.0.113.0/24\"]\n  jails:\n    \
                        - name: authentication\n      enabled: true\n      find_time: 600s\n      max_retry: 5\n    \
                        - name: bots\n      enabled: false\n      ban_time: 5400s\n      find_time: 600s\n      max_retry: 2\n";
        assert_eq!(imported.yaml, expected);
        let refused = [
            "stray",
            "odd",
            "[sshd]",
            "office.example.com",
            "banaction",
            "bantime = -1",
            "[nginx-http-auth] action",
        ];
        assert_eq!(imported.refused.len(), refused.len(), "{:#?}", imported.refused);
        for word in &refused[2..] {
            assert!(
                imported.refused.iter().any(|line| line.contains(word)),
                "{word} in {:#?}",
                imported.refused
            );
        }
        assert_eq!(jail_local(""), Imported::default());
    }
}
