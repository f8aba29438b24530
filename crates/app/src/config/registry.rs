//! Every setting of the program, in the order of their names.

use base::setting::Definition;

use super::declared;
use crate::lists;

/// Every definition.
pub fn all() -> Vec<&'static Definition> {
    let mut all: Vec<&'static Definition> =
        lists::SETTINGS.iter().chain(declared::SETTINGS).flat_map(|list| list.iter().copied()).collect();
    all.sort_by_key(|definition| definition.name);
    all
}
