//! What is not protected is not served.

use data::Error;
use data::gate::report;

use crate::house::{House, run};

#[tokio::test]
async fn a_table_without_forced_row_security_does_not_exist_for_callers() {
    let house = House::new().await;
    // Only a superuser can take off what the event trigger puts on.
    let admin = house.database.admin().await;
    let changes = [
        "ALTER TABLE teams DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE teams ENABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
    ];
    for change in changes {
        run(&admin, change).await;
        house.data.reload().await.unwrap();
        assert!(matches!(house.get("teams").await, Err(Error::NoRelation { .. })), "{change}");
        assert!(
            matches!(house.get("tasks?select=id,teams(*)").await, Err(Error::NoRelationship { .. })),
            "{change}"
        );
        let refused = report(&house.catalog());
        assert!(refused.iter().any(|one| &*one.name == "teams" && one.fix.is_some()), "{refused:?}");
    }
    run(&admin, "ALTER TABLE teams ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY").await;
    house.data.reload().await.unwrap();
    assert_eq!(house.get("teams").await.unwrap().rows, 3);
}

#[tokio::test]
async fn views_with_their_owners_rights_and_copies_of_rows_are_refused() {
    let house = House::new().await;
    let admin = house.database.admin().await;
    run(&admin, "CREATE MATERIALIZED VIEW copy AS SELECT * FROM teams; GRANT SELECT ON copy TO service_role")
        .await;
    run(&admin, "CREATE VIEW open_door AS SELECT * FROM people; GRANT SELECT ON open_door TO service_role")
        .await;
    // The event trigger would close it again.
    for row in admin.query("SELECT quote_ident(evtname) FROM pg_event_trigger", &[]).await.unwrap() {
        run(&admin, &format!("ALTER EVENT TRIGGER {} DISABLE", row.get::<_, String>(0))).await;
    }
    run(&admin, "ALTER VIEW open_door RESET (security_invoker)").await;
    house.data.reload().await.unwrap();
    for name in ["copy", "open_door"] {
        assert!(matches!(house.get(name).await, Err(Error::NoRelation { .. })), "{name}");
    }
}
