//! Documents changed at random, from a seed: whatever comes out, nothing panics, nothing takes long, what is measured is
//! what a slow and simple expansion counts, and what is within its bounds is collected and answered.
//!
//! A document whose fate (refusal, or the size of what was measured) was not seen before is kept and changed further, so
//! that the search goes where the code goes.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use gql::coerce::{Seen, Variables};
use gql::collect::Collect;
use gql::cost::{self, Weight};
use gql::doc::{Document, Operation, Selection};
use gql::introspect::{Introspect, meta_types};
use gql::schema::{Field, Kind, Type};
use gql::{Bounds, Error, Measured, Schema, TypeRef, measure, parse};
use serde_json::{Map, json};

/// Where the search begins.
const SEEDS: &[&str] = &[
    "{ users { posts { comments { author { name } } } } }",
    "query Q($n: Int = 3, $f: [UsersFilter!]! = [{ id_eq: 1 }]) @x { u: users(limit: $n, filter: $f) { ...F @skip(if: $s) } } fragment F on Users { name ... on Users @include(if: true) { id } ... { b: id } }",
    "mutation M { insertUsers(data: { name: \"a\\u00e9\\n\\\"\", tags: [1, 2.5e-3, null, true, RED, $v, { k: [] }] }) { id } }",
    "{ __schema { types { name fields(includeDeprecated: true) { type { name ofType { name } } } } } __type(name: \"Query\") { kind } }",
    "{ a { ...F } } fragment F on T { b { ...G } ...G } fragment G on T { c d: e @skip(if: false) @include(if: $x) }",
    "{ a { ...F } } fragment F on T { b { ...F } }",
    "subscription { a } query B { b } mutation C { c }",
    "{ a(x: \"\"\"\n  block \\\"\"\" text\n   more\n\"\"\") b(y: \"\\u{1F600}\\ud83d\\ude00\") #comment\n , , }",
    "query ($a: [[Int!]!]! = [[1]], $b: ID) { a(b: $b, c: -0, d: 0e0, e: -1.5E+10) }",
];

/// Pieces that mean something to a reader of GraphQL.
const TOKENS: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ":",
    "...",
    "... on T",
    "...F",
    "@skip(if: true)",
    "@a",
    "$v",
    "!",
    "=",
    "|",
    "&",
    "on",
    "query",
    "mutation",
    "subscription",
    "fragment F on T { a ...G }",
    "fragment",
    "schema { query: Q }",
    "type T { a: Int }",
    "extend",
    "null",
    "true",
    "-1",
    "1e999",
    "0x1",
    "00",
    "\"x\"",
    "\"\"\"b\"\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"",
    "\"\"\"",
    "#c\n",
    "\u{feff}",
    "\u{0}",
    "\u{202e}",
    "é",
    "__schema",
    "__type(name: \"T\")",
    "__typename",
    "fields { type",
    "a: b",
    ",",
    "\r",
    "\t",
    "\\",
    "{a",
    "[[",
    "99999999999999999999999999",
];

/// xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % most.max(1)
    }

    /// A place between two characters.
    fn place(&mut self, text: &str) -> usize {
        let mut at = self.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    fn range(&mut self, text: &str) -> (usize, usize) {
        let (one, other) = (self.place(text), self.place(text));
        let (from, to) = (one.min(other), one.max(other));
        // Mostly short pieces: a document of which half is gone says little.
        let mut near = to.min(from + 1 + self.below(40));
        while !text.is_char_boundary(near) {
            near += 1;
        }
        (from, near)
    }

    /// The place behind one of the opening braces.
    fn after_brace(&mut self, text: &str) -> Option<usize> {
        let places: Vec<usize> = text.match_indices('{').map(|(at, _)| at + 1).collect();
        places.get(self.below(places.len())).copied()
    }

    /// From a brace to the one that closes it.
    fn block<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        let from = self.after_brace(text)? - 1;
        let mut open = 0;
        let end = text[from..].find(|letter| {
            open += i32::from(letter == '{') - i32::from(letter == '}');
            open == 0
        })?;
        Some(&text[from..=from + end])
    }

    fn changed(&mut self, text: &str, pool: &[String]) -> String {
        let mut text = text.to_owned();
        for _ in 0..=self.below(3) {
            match self.below(12) {
                0 => {
                    let (from, to) = self.range(&text);
                    text.replace_range(from..to, "");
                }
                1 | 2 => {
                    let (at, token) = (self.place(&text), TOKENS[self.below(TOKENS.len())]);
                    text.insert_str(at, &format!(" {token} "));
                }
                3 => {
                    let (from, to) = self.range(&text);
                    let again = text[from..to].repeat(1 + self.below(60));
                    text.insert_str(to, &again);
                }
                4 => {
                    let other = &pool[self.below(pool.len())];
                    let ((from, to), at) = (self.range(other), self.place(&text));
                    text.insert_str(at, &other[from..to]);
                }
                5 => {
                    let (from, to) = self.range(&text);
                    text.replace_range(from..to, TOKENS[self.below(TOKENS.len())]);
                }
                6 => {
                    let (left, right) =
                        [("{a", "}"), ("{a(x:[", "])}"), ("{a(x:{y:", "})}"), ("... {", "}")][self.below(4)];
                    let (at, deep) = (self.place(&text), self.below(120));
                    text.insert_str(at, &format!("{}{}", left.repeat(deep), right.repeat(deep)));
                }
                7 | 8 => {
                    if let (Some(at), word) = (self.after_brace(&text), TOKENS[self.below(TOKENS.len())]) {
                        text.insert_str(
                            at,
                            [" a ", " c: b ", " ...F ", " ... { b } ", " users { a } ", word][self.below(6)],
                        );
                    }
                }
                9 | 10 => {
                    let other = &pool[self.below(pool.len())];
                    if let (Some(at), Some(block)) = (self.after_brace(&text), self.block(other)) {
                        let head =
                            [" a ", " ... ", " c: users ", " b @skip(if: $s) ", " __schema ", " a(x: 1) "]
                                [self.below(6)];
                        text.insert_str(at, &format!("{head} {block} "));
                    }
                }
                _ => {
                    let mut bytes = text.into_bytes();
                    let at = self.below(bytes.len());
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << self.below(8);
                    }
                    text = String::from_utf8_lossy(&bytes).into_owned();
                }
            }
        }
        let mut end = text.len().min(70_000);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text
    }
}

/// A query, an object in itself, and the types that describe types.
fn schema() -> Schema<()> {
    let t = || TypeRef::named("T");
    let int = || TypeRef::named("Int");
    let fields = |list: bool| {
        let of = if list { t().list() } else { t() };
        vec![
            Field::new("a", of, ()),
            Field::new("b", t(), ()),
            Field::new("c", int(), ()),
            Field::new("users", t().list(), ()),
        ]
    };
    let object = |name: &str, list| Type {
        name: name.into(),
        description: None,
        group: None,
        kind: Kind::Object { fields: fields(list), interfaces: Vec::new() },
    };
    let mut types = meta_types(&());
    types.extend([object("Query", true), object("T", false)]);
    Schema::new(types)
}

/// Counted by walking through every fragment each time it is spread; gives up above `most` selections.
fn slowly(document: &Document, selections: &[Selection], most: &mut u64) -> Option<Measured> {
    let mut all = Measured::default();
    for selection in selections {
        *most = most.checked_sub(1)?;
        let (mut one, directives) = match selection {
            Selection::Field(field) => {
                let mut inside = slowly(document, &field.selections, most)?;
                inside.depth =
                    if matches!(&*field.name, "__schema" | "__type") { 0 } else { inside.depth + 1 };
                inside.aliases += u64::from(field.alias.is_some());
                inside.root_fields = 1;
                (inside, &field.directives)
            }
            Selection::Inline { selections, directives, .. } => {
                (slowly(document, selections, most)?, directives)
            }
            Selection::Spread { name, directives } => match document.fragment(name) {
                Some(fragment) => {
                    let mut inside = slowly(document, &fragment.selections, most)?;
                    inside.directives += fragment.directives.len() as u64;
                    (inside, directives)
                }
                None => (Measured::default(), directives),
            },
        };
        one.selections += 1;
        one.nesting += 1;
        one.directives += directives.len() as u64;
        all.depth = all.depth.max(one.depth);
        all.nesting = all.nesting.max(one.nesting);
        all.selections += one.selections;
        all.aliases += one.aliases;
        all.directives += one.directives;
        all.root_fields += one.root_fields;
    }
    Some(all)
}

/// What became of one operation, coarsely.
fn operation_fate(
    schema: &Schema<()>,
    document: &Document,
    operation: &Operation,
    bounds: &Bounds,
) -> String {
    let roomy = Bounds {
        selections: u64::MAX,
        aliases: u64::MAX,
        directives: u64::MAX,
        root_fields: u64::MAX,
        ..Bounds::new(u64::MAX, u64::MAX)
    };
    let counted = match measure(document, operation, &roomy) {
        Ok(counted) => counted,
        Err(error) => return refusal(&error),
    };
    let names: HashSet<&str> = document.fragments.iter().map(|fragment| &*fragment.name).collect();
    // Of two fragments with one name the reader takes the first; which of them is no matter of counting.
    if names.len() == document.fragments.len()
        && let Some(mut expected) = slowly(document, &operation.selections, &mut 5000)
    {
        expected.directives += operation.directives.len() as u64;
        expected.introspection_lists = counted.introspection_lists;
        assert_eq!(counted, expected, "{document:?}");
    }
    let measured = match measure(document, operation, bounds) {
        Ok(measured) => measured,
        Err(error) => return refusal(&error),
    };
    let weight = |_: &str, field: &gql::doc::Field| {
        Some(Weight { of: "T".into(), list: (&*field.name == "users").then_some(None) })
    };
    let complexity = cost::cost(document, operation, "Query", &weight);
    let given = Map::from_iter([
        ("v".to_owned(), json!("T")),
        ("x".to_owned(), json!(true)),
        ("s".to_owned(), json!(false)),
    ]);
    let variables = Variables { declared: &operation.variables, given: &given };
    let (collect, mut seen) = (Collect { document, variables: &variables }, Seen::default());
    let mut fate = format!("{} {}", measured.depth, complexity.checked_ilog2().unwrap_or(0));
    match collect.fields(&[&operation.selections], "Query", &|on| on == "Query", &mut seen) {
        Err(error) => fate.push_str(&refusal(&error)),
        Ok(fields) => {
            let introspect = Introspect { schema, collect: &collect, shows: &|_| true };
            for field in fields.iter().filter(|one| matches!(&*one.field.name, "__schema" | "__type")) {
                match introspect.root(field, &mut seen) {
                    Ok(answer) => fate.push_str(if answer.is_null() { "null" } else { "told" }),
                    Err(error) => fate.push_str(&refusal(&error)),
                }
            }
        }
    }
    fate
}

/// A refusal without what the document named.
fn refusal(error: &Error) -> String {
    match error {
        Error::Limit { limit, .. } => (*limit).to_owned(),
        Error::Syntax { why, .. } => why.chars().take(24).collect(),
        Error::Invalid(words) => {
            words.chars().take_while(|letter| *letter != '"' && *letter != '`').take(24).collect()
        }
        Error::Cycle => "cycle".to_owned(),
        Error::TooLong { .. } => "too long".to_owned(),
    }
}

fn fate(schema: &Schema<()>, text: &str) -> String {
    let bounds = Bounds::new(10, 1000);
    match parse(text, &bounds) {
        Err(error) => refusal(&error),
        Ok(document) => {
            let fates = document.operations.iter().map(|one| operation_fate(schema, &document, one, &bounds));
            format!("{}: {}", document.fragments.len(), fates.collect::<Vec<_>>().join("; "))
        }
    }
}

struct Ran {
    documents: u64,
    parsed: u64,
    fates: usize,
    slowest: Duration,
}

fn search(seed: u64, mut goes_on: impl FnMut(u64) -> bool, slow: Duration) -> Ran {
    let (schema, mut dice) = (schema(), Dice(seed | 1));
    let mut pool: Vec<String> = SEEDS.iter().map(|text| (*text).to_owned()).collect();
    // What was read goes further than what was refused at its first letters.
    let mut read = pool.clone();
    let mut fates = HashSet::new();
    let mut ran = Ran { documents: 0, parsed: 0, fates: 0, slowest: Duration::ZERO };
    while goes_on(ran.documents) {
        let from = if dice.below(4) == 0 { &pool } else { &read };
        let from = from[dice.below(from.len())].clone();
        let text = dice.changed(&from, &read);
        let began = Instant::now();
        let fate = std::panic::catch_unwind(|| fate(&schema, &text));
        let took = began.elapsed();
        let fate = fate.unwrap_or_else(|_| panic!("seed {seed}, document {}: {text:?}", ran.documents));
        assert!(took < slow, "{took:?} for {text:?}");
        ran.slowest = ran.slowest.max(took);
        ran.documents += 1;
        let was_read = fate.contains(": ");
        ran.parsed += u64::from(was_read);
        if fates.len() < 1_000_000 && fates.insert(fate) && text.len() < 8000 {
            let kept = if was_read { &mut read } else { &mut pool };
            if kept.len() < 4000 {
                kept.push(text);
            } else {
                let at = SEEDS.len() + dice.below(kept.len() - SEEDS.len());
                kept[at] = text;
            }
        }
    }
    ran.fates = fates.len();
    ran
}

#[test]
fn no_changed_document_makes_the_reader_panic_or_miscount() {
    let ran = search(7, |done| done < 3000, Duration::from_secs(10));
    assert!(
        ran.parsed > 300 && ran.fates > 100,
        "{} of {} parsed, {} fates",
        ran.parsed,
        ran.documents,
        ran.fates
    );
}

#[test]
#[ignore = "long: an hour of changed documents through the reader, the measures, the cost and introspection"]
fn soak_the_reader_for_an_hour() {
    let seed = u64::from_le_bytes(base::Rng::system().bytes::<8>());
    println!("seed {seed}");
    let began = Instant::now();
    let ran = search(seed, |_| began.elapsed() < Duration::from_secs(3600), Duration::from_secs(10));
    println!(
        "{} documents in {:?}, {} parsed, {} fates, the slowest took {:?}",
        ran.documents,
        began.elapsed(),
        ran.parsed,
        ran.fates,
        ran.slowest
    );
}

/// Fragments in each other, each with nested fragments without a name: none of it counts as depth.
fn chain(fragments: usize, inline: usize) -> String {
    let mut text = String::from("{...F0}");
    for at in 0..fragments {
        let (open, close) = ("...{".repeat(inline), "}".repeat(inline));
        text.push_str(&format!("fragment F{at} on Query{{{open}...F{}{close}}}", at + 1));
    }
    text.push_str(&format!("fragment F{fragments} on Query{{a}}"));
    text
}

#[test]
fn fragments_in_each_other_are_bounded_before_anything_walks_through_them() {
    let fate = fate(&schema(), &chain(20, 50));
    assert!(fate.contains("expanded_nesting_max"), "{fate}");
    assert!(!self::fate(&schema(), &chain(20, 2)).contains("_max"));
}
