//! Which column of which table a view's column shows, read from the view's stored query.
//!
//! PostgreSQL notes at each target of a query the table and column it comes from. The query is stored as a node tree in
//! text; only the targets of the outermost query are read here. Invariant: text of any shape is read without a panic,
//! and what is not understood is no source.

/// One target: the view's column number, and the relation and column it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Number of the view's column.
    pub column: i16,
    /// The relation shown.
    pub relation: u32,
    /// Number of its column.
    pub origin: i16,
}

/// The sources of the columns of a view.
pub fn sources(action: &str) -> Vec<Source> {
    let Some(targets) = field(action, 1, ":targetList") else { return Vec::new() };
    let mut found = Vec::new();
    let mut rest = targets;
    while let Some((entry, after)) = next_node(rest) {
        rest = after;
        let number = |name| {
            field(entry, 1, name).and_then(|text| text.split([' ', '}', '\n']).next()?.parse::<i64>().ok())
        };
        let (Some(column), Some(relation), Some(origin)) =
            (number(":resno"), number(":resorigtbl"), number(":resorigcol"))
        else {
            continue;
        };
        if let (Ok(column), Ok(relation), Ok(origin)) =
            (column.try_into(), relation.try_into(), origin.try_into())
            && relation > 0
            && origin > 0
        {
            found.push(Source { column, relation, origin });
        }
    }
    found
}

/// The text after `name` where it stands `depth` braces deep.
fn field<'a>(text: &'a str, depth: usize, name: &str) -> Option<&'a str> {
    let mut deep = 0_usize;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match byte {
            b'\\' => escaped = true,
            b'{' => deep += 1,
            b'}' => {
                deep = deep.saturating_sub(1);
                // The outermost node is over.
                if deep == 0 {
                    return None;
                }
            }
            b':' if deep == depth => {
                let after = text.get(at..).and_then(|rest| rest.strip_prefix(name));
                if let Some(after) = after.and_then(|rest| rest.strip_prefix(' ')) {
                    return Some(after);
                }
            }
            _ => {}
        }
    }
    None
}

/// The next node of a list and what follows it; none where the list ends.
fn next_node(list: &str) -> Option<(&str, &str)> {
    let mut deep = 0_usize;
    let mut start = None;
    let mut escaped = false;
    for (at, byte) in list.bytes().enumerate() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match byte {
            b'\\' => escaped = true,
            b')' if deep == 0 => return None,
            b'<' if deep == 0 => return None,
            b'{' => {
                if deep == 0 {
                    start = Some(at);
                }
                deep += 1;
            }
            b'}' => {
                deep = deep.checked_sub(1)?;
                if deep == 0 {
                    return Some((list.get(start?..=at)?, list.get(at + 1..)?));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_the_outer_query_only() {
        let tree = r"({QUERY :commandType 1 :rtable ({RTE :subquery {QUERY :targetList ({TARGETENTRY :expr {VAR :varno 1} :resno 9 :resorigtbl 99 :resorigcol 9 :resjunk false})}}) :targetList ({TARGETENTRY :expr {VAR :varno 1} :resno 1 :resname a\{\ b :ressortgroupref 0 :resorigtbl 16390 :resorigcol 2 :resjunk false} {TARGETENTRY :expr {CONST} :resno 2 :resname x :resorigtbl 0 :resorigcol 0 :resjunk false}) :override 0})";
        assert_eq!(sources(tree), [Source { column: 1, relation: 16390, origin: 2 }]);
    }

    #[test]
    fn nonsense_has_no_sources() {
        for text in ["", "(", "{QUERY :targetList", "({QUERY :targetList <>})", "({QUERY :targetList ({{{)"] {
            assert_eq!(sources(text), []);
        }
    }
}
