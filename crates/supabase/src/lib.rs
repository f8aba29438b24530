//! The outside contracts of Supabase, one module each. Translation only.

pub mod auth;
pub mod realtime;
pub mod rest;
