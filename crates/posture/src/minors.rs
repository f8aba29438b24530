//! Minor releases of PostgreSQL that closed holes (attack row 64). Rights and policies are only as good as the server that
//! enforces them, so an older minor of the same major is a finding of control 50.
//!
//! Each line is one release day: what it closed that matters to somebody who may send statements, the first good minor of
//! each major, and where that is said. Add a line with each security release; never change one.

/// One release day.
pub struct Closed {
    /// What was closed.
    pub what: &'static str,
    /// Major version and its first minor without the hole.
    pub since: &'static [(u32, u32)],
    /// Where it is said.
    pub source: &'static str,
}

/// All of them, the newest last.
pub const ALL: &[Closed] = &[
    Closed {
        what: "CVE-2024-10976: a plan made for one role served another; CVE-2024-10977 to 10979",
        since: &[(15, 9), (16, 5), (17, 1)],
        source: "https://www.postgresql.org/support/security/CVE-2024-10976/",
    },
    Closed {
        what: "CVE-2025-1094: quoting that invalid text gets around",
        since: &[(15, 11), (16, 7), (17, 3)],
        source: "https://www.postgresql.org/support/security/CVE-2025-1094/",
    },
    Closed {
        what: "CVE-2025-8713: statistics told of rows that policies hide; CVE-2025-8714, CVE-2025-8715",
        since: &[(15, 14), (16, 10), (17, 6)],
        source: "https://www.postgresql.org/support/security/CVE-2025-8713/",
    },
    Closed {
        what: "CVE-2026-6472 to CVE-2026-6479, CVE-2026-6575, CVE-2026-6637, CVE-2026-6638: writes out of bounds and more",
        since: &[(15, 18), (16, 14), (17, 10), (18, 4)],
        source: "https://www.postgresql.org/about/news/postgresql-184-1710-1614-1518-and-1423-released-3297/",
    },
];

/// What `server_version_num` still has open.
pub fn open(version: u32) -> impl Iterator<Item = &'static Closed> {
    let (major, minor) = (version / 10_000, version % 10_000);
    ALL.iter().filter(move |closed| closed.since.iter().any(|(of, first)| *of == major && minor < *first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_minor_has_everything_open_that_came_after_it() {
        let count = |version| open(version).count();
        assert_eq!([count(150_008), count(150_013), count(150_017), count(150_018)], [4, 2, 1, 0]);
        assert_eq!([count(180_003), count(180_004), count(190_000)], [1, 0, 0]);
        assert!(ALL.iter().all(|closed| closed.source.starts_with("https://www.postgresql.org/")));
    }
}
