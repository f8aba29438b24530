//! `palisade roles …`: an application's own roles.

use clap::Subcommand;
use http::Method;
use serde_json::{Value, json};

use crate::cli::At;
use crate::commands::{lines, say};
use crate::config::exit::Exit;
use crate::control::{self, Error};

/// `palisade roles …`
#[derive(Subcommand)]
pub enum Roles {
    /// Print every role, its grants and how many have it.
    List {
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Make a role, or replace its grants.
    Set {
        /// Its name.
        role: String,
        /// What it permits: invoices:approve, invoices:*, *.
        #[arg(long, value_delimiter = ',')]
        grant: Vec<String>,
        /// What it is for.
        #[arg(long, default_value = "")]
        description: String,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Remove a role from everybody.
    Remove {
        /// Its name.
        role: String,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Give somebody a role.
    Give {
        /// Its name.
        role: String,
        /// Their id (auth.users.id).
        user: String,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Take a role from somebody.
    Take {
        /// Its name.
        role: String,
        /// Their id (auth.users.id).
        user: String,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Print the roles somebody has.
    Of {
        /// Their id (auth.users.id).
        user: String,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
}

/// Runs one.
pub async fn run(what: &Roles) -> Result<Exit, Error> {
    let change = async |at: &At, method: Method, path: String, body: Option<Value>| {
        control::ask(&at.data, method, &path, body.as_ref()).await
    };
    match what {
        Roles::List { at } => return lines(at, "/admin/v1/roles", line).await,
        Roles::Of { user, at } => {
            let name = |name: &Value| name.as_str().unwrap_or_default().to_owned();
            return lines(at, &format!("/admin/v1/users/{user}/roles"), name).await;
        }
        Roles::Set { role, grant, description, at } => {
            let body = json!({ "grants": grant, "description": description });
            change(at, Method::PUT, format!("/admin/v1/roles/{role}"), Some(body)).await?;
            say(&format!(
                "{role} permits {}",
                if grant.is_empty() { "nothing".to_owned() } else { grant.join(", ") }
            ));
        }
        Roles::Remove { role, at } => {
            change(at, Method::DELETE, format!("/admin/v1/roles/{role}"), None).await?;
            say(&format!("nobody has {role} any more"));
        }
        Roles::Give { role, user, at } => {
            change(at, Method::PUT, format!("/admin/v1/roles/{role}/members/{user}"), None).await?;
            say(&format!("{user} has {role}"));
        }
        Roles::Take { role, user, at } => {
            change(at, Method::DELETE, format!("/admin/v1/roles/{role}/members/{user}"), None).await?;
            say(&format!("{user} has {role} no more"));
        }
    }
    Ok(Exit::Success)
}

fn line(role: &Value) -> String {
    let grants =
        role["grants"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
    let text = |name: &str| role[name].as_str().unwrap_or_default();
    format!("{:24} {:>5}  {}  {}", text("name"), role["members"], grants.join(" "), text("description"))
}
