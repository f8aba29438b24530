//! What one connection keeps prepared: preludes by variant, statements by role and text, the least used closed first.
//!
//! The role is part of the key because a plan holds the row policies of the role it was made for, and PostgreSQL plans
//! anew whenever the role changes. Names are never used twice on a connection, so a statement that failed to parse, or
//! that somebody deallocated, cannot be taken for another.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::prelude::Variant;
use super::slow::Record;
use crate::{Column, limits};

/// A statement of one connection.
pub(crate) struct Prepared {
    /// `""` for one that is not kept.
    pub(crate) name: Box<str>,
    /// Its result, once the server has described it.
    pub(crate) columns: OnceLock<Arc<[Column]>>,
    /// How it does on shared connections, once it was late.
    pub(crate) record: OnceLock<Arc<Record>>,
}

impl Prepared {
    fn new(name: String) -> Arc<Self> {
        Arc::new(Prepared { name: name.into(), columns: OnceLock::new(), record: OnceLock::new() })
    }
}

/// A statement, and whether its Parse has yet to be sent.
pub(crate) struct Found {
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) is_new: bool,
}

struct Entry {
    prepared: Arc<Prepared>,
    used: u64,
}

/// The statements of one role.
#[derive(Default)]
struct Shelf {
    role: Arc<str>,
    entries: HashMap<Arc<str>, Entry>,
}

/// Everything one connection keeps prepared.
#[derive(Default)]
pub(crate) struct Cache {
    preludes: HashMap<Variant, Arc<Prepared>>,
    /// BEGIN, COMMIT and the like: a handful, never closed.
    commands: HashMap<&'static str, Arc<Prepared>>,
    shelves: Vec<Shelf>,
    count: usize,
    names: u64,
    clock: u64,
    /// Names to close with the next batch.
    pub(crate) closing: Vec<Box<str>>,
}

impl Cache {
    fn fresh(&mut self) -> Arc<Prepared> {
        self.names += 1;
        Prepared::new(format!("p{}", self.names))
    }

    /// The prelude of a variant.
    pub(crate) fn prelude(&mut self, variant: Variant) -> Found {
        if let Some(prepared) = self.preludes.get(&variant) {
            return Found { prepared: Arc::clone(prepared), is_new: false };
        }
        let prepared = self.fresh();
        self.preludes.insert(variant, Arc::clone(&prepared));
        Found { prepared, is_new: true }
    }

    /// A command of our own.
    pub(crate) fn command(&mut self, sql: &'static str) -> Found {
        if let Some(prepared) = self.commands.get(sql) {
            return Found { prepared: Arc::clone(prepared), is_new: false };
        }
        let prepared = self.fresh();
        self.commands.insert(sql, Arc::clone(&prepared));
        Found { prepared, is_new: true }
    }

    /// A statement that is parsed each time.
    pub(crate) fn unnamed() -> Found {
        Found { prepared: Prepared::new(String::new()), is_new: true }
    }

    /// A statement as `role`.
    pub(crate) fn statement(&mut self, role: &Arc<str>, sql: &Arc<str>) -> Found {
        self.clock += 1;
        let clock = self.clock;
        let shelf = match self.shelves.iter().position(|shelf| *shelf.role == **role) {
            Some(at) => at,
            None => {
                self.shelves.push(Shelf { role: Arc::clone(role), ..Shelf::default() });
                self.shelves.len() - 1
            }
        };
        if let Some(entry) = self.shelves.get_mut(shelf).and_then(|shelf| shelf.entries.get_mut(&**sql)) {
            entry.used = clock;
            return Found { prepared: Arc::clone(&entry.prepared), is_new: false };
        }
        if self.count >= limits::PREPARED.size() {
            self.evict();
        }
        let prepared = self.fresh();
        if let Some(shelf) = self.shelves.get_mut(shelf) {
            let entry = Entry { prepared: Arc::clone(&prepared), used: clock };
            shelf.entries.insert(Arc::clone(sql), entry);
            self.count += 1;
        }
        Found { prepared, is_new: true }
    }

    fn evict(&mut self) {
        let entries = self.shelves.iter().flat_map(|shelf| shelf.entries.values());
        let Some(oldest) = entries.min_by_key(|entry| entry.used).map(|entry| Arc::clone(&entry.prepared))
        else {
            return;
        };
        self.forget(&oldest);
    }

    /// Drops a statement, and closes it with the next batch.
    pub(crate) fn forget(&mut self, prepared: &Arc<Prepared>) {
        self.preludes.retain(|_, kept| !Arc::ptr_eq(kept, prepared));
        self.commands.retain(|_, kept| !Arc::ptr_eq(kept, prepared));
        for shelf in &mut self.shelves {
            let before = shelf.entries.len();
            shelf.entries.retain(|_, entry| !Arc::ptr_eq(&entry.prepared, prepared));
            self.count -= before - shelf.entries.len();
        }
        if !prepared.name.is_empty() {
            self.closing.push(prepared.name.clone());
        }
    }

    /// Drops everything: the server has lost its statements. Names go on counting, so nothing can be mistaken.
    pub(crate) fn forget_all(&mut self) {
        self.preludes.clear();
        self.commands.clear();
        self.shelves.clear();
        self.count = 0;
    }
}
