//! From arguments and variables to an exit code.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base::Profile;
use clap::Parser;

use crate::cli::{Cli, Command, Config, ConfigFile, ProfileName, Serve, Tls, Try, Up};
use crate::commands::{self, say};
use crate::config::exit::Exit;
use crate::config::{self, Flag, Inputs, Loaded, Problems};
use crate::{docs, exposure, lists, logging, preflight, serve, welcome};

/// Runs the program.
pub fn run(arguments: Vec<String>, variables: BTreeMap<String, String>) -> Exit {
    let (commands, flags) = config::flags::split(&lists::settings(), arguments);
    let cli = match Cli::try_parse_from(commands) {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            let _reader_may_be_gone = error.print();
            return exit;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            welcome::complain(&format!("no threads can be started: {error}"));
            return Exit::System;
        }
    };
    let surroundings = Surroundings { variables, flags };
    runtime.block_on(dispatch(cli.command, surroundings))
}

#[derive(Clone)]
struct Surroundings {
    variables: BTreeMap<String, String>,
    flags: Vec<Flag>,
}

async fn dispatch(command: Command, surroundings: Surroundings) -> Exit {
    if let Command::Tls { what: Tls::Try(what) } = &command {
        return try_certificate(what, &surroundings).await;
    }
    if let Some(done) = commands::run(&command).await {
        return done.unwrap_or_else(|error| {
            welcome::complain(&error.to_string());
            if matches!(error, crate::control::Error::NotRunning { .. }) {
                Exit::Unavailable
            } else {
                Exit::Failed
            }
        });
    }
    match command {
        Command::Serve(how) => server(how, Profile::Serve, surroundings).await,
        Command::Up(up) => self::up(up, surroundings).await,
        Command::Dev(how) => server(how, Profile::Dev, surroundings).await,
        Command::Config { what } => config_command(&what, &surroundings),
        Command::Explain { control } => explain(control),
        Command::Firewall { what } => exposure::firewall(&what, &surroundings.variables).await,
        Command::Doctor(asked) => exposure::doctor(&asked, &surroundings.variables).await,
        Command::Scan { targets } => exposure::scan(&targets).await,
        Command::Docs { out, check } => docs::write(&out, check),
        Command::Admin { .. }
        | Command::Audit { .. }
        | Command::Posture { .. }
        | Command::Check { .. }
        | Command::Keys { .. }
        | Command::Gate { .. }
        | Command::Tls { .. }
        | Command::Graphql { .. }
        | Command::Mails { .. }
        | Command::Roles { .. }
        | Command::Lint { .. }
        | Command::Types { .. }
        | Command::Policies { .. }
        | Command::ExplainAccess(_)
        | Command::Migrate { .. }
        | Command::Alerts { .. }
        | Command::Canaries { .. }
        | Command::Bans { .. }
        | Command::Db { .. }
        | Command::Log { .. }
        | Command::LogLevel { .. } => Exit::Success,
    }
}

/// `serve` on every address, with a certificate for what was named.
async fn up(up: Up, mut surroundings: Surroundings) -> Exit {
    let flag = |name: &str, value: String| Flag { name: name.to_owned(), value: Some(value) };
    surroundings.flags.push(flag("server.tls.domains", up.domain.join(",")));
    surroundings.flags.extend(up.email.map(|email| flag("server.tls.email", email)));
    let everywhere = (std::net::Ipv6Addr::UNSPECIFIED, 443).into();
    let how = Serve { listen: Some(up.serve.listen.unwrap_or(everywhere)), ..up.serve };
    server(how, Profile::Serve, surroundings).await
}

/// Whether a certificate could be got, without a server.
async fn try_certificate(what: &Try, surroundings: &Surroundings) -> Exit {
    let loaded = match load(what.file.config.as_deref(), surroundings) {
        Ok(loaded) => loaded,
        Err(problems) => return refused(&problems),
    };
    match crate::certificate::try_out(loaded.settings, what).await {
        Ok(()) => Exit::Success,
        Err(error) => {
            welcome::complain(&error.told());
            error.exit()
        }
    }
}

async fn server(how: Serve, profile: Profile, surroundings: Surroundings) -> Exit {
    let loaded = match load(how.config.as_deref(), &surroundings) {
        Ok(loaded) => loaded,
        Err(problems) => return refused(&problems),
    };
    let profile = if how.profile == Some(ProfileName::Conformance) { Profile::Conformance } else { profile };
    let log = logging::start(profile, &loaded.settings.get(&config::LOGGING_LEVEL));
    let pgrst = surroundings.variables.iter().filter(|(name, _)| name.starts_with("PGRST_"));
    let pgrst = pgrst.map(|(name, value)| (name.clone(), value.clone())).collect();
    let file = how.config.clone();
    let reload = Box::new(move || load(file.as_deref(), &surroundings));
    let at_the_end = log.clone();
    let exit = serve::run(serve::Process { serve: how, loaded, reload, pgrst, log }, profile).await;
    if let Some(log) = at_the_end {
        log.finish();
    }
    exit
}

/// Reads the settings from everything they are made of.
fn load(file: Option<&Path>, surroundings: &Surroundings) -> Result<Loaded, Problems> {
    let flag = file.map(|path| path.to_str().ok_or_else(|| unspeakable(path))).transpose()?;
    let named = config::file_path(flag, &surroundings.variables);
    let path = named.clone().unwrap_or_else(|| "palisade.yaml".to_owned());
    let text = config::whose::read(&path, named.is_some())?;
    if named.is_some() && text.is_none() {
        return Err(Problems::of_file(&path, "There is no such file."));
    }
    let read_by_all = RefCell::new(BTreeSet::new());
    let read = |path: &Path| {
        let read = config::whose::read_secret(path)?;
        if read.is_read_by_all {
            read_by_all.borrow_mut().insert(path.display().to_string());
        }
        Ok(read.text)
    };
    let inputs = Inputs {
        file: text.as_deref().map(|text| (path.as_str(), text)),
        variables: &surroundings.variables,
        flags: &surroundings.flags,
        read: &read,
    };
    let loaded = config::load(&lists::settings(), &inputs)?;
    Ok(Loaded { read_by_all: read_by_all.take().into_iter().collect(), ..loaded })
}

fn unspeakable(path: &Path) -> Problems {
    Problems::of_file(&path.display().to_string(), "The name of the settings file is no UTF-8.")
}

fn refused(problems: &Problems) -> Exit {
    welcome::complain(&problems.to_string());
    Exit::Configuration
}

fn config_command(what: &Config, surroundings: &Surroundings) -> Exit {
    let of = |file: &ConfigFile| load(file.config.as_deref(), surroundings);
    match what {
        Config::Schema => say(&config::docs::json_schema()),
        Config::Check(file) => match of(file) {
            Ok(loaded) => {
                if let Err(error) = preflight::check_all(&loaded.settings, Profile::Serve) {
                    welcome::complain(&error.told());
                    return Exit::Configuration;
                }
                say(&config::explain::not_effective(&loaded.not_effective));
                say(&config::explain::read_by_all(&loaded.read_by_all));
                say("the settings can be started with");
            }
            Err(problems) => return refused(&problems),
        },
        Config::Explain(ConfigFile { profile: Some(ProfileName::Conformance), .. }) => {
            say(crate::conformance::RELAXED)
        }
        Config::Explain(file) => match of(file) {
            Ok(loaded) => say(&config::explain::table(&lists::settings(), &loaded)),
            Err(problems) => return refused(&problems),
        },
    }
    Exit::Success
}

fn explain(number: u16) -> Exit {
    match posture::controls::find(number) {
        Some(control) => {
            say(&posture::report::explain(control, &lists::settings()));
            Exit::Success
        }
        None => {
            welcome::complain(&format!("there is no control {number}: they run from 1 to 150"));
            Exit::Usage
        }
    }
}
