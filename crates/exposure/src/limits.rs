//! The bounds of looking at a machine.

use base::Limit;

/// How long one connection attempt may take.
pub const CONNECT_MS: Limit = Limit::new(
    "exposure_connect_ms_max",
    1_000,
    "a second host is a cable away; longer means that nobody answers",
);
/// Ports tried at once.
pub const AT_ONCE: Limit = Limit::new("exposure_scans_at_once_max", 64, "quick, and no flood");
/// Ports tried in all.
pub const PORTS: Limit =
    Limit::new("exposure_ports_max", 4_096, "every listener of a busy machine, several times over");
/// How long a program that is asked may take.
pub const PROGRAM_SECONDS: Limit = Limit::new("exposure_program_seconds_max", 20, "ufw is written in Python");
/// Largest answer of Docker that is read.
pub const DOCKER_BYTES: Limit = Limit::new("exposure_docker_bytes_max", 4 << 20, "thousands of containers");
