//! An application's own roles, from the admin API to what a policy lets somebody do.

use http::Method;
use serde_json::{Value, json};
use spec::TestApp;

const INVOICES: &str = "create table invoices (id int primary key, state text not null default 'new');
    insert into invoices values (1), (2);
    grant select, update on invoices to authenticated;
    create policy staff_see on invoices for select to authenticated using ((select auth.has_role('staff')) or (select auth.can('invoices:approve')));
    create policy approvers_change on invoices for update to authenticated
        using ((select auth.can('invoices:approve'))) with check ((select auth.can('invoices:approve')))";

#[tokio::test]
async fn a_role_given_by_an_administrator_opens_what_policies_say_and_closes_it_at_once() {
    let app = TestApp::start().await;
    app.owner(INVOICES).await;
    let (ann, service) = (app.person("ann").await, app.service());
    let seen = async || ann.client.get("/rest/v1/invoices?select=id").await.expect(200).value();
    let approve = async || {
        let asked = json!({ "state": "approved" });
        let ask = ann.client.clone().with("prefer", "return=representation");
        ask.json(Method::PATCH, "/rest/v1/invoices?id=eq.1", asked).await.expect(200).value()
    };
    assert_eq!(seen().await, json!([]), "nothing by default");

    let put = async |role: &str, grants: Value| {
        service.json(Method::PUT, &format!("/admin/v1/roles/{role}"), json!({ "grants": grants })).await
    };
    put("staff", json!([])).await.expect(200);
    put("approver", json!(["invoices:approve"])).await.expect(200);
    let member = |role: &str| format!("/admin/v1/roles/{role}/members/{}", ann.id);
    service.json(Method::PUT, &member("staff"), Value::Null).await.expect(200);
    assert_eq!(seen().await, json!([{ "id": 1 }, { "id": 2 }]), "with the token they had");
    assert_eq!(approve().await, json!([]));
    service.json(Method::PUT, &member("approver"), Value::Null).await.expect(200);
    assert_eq!(approve().await, json!([{ "id": 1, "state": "approved" }]));
    let names = service.get(&format!("/admin/v1/users/{}/roles", ann.id)).await.expect(200).value();
    assert_eq!(names, json!(["approver", "staff"]));

    put("approver", json!(["reports:*"])).await.expect(200);
    assert_eq!(approve().await, json!([]), "a grant that is gone is gone");
    put("approver", json!(["invoices:*"])).await.expect(200);
    assert_eq!(approve().await, json!([{ "id": 1, "state": "approved" }]));
    service.json(Method::DELETE, "/admin/v1/roles/approver", Value::Null).await.expect(200);
    assert_eq!(approve().await, json!([]));
    service.json(Method::DELETE, &member("staff"), Value::Null).await.expect(200);
    assert_eq!(seen().await, json!([]));
    assert!(app.audited("admin.role_change").await);
}

/// Attack row 32.
#[tokio::test]
async fn nobody_gives_themselves_a_role() {
    let app = TestApp::start().await;
    app.owner(INVOICES).await;
    let ann = app.person("ann").await;
    app.service().json(Method::PUT, "/admin/v1/roles/staff", json!({})).await.expect(200);
    let give = format!("/admin/v1/roles/staff/members/{}", ann.id);
    ann.client.json(Method::PUT, &give, Value::Null).await.expect(403);
    ann.client.get("/admin/v1/roles").await.expect(403);
    app.stranger().get("/admin/v1/roles").await.expect(403);
    let claims = json!({ "data": { "app_roles": ["staff"], "roles": ["staff"], "role": "staff" } });
    ann.client.json(Method::PUT, "/auth/v1/user", claims).await.expect(200);
    assert_eq!(ann.client.get("/rest/v1/invoices").await.expect(200).value(), json!([]));
    for table in ["app_roles", "app_role_members"] {
        let seen =
            ann.client.clone().with("accept-profile", "palisade").get(&format!("/rest/v1/{table}")).await;
        assert!(seen.status.is_client_error(), "{table}");
    }
}

#[tokio::test]
async fn what_is_no_role_no_grant_and_no_person_is_refused_by_name() {
    let app = TestApp::start().await;
    let service = app.service();
    let put = async |path: &str, body: Value| service.json(Method::PUT, path, body).await;
    assert!(put("/admin/v1/roles/Staff", json!({})).await.expect(400).text().contains("small letters"));
    let grants = json!({ "grants": ["everything"] });
    assert!(put("/admin/v1/roles/staff", grants).await.expect(400).text().contains("invoices:approve"));
    put("/admin/v1/roles/staff", json!({ "granted": [] })).await.expect(400);
    put("/admin/v1/roles/staff", json!({})).await.expect(200);
    put("/admin/v1/roles/staff/members/me", Value::Null).await.expect(404);
    put("/admin/v1/roles/staff/members/00000000-0000-4000-8000-000000000000", Value::Null).await.expect(404);
    put("/admin/v1/roles/none/members/00000000-0000-4000-8000-000000000000", Value::Null).await.expect(404);
}

/// What a role opens is open in every dialect, to whom it was given and as long as they have it.
#[tokio::test]
async fn a_role_opens_and_closes_the_same_in_every_dialect() {
    let app = TestApp::builder().unlimited().start().await;
    app.owner(INVOICES).await;
    app.owner(
        "create function listed() returns setof invoices language sql stable as 'select * from public.invoices';
         grant execute on function listed() to authenticated;
         create policy staff_in on realtime.messages for select to authenticated
           using (realtime.topic() = 'office' and (select auth.has_role('staff')))",
    )
    .await;
    let (ann, bob, service) = (app.person("ann").await, app.person("bob").await, app.service());
    // How many doors show the two invoices, and whether the channel opens.
    let open = async |who: &spec::Person| -> (usize, bool) {
        let mut doors = 0;
        for (method, path, body) in [
            (Method::GET, "/rest/v1/invoices?select=id", Value::Null),
            (Method::POST, "/rest/v1/rpc/listed", json!({})),
            (Method::GET, "/api/v1/tables/invoices?select=id", Value::Null),
            (Method::POST, "/api/v1/tables/invoices/query", json!({ "select": "id" })),
            (Method::POST, "/api/v1/rpc/default/listed", json!({})),
            (
                Method::POST,
                "/graphql/v1",
                json!({ "query": "{ invoicesCollection { edges { node { id } } } }" }),
            ),
            (Method::POST, "/api/v1/graphql", json!({ "query": "{ invoices { id } }" })),
        ] {
            let seen = who.client.json(method, path, body).await.expect(200).text();
            let rows = seen.matches("\"id\":").count();
            assert!(rows == 0 || rows == 2, "{path}: {seen}");
            doors += usize::from(rows == 2);
        }
        let mut talk = spec::Talk::open(&app).await;
        let answer = talk.join("realtime:office", json!({ "private": true }), Some(&who.access_token)).await;
        (doors, answer["status"] == "ok")
    };
    let member = |role: &str, who: &spec::Person| format!("/admin/v1/roles/{role}/members/{}", who.id);
    for role in ["staff", "guest"] {
        let grants = json!({ "grants": ["reports:read"] });
        service.json(Method::PUT, &format!("/admin/v1/roles/{role}"), grants).await.expect(200);
    }
    service.json(Method::PUT, &member("guest", &ann), Value::Null).await.expect(200);
    assert_eq!(open(&ann).await, (0, false), "a role that no policy names opens nothing");
    service.json(Method::PUT, &member("staff", &ann), Value::Null).await.expect(200);
    assert_eq!(open(&ann).await, (7, true));
    assert_eq!(open(&bob).await, (0, false), "nobody else has it");
    service.json(Method::DELETE, &member("staff", &ann), Value::Null).await.expect(200);
    assert_eq!(open(&ann).await, (0, false), "with the token they had");
    // A role opens no more of the database than grants do: what nobody granted stays shut.
    service.json(Method::PUT, &member("staff", &ann), Value::Null).await.expect(200);
    app.owner("revoke select on invoices from authenticated").await;
    let seen = ann.client.get("/rest/v1/invoices?select=id").await;
    assert!(seen.status.is_client_error(), "{} {}", seen.status, seen.text());
}
