//! Puts what a query string says of embeds (`clients.projects.name=eq.x`) where it belongs in the tree of levels.
//!
//! Invariant: nothing said of a level that is not read is dropped: it is refused.

use super::parameters::{Page, Query};
use crate::ask::{Filter, Level, Logic, SelectItem};

/// A filter, order or limit on something that is not embedded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{resource}' is not an embedded resource in this request")]
pub struct NotEmbedded {
    /// What it named.
    pub resource: String,
    /// The alias it should have named, when it named the target of an aliased embed.
    pub alias: Option<String>,
}

/// Targets that were named although they have an alias, with it.
pub type LegacyNames = Vec<(String, String)>;

impl Query {
    /// The whole tree, with every filter in its place. `target_names` lets targets be named that have an alias; which
    /// ones were is returned too.
    pub fn level(&self, page: Page, target_names: bool) -> Result<(Level, LegacyNames), NotEmbedded> {
        self.build(page, target_names, true)
    }

    /// The tree without the root's own filters, and those filters: for writes, whose rows they choose.
    pub fn level_and_filters(
        &self,
        target_names: bool,
    ) -> Result<(Level, Vec<Logic>, LegacyNames), NotEmbedded> {
        let (level, legacy) = self.build(Page::default(), target_names, false)?;
        Ok((level, self.root_filters(), legacy))
    }

    /// All conditions on the root.
    pub fn root_filters(&self) -> Vec<Logic> {
        let trees = self.trees.iter().filter(|(path, _)| path.is_empty()).map(|(_, tree)| tree.clone());
        let filters = self.filters.iter().filter(|(path, _)| path.is_empty());
        trees.chain(filters.map(|(_, filter)| Logic::Filter(filter.clone()))).collect()
    }

    /// The plain filters on the root.
    pub fn plain_filters(&self) -> impl Iterator<Item = &Filter> {
        self.filters.iter().filter(|(path, _)| path.is_empty()).map(|(_, filter)| filter)
    }

    fn build(&self, page: Page, target_names: bool, root: bool) -> Result<(Level, LegacyNames), NotEmbedded> {
        let mut tree = Tree {
            root: Level {
                select: self.select.clone(),
                limit: page.limit,
                offset: page.offset,
                ..Level::default()
            },
            target_names,
            legacy: Vec::new(),
        };
        for (path, logic) in &self.trees {
            if root || !path.is_empty() {
                tree.at(path)?.filters.push(logic.clone());
            }
        }
        for (path, filter) in &self.filters {
            if root || !path.is_empty() {
                tree.at(path)?.filters.push(Logic::Filter(filter.clone()));
            }
        }
        for (path, order) in &self.orders {
            tree.at(path)?.order.clone_from(order);
        }
        for (path, page) in self.ranges.iter().filter(|(path, _)| !path.is_empty()) {
            let level = tree.at(path)?;
            (level.limit, level.offset) = (page.limit, page.offset);
        }
        Ok((tree.root, tree.legacy))
    }
}

struct Tree {
    root: Level,
    target_names: bool,
    legacy: LegacyNames,
}

impl Tree {
    fn at(&mut self, path: &[String]) -> Result<&mut Level, NotEmbedded> {
        let mut level = &mut self.root;
        for name in path {
            let found = index_of(level, name, self.target_names)?;
            let Some(SelectItem::Embed(embed)) = level.select.get_mut(found) else {
                return Err(NotEmbedded { resource: name.clone(), alias: None });
            };
            if let Some(alias) = embed.alias.as_ref().filter(|alias| *alias != name) {
                let named = (name.clone(), alias.clone());
                if !self.legacy.contains(&named) {
                    self.legacy.push(named);
                }
            }
            level = &mut embed.level;
        }
        Ok(level)
    }
}

/// Where the embed of that name stands: by its label, or by its target where that is allowed.
fn index_of(level: &Level, name: &str, target_names: bool) -> Result<usize, NotEmbedded> {
    let embeds = || {
        level.select.iter().enumerate().filter_map(|(index, item)| match item {
            SelectItem::Embed(embed) => Some((index, embed)),
            SelectItem::All | SelectItem::Field(_) => None,
        })
    };
    if let Some((index, _)) = embeds().find(|(_, embed)| embed.label() == name) {
        return Ok(index);
    }
    match embeds().find(|(_, embed)| embed.target == name) {
        Some((index, _)) if target_names => Ok(index),
        Some((_, embed)) => Err(NotEmbedded { resource: name.to_owned(), alias: embed.alias.clone() }),
        None => Err(NotEmbedded { resource: name.to_owned(), alias: None }),
    }
}
