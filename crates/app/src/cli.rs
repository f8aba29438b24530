//! The command line: what a person or a script may ask of the program.
//!
//! Flags with a dot (`--auth.access_token_expiry 5m`) are settings and are taken out before the commands are read, so
//! that every setting is a flag without being written down again here.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::alerts::Alerts;
use crate::bans::Bans;
use crate::canaries::Canaries;
use crate::db::Db;
use crate::exposure::{Doctor, Rules};
use crate::mails::Mails;
use crate::migrate::Migrate;
use crate::policies::{ExplainAccess, Policies};
use crate::roles::Roles;

/// A self-hosted backend in one program that is secure by default, and proves it.
#[derive(Parser)]
#[command(name = "palisade", version, about, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Run the server in the foreground.
    Serve(Serve),
    /// Run the server on the internet: get a certificate for its names, listen on 443, send plain HTTP on from 80.
    Up(Up),
    /// The certificate of a running server.
    Tls {
        /// What to do.
        #[command(subcommand)]
        what: Tls,
    },
    /// Run the server with the demo application and a mail catcher, on loopback.
    Dev(Serve),
    /// Look at the configuration without starting anything.
    Config {
        /// What to do with it.
        #[command(subcommand)]
        what: Config,
    },
    /// Administrators of a running server.
    Admin {
        /// What to do.
        #[command(subcommand)]
        what: Admin,
    },
    /// The tamper-evident audit log of a running server.
    Audit {
        /// What to do.
        #[command(subcommand)]
        what: Audit,
    },
    /// Run every probe and print what is proven, failing or needs you.
    Posture {
        /// Line by line of one guide instead.
        #[arg(long)]
        guide: Option<GuideName>,
        /// Where the server is.
        #[command(flatten)]
        report: Report,
    },
    /// Run the probe of one control and print its evidence.
    Check {
        /// The control's number.
        control: u16,
        /// Where the server is.
        #[command(flatten)]
        report: Report,
    },
    /// Say what a control is for and how it is proven.
    Explain {
        /// The control's number.
        control: u16,
    },
    /// API keys of a running server.
    Keys {
        /// What to do.
        #[command(subcommand)]
        what: Keys,
    },
    /// The GraphQL schema of a running server, as a role sees it.
    Graphql {
        /// What to do.
        #[command(subcommand)]
        what: Graphql,
    },
    /// Tables that are not served, and why.
    Gate {
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// What is unsafe or slow in the schema, by the numbers of Supabase's advisors and our own. Exit 1 when there is an
    /// error.
    Lint {
        /// Where the server is.
        #[command(flatten)]
        report: Report,
    },
    /// Print the types of what is served: TypeScript for supabase-js (`createClient<Database>`), or zod schemas.
    Types {
        /// As zod schemas.
        #[arg(long)]
        zod: bool,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Row level security: propose it, try it, explain it, prove it.
    #[command(visible_alias = "policy")]
    Policies {
        /// What to do.
        #[command(subcommand)]
        what: Policies,
    },
    /// What our mails say, with made-up values.
    Mails {
        /// What to do.
        #[command(subcommand)]
        what: Mails,
    },
    /// The application's own roles: what somebody may do beyond the four database roles.
    Roles {
        /// What to do.
        #[command(subcommand)]
        what: Roles,
    },
    /// Say why somebody can or cannot see, make, change or remove a row, policy by policy. Exit 1 when they cannot.
    ExplainAccess(ExplainAccess),
    /// The application's own migrations: plain SQL files, applied once, in order.
    Migrate {
        /// What to do.
        #[command(subcommand)]
        what: Migrate,
    },
    /// The firewall that leaves open what this server serves, and SSH.
    Firewall {
        /// What to do.
        #[command(subcommand)]
        what: Rules,
    },
    /// What of this machine others can reach, with evidence. Exit 1 when it is something that nobody meant.
    Doctor(Doctor),
    /// Try addresses from here: what `doctor --outside-in` runs on its second host.
    #[command(hide = true)]
    Scan {
        /// Addresses with ports.
        targets: Vec<SocketAddr>,
    },
    /// What was raised in a running server, and who is told.
    Alerts {
        /// What to do.
        #[command(subcommand)]
        what: Alerts,
    },
    /// Addresses that are kept out of a running server.
    Bans {
        /// What to do.
        #[command(subcommand)]
        what: Bans,
    },
    /// Baits that nobody has a reason to touch: keys that open nothing, rows and paths.
    Canaries {
        /// What to do.
        #[command(subcommand)]
        what: Canaries,
    },
    /// The database for people and programs that come with SQL.
    Db {
        /// What to do.
        #[command(subcommand)]
        what: Db,
    },
    /// Print the last lines of a running server's own log.
    Log {
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Change how much a running server's log says: at once, recorded in the audit log, and until the settings are
    /// read again (SIGHUP) or the server is started again.
    LogLevel {
        /// error, warn, info, debug or trace.
        level: String,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Write the generated reference pages.
    #[command(hide = true)]
    Docs {
        /// The documents' folder.
        #[arg(long, default_value = "docs")]
        out: PathBuf,
        /// Only say whether they are current; exit 1 when not.
        #[arg(long)]
        check: bool,
    },
}

/// `palisade up …`
#[derive(Args, Clone)]
pub struct Up {
    /// A name or address to get a certificate for; several are one certificate.
    #[arg(long, required = true)]
    pub domain: Vec<String>,
    /// Whom the certificate authority writes to when something is wrong. Asking for a certificate agrees to its terms.
    #[arg(long)]
    pub email: Option<String>,
    /// As for serve; it listens on [::]:443 if nothing is said.
    #[command(flatten)]
    pub serve: Serve,
}

/// `palisade tls …`
#[derive(Subcommand)]
pub enum Tls {
    /// Print what certificate is in force, until when, and when it is renewed. Exit 1 when something is wrong with it.
    Status(Report),
    /// Try, without a running server, whether a certificate could be got: looks at the port and the names, gets one from the
    /// staging directory, and throws it away.
    Try(Try),
    /// Get a new certificate now; the one in force stays until there is one.
    Renew {
        /// At the staging directory, and throw it away: everything a renewal needs, but the renewal.
        #[arg(long)]
        dry_run: bool,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
}

/// What to try to get a certificate for.
#[derive(Args, Clone)]
pub struct Try {
    /// A name or address; again for more.
    #[arg(long, required = true)]
    pub domain: Vec<String>,
    /// Where the authority writes to.
    #[arg(long)]
    pub email: Option<String>,
    /// Where it will come to. Default: every address.
    #[arg(long, default_value = "::")]
    pub listen: std::net::IpAddr,
    /// The settings' file.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// How to run the server.
#[derive(Args, Clone)]
pub struct Serve {
    /// Everything the server keeps: database, keys, audit heads.
    #[arg(long, default_value = "data")]
    pub data: PathBuf,
    /// Where to listen; port 0 lets the system choose. Default: 127.0.0.1 and server.port.
    #[arg(long, overrides_with = "listen")]
    pub listen: Option<SocketAddr>,
    /// Written (0600) as JSON once every listener answers.
    #[arg(long)]
    pub ready_file: Option<PathBuf>,
    /// The configuration file. Default: palisade.yaml in the current folder, if there is one.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Another way of running, for outside test-suites only.
    #[arg(long)]
    pub profile: Option<ProfileName>,
}

/// Profiles that are asked for by name.
#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum ProfileName {
    /// What outside conformance suites need; loopback only.
    Conformance,
}

/// The guides, as the controls abbreviate them.
#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
pub enum GuideName {
    /// AppFlowy's Security Overview.
    Af,
    /// Fluxbase's Security Best Practices.
    Fx,
}

/// Where a running server is.
#[derive(Args, Clone)]
pub struct At {
    /// The running server's data folder.
    #[arg(long, default_value = "data")]
    pub data: PathBuf,
}

/// A report's form.
#[derive(Args, Clone)]
pub struct Report {
    /// Where the server is.
    #[command(flatten)]
    pub at: At,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// `palisade config …`
#[derive(Subcommand)]
pub enum Config {
    /// Every setting's value and where it came from; secrets as set or unset.
    Explain(ConfigFile),
    /// Refuse what `serve` would refuse, all of it at once.
    Check(ConfigFile),
    /// The JSON schema of palisade.yaml.
    Schema,
}

/// Which configuration.
#[derive(Args, Clone)]
pub struct ConfigFile {
    /// The configuration file.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Show what a profile relaxes.
    #[arg(long)]
    pub profile: Option<ProfileName>,
}

/// `palisade admin …`
#[derive(Subcommand)]
pub enum Admin {
    /// Make an administrator and print the one-time link (15 minutes) with which they set themselves up.
    Create {
        /// Their address.
        email: String,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Take every second factor, passkey and recovery code from somebody who lost them, and end their sessions. An
    /// administrator then needs a new link (`palisade admin create`).
    ResetFactors {
        /// Their address.
        email: String,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
}

/// `palisade audit …`
#[derive(Subcommand)]
pub enum Audit {
    /// Walk the chain and name the first bad entry.
    Verify(Report),
    /// Print entries, newest first.
    List {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// How many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Print entries in the order of the chain, one JSON object a line, with their place and hash.
    Export {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
}

/// Which entries of the audit log. Everything left out matches.
#[derive(Args)]
pub struct Which {
    /// Only this event or group (`auth.login`, `auth`).
    #[arg(long)]
    pub event: Option<String>,
    /// Only this actor (`user:…`, `key:…`, `operator`, `system`).
    #[arg(long)]
    pub actor: Option<String>,
    /// Only what was done to this (`user:…`, `key:…`).
    #[arg(long)]
    pub subject: Option<String>,
    /// Not before this time (`2026-11-21T12:00:00Z`).
    #[arg(long)]
    pub from: Option<String>,
    /// Before this time.
    #[arg(long)]
    pub to: Option<String>,
}

/// `palisade keys …`
#[derive(Subcommand)]
pub enum Keys {
    /// Print every key's name, kind, state and limits; never the key.
    List {
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Make a secret key for one program, with as little as it needs. It is printed once and kept nowhere.
    Create {
        /// What it is called: small letters, digits and underscores.
        name: String,
        /// What it opens: data:read, data:write, accounts:read, accounts:write. Everything when left out.
        #[arg(long, value_delimiter = ',')]
        scope: Vec<String>,
        /// Addresses and networks it may be used from. Everywhere when left out.
        #[arg(long, value_delimiter = ',')]
        from: Vec<String>,
        /// How long it lives (90d, 12h). For ever when left out.
        #[arg(long)]
        expires: Option<String>,
        /// Write it into this file (0600) instead of printing it.
        #[arg(long)]
        out: Option<PathBuf>,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// Sign tokens with the next key from now on, which is published already. Nobody is signed out.
    Rotate {
        /// The last key is in a stranger's hands: refuse at once what it and those before it signed, and what auth.jwt_secret signed
        /// where that only verifies (jwt.signing: es256). Clients refresh by themselves; tokens of programs that were signed with
        /// auth.jwt_secret elsewhere are dead, and it is not believed again before it has another value.
        #[arg(long)]
        compromised: bool,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
    /// End a key at once, everywhere.
    Revoke {
        /// Its id, as `keys list` prints it.
        id: String,
        /// Where the server is.
        #[command(flatten)]
        at: At,
    },
}

/// `palisade graphql …`
#[derive(Subcommand)]
pub enum Graphql {
    /// Print the schema in the schema definition language.
    Sdl(Described),
    /// Print the schema's types as TypeScript.
    Types(Described),
}

/// Which schema.
#[derive(Args)]
pub struct Described {
    /// The guide's convention (`plain`) or pg_graphql's (`relay`).
    #[arg(long, default_value = "plain")]
    pub convention: String,
    /// As which database role: anon, authenticated or service_role.
    #[arg(long, default_value = "authenticated")]
    pub role: String,
    /// Where the server is.
    #[command(flatten)]
    pub at: At,
}

/// Takes the settings out of the arguments: `--a.b value` and `--a.b=value`.
pub fn split_settings(args: impl IntoIterator<Item = String>) -> (Vec<String>, Vec<String>) {
    let (mut commands, mut settings) = (Vec::new(), Vec::new());
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let name = arg.split('=').next().unwrap_or_default();
        let is_setting = name.strip_prefix("--").is_some_and(|name| name.contains('.'));
        if !is_setting {
            commands.push(arg);
            continue;
        }
        let complete = arg.contains('=');
        settings.push(arg);
        if !complete && let Some(value) = args.next() {
            settings.push(value);
        }
    }
    (commands, settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_flags_wherever_they_stand() {
        let args = ["palisade", "--a.b", "1", "serve", "--a.c=2", "--data", "d"].map(str::to_owned);
        let (commands, settings) = split_settings(args);
        assert_eq!(commands, ["palisade", "serve", "--data", "d"]);
        assert_eq!(settings, ["--a.b", "1", "--a.c=2"]);
    }

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
