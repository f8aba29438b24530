//! What PostgreSQL finds by a name, guesses of a number, names in a refusal or gives again, although nobody who asks may know of it
//! (rows 58, 64, 74, 79).

use serde_json::json;
use spec::TestApp;

use super::policies::notes;

/// PostgreSQL's own functions take a row as well: one of them makes one value of all rows, whatever the bound on rows says.
#[tokio::test]
async fn row_74_no_function_makes_one_row_of_all() {
    let app = TestApp::builder().unlimited().with("data.max_rows", "2").start().await;
    let (ann, _) = notes(&app).await;
    app.admin(
        "INSERT INTO public.lines (note, word) select n.id, 'w' from public.notes n, generate_series(1, 20)",
    )
    .await;
    for path in ["/rest/v1/", "/api/v1/tables/"] {
        for function in
            ["json_agg", "jsonb_agg", "array_agg", "string_agg", "any_value", "to_jsonb", "concat"]
        {
            for query in [
                format!("lines?select={function}"),
                format!("lines?select=all:{function}::text"),
                format!("lines?select=id&{function}=neq.x"),
                format!("lines?select=id&order={function}"),
                format!("notes?select=id,lines({function})"),
                format!("notes?select=id,...lines({function})"),
            ] {
                let seen = ann.client.get(&format!("{path}{query}")).await;
                assert_eq!(seen.status, 400, "{path}{query}: {}", seen.text());
            }
        }
        let counted = ann.client.get(&format!("{path}notes?select=lines(count)&order=id")).await;
        assert_eq!(
            counted.expect(200).value(),
            json!([{ "lines": [{ "count": 21 }] }]),
            "a number is no row"
        );
        let rows = ann.client.get(&format!("{path}lines?select=id,ctid,xmin,tableoid&order=ctid")).await;
        assert_eq!(rows.expect(200).value().as_array().unwrap().len(), 2, "what every row has");
    }
}
