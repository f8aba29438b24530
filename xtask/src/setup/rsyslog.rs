//! A syslog server for the tests of what is sent to one. Palisade itself needs none.
//!
//! Never installed for the whole machine: that would leave a service on it that collects the machine's own log.

use std::path::PathBuf;

use anyhow::Result;

use super::debian::Unpacked;
use super::{found, write_if_changed};
use crate::shell;
use crate::workspace::Workspace;

/// The machine's server with its part for TLS, or the packages'; the directory is for `PATH`.
pub fn find_or_install(workspace: &Workspace) -> Result<Option<PathBuf>> {
    let with_tls = |folder: &str| std::path::Path::new(folder).join("rsyslog/lmnsd_gtls.so").exists();
    let is_whole =
        ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"].into_iter().any(with_tls);
    if is_whole && shell::look(&mut shell::program("rsyslogd", &["-v"])).is_some() {
        found("rsyslog", "the machine's own, for tests");
        return Ok(None);
    }
    let unpacked = Unpacked::get(workspace, "rsyslog", &["rsyslog", "rsyslog-gnutls"])?;
    let root = unpacked.root();
    let libraries = unpacked.libraries()?;
    let modules = libraries.split(':').find(|folder| folder.ends_with("/rsyslog")).unwrap_or_default();
    let script = workspace.tools().join("debian/bin/rsyslogd");
    let text = format!(
        "#!/bin/sh\nexport LD_LIBRARY_PATH='{libraries}'\nexec '{}' -M '{modules}' \"$@\"\n",
        root.join("usr/sbin/rsyslogd").display()
    );
    write_if_changed(&script, &text)?;
    shell::quiet(shell::program("chmod", &["0755"]).arg(&script))?;
    found("rsyslog", &format!("{}, for tests", script.display()));
    Ok(script.parent().map(std::path::Path::to_owned))
}
