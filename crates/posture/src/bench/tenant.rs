//! The sealed tenant: one account and a few objects of the probes' own, with names nobody else has, gone after the round.
//!
//! Its mail address lies below `.invalid` (RFC 2606), so no mail can ever reach anybody; its requests come from
//! addresses of their own, so no limit or ban that they meet touches anyone else.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::sql::Sql;
use super::{Answer, Bench, Trouble};
use crate::limits;

/// One round's account and objects.
pub struct Tenant {
    /// The name its objects begin with.
    pub name: String,
    /// The person.
    pub person: Person,
}

/// An account that belongs to the probes.
#[derive(Clone)]
pub struct Person {
    /// Its id.
    pub id: String,
    /// Its address, below `.invalid`.
    pub email: String,
    /// Its password.
    pub password: String,
}

/// What a sign-in gives.
#[derive(Clone)]
pub struct Session {
    /// The token for requests.
    pub access: String,
    /// The token for the next one.
    pub refresh: String,
}

impl Session {
    pub(super) fn from(answer: &Answer) -> Result<Self, Trouble> {
        Ok(Session { access: answer.field("/access_token")?, refresh: answer.field("/refresh_token")? })
    }
}

impl Tenant {
    pub(super) async fn make(bench: &Bench) -> Result<Self, Trouble> {
        let name = bench.random_name("palisade_probe_");
        let person = bench.person(json!({})).await?;
        let tenant = Tenant { name, person };
        match tenant.furnish(bench).await {
            Ok(()) => Ok(tenant),
            Err(trouble) => {
                tenant.remove(bench).await?;
                Err(trouble)
            }
        }
    }

    async fn furnish(&self, bench: &Bench) -> Result<(), Trouble> {
        bench.sql().await?.run(&objects(&self.name, &self.person.id)).await?;
        // The catalog is read again when a table or function is made; that is announced, not immediate.
        let served = async || Ok(self.call(bench, "whoami").send().await?.status != 404);
        bench.within(5, "the tenant's functions to be served", served).await.map(drop)
    }

    /// Calls one of its functions over REST, as nobody.
    pub fn call<'a>(&self, bench: &'a Bench, function: &str) -> super::Ask<'a> {
        bench.client("POST", &format!("/rest/v1/rpc/{}_{function}", self.name)).json(&json!({}))
    }

    pub(super) async fn remove(self, bench: &Bench) -> Result<(), Trouble> {
        let name = &self.name;
        let drop = format!(
            "DROP TABLE IF EXISTS public.{name}_rows; DROP FUNCTION IF EXISTS public.{name}_whoami(), public.{name}_slow(), \
             public.{name}_fail()"
        );
        bench.sql().await?.run(&drop).await?;
        bench.forget(&self.person).await
    }
}

/// A table nobody has protected by hand, and functions that say as whom they run, take their time, and fail.
fn objects(name: &str, person: &str) -> String {
    format!(
        "CREATE TABLE public.{name}_rows (id int PRIMARY KEY, owner uuid NOT NULL, note text);
         GRANT SELECT, INSERT, UPDATE, DELETE ON public.{name}_rows TO anon, authenticated, service_role;
         CREATE POLICY {name}_own ON public.{name}_rows TO authenticated USING (owner = auth.uid()) WITH CHECK (owner = auth.uid());
         INSERT INTO public.{name}_rows VALUES (1, '{person}', 'own'), (2, gen_random_uuid(), 'of somebody else');
         CREATE FUNCTION public.{name}_whoami() RETURNS jsonb LANGUAGE sql STABLE AS $$
             SELECT jsonb_build_object('role', current_user, 'login', session_user,
                 'claims', nullif(current_setting('request.jwt.claims', true), '')::jsonb,
                 'statement_timeout', (SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout')) $$;
         CREATE FUNCTION public.{name}_slow() RETURNS int LANGUAGE sql VOLATILE AS $$ SELECT 1 FROM pg_sleep(0.4) $$;
         CREATE FUNCTION public.{name}_fail() RETURNS int LANGUAGE plpgsql STABLE AS $$
             BEGIN RAISE EXCEPTION 'could not open file \"/var/lib/{name}\"' USING ERRCODE = 'XX000'; END $$;
         GRANT EXECUTE ON FUNCTION public.{name}_whoami(), public.{name}_slow(), public.{name}_fail() TO anon, authenticated, service_role;"
    )
}

/// Objects of a round that was cut short, by a kill or a lost connection.
const SWEEP: &str = "DO $$ DECLARE found record; BEGIN
    FOR found IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                    AND relname ~ '^palisade_probe_[0-9a-f]{16}_(rows|mine|line|told|heard|clicks|pages|forms|probed)$' LOOP
        EXECUTE format('DROP TABLE public.%I CASCADE', found.relname);
    END LOOP;
    FOR found IN SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND pronargs = 0
                    AND proname ~ '^palisade_probe_[0-9a-f]{16}_(whoami|slow|fail)$' LOOP
        EXECUTE format('DROP FUNCTION public.%I()', found.proname);
    END LOOP;
    FOR found IN SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                    AND proname ~ '^palisade_probe_[0-9a-f]{16}_find$' LOOP
        EXECUTE format('DROP FUNCTION %s', found.name);
    END LOOP;
END $$";

/// Its accounts, and what else is ours of it.
const SWEEP_ROWS: &str = "DO $$ BEGIN
    IF to_regclass('detection.canaries') IS NOT NULL THEN DELETE FROM detection.canaries WHERE name ~ '^palisade_probe_[0-9a-f]{16}$'; END IF;
    DELETE FROM auth.sso_providers WHERE resource_id ~ '^probe_[0-9a-f]{16}$';
    IF to_regclass('alerts.raised') IS NOT NULL THEN DELETE FROM alerts.raised WHERE sealed; END IF;
    IF to_regclass('mail.outbox') IS NOT NULL THEN DELETE FROM mail.outbox WHERE recipient = 'alerts@probe.palisade.invalid'; END IF;
    DELETE FROM auth.users WHERE email LIKE 'p________________@probe.palisade.invalid';
END $$";

impl Bench {
    /// Begins a round: one at a time over all nodes, for as long as the session that is returned lives, and nothing
    /// left over from one that was cut short.
    pub async fn begin(&self) -> Result<Sql, Trouble> {
        // Any number that nobody else uses.
        const ROUND: &str = "SELECT pg_advisory_lock(7226300150)";
        let sql = self.sql().await?;
        sql.run(ROUND).await?;
        sql.run(SWEEP).await?;
        sql.run_as(pg::bootstrap::SYSTEM, SWEEP_ROWS).await?;
        Ok(sql)
    }

    /// Makes an account through the API, as a server of the operator would. `extra` is added to what is sent.
    pub async fn person(&self, extra: Value) -> Result<Person, Trouble> {
        let email = format!("{}@probe.palisade.invalid", self.random_name("p"));
        let password = self.random_name("Aa1!-");
        let mut body = json!({ "email": email, "password": password, "email_confirm": true });
        if let (Some(body), Some(extra)) = (body.as_object_mut(), extra.as_object()) {
            body.extend(extra.clone());
        }
        let answer = self.server("POST", "/auth/v1/admin/users").json(&body).send().await?;
        if !(200..300).contains(&answer.status) {
            return Err(Trouble::Unexpected(format!(
                "making an account: {} {}",
                answer.status,
                answer.text()
            )));
        }
        Ok(Person { id: answer.field("/id")?, email, password })
    }

    /// Removes an account of ours.
    pub async fn forget(&self, person: &Person) -> Result<(), Trouble> {
        let answer = self.server("DELETE", &format!("/auth/v1/admin/users/{}", person.id)).send().await?;
        // One that a probe already removed is gone as well.
        if (200..300).contains(&answer.status) || answer.status == 404 {
            Ok(())
        } else {
            Err(Trouble::Unexpected(format!("removing an account: {}", answer.status)))
        }
    }

    /// A request with the operator's secret key.
    pub fn server(&self, method: &str, target: &str) -> super::Ask<'_> {
        let key = self.place.secret_key.expose();
        self.ask(method, target).header("apikey", key).bearer(key)
    }

    /// A sign-in by password: the raw answer.
    pub async fn try_sign_in(&self, email: &str, password: &str) -> Result<Answer, Trouble> {
        let body = json!({ "email": email, "password": password });
        self.client("POST", "/auth/v1/token?grant_type=password").json(&body).send().await
    }

    /// A sign-in by password that has to succeed: a session of one proof.
    pub async fn first_proof(&self, person: &Person) -> Result<Session, Trouble> {
        Session::from(&self.try_sign_in(&person.email, &person.password).await?)
    }

    /// A sign-in that has to succeed, with a second factor where the instance asks for one.
    pub async fn sign_in(&self, person: &Person) -> Result<Session, Trouble> {
        let session = self.first_proof(person).await?;
        self.settle(session, &person.id).await
    }

    /// Changes a refresh token for the next session tokens: the raw answer.
    pub async fn try_refresh(&self, token: &str) -> Result<Answer, Trouble> {
        let body = json!({ "refresh_token": token });
        self.client("POST", "/auth/v1/token?grant_type=refresh_token").json(&body).send().await
    }

    /// A refresh that has to succeed.
    pub async fn refresh(&self, token: &str) -> Result<Session, Trouble> {
        Session::from(&self.try_refresh(token).await?)
    }

    /// Tries until it is so, for at most this many seconds.
    pub async fn within<F>(
        &self,
        seconds: u64,
        what: &str,
        mut is_so: impl FnMut() -> F,
    ) -> Result<Duration, Trouble>
    where
        F: Future<Output = Result<bool, Trouble>>,
    {
        let began = Instant::now();
        let limit = Duration::from_secs(seconds.min(limits::STEP_SECONDS_MAX.value));
        loop {
            if is_so().await? {
                return Ok(began.elapsed());
            }
            if began.elapsed() > limit {
                return Err(Trouble::Unexpected(format!("waited {seconds} s in vain for {what}")));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}
