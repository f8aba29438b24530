//! What people and scripts read: the report, one control's evidence, its explanation, the JSON.

use std::fmt::Write as _;

use base::setting::Definition;
use serde_json::{Value, json};

use crate::controls::Group;
use crate::run::Proof;
use crate::{Control, State, excused, probes};

/// `{"controls":[{"number":1,"state":"…","evidence":…}]}`, and nothing else: scripts rely on it.
pub fn json(proofs: &[Proof]) -> Value {
    let control = |proof: &Proof| {
        let evidence = if proof.evidence.is_empty() { Value::Null } else { json!(proof.evidence) };
        json!({ "number": proof.control.number, "state": proof.state.name(), "evidence": evidence })
    };
    json!({ "controls": proofs.iter().map(control).collect::<Vec<_>>() })
}

/// The whole report. `idle` are the variables that start-up listed as not effective.
pub fn text(proofs: &[Proof], idle: &[String]) -> String {
    let mut report = String::new();
    let mut section: Option<Group> = None;
    for proof in proofs.iter().filter(|proof| proof.state != State::NotBuilt) {
        if section != Some(proof.control.group) {
            section = Some(proof.control.group);
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(report, "\n{}", proof.control.group.title());
        }
        let _ = writeln!(
            report,
            " {} {:>3}  {}",
            proof.state.mark(),
            proof.control.number,
            plain(proof.control.asks)
        );
        if matches!(proof.state, State::Failing | State::NeedsYou) {
            for line in proof.evidence.lines() {
                let _ = writeln!(report, "        {line}");
            }
        }
    }
    for variable in idle {
        let _ = writeln!(report, "\nNOT EFFECTIVE  {variable} is set and changes nothing here");
    }
    let _ = writeln!(report, "\n{}", summary(proofs));
    report
}

/// `41 proven · 0 failing · 6 need you · 103 not built   (evidence: palisade check 41)`
pub fn summary(proofs: &[Proof]) -> String {
    let count = |state: State| proofs.iter().filter(|proof| proof.state == state).count();
    let shown = |state: &State| *state != State::NotApplicable || count(*state) > 0;
    let counts: Vec<String> = State::ALL
        .into_iter()
        .filter(shown)
        .map(|state| format!("{} {}", count(state), state.words()))
        .collect();
    let worth_a_look = [State::Failing, State::NeedsYou, State::Proven];
    let first = worth_a_look.into_iter().find_map(|state| proofs.iter().find(|proof| proof.state == state));
    let number = first.map_or(1, |proof| proof.control.number);
    format!("{}   (evidence: palisade check {number})", counts.join(" · "))
}

/// `palisade check N`.
pub fn check(proof: &Proof) -> String {
    let control = proof.control;
    let mut text = format!("{} control {}: {}\n", proof.state.mark(), control.number, plain(control.asks));
    let _ = match proof.at {
        Some(at) => writeln!(text, "  {} at {at:.0}", proof.state.words()),
        None => writeln!(text, "  not built: it belongs to the issue \"{}\"", control.issue),
    };
    for line in proof.evidence.lines() {
        let _ = writeln!(text, "    {line}");
    }
    let _ = writeln!(text, "  more: palisade explain {}", control.number);
    text
}

/// `palisade explain N`. `definitions` are the settings of the whole program.
pub fn explain(control: &Control, definitions: &[&'static Definition]) -> String {
    let guides = match (control.appflowy, control.fluxbase) {
        (true, true) => "both guides ask",
        (true, false) => "the AppFlowy guide asks",
        (false, _) => "the Fluxbase guide asks",
    };
    let mut text = format!("Control {} ({})\n", control.number, control.group.title());
    let _ = writeln!(text, "  {guides}\n    {}", plain(control.asks));
    let _ = writeln!(text, "  Palisade\n    {}", plain(control.does));
    for definition in definitions.iter().filter(|definition| definition.proven_by.contains(&control.number)) {
        let default = definition.default.filter(|text| !text.is_empty()).unwrap_or("unset");
        let _ =
            writeln!(text, "  setting\n    {} (default {default}): {}", definition.name, definition.changes);
    }
    for excused in excused::ALL.iter().filter(|excused| excused.control == control.number) {
        let _ = writeln!(text, "  may be \"{}\"\n    {}", excused.state.words(), excused.reason);
    }
    let _ = match probes::find(control.number) {
        Some(_) => writeln!(text, "  try it\n    palisade check {}", control.number),
        None => writeln!(text, "  not built\n    it belongs to the issue \"{}\"", control.issue),
    };
    text
}

/// Without the marks of Markdown.
fn plain(text: &str) -> String {
    text.replace('`', "").replace("**", "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controls;

    fn proofs() -> Vec<Proof> {
        let state = |number| match number {
            30 => State::Failing,
            74 => State::NeedsYou,
            76..=82 => State::Proven,
            _ => State::NotBuilt,
        };
        let proof = |control: &'static Control| {
            let state = state(control.number);
            let evidence = if state == State::NotBuilt { String::new() } else { "what was seen".to_owned() };
            Proof { control, state, evidence, at: None }
        };
        controls::all().map(proof).collect()
    }

    #[test]
    fn the_json_has_exactly_number_state_and_evidence_of_all_150() {
        let value = json(&proofs());
        let controls = value["controls"].as_array().unwrap();
        assert_eq!(controls.len(), 150);
        assert_eq!(controls[29], json!({ "number": 30, "state": "failing", "evidence": "what was seen" }));
        assert_eq!(controls[0], json!({ "number": 1, "state": "not_built", "evidence": null }));
        assert_eq!(value.as_object().unwrap().len(), 1);
    }

    #[test]
    fn the_summary_counts_every_state_and_points_at_what_is_worth_a_look() {
        assert_eq!(
            summary(&proofs()),
            "7 proven · 1 failing · 1 need you · 141 not built   (evidence: palisade check 30)"
        );
    }

    #[test]
    fn the_report_shows_evidence_where_something_is_to_be_done() {
        let report = text(&proofs(), &["GOTRUE_X".to_owned()]);
        assert!(report.contains(" ✗  30  Logout revokes"), "{report}");
        assert_eq!(report.matches("what was seen").count(), 2, "{report}");
        assert!(report.contains("NOT EFFECTIVE  GOTRUE_X"), "{report}");
    }

    #[test]
    fn an_explanation_says_who_asks_and_how_to_try() {
        let built = explain(controls::find(30).unwrap(), &[]);
        assert!(built.contains("the Fluxbase guide asks") && built.contains("palisade check 30"), "{built}");
        assert!(explain(controls::find(1).unwrap(), &[]).contains("both guides ask"));
        let Some(later) = controls::all().find(|control| crate::probes::find(control.number).is_none())
        else {
            return;
        };
        let told = explain(later, &[]);
        assert!(told.contains(&format!("issue \"{}\"", later.issue)), "{told}");
    }
}
