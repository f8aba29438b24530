//! The owner of an account hears of what others do at its door: a pause after wrong passwords, a sign-in with a device that
//! was never seen.
//!
//! Invariant: whether there is an owner to tell is found out behind the answer, by a job.

use std::net::IpAddr;
use std::time::Duration;

use ::limits::{Budget, Window};
use pg::{Reason, SystemTx};
use seal::keyed_mac;
use serde_json::Map;

use super::{account_name, exact_name};
use crate::accounts::read_email;
use crate::links::Why;
use crate::post::Warning;
use crate::user::User;
use crate::{Auth, Error, Visit, limits, sql};

impl Auth {
    /// Sees to the mail about a pause: one in a day at most, so that guessing at somebody's password floods nobody.
    pub(super) async fn tell_of_lockout(&self, account: &str, visit: &Visit) {
        let Ok(email) = read_email(account) else { return };
        let length = Duration::from_secs(limits::LOCKOUT_MAIL_SECONDS.value);
        let budget = Budget::sliding("lockout_mail", vec![Window { tries_max: 1, length }]);
        let subject = account_name(account);
        // A pause that is not told does not make the silence longer.
        if !self.0.rules.can_mail || self.0.limiter.peek(&budget, &subject).await.remaining == 0 {
            return;
        }
        self.0.limiter.hit(&budget, &subject).await;
        if let Err(error) = self.enqueue_lockout(&email, visit).await {
            tracing::warn!(error = %base::fault::chain(&error), "nobody could be told of a lockout");
        }
    }

    async fn enqueue_lockout(&self, email: &str, visit: &Visit) -> Result<(), Error> {
        let mut tx = self.0.pg.begin_system(Reason::Identify).await?;
        let along = self.along_to_site();
        self.enqueue_link(&mut tx, Why::LockedOut, email, Map::new(), &along, visit).await?;
        tx.commit(()).await?.into_inner();
        Ok(())
    }

    /// Remembers program and network of a sign-in, and tells the owner when either is new to an account that knows others.
    /// Whoever shows a device's own token is known.
    pub(crate) async fn tell_of_device(
        &self,
        tx: &mut SystemTx,
        user: &User,
        account: &str,
        is_known: bool,
        visit: &Visit,
    ) -> Result<(), Error> {
        let name = exact_name(account);
        let Some(address) = visit.caller.address.filter(|_| !name.is_empty()) else { return Ok(()) };
        let key = self.0.root.derive("auth: places of sign-ins");
        let digest = |text: String| keyed_mac(key.expose(), text.as_bytes());
        let agent = visit.user_agent.as_deref().unwrap_or_default();
        let most = i64::try_from(limits::PLACES_PER_ACCOUNT_MAX.value).unwrap_or(0);
        let row = [
            keyed_mac(key.expose(), name.as_bytes()).into(),
            digest(format!("agent\n{name}\n{}", program(agent))).into(),
            digest(format!("network\n{name}\n{}", wide(address))).into(),
            self.0.clock.now().into(),
            most.into(),
        ];
        let rows = tx.query(sql::REMEMBER_DEVICE, row).await?;
        let is_new = rows.first().map(|row| row.get("is_new")).transpose()?.unwrap_or(false);
        if !is_new || is_known || !self.0.rules.new_device_mails {
            return Ok(());
        }
        self.notify(tx, user, Warning::NewDevice(&program(agent)), visit).await
    }
}

/// A program as a person would call it. Versions change every few weeks and are not it.
fn program(agent: &str) -> String {
    let has = |word: &str| agent.contains(word);
    let browser = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    let system = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let named =
        |known: &[(&str, &'static str)]| known.iter().find(|(word, _)| has(word)).map(|(_, name)| *name);
    match (named(&browser), named(&system)) {
        (Some(browser), Some(system)) => format!("{browser}, {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => {
            let word = agent.split(['/', ' ']).next().unwrap_or_default();
            let word: String =
                word.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(40).collect();
            if word.is_empty() { "?".to_owned() } else { word }
        }
    }
}

/// The network that a provider's customer roams in: the first half of an IPv4 address, the first /32 of IPv6.
fn wide(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            format!("{a}.{b}")
        }
        IpAddr::V6(address) => {
            let [a, b, ..] = address.segments();
            format!("{a:x}:{b:x}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::program;

    #[test]
    fn programs_have_the_names_people_know() {
        let cases = [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36 Edg/126.0",
                "Edge, Windows",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", "Firefox, Linux"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1",
                "Safari, iPhone",
            ),
            ("curl/8.7.1", "curl"),
            ("<script>alert(1)</script>", "scriptalert1"),
            ("", "?"),
        ];
        for (agent, name) in cases {
            assert_eq!(program(agent), name, "{agent}");
        }
    }
}
