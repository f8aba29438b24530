//! Arguments: which rows, in which order, how many.

use data::graph::ask::{Logic, Page, Term, Test, Text};
use gql::coerce::{Given, Leaf, Plain};
use gql::collect::Collected;
use gql::error::Error;
use gql::schema::{Field, Kind};

use super::{Resolve, ids};
use crate::bind::{Bind, Op, Table};

/// Arguments by name, those that are absent included.
pub(super) type Args<'a> = Vec<(&'a str, Given)>;

/// An argument that was read.
pub(super) fn given<'g>(args: &'g Args<'_>, name: &str) -> &'g Given {
    args.iter().find(|(known, _)| *known == name).map_or(&Given::Absent, |(_, given)| given)
}

impl<'a, 'd> Resolve<'a, 'd> {
    /// Reads all arguments of a field. One with a default may be absent.
    pub(super) fn args(&mut self, def: &'a Field<Bind>, field: &Collected<'d>) -> Result<Args<'a>, Error> {
        let extra: Vec<&str> = field
            .field
            .arguments
            .iter()
            .map(|(name, _)| &**name)
            .filter(|name| def.arg(name).is_none())
            .collect();
        if !extra.is_empty() {
            return Err(Error::invalid(format!("Input contains extra keys {extra:?}")));
        }
        let mut args = Vec::with_capacity(def.args.len());
        for input in &def.args {
            let value = field.field.argument(&input.name);
            let read = match value {
                None if input.default.is_some() => Given::Absent,
                value => self.reading.argument(input, value, &mut self.seen)?,
            };
            args.push((&*input.name, read));
        }
        Ok(args)
    }

    /// A value as a parameter; `None` is null.
    pub(super) fn text(&mut self, given: &Given) -> Option<Text> {
        match given {
            Given::Absent | Given::Null | Given::Object(_) => None,
            Given::Enum(means) => Some(Text::Given(means.to_string())),
            Given::Leaf(leaf) => Some(self.leaf(leaf)),
            Given::List(items) => Some(Text::Given(self.array(items))),
        }
    }

    fn leaf(&mut self, leaf: &Leaf) -> Text {
        if leaf.from.is_none() {
            return Text::Given(leaf.plain.text());
        }
        self.slots.push(leaf.clone());
        Text::Slot(self.slots.len() - 1)
    }

    /// A list as an array literal; its variables shape it.
    fn array(&mut self, items: &[Given]) -> String {
        let mut literal = String::from("{");
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                literal.push(',');
            }
            match self.plain_text(item) {
                None => literal.push_str("NULL"),
                Some(text) => {
                    let quoted = pg::statement::array_literal([text.as_str()]);
                    literal.push_str(quoted.trim_start_matches('{').strip_suffix('}').unwrap_or_default());
                }
            }
        }
        literal.push('}');
        literal
    }

    /// A value that shapes what comes out.
    fn plain_text(&mut self, given: &Given) -> Option<String> {
        match given {
            Given::Leaf(leaf) => Some(leaf.look(&mut self.seen).text()),
            Given::Enum(means) => Some(means.to_string()),
            Given::List(items) => Some(self.array(items)),
            Given::Absent | Given::Null | Given::Object(_) => None,
        }
    }

    /// A whole number that is not negative.
    pub(super) fn number(&mut self, args: &Args<'_>, name: &str) -> Result<Option<i64>, Error> {
        match given(args, name) {
            Given::Leaf(leaf) => match leaf.look(&mut self.seen) {
                Plain::Number(digits) => match digits.parse::<i64>() {
                    Ok(number) if number >= 0 => Ok(Some(number)),
                    _ => Err(Error::invalid(format!("`{name}` must be an unsigned integer"))),
                },
                _ => Err(Error::invalid("Invalid input for Int type")),
            },
            _ => Ok(None),
        }
    }

    /// Rows of a page by first and last, before and after.
    pub(super) fn cursor_page(
        &mut self,
        args: &Args<'_>,
        table: &Table,
        terms: usize,
    ) -> Result<Page, Error> {
        let (first, last) = (self.number(args, "first")?, self.number(args, "last")?);
        let offset = self.number(args, "offset")?;
        let (before, after) = (self.plain_text(given(args, "before")), self.plain_text(given(args, "after")));
        let refuse = |words: &str| Err(Error::invalid(words));
        if first.is_some() && last.is_some() {
            return refuse("only one of \"first\" and \"last\" may be provided");
        }
        if before.is_some() && after.is_some() {
            return refuse("only one of \"before\" and \"after\" may be provided");
        }
        if first.is_some() && before.is_some() {
            return refuse("\"first\" may only be used with \"after\"");
        }
        if last.is_some() && after.is_some() {
            return refuse("\"last\" may only be used with \"before\"");
        }
        if offset.is_some() && (last.is_some() || before.is_some()) {
            return refuse("\"offset\" may only be used with \"first\" and \"after\"");
        }
        let place = |text: Option<String>| text.map(|text| ids::cursor(&text, terms)).transpose();
        let most = table.max_rows.min(self.max_rows);
        Ok(Page {
            limit: Some(first.or(last).unwrap_or(most).min(most)),
            backward: last.is_some() || before.is_some(),
            offset: offset.unwrap_or(0),
            after: place(after)?,
            before: place(before)?,
        })
    }

    /// Rows of a list by limit and offset.
    pub(super) fn plain_page(&mut self, args: &Args<'_>, table: &Table) -> Result<Page, Error> {
        let most = table.max_rows.min(self.max_rows);
        let limit = self.number(args, "limit")?.unwrap_or(most).min(most);
        Ok(Page { limit: Some(limit), offset: self.number(args, "offset")?.unwrap_or(0), ..Page::default() })
    }

    /// The order asked for, made total by the key.
    pub(super) fn order(
        &mut self,
        def: &Field<Bind>,
        args: &Args<'_>,
        table: &Table,
    ) -> Result<Vec<Term>, Error> {
        let mut terms = Vec::new();
        if let (Given::List(items), Some(input)) = (given(args, "orderBy"), def.arg("orderBy")) {
            let inputs = self.inputs(input.of.name());
            for item in items {
                let Given::Object(fields) = item else { continue };
                for (name, direction) in fields {
                    let bind = inputs.iter().rev().find(|input| input.name == *name).map(|input| &input.bind);
                    if let (Some(Bind::Given(column)), Given::Enum(word)) = (bind, direction) {
                        terms.push(term(column, word));
                    }
                }
            }
        }
        terms.extend(table.key.iter().map(|column| term(column, "AscNullsLast")));
        Ok(terms)
    }

    fn inputs(&self, type_name: &str) -> &'a [gql::schema::Input<Bind>] {
        match self.schema.get(type_name).map(|found| &found.kind) {
            Some(Kind::Input(inputs)) => inputs,
            _ => &[],
        }
    }

    /// The argument `filter`, as conditions that must all hold.
    pub(super) fn filters(
        &mut self,
        def: &Field<Bind>,
        args: &Args<'_>,
        table: &Table,
    ) -> Result<Vec<Logic>, Error> {
        match (def.arg("filter"), given(args, "filter")) {
            (Some(input), Given::Object(fields)) => self.conditions(input.of.name(), fields, table),
            _ => Ok(Vec::new()),
        }
    }

    fn conditions(
        &mut self,
        type_name: &str,
        fields: &[(std::sync::Arc<str>, Given)],
        table: &Table,
    ) -> Result<Vec<Logic>, Error> {
        let inputs = self.inputs(type_name);
        let mut all = Vec::new();
        for (name, given) in fields {
            let Some(input) = inputs.iter().rev().find(|input| input.name == *name) else { continue };
            match (&input.bind, given) {
                (Bind::Given(column), Given::Object(tests)) => {
                    let ops = self.inputs(input.of.name());
                    for (name, value) in tests {
                        let bind = ops.iter().find(|op| op.name == *name).map(|op| &op.bind);
                        if let Some(Bind::Test(op)) = bind {
                            all.extend(self.test(column, *op, value));
                        }
                    }
                }
                (Bind::Tested(column, op), value) => all.extend(self.test(column, *op, value)),
                (Bind::And | Bind::Or, Given::List(items)) => {
                    let mut parts = Vec::new();
                    for item in items {
                        if let Given::Object(fields) = item {
                            let inner = self.conditions(type_name, fields, table)?;
                            if !inner.is_empty() {
                                parts.push(Logic::All(inner));
                            }
                        }
                    }
                    if !parts.is_empty() {
                        let and = matches!(input.bind, Bind::And);
                        all.push(if and { Logic::All(parts) } else { Logic::Any(parts) });
                    }
                }
                (Bind::Not, Given::Object(fields)) => {
                    let inner = self.conditions(type_name, fields, table)?;
                    if !inner.is_empty() {
                        all.push(Logic::Not(Box::new(Logic::All(inner))));
                    }
                }
                (Bind::TestedNodeId, Given::Object(tests)) => {
                    for (_, value) in tests {
                        if let Some(text) = self.plain_text(value) {
                            all.extend(self.node_id(&text, table)?);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(all)
    }

    fn node_id(&self, text: &str, table: &Table) -> Result<Vec<Logic>, Error> {
        let (schema, name, key) = ids::node(text)?;
        if table.name.schema != schema || table.name.name != name {
            return Err(Error::invalid("nodeId belongs to a different collection"));
        }
        ids::is_row(table, key)
    }

    fn test(&mut self, column: &str, op: Op, value: &Given) -> Option<Logic> {
        let test = match (op, value) {
            (_, Given::Absent) => return None,
            (Op::Is | Op::IsNull, Given::Null) => return None,
            (_, Given::Null) => Test::Unknown,
            (Op::Is, Given::Enum(word)) => Test::IsNull(&**word == "NULL"),
            (Op::IsNull, Given::Leaf(leaf)) => {
                Test::IsNull(matches!(leaf.look(&mut self.seen), Plain::Boolean(true)))
            }
            (Op::In, Given::List(items)) => {
                Test::In(items.iter().filter_map(|item| self.plain_text(item)).collect())
            }
            (Op::StartsWith, value) => Test::StartsWith(self.text(value)?),
            (Op::Compare(operator), value) => Test::Compare(operator, self.text(value)?),
            (Op::Is | Op::IsNull | Op::In, _) => return None,
        };
        Some(Logic::Test { column: column.to_owned(), test })
    }
}

/// One term of an order, by the words of either convention.
fn term(column: &str, word: &str) -> Term {
    let word = word.to_ascii_lowercase().replace('_', "");
    let descending = word.starts_with("desc");
    let nulls_first = match (word.ends_with("nullsfirst"), word.ends_with("nullslast")) {
        (true, _) => true,
        (_, true) => false,
        // As PostgreSQL has it when nothing is said.
        (false, false) => descending,
    };
    Term { column: column.to_owned(), descending, nulls_first }
}
