//! `palisade lint` and `palisade policies …`: asks the running server, prints what it says.

use clap::Subcommand;
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
    }
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
    let answer = control::ask(&report.at.data, Method::GET, "/lint", None).await?;
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
