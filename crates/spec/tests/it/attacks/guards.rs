//! Every route of the program, walked: each answers strangers, people and oversized bodies as its guard and limits say
//! (rows 32, 70, 91; invariant 1). A new route is covered by being in the list.

use http::Method;
use spec::{Client, Seen, TestApp};
use web::{Bound, Guard, RouteInfo};

/// A path that could be asked for: parameters become something that is nobody's.
fn path(route: &Bound) -> String {
    let concrete = |piece: &str| match piece {
        "{id}" => "00000000-0000-4000-8000-000000000001".to_owned(),
        other if other.starts_with('{') => "nothing".to_owned(),
        other => other.to_owned(),
    };
    route.path.split('/').map(concrete).collect::<Vec<_>>().join("/")
}

async fn ask(client: &Client, route: &Bound) -> Seen {
    let body = if route.method == Method::GET || route.method == Method::HEAD { "" } else { "{}" };
    client
        .send(route.method.clone(), &path(route), &[("content-type", "application/json")], body.into())
        .await
}

fn is_refused(seen: &Seen) -> bool {
    [401, 403].contains(&seen.status.as_u16())
}

/// For people who administer, and no key: one that was taken must not say where the traps are, and a program has no name to be
/// recorded by when it acts in somebody else's.
const PEOPLES: [&str; 2] = ["/admin/v1/canaries", "/api/v1/auth/impersonate"];

#[tokio::test]
async fn every_route_lets_in_whom_its_guard_says_and_nobody_else() {
    let app = TestApp::builder().unlimited().start().await;
    let nobody = Client { headers: vec![], ..app.stranger() };
    let mut walked = 0;
    for route in &app.running.routes {
        let who = format!("{} {}", route.method, route.path);
        let (bare, keyed) = (ask(&nobody, route).await, ask(&app.stranger(), route).await);
        match route.terms.guard {
            Guard::Open => {}
            Guard::Key => assert!(is_refused(&bare), "{who} without a key: {}", bare.status),
            Guard::SignedIn | Guard::StepUp { .. } => {
                assert!(is_refused(&bare) && is_refused(&keyed), "{who}: {} {}", bare.status, keyed.status);
            }
            Guard::Admin => {
                let ann = app.person(&format!("ann{walked}")).await;
                let person = ask(&ann.client, route).await;
                assert!(is_refused(&bare) && is_refused(&keyed), "{who}: {} {}", bare.status, keyed.status);
                assert!(is_refused(&person), "{who} as a person: {}", person.status);
                let program = ask(&app.service(), route).await;
                let of_people = PEOPLES.iter().any(|peoples| route.path.starts_with(peoples));
                assert!(
                    if of_people { is_refused(&program) } else { !is_refused(&program) },
                    "{who} with the secret key: {} {}",
                    program.status,
                    program.text()
                );
            }
            Guard::Operator => panic!("{who} answers on the public listener"),
        }
        assert!(!bare.status.is_server_error(), "{who}: {}", bare.status);
        walked += 1;
    }
    assert!(walked > 60, "{walked} routes");
}

/// Whatever route there is: a key with limits opens those of its areas, and changes nothing where it may only read.
#[tokio::test]
async fn every_route_is_shut_to_a_key_whose_scope_does_not_name_it() {
    let app = TestApp::builder().unlimited().start().await;
    for scope in ["data:read", "data:write", "accounts:read", "accounts:write"] {
        let (area, verb) = scope.split_once(':').unwrap();
        let wanted = serde_json::json!({ "name": "limited", "scope": [scope] });
        let made = app::control::ask(app.data(), Method::POST, "/keys", Some(&wanted)).await.unwrap();
        let secret = made["key"].as_str().unwrap();
        let bare = Client { headers: vec![], ..app.stranger() };
        // In each place where a key may stand, alone and beside the publishable one.
        let shown = [
            bare.clone().with("apikey", secret),
            bare.clone().with("authorization", &format!("Bearer {secret}")),
            app.stranger().with("authorization", &format!("Bearer {secret}")),
        ];
        let (mut shut, mut open) = (0, 0);
        for route in &app.running.routes {
            if route.terms.guard == Guard::Open || route.terms.credentials != web::Credentials::KeyAndBearer {
                continue;
            }
            let who = format!("{scope}: {} {}", route.method, route.path);
            let changes = !route.method.is_safe() && route.area == web::Area::Accounts;
            let may = route.area.name() == area && (verb == "write" || !changes);
            for client in &shown {
                let seen = ask(client, route).await;
                let is_out_of_scope = seen.text().contains("This key may not");
                if may {
                    assert!(!is_out_of_scope, "{who}: {}", seen.text());
                    open += usize::from(!is_refused(&seen));
                } else {
                    let empty = seen.text().is_empty() && route.method == Method::HEAD;
                    assert!(
                        seen.status == 403 && (is_out_of_scope || empty),
                        "{who}: {} {}",
                        seen.status,
                        seen.text()
                    );
                    shut += 1;
                }
            }
        }
        assert!(shut > 60 && open > 10, "{scope}: {shut} shut, {open} open");
    }
}

#[tokio::test]
async fn every_route_refuses_a_body_over_its_limit_before_reading_it() {
    let app = TestApp::builder().unlimited().start().await;
    let ann = app.person("ann").await;
    for route in
        app.running.routes.iter().filter(|route| route.method == Method::POST || route.method == Method::PUT)
    {
        let client = if route.terms.guard == Guard::SignedIn { &ann.client } else { &app.service() };
        let keys: String =
            client.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = route.terms.limits.body_bytes_max + 1;
        let head = format!(
            "{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{keys}Content-Length: {length}\r\n\r\n",
            route.method,
            path(route)
        );
        let answer = client.raw(head.as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.starts_with("HTTP/1.1 413"),
            "{} {}: {}",
            route.method,
            route.path,
            answer.lines().next().unwrap_or("")
        );
    }
}

/// All that the reference prints of routes.
fn told(routes: &[RouteInfo]) -> Vec<String> {
    let one = |route: &RouteInfo| {
        let terms = &route.terms;
        let who = (&terms.guard, terms.credentials, terms.settles, terms.upgrades);
        let how_much = (terms.limits, route.rate(), terms.account.is_some());
        format!("{} {} {who:?} {how_much:?} {}", route.method, route.path, terms.summary)
    };
    routes.iter().map(one).collect()
}

#[tokio::test]
async fn the_reference_lists_exactly_the_routes_that_are_served() {
    let app = TestApp::builder().start().await;
    let served: Vec<_> = app.running.routes.iter().map(Bound::info).collect();
    let listed: Vec<_> =
        app::mounts::tables(base::Profile::Dev).into_iter().flat_map(|table| table.routes).collect();
    assert_eq!(told(&served), told(&listed));
}
