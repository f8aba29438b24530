//! People, their credentials and their sessions: who is calling.

pub mod outside;
