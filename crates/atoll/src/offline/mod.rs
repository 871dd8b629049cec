//! What works without a node: the only place in the commands that opens the store, the rules and the checkout.

pub mod doctor;
pub mod models;
pub mod past;
pub mod policy;
mod row;
pub mod rules;
pub mod table;
pub mod trust;
pub mod verify;
mod zipped;
