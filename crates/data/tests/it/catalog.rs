//! The snapshot of the catalog.

use std::time::{Duration, Instant};

use data::catalog::{LinkKind, sql};

use crate::house::{House, run};

#[tokio::test]
async fn every_statement_of_the_catalog_prepares() {
    let house = House::new().await;
    let system = house.database.login(&house.database.logins().system).await;
    for statement in sql::ALL {
        system.prepare(statement).await.unwrap_or_else(|error| panic!("{error:?}\n{statement}"));
    }
}

#[tokio::test]
async fn links_are_found_from_every_end() {
    let house = House::new().await;
    let catalog = house.catalog();
    let links = |name: &str| {
        let relation = catalog.find("public", name).unwrap();
        let mut all: Vec<String> = catalog
            .links_of(relation.id)
            .iter()
            .map(|link| {
                let target = &catalog.relation(link.target).unwrap().name;
                let kind = match &link.kind {
                    LinkKind::OneToMany { constraint, .. } => format!("<{constraint}"),
                    LinkKind::ManyToOne { constraint, .. } => format!(">{constraint}"),
                    LinkKind::OneToOne { constraint, parent, .. } => format!("={constraint} {parent}"),
                    LinkKind::ManyToMany { .. } => "through".to_owned(),
                    LinkKind::Computed { name, .. } => format!("{name}()"),
                };
                format!("{target} {kind}")
            })
            .collect();
        all.sort();
        all.join(", ")
    };
    insta::assert_snapshot!(links("badges"), @"people =badges_person_fkey false");
    insta::assert_snapshot!(links("teams"), @"members <members_team_fkey, people through, tasks <tasks_team_fkey");
    insta::assert_snapshot!(links("team_names"), @"members <members_team_fkey, people through, tasks <tasks_team_fkey");
    insta::assert_snapshot!(links("people"), @"badges =badges_person_fkey true, members <members_person_fkey, people <people_boss_fkey, people >people_boss_fkey, tasks <tasks_author, tasks <tasks_reviewer, tasks written(), team_names through, teams through");
    let view = catalog.find("public", "team_names").unwrap();
    assert_eq!(view.primary_key, ["id".into()], "a view shows the key of its table");
    assert!(view.updatable && view.insertable);
}

#[tokio::test]
async fn a_reload_sees_what_changed_and_is_quick() {
    let house = House::new().await;
    let before = house.catalog();
    run(&house.database.owner().await, "CREATE TABLE later (id int PRIMARY KEY)").await;
    assert!(house.catalog().find("public", "later").is_none());
    let began = Instant::now();
    let version = house.data.reload().await.unwrap();
    let took = began.elapsed();
    assert!(version > before.version);
    assert!(house.catalog().find("public", "later").is_some());
    assert!(before.find("public", "later").is_none(), "a snapshot in use does not change");
    // Unoptimised, on a busy machine.
    assert!(took < Duration::from_secs(2), "{took:?}");
}
