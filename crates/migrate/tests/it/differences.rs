//! What was changed by hand is found, and the SQL that is written down for it does it again.

use migrate::Ask;

use crate::world::{World, ask};

const BASE: &str = "
create type mood as enum ('low', 'high');
create table teams (id int primary key, name text not null, mood mood default 'low');
create table notes (id bigint generated always as identity primary key, team int references teams, body text, size int generated always as (length(body)) stored);
create index notes_body on notes (body);
create function names() returns setof text language sql stable as 'select name from public.teams';
create policy see on teams for select to authenticated using (name = 'x');
create view listed with (security_invoker) as select id, name from teams;
grant select on teams to authenticated;
comment on table teams is 'people';
";

/// Changes by hand, each alone.
const CHANGES: &[&str] = &[
    "create table fresh (id serial primary key, at timestamptz default now(), kind mood not null default 'high', check (id > 0))",
    "drop table notes",
    "alter table teams add column size int not null default 3",
    "alter table teams alter column name drop not null, alter column name set default 'n'",
    "alter table teams rename column name to title",
    "alter table notes alter column team type bigint",
    "alter type mood add value 'middle' after 'low'",
    "drop policy see on teams",
    "alter policy see on teams using (name = 'y')",
    "create policy change on teams for update to authenticated, service_role using (true) with check (name <> '')",
    "create or replace function names() returns setof text language sql stable as 'select upper(name) from public.teams'",
    "create function whole(int) returns public.teams language sql stable as 'select * from public.teams where id = $1'",
    "drop index notes_body; create unique index notes_size on notes (size desc)",
    "revoke select on teams from authenticated; grant select, insert on notes to anon",
    "comment on table teams is 'groups'; comment on column teams.name is 'shown'",
    "create schema other; create table other.t (a int primary key, b int references other.t); create sequence other.s increment 5",
    "create domain short as text default 'a' check (length(value) < 9); alter table teams add column s short",
    "create table parts (day date not null, n int) partition by range (day); create table parts_1 partition of parts for values from ('2026-01-01') to ('2027-01-01')",
    "create function touch() returns trigger language plpgsql as 'begin return new; end'; create trigger touched before update on teams for each row execute function touch()",
    "create extension citext schema extensions; alter table teams add column mail extensions.citext unique",
    "drop view listed; create materialized view listed as select id from teams",
    "create view z_low as select id from teams; create view a_high as select id from z_low; create materialized view m_top as select id from a_high",
    "create domain z_low as text check (value <> ''); create domain a_high as z_low; create table z_up (id int primary key, s a_high); create table a_down (n int) inherits (z_up)",
    HOSTILE,
    "alter table notes drop constraint notes_team_fkey; alter table notes add foreign key (team) references teams on delete cascade deferrable",
];

/// Names that need quoting, and a label that tries to be a statement.
const HOSTILE: &str = r#"
create type "odd 'one'" as enum (E'x\n;drop table notes;--', '%s');
create table "T ""x"". y%I" ("c.d e" "odd 'one'" not null default '%s', "Id" int primary key check ("Id" > 0));
create policy "p to ""q""" on "T ""x"". y%I" to authenticated using ("c.d e" = '%s');
grant select on "T ""x"". y%I" to authenticated;
comment on column "T ""x"". y%I"."c.d e" is 'it''s; %s'"#;

#[tokio::test]
async fn what_is_named_strangely_is_taken_away_with_what_it_belongs_to() {
    let world = World::new().await;
    let base = format!("{BASE};{HOSTILE}");
    let files = ask(&[("1_base.sql", &base)]);
    world.migrations.up(&Ask { allow: vec!["*".to_owned()], ..files.clone() }).await.unwrap();
    assert_eq!(world.migrations.diff(&files.files).await.unwrap(), []);
    let gone = r#"drop table "T ""x"". y%I"; drop type "odd 'one'""#;
    world.database.owner().await.batch_execute(gone).await.unwrap();
    let found = world.migrations.diff(&files.files).await.unwrap();
    let written: Vec<&str> = found.iter().map(|difference| difference.sql.as_str()).collect();
    assert_eq!(written, [r#"DROP TABLE public."T ""x"". y%I""#, r#"DROP TYPE public."odd 'one'""#]);
    // A label alone stays, and is no statement of what is written about it.
    let label = r#"alter type "odd 'one'" rename value E'x\n;drop table notes;--' to 'y'"#;
    let world = World::new().await;
    world.migrations.up(&Ask { allow: vec!["*".to_owned()], ..files.clone() }).await.unwrap();
    world.database.owner().await.batch_execute(label).await.unwrap();
    for difference in world.migrations.diff(&files.files).await.unwrap() {
        assert!(!difference.sql.contains('\n'), "{}", difference.sql);
    }
}

#[tokio::test]
async fn every_change_by_hand_is_written_down_so_that_it_can_be_done_again() {
    for change in CHANGES {
        let world = World::new().await;
        let files = ask(&[("1_base.sql", BASE)]);
        world.migrations.up(&Ask { allow: vec!["*".to_owned()], ..files.clone() }).await.unwrap();
        assert_eq!(world.migrations.diff(&files.files).await.unwrap(), [], "before {change}");
        world
            .database
            .owner()
            .await
            .batch_execute(change)
            .await
            .unwrap_or_else(|error| panic!("{error:?} in {change}"));
        let found = world.migrations.diff(&files.files).await.unwrap();
        assert!(!found.is_empty(), "{change}");
        let written: String = found.iter().map(|difference| format!("{};\n", difference.sql)).collect();
        let both = ask(&[("1_base.sql", BASE), ("2_by_hand.sql", &written)]);
        let left =
            world.migrations.diff(&both.files).await.unwrap_or_else(|error| panic!("{error} in\n{written}"));
        assert_eq!(left, [], "after {change}:\n{written}");
    }
}

#[tokio::test]
async fn what_a_probe_of_a_control_made_is_nobodys_change() {
    let world = World::new().await;
    let files = ask(&[("1_base.sql", BASE)]);
    world.migrations.up(&Ask { allow: vec!["*".to_owned()], ..files.clone() }).await.unwrap();
    let probe = "create table palisade_probe_0123456789abcdef_rows (id int primary key);
                 create function palisade_probe_0123456789abcdef_slow() returns int language sql as 'select 1'";
    world.database.admin().await.batch_execute(probe).await.unwrap();
    assert_eq!(world.migrations.diff(&files.files).await.unwrap(), []);
    let named_alike = "create table palisade_probe_of_mine (id int primary key)";
    world.database.owner().await.batch_execute(named_alike).await.unwrap();
    assert_ne!(world.migrations.diff(&files.files).await.unwrap(), []);
}
