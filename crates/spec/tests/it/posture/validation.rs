//! What may be written, what becomes of it, and how often: each probe turns red without its protection.

use posture::State;
use spec::TestApp;

use super::{is, look, misses, turns_red};

#[tokio::test]
async fn control_125_turns_red_when_keys_are_forgotten() {
    // The answers are not kept: the same write happens again.
    turns_red(
        125,
        "CREATE OR REPLACE FUNCTION idempotency.keep_answer(of_scope bytea, of_key bytea, of_request bytea, of_answer bytea, until timestamptz, under bytea)
         RETURNS void LANGUAGE sql AS $$ SELECT NULL::void $$",
    )
    .await;
}

#[tokio::test]
async fn control_125_turns_red_when_requests_with_one_key_are_not_compared() {
    turns_red(
        125,
        "CREATE FUNCTION palisade.blur() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
         $$ BEGIN DELETE FROM idempotency.answers; new.key := sha256(new.key); RETURN new; END $$;
         CREATE TRIGGER blur BEFORE INSERT ON idempotency.answers FOR EACH ROW EXECUTE FUNCTION palisade.blur()",
    )
    .await;
}

/// Comments on columns of the probes' tables are gone a moment after they were made.
const NO_COMMENTS: &str =
    "CREATE FUNCTION palisade.hush() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS
     $$ BEGIN DELETE FROM pg_description WHERE objsubid > 0 AND description LIKE '%@palisade %'; END $$;
     CREATE EVENT TRIGGER hush ON ddl_command_end WHEN TAG IN ('COMMENT') EXECUTE FUNCTION palisade.hush()";

#[tokio::test]
async fn control_121_turns_red_when_schemas_are_not_heard_of() {
    turns_red(121, NO_COMMENTS).await;
}

#[tokio::test]
async fn control_121_turns_red_when_constraints_are_dropped() {
    turns_red(
        121,
        "CREATE FUNCTION palisade.loosen() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS
         $$ DECLARE found record; BEGIN
            FOR found IN SELECT conrelid::regclass AS relation, conname FROM pg_constraint
                         WHERE contype = 'c' AND conrelid::regclass::text ~ '_forms$' LOOP
                EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.relation, found.conname);
            END LOOP; END $$;
         CREATE EVENT TRIGGER loosen ON ddl_command_end WHEN TAG IN ('CREATE POLICY') EXECUTE FUNCTION palisade.loosen()",
    )
    .await;
}

#[tokio::test]
async fn control_122_turns_red_when_tags_are_not_heard_of() {
    turns_red(122, NO_COMMENTS).await;
}

#[tokio::test]
async fn control_122_turns_red_when_a_trigger_brings_back_what_was_sent() {
    turns_red(
        122,
        "CREATE FUNCTION palisade.spoil() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS
         $$ DECLARE found record; BEGIN
            FOR found IN SELECT oid::regclass AS relation FROM pg_class c WHERE relkind = 'r' AND relname ~ '_pages$'
                         AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid) LOOP
                EXECUTE format('CREATE TRIGGER spoil BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION palisade.spoiled()', found.relation);
            END LOOP; END $$;
         CREATE FUNCTION palisade.spoiled() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN new.body := new.body || '<img src=x onerror=alert(1)>'; RETURN new; END $$;
         GRANT USAGE ON SCHEMA palisade TO PUBLIC;
         CREATE EVENT TRIGGER spoil ON ddl_command_end WHEN TAG IN ('CREATE POLICY') EXECUTE FUNCTION palisade.spoil()",
    )
    .await;
}

#[tokio::test]
async fn html_that_was_stored_past_the_api_is_seen() {
    let app = TestApp::start().await;
    app.owner(
        "create domain public.prose as text; comment on domain public.prose is '@palisade html: sanitize';
         create table public.essays (id int primary key, body text, story public.prose, plain text);
         comment on column public.essays.body is 'The text.\n@palisade html: sanitize';
         create policy everybody on public.essays to authenticated using (true) with check (true);
         insert into public.essays values (1, '<b>x</b>', 'a &lt;script&gt;', '<script>x</script>')",
    )
    .await;
    let clean = look(&app, 122).await;
    is(&clean, State::Proven, "only what is clean");
    assert!(clean.evidence.contains("2 columns with the rule"), "{}", clean.evidence);
    app.owner("update public.essays set story = '<img src=x onerror=alert(1)>'").await;
    let unclean = look(&app, 122).await;
    misses(&unclean, "written past the API");
    assert!(unclean.evidence.contains("public.essays.story: 1"), "{}", unclean.evidence);
    // Saved again through the API it is clean.
    let again = serde_json::json!({ "story": "<img src=x onerror=alert(1)>" });
    app.service().json(http::Method::PATCH, "/rest/v1/essays?id=eq.1", again).await.expect(204);
    is(&look(&app, 122).await, State::Proven, "cleaned");
}

/// What only the administrator can: `loot` is there when somebody was.
const TAKE: &str = "begin perform set_config('role', 'none', true); exception when others then null; end;
    begin execute 'create table public.loot as select count(*) from pg_catalog.pg_authid'; exception when others then null; end;";

#[tokio::test]
async fn looking_at_what_is_stored_runs_nothing_of_the_applications_as_the_administrator() {
    let app = TestApp::start().await;
    app.owner(&format!(
        "create table public.later (n int);
         create function public.takes() returns trigger language plpgsql as $f$ begin {TAKE} return null; end $f$;
         create constraint trigger later after insert on public.later deferrable initially deferred
           for each row execute function public.takes();
         create type public.mood as enum ('fine');
         create function public.told(public.mood) returns text language plpgsql as $f$ begin {TAKE}
           insert into public.later values (1); return 'fine'; end $f$;
         create cast (public.mood as text) with function public.told(public.mood);
         create table public.diary (id int primary key, body public.mood);
         comment on column public.diary.body is '@palisade html: sanitize';
         create policy everybody on public.diary to authenticated using (true) with check (true);
         insert into public.diary values (1, 'fine')"
    ))
    .await;
    let seen = look(&app, 122).await;
    assert!(seen.evidence.contains("1 columns with the rule"), "{}", seen.evidence);
    let loot = app.database.admin().await.query_one("select to_regclass('public.loot')::text", &[]).await;
    assert_eq!(loot.unwrap().get::<_, Option<String>>(0), None);
}

#[tokio::test]
async fn probes_remove_their_accounts_with_nobody_elses_rights_than_ours() {
    let app = TestApp::start().await;
    // Each statement, each row, and when the transaction ends, of a row that goes with its account.
    app.owner(&format!(
        "create function public.takes() returns trigger language plpgsql as $f$ begin {TAKE} return null; end $f$;
         create trigger one after delete on auth.users for each statement execute function public.takes();
         create trigger two after delete on auth.users for each row execute function public.takes();
         create table public.profiles (id uuid primary key references auth.users on delete cascade);
         create constraint trigger later after delete on public.profiles deferrable initially deferred
           for each row execute function public.takes();
         create function public.more() returns trigger language plpgsql security definer as
           $f$ begin insert into public.profiles values (new.id); return new; end $f$;
         create trigger three after insert on auth.users for each row execute function public.more()"
    ))
    .await;
    let left = "insert into auth.users (id, email) values (gen_random_uuid(), 'p0123456789abcdef@probe.palisade.invalid')";
    app.database.owner().await.batch_execute(left).await.unwrap();
    // A round, which begins with what one that was cut short has left behind.
    app.running.services.posture.check(92).await.unwrap();
    let admin = app.database.admin().await;
    let left = "select to_regclass('public.loot')::text, string_agg(email, ' ') from auth.users where email like '%@probe.palisade.invalid'";
    let left = admin.query_one(left, &[]).await.unwrap();
    assert_eq!((left.get::<_, Option<String>>(0), left.get::<_, Option<String>>(1)), (None, None));
}

#[tokio::test]
async fn control_124_turns_red_when_the_schema_is_not_followed() {
    // New tables are heard of, changes of them are not.
    turns_red(
        124,
        "DO $do$ BEGIN EXECUTE regexp_replace(pg_get_functiondef('palisade.on_ddl()'::regprocedure), '\\mBEGIN\\M',
             'BEGIN IF tg_tag = ''ALTER TABLE'' THEN RETURN; END IF;', 'i'); END $do$",
    )
    .await;
}

#[tokio::test]
async fn control_57_turns_red_when_a_value_is_made_part_of_a_statement() {
    // The probe's function is replaced by one that does what nothing of ours does.
    turns_red(
        57,
        "CREATE FUNCTION palisade.glue() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS
         $$ DECLARE found record; BEGIN
            FOR found IN SELECT p.proname, p.prorettype::regtype AS row FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
                         WHERE p.proname ~ '_find$' AND l.lanname = 'sql' LOOP
                EXECUTE format('CREATE OR REPLACE FUNCTION public.%I(wanted text) RETURNS SETOF %s LANGUAGE plpgsql STABLE AS $f$
                    BEGIN RETURN QUERY EXECUTE ''SELECT * FROM %s WHERE note =  || wanted || ''; END $f$',
                    found.proname, found.row, found.row);
            END LOOP; END $$;
         CREATE EVENT TRIGGER glue ON ddl_command_end WHEN TAG IN ('GRANT') EXECUTE FUNCTION palisade.glue()",
    )
    .await;
}
