//! Controls 42, 48 and 49: people are kept apart, also across foreign keys, and no policy believes what they say of
//! themselves.

use serde_json::{Value, json};

use super::tables::{Tables, with};
use crate::Finding;
use crate::bench::{Answer, Bench, Person, Session, Trouble};

/// The rules that the linter finds broken by anything of this name.
async fn broken_rules(bench: &Bench, name: &str) -> Result<Vec<String>, Trouble> {
    let answer = bench.operator("GET", "/lint").send().await?.json();
    let findings = answer["findings"].as_array().cloned().unwrap_or_default();
    let about = |finding: &&Value| finding["object"].as_str().is_some_and(|object| object.contains(name));
    Ok(findings.iter().filter(about).filter_map(|one| one["rule"].as_str().map(str::to_owned)).collect())
}

fn rows(answer: &Answer) -> usize {
    answer.json().as_array().map_or(usize::MAX, Vec::len)
}

const EVERYBODY: &str = "anon, authenticated, service_role";

/// 42: what the generator proposes keeps two people apart, and half a policy is refused and found.
pub async fn proposed_policies_keep_people_apart(bench: &Bench) -> Result<Finding, Trouble> {
    let (ann, session) = bench.guest().await?;
    let (bob, _) = bench.guest().await?;
    let made = |name: &str| {
        format!(
            "CREATE TABLE public.{name}_mine (id int PRIMARY KEY, user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE, note text);
             GRANT ALL ON public.{name}_mine TO {EVERYBODY};
             INSERT INTO public.{name}_mine VALUES (1, '{}', 'hers'), (2, '{}', 'his')",
            ann.id, bob.id
        )
    };
    let tables = Tables::make(bench, &["mine"], made).await?;
    with(bench, tables, async |name| apart(bench, name, &session, (&ann, &bob)).await).await
}

async fn apart(
    bench: &Bench,
    name: &str,
    session: &Session,
    (ann, bob): (&Person, &Person),
) -> Result<Finding, Trouble> {
    let table = format!("public.{name}_mine");
    let proposed =
        bench.operator("POST", "/policies/generate").json(&json!({ "table": table })).send().await?.json();
    let statements = proposed[0]["statements"].as_array().cloned().unwrap_or_default();
    let sql = bench.sql().await?;
    for statement in statements.iter().filter_map(Value::as_str) {
        sql.run(statement).await?;
    }
    let path = format!("/rest/v1/{name}_mine?select=user_id");
    let as_ann = |method: &str, path: &str| bench.client(method, path).bearer(&session.access);
    let seen = as_ann("GET", &path).send().await?;
    let moved =
        as_ann("PATCH", &format!("{path}&id=gt.0")).json(&json!({ "user_id": bob.id })).send().await?;
    let planted = as_ann("POST", &path).json(&json!({ "id": 3, "user_id": bob.id })).send().await?;
    let own = as_ann("POST", &path).json(&json!({ "id": 4, "user_id": ann.id })).send().await?;
    let half = json!({ "table": table, "using": "user_id = (select auth.uid())" });
    let half = bench.operator("POST", "/policies/generate").json(&half).send().await?;
    sql.run(&format!("CREATE POLICY half ON {table} FOR UPDATE USING (user_id = (SELECT auth.uid()))"))
        .await?;
    let broken = broken_rules(bench, &table).await?;
    Ok(Finding::all([
        (
            !statements.is_empty(),
            format!("for a key to auth.users it proposes {} statements", statements.len()),
        ),
        (rows(&seen) == 1, format!("with them one of two people sees {} of 2 rows", rows(&seen))),
        (moved.status == 403, format!("her row made his is answered {}", moved.status)),
        (planted.status == 403, format!("a new row in his name is answered {}", planted.status)),
        (own.status == 201, format!("a new row of her own is answered {}", own.status)),
        (
            half.status == 400 && half.text().contains("WITH CHECK"),
            format!("USING without WITH CHECK is answered {}", half.status),
        ),
        (
            broken.iter().any(|rule| rule == "P001"),
            format!("such a policy is found by the linter: {}", broken.join(" ")),
        ),
    ]))
}

/// 48: what comes along a foreign key is what its reader may see, whichever way it is asked.
pub async fn embedding_obeys_policies(bench: &Bench) -> Result<Finding, Trouble> {
    let (ann, session) = bench.guest().await?;
    let (bob, _) = bench.guest().await?;
    let own = "(owner = (SELECT auth.uid()))";
    let made = |name: &str| {
        format!(
            "CREATE TABLE public.{name}_mine (id int PRIMARY KEY, owner uuid NOT NULL, note text);
             CREATE TABLE public.{name}_line (id int PRIMARY KEY, mine int REFERENCES public.{name}_mine);
             GRANT ALL ON public.{name}_mine, public.{name}_line TO {EVERYBODY};
             CREATE POLICY own ON public.{name}_mine TO authenticated USING {own} WITH CHECK {own};
             CREATE POLICY told ON public.{name}_line FOR SELECT TO authenticated USING (true);
             INSERT INTO public.{name}_mine VALUES (1, '{}', 'hers'), (2, '{}', 'his');
             INSERT INTO public.{name}_line VALUES (1, 1), (2, 2)",
            ann.id, bob.id
        )
    };
    let tables = Tables::make(bench, &["mine", "line"], made).await?;
    with(bench, tables, async |name| {
        let get = async |query: String| {
            let answer =
                bench.client("GET", &format!("/rest/v1/{query}")).bearer(&session.access).send().await?;
            Ok::<_, Trouble>((rows(&answer), answer.text().contains("his")))
        };
        let (mine, line) = (format!("{name}_mine"), format!("{name}_line"));
        let up = get(format!("{line}?select=id,{mine}(note)")).await?;
        let inner = get(format!("{line}?select=id,{mine}!inner(note)")).await?;
        let spread = get(format!("{line}?select=id,...{mine}(note)&order=id")).await?;
        let by_hidden = get(format!("{line}?select=id,{mine}!inner(id)&{mine}.note=eq.his")).await?;
        let down = get(format!("{mine}?select=note,{line}(id)")).await?;
        Ok(Finding::all([
            (
                up == (2, false),
                format!(
                    "two lines and the notes they point at: {} rows, another's note among them: {}",
                    up.0, up.1
                ),
            ),
            (inner == (1, false), format!("lines with a note: {} of 2", inner.0)),
            (
                spread == (2, false),
                format!("notes spread into their lines: another's among them: {}", spread.1),
            ),
            (by_hidden.0 == 0, format!("lines found by another's note: {}", by_hidden.0)),
            (down == (1, false), format!("notes and their lines: {} of 2", down.0)),
        ]))
    })
    .await
}

/// 49: a policy on claims lets in whom the server named, never who named themselves, and the linter says which is which.
pub async fn claims_come_from_the_server(bench: &Bench) -> Result<Finding, Trouble> {
    let (ann, _) = bench.guest().await?;
    let (bob, session) = bench.guest().await?;
    let made = |name: &str| {
        format!(
            "CREATE TABLE public.{name}_told (id int PRIMARY KEY);
             GRANT ALL ON public.{name}_told TO {EVERYBODY};
             CREATE POLICY plan ON public.{name}_told FOR SELECT TO authenticated
               USING (((SELECT current_setting('request.jwt.claims', true))::jsonb -> 'app_metadata' ->> 'plan') = 'probe');
             INSERT INTO public.{name}_told VALUES (1)"
        )
    };
    let tables = Tables::make(bench, &["told"], made).await?;
    with(bench, tables, async |name| {
        let named = json!({ "app_metadata": { "plan": "probe" } });
        let of_ann = format!("/auth/v1/admin/users/{}", ann.id);
        let by_server = bench.server("PUT", &of_ann).json(&named).send().await?;
        // Each by itself: what must not be written may refuse the whole request.
        for wish in [json!({ "data": { "plan": "probe" } }), json!({ "app_metadata": { "plan": "probe" } })] {
            bench.client("PUT", "/auth/v1/user").bearer(&session.access).json(&wish).send().await?;
        }
        let seen = async |person: &Person| {
            let session = bench.sign_in(person).await?;
            let path = format!("/rest/v1/{name}_told?select=id");
            Ok::<_, Trouble>(rows(&bench.client("GET", &path).bearer(&session.access).send().await?))
        };
        let (hers, his) = (seen(&ann).await?, seen(&bob).await?);
        let before = broken_rules(bench, &format!("{name}_told")).await?;
        let text = format!(
            "CREATE POLICY wish ON public.{name}_told FOR SELECT TO authenticated
               USING (((SELECT auth.jwt()) -> 'user_metadata' ->> 'plan') = 'probe')"
        );
        bench.sql().await?.run(&text).await?;
        let after = broken_rules(bench, &format!("{name}_told")).await?;
        let found = |rules: &[String]| rules.iter().any(|rule| rule == "0015");
        Ok(Finding::all([
            (by_server.status == 200 && hers == 1, format!("whom the server named sees {hers} of 1 row")),
            (his == 0, format!("who named themselves sees {his} of 1 row")),
            (!found(&before), "the linter has nothing against a policy on app_metadata".to_owned()),
            (found(&after), format!("and names one on user_metadata: {}", after.join(" "))),
        ]))
    })
    .await
}
