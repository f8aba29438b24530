//! What is in memory stays there: a crash writes none of it anywhere. Keys, passwords on their way to their hash and people's
//! rows are all in the memory of this program and of the database it starts, which inherits both of what is set here.

use std::fs;

use nix::sys::resource::{Resource, setrlimit};

/// No core file, and nothing in what the kernel would hand to a program that collects crashes (`kernel.core_pattern` with a
/// pipe, which no limit of size holds back). Where either cannot be set the start goes on: control 101 says so.
pub fn keep_private() {
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        tracing::warn!(%error, "a crash may write memory to a core file");
    }
    // Absent on kernels that write none.
    let filter = fs::write("/proc/self/coredump_filter", "0");
    if let Err(error) = filter
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, "a crash may hand memory to whatever collects crashes");
    }
}
