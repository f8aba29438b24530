//! Every method of the unmodified clients of the data API, against a running instance, and that none is left out.

use spec::{Palisade, clients};

use crate::sdk::{RAISED, check};

/// With what the programs read and write.
async fn with_rows() -> Palisade {
    let served = ["--data.schemas=public,aside"];
    let palisade = Palisade::start("dev", &[RAISED, &served].concat()).await;
    let (admin, connection) =
        tokio_postgres::connect(&palisade.ready.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    admin.batch_execute(include_str!("../../sdk/rows.sql")).await.unwrap();
    palisade
}

#[tokio::test]
async fn every_method_of_postgrest_js_is_called_and_none_is_left_out() {
    let palisade = with_rows().await;
    let (held, printed) = clients::node(&palisade, "rows.mjs").await;
    check(held, &printed, 15);
}

#[tokio::test]
async fn every_method_of_postgrest_py_is_called_and_none_is_left_out() {
    let palisade = with_rows().await;
    let (held, printed) = clients::python(&palisade, "rows.py").await;
    check(held, &printed, 27);
}
