//! What user code that a read can reach may do: leave something in the session, look at the request or at the claims.
//!
//! Invariant: judged by text, on the careful side. A function that names one that does something of the kind may too,
//! whatever stands between them.

use std::collections::HashMap;

use pg::{Error, Rows};

/// What is known of all the code in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Effects {
    /// Whether code that a read reaches may leave something in the session.
    pub reads_leave: bool,
    /// Whether any code looks at the request's method, path, headers or cookies.
    pub request_is_read: bool,
    /// Whether code that a read reaches looks at more of the caller's claims than `auth.uid()`.
    pub claims_are_read: bool,
    /// Whether a trigger tells of changes of a row that nobody has a reason to touch.
    pub writes_are_watched: bool,
    /// Whether any code, triggers too, may prepare a statement: it executes text, prepares, or is in a language not read here.
    pub code_prepares: bool,
}

/// One function.
struct Code {
    name: String,
    text: String,
    leaves: bool,
    looks: bool,
    reached: bool,
}

/// From the answers to [`super::sql::CODE`] and [`super::sql::WRITTEN`].
pub(super) fn read(code: &Rows, written: &Rows) -> Result<Effects, Error> {
    let mut effects = Effects::default();
    if let Some(row) = written.first() {
        effects = Effects {
            reads_leave: row.at(0)?,
            request_is_read: row.at(1)?,
            claims_are_read: row.at(2)?,
            writes_are_watched: row.at(3)?,
            code_prepares: row.at(4)?,
        };
    }
    let mut all = Vec::with_capacity(code.len());
    for row in code.iter() {
        effects.request_is_read |= row.at::<bool>(3)?;
        let (name, text): (String, String) = (row.at(0)?, row.at(1)?);
        let (name, text) = (name.to_lowercase(), text.to_lowercase());
        all.push(Code { name, text, leaves: row.at(2)?, looks: row.at(5)?, reached: row.at(4)? });
    }
    spread(&mut all);
    effects.reads_leave |= all.iter().any(|code| code.leaves && code.reached);
    effects.claims_are_read |= all.iter().any(|code| code.looks && code.reached);
    Ok(effects)
}

/// Whatever names a function that leaves something leaves something too, and likewise of looking.
fn spread(all: &mut [Code]) {
    let mut naming: HashMap<&str, Vec<usize>> = HashMap::new();
    let texts: Vec<String> = all.iter_mut().map(|code| std::mem::take(&mut code.text)).collect();
    for (at, text) in texts.iter().enumerate() {
        for word in words(text) {
            let places = naming.entry(word).or_default();
            if places.last() != Some(&at) {
                places.push(at);
            }
        }
    }
    spread_one(all, &naming, |code| &mut code.leaves);
    spread_one(all, &naming, |code| &mut code.looks);
}

fn spread_one(all: &mut [Code], naming: &HashMap<&str, Vec<usize>>, does: fn(&mut Code) -> &mut bool) {
    let mut open: Vec<String> =
        all.iter_mut().filter_map(|code| does(code).then(|| code.name.clone())).collect();
    while let Some(name) = open.pop() {
        // A name that is not one word is looked for by its longest one.
        let word = words(&name).max_by_key(|word| word.len()).unwrap_or_default();
        for at in naming.get(word).into_iter().flatten() {
            let Some(code) = all.get_mut(*at) else { continue };
            if !std::mem::replace(does(code), true) {
                open.push(code.name.clone());
            }
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaving(functions: &[(&str, &str, bool)]) -> Vec<bool> {
        let one = |(name, text, leaves): &(&str, &str, bool)| Code {
            name: (*name).to_owned(),
            text: (*text).to_owned(),
            leaves: *leaves,
            looks: *leaves,
            reached: true,
        };
        let mut all: Vec<Code> = functions.iter().map(one).collect();
        spread(&mut all);
        assert!(all.iter().all(|code| code.leaves == code.looks));
        all.iter().map(|code| code.leaves).collect()
    }

    #[test]
    fn naming_one_that_leaves_something_is_enough_at_any_distance() {
        let functions = [
            ("a", "select set_config('x', 'y', false)", true),
            ("b", "select 1 + a()", false),
            ("c", "select api.b ()", false),
            ("d", "select ab(), a_b()", false),
        ];
        assert_eq!(leaving(&functions), [true, true, true, false]);
    }

    #[test]
    fn a_name_of_several_words_is_found_by_one_of_them() {
        let functions =
            [("my lock", "", true), ("b", "select \"my lock\"()", false), ("c", "select 1", false)];
        assert_eq!(leaving(&functions), [true, true, false]);
    }
}
