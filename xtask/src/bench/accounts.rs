//! Accounts under load: signing in, tokens that were seen before, reads beside a storm of sign-ins, and whether the time an
//! answer takes tells who has an account (attack row 19).
//!
//! Each request names another address as its sender's, through a trusted proxy: what limits and bans do to one address is
//! not what is measured here.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::database::user_email;
use super::load::{self, Answer, Case, Connection, Outcome, Until, Verb};
use super::sections::{Aim, ROUNDS, share, verdict};
use super::welch::{self, Sample};
use super::{Bench, CASES};

/// Sign-ins under way at once.
const STORM: usize = 16;
/// Readers beside the storm, and how often each asks.
const READERS: usize = 4;
const READ_EVERY: Duration = Duration::from_millis(5);
/// Rounds of reads alone and beside a storm: odd, so that there is one in the middle.
const STORMS: usize = 5;
/// Answers of each kind that the timing test compares.
const SAMPLES: usize = 500;

/// A sign-in with the right password.
pub const SIGN_IN: Case = Case {
    what: "a sign-in",
    verb: Verb::SignIn,
    path: |_, _| "/auth/v1/token?grant_type=password".to_owned(),
};

/// An address nobody had before.
pub fn sender() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let [a, b, c, d] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    format!("X-Forwarded-For: 10.{}.{c}.{}", a.wrapping_add(b), d)
}

/// Everybody's hash becomes one that we made: the seed's are an import's, and cheaper.
fn made_here(bench: &Bench<'_>) -> Result<()> {
    let first = user_email(0);
    let made = format!("(select encrypted_password from auth.users where email = '{first}')");
    let kind = bench.database.ask(&format!("select left({made}, 9)"))?;
    if kind.trim() != "$argon2id" {
        bail!("{first} has a hash of another kind: {kind}");
    }
    bench
        .database
        .ask(&format!("update auth.users set encrypted_password = {made} where email like 'bench-%'"))?;
    // Ten thousand rows were just written anew: without this, whoever reads one first also clears away what was there, and that
    // is measured in place of the answer.
    bench.database.ask("vacuum (analyze) auth.users")?;
    Ok(())
}

/// Everybody's hash gets a salt of its own, as people's have: what is compared is not one salt with another. No password is
/// right any more, and none is meant to be.
fn salted_apart(bench: &Bench<'_>) -> Result<()> {
    made_here(bench)?;
    let part = |at: u8| format!("split_part(encrypted_password, '$', {at})");
    let made = |at: u8, bytes: u8| {
        let mixed = format!("substr(sha256(convert_to(email || '{at}', 'utf8')), 1, {bytes})");
        format!("rtrim(encode({mixed}, 'base64'), '=')")
    };
    let whole = format!(
        "'$' || concat_ws('$', {}, {}, {}, {}, {})",
        part(2),
        part(3),
        part(4),
        made(5, 16),
        made(6, 32)
    );
    bench
        .database
        .ask(&format!("update auth.users set encrypted_password = {whole} where email like 'bench-%'"))?;
    bench.database.ask("vacuum (analyze) auth.users")?;
    let each = "select count(distinct encrypted_password) = count(*) and min(length(encrypted_password)) = 97 \
        and max(length(encrypted_password)) = 97 from auth.users where email like 'bench-%'";
    match bench.database.ask(each)?.trim() {
        "t" => Ok(()),
        other => bail!("the hashes are not as ours are: {other}"),
    }
}

/// Sign-ins a second, of what the permits for hashing allow on this machine.
pub fn logins(bench: &Bench<'_>) -> Result<()> {
    made_here(bench)?;
    let keys = vec![bench.server.publishable_key().to_owned()];
    let sign_in = || load::run(bench.server.address(), &SIGN_IN, &keys, STORM, Until::Elapsed(bench.length));
    sign_in()?;
    let (mut allowed, mut done) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        allowed.push(ask(bench, &format!("/bench/v1/hashes/{}", bench.length.as_millis()))?);
        let outcome = sign_in()?;
        require_whole(&outcome)?;
        done.push(outcome.per_second());
    }
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len().max(1) as f64;
    println!(
        "   {:.1} sign-ins a second with {STORM} at once, {:.1} hashes a second in the same process with the same permits",
        mean(&done),
        mean(&allowed)
    );
    share("of what hashing permits", mean(&done), mean(&allowed), Aim::AtLeast(0.9));
    Ok(())
}

fn require_whole(outcome: &Outcome) -> Result<()> {
    match outcome.refused {
        0 => Ok(()),
        refused => bail!("{refused} of {} were refused: {}", outcome.requests, outcome.first_refusal),
    }
}

/// A number that the server measured of itself.
fn ask(bench: &Bench<'_>, path: &str) -> Result<f64> {
    let token = bench.tokens.first().context("a token")?;
    let answer = Connection::open(bench.server.address())?.send("GET", path, token, &[], "")?;
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    said["value"].as_f64().with_context(|| format!("{path}: {} {said}", answer.status))
}

/// What it takes to know again who sends a token that was seen before.
pub fn tokens(bench: &Bench<'_>) -> Result<()> {
    const COUNT: u64 = 200_000;
    ask(bench, &format!("/bench/v1/identify/{COUNT}"))?;
    let mut best = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        let before = bench.usage()?;
        let took = ask(bench, &format!("/bench/v1/identify/{COUNT}"))?;
        let cpu = bench.usage()?.since(&before).palisade_us as f64 / COUNT as f64;
        best = (best.0.min(took), best.1.min(cpu));
    }
    println!("   {:.2} µs of CPU a key and a token, best of {ROUNDS} times {COUNT}", best.1);
    verdict("µs on the clock a key and a token", best.0, Aim::AtMost(2.0));
    Ok(())
}

/// Reads at a steady pace, beside as many sign-ins as can be; in turns with reads alone. The median of the rounds counts: one
/// answer in a hundred is what the machine happened to do, and the best of few rounds is luck on both sides of a ratio.
pub fn storm(bench: &Bench<'_>) -> Result<()> {
    made_here(bench)?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let mut signed_in = 0;
    for _ in 0..STORMS {
        alone.push(percentiles(&readers(bench)?));
        let (outcome, count) = readers_beside_sign_ins(bench)?;
        beside.push(percentiles(&outcome));
        signed_in += count;
    }
    let (quiet, stormy) = (medians(&alone), medians(&beside));
    println!(
        "   p50 and p99 of a row by key, {} a second, the median of {STORMS} rounds: {:.2} and {:.2} ms alone, {:.2} and {:.2} ms beside {signed_in} sign-ins",
        READERS as u128 * 1000 / READ_EVERY.as_millis(),
        quiet[0],
        quiet[1],
        stormy[0],
        stormy[1]
    );
    let each = |rounds: &[[f64; 2]]| {
        rounds.iter().map(|round| format!("{:.2}", round[1])).collect::<Vec<_>>().join(", ")
    };
    println!("   p99 of each round: {} ms alone, {} ms beside them", each(&alone), each(&beside));
    share("times the p99", stormy[1], quiet[1], Aim::AtMost(2.0));
    Ok(())
}

fn percentiles(outcome: &Outcome) -> [f64; 2] {
    [0.5, 0.99].map(|part| outcome.percentile_ms(part))
}

fn medians(rounds: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|at| {
        let mut all: Vec<f64> = rounds.iter().map(|round| round[at]).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::MAX)
    })
}

fn readers_beside_sign_ins(bench: &Bench<'_>) -> Result<(Outcome, u64)> {
    let over = AtomicBool::new(false);
    let keys = vec![bench.server.publishable_key().to_owned()];
    let (beside, signed_in) = std::thread::scope(|scope| {
        let storm = scope.spawn(|| {
            let mut done = 0;
            while !over.load(Ordering::Relaxed) {
                let some = Until::Requests(STORM as u64 * 4);
                done += load::run(bench.server.address(), &SIGN_IN, &keys, STORM, some)?.requests;
            }
            anyhow::Ok(done)
        });
        std::thread::sleep(Duration::from_millis(500));
        let beside = readers(bench);
        over.store(true, Ordering::Relaxed);
        (beside, storm.join())
    });
    Ok((beside?, signed_in.map_err(|_| anyhow::anyhow!("the storm broke"))??))
}

/// Each asks when its time has come, not when the last answer was there: who waits is counted as waiting.
fn readers(bench: &Bench<'_>) -> Result<Outcome> {
    let case = CASES.first().context("no cases")?;
    let length = bench.length.max(Duration::from_secs(5));
    let read = |at: usize| -> Result<Vec<u32>> {
        let mut connection = Connection::open(bench.server.address())?;
        let (began, mut taken) = (Instant::now(), Vec::new());
        for turn in 0_u32.. {
            let due = READ_EVERY * turn;
            if due >= length {
                break;
            }
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            let user = (at as u64 + u64::from(turn)) % bench.tokens.len() as u64;
            let token = bench.tokens.get(user as usize).context("a token")?;
            let answer = connection.send("GET", &(case.path)(user, u64::from(turn)), token, &[], "")?;
            if answer.status != 200 {
                bail!("{} {}", answer.status, String::from_utf8_lossy(&answer.body));
            }
            taken.push(u32::try_from((began.elapsed() - due).as_micros()).unwrap_or(u32::MAX));
        }
        Ok(taken)
    };
    let all = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS).map(|at| scope.spawn(move || read(at))).collect();
        readers.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let mut outcome = Outcome::default();
    for taken in all {
        let taken = taken.map_err(|_| anyhow::anyhow!("a reader broke"))??;
        outcome.latencies_us.extend(taken);
    }
    outcome.latencies_us.sort_unstable();
    Ok(outcome)
}

/// One endpoint that must not tell.
struct Question {
    what: &'static str,
    path: &'static str,
    body: fn(&str) -> Value,
}

const QUESTIONS: &[Question] = &[
    Question {
        what: "login",
        path: "/auth/v1/token?grant_type=password",
        body: |email| json!({ "email": email, "password": "Not-The-Password-1" }),
    },
    Question { what: "reset", path: "/auth/v1/recover", body: |email| json!({ "email": email }) },
    Question {
        what: "otp",
        path: "/auth/v1/otp",
        body: |email| json!({ "email": email, "create_user": false }),
    },
    Question {
        what: "verify",
        path: "/auth/v1/verify",
        body: |email| json!({ "email": email, "type": "email", "token": "000000" }),
    },
    Question {
        what: "signup",
        path: "/auth/v1/signup",
        body: |email| json!({ "email": email, "password": "Another-Password-1!" }),
    },
];

/// Known and unknown addresses in random order, each once, one at a time.
pub fn timing(bench: &Bench<'_>) -> Result<()> {
    salted_apart(bench)?;
    for (at, question) in QUESTIONS.iter().enumerate() {
        let (mut known, mut unknown) = (Sample::default(), Sample::default());
        let (mut connection, mut chance) =
            (Connection::open(bench.server.address())?, Chance(0x9e37_79b9 + at as u64));
        let mut answers: [Option<u16>; 2] = [None, None];
        // The first few warm what is cold for either.
        for turn in 0..2 * SAMPLES + 40 {
            let is_known =
                if known.len() >= SAMPLES { false } else { unknown.len() >= SAMPLES || chance.flip() };
            let who = 1000 + at * 1500 + turn;
            let email =
                if is_known { user_email(who as u64) } else { format!("nobody-{at}-{turn}@example.com") };
            let (took, answer) = one(bench, &mut connection, question, &email)?;
            if let Some(before) = answers[usize::from(is_known)].replace(answer.status)
                && before != answer.status
            {
                bail!("{}: {before} and then {} for {email}", question.what, answer.status);
            }
            if turn >= 40 {
                if is_known { known.add(took) } else { unknown.add(took) }
            }
        }
        if answers[0] != answers[1] {
            bail!("{}: the status tells: {answers:?}", question.what);
        }
        let found = welch::test(&known, &unknown);
        println!(
            "   {:<8} {:>7.3} ms known, {:>7.3} ms unknown, means of {SAMPLES}; t {:>6.2}",
            question.what,
            known.mean() * 1000.0,
            unknown.mean() * 1000.0,
            found.t
        );
        verdict(&format!("{}: p", question.what), found.p, Aim::AtLeast(0.01));
    }
    Ok(())
}

fn one(
    bench: &Bench<'_>,
    connection: &mut Connection,
    question: &Question,
    email: &str,
) -> Result<(f64, Answer)> {
    let body = (question.body)(email).to_string();
    let key = bench.server.publishable_key();
    let began = Instant::now();
    let answer = connection.send("POST", question.path, key, &[&sender()], &body)?;
    Ok((began.elapsed().as_secs_f64(), answer))
}

/// Enough chance for an order (xorshift).
struct Chance(u64);

impl Chance {
    fn flip(&mut self) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 & 0x10 == 0
    }
}
