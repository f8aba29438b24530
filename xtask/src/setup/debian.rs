//! Programs of Debian packages that are not installed for the whole machine: unpacked into `target/tools`. Most are for
//! tests only, and installed after all where that can be done.
//!
//! Unpacking takes a package with everything it needs that this machine lacks, as `apt-get` itself reckons it, from
//! package lists of our own: nothing of the machine is written.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{found, missing, system, write_if_changed};
use crate::shell;
use crate::workspace::Workspace;

/// A program and the package it comes in; `flag` makes it say something and end well.
pub struct Wanted {
    /// What it is called in what we print.
    pub title: &'static str,
    /// Its names in `PATH`.
    pub names: &'static [&'static str],
    /// Where it really lies in its package; then what else of the package is used.
    pub inside: &'static [&'static str],
    /// The package.
    pub package: &'static str,
    /// What is asked of it.
    pub flag: &'static str,
}

/// An ACME server, for tests of certificates, and the name server it asks.
pub const PEBBLE: Wanted = Wanted {
    title: "pebble",
    names: &["pebble"],
    inside: &["usr/bin/pebble", "usr/bin/pebble-challtestsrv"],
    package: "pebble",
    flag: "-h",
};
/// Another TLS implementation's look at ours.
pub const SSLSCAN: Wanted = Wanted {
    title: "sslscan",
    names: &["sslscan"],
    inside: &["usr/bin/sslscan"],
    package: "sslscan",
    flag: "--version",
};
/// Another's list of what a server of today must not speak.
pub const TESTSSL: Wanted = Wanted {
    title: "testssl.sh",
    names: &["testssl"],
    inside: &["usr/bin/testssl"],
    package: "testssl.sh",
    flag: "--version",
};
/// A browser for clients that are pages. What Debian calls `chromium` is a script that knows only its own place.
pub const CHROMIUM: Wanted = Wanted {
    title: "Chromium",
    names: &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
    inside: &["usr/lib/chromium/chromium"],
    package: "chromium",
    flag: "--version",
};

/// What reads our log for those who keep their fail2ban.
pub const FAIL2BAN: Wanted = Wanted {
    title: "fail2ban",
    names: &["fail2ban-regex"],
    inside: &["usr/bin/fail2ban-regex"],
    package: "fail2ban",
    flag: "--version",
};

impl Wanted {
    /// The machine's own, if it runs.
    fn on_path(&self) -> Option<PathBuf> {
        let path = system::variable("PATH").unwrap_or_default();
        let places =
            std::env::split_paths(&path).flat_map(|at| self.names.iter().map(move |name| at.join(name)));
        places.into_iter().find(|place| place.exists() && self.runs(place))
    }

    /// Whether it starts: it may call being asked for help a mistake.
    fn runs(&self, program: &Path) -> bool {
        let output = shell::program(program, &[self.flag]).stdin(std::process::Stdio::null()).output();
        // A loader that misses a library ends with 127, and so does a shell without the program.
        output.is_ok_and(|output| output.status.code().is_some_and(|code| code != 127))
    }
}

/// A second host, and firewalls for tests of what it reaches: as root only, who alone may have either.
pub const FIREWALLS: [Wanted; 4] = [
    Wanted { title: "ip", names: &["ip"], inside: &["usr/sbin/ip"], package: "iproute2", flag: "-V" },
    Wanted {
        title: "nft",
        names: &["nft"],
        inside: &["usr/sbin/nft"],
        package: "nftables",
        flag: "--version",
    },
    Wanted {
        title: "iptables",
        names: &["iptables"],
        inside: &["usr/sbin/iptables"],
        package: "iptables",
        flag: "--version",
    },
    Wanted { title: "ufw", names: &["ufw"], inside: &["usr/sbin/ufw"], package: "ufw", flag: "--version" },
];

/// The machine's own, or the package's: the program itself.
pub fn find_or_install(workspace: &Workspace, wanted: &Wanted) -> Result<PathBuf> {
    if let Some(program) = wanted.on_path() {
        found(wanted.title, &format!("{}, for tests", program.display()));
        return Ok(program);
    }
    if system::may_install() {
        missing(wanted.title, "installing the system's package, for tests");
        system::install(&[wanted.package])?;
        return wanted.on_path().with_context(|| format!("the package brought no {}", wanted.title));
    }
    let unpacked = Unpacked::get(workspace, wanted.title, &[wanted.package])?;
    let programs: Vec<PathBuf> =
        wanted.inside.iter().map(|inside| unpacked.program(inside)).collect::<Result<_>>()?;
    let program = programs.into_iter().next().with_context(|| format!("{} is nowhere", wanted.title))?;
    if !wanted.runs(&program) {
        bail!(
            "{} does not run from its package: install `{}` for the whole machine",
            program.display(),
            wanted.package
        );
    }
    found(wanted.title, &format!("{}, for tests", program.display()));
    Ok(program)
}

/// Packages that were unpacked, with what they need.
pub struct Unpacked {
    /// `target/tools/debian`.
    folder: PathBuf,
}

impl Unpacked {
    /// Unpacks them unless that is done.
    pub fn get(workspace: &Workspace, title: &str, packages: &[&str]) -> Result<Self> {
        let unpacked = Unpacked { folder: workspace.tools().join("debian") };
        let done = unpacked.folder.join(format!("done/{}", packages.join("+")));
        if done.exists() {
            return Ok(unpacked);
        }
        if !Path::new("/usr/bin/apt-get").exists() {
            bail!("no {title} on this machine, and it has no apt-get: install `{}`", packages.join(" "));
        }
        missing(title, "unpacking its packages into target/tools/debian, nothing is installed");
        let needed = unpacked.needed(packages)?;
        let archives = unpacked.folder.join("archives");
        std::fs::create_dir_all(&archives)?;
        println!("   {} packages: {}", needed.len(), needed.join(" "));
        let mut download = unpacked.apt(&["--quiet=2", "download"]);
        shell::quiet(download.args(&needed).current_dir(&archives))?;
        for entry in std::fs::read_dir(&archives)? {
            let archive = entry?.path();
            if archive.extension().is_some_and(|end| end == "deb") {
                let mut unpack = shell::program("dpkg-deb", &["-x"]);
                shell::quiet(unpack.arg(&archive).arg(unpacked.root()))?;
                std::fs::remove_file(&archive)?;
            }
        }
        write_if_changed(&done, &needed.join("\n"))?;
        Ok(unpacked)
    }

    /// Where the packages' `/` is.
    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Packages that would have to be installed, as a rehearsal tells; never the C library, which the loader has already.
    fn needed(&self, packages: &[&str]) -> Result<Vec<String>> {
        let lists = self.folder.join("lists/partial");
        if !lists.exists() {
            std::fs::create_dir_all(&lists)?;
            std::fs::create_dir_all(self.folder.join("cache/archives/partial"))?;
            let fetched = shell::quiet(&mut self.apt(&["--quiet=2", "update"]));
            if fetched.is_err() {
                // Asked for again next time.
                std::fs::remove_dir_all(self.folder.join("lists"))?;
            }
            fetched?;
        }
        let mut rehearse = self.apt(&["--simulate", "--no-install-recommends", "install"]);
        let told = shell::look(rehearse.args(packages))
            .with_context(|| format!("apt-get finds no `{}`", packages.join(" ")))?;
        let here = self.here();
        Ok(installed_by(&told).into_iter().filter(|package| !here.contains(package)).collect())
    }

    /// Packages that were unpacked before, for whatever needed them.
    fn here(&self) -> Vec<String> {
        let done = std::fs::read_dir(self.folder.join("done")).into_iter().flatten().flatten();
        let lists = done.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
        lists.flat_map(|list| list.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// apt-get with lists and a cache of our own.
    fn apt(&self, arguments: &[&str]) -> Command {
        let mut command = shell::program("apt-get", &[]);
        for (option, folder) in [("Dir::State::Lists", "lists"), ("Dir::Cache", "cache")] {
            command.arg("-o").arg(format!("{option}={}", self.folder.join(folder).display()));
        }
        command.args(arguments);
        command
    }

    /// Directories with libraries, for the loader.
    pub fn libraries(&self) -> Result<String> {
        let mut found = Vec::new();
        for base in ["usr/lib", "lib"] {
            for folder in folders(&self.root().join(base)) {
                if folder.file_name().is_some_and(|name| name.to_string_lossy().ends_with("-linux-gnu")) {
                    // Some libraries keep their own libraries a folder further down.
                    found.extend(folders(&folder));
                    found.push(folder);
                }
            }
        }
        found.retain(|folder| has_library(folder));
        Ok(found.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(":"))
    }

    /// A script in `debian/bin` that starts a program of these packages as if they were installed.
    pub fn program(&self, inside: &str) -> Result<PathBuf> {
        self.program_in("bin", inside)
    }

    /// The same in another folder of `debian`, for programs that look for their like beside them.
    pub fn program_in(&self, folder: &str, inside: &str) -> Result<PathBuf> {
        let name = inside.rsplit('/').next().unwrap_or(inside);
        let script = self.folder.join(folder).join(name);
        let fonts = self.folder.join("fonts.conf");
        let root = self.root();
        let described = format!(
            "<?xml version=\"1.0\"?>\n<!DOCTYPE fontconfig SYSTEM \"fonts.dtd\">\n<fontconfig>\n  <dir>{}</dir>\n  \
             <dir>/usr/share/fonts</dir>\n  <cachedir>{}</cachedir>\n</fontconfig>\n",
            root.join("usr/share/fonts").display(),
            self.folder.join("cache/fonts").display()
        );
        write_if_changed(&fonts, &described)?;
        // A script of Python names the machine's own, which may not be there: the packages bring one along.
        let program = root.join(inside);
        let python = root.join("usr/bin/python3");
        let is_python = std::fs::read(&program).is_ok_and(|text| text.starts_with(b"#!/usr/bin/python3"));
        let by =
            if is_python && python.exists() { format!("'{}' ", python.display()) } else { String::new() };
        let text = format!(
            "#!/bin/sh\nexport LD_LIBRARY_PATH='{}' FONTCONFIG_FILE='{}' PYTHONPATH='{}'\nexec {by}'{}' \"$@\"\n",
            self.libraries()?,
            fonts.display(),
            root.join("usr/lib/python3/dist-packages").display(),
            program.display()
        );
        write_if_changed(&script, &text)?;
        shell::quiet(shell::program("chmod", &["0755"]).arg(&script))?;
        Ok(script)
    }
}

/// The packages in what `apt-get --simulate` prints.
fn installed_by(told: &str) -> Vec<String> {
    let names = told.lines().filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next());
    names.filter(|name| !["libc6", "libc-bin"].contains(name)).map(str::to_owned).collect()
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn has_library(folder: &Path) -> bool {
    let mut names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.any(|name| name.to_string_lossy().contains(".so"))
}

#[cfg(test)]
mod tests {
    use super::installed_by;

    #[test]
    fn a_rehearsal_names_what_would_be_installed() {
        let told = "Reading package lists...\nInst libnss3 (2:3.87 Debian:12 [amd64])\nInst libc6 [2.36-1] (2.36-2 Debian:12 [amd64])\n\
                    Inst chromium (156.0 Debian:12 [amd64])\nConf libnss3 (2:3.87 Debian:12 [amd64])\n";
        assert_eq!(installed_by(told), ["libnss3", "chromium"]);
    }
}
