//! An embedded server by itself: `embedded DIRECTORY [PROGRAMS]` starts it, says its process and URL, and stops it when standard
//! input ends. The tests kill it in every way they can think of.

use std::io::{BufRead, Write};

use base::Rng;
use pg::managed::{ManagedConfig, Server};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = std::env::args_os().nth(1).ok_or("usage: embedded DIRECTORY [PROGRAMS]")?;
    let pg_bin = std::env::args_os().nth(2).map(Into::into);
    let server = Server::start_blocking(ManagedConfig { pg_bin, ..ManagedConfig::new(home, Rng::system()) })?;
    let process = std::fs::read_to_string(server.cluster_dir().join("postmaster.pid"))?;
    let process = process.lines().next().unwrap_or_default();
    let mut out = std::io::stdout();
    writeln!(out, "ready {process} {}", server.admin_url("postgres").expose())?;
    out.flush()?;
    std::io::stdin().lock().lines().for_each(drop);
    Ok(())
}
