//! Minor releases of PostgreSQL that closed holes (attack row 64). Rights and policies are only as good as the server that
//! enforces them, so an older minor of the same major is a finding of control 50.
//!
//! Each line is one release day: what it closed that matters to somebody who may send statements, the first good minor of
//! each major, and where that is said. Add a line with each security release; never change one.

/// One release day.
pub struct Closed {
    /// The day, as the announcement has it.
    pub on: &'static str,
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
        on: "2024-11-14",
        what: "CVE-2024-10976: a plan made for one role served another; CVE-2024-10977 to 10979",
        since: &[(15, 9), (16, 5), (17, 1)],
        source: "https://www.postgresql.org/support/security/CVE-2024-10976/",
    },
    Closed {
        on: "2025-02-13",
        what: "CVE-2025-1094: quoting that invalid text gets around",
        since: &[(15, 11), (16, 7), (17, 3)],
        source: "https://www.postgresql.org/support/security/CVE-2025-1094/",
    },
    Closed {
        on: "2025-05-08",
        what: "CVE-2025-4207: text in GB18030 was read past its end",
        since: &[(15, 13), (16, 9), (17, 5)],
        source: "https://www.postgresql.org/support/security/CVE-2025-4207/",
    },
    Closed {
        on: "2025-08-14",
        what: "CVE-2025-8713: statistics told of rows that policies hide; CVE-2025-8714, CVE-2025-8715",
        since: &[(15, 14), (16, 10), (17, 6)],
        source: "https://www.postgresql.org/support/security/CVE-2025-8713/",
    },
    Closed {
        on: "2025-11-13",
        what: "CVE-2025-12817: statistics made in anybody's schema; CVE-2025-12818: writes out of bounds in libpq",
        since: &[(15, 15), (16, 11), (17, 7), (18, 1)],
        source: "https://www.postgresql.org/support/security/CVE-2025-12817/",
    },
    Closed {
        on: "2026-02-12",
        what: "CVE-2026-2006: text functions wrote past a buffer, which runs code; CVE-2026-2003 to CVE-2026-2005, CVE-2026-2007",
        since: &[(15, 16), (16, 12), (17, 8), (18, 2)],
        source: "https://www.postgresql.org/support/security/CVE-2026-2006/",
    },
    Closed {
        on: "2026-05-14",
        what: "CVE-2026-6472 to CVE-2026-6479, CVE-2026-6575, CVE-2026-6637, CVE-2026-6638: writes out of bounds and more",
        since: &[(15, 18), (16, 14), (17, 10), (18, 4)],
        source: "https://www.postgresql.org/about/news/postgresql-184-1710-1614-1518-and-1423-released-3297/",
    },
    Closed {
        on: "2026-08-13",
        what: "CVE-2026-14680: arguments of type `internal`, which any user could confuse, run code; CVE-2026-16239 and more",
        since: &[(15, 19), (16, 15), (17, 11), (18, 6)],
        source: "https://www.postgresql.org/support/security/CVE-2026-14680/",
    },
    Closed {
        on: "2026-11-12",
        what: "CVE-2026-120141: rows of a changing type, which any user could return, run code; CVE-2026-6460",
        since: &[(15, 20), (16, 16), (17, 12), (18, 7)],
        source: "https://www.postgresql.org/support/security/CVE-2026-6460/",
    },
];

/// What `server_version_num` still has open.
pub fn open(version: u32) -> impl Iterator<Item = &'static Closed> {
    let (major, minor) = (version / 10_000, version % 10_000);
    ALL.iter().filter(move |closed| closed.since.iter().any(|(of, first)| *of == major && minor < *first))
}

/// The day by which it has to be installed: a month after it came out (PCI DSS 6.3.3).
pub fn due(closed: &Closed) -> Option<String> {
    let on: jiff::civil::Date = closed.on.parse().ok()?;
    on.checked_add(jiff::Span::new().days(30)).ok().map(|due| due.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_minor_has_everything_open_that_came_after_it() {
        let count = |version| open(version).count();
        assert_eq!([count(150_008), count(150_013), count(150_017), count(150_018)], [9, 6, 3, 2]);
        assert_eq!([count(150_019), count(150_020), count(160_015), count(170_012)], [1, 0, 1, 0]);
        // What 18.5 left open, 18.6 closed.
        assert_eq!([count(180_000), count(180_004), count(180_005), count(180_007)], [5, 2, 2, 0]);
        assert_eq!(count(190_000), 0);
        assert!(ALL.iter().all(|closed| closed.source.starts_with("https://www.postgresql.org/")));
    }

    #[test]
    fn every_day_can_be_read_and_is_due_a_month_later() {
        assert!(ALL.iter().all(|closed| due(closed).is_some_and(|due| due.as_str() > closed.on)));
        assert_eq!(due(ALL.first().unwrap()).as_deref(), Some("2024-12-14"));
    }

    #[test]
    fn later_days_close_later_minors() {
        assert!(ALL.is_sorted_by(|a, b| a.on < b.on));
        for major in 15..=18 {
            let minors: Vec<u32> = ALL
                .iter()
                .flat_map(|closed| closed.since)
                .filter(|(of, _)| *of == major)
                .map(|(_, minor)| *minor)
                .collect();
            assert!(minors.is_sorted_by(|a, b| a < b), "{major}: {minors:?}");
        }
    }
}
