//! A reply on its way to the wire: what all wires share, and how a reply goes wrong in pieces.

use serde_json::{Value, json};

use super::script::{Call, Fault, Reply};
use super::{chat, messages, ollama};

/// Content and arguments are streamed in pieces of so many characters.
const PIECE_CHARS: usize = 24;

/// What is spoken on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// OpenAI's chat completions.
    Chat,
    /// Anthropic's messages.
    Messages,
    /// Ollama's own.
    Ollama,
}

/// What is put on the wire, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Send(Vec<u8>),
    Sleep(u64),
    /// The connection breaks.
    Break,
    /// Nothing more, ever.
    Hang,
}

/// One event or line of a stream, without its framing.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Its name, where the wire names its events.
    pub(crate) name: Option<String>,
    pub(crate) data: String,
    /// Whether it is the one that says that all was said.
    pub(crate) last: bool,
}

impl Event {
    pub(crate) fn plain(data: &Value) -> Event {
        Event {
            name: None,
            data: data.to_string(),
            last: false,
        }
    }
}

/// One request's reply, being written.
pub(crate) struct Writer<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) request: &'a Value,
    pub(crate) reply: &'a Reply,
    pub(crate) number: u64,
}

impl Writer<'_> {
    pub(crate) fn model(&self) -> &str {
        self.request["model"].as_str().unwrap_or("scripted")
    }

    pub(crate) fn content(&self) -> Option<String> {
        let huge = self.reply.faults.iter().find_map(|f| match f {
            Fault::Huge(bytes) => Some("x".repeat(*bytes)),
            _ => None,
        });
        huge.or_else(|| self.reply.content.clone())
    }

    pub(crate) fn calls(&self) -> &[Call] {
        self.reply.tool_calls.as_deref().unwrap_or_default()
    }

    pub(crate) fn id(&self, i: usize, call: &Call) -> Value {
        if self.reply.has(&Fault::NoIds) {
            return Value::Null;
        }
        if self.reply.has(&Fault::SameIds) {
            return json!("call_same");
        }
        let made = || format!("call_{:04}_{i}", self.number);
        json!(call.id.clone().unwrap_or_else(made))
    }

    /// The index that a piece of call `i` says.
    pub(crate) fn index(&self, i: usize) -> Value {
        match () {
            () if self.reply.has(&Fault::NoIndex) => Value::Null,
            () if self.reply.has(&Fault::IndexZero) => json!(0),
            () => json!(i),
        }
    }

    /// Why it ended, in the words of chat completions; `None` where that is left out.
    pub(crate) fn finish(&self) -> Option<&str> {
        if self.reply.has(&Fault::NoFinish) {
            return None;
        }
        let plain = if self.calls().is_empty() {
            "stop"
        } else {
            "tool_calls"
        };
        Some(self.reply.finish.as_deref().unwrap_or(plain))
    }

    /// Tokens read and written, four characters each.
    pub(crate) fn counted(&self) -> (usize, usize) {
        let read = self.request["messages"].to_string().len() / 4;
        let written = self.content().map_or(0, |c| c.len())
            + self.reply.reasoning.as_ref().map_or(0, String::len)
            + self
                .calls()
                .iter()
                .map(|c| c.name.len() + c.arguments.to_string().len())
                .sum::<usize>();
        (read, written.div_ceil(4))
    }

    /// The object of a reply that isn't streamed.
    pub(crate) fn whole(&self) -> Value {
        match self.dialect {
            Dialect::Chat => chat::whole(self),
            Dialect::Messages => messages::whole(self),
            Dialect::Ollama => ollama::whole(self),
        }
    }

    /// The body of a refusal.
    pub(crate) fn error(&self) -> Value {
        match self.dialect {
            Dialect::Chat => chat::error(self),
            Dialect::Messages => messages::error(self),
            Dialect::Ollama => ollama::error(self),
        }
    }

    fn events(&self) -> Vec<Event> {
        let mut out = match self.dialect {
            Dialect::Chat => chat::events(self),
            Dialect::Messages => messages::events(self),
            Dialect::Ollama => ollama::events(self),
        };
        if self.reply.has(&Fault::GarbageEvents) {
            let at = out.len().min(match self.dialect {
                Dialect::Chat => 2,
                Dialect::Messages => 4,
                Dialect::Ollama => 1,
            });
            out.insert(
                at,
                Event {
                    name: None,
                    data: "{\"choices\": [oops".into(),
                    last: false,
                },
            );
        }
        out
    }

    fn frame(&self, event: &Event) -> Vec<u8> {
        let odd = self.reply.has(&Fault::OddEvents);
        if self.dialect == Dialect::Ollama {
            let no_end = event.last && self.reply.has(&Fault::NoDone);
            let end = match () {
                () if no_end => "",
                () if odd => "\r\n\n",
                () => "\n",
            };
            return format!("{}{end}", event.data).into_bytes();
        }
        let name = event.name.as_deref();
        if !odd {
            let name = name.map_or(String::new(), |n| format!("event: {n}\n"));
            return format!("{name}data: {}\n\n", event.data).into_bytes();
        }
        // Lines of data are joined by a line feed, which JSON allows after its first brace.
        let data = match event.data.split_at_checked(1) {
            Some(("{", rest)) => format!("data:{{\r\ndata: {rest}\r\n"),
            _ => format!("data:{}\r\n", event.data),
        };
        let name = name.unwrap_or("message");
        format!(": still here\r\nevent: {name}\r\nid: 7\r\n{data}\r\n").into_bytes()
    }

    /// What goes over the wire.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let (mut out, mut drip) = (Vec::new(), 0);
        for fault in &self.reply.faults {
            match fault {
                Fault::Drip(ms) => drip = *ms,
                Fault::Empty => return out,
                Fault::LongLine(bytes) => return self.long_line(*bytes),
                _ => {}
            }
        }
        for (n, event) in self.events().iter().enumerate() {
            if let Some(end) = self.ends_before(n, event) {
                out.push(end);
                return out;
            }
            if drip > 0 {
                out.push(Step::Sleep(drip));
            }
            let mut frame = self.frame(event);
            if let Some(at) = frame.iter().position(|b| *b >= 0x80) {
                if self.reply.has(&Fault::HalfCharacter) {
                    out.push(Step::Send(frame[..=at].to_vec()));
                    out.push(Step::Break);
                    return out;
                }
                if self.reply.has(&Fault::HalfCharacterAtEnd) {
                    out.push(Step::Send(frame[..=at].to_vec()));
                    return out;
                }
                if self.reply.has(&Fault::BadCharacter) {
                    frame[at] = 0xf0;
                }
            }
            match self.reply.has(&Fault::Bytewise) {
                true => out.extend(frame.iter().map(|b| Step::Send(vec![*b]))),
                false => out.push(Step::Send(frame)),
            }
        }
        if self.reply.has(&Fault::BreakAtEnd) {
            out.push(Step::Break);
        }
        out
    }

    /// What comes in place of the event, if nothing but that comes.
    fn ends_before(&self, n: usize, event: &Event) -> Option<Step> {
        self.reply.faults.iter().find_map(|fault| match fault {
            Fault::Cut(after) if n == *after => Some(Step::Break),
            Fault::HangAfter(after) if n == *after => Some(Step::Hang),
            // Ollama's last line says more than that it is the last.
            Fault::BreakAtEnd if event.last && self.dialect != Dialect::Ollama => Some(Step::Break),
            _ => None,
        })
    }

    fn long_line(&self, bytes: usize) -> Vec<Step> {
        let piece = vec![b'x'; 64 * 1024];
        let begin = match self.dialect {
            Dialect::Ollama => b"{\"x\": \"".to_vec(),
            _ => b"data: ".to_vec(),
        };
        let mut out = vec![Step::Send(begin)];
        out.extend((0..bytes.div_ceil(piece.len())).map(|_| Step::Send(piece.clone())));
        out.push(Step::Hang);
        out
    }
}

pub(crate) fn pieces(text: &str) -> Vec<String> {
    // A huge text goes in larger pieces: the wire, not the framing, is what it tries.
    let size = if text.len() > 1_000_000 {
        16 * 1024
    } else {
        PIECE_CHARS
    };
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(size).map(|c| c.iter().collect()).collect()
}
