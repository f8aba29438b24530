//! How large an operation is once its fragments are expanded, without expanding them.
//!
//! Invariant: each fragment is walked once; sums saturate. Fragments are ordered without recursion, and a cycle among
//! them is found by that ordering, so that nothing after it can run in circles.

use std::collections::HashMap;

use crate::doc::{Document, Operation, OperationKind, Selection};
use crate::error::Error;
use crate::limits::{Bounds, EXPANDED_NESTING_MAX, INTROSPECTION_LISTS_MAX};

/// What was measured of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Nesting of fields; what reads the schema is measured apart.
    pub depth: u64,
    /// Nesting of fields and fragments alike: how far whoever walks through the expansion goes down.
    pub nesting: u64,
    /// Selections.
    pub selections: u64,
    /// Aliases.
    pub aliases: u64,
    /// Directives.
    pub directives: u64,
    /// Fields at the root.
    pub root_fields: u64,
    /// Lists in each other below `__schema` and `__type`.
    pub introspection_lists: u64,
}

impl Measured {
    /// Beside another.
    fn add(&mut self, other: Measured) {
        self.depth = self.depth.max(other.depth);
        self.nesting = self.nesting.max(other.nesting);
        self.introspection_lists = self.introspection_lists.max(other.introspection_lists);
        self.selections = self.selections.saturating_add(other.selections);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
        self.root_fields = self.root_fields.saturating_add(other.root_fields);
    }
}

/// Whether a field reads the schema: these two are known by name, and only where they stand at the root.
pub fn reads_schema(name: &str) -> bool {
    matches!(name, "__schema" | "__type")
}

/// Measures an operation, and refuses what exceeds its bounds.
pub fn measure(document: &Document, operation: &Operation, bounds: &Bounds) -> Result<Measured, Error> {
    let mut known: HashMap<&str, Measured> = HashMap::new();
    for at in order(document)? {
        if let Some(fragment) = document.fragments.get(at) {
            let mut measured = level(&fragment.selections, &known);
            measured.directives = measured.directives.saturating_add(fragment.directives.len() as u64);
            known.insert(&fragment.name, measured);
        }
    }
    let mut all = level(&operation.selections, &known);
    all.directives = all.directives.saturating_add(operation.directives.len() as u64);
    if operation.kind != OperationKind::Query {
        all.introspection_lists = 0;
    }
    let nested = EXPANDED_NESTING_MAX;
    Error::within(nested.name, all.nesting, nested.value)?;
    Error::within("selections_max", all.selections, bounds.selections)?;
    Error::within("aliases_max", all.aliases, bounds.aliases)?;
    Error::within("directives_max", all.directives, bounds.directives)?;
    Error::within("root_fields_max", all.root_fields, bounds.root_fields)?;
    Error::within("max_depth", all.depth, bounds.depth)?;
    let lists = INTROSPECTION_LISTS_MAX;
    Error::within(lists.name, all.introspection_lists, lists.value)?;
    Ok(all)
}

/// Fragments so that each comes after those it spreads; a cycle is refused, also among fragments nobody uses.
fn order(document: &Document) -> Result<Vec<usize>, Error> {
    let places: HashMap<&str, usize> =
        document.fragments.iter().enumerate().map(|(at, fragment)| (&*fragment.name, at)).collect();
    let mut waiting: Vec<usize> = Vec::with_capacity(document.fragments.len());
    let mut spread_by: Vec<Vec<usize>> = vec![Vec::new(); document.fragments.len()];
    for (at, fragment) in document.fragments.iter().enumerate() {
        let mut spreads: Vec<usize> = Vec::new();
        let mut open: Vec<&Selection> = fragment.selections.iter().collect();
        while let Some(selection) = open.pop() {
            match selection {
                Selection::Field(field) => open.extend(&field.selections),
                Selection::Inline { selections, .. } => open.extend(selections),
                Selection::Spread { name, .. } => spreads.extend(places.get(&**name)),
            }
        }
        spreads.sort_unstable();
        spreads.dedup();
        waiting.push(spreads.len());
        for spread in spreads {
            if let Some(by) = spread_by.get_mut(spread) {
                by.push(at);
            }
        }
    }
    let mut ordered: Vec<usize> =
        waiting.iter().enumerate().filter(|(_, count)| **count == 0).map(|(at, _)| at).collect();
    let mut next = 0;
    while let Some(done) = ordered.get(next).copied() {
        next += 1;
        for by in spread_by.get(done).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(*by) {
                *count -= 1;
                if *count == 0 {
                    ordered.push(*by);
                }
            }
        }
    }
    if ordered.len() == document.fragments.len() { Ok(ordered) } else { Err(Error::Cycle) }
}

/// One selection set with everything in it. The nesting of the text is bounded by the parser, and so is this recursion.
fn level(selections: &[Selection], known: &HashMap<&str, Measured>) -> Measured {
    let mut all = Measured::default();
    for selection in selections {
        let mut one = match selection {
            Selection::Field(field) => {
                let mut inside = level(&field.selections, known);
                let lists = matches!(&*field.name, "fields" | "interfaces" | "possibleTypes" | "inputFields");
                inside.introspection_lists += u64::from(lists);
                inside.depth = if reads_schema(&field.name) { 0 } else { inside.depth.saturating_add(1) };
                inside.aliases = inside.aliases.saturating_add(u64::from(field.alias.is_some()));
                inside.root_fields = 1;
                inside
            }
            Selection::Spread { name, .. } => known.get(&**name).copied().unwrap_or_default(),
            Selection::Inline { selections, .. } => level(selections, known),
        };
        one.selections = one.selections.saturating_add(1);
        one.nesting = one.nesting.saturating_add(1);
        one.directives = one.directives.saturating_add(selection.directives().len() as u64);
        all.add(one);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn measured(text: &str, bounds: Bounds) -> Result<Measured, Error> {
        let document = parse(text, &bounds)?;
        let operation = document.operations.first().cloned().ok_or(Error::Cycle)?;
        measure(&document, &operation, &bounds)
    }

    fn refused(text: &str) -> (&'static str, u64, u64) {
        match measured(text, Bounds::new(10, 1000)) {
            Err(Error::Limit { limit, measured, allowed }) => (limit, measured, allowed),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_guides_example_is_six_deep() {
        let text = "{ users { posts { comments { author { posts { title } } } } } }";
        assert_eq!(measured(text, Bounds::new(6, 1)).unwrap().depth, 6);
        let error = measured(text, Bounds::new(5, 1)).unwrap_err();
        assert_eq!(error.to_string(), "The operation exceeds max_depth: 6 measured, 5 allowed");
    }

    #[test]
    fn depth_is_counted_after_fragments_are_expanded() {
        let hidden = "{ a { ...F } } fragment F on T { b { ...G } } fragment G on T { c { d { e } } }";
        assert_eq!(measured(hidden, Bounds::new(10, 1)).unwrap().depth, 5);
    }

    #[test]
    fn a_cycle_is_found_whoever_uses_it() {
        for text in [
            "{ a { ...F } } fragment F on T { b { ...F } }",
            "{ a } fragment F on T { ...G } fragment G on T { x { ...F } }",
        ] {
            assert_eq!(measured(text, Bounds::new(10, 1)), Err(Error::Cycle), "{text}");
        }
    }

    #[test]
    fn an_exponential_fragment_is_measured_without_being_expanded() {
        let mut text = String::from("{ a { ...F0 } }");
        for at in 0..45 {
            text.push_str(&format!(" fragment F{at} on T {{ ...F{} ...F{} }}", at + 1, at + 1));
        }
        text.push_str(" fragment F45 on T { x }");
        let (limit, count, _) = refused(&text);
        assert_eq!(limit, "selections_max");
        assert!(count > 1_u64 << 45);
    }

    #[test]
    fn each_limit_is_named() {
        let many = |one: &str, count: usize| format!("{{ {} }}", one.repeat(count));
        let aliases: String = (0..40).map(|at| format!("a{at}: x ")).collect();
        assert_eq!(refused(&format!("{{ t {{ {aliases} }} }}")), ("aliases_max", 40, 30));
        assert_eq!(refused(&many("x ", 21)), ("root_fields_max", 21, 20));
        assert_eq!(
            refused(&format!("{{ t {} }}", many("x @skip(if: true) ", 60))),
            ("directives_max", 60, 50)
        );
        for place in [
            "{ a @a @b @c @d @e }",
            "{ a @a(x: [1, 2]) @b(x: {y: \"z\"}) @c # why\n, @ d @e(x: $y) }",
            "query ($x: Int = 1 @a @b(x: 2) @c @d @e) { a }",
            "{ a } fragment F on T @a @b @c @d @e { x }",
            "{ ... @a @b @c @d @e { x } }",
        ] {
            assert_eq!(refused(place), ("directives_per_place_max", 5, 4), "{place}");
        }
        let apart = "query ($x: Int @a @b @c @d, $y: Int @a @b) { a(x: 1) @a @b @c @d b @a ... @b { c @c } }";
        assert!(measured(apart, Bounds::new(10, 1000)).is_ok());
        assert_eq!(refused(&many("x ", 5000)).0, "tokens_max");
        assert_eq!(refused(&format!("{}x{}", "{a".repeat(100), "}".repeat(100))).0, "nesting_max");
        assert_eq!(refused(&format!("{{ a(x: {}1{}) }}", "[".repeat(100), "]".repeat(100))).0, "nesting_max");
        assert_eq!(refused(&format!("{{ a(x: \"{}\") }}", "x".repeat(1 << 20))).0, "document_bytes_max");
        let circular = "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }";
        assert_eq!(refused(circular), ("introspection_lists_max", 4, 3));
    }

    #[test]
    fn reading_the_schema_is_deep_by_nature() {
        let of_type = "ofType { ".repeat(9);
        let text = format!(
            "{{ __schema {{ types {{ fields {{ type {{ {of_type} name {} }} }} }} }} }}",
            "} ".repeat(9)
        );
        assert_eq!(measured(&text, Bounds::new(10, 1)).unwrap().depth, 0);
    }
}
