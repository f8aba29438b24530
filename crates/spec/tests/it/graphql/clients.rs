//! The reference client, Apollo Client, urql and GraphiQL, unmodified, as an administrator.

use spec::{Palisade, clients};

#[tokio::test]
async fn graphql_js_apollo_urql_and_graphiql_work_unmodified() {
    let room = ["--graphql.max_complexity=100000", "--rate_limiting.enabled=false"];
    let palisade = Palisade::start("dev", &room).await;
    let (held, printed) = clients::node(&palisade, "graphql_clients.mjs").await;
    println!("{printed}");
    assert!(held, "broken:\n{printed}");
    let sdl = palisade.command(&["graphql", "sdl", "--role", "service_role"]).await;
    let sdl = String::from_utf8_lossy(&sdl.stdout).into_owned();
    assert!(sdl.contains("type Projects {") && sdl.contains("type Mutation {"), "{sdl}");
    let types = palisade.command(&["graphql", "types", "--convention", "relay", "--role", "anon"]).await;
    let types = String::from_utf8_lossy(&types.stdout).into_owned();
    assert!(types.contains("export interface Query {"), "{types}");
    assert!(printed.lines().filter(|line| line.starts_with("ok ")).count() >= 5, "{printed}");
}
