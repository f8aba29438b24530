//! `docs/reference/controls.md`: the 150 controls, whether each is built, what sets it and what tries it.

use std::fmt::Write as _;

use base::setting::State;
use posture::{Control, controls, probes};

use super::cell;
use crate::config::registry;

/// The page.
pub(super) fn page() -> String {
    let built = controls::all().filter(|control| probes::find(control.number).is_some()).count();
    let mut page = format!(
        "# Controls\n\n\
         <!-- Generated from crates/posture/src/controls and probes.rs: run cargo xtask docs. -->\n\n\
         What the two guides ask, and what Palisade does. The numbers never change. *Built* means that a probe tries it on a\n\
         running instance (`palisade check N` prints what it saw); {built} of {} are. Everything else is *not built* and names\n\
         the issue that builds it: no control counts because a setting says so. AF is AppFlowy's guide, FX Fluxbase's.\n\
         [Settings](settings.md) in parentheses are not effective yet, and refused.\n",
        controls::all().count(),
    );
    let mut group = None;
    for control in controls::all() {
        if group != Some(control.group) {
            group = Some(control.group);
            // Writing to a String cannot fail, here and below.
            let _ = write!(
                page,
                "\n## {}\n\n| No. | Guide | Asked | Palisade | State | Settings | Probe |\n|---|---|---|---|---|---|---|\n",
                control.group.title()
            );
        }
        row(&mut page, control);
    }
    page
}

fn row(page: &mut String, control: &Control) {
    let guides = [(control.appflowy, "AF"), (control.fluxbase, "FX")];
    let guides: Vec<&str> = guides.iter().filter(|(asks, _)| *asks).map(|(_, name)| *name).collect();
    let probe = probes::find(control.number);
    let state = probe.map_or_else(|| format!("not built ({})", control.issue), |_| "built".to_owned());
    let _ = writeln!(
        page,
        "| {} | {} | {} | {} | {state} | {} | {} |",
        control.number,
        guides.join(", "),
        cell(control.asks),
        cell(control.does),
        settings(control.number),
        probe.map(|probe| format!("`{}`", probe.name.replace(' ', ""))).unwrap_or_default(),
    );
}

/// The settings that a control proves.
fn settings(control: u16) -> String {
    let of_it = registry::all().into_iter().filter(|definition| definition.proven_by.contains(&control));
    let name = |definition: &base::setting::Definition| match definition.state {
        State::NotYet { .. } => format!("(`{}`)", definition.name),
        _ => format!("`{}`", definition.name),
    };
    of_it.map(name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_has_its_row_and_only_probes_make_it_built() {
        let page = page();
        for control in controls::all() {
            let begins = format!("| {} | ", control.number);
            let row = page.lines().find(|line| line.starts_with(&begins)).unwrap_or_default();
            assert_eq!(row.contains("| built |"), probes::find(control.number).is_some(), "{row}");
        }
    }
}
