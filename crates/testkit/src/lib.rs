//! What tests share: a guard that admits everything into a log in memory, a scripted model provider,
//! and the suite that every log passes.

pub mod log;
pub mod permits;
pub mod provider;
