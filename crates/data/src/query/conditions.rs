//! Operators, their values, and trees of them.
//!
//! Invariant: a value is returned as it was meant, without the quotes that kept it apart; patterns have PostgreSQL's `%`.

use super::names::{delimiter, field, identifier, one_of, quoted};
use super::scan::{Scan, Scanned};
use crate::ask::{Connective, Filter, IsWord, Logic, Operator, Quantifier, SearchKind, Test};
use crate::limits::QUERY_DEPTH_MAX;

/// A test and whether it is negated.
pub(super) fn operation(scan: &mut Scan, value: fn(&mut Scan) -> Scanned<String>) -> Scanned<(bool, Test)> {
    let negated = scan.either(
        |scan| {
            scan.attempt(|scan| {
                scan.text("not")?;
                delimiter(scan)?;
                Ok(true)
            })
        },
        |_| Ok(false),
    )?;
    let test = scan.named("operator (eq, gt, ...)", |scan| {
        scan.either(in_list, |scan| {
            scan.either(is, |scan| {
                scan.either(
                    |scan| {
                        word_dot(scan, "isdistinct")?;
                        value(scan).map(Test::IsDistinctFrom)
                    },
                    |scan| {
                        scan.either(
                            |scan| scan.attempt(|scan| search(scan, value)),
                            |scan| {
                                scan.either(
                                    |scan| scan.attempt(|scan| simple(scan, value)),
                                    |scan| scan.attempt(|scan| quantified(scan, value)),
                                )
                            },
                        )
                    },
                )
            })
        })
    })?;
    Ok((negated, test))
}

fn word_dot(scan: &mut Scan, word: &'static str) -> Scanned<()> {
    if let Some(quick) = scan.quick_word(word, &[(".", ())]) {
        return quick;
    }
    scan.attempt(|scan| {
        scan.text(word)?;
        delimiter(scan)
    })
}

fn in_list(scan: &mut Scan) -> Scanned<Test> {
    word_dot(scan, "in")?;
    scan.spaced(|scan| scan.char('('))?;
    let mut items = scan.separated(
        |scan| scan.either(|scan| scan.attempt(whole_quoted), |scan| scan.run(|c| c != ',' && c != ')')),
        |scan| scan.char(',').map(|_| ()),
    )?;
    scan.spaced(|scan| scan.char(')'))?;
    if items.iter().all(String::is_empty) && items.len() == 1 {
        items.clear();
    }
    Ok(Test::In(items))
}

/// A quoted text that is the whole element.
fn whole_quoted(scan: &mut Scan) -> Scanned<String> {
    let text = quoted(scan)?;
    scan.not_followed_by(|c| c != ',' && c != ')')?;
    Ok(text)
}

fn is(scan: &mut Scan) -> Scanned<Test> {
    const WORDS: [(&str, IsWord); 5] = [
        ("null", IsWord::Null),
        ("not_null", IsWord::NotNull),
        ("true", IsWord::True),
        ("false", IsWord::False),
        ("unknown", IsWord::Unknown),
    ];
    fn any_case(scan: &mut Scan, words: &[(&'static str, IsWord)]) -> Scanned<IsWord> {
        match words {
            [] => scan.nothing(),
            [(word, meaning), rest @ ..] => scan.either(
                |scan| {
                    scan.attempt(|scan| {
                        for c in word.chars() {
                            scan.either(|scan| scan.char(c), |scan| scan.char(c.to_ascii_uppercase()))?;
                        }
                        Ok(*meaning)
                    })
                },
                |scan| any_case(scan, rest),
            ),
        }
    }
    word_dot(scan, "is")?;
    scan.named("isVal: (null, not_null, true, false, unknown)", |scan| any_case(scan, &WORDS)).map(Test::Is)
}

fn search(scan: &mut Scan, value: fn(&mut Scan) -> Scanned<String>) -> Scanned<Test> {
    const KINDS: [(&str, SearchKind); 4] = [
        ("fts", SearchKind::Plain),
        ("plfts", SearchKind::Words),
        ("phfts", SearchKind::Phrase),
        ("wfts", SearchKind::Web),
    ];
    let kind = one_of(scan, &KINDS)?;
    let config = scan.maybe(|scan| {
        scan.attempt(|scan| {
            scan.char('(')?;
            let config = identifier(scan)?;
            scan.char(')')?;
            Ok(config)
        })
    })?;
    delimiter(scan)?;
    Ok(Test::Search { kind, config, query: value(scan)? })
}

fn simple(scan: &mut Scan, value: fn(&mut Scan) -> Scanned<String>) -> Scanned<Test> {
    const OPERATORS: [(&str, Operator); 9] = [
        ("neq", Operator::NotEqual),
        ("cs", Operator::Contains),
        ("cd", Operator::ContainedBy),
        ("ov", Operator::Overlaps),
        ("sl", Operator::StrictlyLeft),
        ("sr", Operator::StrictlyRight),
        ("nxr", Operator::NotExtendsRight),
        ("nxl", Operator::NotExtendsLeft),
        ("adj", Operator::Adjacent),
    ];
    let operator = scan.named("unknown single value operator", |scan| one_of(scan, &OPERATORS))?;
    delimiter(scan)?;
    Ok(Test::Compare { operator, quantifier: None, value: value(scan)? })
}

fn quantified(scan: &mut Scan, value: fn(&mut Scan) -> Scanned<String>) -> Scanned<Test> {
    const OPERATORS: [(&str, Operator); 9] = [
        ("eq", Operator::Equal),
        ("gte", Operator::GreaterOrEqual),
        ("gt", Operator::Greater),
        ("lte", Operator::LessOrEqual),
        ("lt", Operator::Less),
        ("like", Operator::Like),
        ("ilike", Operator::ILike),
        ("match", Operator::Match),
        ("imatch", Operator::IMatch),
    ];
    let operator = scan.named("unknown single value operator", |scan| one_of(scan, &OPERATORS))?;
    let quantifier = scan.maybe(|scan| {
        scan.attempt(|scan| {
            scan.char('(')?;
            let quantifier = scan.either(
                |scan| scan.attempt(|scan| scan.text("any")).map(|()| Quantifier::Any),
                |scan| scan.text("all").map(|()| Quantifier::All),
            )?;
            scan.char(')')?;
            Ok(quantifier)
        })
    })?;
    delimiter(scan)?;
    let value = value(scan)?;
    let value =
        if matches!(operator, Operator::Like | Operator::ILike) { value.replace('*', "%") } else { value };
    Ok(Test::Compare { operator, quantifier, value })
}

/// A value outside of logic trees: all that is left.
pub(super) fn whole_value(scan: &mut Scan) -> Scanned<String> {
    Ok(scan.rest())
}

/// A value inside a logic tree: up to the next comma or parenthesis, unless quoted or in braces.
fn tree_value(scan: &mut Scan) -> Scanned<String> {
    scan.either(
        |scan| scan.attempt(whole_quoted),
        |scan| {
            scan.either(
                |scan| {
                    scan.attempt(|scan| {
                        scan.text("{")?;
                        let inner = scan.run(|c| c != '{' && c != '}')?;
                        scan.text("}")?;
                        Ok(format!("{{{inner}}}"))
                    })
                },
                |scan| scan.run(|c| c != ',' && c != ')'),
            )
        },
    )
}

/// `and(a.eq.1,not.or(…))`
pub(super) fn logic(scan: &mut Scan) -> Scanned<Logic> {
    scan.deeper(QUERY_DEPTH_MAX.size(), |scan| {
        scan.either(|scan| scan.attempt(logic_filter).map(Logic::Filter), logic_group)
    })
}

fn logic_filter(scan: &mut Scan) -> Scanned<Filter> {
    let field = field(scan)?;
    delimiter(scan)?;
    let (negated, test) = operation(scan, tree_value)?;
    Ok(Filter { field, negated, test })
}

fn logic_group(scan: &mut Scan) -> Scanned<Logic> {
    let negated = scan.named("negation operator (not)", |scan| {
        scan.either(
            |scan| {
                scan.attempt(|scan| {
                    scan.text("not")?;
                    delimiter(scan)?;
                    Ok(true)
                })
            },
            |_| Ok(false),
        )
    })?;
    let how = scan.named("logic operator (and, or)", |scan| {
        scan.either(
            |scan| scan.attempt(|scan| scan.text("and")).map(|()| Connective::And),
            |scan| scan.text("or").map(|()| Connective::Or),
        )
    })?;
    scan.spaced(|scan| scan.char('('))?;
    let parts = scan.separated(logic, |scan| scan.spaced(|scan| scan.char(',')).map(|_| ()))?;
    scan.spaced(|scan| scan.char(')'))?;
    Ok(Logic::Group { negated, how, parts })
}
