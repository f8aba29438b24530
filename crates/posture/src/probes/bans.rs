//! Controls 103 to 106: whoever attacks is kept out. The attacker is the probe, at an address of this machine that nobody
//! else has; its ban is lifted again and touches nobody.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::bench::{Ask, Bench, Trouble};
use crate::{Finding, limits};

const PATH: &str = "/admin/v1/bans";

/// 103: refused sign-ins, whatever account they name.
pub async fn whoever_fails_to_sign_in_is_kept_out(bench: &Bench) -> Result<Finding, Trouble> {
    let name = bench.random_name("nobody-");
    let wrong = json!({ "email": format!("{name}@probe.palisade.invalid"), "password": "wrong" });
    let ask = || bench.client("POST", "/auth/v1/token?grant_type=password").json(&wrong);
    kept_out(bench, "authentication", "refused sign-ins", ask).await
}

/// 104: paths of other software, and baits of ours.
pub async fn whoever_probes_is_kept_out(bench: &Bench) -> Result<Finding, Trouble> {
    let mut paths = ["/wp-login.php", "/.env", "/index.php", "/.git/config"].into_iter().cycle();
    let mut ask = || bench.ask("GET", paths.next().unwrap_or("/"));
    let probing = kept_out(bench, "probing", "requests for .php, .env and wp-", &mut ask).await?;
    let path = kept_out(bench, "canaries", "requests for a path that is a bait", || {
        bench.ask("GET", "/admin/v1/root-key")
    });
    Ok(probing.and(path.await?).and(super::baits::touches_of_a_row_are_told(bench).await?))
}

/// 105: programs that look for holes, as they call themselves.
pub async fn scanners_are_kept_out(bench: &Bench) -> Result<Finding, Trouble> {
    let ask =
        || bench.client("GET", "/rest/v1/").header("user-agent", "sqlmap/1.8#stable (https://sqlmap.org)");
    kept_out(bench, "bots", "requests of a program that calls itself sqlmap", ask).await
}

/// 106: the list says who, why and until when; one is added, is in force, and is lifted, and both are recorded.
pub async fn bans_are_listed_added_and_lifted(bench: &Bench) -> Result<Finding, Trouble> {
    let who = own(bench)?;
    let network = format!("{who}/32");
    let before = is_served(bench, who).await;
    let wanted =
        json!({ "network": who.to_string(), "lasts_seconds": 600, "reason": "a probe of control 106" });
    let added = bench.operator("POST", PATH).json(&wanted).send().await?;
    let sql = bench.sql().await?;
    let tried = async {
        let during = is_served(bench, who).await;
        let in_kernel = if bench.place.nftables { Some(in_kernel(bench, who).await) } else { None };
        let listed = listed(bench, &network).await?;
        let said =
            bench.program(&["bans", "list", "--data", &bench.place.data.display().to_string()], &[]).await?;
        Ok::<_, Trouble>((during, listed, said, in_kernel))
    };
    let tried = tried.await;
    let lifted = lift(bench, &network).await?;
    let (during, listed, said, in_kernel) = tried?;
    let after = is_served(bench, who).await;
    let this_machine = json!({ "network": "127.0.0.1" });
    let refused = bench.operator("POST", PATH).json(&this_machine).send().await?.status;
    bench.operator("GET", "/audit?limit=1").send().await?;
    let recorded = async |event: &str| {
        let count = format!(
            "SELECT count(*) FROM audit.log WHERE event = '{event}' AND body::jsonb ->> 'subject' = '{network}'"
        );
        Ok::<_, Trouble>(sql.value(&count).await? == "1")
    };
    let both = recorded("ban.created").await? && recorded("ban.lifted").await?;
    let until = listed.as_ref().map_or("(not listed)", |ban| ban["until"].as_str().unwrap_or("(no end)"));
    let kernel = in_kernel.map(|there| {
        let is =
            if there { "stands in the set of nftables" } else { "does not stand in the set of nftables" };
        (there, format!("detection.nftables: {who} {is}, as the kernel lists it"))
    });
    let lines = [
        (before, format!("{who} is served")),
        (added.status == 200, format!("a ban of {who} for ten minutes is taken ({})", added.status)),
        (!during, format!("then no connection from {who} is answered")),
        (listed.as_ref().is_some_and(|ban| ban["until"].is_string()), format!("it is listed until {until}")),
        (said.said.contains(&network), "palisade bans list prints it".to_owned()),
        (lifted == 200 && after, format!("lifted, {who} is served again")),
        (both, "both are recorded, as ban.created and ban.lifted".to_owned()),
        (refused == 400, format!("this machine itself cannot be kept out by a slip ({refused})")),
    ];
    Ok(Finding::all(lines.into_iter().chain(kernel)))
}

/// Whether the kernel comes to know of a ban, as it tells whoever administrates the machine.
async fn in_kernel(bench: &Bench, who: IpAddr) -> bool {
    let is_there = async || {
        let rules = super::exposure::ruleset().await.unwrap_or_default();
        let sets = rules.split("table ").filter(|table| table.starts_with("inet palisade_bans_"));
        Ok(sets.flat_map(str::lines).any(|line| line.contains(&format!("{who} timeout"))))
    };
    bench.within(5, "the kernel's set", is_there).await.is_ok()
}

/// Goes on until a connection is not answered, and sees that nobody else is meant, that it is listed with an end, and
/// that it is over when it is lifted.
async fn kept_out<'a>(
    bench: &Bench,
    jail: &str,
    what: &str,
    mut ask: impl FnMut() -> Ask<'a>,
) -> Result<Finding, Trouble> {
    let who = own(bench)?;
    let network = format!("{who}/32");
    let mut answered = 0;
    while answered < limits::BAN_TRIES_MAX.value {
        match ask().from(Some(who)).send().await {
            Ok(answer) if answer.status == 403 && answer.text().contains("kept out") => break,
            Ok(_) => answered += 1,
            // Nothing is said to whoever is kept out: the connection is closed.
            Err(_) => break,
        }
        // The jail is told when the refusal is; that is on its way when the answer is.
        tokio::task::yield_now().await;
    }
    if answered == limits::BAN_TRIES_MAX.value {
        return Ok(Finding::failing(format!("{answered} {what} from {who} were all answered")));
    }
    let written = async || Ok(listed(bench, &network).await?.is_some());
    let is_written = bench.within(5, "the ban to be listed", written).await.is_ok();
    let seen = async {
        let ban = listed(bench, &network).await?;
        Ok::<_, Trouble>((
            is_served(bench, who).await,
            ban,
            bench.client("GET", "/rest/v1/").send().await?.status,
        ))
    };
    let seen = seen.await;
    let lifted = lift(bench, &network).await?;
    let (served, ban, other) = seen?;
    let again = is_served(bench, who).await;
    let text = |name: &str| ban.as_ref().and_then(|ban| ban[name].as_str()).unwrap_or("(nothing)").to_owned();
    Ok(Finding::all([
        (!served, format!("after {answered} {what}, connections from {who} are closed unanswered")),
        (
            is_written && text("jail") == jail,
            format!("the ban is listed: jail {}, until {}", text("jail"), text("until")),
        ),
        (other != 403 && other != 429, format!("another address is still answered ({other})")),
        (lifted == 200 && again, format!("lifted by the operator, {who} is served again")),
    ]))
}

async fn listed(bench: &Bench, network: &str) -> Result<Option<Value>, Trouble> {
    let answer = bench.operator("GET", PATH).send().await?;
    let bans = answer.json();
    let mut bans = bans.as_array().into_iter().flatten();
    Ok(bans.find(|ban| ban["network"] == network).cloned())
}

async fn lift(bench: &Bench, network: &str) -> Result<u16, Trouble> {
    let network = network.replace('/', "%2F");
    Ok(bench.operator("DELETE", &format!("{PATH}?network={network}")).send().await?.status)
}

async fn is_served(bench: &Bench, from: IpAddr) -> bool {
    bench.ask("GET", "/health").from(Some(from)).send().await.is_ok_and(|answer| answer.status == 200)
}

fn own(bench: &Bench) -> Result<IpAddr, Trouble> {
    let none = || {
        Trouble::Unexpected("this listener cannot be reached from an address of the probe's own".to_owned())
    };
    bench.own_address().ok_or_else(none)
}
