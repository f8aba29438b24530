//! What every Rust file must be like: it opens with what it is for, and holds nothing unfinished.

use super::Complaint;
use super::text::File;

/// Unfinished or switched off.
const UNFINISHED: &[(&str, &str)] = &[
    ("todo!(", "unfinished"),
    ("unimplemented!(", "unfinished"),
    ("dbg!(", "left over from looking"),
    (
        "#[ignore",
        "a test that does not run: fix it or take it out; a long run says `#[ignore = \"long: …\"]`",
    ),
    ("#[allow(", "use #[expect(…, reason = \"…\")]"),
    ("#![allow(", "use #![expect(…, reason = \"…\")]"),
    ("thread::sleep", "wait for a condition with a bound, or move the clock"),
];

/// Where waiting in real time is the work itself.
fn may_sleep(path: &str) -> bool {
    path.starts_with("xtask/")
}

/// Who enters the database as its administrator, past row level security (invariant 2 of ARCHITECTURE.md), and what for.
const ADMINISTRATORS: &[(&str, &str)] = &[
    ("crates/pg/", "the logins themselves"),
    ("crates/app/src/database.rs", "the start prepares roles and schemas"),
    ("crates/app/src/dev.rs", "the demo's rows, once"),
    ("crates/app/src/bench.rs", "what the bench compares with"),
    ("crates/migrate/", "the application's migrations, and copies to rehearse them on"),
    ("crates/policies/src/lib.rs", "schemas are proven on a copy"),
    ("crates/guests/", "logins that are lent are made and ended"),
    ("crates/posture/", "probes look at the instance as its owner can"),
    ("crates/data/src/stored.rs", "the operator has stored HTML cleaned"),
    ("crates/detection/src/touches.rs", "the table of a honey row is made to tell of changes"),
    ("crates/spec/", "tests"),
    ("crates/testkit/", "tests"),
];

fn enters_as_administrator(path: &str, code: &str) -> bool {
    let is_product = path.starts_with("crates/") && path.contains("/src/");
    is_product
        && code.contains(".connect()")
        && !ADMINISTRATORS.iter().any(|(place, _)| path.starts_with(place))
}

pub fn check(file: &File) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let spells_rules = file.path == "xtask/src/tidy/source.rs";
    if !file.text.starts_with("//!") {
        complaints.push(format!("{}: opens without `//!` saying what it is for", file.path));
    }
    let text = file.text.replace("#[ignore = \"long: ", "#[long = \"");
    let code = super::ratchet::without_comments_and_strings(&text);
    if enters_as_administrator(&file.path, &code) {
        complaints.push(format!(
            "{}: enters the database as its administrator; ask as the caller, or for a `pg::Reason`, or say in ADMINISTRATORS what for",
            file.path
        ));
    }
    for (number, line) in code.lines().enumerate() {
        for (text, why) in UNFINISHED {
            let excused = spells_rules || (*text == "thread::sleep" && may_sleep(&file.path));
            if line.contains(text) && !excused {
                complaints.push(format!("{}:{} has `{text}`: {why}", file.path, number + 1));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<Complaint> {
        check(&File { path: "crates/auth/src/a.rs".to_owned(), text: text.to_owned() })
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        assert_eq!(complaints("fn main() {}").len(), 1);
        assert!(complaints("//! Says it.\nfn main() {}").is_empty());
    }

    #[test]
    fn nobody_enters_as_the_administrator_who_is_not_on_the_list() {
        let text = "//! Says it.\nasync fn a(t: &Target) { t.connect().await }";
        assert_eq!(complaints(text).len(), 1);
        let listed = File { path: "crates/migrate/src/a.rs".to_owned(), text: text.to_owned() };
        assert!(check(&listed).is_empty());
    }

    #[test]
    fn unfinished_code_is_refused_but_may_be_talked_about() {
        assert_eq!(complaints("//! Says it.\nfn a() { todo!() }").len(), 1);
        assert_eq!(complaints("//! Says it.\n#[ignore]\nfn a() {}").len(), 1);
        assert_eq!(complaints("//! Says it.\n#[ignore = \"flaky\"]\nfn a() {}").len(), 1);
        assert!(complaints("//! Says it.\n#[ignore = \"long: hours\"]\nfn a() {}").is_empty());
        assert!(complaints("//! Says it.\n// todo!() is refused.\nconst A: &str = \"todo!()\";").is_empty());
    }
}
