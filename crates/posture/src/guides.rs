//! The two guides, heading by heading: each line of theirs, the control that answers it, the command that shows it.
//!
//! `docs/guides/appflowy.md` and `docs/guides/fluxbase.md` are generated from here and from the controls.

mod appflowy;
mod fluxbase;

use std::fmt::Write as _;

use crate::run::Proof;
use crate::{State, controls, probes};

/// A heading of a guide and what stands below it.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// The guide's own heading.
    pub heading: &'static str,
    /// Its lines, in the guide's order.
    pub lines: &'static [Line],
}

/// A line of a guide, or a few that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// What the guide says.
    pub says: &'static str,
    /// The controls that answer it.
    pub controls: &'static [u16],
}

const fn line(says: &'static str, controls: &'static [u16]) -> Line {
    Line { says, controls }
}

/// `docs/guides/appflowy.md`.
pub fn appflowy_page() -> String {
    page("AppFlowy's Security Overview, line by line", appflowy::SECTIONS, &[])
}

/// `docs/guides/fluxbase.md`.
pub fn fluxbase_page() -> String {
    page("Fluxbase's Security Best Practices, line by line", fluxbase::SECTIONS, &[])
}

/// The same with the states of a running instance: `palisade posture --guide af|fx`.
pub fn live(guide: Guide, proofs: &[Proof]) -> String {
    match guide {
        Guide::AppFlowy => page("AppFlowy's Security Overview, line by line", appflowy::SECTIONS, proofs),
        Guide::Fluxbase => {
            page("Fluxbase's Security Best Practices, line by line", fluxbase::SECTIONS, proofs)
        }
    }
}

/// Which guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guide {
    /// AppFlowy's.
    AppFlowy,
    /// Fluxbase's.
    Fluxbase,
}

fn page(title: &str, sections: &[Section], proofs: &[Proof]) -> String {
    let mut page = format!(
        "# {title}\n\n<!-- Generated from crates/posture/src/guides: run cargo xtask docs. -->\n\n\
         Each line of the guide, what Palisade does about it without being asked, and the command that tries it on your\n\
         instance and prints what it saw. `palisade posture` shows all of them; a line says *not built* until its issue is done.\n"
    );
    for section in sections {
        // Writing to a String cannot fail, here and below.
        let _ = write!(
            page,
            "\n## {}\n\n| The guide says | Control | Palisade does | Try it | State |\n|---|---|---|---|---|\n",
            section.heading
        );
        for line in section.lines {
            for (at, number) in line.controls.iter().enumerate() {
                let says = if at == 0 { line.says } else { "" };
                row(&mut page, says, *number, proofs);
            }
        }
    }
    page
}

fn row(page: &mut String, says: &str, number: u16, proofs: &[Proof]) {
    let Some(control) = controls::find(number) else { return };
    let live = proofs.iter().find(|proof| proof.control.number == number).map(|proof| proof.state);
    let built = probes::find(number).is_some();
    let state = match (live, built) {
        (Some(State::NotBuilt) | None, false) => format!("not built ({})", control.issue),
        (Some(state), _) => state.words().to_owned(),
        (None, true) => "built".to_owned(),
    };
    let command = if built { "check" } else { "explain" };
    let cell = |text: &str| text.replace('|', "\\|");
    let _ = writeln!(
        page,
        "| {} | {number} | {} | `palisade {command} {number}` | {state} |",
        cell(says),
        cell(control.does)
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[track_caller]
    fn covers(sections: &[Section], asked: impl Fn(&crate::Control) -> bool) {
        let named: BTreeSet<u16> = sections
            .iter()
            .flat_map(|section| section.lines)
            .flat_map(|line| line.controls)
            .copied()
            .collect();
        let missing: Vec<u16> = controls::all()
            .filter(|control| asked(control))
            .map(|control| control.number)
            .filter(|number| !named.contains(number))
            .collect();
        assert_eq!(missing, Vec::<u16>::new(), "controls of this guide that no line names");
        let strange: Vec<&u16> = named.iter().filter(|number| controls::find(**number).is_none()).collect();
        assert!(strange.is_empty(), "{strange:?}");
    }

    #[test]
    fn every_control_of_the_appflowy_guide_answers_a_line_of_it() {
        covers(appflowy::SECTIONS, |control| control.appflowy);
    }

    #[test]
    fn every_control_of_the_fluxbase_guide_answers_a_line_of_it() {
        // 150 is of a later edition than the one that is followed line by line.
        covers(fluxbase::SECTIONS, |control| control.fluxbase && control.number != 150);
    }

    #[test]
    fn the_pages_are_current() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides");
        for (name, text) in [("appflowy.md", appflowy_page()), ("fluxbase.md", fluxbase_page())] {
            let held = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
            assert!(held == text, "docs/guides/{name} is not current: run cargo xtask docs");
        }
    }

    #[test]
    fn a_live_page_says_the_state() {
        let proof = Proof {
            control: controls::find(76).unwrap(),
            state: State::Failing,
            evidence: String::new(),
            at: None,
        };
        let page = live(Guide::AppFlowy, &[proof]);
        assert!(
            page.lines().any(|line| line.contains("`palisade check 76`") && line.ends_with("| failing |")),
            "{page}"
        );
    }
}
