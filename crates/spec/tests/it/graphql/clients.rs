//! The reference client, Apollo Client, urql and GraphiQL, unmodified, as an administrator: a program and a person.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use spec::{Authenticator, Client, Palisade, Person, clients};

use super::{PLAIN, RELAY, ask};

/// What the program prints of a schema, in a file.
async fn printed(palisade: &Palisade, place: &Path, form: &str, convention: &str) -> PathBuf {
    let words = ["graphql", form, "--convention", convention, "--role", "service_role"];
    let output = palisade.command(&words).await;
    let file = place.join(format!("{convention}.{form}"));
    std::fs::write(&file, output.stdout).unwrap();
    file
}

/// The server hears of a new table a moment after it is there.
async fn hears_of_tables(palisade: &Palisade) {
    for _ in 0..40 {
        let printed = palisade.command(&["graphql", "sdl", "--role", "service_role"]).await;
        if String::from_utf8_lossy(&printed.stdout).to_lowercase().contains("type hostile") {
            return;
        }
    }
    unreachable!("the tables are not served");
}

#[tokio::test]
async fn graphql_js_apollo_urql_and_graphiql_work_unmodified() {
    let room = ["--graphql.max_complexity=100000", "--rate_limiting.enabled=false"];
    let palisade = Palisade::start("dev", &room).await;
    let (admin, connection) =
        tokio_postgres::connect(&palisade.ready.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    // Names, labels and comments that GraphQL has other uses for, or none.
    admin.batch_execute(include_str!("../../../../data/tests/it/hostile.sql")).await.unwrap();
    hears_of_tables(&palisade).await;
    let place = tempfile::TempDir::new().unwrap();
    for (convention, row) in [("plain", "type Projects {"), ("relay", "type projects implements Node {")] {
        let sdl = printed(&palisade, place.path(), "sdl", convention).await;
        let sdl = std::fs::read_to_string(sdl).unwrap();
        assert!(sdl.contains(row) && sdl.contains("type Mutation {"), "{sdl}");
        printed(&palisade, place.path(), "types", convention).await;
    }
    let told = [("PALISADE_SCHEMAS", place.path())];
    let (held, said) = clients::node_told(&palisade, "graphql_clients.mjs", &told).await;
    println!("{said}");
    assert!(held, "broken:\n{said}");
    assert!(said.lines().filter(|line| line.starts_with("ok ")).count() >= 7, "{said}");
    let types = palisade.command(&["graphql", "types", "--convention", "relay", "--role", "anon"]).await;
    let types = String::from_utf8_lossy(&types.stdout).into_owned();
    assert!(types.contains("export interface Query {"), "{types}");
}

/// The person that `palisade admin create` makes, signed in with their password, and their authenticator app. Its code for
/// this half minute is used up.
async fn administrator(palisade: &Palisade, now: i64) -> (Person, Authenticator) {
    let address = palisade.ready.url.trim_start_matches("http://").parse().unwrap();
    let browser = Client::new(address, [127, 0, 0, 1].into());
    let made = palisade.command(&["admin", "create", "root@example.com"]).await;
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    let link = said.lines().last().unwrap().trim().strip_prefix(&palisade.ready.url).unwrap().to_owned();
    let page = browser.get(&link).await.expect(200).text();
    let secret = page.split("type <code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let (path, token) = link.split_once("?token=").unwrap();
    let code = testkit::totp(&secret, now);
    let form = format!("token={token}&code={code}&password={}", "Correct-Horse-7-Battery%21");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    browser.send(http::Method::POST, path, &headers, form.into()).await.expect(200);
    let stranger = browser.with("apikey", &palisade.ready.publishable_key);
    let session = Person::sign_in(&stranger, "root@example.com", spec::person::PASSWORD).await.expect(200);
    let session = session.value();
    let id = session["user"]["factors"][0]["id"].as_str().unwrap().to_owned();
    (Person::from(&stranger, "root@example.com", &session), Authenticator { id, secret })
}

#[tokio::test]
async fn the_same_clients_work_for_an_administrator_who_is_a_person() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("http://127.0.0.1:{}", held.local_addr().unwrap().port());
    let listed = format!("--server.cors.allowed_origins={place}");
    let room = ["--rate_limiting.enabled=false", &listed];
    let palisade = Palisade::start("dev", &room).await;
    let now = base::Clock::system().unix_seconds();
    let (half, app) = administrator(&palisade, now).await;
    let reads = "{ __schema { queryType { name } } }";
    for path in [PLAIN, RELAY] {
        let seen = half.client.post(path, json!({ "query": reads })).await;
        assert!(
            seen.status == 403 && !seen.text().contains("queryType"),
            "one factor of two: {}",
            seen.text()
        );
    }
    let raised = app.show(&half.client, &app.code(now + 30)).await.expect(200).value();
    let root = half.again(&raised);
    let anybody = Person::sign_up(&without_token(&root), "anybody@example.com").await;
    for path in [PLAIN, RELAY] {
        assert_eq!(ask(&root.client, path, reads).await["data"]["__schema"]["queryType"]["name"], "Query");
        let refused = ask(&anybody.client, path, reads).await;
        assert!(refused["data"].get("__schema").is_none_or(Value::is_null), "{refused}");
    }
    drop(held);
    let told = [("PALISADE_TOKEN", Path::new(&root.access_token)), ("PALISADE_PAGE", Path::new(&place))];
    let (held, printed) = clients::node_told(&palisade, "graphql_clients.mjs", &told).await;
    println!("{printed}");
    assert!(held, "broken:\n{printed}");
    assert!(printed.lines().filter(|line| line.starts_with("ok ")).count() >= 5, "{printed}");
}

fn without_token(person: &Person) -> Client {
    let mut stranger = person.client.clone();
    stranger.headers.retain(|(name, _)| name != "authorization");
    stranger
}
