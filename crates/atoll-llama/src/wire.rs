//! What node and engine say to each other: one JSON object a line, on the engine's standard input and output.

use std::io::{BufRead, Read, Write};

use serde::{Deserialize, Serialize};

/// The longest line to the engine: a conversation, in bytes.
pub const ASK_LIMIT_BYTES: u64 = 32 << 20;
/// The longest line from the engine, in bytes.
pub const ANSWER_LIMIT_BYTES: u64 = 1 << 20;

/// To the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// Reads a model: the first line, and the only one of its kind.
    Load(Load),
    /// Continues a conversation.
    Chat(Chat),
    /// Stops a chat; it ends with `Done` and `cancelled`.
    Cancel {
        /// Which.
        id: u64,
    },
    /// Ends the engine.
    Exit,
}

/// Which model, and how much of the machine it may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// The GGUF file.
    pub path: String,
    /// The window wanted for each conversation, in tokens; it gets less where memory is short.
    pub context_tokens: u32,
    /// Conversations at once, and whose beginnings are kept.
    pub sequences: u32,
    /// Threads that compute.
    pub threads: u32,
    /// Memory that is left alone, in bytes.
    pub spare_bytes: u64,
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chat {
    /// Its id, new with each.
    pub id: u64,
    /// What was said, as the template takes it.
    pub turns: Vec<Turn>,
    /// The grammar of the reply (GBNF, from `root`).
    pub grammar: Option<String>,
    /// The most tokens to write.
    pub output_tokens_max: u32,
    /// How the next token is chosen.
    pub sampling: Sampling,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What was said.
    pub text: String,
}

/// How the next token is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0: always the likeliest.
    pub temperature: f32,
    /// Only among so many.
    pub top_k: u32,
    /// Only among those that make up this share.
    pub top_p: f32,
    /// What chance starts from: the same seed writes the same text.
    pub seed: u32,
}

/// From the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The model can be used.
    Loaded(Loaded),
    /// A part of a reply.
    Piece {
        /// Of which chat.
        id: u64,
        /// The text: whole characters.
        text: String,
    },
    /// A reply is whole.
    Done(Done),
    /// A chat, or without an id the loading, failed.
    Failed {
        /// Of which chat.
        id: Option<u64>,
        /// Why.
        code: Code,
        /// What to tell a person.
        words: String,
    },
}

/// What was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// The window of each conversation, in tokens.
    pub context_tokens: u32,
    /// Conversations at once.
    pub sequences: u32,
    /// Whether the file's own chat template is used; ChatML otherwise.
    pub template: bool,
    /// What fences the engine: `landlock`, `seccomp`.
    pub fences: Vec<String>,
}

/// A whole reply's figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Of which chat.
    pub id: u64,
    /// Tokens of the conversation.
    pub input_tokens: u32,
    /// Of those, kept from an earlier call and not computed again.
    pub cached_tokens: u32,
    /// Tokens written.
    pub output_tokens: u32,
    /// Why it ended.
    pub finish: Finish,
}

/// Why a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model was done.
    Stop,
    /// It reached its limit.
    Length,
    /// It was told to stop.
    Cancelled,
}

/// Why something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The file is no model, or not the whole of one.
    File,
    /// It doesn't fit into the memory that is free.
    Memory,
    /// The conversation is longer than the window.
    Context,
    /// The grammar can't be used.
    Grammar,
    /// This machine or this build can't do it.
    Unable,
    /// The computation failed.
    Engine,
}

/// Writes a line.
pub fn send(to: &mut impl Write, what: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// Reads a line of at most `limit_bytes`; `None` at the end. What is longer, or isn't the protocol, is an error.
pub fn receive<T: for<'a> Deserialize<'a>>(
    from: &mut impl BufRead,
    limit_bytes: u64,
) -> std::io::Result<Option<T>> {
    let mut line = Vec::new();
    from.take(limit_bytes).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        let why = format!("a line without an end, or of more than {limit_bytes} bytes");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, why));
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_there_and_back_and_a_long_or_cut_one_is_refused() {
        let mut bytes = Vec::new();
        let ask = Ask::Cancel { id: 7 };
        send(&mut bytes, &ask).unwrap();
        send(&mut bytes, &Ask::Exit).unwrap();
        let mut from = bytes.as_slice();
        assert_eq!(receive(&mut from, 100).unwrap(), Some(ask));
        assert_eq!(receive(&mut from, 100).unwrap(), Some(Ask::Exit));
        assert_eq!(receive::<Ask>(&mut from, 100).unwrap(), None);
        assert!(receive::<Ask>(&mut bytes.as_slice(), 5).is_err());
        assert!(receive::<Ask>(&mut &bytes[..10], 100).is_err());
        assert!(receive::<Ask>(&mut &b"{}\n"[..], 100).is_err());
    }
}
