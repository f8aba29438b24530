//! The guide's `graphql:` block, word for word in a configuration file, and what each line of it does.

use serde_json::{Value, json};
use spec::{Client, Palisade};

use super::{PLAIN, RELAY, ask};

/// As the guide has it.
const BLOCK: &str = "\
graphql:
  enabled: true
  max_depth: 10 # Maximum nesting depth
  max_complexity: 1000 # Maximum complexity score
  introspection: false # Disable schema introspection
";

const TYPE: &str = "{ __type(name: \"Projects\") { name } }";

/// Starts with the block, one line of it replaced.
async fn with(from: &str, to: &str) -> (Palisade, Client) {
    let place = tempfile::TempDir::new().unwrap();
    let file = place.path().join("palisade.yaml");
    assert!(BLOCK.contains(from));
    std::fs::write(&file, BLOCK.replacen(from, to, 1)).unwrap();
    let palisade = Palisade::start("dev", &["--config", &file.display().to_string()]).await;
    let address = palisade.ready.url.trim_start_matches("http://").parse().unwrap();
    let client = Client::new(address, [127, 0, 0, 1].into()).with("apikey", &palisade.ready.publishable_key);
    (palisade, client)
}

fn deep(levels: usize) -> String {
    format!("{}{{ x }}{}", "{ a ".repeat(levels - 1), "}".repeat(levels - 1))
}

/// Costs 10 and 10 for each.
fn dear(fields: usize) -> String {
    format!("{{ projects {{ {} }} }}", "id ".repeat(fields))
}

fn said(answer: &Value) -> String {
    answer["errors"][0]["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_guides_block_holds_word_for_word() {
    let (palisade, client) = with("", "").await;
    assert_eq!(
        said(&ask(&client, PLAIN, &deep(11)).await),
        "The operation exceeds max_depth: 11 measured, 10 allowed"
    );
    assert!(!said(&ask(&client, PLAIN, &deep(10)).await).contains("max_depth"));
    let over = said(&ask(&client, PLAIN, &dear(100)).await);
    assert_eq!(over, "The operation exceeds max_complexity: 1010 measured, 1000 allowed");
    assert!(ask(&client, PLAIN, &dear(99)).await["data"]["projects"].is_array());
    let address = palisade.ready.url.trim_start_matches("http://").parse().unwrap();
    let admin = Client::new(address, [127, 0, 0, 1].into()).with("apikey", &palisade.ready.secret_key);
    for path in [PLAIN, RELAY] {
        assert!(said(&ask(&client, path, TYPE).await).contains("Unknown field"));
        let by_get =
            client.get(&format!("{path}?query=%7B__schema%7Btypes%7Bname%7D%7D%7D")).await.expect(200);
        assert!(by_get.text().contains("Unknown field"), "{}", by_get.text());
        assert_eq!(ask(&client, path, "{ __typename }").await["data"], json!({ "__typename": "Query" }));
        assert_eq!(
            ask(&admin, path, "{ __type(name: \"Query\") { name } }").await["data"]["__type"]["name"],
            "Query"
        );
    }
}

#[tokio::test]
async fn each_line_of_the_guides_block_has_an_effect() {
    let (_running, client) = with("max_depth: 10", "max_depth: 5").await;
    assert!(said(&ask(&client, PLAIN, &deep(6)).await).contains("max_depth: 6 measured, 5 allowed"));
    let (_running, client) = with("max_complexity: 1000", "max_complexity: 100").await;
    assert!(
        said(&ask(&client, PLAIN, &dear(10)).await).contains("max_complexity: 110 measured, 100 allowed")
    );
    assert!(ask(&client, PLAIN, &dear(9)).await["data"]["projects"].is_array());
    let (_running, client) = with("introspection: false", "introspection: true").await;
    assert_eq!(ask(&client, PLAIN, TYPE).await["data"]["__type"]["name"], "Projects");
    let (_running, client) = with("enabled: true", "enabled: false").await;
    client.post(PLAIN, json!({ "query": "{ __typename }" })).await.expect(404);
}
