//! Changes of honey rows, as their tables tell of them: whoever changes one, through the API or with SQL of their own, and
//! whether or not an answer shows the row. A trigger writes them down in the transaction that touched the row, so one that
//! is rolled back tells nothing; a node that hears of it makes the entry.
//!
//! Invariant: a touch leaves the table only in the transaction that records it, so it is told of once, by one node.

use std::net::IpAddr;

use audit::{Entry, Event};
use base::{Caller, Who};
use pg::admin::{Target, quote_name, quote_text};
use pg::{Reason, Row, Statement};
use tokio_postgres::Client;

use crate::canaries::Canary;
use crate::keep::Detection;
use crate::{Error, limits, sql};

/// One touch, as the trigger wrote it down.
struct Touch {
    canary: String,
    act: String,
    table: String,
    actor: String,
    role: String,
    address: Option<IpAddr>,
}

impl Touch {
    fn read(row: &Row<'_>) -> Result<Self, pg::Error> {
        let address: String = row.get("address")?;
        Ok(Touch {
            canary: row.get("canary")?,
            act: row.get("act")?,
            table: row.get("table_name")?,
            actor: row.get("actor")?,
            role: row.get("role")?,
            address: address.parse().ok(),
        })
    }

    fn entry(self) -> Entry {
        // An administrator in somebody's name is named beside them, as `data::run::say_who` writes both.
        let (actor, admin) = match self.actor.split_once(" acting user:") {
            Some((actor, admin)) => (actor, Some(admin)),
            None => (&*self.actor, None),
        };
        Entry::named(actor, Event::CanaryTouched)
            .acted_by(admin)
            .about(format!("canary:{}", self.canary))
            .because("canary.row")
            .from_address(self.address)
            .detail("act", self.act)
            .detail("table", self.table)
            .detail("role", self.role)
    }
}

impl Detection {
    /// Records what tables have told since the last time, and counts it.
    pub(crate) async fn record_touches(&self) -> Result<(), Error> {
        loop {
            let most = i64::try_from(limits::TOUCHES.value).unwrap_or(i64::MAX);
            let mut tx = self.0.pg.begin_system(Reason::Detection).await?;
            let rows = tx.run(Statement::new(sql::TOUCHES, [most.into()])).await?;
            if rows.is_empty() {
                tx.roll_back().await?;
                return Ok(());
            }
            let touches = rows.iter().map(|row| Touch::read(&row)).collect::<Result<Vec<_>, _>>()?;
            let entries: Vec<Entry> = touches.into_iter().map(Touch::entry).collect();
            for entry in &entries {
                self.0.audit.record(&mut tx, entry.clone()).await?;
            }
            tx.commit(()).await?.into_inner();
            entries.iter().for_each(|entry| self.saw_refusal(entry));
        }
    }
}

/// A table that will tell of changes of a row, once that is committed.
pub(crate) struct Watched {
    admin: Client,
    /// Its name, with its schema.
    pub table: String,
}

impl Watched {
    /// Puts triggers on the table that `wanted` names. They fire whatever a session says of triggers.
    pub async fn begin(admin: &Target, wanted: &str, canary: &Canary, by: &Caller) -> Result<Self, Error> {
        require_operator(by)?;
        let admin = admin.connect().await?;
        let unknown = || Error::Canary { what: format!("there is no table {wanted} of the application") };
        let found = admin.query_opt(sql::TABLE, &[&wanted]).await.map_err(|_| unknown())?;
        let table: String = found.ok_or_else(unknown)?.get(0);
        let [row, all] = triggers(&canary.name).map(|name| quote_name(&name));
        let told = format!("detection.touched({}, {})", quote_text(&canary.name), quote_text(&canary.mark));
        let statements = format!(
            "BEGIN; CREATE TRIGGER {row} AFTER UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {told};
             CREATE TRIGGER {all} AFTER TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {told};
             ALTER TABLE {table} ENABLE ALWAYS TRIGGER {row}, ENABLE ALWAYS TRIGGER {all}"
        );
        admin.batch_execute(&statements).await.map_err(refused)?;
        Ok(Watched { admin, table })
    }

    /// From here on the table tells.
    pub async fn commit(self) -> Result<(), Error> {
        self.admin.batch_execute("COMMIT").await.map_err(refused)
    }
}

/// Takes the triggers of a canary away, wherever its table went.
pub(crate) async fn unwatch(admin: &Target, canary: &str, by: &Caller) -> Result<(), Error> {
    require_operator(by)?;
    let admin = admin.connect().await?;
    let [row, all] = triggers(canary);
    for found in admin.query(sql::TRIGGERS, &[&row, &all]).await.map_err(refused)? {
        // The server wrote the table's name, quoted where it has to be.
        let (name, table): (String, String) = (found.get(0), found.get(1));
        let drop = format!("DROP TRIGGER {} ON {table}", quote_name(&name));
        admin.batch_execute(&drop).await.map_err(refused)?;
    }
    Ok(())
}

fn triggers(canary: &str) -> [String; 2] {
    [format!("palisade_canary_{canary}"), format!("palisade_canary_{canary}_all")]
}

/// The schema is the operator's, over the control socket, as for migrations.
fn require_operator(by: &Caller) -> Result<(), Error> {
    match by.who {
        Who::Operator => Ok(()),
        Who::Anonymous | Who::User(_) | Who::Service { .. } => Err(Error::Canary {
            what: "a table is watched, and left alone again, only by the operator of the machine: `palisade canaries`".to_owned(),
        }),
    }
}

fn refused(error: tokio_postgres::Error) -> Error {
    Error::Database(error.into())
}
