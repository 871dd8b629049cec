//! Anthropic's messages: <https://docs.anthropic.com/en/api/messages>, streamed as
//! <https://docs.anthropic.com/en/api/messages-streaming> says.

mod decode;
mod form;
mod request;
mod turns;

pub(super) use decode::decoder;
pub(super) use request::request;

/// The version of the API that is spoken.
pub(super) const VERSION: &str = "2023-06-01";
