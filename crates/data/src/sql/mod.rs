//! SQL text from plans. Pure: the same plan gives the same text, so that a prepared statement is found again.
//!
//! Invariant: a name reaches the text only through [`ident`], a value only as a parameter.

mod act;
mod condition;
mod select;

use bytes::Bytes;
use pg::{Param, Statement};

use crate::ask::{Count, Explain};
use crate::catalog::Bait;
use crate::plan::{Act, BodyShape, Plan, Qualified, Returned};

/// The name of what an act gave back.
const ACT: &str = "pgrst_source";
/// The name of the page, where something is made of all of its rows.
const PAGE: &str = "pgrst_page";

/// What is sent, and how to read what comes back.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The statement.
    pub main: Statement,
    /// What its result looks like.
    pub form: Form,
    /// The query whose rows are the total, to be explained when a guess is wanted.
    pub guess: Option<Statement>,
    /// Whether the setting that counts updated rows must be read afterwards.
    pub counts_updates: bool,
    /// Whether the setting that names honey rows which were read must be read afterwards.
    pub baited: bool,
}

/// What a result looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The rows of the page.
    Rows,
    /// The total and a mark before each row of the page; a page without rows is one row without the mark.
    TotalAndRows,
    /// One row: the number of rows, what was made of them, and the total (or NULL).
    Whole,
    /// No rows: what counts is how many were touched.
    Touched,
    /// Keys of the rows written.
    Keys,
    /// Lines of an explanation.
    Lines,
}

/// How the outermost values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outer {
    /// The server makes JSON of the whole row, or somebody takes it as it is.
    Plain,
    /// Values are made JSON here, but for those only the server can.
    Json,
}

/// Text and parameters as they grow.
#[derive(Default)]
struct Writer {
    text: String,
    params: Vec<Param>,
    baited: bool,
}

impl Writer {
    fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    fn ident(&mut self, name: &str) -> &mut Self {
        let quoted = ident(name);
        self.push(&quoted)
    }

    fn name(&mut self, (schema, name): &Qualified) -> &mut Self {
        self.ident(schema).push(".").ident(name)
    }

    /// `"alias"."column"`
    fn column(&mut self, alias: &str, column: &str) -> &mut Self {
        self.ident(alias).push(".").ident(column)
    }

    fn param(&mut self, value: impl Into<Param>) -> &mut Self {
        self.params.push(value.into());
        let place = format!("${}", self.params.len());
        self.push(&place)
    }

    fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        between: &str,
        mut each: impl FnMut(&mut Self, T),
    ) {
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.push(between);
            }
            each(self, item);
        }
    }

    fn into_statement(self) -> Statement {
        Statement::new(self.text, self.params)
    }
}

/// The statement of a plan.
pub fn compile(plan: &Plan) -> Compiled {
    let mut w = Writer::default();
    if let Some(explain) = &plan.terms.explain {
        write_explain(&mut w, explain);
    }
    let form = write(&mut w, plan);
    let counts_updates = matches!(&plan.act, Act::Mutate(mutation) if mutation.merges());
    let baited = w.baited;
    Compiled {
        baited,
        main: w.into_statement(),
        form: if plan.terms.explain.is_some() { Form::Lines } else { form },
        guess: guess(plan),
        counts_updates,
    }
}

fn write(w: &mut Writer, plan: &Plan) -> Form {
    if let Act::Mutate(mutation) = &plan.act {
        match &mutation.returning {
            Returned::Nothing => {
                act::mutation(w, mutation, plan, act::Give::Nothing);
                return Form::Touched;
            }
            Returned::Key(key) => {
                act::mutation(w, mutation, plan, act::Give::Key(key));
                return Form::Keys;
            }
            Returned::Items if plan.body.is_by_row() && !plan.body.strips_nulls() => {
                act::mutation(w, mutation, plan, act::Give::Items(outer(&plan.body)));
                return Form::Rows;
            }
            Returned::Items | Returned::Columns(_) => {
                w.push("WITH ").ident(ACT).push(" AS (");
                act::mutation(w, mutation, plan, act::Give::Columns);
                w.push(") ");
            }
        }
    }
    let counted = plan.counts();
    let shared = matches!(plan.act, Act::Call(_)) && counted;
    if let (Act::Call(call), true) = (&plan.act, shared) {
        w.push("WITH ").ident(ACT).push(" AS MATERIALIZED (SELECT * FROM ");
        act::call(w, call, &plan.root.alias);
        w.push(") ");
    }
    if plan.body.is_by_row() {
        if !counted {
            write_page(w, plan, shared, None);
            return Form::Rows;
        }
        w.push("SELECT n.total, d.* FROM (");
        write_total(w, plan);
        w.push(") AS n LEFT JOIN (");
        write_page(w, plan, shared, Some("TRUE AS \"?\", "));
        w.push(") AS d ON TRUE");
        return Form::TotalAndRows;
    }
    w.push("SELECT pg_catalog.count(*) AS \"rows\", ");
    write_body(w, &plan.body);
    w.push(" AS \"body\", ");
    if counted {
        w.push("(");
        write_total(w, plan);
        w.push(")");
    } else {
        w.push("NULL::bigint");
    }
    w.push(" AS \"total\" FROM (");
    let jsonb = matches!(plan.body, BodyShape::Handler { .. });
    let how = select::How { outer: Outer::Plain, shared, lead: None, jsonb };
    select::node(w, plan, &plan.root, &[], None, how);
    w.push(") AS ").ident(PAGE);
    Form::Whole
}

/// The page, row by row.
fn write_page(w: &mut Writer, plan: &Plan, shared: bool, lead: Option<&'static str>) {
    if plan.body.strips_nulls() {
        w.push("SELECT ").push(lead.unwrap_or(""));
        w.push("pg_catalog.json_strip_nulls(pg_catalog.row_to_json(")
            .ident(PAGE)
            .push(".*)) AS \"body\" FROM (");
        let how = select::How { outer: Outer::Plain, shared, lead: None, jsonb: false };
        select::node(w, plan, &plan.root, &[], None, how);
        w.push(") AS ").ident(PAGE);
        return;
    }
    let how = select::How { outer: outer(&plan.body), shared, lead, jsonb: false };
    select::node(w, plan, &plan.root, &[], None, how);
}

fn outer(body: &BodyShape) -> Outer {
    match body {
        BodyShape::Csv { .. } | BodyShape::Raw => Outer::Plain,
        _ => Outer::Json,
    }
}

/// What is made of all rows.
fn write_body(w: &mut Writer, body: &BodyShape) {
    match body {
        BodyShape::GeoJson => {
            w.push("pg_catalog.json_build_object('type', 'FeatureCollection', 'features', ");
            w.push("coalesce(pg_catalog.json_agg(ST_AsGeoJSON(").ident(PAGE).push(".*)::json), '[]'))");
        }
        BodyShape::Handler { function, row_type } => {
            w.name(function).push("(");
            match row_type {
                Some(row_type) => w.ident(PAGE).push("::").name(row_type),
                None => w.ident(PAGE),
            };
            w.push(")");
        }
        _ => {
            w.push("NULL::text");
        }
    }
}

/// `SELECT count(*) AS total`, counted no further than a guess makes sense.
fn write_total(w: &mut Writer, plan: &Plan) {
    let bound = plan.max_rows.filter(|_| plan.terms.count == Some(Count::Estimated));
    w.push("SELECT pg_catalog.count(*) AS total FROM (");
    select::count(w, plan, &plan.root, &[], None);
    if let Some(bound) = bound {
        w.push(" LIMIT ").param(bound.saturating_add(1));
    }
    w.push(") AS c");
}

fn guess(plan: &Plan) -> Option<Statement> {
    let wanted = matches!(plan.terms.count, Some(Count::Planned | Count::Estimated));
    if !wanted || !matches!(plan.act, Act::Read) {
        return None;
    }
    let mut w = Writer::default();
    w.push("EXPLAIN (FORMAT JSON) ");
    select::count(&mut w, plan, &plan.root, &[], None);
    Some(w.into_statement())
}

fn write_explain(w: &mut Writer, explain: &Explain) {
    w.push("EXPLAIN (FORMAT ").push(if explain.json { "JSON" } else { "TEXT" });
    let options = [
        (explain.analyze, ", ANALYZE"),
        (explain.verbose, ", VERBOSE"),
        (explain.settings, ", SETTINGS"),
        (explain.buffers, ", BUFFERS"),
        (explain.wal, ", WAL"),
    ];
    for (_, option) in options.iter().filter(|(wanted, _)| *wanted) {
        w.push(option);
    }
    w.push(") ");
}

/// A condition that every row fulfils, and by which a honey row leaves its name in the transaction. It costs more than other
/// conditions, so that PostgreSQL asks it of the rows that are left by those; a row that policies hide never gets there.
pub fn bait(alias: &str, bait: &Bait) -> String {
    let (name, mark) = (text(&bait.name), text(&bait.mark));
    format!(
        "(pg_catalog.strpos(({}.*)::text, {mark}) = 0 OR (SELECT pg_catalog.set_config('{TOUCHED}', pg_catalog.concat_ws(',', \
         nullif(pg_catalog.current_setting('{TOUCHED}', true), ''), {name}), true)) IS NOT NULL)",
        ident(alias)
    )
}

/// Where honey rows leave their names; read by [`crate::run::TAIL`].
const TOUCHED: &str = "palisade.touched";

/// A text, quoted.
fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''").replace('\\', ""))
}

/// A name, quoted.
pub fn ident(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for c in name.chars() {
        // A name with a NUL cannot exist, and would end the text early.
        if c == '\0' {
            continue;
        }
        if c == '"' {
            quoted.push('"');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

impl BodyShape {
    /// Whether the body is made row by row here, rather than at once by the server.
    fn is_by_row(&self) -> bool {
        match self {
            BodyShape::Rows { .. }
            | BodyShape::Object { .. }
            | BodyShape::Values
            | BodyShape::Value
            | BodyShape::Csv { .. }
            | BodyShape::Raw => true,
            BodyShape::Nothing | BodyShape::GeoJson | BodyShape::Handler { .. } => false,
        }
    }

    /// Whether null keys are left out, at any depth: by the server.
    pub(crate) fn strips_nulls(&self) -> bool {
        matches!(self, BodyShape::Rows { strip_nulls: true } | BodyShape::Object { strip_nulls: true })
    }
}

impl Plan {
    /// Whether the total is counted: it is wanted, and is not simply the number of rows in the page.
    fn counts(&self) -> bool {
        let paged = self.root.limit.is_some() || self.root.offset > 0;
        let wanted = matches!(self.terms.count, Some(Count::Exact | Count::Estimated));
        let single = matches!(&self.act, Act::Call(call) if call.single);
        wanted && paged && !single && !matches!(self.act, Act::Mutate(_))
    }
}

impl crate::plan::Mutation {
    /// Whether rows that exist are updated by an insert.
    fn merges(&self) -> bool {
        matches!(&self.change, crate::plan::Change::Insert { conflict: Some((_, true)), .. })
    }
}

/// Bytes of a parameter.
fn bytes_param(bytes: &Bytes) -> Param {
    Param(Some(bytes.clone()))
}
