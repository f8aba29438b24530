//! The jails: what each counts, how often is too often, and how long the first ban is.
//!
//! The first four are what the guide switches on in fail2ban (controls 103 to 105), and one for what fail2ban cannot see:
//! the same address trying one password at each of many accounts.

use std::collections::HashSet;
use std::time::Duration;

use audit::{Entry, Event};
use base::Settings;

use crate::pattern::Patterns;
use crate::settings::{self, GivenJail};
use crate::{Error, canaries, limits};

/// One jail.
#[derive(Clone, Debug)]
pub struct Jail {
    /// What it is called in lists and entries.
    pub name: String,
    /// What it counts.
    pub sees: Sees,
    /// How many fill it.
    pub max_retry: usize,
    /// Within how long.
    pub find_time: Duration,
    /// How long the first ban is.
    pub ban_time: Duration,
}

/// What a jail counts.
#[derive(Clone, Debug)]
pub enum Sees {
    /// Refused sign-ins, codes, factors and keys: fail2ban's `nginx-http-auth`.
    SignIns,
    /// Different accounts at which a sign-in was refused.
    Accounts,
    /// Requests.
    Requests(Requests),
    /// Refusals, as the audit log names them, by name or group.
    Events(Vec<String>),
    /// Canaries that somebody touched, by the reasons that their entries give.
    Canaries(Vec<&'static str>),
}

/// Requests that a jail counts.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// Paths that nothing is served at.
    paths: Patterns,
    /// What programs call themselves, whatever they ask for.
    agents: Patterns,
}

impl Requests {
    fn of(paths: &[impl AsRef<str>], agents: &[impl AsRef<str>]) -> Result<Self, Error> {
        let unread = |error: regex::Error| refuse(error.to_string());
        Ok(Requests {
            paths: Patterns::new(paths).map_err(unread)?,
            agents: Patterns::new(agents).map_err(unread)?,
        })
    }

    /// Whether this request counts. Paths count only where nothing is served: a file that somebody called `x.php` is
    /// theirs to fetch.
    pub(crate) fn count(&self, path: &str, is_served: bool, agent: Option<&str>) -> bool {
        let by_path = !is_served && self.paths.any_is(path);
        by_path || agent.is_some_and(|agent| self.agents.any_is(agent))
    }
}

/// Nobody who uses this program asks for these: they belong to other software, to version control, to back-ups.
const PROBED: &[&str] = &[
    "*.php",
    "*.php/*",
    "*.php5",
    "*.phtml",
    "*.asp",
    "*.aspx",
    "*.ashx",
    "*.jsp",
    "*.jspx",
    "*.cgi",
    "*.pl",
    "*.exe",
    "*/.env*",
    "*/.git",
    "*/.git/*",
    "*/.svn/*",
    "*/.hg/*",
    "*/.aws/*",
    "*/.ssh/*",
    "*/.docker/*",
    "*/.kube/*",
    "*/.vscode/*",
    "*/.htaccess",
    "*/.htpasswd",
    "*/.ds_store",
    "*/wp-*",
    "*/wordpress/*",
    "*/xmlrpc*",
    "*/phpmyadmin*",
    "*/pma/*",
    "*/adminer*",
    "*/mysqladmin*",
    "*/cgi-bin/*",
    "*/vendor/phpunit/*",
    "*/_ignition/*",
    "*/boaform/*",
    "*/hnap1*",
    "*/gponform/*",
    "*/actuator*",
    "*/solr/*",
    "*/jenkins*",
    "*/struts*",
    "*/owa/*",
    "*/autodiscover/*",
    "*/ecp/*",
    "*/server-status*",
    "*/server-info*",
    "*/web-inf/*",
    "*/etc/passwd*",
    "*/proc/self/*",
    "*.sql",
    "*.sql.gz",
    "*.bak",
    "*/backup.zip",
    "*/dump.tar*",
    "*/id_rsa*",
    "*/web.config",
    "*/docker-compose.yml",
    "*/config.json.bak",
];

/// Programs whose only use is to look for holes, as they call themselves.
const SCANNERS: &[&str] = &[
    "*sqlmap*",
    "*nikto*",
    "*masscan*",
    "*zgrab*",
    "*nmap scripting engine*",
    "*nuclei*",
    "*wpscan*",
    "*acunetix*",
    "*netsparker*",
    "*nessus*",
    "*openvas*",
    "*qualys*",
    "*dirbuster*",
    "*gobuster*",
    "*feroxbuster*",
    "*ffuf*",
    "*wfuzz*",
    "*hydra*",
    "*havij*",
    "*jorgee*",
    "*morfeus*",
    "*zmeu*",
    "*libwww-perl*",
    "*commix*",
    "*arachni*",
    "*w3af*",
    "*joomscan*",
    "*droopescan*",
    "*dotdotpwn*",
    "*brutus*",
    "*fimap*",
    "*xsser*",
    "*whatweb*",
    "*httpx - open-source*",
    "*l9explore*",
    "*l9tcpid*",
    "*expanseinc*",
    "*censysinspect*",
    "*internetmeasurement*",
    "*leakix*",
    "*paros*",
    "*metasploit*",
];

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

fn built_in(canaries: Vec<&'static str>) -> Result<Vec<Jail>, Error> {
    let jail = |name: &str, sees, max_retry, find_time, ban_time| Jail {
        name: name.to_owned(),
        sees,
        max_retry,
        find_time,
        ban_time,
    };
    let none: &[&str] = &[];
    Ok(vec![
        jail("authentication", Sees::SignIns, 20, 10 * MINUTE, 10 * MINUTE),
        jail("spraying", Sees::Accounts, 12, DAY, HOUR),
        jail("probing", Sees::Requests(Requests::of(PROBED, none)?), 3, 10 * MINUTE, HOUR),
        jail("bots", Sees::Requests(Requests::of(none, SCANNERS)?), 2, 10 * MINUTE, HOUR),
        jail("canaries", Sees::Canaries(canaries), 1, 10 * MINUTE, DAY),
    ])
}

/// The built-in jails as they were changed, and the operator's own.
pub(crate) fn from(given: &Settings) -> Result<Vec<Jail>, Error> {
    with(built_in(canaries::banned_kinds(given)?)?, given.get(&settings::JAILS))
}

fn with(mut jails: Vec<Jail>, all: Vec<GivenJail>) -> Result<Vec<Jail>, Error> {
    let mut named = HashSet::new();
    for wanted in all {
        if !named.insert(wanted.name.clone()) {
            return Err(refuse(format!(
                "{} is there twice: which one counts is not for us to guess",
                wanted.name
            )));
        }
        let at = jails.iter().position(|jail| jail.name == wanted.name);
        if wanted.enabled == Some(false) {
            at.map(|at| jails.remove(at));
            continue;
        }
        let known = at.map(|at| jails.remove(at));
        jails.push(changed(known, wanted)?);
    }
    match jails.len() > limits::JAILS.size() {
        true => Err(refuse(format!("more than {} jails", limits::JAILS.value))),
        false => Ok(jails),
    }
}

fn changed(known: Option<Jail>, wanted: GivenJail) -> Result<Jail, Error> {
    let name = wanted.name.clone();
    let plain =
        |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, b'-' | b'_');
    if name.is_empty() || name.len() > 40 || !name.bytes().all(plain) {
        return Err(refuse(format!("`{name}` is no name: small letters, digits, - and _")));
    }
    let own = own(&wanted)?;
    let jail = match (known, own) {
        (Some(_), Some(_)) => return Err(refuse(format!("{name} is built in: what it counts is not set"))),
        (Some(known), None) => known,
        (None, Some(sees)) => {
            Jail { name, sees, max_retry: 5, find_time: 10 * MINUTE, ban_time: 10 * MINUTE }
        }
        (None, None) => {
            return Err(refuse(format!("{name} counts nothing: give it paths, agents or events")));
        }
    };
    let max_retry = wanted.max_retry.map_or(Some(jail.max_retry), |given| usize::try_from(given).ok());
    let max_retry = max_retry.filter(|tries| (1..=limits::TRIES.size()).contains(tries));
    let max_retry =
        max_retry.ok_or_else(|| refuse(format!("max_retry is from 1 to {}", limits::TRIES.value)))?;
    let find_time = wanted.find_time.unwrap_or(jail.find_time);
    let ban_time = wanted.ban_time.unwrap_or(jail.ban_time);
    if find_time.is_zero() || ban_time.is_zero() || find_time > 30 * DAY || ban_time > 365 * DAY {
        return Err(refuse("find_time is up to 30d and ban_time up to 365d, and neither is 0".to_owned()));
    }
    Ok(Jail { max_retry, find_time, ban_time, ..jail })
}

/// What a jail of the operator's counts.
fn own(wanted: &GivenJail) -> Result<Option<Sees>, Error> {
    let (paths, agents) =
        (wanted.paths.clone().unwrap_or_default(), wanted.agents.clone().unwrap_or_default());
    let events = wanted.events.clone().unwrap_or_default();
    if [paths.len(), agents.len(), events.len()].into_iter().any(|many| many > limits::PATTERNS.size()) {
        return Err(refuse(format!("more than {} patterns in {}", limits::PATTERNS.value, wanted.name)));
    }
    let requests = !paths.is_empty() || !agents.is_empty();
    if requests && !events.is_empty() {
        return Err(refuse(format!("{} counts requests or events, not both", wanted.name)));
    }
    if let Some(odd) = events.iter().find(|name| !Event::ALL.iter().any(|event| names(name, *event))) {
        return Err(refuse(format!("`{odd}` is no event or group of the audit log")));
    }
    let sees = if requests { Sees::Requests(Requests::of(&paths, &agents)?) } else { Sees::Events(events) };
    Ok(match &sees {
        Sees::Events(events) if events.is_empty() => None,
        _ => Some(sees),
    })
}

/// Whether `name` is this event's, or its group's.
pub(crate) fn names(name: &str, event: Event) -> bool {
    event.name() == name || event.category() == name
}

fn refuse(what: String) -> Error {
    Error::Setting { setting: settings::JAILS.definition.name, what }
}

/// Whether a refusal is somebody's try to be somebody: a wrong password, code, factor or key, or one more where there were
/// too many. A token that ran out is none: every application sends one now and then.
pub(crate) fn is_sign_in(entry: &Entry) -> bool {
    const RAN_OUT: &[&str] = &[
        "auth.token.expired",
        "auth.token.revoked",
        "auth.token.key_given_up",
        "auth.session.expired",
        "auth.session.not_found",
    ];
    match entry.event() {
        Event::LoginFailed
        | Event::CodeRefused
        | Event::FactorRefused
        | Event::KeyRefused
        | Event::SsoRefused
        | Event::SetupLinkRefused
        | Event::DemoKeyRefused => true,
        Event::TokenRefused => entry.reason().is_some_and(|reason| !RAN_OUT.contains(&reason)),
        Event::RateLimited => entry.fact("budget").is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jail_that_is_given_twice_is_refused() {
        let one =
            |name: &str, max_retry| GivenJail { name: name.to_owned(), max_retry, ..GivenJail::default() };
        let off = |name: &str| GivenJail { enabled: Some(false), ..one(name, None) };
        let jails = |all| with(built_in(Vec::new()).unwrap(), all);
        assert_eq!(jails(vec![one("bots", Some(3)), off("probing")]).unwrap().len(), 4);
        for twice in [vec![off("bots"), one("bots", Some(3))], vec![one("bots", Some(3)), one("bots", None)]]
        {
            assert!(jails(twice).unwrap_err().to_string().contains("bots is there twice"));
        }
    }

    #[test]
    fn probing_counts_where_nothing_is_served_and_scanners_everywhere() {
        let jails = built_in(Vec::new()).unwrap();
        let of = |name: &str| match &jails.iter().find(|jail| jail.name == name).unwrap().sees {
            Sees::Requests(requests) => requests.clone(),
            other => panic!("{other:?}"),
        };
        let probing = of("probing");
        assert!(probing.count("/wp-login.php", false, None));
        assert!(probing.count("/api/.env.production", false, None));
        assert!(!probing.count("/storage/mine/old.php", true, None), "somebody's own file");
        assert!(!probing.count("/favicon.ico", false, None));
        assert!(!probing.count("/rest/v1/tasks", false, None));
        let bots = of("bots");
        assert!(bots.count("/rest/v1/tasks", true, Some("sqlmap/1.7.2#stable (https://sqlmap.org)")));
        for good in [
            "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
            "supabase-js/2.50.0",
            "curl/8.0",
            "Palisade",
            "",
        ] {
            assert!(!bots.count("/", true, Some(good)), "{good}");
        }
    }
}
