//! A small application, and its data API without sockets: requests go to the handlers as the edge would hand them over.

use std::sync::Arc;

use base::{Caller, Clock, DbRole, Rng, Who};
use data::ask::Name;
use data::{Data, Scope};
use http::{HeaderMap, HeaderName, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use supabase::rest::{Rest, RestConfig};
use testkit::Database;
use web::{Answer, Ask, Body, Cx, Guard, Mount, Params, RequestId};

const SCHEMA: &str = "
COMMENT ON SCHEMA public IS 'Tasks\nand who does them';
CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE tasks (id int PRIMARY KEY, title text NOT NULL, person int REFERENCES people);
CREATE TABLE payroll (id int PRIMARY KEY, amount int);
CREATE FUNCTION add(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT a + b $$;
CREATE FUNCTION nothing() RETURNS void LANGUAGE sql AS $$ SELECT NULL $$;
CREATE FUNCTION teapot() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('response.status', '418', true);
    PERFORM set_config('response.headers', '[{\"X-Pot\": \"short\"}, {\"X-Request-Id\": \"forged\"}]', true);
    RETURN 'stout'; END $$;
CREATE FUNCTION seen() RETURNS json LANGUAGE sql STABLE AS $$ SELECT current_setting('request.headers')::json $$;
CREATE FUNCTION refuse() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'no' USING DETAIL = 'why', HINT = 'how', ERRCODE = 'PT402'; END $$;
INSERT INTO people VALUES (1, 'ann'), (2, 'bob');
INSERT INTO tasks VALUES (1, 'one', 1), (2, 'two', 1), (3, 'three', 2);
REVOKE ALL ON people, tasks, payroll FROM anon;
REVOKE ALL ON payroll FROM authenticated;
CREATE POLICY all_people ON people TO authenticated USING (true) WITH CHECK (true);
CREATE POLICY all_tasks ON tasks TO authenticated USING (true) WITH CHECK (true);
";

/// The application.
pub struct House {
    database: Database,
    data: Data,
    mount: Mount,
    pg: pg::Pg,
}

/// Who asks.
pub fn member() -> Caller {
    Caller { who: Who::Service { key: "test".into() }, role: DbRole::authenticated(), ..Caller::anonymous() }
}

impl House {
    /// As the product serves it.
    pub async fn new() -> House {
        House::with(|_| ()).await
    }

    /// With some of its configuration changed.
    pub async fn with(change: impl FnOnce(&mut RestConfig)) -> House {
        House::of(change, None, "").await
    }

    /// With a function that is called first.
    pub async fn guarded(pre_request: Name, sql: &str) -> House {
        House::of(|_| (), Some(pre_request), sql).await
    }

    async fn of(change: impl FnOnce(&mut RestConfig), pre_request: Option<Name>, sql: &str) -> House {
        let database = Database::new(&[]).await;
        database.owner().await.batch_execute(SCHEMA).await.unwrap();
        database.owner().await.batch_execute(sql).await.unwrap();
        let pg = database.pg();
        let scope = Scope { exposed: vec!["public".into()], extra: vec![], gate: true, pre_request };
        let data = Data::open(pg.clone(), scope.clone()).await.unwrap();
        let mut config = RestConfig::over(&scope, RestConfig::default().rules);
        change(&mut config);
        let mount = Rest::new(config, data.clone(), Clock::system()).mount("/rest/v1", Guard::Key);
        House { database, data, mount, pg }
    }

    /// Changes the schema or its rows, as its owner.
    pub async fn change(&self, sql: &str) {
        self.database.owner().await.batch_execute(sql).await.unwrap();
        self.data.reload().await.unwrap();
    }

    /// Settings of roles, for this house's database alone: `authenticated SET x = 'y'`.
    pub async fn set(&self, settings: &[&str]) {
        let admin = self.database.admin().await;
        for setting in settings {
            let (role, setting) = setting.split_once(' ').unwrap();
            let sql = format!("ALTER ROLE {role} IN DATABASE \"{}\" {setting}", self.database.name());
            admin.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{error:?}: {sql}"));
        }
    }

    /// The API's state.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// How often callers' transactions went to PostgreSQL and back.
    pub fn round_trips(&self) -> u64 {
        let stats = self.pg.stats();
        stats.short.round_trips + stats.own.round_trips
    }

    /// Sends a request as `caller`.
    pub async fn send(&self, caller: &Caller, line: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(format!("/rest/v1{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let bare = path.split('?').next().unwrap().to_owned();
        let (template, params) = template(&bare);
        let route = self
            .mount
            .routes
            .iter()
            .find(|route| route.method == parts.method && *route.path == format!("/rest/v1{template}"));
        let cx = Cx {
            pg: self.pg.clone(),
            caller: Arc::new(caller.clone()),
            clock: Clock::system(),
            rng: Rng::seeded(1),
            request_id: RequestId("test".into()),
        };
        let sent = parts.headers.clone();
        let ask = Ask { parts: Arc::new(parts), path: bare, params, body: body.to_owned().into() };
        let answered = match route {
            Some(route) => (route.run)(cx.clone(), ask).await,
            None => Err(web::Error::NoRoute.into()),
        };
        let answer = answered.map_or_else(
            |failure| {
                let refused = web::Refused {
                    request_id: &cx.request_id,
                    headers: &sent,
                    authenticated: caller.who != Who::Anonymous,
                    development: false,
                };
                (self.mount.envelope)(&failure, &refused)
            },
            web::Reply::into_inner,
        );
        Got::of(answer).await
    }

    /// A `GET` as a member.
    pub async fn get(&self, path: &str) -> Got {
        self.send(&member(), &format!("GET {path}"), &[], "").await
    }
}

fn template(path: &str) -> (&'static str, Params) {
    let named = |name: &str, value: &str| Params(vec![(name.into(), value.to_owned())]);
    match path.trim_start_matches('/').split('/').collect::<Vec<_>>().as_slice() {
        [""] => ("/", Params::default()),
        ["rpc", function] => ("/rpc/{function}", named("function", function)),
        [relation] => ("/{relation}", named("relation", relation)),
        _ => ("/nowhere", Params::default()),
    }
}

/// What came back.
pub struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    /// Whether it came piece by piece.
    pub is_streamed: bool,
    /// Whether it ended with an error.
    pub broke_off: bool,
}

impl Got {
    async fn of(answer: Answer) -> Got {
        let (head, mut body) = answer.0.into_parts();
        let is_streamed = matches!(body, Body::Stream(_));
        let (mut bytes, mut broke_off) = (Vec::new(), false);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap()),
                Err(_) => broke_off = true,
            }
        }
        let text = String::from_utf8(bytes).unwrap();
        Got { status: head.status, headers: head.headers, text, is_streamed, broke_off }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        let name: HeaderName = name.parse().unwrap();
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
