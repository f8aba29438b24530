//! Logs: JSON lines on standard error in `serve`, short lines for people in `dev`. The level can change at run time.

use std::io::IsTerminal;

use base::Profile;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// Changes the level of a running program.
#[derive(Clone)]
pub struct Level(reload::Handle<EnvFilter, Registry>);

impl Level {
    /// Sets it: `error`, `warn`, `info`, `debug` or `trace`.
    pub fn set(&self, level: &str) -> bool {
        self.0.reload(filter(level)).is_ok()
    }
}

/// Starts logging. Called once, by the binary; tests that build the program in-process do without.
pub fn start(profile: Profile, level: &str) -> Option<Level> {
    let (filter, handle) = reload::Layer::new(filter(level));
    let registry = Registry::default().with(filter);
    let started = match profile {
        Profile::Dev => {
            let lines = fmt::layer().compact().with_target(false).with_writer(std::io::stderr);
            registry.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init()
        }
        Profile::Serve | Profile::Conformance => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()
        }
    };
    started.is_ok().then_some(Level(handle))
}

/// Our level, with the libraries below us kept to warnings.
fn filter(level: &str) -> EnvFilter {
    EnvFilter::new(format!("{level},hyper=warn,h2=warn,tokio_postgres=warn,rustls=warn,redis=warn"))
}
