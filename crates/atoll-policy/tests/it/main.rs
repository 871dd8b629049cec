//! The policy engine against real questions.
#![allow(clippy::unwrap_used, reason = "a test")]

mod cases;
mod checks;
mod commands;
mod guide;
mod hostile;
mod narrowing;
mod profiles;
mod random;
mod suggested;
mod verdicts;
