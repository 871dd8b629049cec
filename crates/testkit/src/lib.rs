//! What tests share: a guard that admits everything into a log in memory, a scripted model provider.

pub mod permits;
pub mod provider;
