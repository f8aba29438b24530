//! `palisade lint` and `palisade policies …`: asks the running server, prints what it says.

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use crate::cli::Report;
use crate::commands::say;
use crate::config::exit::Exit;
use crate::control::{self, Error};

/// `palisade policies …`
#[derive(Subcommand)]
pub enum Policies {
    /// Propose policies that keep people's rows apart, from foreign keys to auth.users, as SQL. Nothing is changed.
    Generate {
        /// One table, whatever it has. Default: every served table without a policy.
        table: Option<String>,
        /// With a table: which rows are found and changed, instead of what its keys say.
        #[arg(long, requires = "table")]
        using: Option<String>,
        /// What a written row must be. Without it, --using is refused.
        #[arg(long, requires = "using")]
        check: Option<String>,
        /// Where the server is.
        #[command(flatten)]
        report: Report,
    },
    /// Prove that people never reach each other's rows, over every small database, or show how they do as SQL. Exit 1 when
    /// they do. Whose rows are whose is read from foreign keys and comments (`@palisade owner: user_id`).
    Prove {
        /// One table. Default: every served table whose rows belong to somebody.
        table: Option<String>,
        /// Where the server is.
        #[command(flatten)]
        report: Report,
    },
    /// Try all four verbs on a table in somebody's place; everything is rolled back.
    Test {
        /// The table.
        table: String,
        /// Who.
        #[command(flatten)]
        whom: Whom,
        /// The row to insert, as JSON.
        #[arg(long, default_value = "{}")]
        row: String,
        /// Where the server is.
        #[command(flatten)]
        report: Report,
    },
}

/// In whose place.
#[derive(Args, Clone)]
pub struct Whom {
    /// The account's id. Default: somebody who has not signed in.
    #[arg(long)]
    pub user: Option<String>,
    /// As if they had proven two factors.
    #[arg(long)]
    pub aal2: bool,
}

/// What is done to a row.
#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum Verb {
    /// Seen.
    Select,
    /// Made.
    Insert,
    /// Changed.
    Update,
    /// Removed.
    Delete,
}

/// `palisade explain-access`
#[derive(Args, Clone)]
pub struct ExplainAccess {
    /// Who.
    #[command(flatten)]
    pub whom: Whom,
    /// The row: `public.notes:17`, keys of several columns with commas; for an insert the table alone.
    #[arg(long)]
    pub row: String,
    /// What is done to it.
    #[arg(long, default_value = "select")]
    pub verb: Verb,
    /// As JSON: what an update changes, what an insert has.
    #[arg(long, default_value = "{}")]
    pub set: String,
    /// Where the server is.
    #[command(flatten)]
    pub report: Report,
}

/// Runs one.
pub async fn run(what: &Policies) -> Result<Exit, Error> {
    match what {
        Policies::Generate { table, using, check, report } => {
            let asked = json!({ "table": table, "using": using, "check": check });
            let answer =
                control::ask(&report.at.data, Method::POST, "/policies/generate", Some(&asked)).await?;
            generated(&answer, report.json)
        }
        Policies::Prove { table, report } => {
            let asked = json!({ "table": table });
            let answer = control::ask(&report.at.data, Method::POST, "/policies/prove", Some(&asked)).await?;
            proved(&answer, report.json)
        }
        Policies::Test { table, whom, row, report } => {
            let asked = json!({ "user": whom.user, "aal2": whom.aal2, "table": table, "row": object(row)? });
            let answer = control::ask(&report.at.data, Method::POST, "/access/try", Some(&asked)).await?;
            tried(&answer, report.json)
        }
    }
}

fn proved(answer: &Value, as_json: bool) -> Result<Exit, Error> {
    let proofs = list(answer);
    let refuted = proofs.iter().any(|proof| !proof["verdict"]["refuted"].is_null());
    let exit = if refuted { Exit::Failed } else { Exit::Success };
    if as_json {
        say(&answer.to_string());
        return Ok(exit);
    }
    if proofs.iter().all(|proof| proof["verdict"] == "unclaimed") {
        say(
            "nothing says whose rows are whose: no foreign key leads to auth.users, and no comment says `@palisade owner: …`",
        );
    }
    for proof in proofs {
        let (object, verdict, cases) = (text(proof, "object"), &proof["verdict"], &proof["cases"]);
        let refuted = &verdict["refuted"];
        if !refuted.is_null() {
            say(&format!(
                "REFUTED {object}: {}. To see it, in a database without rows:\n{}",
                text(refuted, "what"),
                text(refuted, "sql")
            ));
        } else if verdict == "unclaimed" {
            say(&format!(
                "not looked at {object}: nothing says whose its rows are. A comment can: `@palisade owner: column`"
            ));
        } else if verdict == "proven" {
            say(&format!(
                "proven  {object}: {} ({cases} cases: every database of up to 3 rows a table)",
                text(proof, "claim")
            ));
        } else {
            let because: Vec<&str> =
                list(&verdict["tested"]["because"]).iter().filter_map(Value::as_str).collect();
            say(&format!("tested  {object} with {cases} cases, which is no proof: {}", because.join("; ")));
        }
    }
    Ok(exit)
}

fn object(text: &str) -> Result<Value, Error> {
    let value: Value = serde_json::from_str(text)?;
    match value.is_object() {
        true => Ok(value),
        false => {
            Err(Error::Refused { message: format!("{text} is not a JSON object of columns and values") })
        }
    }
}

fn outcome(value: &Value) -> String {
    match value.get("refused") {
        Some(refused) => format!("refused: {} {}", text(refused, "code"), text(refused, "message")),
        None => value.as_str().unwrap_or_default().replace('_', " "),
    }
}

fn tried(answer: &Value, as_json: bool) -> Result<Exit, Error> {
    if as_json {
        say(&answer.to_string());
        return Ok(Exit::Success);
    }
    let of = |name| text(answer, name);
    say(&format!("{} (role {}) on {}, {} rows:", of("who"), of("role"), of("table"), answer["rows"]));
    for attempt in list(&answer["attempts"]) {
        let (verb, outcome) = (text(attempt, "verb"), outcome(&attempt["outcome"]));
        say(&format!("  {verb:7} {} rows, {outcome}", attempt["rows"]));
    }
    Ok(Exit::Success)
}

/// `palisade explain-access`: exit 1 when it is refused.
pub async fn explain_access(asked: &ExplainAccess) -> Result<Exit, Error> {
    let verb = match asked.verb {
        Verb::Select => "select",
        Verb::Insert => "insert",
        Verb::Update => "update",
        Verb::Delete => "delete",
    };
    let ExplainAccess { whom, row, set, report, .. } = asked;
    let question =
        json!({ "user": whom.user, "aal2": whom.aal2, "row": row, "verb": verb, "values": object(set)? });
    let answer = control::ask(&report.at.data, Method::POST, "/access/explain", Some(&question)).await?;
    let exit = if answer["allowed"] == true { Exit::Success } else { Exit::Failed };
    if report.json {
        say(&answer.to_string());
        return Ok(exit);
    }
    let can = if exit == Exit::Success { "can" } else { "cannot" };
    let of = |name| text(&answer, name);
    say(&format!("{} (role {}) {can} {verb} {row}: {}", of("who"), of("role"), of("because")));
    list(&answer["policies"]).iter().for_each(say_policy);
    say(&format!("  carried out and rolled back: {}", outcome(&answer["executed"])));
    Ok(exit)
}

fn say_policy(policy: &Value) {
    let holds = match (&policy["error"], &policy["holds"]) {
        (Value::String(error), _) => format!("fails: {error}"),
        (_, Value::Bool(true)) => "true".to_owned(),
        (_, Value::Bool(false)) => "false".to_owned(),
        _ => "unknown, which lets nothing through".to_owned(),
    };
    let kind = if policy["permissive"] == true { "policy" } else { "restrictive policy" };
    say(&format!("  {kind} {} on the {}: {holds}", text(policy, "policy"), text(policy, "asked")));
    say(&format!("    {} {}", text(policy, "clause"), text(policy, "expression")));
    say(&format!("    with {}", policy["bound"]));
}

fn generated(answer: &Value, as_json: bool) -> Result<Exit, Error> {
    if as_json {
        say(&answer.to_string());
        return Ok(Exit::Success);
    }
    let proposals = list(answer);
    if proposals.is_empty() {
        say("-- every served table has a policy, or nothing leads from it to auth.users");
    }
    for proposal in proposals {
        say(&format!("-- {}: {}", text(proposal, "table"), text(proposal, "why")));
        list(&proposal["statements"])
            .iter()
            .for_each(|sql| say(&format!("{};", sql.as_str().unwrap_or_default())));
        say("");
    }
    Ok(Exit::Success)
}

/// `palisade lint`
pub async fn lint(report: &Report) -> Result<Exit, Error> {
    let answer = control::ask(&report.at.data, Method::GET, "/lint?probes=no", None).await?;
    let exit = if answer["errors"] == 0 { Exit::Success } else { Exit::Failed };
    if report.json {
        say(&answer.to_string());
        return Ok(exit);
    }
    let findings = list(&answer["findings"]);
    if findings.is_empty() {
        say("nothing found");
    }
    for finding in findings {
        let of = |name| text(finding, name);
        say(&format!(
            "{:5} {} {}\n      {}: {}",
            of("level"),
            of("rule"),
            of("name"),
            of("object"),
            of("detail")
        ));
        if let Some(fix) = finding["fix"].as_str() {
            say(&format!("      fix: {fix};"));
        }
    }
    Ok(exit)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
