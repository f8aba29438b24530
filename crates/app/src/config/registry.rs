//! Every setting of the program, in the order of their names.

use base::setting::Definition;

use super::declared;

/// The lists of the crates. One line each.
const LISTS: &[&[&Definition]] = &[
    audit::SETTINGS,
    auth::SETTINGS,
    crate::settings::SETTINGS,
    data::SETTINGS,
    edge::SETTINGS,
    jobs::SETTINGS,
    mail::SETTINGS,
];

/// Every definition.
pub fn all() -> Vec<&'static Definition> {
    let mut all: Vec<&'static Definition> =
        LISTS.iter().chain(declared::SETTINGS).flat_map(|list| list.iter().copied()).collect();
    all.sort_by_key(|definition| definition.name);
    all
}
