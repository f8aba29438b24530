//! What each role may do is told as PostgreSQL decides it, and by default it is little.

use policies::Policies;
use policies::grants::Role;
use testkit::Database;

async fn roles(database: &Database, only: Option<&str>) -> Vec<Role> {
    Policies::new(database.pg(), &["public".to_owned()]).grants(only).await.unwrap()
}

fn named<'a>(roles: &'a [Role], name: &str) -> &'a Role {
    roles.iter().find(|role| role.name == name).unwrap_or_else(|| panic!("no {name}"))
}

/// `SELECT, INSERT; UPDATE of a, b`
fn rights(role: &Role, relation: &str) -> String {
    let Some(found) = role.relations.iter().find(|one| one.name == relation) else { return String::new() };
    let columns = found.columns.iter().map(|(verb, names)| format!("{verb} of {}", names.join(", ")));
    let whole = Some(found.may.join(", ")).filter(|may| !may.is_empty());
    whole.into_iter().chain(columns).collect::<Vec<_>>().join("; ")
}

/// One test, because roles belong to the whole cluster: what one of its steps gives, the other would find.
#[tokio::test]
async fn what_each_role_may_do_is_told() {
    an_empty_application_grants_nothing_that_no_request_needs().await;
    rights_to_tables_columns_and_functions_are_told_as_postgresql_decides_them().await;
}

async fn an_empty_application_grants_nothing_that_no_request_needs() {
    let database = Database::new(&[]).await;
    let roles = roles(&database, None).await;
    let names: Vec<&str> = roles.iter().map(|role| role.name.as_str()).collect();
    for expected in ["anon", "authenticated", "authenticator", "readonly", "service_role"] {
        assert!(names.contains(&expected), "{names:?}");
    }
    for role in &roles {
        assert!(role.beyond.is_empty(), "{}: {:?}", role.name, role.beyond);
        assert!(role.relations.is_empty(), "{}: {:?}", role.name, role.relations);
        assert!(role.schemas.iter().all(|schema| !schema.create), "{}: {:?}", role.name, role.schemas);
        assert!(!role.superuser && !role.makes_roles && !role.makes_databases, "{}", role.name);
    }
    // Who logs in may do nothing, and who may do something does not log in.
    let logins: Vec<&str> = roles.iter().filter(|role| role.logs_in).map(|role| role.name.as_str()).collect();
    assert_eq!(logins, ["authenticator"]);
    let passing: Vec<&str> =
        roles.iter().filter(|role| role.passes_policies).map(|role| role.name.as_str()).collect();
    assert_eq!(passing, ["service_role"]);
}

async fn rights_to_tables_columns_and_functions_are_told_as_postgresql_decides_them() {
    let database = Database::new(&[]).await;
    let (owner, admin) = (database.owner().await, database.admin().await);
    owner
        .batch_execute(
            "CREATE TABLE public.notes (id int PRIMARY KEY, body text, secret text);
             CREATE TABLE public.payroll (id int PRIMARY KEY);
             REVOKE ALL ON public.notes, public.payroll FROM anon, authenticated;
             GRANT SELECT ON public.notes TO authenticated;
             GRANT SELECT (id, body), UPDATE (body) ON public.notes TO anon;
             CREATE FUNCTION public.add(a int, b int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + b';
             CREATE FUNCTION public.all_notes() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT count(*) FROM public.notes';
             REVOKE EXECUTE ON FUNCTION public.all_notes, public.add FROM PUBLIC, anon, authenticated;
             GRANT EXECUTE ON FUNCTION public.all_notes TO authenticated",
        )
        .await
        .unwrap();
    let before = roles(&database, None).await;
    let (anon, authenticated) = (named(&before, "anon"), named(&before, "authenticated"));
    assert_eq!(rights(anon, "notes"), "SELECT of id, body; UPDATE of body");
    assert_eq!(rights(authenticated, "notes"), "SELECT");
    assert_eq!((rights(anon, "payroll"), rights(authenticated, "payroll")), (String::new(), String::new()));
    assert!(!anon.functions.iter().any(|function| function.signature.starts_with("all_notes")));
    let definer =
        authenticated.functions.iter().find(|function| function.signature == "all_notes()").unwrap();
    assert!(definer.definer && !definer.public);
    assert!(anon.beyond.is_empty() && authenticated.beyond.is_empty());

    // What no request needs is named, whoever gave it and through whichever role.
    admin
        .batch_execute(
            "GRANT TRUNCATE ON public.payroll TO anon; GRANT CREATE ON SCHEMA public TO authenticated;
             CREATE ROLE clerks NOLOGIN; GRANT clerks TO authenticated; GRANT DELETE ON public.payroll TO clerks;
             GRANT authenticated TO authenticator; ALTER ROLE anon CREATEDB",
        )
        .await
        .unwrap();
    let after = roles(&database, None).await;
    let (anon, authenticated) = (named(&after, "anon"), named(&after, "authenticated"));
    assert_eq!(anon.beyond, ["it makes databases (CREATEDB)", "TRUNCATE on public.payroll"]);
    assert_eq!(authenticated.beyond, ["CREATE in schema public"]);
    admin.batch_execute("ALTER ROLE anon NOCREATEDB; DROP OWNED BY clerks; DROP ROLE clerks").await.unwrap();
    // One alone, and nobody that there is not.
    let one = roles(&database, Some("anon")).await;
    assert_eq!(one.iter().map(|role| role.name.as_str()).collect::<Vec<_>>(), ["anon"]);
    assert!(roles(&database, Some("nobody")).await.is_empty());
    assert!(roles(&database, Some("postgres")).await.is_empty());
}
