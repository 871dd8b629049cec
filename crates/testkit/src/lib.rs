//! What tests share: a guard that admits everything into a log in memory, a scripted model provider,
//! model files of random numbers, and the suites that every log,
//! all workspaces, every finder of toolchains and every vault pass.

// The suites name this crate, also in its own tests.
#[cfg(test)]
extern crate self as testkit;

pub mod gguf;
pub mod log;
pub mod permits;
pub mod provider;
pub mod toolchain;
pub mod vault;
pub mod workspace;
