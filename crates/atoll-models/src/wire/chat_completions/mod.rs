//! OpenAI's chat completions, and what others make of them: <https://platform.openai.com/docs/api-reference/chat>.

mod decode;
mod request;

pub(super) use decode::decoder;
pub(super) use request::request;
