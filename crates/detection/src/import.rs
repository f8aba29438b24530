//! fail2ban's `jail.local`, read as it is: what of it is effective here, what needs nothing, and what is refused by name.
//!
//! Pure: text in, a `detection:` block and remarks out. Nothing that would make a jail stricter or looser is passed over in
//! silence.

use std::collections::BTreeMap;

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

/// A jail of theirs, in our words.
#[derive(Clone, Copy, Default)]
struct Read {
    is_on: bool,
    ban_seconds: Option<u64>,
    find_seconds: Option<u64>,
    max_retry: Option<u64>,
}

impl Read {
    /// Of two that are one here: on if one is, and then what keeps out sooner and longer.
    fn and(self, other: Read) -> Read {
        match (self.is_on, other.is_on) {
            (true, false) => self,
            (false, true) => other,
            (true, true) | (false, false) => Read {
                is_on: self.is_on,
                ban_seconds: self.ban_seconds.max(other.ban_seconds),
                find_seconds: self.find_seconds.max(other.find_seconds),
                max_retry: [self.max_retry, other.max_retry].into_iter().flatten().min(),
            },
        }
    }

    fn block(&self, jail: &str) -> String {
        let mut block = format!("    - name: {jail}\n      enabled: {}\n", self.is_on);
        let times = [("ban_time", self.ban_seconds), ("find_time", self.find_seconds)];
        for (name, seconds) in times.into_iter().filter_map(|(name, seconds)| Some((name, seconds?))) {
            block.push_str(&format!("      {name}: {seconds}s\n"));
        }
        if let Some(tries) = self.max_retry {
            block.push_str(&format!("      max_retry: {tries}\n"));
        }
        block
    }
}

/// Reads a `jail.local`.
pub fn jail_local(text: &str) -> Imported {
    let mut imported = Imported::default();
    let sections = sections(text, &mut imported.refused);
    let common =
        sections.iter().find(|(name, _)| name == "DEFAULT").map(|(_, keys)| keys.clone()).unwrap_or_default();
    let mut jails: Vec<(&str, Vec<&str>, Read)> = Vec::new();
    for (name, own) in sections.iter().filter(|(name, _)| name != "DEFAULT") {
        let Some((jail, _)) = KNOWN.iter().find(|(_, theirs)| theirs.contains(&name.as_str())) else {
            imported
                .refused
                .push(format!("[{name}]: it watches what Palisade does not serve; leave it to fail2ban"));
            continue;
        };
        let mut keys = common.clone();
        keys.extend(own.clone());
        let read = read_jail(name, jail, &keys, own, &mut imported);
        match jails.iter_mut().find(|(known, ..)| known == jail) {
            Some((_, names, known)) => {
                names.push(name);
                *known = known.and(read);
            }
            None => jails.push((jail, vec![name], read)),
        }
    }
    for (jail, names, _) in jails.iter().filter(|(_, names, _)| names.len() > 1) {
        let names = names.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(" and ");
        imported.effective.push(format!(
            "{names} are one jail here, {jail}: on if one of them is, with the fewest tries and the longest times of those that are on"
        ));
    }
    let mut yaml = String::from("detection:\n");
    read_common(&common, &mut yaml, &mut imported);
    if !jails.is_empty() {
        yaml.push_str("  jails:\n");
        yaml.extend(jails.iter().map(|(jail, _, read)| read.block(jail)));
    }
    imported.yaml = if yaml == "detection:\n" { String::new() } else { yaml };
    imported
}

/// fail2ban's yes and no.
fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn read_jail(name: &str, jail: &str, keys: &Section, own: &Section, imported: &mut Imported) -> Read {
    // fail2ban's jails are off until they are switched on.
    let is_on = keys.get("enabled").is_some_and(|text| {
        truth(text).unwrap_or_else(|| {
            imported.refused.push(format!("[{name}] enabled = {text}: neither true nor false"));
            true
        })
    });
    let mut read = Read { is_on, ..Read::default() };
    imported.effective.push(format!("[{name}] is the jail {jail}, {}", if is_on { "on" } else { "off" }));
    for (key, value) in keys {
        let is_own = own.contains_key(key);
        let mut number = |read: Option<u64>, what: &str| {
            if read.is_none() {
                imported.refused.push(format!("[{name}] {key} = {value}: {what}"));
            }
            read
        };
        match key.as_str() {
            "enabled" => {}
            "maxretry" => {
                let tries = value.parse().ok().filter(|tries| (1..=1_000).contains(tries));
                read.max_retry = number(tries, "from 1 to 1000");
            }
            "findtime" => read.find_seconds = number(seconds(value, 30), "from 1 s to 30 days"),
            "bantime" => {
                let what = "from 1 s to 365 days; nobody is kept out for ever";
                read.ban_seconds = number(seconds(value, 365), what);
            }
            _ if !is_own => {}
            _ => match NEEDLESS.iter().find(|(known, _)| known == key) {
                Some((_, why)) => imported.effective.push(format!("[{name}] {key}: needs nothing, {why}")),
                None => imported.refused.push(format!("[{name}] {key}: {}", why_refused(key))),
            },
        }
    }
    read
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
            "ignoreself" | "bantime.increment" => {
                let what = match key.as_str() {
                    "ignoreself" => "this machine is never kept out",
                    _ => "each ban is four times as long as the last",
                };
                match truth(value) {
                    Some(true) => imported.effective.push(format!("[DEFAULT] {key}: {what}")),
                    _ => imported.refused.push(format!("[DEFAULT] {key} = {value}: {what}, whatever is set")),
                }
            }
            "bantime.maxtime" => match seconds(value, 365) {
                Some(time) => {
                    yaml.push_str(&format!("  ban_time_max: {time}s\n"));
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
fn seconds(text: &str, days_max: u64) -> Option<u64> {
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
    (1..=days_max * 86_400).contains(&total).then_some(total)
}

/// Sections in their order, with their keys in small letters. A line that begins with blanks goes on with the value before; a
/// section that comes again goes on where it ended.
fn sections(text: &str, refused: &mut Vec<String>) -> Vec<(String, Section)> {
    let mut sections: Vec<(String, Section)> = Vec::new();
    let mut at_section: Option<usize> = None;
    let mut last: Option<String> = None;
    for (at, line) in text.lines().enumerate() {
        let plain = line.trim();
        if plain.is_empty() || plain.starts_with(['#', ';']) {
            continue;
        }
        let bare = without_remark(plain);
        if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let name = name.trim();
            at_section = sections.iter().position(|(known, _)| known == name).or_else(|| {
                sections.push((name.to_owned(), Section::new()));
                Some(sections.len() - 1)
            });
            last = None;
            continue;
        }
        let Some((_, keys)) = at_section.and_then(|at| sections.get_mut(at)) else {
            refused.push(format!("line {}: it stands before any section", at + 1));
            continue;
        };
        if let (true, Some(value)) =
            (line.starts_with([' ', '\t']), last.as_ref().and_then(|key| keys.get_mut(key)))
        {
            value.push(' ');
            value.push_str(without_remark(plain));
            continue;
        }
        match plain.split_once('=') {
            Some((key, value)) => {
                let key = key.trim().to_ascii_lowercase();
                keys.insert(key.clone(), without_remark(value).to_owned());
                last = Some(key);
            }
            None => refused.push(format!("line {}: neither a section nor a key", at + 1)),
        }
    }
    sections
}

fn without_remark(text: &str) -> &str {
    text.split(" ;").next().unwrap_or_default().split(" #").next().unwrap_or_default().trim()
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

    #[test]
    fn two_jails_that_are_one_here_are_merged_to_the_stricter_and_that_is_said() {
        let imported = jail_local(
            "[nginx-http-auth]\nenabled = true\nmaxretry = 3\nbantime = 1h\n[apache-auth]\nenabled = true\nmaxretry = 9\nbantime = 1d\nfindtime = 5m\n\
             [lighttpd-auth]\nenabled = false\nmaxretry = 1\n",
        );
        let expected = "detection:\n  jails:\n    - name: authentication\n      enabled: true\n      ban_time: 86400s\n      find_time: 300s\n      max_retry: 3\n";
        assert_eq!(imported.yaml, expected);
        let said = imported.effective.last().unwrap();
        assert!(
            said.contains("[nginx-http-auth] and [apache-auth] and [lighttpd-auth] are one jail"),
            "{said}"
        );
        let off = jail_local(
            "[nginx-noscript]\nenabled = false\nmaxretry = 2\n[apache-noscript]\nenabled = true\n",
        );
        assert_eq!(off.yaml, "detection:\n  jails:\n    - name: probing\n      enabled: true\n");
    }

    #[test]
    fn a_section_that_comes_twice_counts_twice_and_what_cannot_be_switched_off_is_refused() {
        let imported = jail_local(
            "[DEFAULT]\nbantime = 1h\nbantime.increment = false\nignoreself = false\n[nginx-badbots] ; of nginx\nenabled = true\n[DEFAULT]\nmaxretry = 7\n",
        );
        let expected = "detection:\n  jails:\n    - name: bots\n      enabled: true\n      ban_time: 3600s\n      max_retry: 7\n";
        assert_eq!(imported.yaml, expected);
        assert_eq!(imported.refused.len(), 2, "{:#?}", imported.refused);
        assert!(imported.refused.iter().all(|line| line.contains("whatever is set")));
    }
}
