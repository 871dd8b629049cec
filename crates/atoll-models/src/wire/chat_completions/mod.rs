//! OpenAI's chat completions, and what others make of them: <https://platform.openai.com/docs/api-reference/chat>.

mod calls;
mod decode;
mod listing;
mod refusal;
mod request;

pub(super) use decode::decoder;
pub(super) use listing::listing;
pub(super) use refusal::refusal;
pub(super) use request::request;
