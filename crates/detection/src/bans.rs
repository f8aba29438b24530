//! The bans themselves: made by a jail or an operator, listed, lifted. Every change is a row and an audit entry in one
//! transaction, and told to the other nodes when it commits.

use std::sync::Arc;
use std::time::Duration;

use audit::{Entry, Event};
use base::Caller;
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use pg::{Param, Reason, Reply, Row, Statement, SystemTx};
use serde::Serialize;

use crate::keep::{Detection, Inner};
use crate::settings::network;
use crate::table::{Table, neighbourhood};
use crate::{Error, Jail, limits, sql};

/// A ban in force.
#[derive(Clone, Debug, Serialize)]
pub struct Ban {
    /// Who is kept out.
    #[serde(serialize_with = "as_text")]
    pub network: IpNet,
    /// Which jail did it; `operator` for people, `neighbours` for a network of many.
    pub jail: String,
    /// Why.
    pub reason: String,
    /// Who did it.
    pub by: String,
    /// How often within the memory.
    pub times: i32,
    /// Since when.
    pub at: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

fn as_text<S: serde::Serializer>(network: &IpNet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(network)
}

impl Ban {
    fn read(row: Row<'_>) -> Result<Self, pg::Error> {
        let text: String = row.get("network")?;
        let shape = || pg::Error::Shape { column: "network".to_owned(), expected: "network" };
        Ok(Ban {
            network: network(&text).ok_or_else(shape)?,
            jail: row.get("jail")?,
            reason: row.get("reason")?,
            by: row.get("by")?,
            times: row.get("times")?,
            at: row.get("at")?,
            until: row.get("until")?,
        })
    }
}

/// What an operator wants.
#[derive(Clone, Debug)]
pub struct NewBan {
    /// An address or a network.
    pub network: String,
    /// For how long.
    pub lasts: Duration,
    /// Why, for whoever reads the list.
    pub reason: String,
}

/// What lifting came to.
#[derive(Clone, Debug)]
pub struct Lifted {
    /// Whether this node or the table knew of a ban. One that another node did not write down yet is lifted all the same.
    pub known: bool,
    /// Which others still hold the same address.
    pub still_in: Vec<Ban>,
}

/// A jail that somebody filled.
#[derive(Clone, Debug)]
pub(crate) struct Filled {
    pub who: IpNet,
    pub jail: Jail,
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// How long it is in force without being written down. One that ended before is written down as one that ended.
    pub until: Timestamp,
    /// Which it is, of those that wait.
    pub number: u64,
}

impl Detection {
    /// Every ban in force, as the table has it.
    pub async fn list(&self) -> Result<Vec<Ban>, Error> {
        let mut tx = self.0.pg.begin_system(Reason::Detection).await?;
        let most = i64::try_from(limits::BANS.value).unwrap_or(i64::MAX);
        let rows = tx.run(Statement::new(sql::IN_FORCE, [self.0.clock.now().into(), most.into()])).await?;
        let bans = rows.iter().map(Ban::read).collect::<Result<_, _>>()?;
        tx.commit(()).await?.into_inner();
        Ok(bans)
    }

    /// Keeps somebody out because an operator says so.
    pub async fn add(&self, new: &NewBan, by: &Caller) -> Result<Reply<IpNet>, Error> {
        let who = network(&new.network).ok_or_else(|| Error::Network { text: new.network.clone() })?;
        self.require_bannable(who)?;
        let now = self.0.clock.now();
        let lasts = SignedDuration::try_from(new.lasts).unwrap_or(SignedDuration::MAX);
        let until = now.checked_add(lasts).unwrap_or(Timestamp::MAX);
        let reason = cut(&new.reason);
        let mut tx = self.0.pg.begin_system(Reason::Detection).await?;
        let params = [who.to_string().into(), reason.into(), by.actor().into(), now.into(), until.into()];
        tx.run(Statement::new(sql::ADD, params)).await?;
        let entry = Entry::by(by, Event::AddressBanned).about(who).because(reason);
        self.0.audit.record(&mut tx, entry.detail("jail", "operator").detail("until", until)).await?;
        tx.run(Statement::new(sql::TELL, [])).await?;
        let done = tx.commit(who).await?;
        self.reload().await?;
        Ok(done)
    }

    /// Lifts a ban and forgets what was counted: also one that only another node knows of, which lifts it before it is written down.
    pub async fn remove(&self, text: &str, by: &Caller) -> Result<Reply<Lifted>, Error> {
        let who = network(text).ok_or_else(|| Error::Network { text: text.to_owned() })?;
        let now = self.0.clock.now();
        let turn = self.0.turn.lock().await;
        let mut tx = self.0.pg.begin_system(Reason::Detection).await?;
        tx.run(Statement::new(sql::TURN, [])).await?;
        let rows = tx.run(Statement::new(sql::REMOVE, [who.to_string().into()])).await?;
        // What a jail did is in force before it is in the table.
        let known = !rows.is_empty() || self.0.pending().holds(who, now);
        tx.run(Statement::new(sql::LIFT, [who.to_string().into(), now.into()])).await?;
        self.0.audit.record(&mut tx, Entry::by(by, Event::AddressUnbanned).about(who)).await?;
        tx.run(Statement::new(sql::TELL, [])).await?;
        let done = tx.commit(()).await?;
        self.0.counts.forget(who);
        self.0.pending().lift(who);
        drop(turn);
        self.reload().await?;
        let still_in = self.list().await?.into_iter().filter(|ban| ban.network.contains(&who)).collect();
        Ok(done.map(|()| Lifted { known, still_in }))
    }

    /// Forgets what was lifted elsewhere and is not written down here.
    async fn hear_lifts(&self) -> Result<(), Error> {
        let networks = self.0.pending().networks();
        if networks.is_empty() {
            return Ok(());
        }
        let mut tx = self.0.pg.begin_system(Reason::Detection).await?;
        let rows = tx.run(Statement::new(sql::LIFTS, [networks.into()])).await?;
        tx.commit(()).await?.into_inner();
        for row in rows.iter() {
            let (text, at): (String, Timestamp) = (row.get("network")?, row.get("at")?);
            if let Some(who) = network(&text)
                && self.0.pending().lift_before(who, at)
            {
                self.0.counts.forget(who);
            }
        }
        Ok(())
    }

    fn require_bannable(&self, who: IpNet) -> Result<(), Error> {
        let widest = if matches!(who, IpNet::V4(_)) { limits::IPV4_PREFIX } else { limits::IPV6_PREFIX };
        let widest = u8::try_from(widest.value).unwrap_or(u8::MAX);
        if who.prefix_len() < widest {
            return Err(Error::TooWide { network: who, widest });
        }
        // An exempt address inside a larger network goes on being served; one that is named is a slip.
        match self.0.exempt.iter().find(|exempt| exempt.contains(&who)) {
            Some(exempt) => Err(Error::Exempt { network: who, exempt: *exempt }),
            None => Ok(()),
        }
    }

    /// Reads what is in force; what was banned here and is not written down yet stays so.
    pub(crate) async fn reload(&self) -> Result<(), Error> {
        let _turn = self.0.turn.lock().await;
        let bans = self.list().await?;
        self.hear_lifts().await?;
        let written = bans.into_iter().map(|ban| (ban.network, ban.until));
        let table = {
            let pending = self.0.pending();
            let table = Arc::new(Table::new(written.chain(pending.in_force(self.0.clock.now()))));
            // With the list held: a ban that is made meanwhile would be in neither.
            self.0.table.store(table.clone());
            table
        };
        if let Some(nft) = &self.0.nft {
            nft.keep(table.iter(), self.0.clock.now()).await;
        }
        self.read_marks().await
    }

    /// Writes down what a jail did; several of one neighbourhood keep all of it out. What another node lifted since is not written.
    pub(crate) async fn write_down(&self, filled: &Filled) -> Result<(), Error> {
        let inner = &*self.0;
        let mut tx = inner.pg.begin_system(Reason::Detection).await?;
        tx.run(Statement::new(sql::TURN, [])).await?;
        let about = Param::from(vec![filled.who.to_string()]);
        let lifts = tx.run(Statement::new(sql::LIFTS, [about])).await?;
        let lifted: Option<Timestamp> = lifts.first().map(|row| row.get("at")).transpose()?;
        if lifted.is_some_and(|lifted| lifted > filled.at) {
            inner.counts.forget(filled.who);
            tx.roll_back().await?;
            return Ok(());
        }
        ban(inner, &mut tx, filled).await?;
        let (around, now) = (neighbourhood(filled.who), inner.clock.now());
        if let Some(around) = around.filter(|_| inner.network_after > 0 && filled.until > now) {
            let params = [around.to_string().into(), now.into()];
            let rows = tx.run(Statement::new(sql::NEIGHBOURS, params)).await?;
            let many: i64 = rows.first().map(|row| row.at(0)).transpose()?.unwrap_or(0);
            if many >= i64::from(inner.network_after)
                && !inner.exempt.iter().any(|exempt| exempt.contains(&around))
            {
                let jail = Jail { name: "neighbours".to_owned(), ..filled.jail.clone() };
                let reason = format!("{many} of its addresses");
                ban(inner, &mut tx, &Filled { who: around, jail, reason, ..filled.clone() }).await?;
            }
        }
        let days = i64::try_from(limits::MEMORY_DAYS.value).unwrap_or(i64::MAX);
        tx.run(Statement::new(sql::FORGET, [inner.clock.now().into(), days.into()])).await?;
        tx.run(Statement::new(sql::FORGET_LIFTS, [inner.clock.now().into(), days.into()])).await?;
        tx.run(Statement::new(sql::TELL, [])).await?;
        tx.commit(()).await?.into_inner();
        Ok(())
    }
}

/// One ban with its entry. Where a ban is in force already, another jail's is written down as well, and the longer one holds;
/// the same jail's, and one beside an operator's, is not.
async fn ban(inner: &Inner, tx: &mut SystemTx, filled: &Filled) -> Result<(), Error> {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let Filled { who, jail, reason, at, until, .. } = filled;
    // What ended before it could be written down is not in force again, however often it came before.
    let at_most = (*until <= inner.clock.now()).then_some(*until);
    let days = i64::try_from(limits::MEMORY_DAYS.value).unwrap_or(i64::MAX);
    let what: [Param; 6] = [
        who.to_string().into(),
        jail.name.as_str().into(),
        cut(reason).into(),
        (*at).into(),
        seconds(jail.ban_time).into(),
        seconds(inner.ban_time_max).into(),
    ];
    let with = |more: &[Param]| [what.as_slice(), more].concat();
    let mut rows = tx.run(Statement::new(sql::BAN, with(&[days.into(), at_most.into()]))).await?;
    if rows.is_empty() {
        rows = tx.run(Statement::new(sql::ALSO, with(&[at_most.into()]))).await?;
    }
    let Some(row) = rows.first() else { return Ok(()) };
    let (times, until): (i32, Timestamp) = (row.get("times")?, row.get("until")?);
    tracing::warn!(network = %who, jail = jail.name, %until, times, "an address is kept out");
    let entry = Entry::system(Event::AddressBanned)
        .about(who)
        .from_address(Some(who.network()))
        .because(reason)
        .detail("jail", jail.name.as_str())
        .detail("until", until)
        .detail("times", times);
    Ok(inner.audit.record(tx, entry).await?)
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(500)).unwrap_or_default()
}
