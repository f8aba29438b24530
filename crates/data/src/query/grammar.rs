//! What is selected and in which order, as PostgREST's query parameters say it.
//!
//! Refusals repeat upstream's word for word, so rules stand in upstream's order. Invariant: nothing a rule returns is
//! parsed again.

use super::names::{delimiter, ends, field, identifier, name, one_of, quick_name};
use super::scan::{Scan, Scanned};
use crate::ask::{
    Aggregate, Direction, Embed, Field, Join, Level, Nulls, OrderTerm, SelectField, SelectItem,
};
use crate::limits::QUERY_DEPTH_MAX;

/// A column and nothing else: most of what is selected.
fn quick_column(rest: &[char]) -> Option<(SelectItem, usize)> {
    if let ['*', ',' | ')', ..] | ['*'] = rest {
        return Some((SelectItem::All, 1));
    }
    // Blanks before a column are no part of its name, so that a dash behind them begins none.
    if rest.first() == Some(&' ') {
        return None;
    }
    let (name, length) = quick_name(rest).ok()?;
    if name.is_empty() || !matches!(rest.get(length), None | Some(',' | ')')) {
        return None;
    }
    let field = Some(Field { name, path: Vec::new() });
    let plain = SelectField { field, cast: None, aggregate: None, aggregate_cast: None, alias: None };
    Some((SelectItem::Field(plain), length))
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
