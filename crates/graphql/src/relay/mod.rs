//! pg_graphql's convention: collections, edges, cursors, node ids.
//!
//! Invariant: names, types, their order and their descriptions are pg_graphql's, so that its clients and their generated
//! code work unchanged.

mod inputs;
mod objects;
mod roots;

pub(crate) use roots::function_field;

use gql::Schema;
use gql::introspect::meta_types;
use gql::schema::{MUTATION, QUERY, Type};

use crate::bind::Bind;
use crate::values::{Style, scalars};
use crate::world::World;

/// Types that are there whatever tables are.
pub fn constant() -> Vec<Type<Bind>> {
    let mut types = inputs::constant();
    types.extend(objects::constant());
    types
}

/// The schema for a role.
pub fn schema(world: &World<'_>) -> Schema<Bind> {
    let mut types: Vec<Type<Bind>> = meta_types(&Bind::None);
    types.extend(scalars(Style::Relay));
    types.extend(constant());
    for (_, one) in world.enums() {
        types.push(inputs::enum_filter(&one));
        types.push(one);
    }
    for entry in &world.entries {
        objects::add(world, entry, &mut types);
        inputs::add(entry, &mut types);
    }
    types.push(objects::object(QUERY, Some("The root type for querying data"), None, roots::query(world)));
    let mutations = roots::mutation(world);
    if !mutations.is_empty() {
        let about = "The root type for creating and mutating data";
        types.push(objects::object(MUTATION, Some(about), None, mutations));
    }
    Schema::new(types)
}
