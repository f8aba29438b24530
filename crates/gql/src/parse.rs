//! From text to a [`Document`]: apollo-parser's syntax tree, made ours.
//!
//! Invariant: bytes, tokens and nesting are bounded before and while the text is read, so that the recursion below is.

use std::sync::Arc;

use apollo_parser::cst;
use apollo_parser::{Lexer, Parser, TokenKind};

use crate::doc::{
    Directive, Document, Field, Fragment, Operation, OperationKind, Selection, Value, Variable,
};
use crate::error::Error;
use crate::limits::{
    Bounds, DIRECTIVES_PER_PLACE_MAX, FRAGMENTS_MAX, LIST_ITEMS_MAX, NESTING_MAX, OPERATIONS_MAX,
    VARIABLES_MAX,
};
use crate::schema::TypeRef;

type Arguments = Vec<(Arc<str>, Value)>;

/// Reads a document within its bounds.
pub fn parse(text: &str, bounds: &Bounds) -> Result<Document, Error> {
    Error::within("document_bytes_max", text.len() as u64, bounds.bytes)?;
    let tokens = usize::try_from(bounds.tokens).unwrap_or(usize::MAX);
    skim(text, bounds.tokens)?;
    let tree = Parser::new(text).token_limit(tokens).recursion_limit(NESTING_MAX.size()).parse();
    let (token_count, nesting) = (tree.token_limit().high, tree.recursion_limit().high);
    // Where the text is cut off by a limit, what is said of its end is about the cut.
    if let Some(error) = tree.errors().find(|error| error.is_limit()).or_else(|| tree.errors().next()) {
        if error.is_limit() {
            Error::within("tokens_max", token_count as u64, bounds.tokens)?;
            Error::within("nesting_max", nesting as u64, NESTING_MAX.value)?;
            return Err(Error::Limit {
                limit: "tokens_max",
                measured: bounds.tokens.saturating_add(1),
                allowed: bounds.tokens,
            });
        }
        return Err(Error::Syntax { at: error.index(), why: error.message().to_owned() });
    }
    let mut document = Document::default();
    for definition in tree.document().definitions() {
        match definition {
            cst::Definition::OperationDefinition(found) => document.operations.push(operation(&found)?),
            cst::Definition::FragmentDefinition(found) => document.fragments.push(fragment(&found)?),
            other => {
                return Err(Error::invalid(format!("A request cannot hold a {}", other.kind())));
            }
        }
    }
    Error::within(OPERATIONS_MAX.name, document.operations.len() as u64, OPERATIONS_MAX.value)?;
    Error::within(FRAGMENTS_MAX.name, document.fragments.len() as u64, FRAGMENTS_MAX.value)?;
    Ok(document)
}

/// Counts without building anything: what is too large is refused for the price of reading as much as is allowed.
fn skim(text: &str, tokens: u64) -> Result<(), Error> {
    let (mut count, mut open) = (0, 0);
    let mut places = Places::default();
    // What is no token is the parser's to name.
    for token in Lexer::new(text).flatten() {
        count += 1;
        Error::within("tokens_max", count, tokens)?;
        match token.kind() {
            TokenKind::LCurly | TokenKind::LBracket => open += 1,
            TokenKind::RCurly | TokenKind::RBracket => open = u64::saturating_sub(open, 1),
            _ => {}
        }
        Error::within(NESTING_MAX.name, open, NESTING_MAX.value)?;
        places.pass(token.kind())?;
    }
    Ok(())
}

/// The directives at one place stand in a row, with nothing but their names and arguments between them: at the top, and
/// at variables, which are in parentheses themselves.
#[derive(Default)]
struct Places {
    parentheses: usize,
    in_a_row: [u64; 2],
    is_name: bool,
}

impl Places {
    fn pass(&mut self, kind: TokenKind) -> Result<(), Error> {
        let is_name = std::mem::replace(&mut self.is_name, kind == TokenKind::At);
        match kind {
            TokenKind::LParen => {
                self.parentheses = self.parentheses.saturating_add(1);
                if let Some(inside) = self.in_a_row.get_mut(self.parentheses) {
                    *inside = 0;
                }
            }
            TokenKind::RParen => self.parentheses = self.parentheses.saturating_sub(1),
            TokenKind::Whitespace | TokenKind::Comma | TokenKind::Comment => self.is_name = is_name,
            _ => {
                if let Some(here) = self.in_a_row.get_mut(self.parentheses) {
                    *here = match kind {
                        TokenKind::At => here.saturating_add(1),
                        _ if is_name => *here,
                        _ => 0,
                    };
                    let limit = DIRECTIVES_PER_PLACE_MAX;
                    Error::within(limit.name, *here, limit.value)?;
                }
            }
        }
        Ok(())
    }
}

fn missing() -> Error {
    Error::Syntax { at: 0, why: "something is missing".to_owned() }
}

fn name(found: Option<cst::Name>) -> Result<Arc<str>, Error> {
    found.map(|name| Arc::from(&*name.text())).ok_or_else(missing)
}

fn operation(found: &cst::OperationDefinition) -> Result<Operation, Error> {
    let kind = match found.operation_type() {
        Some(kind) if kind.mutation_token().is_some() => OperationKind::Mutation,
        Some(kind) if kind.subscription_token().is_some() => OperationKind::Subscription,
        _ => OperationKind::Query,
    };
    let mut variables = Vec::new();
    for one in found.variable_definitions().into_iter().flat_map(|all| all.variable_definitions()) {
        variables.push(Variable {
            name: name(one.variable().and_then(|variable| variable.name()))?,
            of: type_ref(&one.ty().ok_or_else(missing)?)?,
            default: one
                .default_value()
                .and_then(|default| default.value())
                .map(|v| value(&v))
                .transpose()?,
        });
    }
    Error::within(VARIABLES_MAX.name, variables.len() as u64, VARIABLES_MAX.value)?;
    Ok(Operation {
        kind,
        name: found.name().map(|name| Arc::from(&*name.text())),
        variables,
        directives: directives(found.directives())?,
        selections: selections(found.selection_set())?,
    })
}

fn fragment(found: &cst::FragmentDefinition) -> Result<Fragment, Error> {
    Ok(Fragment {
        name: name(found.fragment_name().and_then(|name| name.name()))?,
        on: condition(found.type_condition())?.ok_or_else(missing)?,
        directives: directives(found.directives())?,
        selections: selections(found.selection_set())?,
    })
}

fn condition(found: Option<cst::TypeCondition>) -> Result<Option<Arc<str>>, Error> {
    found.map(|on| name(on.named_type().and_then(|named| named.name()))).transpose()
}

fn selections(found: Option<cst::SelectionSet>) -> Result<Vec<Selection>, Error> {
    found.into_iter().flat_map(|set| set.selections()).map(|one| selection(&one)).collect()
}

fn selection(found: &cst::Selection) -> Result<Selection, Error> {
    Ok(match found {
        cst::Selection::Field(field) => Selection::Field(Field {
            alias: field.alias().map(|alias| name(alias.name())).transpose()?,
            name: name(field.name())?,
            arguments: arguments(field.arguments())?,
            directives: directives(field.directives())?,
            selections: selections(field.selection_set())?,
        }),
        cst::Selection::FragmentSpread(spread) => Selection::Spread {
            name: name(spread.fragment_name().and_then(|name| name.name()))?,
            directives: directives(spread.directives())?,
        },
        cst::Selection::InlineFragment(inline) => Selection::Inline {
            on: condition(inline.type_condition())?,
            directives: directives(inline.directives())?,
            selections: selections(inline.selection_set())?,
        },
    })
}

fn arguments(found: Option<cst::Arguments>) -> Result<Arguments, Error> {
    let mut all: Arguments = Vec::new();
    for one in found.into_iter().flat_map(|set| set.arguments()) {
        all.push((name(one.name())?, value(&one.value().ok_or_else(missing)?)?));
    }
    match repeated(&all) {
        Some(called) => Err(Error::invalid(format!("There can be only one argument named \"{called}\""))),
        None => Ok(all),
    }
}

/// The first name that comes twice. Sorted, because a list of a thousand names is an attack.
fn repeated(all: &Arguments) -> Option<&str> {
    let mut names: Vec<&str> = all.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    names.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(*one),
        _ => None,
    })
}

fn directives(found: Option<cst::Directives>) -> Result<Vec<Directive>, Error> {
    let mut all = Vec::new();
    for one in found.into_iter().flat_map(|set| set.directives()) {
        all.push(Directive { name: name(one.name())?, arguments: arguments(one.arguments())? });
    }
    Ok(all)
}

fn value(found: &cst::Value) -> Result<Value, Error> {
    let text = |token: Option<String>| token.map(Arc::from).ok_or_else(missing);
    Ok(match found {
        cst::Value::Variable(variable) => Value::Variable(name(variable.name())?),
        cst::Value::StringValue(string) => Value::String(Arc::from(String::from(string))),
        cst::Value::FloatValue(number) => {
            Value::Float(text(number.float_token().map(|token| token.text().to_owned()))?)
        }
        cst::Value::IntValue(number) => {
            Value::Int(text(number.int_token().map(|token| token.text().to_owned()))?)
        }
        cst::Value::BooleanValue(word) => Value::Boolean(word.true_token().is_some()),
        cst::Value::NullValue(_) => Value::Null,
        cst::Value::EnumValue(word) => Value::Enum(name(word.name())?),
        cst::Value::ListValue(list) => {
            let items = list.values().map(|item| value(&item)).collect::<Result<Vec<_>, Error>>()?;
            Error::within(LIST_ITEMS_MAX.name, items.len() as u64, LIST_ITEMS_MAX.value)?;
            Value::List(items)
        }
        cst::Value::ObjectValue(object) => {
            let mut fields: Arguments = Vec::new();
            for field in object.object_fields() {
                fields.push((name(field.name())?, value(&field.value().ok_or_else(missing)?)?));
            }
            if let Some(called) = repeated(&fields) {
                return Err(Error::invalid(format!("There can be only one input field named \"{called}\"")));
            }
            Value::Object(fields)
        }
    })
}

fn type_ref(found: &cst::Type) -> Result<TypeRef, Error> {
    let named = |named: cst::NamedType| Ok(TypeRef::Named(name(named.name())?));
    let list = |list: cst::ListType| Ok(TypeRef::List(Box::new(type_ref(&list.ty().ok_or_else(missing)?)?)));
    match found {
        cst::Type::NamedType(inner) => named(inner.clone()),
        cst::Type::ListType(inner) => list(inner.clone()),
        cst::Type::NonNullType(inner) => {
            let inner = match (inner.named_type(), inner.list_type()) {
                (Some(inner), _) => named(inner)?,
                (None, Some(inner)) => list(inner)?,
                (None, None) => return Err(missing()),
            };
            Ok(TypeRef::NonNull(Box::new(inner)))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::measure;

    fn read(text: &str) {
        let bounds = Bounds::new(10, 1000);
        if let Ok(document) = parse(text, &bounds) {
            for operation in &document.operations {
                let _refused_or_measured = measure(&document, operation, &bounds);
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,400}") {
            read(&text);
        }

        #[test]
        fn no_soup_of_tokens_makes_the_parser_panic(
            words in proptest::collection::vec(
                prop_oneof![
                    Just("{"), Just("}"), Just("("), Just(")"), Just("["), Just("]"), Just(":"), Just("..."), Just("@skip"),
                    Just("$v"), Just("!"), Just("="), Just("on"), Just("query"), Just("mutation"), Just("fragment"), Just("F"),
                    Just("a"), Just("-1"), Just("1.5e3"), Just("\"x\\u0041\""), Just("\"\"\"b\"\"\""), Just("null"), Just("true"),
                    Just("#c\n"), Just("\u{feff}"), Just("|"), Just("&"), Just("\"\\ud800\""), Just("subscription"),
                ],
                0..120,
            )
        ) {
            read(&words.join(" "));
            read(&format!("{{ a {{ {} }} }} fragment F on T {{ a }}", words.join(" ")));
        }

        #[test]
        fn what_nests_is_bounded(open in 0_usize..3000, kind in 0_usize..3) {
            let (left, right) = [("{a", "}"), ("{a(x:[", "])}"), ("{a(x:{y:", "})}")][kind];
            read(&format!("{}{}", left.repeat(open), right.repeat(open)));
        }
    }
}
