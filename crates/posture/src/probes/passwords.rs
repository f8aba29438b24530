//! Controls 18-21, 31, 126: what a password must be, how long it lives, what a form is told, and what guessing gets.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Finding;
use crate::bench::{Answer, Bench, Person, Session, Trouble};

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
const SPECIAL: &str = "!@#$%^&*";

fn said(answer: &Answer) -> String {
    let body = answer.json();
    let code = body.pointer("/error_code").or(body.pointer("/code")).and_then(Value::as_str).unwrap_or("");
    format!("{} {code}", answer.status).trim_end().to_owned()
}

/// What the server refuses in a new password; nothing when it takes it.
async fn refused_for(
    bench: &Bench,
    session: &Session,
    password: &str,
) -> Result<Option<Vec<String>>, Trouble> {
    let body = json!({ "password": password });
    let answer = bench.client("PUT", "/auth/v1/user").bearer(&session.access).json(&body).send().await?;
    if (200..300).contains(&answer.status) {
        return Ok(None);
    }
    let reasons = answer.json().pointer("/weak_password/reasons").and_then(Value::as_array).cloned();
    let reasons = reasons.unwrap_or_default();
    Ok(Some(reasons.iter().filter_map(Value::as_str).map(str::to_owned).collect()))
}

fn shown(refused: &Option<Vec<String>>) -> String {
    match refused {
        None => "taken".to_owned(),
        Some(reasons) => format!("refused ({})", reasons.join(", ")),
    }
}

/// 18: eleven characters are too few, 128 are not too many, and the last one counts.
pub async fn length_is_enforced(bench: &Bench) -> Result<Finding, Trouble> {
    let (person, session) = bench.guest().await?;
    let short = bench.random_name("Aa1!").chars().take(11).collect::<String>();
    let refused = refused_for(bench, &session, &short).await?;
    let made = bench
        .server("POST", "/auth/v1/admin/users")
        .json(&json!({ "email": format!("{}@probe.palisade.invalid", bench.random_name("p")), "password": short }))
        .send()
        .await?;
    let mut long = bench.random_name("Aa1!");
    while long.len() < 127 {
        long.push_str(&bench.random_name("x"));
    }
    long.truncate(127);
    let taken = refused_for(bench, &session, &format!("{long}x")).await?;
    let right = bench.try_sign_in(&person.email, &format!("{long}x")).await?;
    let near = bench.try_sign_in(&person.email, &format!("{long}y")).await?;
    let names_length = refused.as_ref().is_some_and(|reasons| reasons.iter().any(|r| r == "length"));
    Ok(Finding::all([
        (names_length, format!("eleven characters of every class: {}", shown(&refused))),
        (made.status >= 400, format!("the same by an administrator's hand: {}", said(&made))),
        (taken.is_none(), format!("128 characters: {}", shown(&taken))),
        (right.status == 200, format!("signing in with them: {}", said(&right))),
        (near.status >= 400, format!("with another last character: {}", said(&near))),
    ]))
}

/// Whether the server follows NIST SP 800-63B-4: fifteen characters and no classes.
async fn follows_nist(bench: &Bench, session: &Session) -> Result<bool, Trouble> {
    let letters = |count| {
        bench
            .random_name("correct")
            .chars()
            .filter(char::is_ascii_alphabetic)
            .chain("horsebatterystaple".chars())
            .take(count)
            .collect::<String>()
    };
    let fourteen = refused_for(bench, session, &letters(14)).await?;
    let fifteen = refused_for(bench, session, &letters(15)).await?;
    Ok(fourteen.is_some() && fifteen.is_none())
}

/// 19: a password without one of the guide's classes is refused, whichever it is.
pub async fn classes_are_enforced(bench: &Bench) -> Result<Finding, Trouble> {
    let (_, session) = bench.guest().await?;
    let mut lines = Vec::new();
    for (missing, sets) in [
        ("a lower-case letter", [UPPER, DIGITS, SPECIAL]),
        ("an upper-case letter", [LOWER, DIGITS, SPECIAL]),
        ("a digit", [LOWER, UPPER, SPECIAL]),
        ("a special character", [LOWER, UPPER, DIGITS]),
    ] {
        let password = from_sets(bench, &sets, 16);
        let refused = refused_for(bench, &session, &password).await?;
        let names_it = refused.as_ref().is_some_and(|reasons| reasons.iter().any(|r| r == "characters"));
        lines.push((names_it, format!("16 characters without {missing}: {}", shown(&refused))));
    }
    if lines.iter().all(|(held, _)| !held) && follows_nist(bench, &session).await? {
        let line = "no classes are asked for, and fifteen characters are: NIST SP 800-63B-4, which advises against classes";
        return Ok(Finding::all([(true, line.to_owned())]));
    }
    let all = from_sets(bench, &[LOWER, UPPER, DIGITS, SPECIAL], 16);
    let taken = refused_for(bench, &session, &all).await?;
    lines.push((taken.is_none(), format!("with one of each: {}", shown(&taken))));
    Ok(Finding::all(lines))
}

/// So many characters, in turn from each set.
fn from_sets<S: AsRef<str>>(bench: &Bench, sets: &[S], count: usize) -> String {
    let chance = bench.random_secret();
    let pick = |(n, set): (usize, &S)| {
        let characters: Vec<char> = set.as_ref().chars().collect();
        let byte = chance.as_bytes().get(n % chance.len()).copied().unwrap_or(0);
        characters.get(usize::from(byte) % characters.len().max(1)).copied()
    };
    sets.iter().cycle().take(count).enumerate().filter_map(pick).collect()
}

/// 20: a password from long ago opens nothing but the way to another one; one that thieves have, too.
pub async fn old_passwords_must_be_changed(bench: &Bench) -> Result<Finding, Trouble> {
    let sql = bench.sql().await?;
    let tenant = bench.tenant().await?;
    let mut lines = Vec::new();
    for (what, change) in [
        ("eleven years old", "changed_at = changed_at - interval '4000 days'"),
        ("known to thieves", "must_change = 'breached'"),
    ] {
        let (person, before) = bench.guest().await?;
        sql.run(&format!("UPDATE palisade.passwords SET {change} WHERE user_id = '{}'", person.id)).await?;
        let answer = bench.try_sign_in(&person.email, &person.password).await?;
        let limited =
            Session { access: answer.field("/access_token")?, refresh: answer.field("/refresh_token")? };
        let rest = || tenant.call(bench, "whoami").bearer(&limited.access);
        let shut = rest().send().await?;
        if what.starts_with("eleven") && shut.status == 200 && follows_nist(bench, &before).await? {
            lines.push((true, "no age is asked for, and fifteen characters are: NIST SP 800-63B-4, which advises against it".into()));
            continue;
        }
        let next = bench.refresh(&limited.refresh).await?;
        let still = tenant.call(bench, "whoami").bearer(&next.access).send().await?;
        let other = from_sets(bench, &[LOWER, UPPER, DIGITS, SPECIAL], 20);
        let changed = refused_for(bench, &limited, &other).await?;
        let free =
            bench.within(1, "the session to be free", async || Ok(rest().send().await?.status == 200)).await;
        lines.push((
            shut.status == 403,
            format!("signed in with a password {what}, data answers {}", said(&shut)),
        ));
        lines.push((still.status == 403, format!("after a refresh: {}", said(&still))));
        lines.push((changed.is_none(), format!("choosing another one: {}", shown(&changed))));
        lines.push((free.is_ok(), "after that the session is an ordinary one".to_owned()));
    }
    Ok(Finding::all(lines))
}

/// 21: what a form is told is what the server does.
pub async fn forms_are_told_the_rules(bench: &Bench) -> Result<Finding, Trouble> {
    let answer = bench.client("GET", "/auth/v1/password-policy").send().await?;
    let rules = answer.json();
    let min = rules.get("min_length").and_then(Value::as_u64).unwrap_or(0) as usize;
    let sets: Vec<String> = rules
        .get("required_characters")
        .and_then(Value::as_array)
        .map(|sets| sets.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    if answer.status != 200 || min == 0 {
        return Ok(Finding::failing(format!("/auth/v1/password-policy says nothing: {}", said(&answer))));
    }
    let (_, session) = bench.guest().await?;
    let all = if sets.is_empty() { vec![LOWER.to_owned()] } else { sets.clone() };
    let exact = from_sets(bench, &all, min);
    let short = from_sets(bench, &all, min - 1);
    let refused = refused_for(bench, &session, &short).await?;
    let mut lines = vec![(refused.is_some(), format!("{} characters: {}", min - 1, shown(&refused)))];
    for set in &sets {
        let others: Vec<&String> = sets.iter().filter(|other| *other != set).collect();
        let without = from_sets(bench, &others, min + 1);
        let refused = refused_for(bench, &session, &without).await?;
        lines.push((refused.is_some(), format!("without any of {set}: {}", shown(&refused))));
    }
    let taken = refused_for(bench, &session, &exact).await?;
    lines.push((taken.is_none(), format!("{min} characters with one of each set: {}", shown(&taken))));
    let module = bench.client("GET", "/auth/v1/password-policy.js").send().await?;
    let has_rules = module.text().contains(&rules.to_string()) && module.text().contains("validatePassword");
    lines.push((has_rules, format!("the module for browsers has the same rules: {}", said(&module))));
    Ok(Finding::all(lines))
}

/// 31: five wrong passwords close an account to an address, and leave the owner's own device alone.
pub async fn guessing_is_paused(bench: &Bench) -> Result<Finding, Trouble> {
    let own =
        || bench.own_address().ok_or_else(|| Trouble::Unexpected("no address of the probe's own".to_owned()));
    let (person, _) = bench.guest().await?;
    let home = own()?;
    let first = sign_in_from(bench, &person, home, &[]).await?;
    let session = Session { access: first.field("/access_token")?, refresh: first.field("/refresh_token")? };
    let cookie =
        first.header("set-cookie").and_then(|line| line.split(';').next()).unwrap_or_default().to_owned();
    // The password in force, guessed at another door than sign-in's, which has a budget of its own.
    let guess = async |from: IpAddr| {
        let new = from_sets(bench, &[LOWER, UPPER, DIGITS, SPECIAL], 20);
        let body = json!({ "password": new, "current_password": "wrong" });
        let ask = bench.client("PUT", "/auth/v1/user").bearer(&session.access).json(&body);
        Ok::<_, Trouble>(ask.from(Some(from)).send().await?.status)
    };
    let stranger = own()?;
    let mut paused = None;
    for count in 1..=6 {
        if guess(stranger).await? == 429 {
            paused = Some(count);
            break;
        }
    }
    // Many addresses with a few tries each close the account to all that are not known.
    for _ in 0..STRANGERS {
        let from = own()?;
        for _ in 0..TRIES_AN_ACCOUNT {
            guess(from).await?;
        }
    }
    let anywhere = guess(own()?).await?;
    let there = sign_in_from(bench, &person, stranger, &[]).await?;
    let known = sign_in_from(bench, &person, own()?, &[("cookie", &cookie)]).await?;
    let at_home = sign_in_from(bench, &person, home, &[]).await?;
    Ok(Finding::all([
        (
            paused == Some(6),
            match paused {
                Some(count) => format!("try {count} with a wrong password was not looked at"),
                None => "six wrong passwords in a row were all looked at".to_owned(),
            },
        ),
        (there.status == 429, format!("from there the right password: {}", said(&there))),
        (
            anywhere == 429,
            format!(
                "after {} more from {STRANGERS} others, a try from anywhere: {anywhere}",
                STRANGERS * TRIES_AN_ACCOUNT
            ),
        ),
        (known.status == 200, format!("from the owner's device elsewhere: {}", said(&known))),
        (at_home.status == 200, format!("from where the owner signed in before: {}", said(&at_home))),
    ]))
}

async fn sign_in_from(
    bench: &Bench,
    person: &Person,
    address: IpAddr,
    headers: &[(&str, &str)],
) -> Result<Answer, Trouble> {
    let body = json!({ "email": person.email, "password": person.password });
    let ask = bench.client("POST", "/auth/v1/token?grant_type=password").json(&body).from(Some(address));
    headers.iter().fold(ask, |ask, (name, value)| ask.header(name, value)).send().await
}

/// Tries with a wrong password, so that neither an account's lock nor an address's budget is met.
const TRIES_AN_ACCOUNT: usize = 4;
const ACCOUNTS: usize = 6;
/// How often all of that, where it does not come out clearly.
const ROUNDS_MAX: usize = 4;
/// Addresses that guess besides the first.
const STRANGERS: usize = 5;
/// Between a right and a wrong address lies less than this, or less than a third where the machine is busy: a hash of
/// another kind takes several times as long.
const APART_MAX: Duration = Duration::from_millis(8);

/// 126: a stranger cannot tell a wrong password from an unknown account, by word or by watch.
pub async fn refusals_do_not_say_who_is_here(bench: &Bench) -> Result<Finding, Trouble> {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    // In doubt it is tried again, and all tries count together: a machine that is busy for a while is no difference, and a
    // difference stays one however often it is looked at.
    for _ in 0..ROUNDS_MAX {
        try_both(bench, &mut known, &mut unknown).await?;
        let (a, b) = (quick(&mut known), quick(&mut unknown));
        if a.abs_diff(b) <= most(a, b) / 2 {
            break;
        }
    }
    let first = known.first().map(|(_, said)| said.clone()).unwrap_or_default();
    let same = known.iter().chain(&unknown).all(|(_, said)| *said == first);
    let (a, b) = (quick(&mut known), quick(&mut unknown));
    let apart = a.abs_diff(b);
    Ok(Finding::all([
        (same && first.starts_with("400"), format!("known and unknown alike: {first}")),
        (apart <= most(a, b), format!("{} tries each: {a:.1?} and {b:.1?}, {apart:.1?} apart", known.len())),
    ]))
}

/// How far apart they may be.
fn most(a: Duration, b: Duration) -> Duration {
    APART_MAX.max(a.min(b) / 3)
}

/// Some tries at accounts that are there and at others that are not, in turn.
async fn try_both(bench: &Bench, known: &mut Vec<Try>, unknown: &mut Vec<Try>) -> Result<(), Trouble> {
    for _ in 0..ACCOUNTS {
        let person = bench.person(json!({})).await?;
        let nobody = format!("{}@probe.palisade.invalid", bench.random_name("p"));
        for n in 0..TRIES_AN_ACCOUNT {
            // In turn, so that whatever slows the machine down slows both.
            if n % 2 == 0 {
                known.push(timed(bench, &person.email).await?);
                unknown.push(timed(bench, &nobody).await?);
            } else {
                unknown.push(timed(bench, &nobody).await?);
                known.push(timed(bench, &person.email).await?);
            }
        }
        bench.forget(&person).await?;
    }
    Ok(())
}

/// How long one took, and everything that was said.
type Try = (Duration, String);

/// How long a wrong password took, and everything that was said.
async fn timed(bench: &Bench, email: &str) -> Result<Try, Trouble> {
    let began = Instant::now();
    let answer = bench.try_sign_in(email, "wrong").await?;
    let took = began.elapsed();
    let names = answer.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ");
    Ok((took, format!("{} {} ({names})", answer.status, answer.text())))
}

/// The quicker quarter ends here: what else the machine does only ever adds.
fn quick(tries: &mut [Try]) -> Duration {
    tries.sort_by_key(|(took, _)| *took);
    tries.get(tries.len() / 4).map_or(Duration::ZERO, |(took, _)| *took)
}
