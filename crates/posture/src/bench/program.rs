//! The program itself, started on an empty directory with settings of the probe's own: what it refuses, it refuses for all.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::{Bench, Trouble};
use crate::limits;

/// How it ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its exit code, if it had one.
    pub code: Option<i32>,
    /// What it said, on both streams.
    pub said: String,
}

impl Bench {
    /// Runs `palisade WORDS` in an empty environment but for `variables`, and waits for its end.
    pub async fn program(&self, words: &[&str], variables: &[(&str, &str)]) -> Result<Ended, Trouble> {
        let what = format!("palisade {}", words.join(" "));
        let mut command = Command::new(&self.place.program);
        command.args(words).env_clear().envs(variables.iter().copied());
        // The root directory has no palisade.yaml that the probe would read by accident.
        command.current_dir("/").stdin(Stdio::null()).kill_on_drop(true);
        let limit = Duration::from_secs(limits::STEP_SECONDS_MAX.value);
        let ended = timeout(limit, command.output()).await.map_err(|_| Trouble::Slow(what.clone()))?;
        let ended = ended.map_err(|source| Trouble::Network { what, source })?;
        let said = [ended.stdout, ended.stderr].concat();
        Ok(Ended { code: ended.status.code(), said: String::from_utf8_lossy(&said).into_owned() })
    }
}
