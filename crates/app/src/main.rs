//! The binary: reads the process's surroundings once, and hands them on. Nothing else in the program looks at them.

use std::collections::BTreeMap;
use std::process::ExitCode;

/// Takes a tenth off the CPU of a request, and gives back what a large answer needed; libc's kept it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // With two providers in the tree rustls has no default; the first TLS connection would panic without this.
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    debug_assert!(installed.is_ok());
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let exit = app::program::run(std::env::args().collect(), variables);
    ExitCode::from(exit.code())
}
