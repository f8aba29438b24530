//! GraphQL from outside, in both conventions: what works, what is refused, and what is seen to be missing.

mod attacks;
mod callers;
mod clients;
mod names;
mod parity;
mod plain;
mod probes;
mod refused;
mod relay;
mod settings;

use serde_json::{Value, json};
use spec::{Client, TestApp};

/// The guide's convention.
const PLAIN: &str = "/api/v1/graphql";
/// pg_graphql's.
const RELAY: &str = "/graphql/v1";

/// The guide's own example: people, their posts, comments on them. Everybody sees what is public and what is theirs.
const BLOG: &str = "
create table public.users (id int primary key, name text not null, account uuid);
create table public.posts (id int primary key, user_id int not null references public.users, title text,
    is_public bool not null default false, words bigint, made_at timestamptz not null default '2026-01-02 03:04:05+00');
create index on public.posts (user_id);
create table public.comments (id int primary key, post_id int not null references public.posts,
    author_id int references public.users, body text, tags text[], meta jsonb);
create index on public.comments (post_id);
create policy everyone on public.users using (true);
create policy own on public.users for update using (account = (select auth.uid())) with check (account = (select auth.uid()));
create policy seen on public.posts using (is_public or user_id in (select id from public.users where account = (select auth.uid())))
    with check (user_id in (select id from public.users where account = (select auth.uid())));
create policy seen on public.comments using (exists (select 1 from public.posts p where p.id = post_id));
create function public.shout(word text, times int default 1) returns text language sql immutable as $$ select repeat(upper(word), times) $$;
create function public._initial(row_ public.users) returns text language sql stable as $$ select left(row_.name, 1) $$;
grant execute on function public.shout, public._initial to anon, authenticated;
comment on table public.posts is '@graphql({\"totalCount\": {\"enabled\": true}, \"aggregate\": {\"enabled\": true}})';
comment on schema public is '@graphql({\"inflect_names\": true})';
grant select, insert, update, delete on public.users, public.posts, public.comments to anon, authenticated;
";

/// The blog with Ann's account at user 1 and Bob's at user 2; post 10 is Ann's and public, 11 hers alone, 20 Bob's alone.
async fn blog(app: &TestApp) -> (spec::Person, spec::Person) {
    app.owner(BLOG).await;
    let (ann, bob) = (app.person("ann").await, app.person("bob").await);
    let rows = format!(
        "insert into public.users values (1, 'Ann', '{}'), (2, 'Bob', '{}'), (3, 'Cid', null);
         insert into public.posts (id, user_id, title, is_public, words) values
             (10, 1, 'open', true, 9007199254740993), (11, 1, 'hers', false, 2), (20, 2, 'his', false, 3);
         insert into public.comments values (100, 10, 2, 'nice', '{{a,b}}', '{{\"k\": 1}}'), (101, 11, 1, 'note', null, null),
             (102, 20, 1, 'hidden', null, null)",
        ann.id, bob.id
    );
    app.database.admin().await.batch_execute(&rows).await.unwrap();
    (ann, bob)
}

/// An instance whose cost limit leaves room for the guide's example.
async fn roomy() -> TestApp {
    TestApp::builder().unlimited().with("graphql.max_complexity", "100000").start().await
}

async fn ask(client: &Client, path: &str, query: &str) -> Value {
    ask_with(client, path, query, json!({})).await
}

async fn ask_with(client: &Client, path: &str, query: &str, variables: Value) -> Value {
    client.post(path, json!({ "query": query, "variables": variables })).await.expect(200).value()
}

/// What the first error says.
#[track_caller]
fn refusal(answer: &Value) -> &str {
    answer["errors"][0]["message"].as_str().unwrap_or_else(|| panic!("not refused: {answer}"))
}
