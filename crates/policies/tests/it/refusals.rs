//! What the database refuses the administrator is told as what it is; only one that is gone is worth asking again.

use base::{Fault, Kind};
use testkit::Database;

#[tokio::test]
async fn a_refused_statement_is_no_database_that_is_gone() {
    let database = Database::new(&[]).await;
    let admin = database.admin().await;
    for (sql, kind, words) in [
        ("SELECT 1 / 0", Kind::Invalid, "division by zero (22012)"),
        ("SELECT FROM nowhere", Kind::Bug, "relation \"nowhere\" does not exist (42P01)"),
        (
            "SET ROLE anon; CREATE TABLE public.mine (a int)",
            Kind::Forbidden,
            "permission denied for schema public (42501)",
        ),
        ("RESET ROLE; SET statement_timeout = 1; SELECT pg_sleep(9)", Kind::Timeout, "canceling statement"),
    ] {
        let error = policies::Error::from(admin.batch_execute(sql).await.unwrap_err());
        assert_eq!((error.kind(), error.code()), (kind, "policies.administrator"), "{sql}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let ended = admin.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())").await.unwrap_err();
    assert_eq!(policies::Error::from(ended).kind(), Kind::Unavailable);
    let gone = admin.batch_execute("SELECT 1").await.unwrap_err();
    assert_eq!(policies::Error::from(gone).kind(), Kind::Unavailable);
}
