//! Ollama's own API: <https://github.com/ollama/ollama/blob/main/docs/api.md>. Beside its chat completions it
//! says more: the window is set by the request, thoughts have a place, and what doesn't fit is refused and not
//! silently cut.

mod decode;
mod request;
mod show;

pub(super) use decode::decoder;
pub(super) use request::request;
pub(crate) use show::Shown;
pub(super) use show::{show, version};
