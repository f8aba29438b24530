//! Ids of somebody else, of every kind, at every route that takes one (row 70): the table of who gets what.
//!
//! Four ask: nobody, anybody with the publishable key, another person, and (where it only looks) the secret key. The first three get
//! nothing of Ann's and change nothing; she herself and the secret key do.

use http::Method;
use serde_json::{Value, json};
use spec::{Authenticator, Client, Person, TestApp};
use web::{Bound, Guard};

/// What is planted in what is Ann's.
const MARK: &str = "planted-3f7c1a";

/// What Ann has, by kind.
struct Owned {
    person: Person,
    ids: Vec<(&'static str, String)>,
}

impl Owned {
    fn id(&self, kind: &str) -> &str {
        self.ids.iter().find(|(name, _)| *name == kind).map_or("", |(_, id)| id)
    }

    /// The path with one id in every place; what names a relation or a function names one that has Ann's row.
    fn path(&self, route: &Bound, id: &str) -> String {
        let row = self.id("row");
        let concrete = |piece: &str| match piece {
            "{relation}" => format!("notes?id=eq.{row}"),
            "{function}" => format!("note?wanted={row}"),
            "{first}" => "notes".to_owned(),
            "{second}" => row.to_owned(),
            "{name}" if route.path.contains("rpc") => "note".to_owned(),
            "{namespace}" => "public".to_owned(),
            "{form}" => "v1".to_owned(),
            other if other.starts_with('{') => id.to_owned(),
            other => other.to_owned(),
        };
        route.path.split('/').map(concrete).collect::<Vec<_>>().join("/")
    }

    /// Everything of hers that an attack could have changed.
    async fn state(&self, app: &TestApp) -> String {
        let sql = "select jsonb_build_object(
                'user', (select jsonb_build_array(u.email, u.phone, u.encrypted_password, u.role, u.raw_user_meta_data, u.raw_app_meta_data, u.banned_until, u.deleted_at) from auth.users u where u.id = $1::text::uuid),
                'sessions', (select count(*) from auth.sessions where user_id = $1::text::uuid),
                'factors', (select jsonb_agg(jsonb_build_array(f.id, f.status, f.friendly_name) order by f.id) from auth.mfa_factors f where user_id = $1::text::uuid),
                'identities', (select jsonb_agg(i.id order by i.id) from auth.identities i where user_id = $1::text::uuid),
                'notes', (select jsonb_agg(to_jsonb(n) order by n.id) from public.notes n where n.owner = $1::text::uuid))::text";
        app.database.admin().await.query_one(sql, &[&self.person.id]).await.unwrap().get(0)
    }
}

async fn ann(app: &TestApp) -> Owned {
    app.owner(
        "create table public.notes (id bigint generated always as identity primary key, owner uuid not null default auth.uid(), body text);
         create policy own on public.notes to authenticated using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
         create function public.note(wanted bigint default 0) returns setof public.notes language sql stable as
             $$ select * from public.notes where id = wanted or wanted = 0 $$;
         grant execute on function public.note to anon, authenticated",
    )
    .await;
    let person = app.person(MARK).await;
    let data = json!({ "data": { "secret": MARK } });
    person.client.json(Method::PUT, "/auth/v1/user", data).await.expect(200);
    person.client.post("/rest/v1/notes", json!({ "body": MARK })).await.expect(201);
    let row = person.client.get("/rest/v1/notes?select=id").await.value()[0]["id"].to_string();
    let factor = Authenticator::enrol(&person).await;
    let user = person.client.get("/auth/v1/user").await.expect(200).value();
    let sessions = person.client.get("/auth/v1/user/sessions").await.expect(200).value();
    let session = find(&sessions, "id").unwrap();
    let client = json!({ "client_name": MARK, "redirect_uris": ["https://app.example.com/back"] });
    let client = app.service().post("/auth/v1/admin/oauth/clients", client).await;
    let role = json!({ "grants": ["a:b"] });
    let role = app.service().json(Method::PUT, "/admin/v1/roles/staff", role).await;
    assert!(role.status.is_success(), "{}", role.text());
    let mut ids = vec![
        ("user", person.id.clone()),
        ("row", row),
        ("factor", factor.id.clone()),
        ("session", session),
        ("identity", find(&user["identities"], "identity_id").unwrap()),
        ("email", person.email.clone()),
        ("role", "staff".to_owned()),
        ("none", "00000000-0000-4000-8000-000000000001".to_owned()),
    ];
    if let Some(id) = find(&client.value(), "client_id") {
        ids.push(("client", id));
    }
    Owned { person, ids }
}

fn find(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Object(fields) => match fields.get(name) {
            Some(Value::String(found)) => Some(found.clone()),
            _ => fields.values().find_map(|value| find(value, name)),
        },
        Value::Array(all) => all.iter().find_map(|value| find(value, name)),
        _ => None,
    }
}

/// With every name that an id has anywhere, as body and as query.
fn named(id: &str) -> Value {
    json!({
        "id": id, "user_id": id, "owner": id, "session_id": id, "factor_id": id, "factorId": id, "identity_id": id, "sub": id,
        "email": id, "params": { "wanted": id }, "wanted": id, "name": id, "body": "overwritten", "code": "000000",
        "filters": [{ "column": "owner", "operator": "neq", "value": "00000000-0000-4000-8000-000000000009" }],
    })
}

/// Ends whatever the asker has, which is theirs to do and would make all that follows nobody's.
fn ends_the_asker(route: &Bound) -> bool {
    route.path.contains("logout") || route.path.contains("signout")
}

async fn ask(client: &Client, route: &Bound, path: &str, id: &str) -> spec::Seen {
    let json = [("content-type", "application/json")];
    if [Method::GET, Method::HEAD].contains(&route.method) {
        let mark = if path.contains('?') { '&' } else { '?' };
        let query = if path.contains("/rest/") || path.contains("/tables/") {
            String::new()
        } else {
            format!("{mark}id={id}&user_id={id}&email={id}")
        };
        return client.send(route.method.clone(), &format!("{path}{query}"), &json, "".into()).await;
    }
    client.send(route.method.clone(), path, &json, named(id).to_string().into()).await
}

#[tokio::test]
async fn row_70_ids_of_every_kind_at_every_route_give_others_nothing() {
    let app = TestApp::builder().unlimited().start().await;
    let owned = ann(&app).await;
    let bob = app.person("bob").await;
    let nobody = Client { headers: vec![], ..app.stranger() };
    let before = owned.state(&app).await;
    assert!(before.contains(MARK));
    let (mut asked, mut given) = (0, 0);
    // What mails `dev` caught is anybody's on its machine, who all are the one who develops there.
    let caught = |route: &&Bound| route.path.starts_with("/_/");
    for route in app.running.routes.iter().filter(|route| !ends_the_asker(route) && !caught(route)) {
        let takes_one = route.path.contains('{');
        for (kind, id) in &owned.ids {
            let path = owned.path(route, id);
            for (who, client) in [("nobody", &nobody), ("anybody", &app.stranger()), ("bob", &bob.client)] {
                let seen = ask(client, route, &path, id).await;
                let text = seen.text();
                let said = format!("{who}: {} {path} with the {kind}: {} {text}", route.method, seen.status);
                // What they sent themselves may be said again.
                let echoed = id.contains(MARK);
                assert!(echoed || !text.contains(MARK), "{said}");
                assert!(!seen.status.is_server_error(), "{said}");
                if route.terms.guard == Guard::Admin {
                    assert!([401, 403].contains(&seen.status.as_u16()), "{said}");
                }
                asked += 1;
            }
            if takes_one && route.method == Method::GET && route.terms.guard == Guard::Admin {
                let seen = ask(&app.service(), route, &path, id).await;
                assert!(![401, 403].contains(&seen.status.as_u16()) || route.path.contains("canaries"));
                given += usize::from(seen.status == 200);
            }
        }
    }
    assert!(asked > 2_000 && given >= 5, "{asked} asked, {given} given");
    bob.client.get("/auth/v1/user").await.expect(200);
    assert_eq!(owned.state(&app).await, before, "something of hers was changed");
    // She herself, and the secret key, by the same ids.
    let own = &owned.person.client;
    assert!(
        own.get(&format!("/rest/v1/notes?id=eq.{}", owned.id("row"))).await.expect(200).text().contains(MARK)
    );
    assert!(own.get("/rest/v1/rpc/note").await.expect(200).text().contains(MARK));
    let account = format!("/auth/v1/admin/users/{}", owned.id("user"));
    assert!(app.service().get(&account).await.expect(200).text().contains(MARK));
    let ended = format!("/auth/v1/user/sessions/{}", owned.id("session"));
    let ended = own.send(Method::DELETE, &ended, &[], "".into()).await;
    assert!(ended.status.is_success(), "{}", ended.text());
}
