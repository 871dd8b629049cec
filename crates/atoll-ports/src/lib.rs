//! The ports: what the node needs of its adapters. Those that cause effects take permits.
//!
//! Floor 3. A port is read in one sitting; each has one conformance suite that every adapter passes.

pub mod archive;
pub mod grants;
pub mod log;
pub mod meter;
pub mod mirror;
pub mod models;
pub mod runner;
pub mod sweep;
pub mod toolchain;
pub mod vault;
pub mod witness;
pub mod workspace;

pub use archive::Archive;
pub use atoll_guard::BoxFuture;
pub use grants::Grants;
pub use log::Log;
pub use meter::Meter;
pub use mirror::Mirror;
pub use models::Models;
pub use runner::Runner;
pub use toolchain::Toolchains;
pub use vault::Vault;
pub use witness::Witness;
pub use workspace::Workspaces;

/// What became of an effect: the live permit, for the node to finish, and the result. `Err`: the permit
/// could not be begun, and is closed already.
pub type Did<A, T, E> = Result<(atoll_guard::Live<A>, Result<T, E>), atoll_guard::Stop>;
