//! `/rest/v1`: what goes over the wire. What SQL it becomes is the data's own tests' business.

mod answers;
mod description;
mod house;
mod refusals;
mod rules;
mod shapes;
