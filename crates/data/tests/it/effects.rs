//! What user code that reads reach may do, judged by its text.

use crate::house::{House, run};

const HARMLESS: &str = "
CREATE SCHEMA auth;
CREATE FUNCTION auth.uid() RETURNS text LANGUAGE sql STABLE AS
  $$ SELECT coalesce(current_setting('request.jwt.claim.sub', true), current_setting('request.jwt.claims', true)) $$;
CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_setting('request.jwt.claim.role', true) $$;
CREATE FUNCTION auth.email() RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_setting('request.jwt.claim.email', true) $$;
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS $$ SELECT current_setting('request.jwt.claims', true)::jsonb $$;
CREATE TABLE t (id int PRIMARY KEY, owner text);
CREATE FUNCTION mine() RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS
  $$ DECLARE who text; BEGIN who := current_setting('app.who', true) || auth.uid(); RETURN who; END $$;
CREATE FUNCTION careless() RETURNS text LANGUAGE sql AS $$ SELECT public.mine() $$;
CREATE POLICY own ON t USING (owner = (SELECT careless()));
CREATE VIEW v WITH (security_invoker = true) AS SELECT id, mine() FROM t;
CREATE FUNCTION on_write() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM set_config('app.x', 'y', false); RETURN new; END $$;
CREATE FUNCTION rpc() RETURNS void LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET owner = 'x'; END $$;";

async fn effects(more: &str) -> (bool, bool, bool) {
    let house = House::with(HARMLESS).await;
    run(&house.database.admin().await, more).await;
    house.data.reload().await.unwrap();
    let catalog = house.data.catalog();
    (catalog.reads_leave, catalog.request_is_read, catalog.claims_are_read)
}

#[tokio::test]
async fn an_ordinary_schema_leaves_nothing_and_looks_at_no_request() {
    assert_eq!(effects("").await, (false, false, false));
}

#[tokio::test]
async fn code_that_looks_at_claims_gets_them() {
    for more in [
        "CREATE POLICY other ON t USING (owner = (auth.jwt() ->> 'email'))",
        "CREATE POLICY other ON t USING (owner = (SELECT auth.email()))",
        "CREATE POLICY other ON t USING (auth.role() = 'authenticated')",
        "CREATE POLICY other ON t USING (owner = current_setting('request.jwt.claims', true))",
        "CREATE POLICY other ON t USING (owner = current_setting('request' || '.jwt.claims', true))",
        "CREATE OR REPLACE FUNCTION mine() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN auth.jwt() ->> 'x'; END $$",
        "CREATE OR REPLACE FUNCTION mine() RETURNS text LANGUAGE plpgsql SET search_path = auth AS $$ BEGIN RETURN \"email\" (); END $$",
        "CREATE OR REPLACE FUNCTION mine() RETURNS text LANGUAGE plpgsql AS $$ DECLARE n text; BEGIN RETURN current_setting(n, true); END $$",
        "CREATE OR REPLACE FUNCTION mine() RETURNS text LANGUAGE sql AS $$ SELECT current_setting(E'request\\x2ejwt.claims', true) $$",
        "CREATE OR REPLACE FUNCTION mine() RETURNS text LANGUAGE plpgsql AS $$ DECLARE n text; BEGIN EXECUTE 'se' || 'lect 1' INTO n; RETURN n; END $$",
        "CREATE FUNCTION deep() RETURNS jsonb LANGUAGE sql AS $$ SELECT auth.jwt() $$;
         CREATE OR REPLACE FUNCTION mine() RETURNS text LANGUAGE sql AS $$ SELECT deep()::text $$",
        "CREATE VIEW w WITH (security_invoker = true) AS SELECT setting FROM pg_catalog.pg_settings",
        "CREATE FUNCTION computed(t) RETURNS text LANGUAGE sql AS $$ SELECT auth.email() $$",
        "CREATE FUNCTION checked(text) RETURNS bool LANGUAGE sql AS $$ SELECT $1 = auth.email() $$;
         CREATE DOMAIN mail AS text CHECK (checked(value))",
    ] {
        assert!(effects(more).await.2, "{more}");
    }
}

#[tokio::test]
async fn whatever_a_read_reaches_and_might_leave_something_counts() {
    for more in [
        "CREATE OR REPLACE FUNCTION careless() RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.x', 'y', false) $$",
        "CREATE OR REPLACE FUNCTION mine() RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'lis' || 'ten x'; RETURN ''; END $$",
        "CREATE OR REPLACE FUNCTION mine() RETURNS text LANGUAGE plpgsql AS $$ BEGIN SET app.x TO 'y'; RETURN ''; END $$",
        "CREATE FUNCTION deep() RETURNS bool LANGUAGE sql AS $$ SELECT pg_try_advisory_lock(1) $$;
         CREATE OR REPLACE FUNCTION mine() RETURNS text LANGUAGE sql AS $$ SELECT deep()::text $$",
        "CREATE POLICY other ON t USING (set_config('app.x', owner, false) IS NOT NULL)",
        "CREATE VIEW w WITH (security_invoker = true) AS SELECT pg_try_advisory_lock(id) FROM t",
        "CREATE FUNCTION computed(t) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.x', $1.owner, false) $$",
    ] {
        assert!(effects(more).await.0, "{more}");
    }
}

#[tokio::test]
async fn code_that_looks_at_the_request_gets_it() {
    for more in [
        "CREATE FUNCTION agent() RETURNS text LANGUAGE sql AS $$ SELECT current_setting('request.headers', true)::json->>'user-agent' $$",
        "CREATE POLICY other ON t USING (current_setting('request.method', true) = 'GET')",
        "CREATE FUNCTION part(name text) RETURNS text LANGUAGE sql AS $$ SELECT current_setting('request.' || name, true) $$",
    ] {
        assert!(effects(more).await.1, "{more}");
    }
}

/// Attack row 65: what may prepare a statement is cleaned up behind, and an application without such code pays nothing.
#[tokio::test]
async fn code_that_may_prepare_a_statement_is_seen_in_triggers_too() {
    let prepares = async |more: &str| {
        let house = House::with(HARMLESS).await;
        run(&house.database.admin().await, more).await;
        house.data.reload().await.unwrap();
        house.data.catalog().code_prepares
    };
    assert!(!prepares("").await);
    assert!(
        !prepares("CREATE FUNCTION prepared() RETURNS text LANGUAGE sql AS $$ SELECT 'executed' $$").await
    );
    for more in [
        "CREATE OR REPLACE FUNCTION on_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE new.owner; RETURN new; END $$",
        "CREATE OR REPLACE FUNCTION rpc() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PREPARE left_there AS SELECT 1; END $$",
        "CREATE OR REPLACE FUNCTION rpc() RETURNS void LANGUAGE sql AS $$ PREPARE left_there AS SELECT 1 $$",
    ] {
        assert!(prepares(more).await, "{more}");
    }
}
