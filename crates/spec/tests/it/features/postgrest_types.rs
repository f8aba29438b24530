//! What an application adds to PostgREST's wire by making things in the database: types with a form of their own on the wire,
//! media types, relationships, schemas; and how the server hears of it.

use serde_json::json;
use spec::TestApp;

use super::postgrest::{ask, cinema, get, refusal};

const COLORS: &str = r##"
create domain public.color as int check (value between 0 and 16777215);
create function public.json(public.color) returns json language sql immutable as $$ select to_json('#' || lpad(to_hex($1::int), 6, '0')) $$;
create function public.color(text) returns public.color language sql immutable as $$ select ('x' || lpad(ltrim($1, '#'), 8, '0'))::bit(32)::int::public.color $$;
create function public.color(json) returns public.color language sql immutable as $$ select public.color($1 #>> '{}') $$;
create cast (public.color as json) with function public.json(public.color) as implicit;
create cast (text as public.color) with function public.color(text) as implicit;
create cast (json as public.color) with function public.color(json) as implicit;
create table public.paints (id int primary key, color public.color not null);
create policy everybody on public.paints to authenticated using (true) with check (true);
insert into public.paints values (1, 255);
"##;

#[tokio::test]
async fn a_domain_has_the_form_on_the_wire_that_its_casts_give_it() {
    let (app, ann) = cinema().await;
    app.owner(COLORS).await;
    assert_eq!(get(&ann, "/paints").await, json!([{ "id": 1, "color": "#0000ff" }]));
    let headers = ["content-type: application/json", "prefer: return=representation"];
    let made = ask(&ann, "POST /paints", &headers, r##"{"id":2,"color":"#ff0000"}"##).await.expect(201);
    assert_eq!(made.value(), json!([{ "id": 2, "color": "#ff0000" }]));
    assert_eq!(get(&ann, "/paints?color=eq.%23ff0000&select=id").await, json!([{ "id": 2 }]));
    assert_eq!(
        get(&ann, "/paints?color=in.(%23ff0000,%230000ff)&select=id&order=id").await,
        json!([{ "id": 1 }, { "id": 2 }])
    );
    ask(&ann, "PATCH /paints?id=eq.2", &headers, r##"{"color":"#00ff00"}"##).await.expect(200);
    assert_eq!(get(&ann, "/paints?id=eq.2&select=color").await, json!([{ "color": "#00ff00" }]));
}

#[tokio::test]
async fn a_media_type_is_what_a_function_makes_of_it() {
    let (app, ann) = cinema().await;
    app.owner(
        r#"create domain public."application/x-lines" as text;
        create domain public."image/x-dot" as bytea;
        create function public.add_line(state public."application/x-lines", one public.films) returns public."application/x-lines"
            language sql immutable as $$ select (state || one.title || E'\n')::public."application/x-lines" $$;
        create aggregate public.as_lines(public.films) (sfunc = public.add_line, stype = public."application/x-lines", initcond = '');
        create function public.dot() returns public."image/x-dot" language sql immutable as $$ select '\x00ff'::bytea $$;"#,
    )
    .await;
    let lines =
        ask(&ann, "GET /films?order=id&id=lte.2", &["accept: application/x-lines"], "").await.expect(200);
    assert_eq!(
        (lines.text().as_str(), lines.header("content-type")),
        ("Stalker\nSolaris\n", "application/x-lines")
    );
    let dot = ask(&ann, "GET /rpc/dot", &["accept: image/x-dot"], "").await.expect(200);
    assert_eq!((&dot.body[..], dot.header("content-type")), (&[0, 255][..], "image/x-dot"));
    // Of another relation nothing is made, and of a part of a row neither.
    for path in ["/directors", "/films?select=id"] {
        let refused = refusal(&ann, &format!("GET {path}"), &["accept: application/x-lines"], "").await;
        assert_eq!(refused, (406, "PGRST107".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_function_of_a_row_is_a_relationship() {
    let (app, ann) = cinema().await;
    app.owner(
        "create function public.newest(public.directors) returns setof public.films rows 1 language sql stable as
            'select * from public.films where director_id = $1.id order by year desc limit 1';
         create function public.old(public.directors) returns setof public.films language sql stable as
            'select * from public.films where director_id = $1.id and year < 1979'",
    )
    .await;
    assert_eq!(
        get(&ann, "/directors?select=name,newest(title),old(id)&old.order=id&order=id").await,
        json!([
            { "name": "Tarkovsky", "newest": { "title": "Stalker" }, "old": [{ "id": 2 }, { "id": 3 }] },
            { "name": "Nobody", "newest": null, "old": [] },
        ])
    );
    assert_eq!(
        get(&ann, "/directors?select=name,newest!inner(title)&newest.title=like.S*").await,
        json!([{ "name": "Tarkovsky", "newest": { "title": "Stalker" } }])
    );
}

#[tokio::test]
async fn a_schema_is_chosen_by_its_profile_and_a_reload_is_heard() {
    let app = TestApp::builder().unlimited().with("data.schemas", "public,shop").start().await;
    app.owner(
        "create schema shop; grant usage on schema shop to authenticated;
         create table public.things (id int primary key, who text default 'public');
         create table shop.things (id int primary key, who text default 'shop');
         grant all on shop.things to authenticated; alter table shop.things enable row level security;
         alter table shop.things force row level security;
         create policy everybody on public.things to authenticated using (true) with check (true);
         create policy everybody on shop.things to authenticated using (true) with check (true)",
    )
    .await;
    let ann = app.person("ann").await.client;
    let headers = ["content-type: application/json", "prefer: return=representation"];
    for (profile, who) in [(None, "public"), (Some("public"), "public"), (Some("shop"), "shop")] {
        let (writes, reads) = match profile {
            Some(profile) => (format!("content-profile: {profile}"), format!("accept-profile: {profile}")),
            None => ("x-none: 1".to_owned(), "x-none: 1".to_owned()),
        };
        let id = profile.map_or(1, |profile| i32::try_from(profile.len()).unwrap());
        let body = json!({ "id": id }).to_string();
        let made = ask(&ann, "POST /things", &[headers[0], headers[1], &writes], &body).await.expect(201);
        assert_eq!(made.value()[0]["who"], who, "{profile:?}");
        let read = ask(&ann, &format!("GET /things?id=eq.{id}"), &[&reads], "").await.expect(200);
        assert_eq!(
            (read.value()[0]["who"].as_str(), read.header("content-profile")),
            (Some(who), who),
            "{profile:?}"
        );
    }
    for hidden in ["auth", "audit", "pg_catalog", "nothing"] {
        let refused = ask(&ann, "GET /things", &[&format!("accept-profile: {hidden}")], "").await.expect(406);
        // The list of what there is stays inside.
        assert!(
            refused.value()["code"] == "PGRST106" && !refused.text().contains("shop"),
            "{}",
            refused.text()
        );
    }
    let before = app.running.services.data.catalog().version;
    app.admin("notify pgrst, 'reload schema'").await;
    app.eventually(async || app.running.services.data.catalog().version > before).await;
}
