//! An application's own roles: named sets of permissions, given to people by administrators, read by policies through
//! `auth.has_role('editor')` and `auth.can('invoices:approve')`.
//!
//! Invariant: nothing is granted by default, and what is taken away is gone with the next statement.

use audit::{Entry, Event};
use jiff::Timestamp;
use pg::{Reason, Reply, Row, SystemTx};
use uuid::Uuid;

use crate::{Auth, Error, Visit, limits, sql};

/// A role.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AppRole {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it permits: `area:verb`, `area:*` or `*`.
    pub grants: Vec<String>,
    /// How many people have it.
    pub members: i64,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

/// Refuses a name that is none.
fn check_name(name: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    let first = name.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    if first && name.len() <= 63 && name.chars().all(plain) {
        return Ok(());
    }
    let what = "a role's name is 1 to 63 small letters, digits, _ and -, and begins with a letter";
    Err(Error::Validation(what.into()))
}

fn check_grants(grants: &[String]) -> Result<(), Error> {
    if grants.len() > limits::ROLE_GRANTS_MAX.size() {
        let (most, name) = (limits::ROLE_GRANTS_MAX.value, limits::ROLE_GRANTS_MAX.name);
        return Err(Error::Validation(format!("a role has at most {most} grants ({name})").into()));
    }
    let word = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.'))
    };
    let good = |grant: &String| match grant.split_once(':') {
        _ if grant.len() > 120 => false,
        Some((area, verb)) => word(area) && (verb == "*" || word(verb)),
        None => grant == "*",
    };
    match grants.iter().find(|grant| !good(grant)) {
        None => Ok(()),
        Some(bad) => Err(Error::Validation(
            format!("{bad:?} is no grant: those are like invoices:approve, invoices:* or *").into(),
        )),
    }
}

fn read(row: Row<'_>) -> Result<AppRole, pg::Error> {
    let grants: serde_json::Value = row.get("grants")?;
    let grants =
        grants.as_array().into_iter().flatten().filter_map(|grant| grant.as_str().map(str::to_owned));
    Ok(AppRole {
        name: row.get("name")?,
        description: row.get("description")?,
        grants: grants.collect(),
        members: row.get("members")?,
        changed_at: row.get("changed_at")?,
    })
}

impl Auth {
    /// Every role, by name.
    pub async fn app_roles(&self) -> Result<Reply<Vec<AppRole>>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let rows = tx.query(sql::APP_ROLES, []).await?;
        let roles = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(tx.commit(roles).await?)
    }

    /// Makes a role or changes it; its grants become exactly these.
    pub async fn put_app_role(
        &self,
        name: &str,
        description: &str,
        grants: &[String],
        visit: &Visit,
    ) -> Result<Reply<()>, Error> {
        self.require_admin_step_up(visit)?;
        check_name(name)?;
        check_grants(grants)?;
        if description.len() > 1000 {
            return Err(Error::Validation("a description has at most 1000 bytes".into()));
        }
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let before = tx.query(sql::APP_ROLE_GRANTS, [name.into()]).await?;
        let before = before.first().map(|row| row.at::<String>(0)).transpose()?.unwrap_or_default();
        let params = [name.into(), description.into(), grants.to_vec().into(), self.0.clock.now().into()];
        tx.execute(sql::PUT_APP_ROLE, params).await?;
        let entry = Entry::by(&visit.caller, Event::RoleChange).about(format!("role:{name}"));
        self.note(&mut tx, visit, entry.change("grants", before, grants.join(" "))).await?;
        Ok(tx.commit(()).await?)
    }

    /// Removes a role, from everybody who has it.
    pub async fn drop_app_role(&self, name: &str, visit: &Visit) -> Result<Reply<()>, Error> {
        self.require_admin_step_up(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        if tx.execute(sql::DROP_APP_ROLE, [name.into()]).await? == 0 {
            return Err(Error::NotAnId("There is no such role"));
        }
        let entry = Entry::by(&visit.caller, Event::RoleChange).about(format!("role:{name}"));
        self.note(&mut tx, visit, entry.change("role", name, "")).await?;
        Ok(tx.commit(()).await?)
    }

    /// Names of the roles somebody has.
    pub async fn app_roles_of(&self, user: Uuid) -> Result<Reply<Vec<String>>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let rows = tx.query(sql::APP_ROLES_OF, [user.into()]).await?;
        let names = rows.iter().map(|row| row.at(0)).collect::<Result<_, _>>()?;
        Ok(tx.commit(names).await?)
    }

    /// Gives somebody a role. Giving it twice is no error.
    pub async fn give_app_role(&self, role: &str, user: Uuid, visit: &Visit) -> Result<Reply<()>, Error> {
        self.require_admin_step_up(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        let known = tx.query(sql::APP_ROLE_GRANTS, [role.into()]).await?;
        if known.first().is_none() {
            return Err(Error::NotAnId("There is no such role"));
        }
        let given = [role.into(), user.into(), visit.caller.actor().into(), self.0.clock.now().into()];
        let given = match tx.execute(sql::GIVE_APP_ROLE, given).await {
            Err(error) if error.is("23503") => return Err(Error::UserNotFound),
            given => given?,
        };
        if given > 0 {
            let entry = Entry::by(&visit.caller, Event::RoleChange).about(format!("user:{user}"));
            self.note(&mut tx, visit, entry.change("app_role", "", role)).await?;
        }
        Ok(tx.commit(()).await?)
    }

    /// Takes a role from somebody.
    pub async fn take_app_role(&self, role: &str, user: Uuid, visit: &Visit) -> Result<Reply<()>, Error> {
        self.require_admin_step_up(visit)?;
        let mut tx = self.0.pg.begin_system(Reason::Administer).await?;
        if tx.execute(sql::TAKE_APP_ROLE, [role.into(), user.into()]).await? == 0 {
            return Err(Error::NotAnId("They do not have that role"));
        }
        let entry = Entry::by(&visit.caller, Event::RoleChange).about(format!("user:{user}"));
        self.note(&mut tx, visit, entry.change("app_role", role, "")).await?;
        Ok(tx.commit(()).await?)
    }

    async fn note(&self, tx: &mut SystemTx, visit: &Visit, entry: Entry) -> Result<(), Error> {
        Ok(self.0.audit.record(tx, entry.request(&visit.request_id)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_grants_are_plain() {
        for good in ["a", "editor", "team-lead_2"] {
            check_name(good).unwrap();
        }
        for bad in ["", "Editor", "2nd", "a b", "é", &"a".repeat(64)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        let grants = |text: &str| check_grants(&[text.to_owned()]);
        for good in ["*", "invoices:*", "invoices:approve", "a.b:c-d"] {
            grants(good).unwrap();
        }
        for bad in ["", "invoices", ":x", "x:", "*:*", "a:b:c", "A:b", "a:%"] {
            assert!(grants(bad).is_err(), "{bad}");
        }
    }
}
