//! The way out of a box: an HTTP proxy that reaches named hosts and ports, and nothing else.
//!
//! The listener is made inside the job's network namespace and its descriptor passed out; the proxy
//! runs in the node, resolves names itself, judges every address ([`ranges`]) and connects to the very
//! address it judged. `CONNECT` carries TLS alone, and the host that the TLS client names must be the
//! host of the `CONNECT`; plain HTTP is one request per connection, in absolute form, whose `Host` must
//! be the target. There is no UDP. Whatever can't be read with certainty is refused.
//!
//! What it can't promise: an allowed host is a way out for data, and a host that serves many names on
//! one address may serve another one inside TLS, where nobody else can look.

mod environment;
mod head;
mod hello;
mod pass;
mod pump;
pub mod ranges;
mod report;
mod resolve;
mod serve;

pub use environment::environment;
pub use ranges::Net;
pub use report::{Passage, Refusal, Totals};
pub use resolve::{Resolve, System};
pub use serve::{Error, Handle, Options, Proxy};

#[cfg(test)]
mod tests;
