//! What is served where: the dialects with their state, mounted at their prefixes; and who is calling.

use std::sync::Arc;

use auth::{Auth, Credentials, Visit};
use base::{Caller, Clock, Failure, Profile, Secret, Settings};
use edge::{Identified, Identify, Recognise};
use graphql::Style;
use supabase::rest::{Rest, RestConfig};
use web::{Area, Guard, Mount, RouteInfo};

use crate::start::Services;

/// Where supabase-js looks for auth.
const AUTH_PREFIX: &str = "/auth/v1";
/// Where supabase-js looks for rows, and whom it lets in.
const REST: (&str, Guard) = ("/rest/v1", Guard::Key);

/// Where supabase-js looks for channels.
const REALTIME_PREFIX: &str = "/realtime/v1";

/// Where the guide's clients look for GraphQL, and where pg_graphql's do, and whom both let in: the same as
/// the data API.
const GRAPHQL: [(&str, Style, Guard); 2] =
    [("/api/v1/graphql", Style::Plain, Guard::Key), ("/graphql/v1", Style::Relay, Guard::Key)];

/// The public API.
pub fn public(
    services: &Services,
    native: &Arc<native::State>,
    profile: Profile,
    settings: &Settings,
    clock: &Clock,
) -> Vec<Mount> {
    let rest = RestConfig::over(services.data.scope(), data::ask::Rules::from_settings(settings));
    let second =
        settings.get(&auth::settings::SECOND_PREFIX).map(|prefix| format!("/{}", prefix.trim_matches('/')));
    let prefixes: Vec<String> = std::iter::once(AUTH_PREFIX.to_owned()).chain(second).collect();
    let accounts = Arc::new(supabase::auth::State::new(services.auth.clone(), services.sso.clone()));
    let mut mounts = supabase::auth::mounts(accounts.clone(), &prefixes);
    mounts.push(supabase::auth::discovery(accounts));
    mounts.push(Rest::new(rest, services.data.clone(), clock.clone()).mount(REST.0, REST.1));
    let fluxbase = fluxbase::State { auth: services.auth.clone(), sso: services.sso.clone() };
    mounts.extend(fluxbase::mounts(Arc::new(fluxbase)));
    let tables =
        fluxbase::Tables { data: services.data.clone(), rules: data::ask::Rules::from_settings(settings) };
    mounts.extend(fluxbase::data_mounts(Arc::new(tables)));
    if settings.get(&graphql::settings::ENABLED) {
        for (prefix, style, guard) in GRAPHQL {
            let config = graphql::Config::from_settings(settings, services.documents.clone());
            mounts.push(graphql::Engine::new(style, config, services.data.clone()).mount(prefix, guard));
        }
    }
    if settings.get(&realtime::settings::ENABLED) {
        let state = supabase::realtime::State { realtime: services.realtime.clone() };
        mounts.push(supabase::realtime::mount(Arc::new(state), REALTIME_PREFIX));
    }
    mounts.push(native::mount(native.clone(), native::PUBLIC));
    mounts.push(native::mount(native.clone(), native::ADMIN).area(Area::Accounts));
    mounts.push(native::mount(native.clone(), native::DATABASE));
    if profile == Profile::Dev {
        mounts.push(native::mount(native.clone(), native::DEV));
    }
    mounts
}

/// The routes of one mount, for the reference.
pub struct Table {
    /// What is mounted.
    pub title: &'static str,
    /// Its routes, with their whole paths.
    pub routes: Vec<RouteInfo>,
}

/// What [`public`] mounts under `profile`, in the same order, without an instance. A second prefix for auth repeats the
/// first table there.
pub fn tables(profile: Profile) -> Vec<Table> {
    let mut tables = vec![
        Table { title: "Accounts and sessions", routes: supabase::auth::table(AUTH_PREFIX) },
        Table { title: "Where the OAuth server is", routes: supabase::auth::discovery_table() },
        Table { title: "Data", routes: supabase::rest::table(REST.0, REST.1) },
        Table { title: "Accounts, as Fluxbase speaks", routes: fluxbase::table() },
        Table { title: "Data, as Fluxbase speaks", routes: fluxbase::data_table() },
        Table {
            title: "GraphQL",
            routes: GRAPHQL
                .iter()
                .flat_map(|(prefix, _, guard)| graphql::http::table(prefix, *guard))
                .collect(),
        },
        Table { title: "Channels", routes: supabase::realtime::table(REALTIME_PREFIX) },
        Table { title: "Health", routes: native::table(native::PUBLIC) },
        Table { title: "Application roles", routes: native::table(native::ADMIN) },
        Table { title: "Logins of the database", routes: native::table(native::DATABASE) },
    ];
    if profile == Profile::Dev {
        tables.push(Table { title: "`palisade dev` only", routes: native::table(native::DEV) });
    }
    tables
}

/// What [`operator`] mounts.
pub fn operator_table() -> Table {
    let mut routes = native::table(native::OPERATOR);
    routes.extend(graphql::http::operator_table());
    Table { title: "The control socket", routes }
}

/// The control socket.
pub fn operator(services: &Services, native: &Arc<native::State>, settings: &Settings) -> Vec<Mount> {
    let engine = |style| {
        let config = graphql::Config::from_settings(settings, services.documents.clone());
        graphql::Engine::new(style, config, services.data.clone())
    };
    let described = graphql::http::Described { plain: engine(Style::Plain), relay: engine(Style::Relay) };
    vec![
        native::mount(native.clone(), native::OPERATOR),
        native::mount(native.clone(), native::ADMIN),
        native::mount(native.clone(), native::DATABASE),
        described.mount(),
    ]
}

/// Who is calling the public API.
pub fn identify(auth: Auth) -> Identify {
    Arc::new(move |presented, address| {
        let auth = auth.clone();
        Box::pin(async move {
            let credentials = Credentials {
                apikey: presented.apikey.map(Secret::new),
                bearer: presented.bearer.map(Secret::new),
                acting: presented.acting.map(Secret::new),
                browser: presented.browser,
                in_address: presented.in_address,
            };
            let known = auth.identify(&credentials, Some(address)).await.map_err(Failure::from)?;
            let auth::Identified { caller, has_credential, expires_at, beside } = known;
            Ok(Identified { caller, has_credential, expires_at, beside })
        })
    })
}

/// Which device tries to sign in, by what it shows and where it is.
pub fn recognise(auth: Auth) -> Recognise {
    Arc::new(move |parts, account, address| {
        let auth = auth.clone();
        Box::pin(async move {
            let agent = parts.headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok());
            let visit = Visit {
                caller: Arc::new(Caller::anonymous().at(address)),
                user_agent: agent.map(str::to_owned),
                devices: web::cookies(&parts.headers, auth::DEVICE_COOKIE).map(Secret::new).collect(),
                request_id: "".into(),
                elsewhere: web::csrf::is_anothers(&parts, true),
            };
            auth.recognise(&account, &visit).await
        })
    })
}

/// Whoever may open the control socket is the operator.
pub fn operator_only() -> Identify {
    let operator = Arc::new(Caller::operator());
    Arc::new(move |_, _| {
        let caller = operator.clone();
        Box::pin(
            async move { Ok(Identified { caller, has_credential: true, expires_at: None, beside: None }) },
        )
    })
}
