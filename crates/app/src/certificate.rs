//! `palisade tls …`: what certificate a running server shows, and a new one.

use http::Method;
use serde_json::Value;

use crate::cli::Tls;
use crate::commands::say;
use crate::config::exit::Exit;
use crate::control::{self, Error};

/// Runs one.
pub async fn run(what: &Tls) -> Result<Exit, Error> {
    match what {
        Tls::Status(report) => {
            let status = control::ask(&report.at.data, Method::GET, "/tls", None).await?;
            if report.json {
                say(&status.to_string());
            } else {
                tell(&status);
            }
            let well = status["certificate"].is_object() && status["trouble"].is_null();
            Ok(if well { Exit::Success } else { Exit::Failed })
        }
        Tls::Renew { dry_run: false, at } => {
            tell(&control::ask(&at.data, Method::POST, "/tls/renew", None).await?);
            Ok(Exit::Success)
        }
        Tls::Renew { dry_run: true, at } => {
            let rehearsed = control::ask(&at.data, Method::POST, "/tls/rehearse", None).await?;
            say("a renewal would work: the staging directory gave this, and it was thrown away");
            certificate(&rehearsed["certificate"]);
            Ok(Exit::Success)
        }
    }
}

fn tell(status: &Value) {
    match &status["certificate"] {
        Value::Null => say("there is no certificate yet"),
        facts => certificate(facts),
    }
    for (name, label) in [("renews_at", "renewed at"), ("rehearsed_at", "rehearsed"), ("trouble", "trouble")]
    {
        if let Some(text) = status[name].as_str() {
            say(&format!("{label:12} {text}"));
        }
    }
}

fn certificate(facts: &Value) {
    let text = |name: &str| facts[name].as_str().unwrap_or_default().to_owned();
    let names: Vec<&str> =
        facts["names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    say(&format!("{:12} {}", "for", names.join(", ")));
    say(&format!("{:12} {}", "issued by", text("issuer")));
    say(&format!("{:12} {} to {}", "holds from", text("not_before"), text("not_after")));
    say(&format!("{:12} {}", "OCSP", facts["ocsp"].as_str().unwrap_or("the issuer has none (CRL only)")));
}
