//! The node's commands as HTTP under `/v1`, on a Unix socket that only its owner may use.
//!
//! Floor 5. Knows [`atoll_api::Commands`] and nothing of the node. Each route is one command; the OpenAPI
//! document at `/v1/openapi.json` is made from the same list as the router.

mod answer;
mod bind;
mod once;
mod openapi;
mod owner;
mod route;
mod routes;
mod serve;
mod stream;

pub use bind::{Error as BindError, SOCKET, bind};
pub use route::BODY_BYTES_MAX;
pub use routes::{listed, router};
pub use serve::serve;
