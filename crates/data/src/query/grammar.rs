//! The grammar of PostgREST's query parameters: fields, selects, orders, operators, logic trees.
//!
//! Wire: `docs/reference` points to PostgREST's own reference; its refusals are repeated word for word. Invariant: a rule
//! returns names unquoted and values unescaped, and nothing it returns is parsed again.

use super::scan::{Scan, Scanned};
use crate::ask::{
    Aggregate, Connective, Direction, Embed, Field, Filter, IsWord, Join, JsonKey, JsonStep, Level, Logic,
    Nulls, Operator, OrderTerm, Quantifier, SearchKind, SelectField, SelectItem, Test,
};
use crate::limits::QUERY_DEPTH_MAX;

/// `a.b.c->d`: the embeds on the way, and the field.
pub(super) fn tree_path(scan: &mut Scan) -> Scanned<(Vec<String>, Field)> {
    let mut names = scan.separated(name, delimiter)?;
    let path = json_path(scan)?;
    let last = names.pop().unwrap_or_default();
    Ok((names, Field { name: last, path }))
}

/// `a.not.or`: the embeds on the way, and the connective's text with `not.` before it where it is negated.
pub(super) fn logic_path(scan: &mut Scan) -> Scanned<(Vec<String>, String)> {
    let mut names = scan.separated(name, delimiter)?;
    let last = names.pop().unwrap_or_default();
    let negated = names.iter().any(|name| name == "not");
    names.retain(|name| name != "not");
    Ok((names, if negated { format!("not.{last}") } else { last }))
}

/// `a,"b c"`
pub(super) fn columns(scan: &mut Scan) -> Scanned<Vec<String>> {
    scan.separated(name, |scan| scan.spaced(|scan| scan.char(',')).map(|_| ()))
}

fn delimiter(scan: &mut Scan) -> Scanned<()> {
    scan.named("delimiter (.)", |scan| scan.char('.')).map(|_| ())
}

fn name(scan: &mut Scan) -> Scanned<String> {
    if let Some(rest) = scan.quiet_rest().filter(|rest| rest.first() != Some(&'"')) {
        return match quick_name(rest) {
            Ok((name, length)) => scan.take(name, length),
            Err(consumed) => scan.quit(consumed),
        };
    }
    scan.named("field name (* or [a..z0..9_$])", |scan| scan.either(quoted, |scan| dashed(scan, identifier)))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '$') || (!c.is_ascii() && c.is_alphabetic())
}

/// Identifiers joined by dashes, and how long that is; or whether anything was read before it went wrong.
fn quick_name(rest: &[char]) -> Result<(String, usize), bool> {
    let mut name = String::new();
    let mut at = 0;
    loop {
        let from = name.len();
        let length = rest.iter().skip(at).take_while(|c| is_name(**c)).map(|c| name.push(*c)).count();
        if length == 0 {
            return Err(at > 0);
        }
        if name.get(from..).is_some_and(|part| part.starts_with(' ') || part.ends_with(' ')) {
            let part = name.split_off(from);
            name.push_str(part.trim());
        }
        at += length;
        match (rest.get(at), rest.get(at + 1)) {
            (Some('-'), Some('>')) => return Ok((name, at)),
            (Some('-'), _) => {
                name.push('-');
                at += 1;
            }
            _ => return Ok((name, at)),
        }
    }
}

/// A column and nothing else: most of what is selected.
fn quick_column(rest: &[char]) -> Option<(SelectItem, usize)> {
    if let ['*', ',' | ')', ..] | ['*'] = rest {
        return Some((SelectItem::All, 1));
    }
    let (name, length) = quick_name(rest).ok()?;
    if name.is_empty() || !matches!(rest.get(length), None | Some(',' | ')')) {
        return None;
    }
    let field = Some(Field { name, path: Vec::new() });
    let plain = SelectField { field, cast: None, aggregate: None, aggregate_cast: None, alias: None };
    Some((SelectItem::Field(plain), length))
}

fn quoted(scan: &mut Scan) -> Scanned<String> {
    scan.char('"')?;
    let text = scan.many(|scan| {
        scan.either(
            |scan| scan.satisfy(|c| c != '"' && c != '\\'),
            |scan| {
                scan.char('\\')?;
                scan.satisfy(|_| true)
            },
        )
    })?;
    scan.char('"')?;
    Ok(String::from_iter(text))
}

/// Parts joined by dashes that do not begin an arrow.
fn dashed(scan: &mut Scan, part: fn(&mut Scan) -> Scanned<String>) -> Scanned<String> {
    let dash = |scan: &mut Scan| {
        scan.attempt(|scan| {
            scan.char('-')?;
            scan.not_followed_by(|c| c == '>')
        })
    };
    Ok(scan.separated(part, dash)?.join("-"))
}

fn identifier(scan: &mut Scan) -> Scanned<String> {
    let chars = scan.many1(|scan| {
        scan.either(
            |scan| scan.named("letter", |scan| scan.satisfy(char::is_alphabetic)),
            |scan| {
                scan.either(
                    |scan| scan.named("digit", |scan| scan.satisfy(|c| c.is_ascii_digit())),
                    |scan| scan.satisfy(|c| matches!(c, '_' | ' ' | '$')),
                )
            },
        )
    })?;
    Ok(String::from_iter(chars).trim().to_owned())
}

fn json_path(scan: &mut Scan) -> Scanned<Vec<JsonStep>> {
    scan.many(|scan| {
        let as_text = scan.either(
            |scan| scan.attempt(|scan| scan.text("->>")).map(|()| true),
            |scan| scan.attempt(|scan| scan.text("->")).map(|()| false),
        )?;
        let to = scan.either(|scan| scan.attempt(json_index), |scan| scan.attempt(json_key))?;
        Ok(JsonStep { to, as_text })
    })
}

fn json_index(scan: &mut Scan) -> Scanned<JsonKey> {
    let minus = scan.maybe(|scan| scan.char('-'))?;
    let digits = scan.many1(|scan| scan.named("digit", |scan| scan.satisfy(|c| c.is_ascii_digit())))?;
    ends(scan, &["->", "::", ".", ","])?;
    Ok(JsonKey::Index(minus.into_iter().chain(digits).collect()))
}

/// One of these stands here, or the end.
fn ends(scan: &mut Scan, before: &[&str]) -> Scanned<()> {
    if let Some(rest) = scan.quiet_rest() {
        let stands = |text: &&str| text.chars().zip(rest).filter(|(a, b)| a == *b).count() == text.len();
        let here = rest.is_empty() || before.iter().any(stands);
        return if here { Ok(()) } else { scan.quit(false) };
    }
    match before {
        [] => scan.attempt(Scan::end),
        [first, rest @ ..] => scan
            .either(|scan| scan.attempt(|scan| scan.ahead(|scan| scan.text(first))), |scan| ends(scan, rest)),
    }
}

fn json_key(scan: &mut Scan) -> Scanned<JsonKey> {
    let key = scan.named("any non reserved character different from: .,>()", |scan| {
        scan.either(quoted, |scan| {
            dashed(scan, |scan| {
                let chars = scan.many1(|scan| scan.satisfy(|c| !"(-:.,>)".contains(c)))?;
                Ok(String::from_iter(chars).trim().to_owned())
            })
        })
    })?;
    Ok(JsonKey::Key(key))
}

fn field(scan: &mut Scan) -> Scanned<Field> {
    scan.spaced(|scan| Ok(Field { name: name(scan)?, path: json_path(scan)? }))
}

/// `*,a:b::c,d(…)`
pub(super) fn select(scan: &mut Scan) -> Scanned<Vec<SelectItem>> {
    let items = scan
        .maybe(|scan| scan.separated(select_item, |scan| scan.spaced(|scan| scan.char(',')).map(|_| ())))?;
    Ok(items.unwrap_or_default())
}

fn select_item(scan: &mut Scan) -> Scanned<SelectItem> {
    if let Some((item, length)) = scan.quiet_rest().and_then(quick_column) {
        return scan.take(item, length);
    }
    scan.either(
        |scan| {
            let head = scan.attempt(spread_head)?;
            embedded(scan, head)
        },
        |scan| {
            scan.either(
                |scan| {
                    let head = scan.attempt(embed_head)?;
                    embedded(scan, head)
                },
                |scan| scan.spaced(select_field),
            )
        },
    )
}

fn embedded(scan: &mut Scan, mut embed: Embed) -> Scanned<SelectItem> {
    scan.char('(')?;
    embed.level.select = scan.deeper(QUERY_DEPTH_MAX.size(), select)?;
    scan.char(')')?;
    Ok(SelectItem::Embed(embed))
}

fn spread_head(scan: &mut Scan) -> Scanned<Embed> {
    scan.spaced(|scan| {
        scan.text("...")?;
        let target = name(scan)?;
        head(scan, target, None, true)
    })
}

fn embed_head(scan: &mut Scan) -> Scanned<Embed> {
    scan.spaced(|scan| {
        let alias = alias(scan)?;
        let target = name(scan)?;
        if target == "count" {
            return scan.nothing();
        }
        head(scan, target, alias, false)
    })
}

fn head(scan: &mut Scan, target: String, alias: Option<String>, spread: bool) -> Scanned<Embed> {
    let (mut hint, mut join) = (None, None);
    for _ in 0..2 {
        match scan.maybe(embed_word)? {
            Some(EmbedWord::Hint(text)) => hint = hint.or(Some(text)),
            Some(EmbedWord::Join(how)) => join = join.or(Some(how)),
            None => {}
        }
    }
    scan.attempt(|scan| scan.ahead(|scan| scan.text("(")))?;
    Ok(Embed { target, alias, hint, join: join.unwrap_or_default(), spread, level: Level::default() })
}

enum EmbedWord {
    Hint(String),
    Join(Join),
}

fn embed_word(scan: &mut Scan) -> Scanned<EmbedWord> {
    scan.char('!')?;
    scan.either(
        |scan| scan.attempt(|scan| scan.text("left")).map(|()| EmbedWord::Join(Join::Left)),
        |scan| {
            scan.either(
                |scan| scan.attempt(|scan| scan.text("inner")).map(|()| EmbedWord::Join(Join::Inner)),
                |scan| scan.attempt(name).map(EmbedWord::Hint),
            )
        },
    )
}

fn alias(scan: &mut Scan) -> Scanned<Option<String>> {
    scan.maybe(|scan| {
        scan.attempt(|scan| {
            let alias = name(scan)?;
            scan.char(':')?;
            scan.not_followed_by(|c| c == ':')?;
            Ok(alias)
        })
    })
}

fn cast(scan: &mut Scan) -> Scanned<Option<String>> {
    scan.maybe(|scan| {
        scan.text("::")?;
        identifier(scan)
    })
}

fn select_field(scan: &mut Scan) -> Scanned<SelectItem> {
    let end = |scan: &mut Scan| ends(scan, &[")", ","]);
    scan.either(
        |scan| {
            scan.attempt(|scan| {
                scan.text("*")?;
                end(scan)?;
                Ok(SelectItem::All)
            })
        },
        |scan| {
            scan.either(
                |scan| {
                    scan.attempt(|scan| {
                        let alias = alias(scan)?;
                        scan.text("count()")?;
                        let aggregate_cast = cast(scan)?;
                        end(scan)?;
                        let aggregate = Some(Aggregate::Count);
                        Ok(SelectItem::Field(SelectField {
                            field: None,
                            cast: None,
                            aggregate,
                            aggregate_cast,
                            alias,
                        }))
                    })
                },
                |scan| {
                    let alias = alias(scan)?;
                    let field = Some(field(scan)?);
                    let cast = cast(scan)?;
                    let aggregate = scan.maybe(|scan| scan.attempt(aggregate))?;
                    let aggregate_cast = self::cast(scan)?;
                    end(scan)?;
                    Ok(SelectItem::Field(SelectField { field, cast, aggregate, aggregate_cast, alias }))
                },
            )
        },
    )
}

fn aggregate(scan: &mut Scan) -> Scanned<Aggregate> {
    const ALL: [Aggregate; 5] =
        [Aggregate::Sum, Aggregate::Avg, Aggregate::Count, Aggregate::Max, Aggregate::Min];
    scan.char('.')?;
    let aggregate = one_of(scan, &ALL.map(|aggregate| (aggregate.name(), aggregate)))?;
    scan.text("()")?;
    Ok(aggregate)
}

/// The first of these words that stands here.
fn one_of<T: Copy>(scan: &mut Scan, words: &[(&'static str, T)]) -> Scanned<T> {
    if let Some(quick) = scan.quick_word("", words) {
        return quick;
    }
    match words {
        [] => scan.nothing(),
        [(word, meaning), rest @ ..] => scan.either(
            |scan| scan.attempt(|scan| scan.text(word)).map(|()| *meaning),
            |scan| one_of(scan, rest),
        ),
    }
}

/// `a.desc.nullslast,b(c)`
pub(super) fn order(scan: &mut Scan) -> Scanned<Vec<OrderTerm>> {
    scan.separated(
        |scan| scan.spaced(|scan| scan.either(|scan| scan.attempt(related_term), plain_term)),
        |scan| scan.char(',').map(|_| ()),
    )
}

fn plain_term(scan: &mut Scan) -> Scanned<OrderTerm> {
    let field = field(scan)?;
    order_term(scan, None, field)
}

fn related_term(scan: &mut Scan) -> Scanned<OrderTerm> {
    let relation = name(scan)?;
    scan.char('(')?;
    let field = field(scan)?;
    scan.char(')')?;
    order_term(scan, Some(relation), field)
}

fn order_term(scan: &mut Scan, relation: Option<String>, field: Field) -> Scanned<OrderTerm> {
    let end = |scan: &mut Scan| {
        scan.either(
            |scan| scan.attempt(|scan| scan.ahead(|scan| scan.char(','))).map(|_| ()),
            |scan| scan.attempt(Scan::end),
        )
    };
    let direction = scan
        .maybe(|scan| after_dot(scan, &[("asc", Direction::Ascending), ("desc", Direction::Descending)]))?;
    let nulls = scan.either(
        |scan| {
            let nulls = scan
                .maybe(|scan| after_dot(scan, &[("nullsfirst", Nulls::First), ("nullslast", Nulls::Last)]))?;
            end(scan)?;
            Ok(nulls)
        },
        |scan| end(scan).map(|()| None),
    )?;
    Ok(OrderTerm { relation, field, direction, nulls })
}

/// A dot and the first of these words that follows it.
fn after_dot<T: Copy>(scan: &mut Scan, words: &[(&'static str, T)]) -> Scanned<T> {
    if let Some(quick) = scan.quick_word(".", words) {
        return quick;
    }
    match words {
        [] => scan.nothing(),
        [(word, meaning), rest @ ..] => scan.either(
            |scan| {
                scan.attempt(|scan| {
                    delimiter(scan)?;
                    scan.text(word)?;
                    Ok(*meaning)
                })
            },
            |scan| after_dot(scan, rest),
        ),
    }
}

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
