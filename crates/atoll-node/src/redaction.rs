//! Secrets on their way out and back: taken out of what a model is sent, each under a placeholder that is the same in all
//! of its session, and put back in what a person reads. Nothing that is logged, run or written to a file is put back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use atoll_domain::{Conversation, Message, Part, SessionId};
use atoll_redact::{Classes, Keep, KeepLimits};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::facts::Context;
use crate::shared::{Shared, lock};

/// Sessions whose secrets are kept in memory, the latest. Another's placeholders stay as they are until it goes on.
const KEEPS_MAX: usize = 16;
/// A piece of a reply that may be the beginning of a placeholder waits for its end, up to here.
const HELD_BYTES_MAX: usize = 80;
const BEGIN: &str = "[redacted:";

/// What was taken out, by sessions.
#[derive(Default)]
pub(crate) struct Keeps(Mutex<VecDeque<(SessionId, Arc<Mutex<Keep>>)>>);

impl Keeps {
    fn find(&self, session: SessionId) -> Option<Arc<Mutex<Keep>>> {
        let keeps = lock(&self.0);
        let found = keeps.iter().find(|(of, _)| *of == session);
        found.map(|(_, keep)| keep.clone())
    }

    /// A session's, with its family's placeholders: a fork goes on with the words of the one that it came from.
    fn of(&self, session: SessionId, family: SessionId, key: &[u8; 32]) -> Arc<Mutex<Keep>> {
        let mut keeps = lock(&self.0);
        let at = keeps.iter().position(|(of, _)| *of == session);
        let kept = at.and_then(|at| keeps.remove(at));
        let (_, keep) = kept.unwrap_or_else(|| {
            let keep = Keep::new(derived(key, family), KeepLimits::default());
            (session, Arc::new(Mutex::new(keep)))
        });
        keeps.push_back((session, keep.clone()));
        while keeps.len() > KEEPS_MAX {
            keeps.pop_front();
        }
        keep
    }
}

/// A family's key: it has the same placeholders when it goes on after a restart, and no other session has them.
fn derived(key: &[u8; 32], family: SessionId) -> [u8; 32] {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(b"placeholders of ");
            mac.update(family.to_string().as_bytes());
            mac.finalize().into_bytes().into()
        }
        Err(_) => *key, // a key of any length is taken
    }
}

/// A conversation without its secrets: the only form in which one is sent. [`Shared::redact`] alone makes it.
pub(crate) struct Clean {
    conversation: Conversation,
    hits: u64,
}

impl Clean {
    /// In how many places something was taken out.
    pub(crate) fn hits(&self) -> u64 {
        self.hits
    }
    pub(crate) fn conversation(self) -> Conversation {
        self.conversation
    }
}

impl Shared {
    /// Takes secrets out of what is sent. Outside sessions placeholders say the kind alone.
    pub(crate) fn redact(&self, context: &Context, mut conversation: Conversation) -> Clean {
        let classes = self.current().options.redact;
        let keep = context.session.zip(context.family());
        let keep =
            keep.map(|(session, family)| self.keeps.of(session, family, &self.redaction_key));
        let mut hits = 0;
        let mut clean = |text: &mut String| {
            let redacted = match &keep {
                Some(keep) => lock(keep).redact(text, classes),
                None => atoll_redact::redact_classes(text, classes),
            };
            if redacted.count > 0 {
                hits += redacted.count;
                *text = redacted.text;
            }
        };
        for message in &mut conversation.messages {
            redact_message(message, &mut clean);
        }
        Clean { conversation, hits }
    }

    /// A text with what this session took out put back, for a person at this machine and for nothing else.
    pub(crate) fn restored(&self, session: SessionId, text: String) -> String {
        if !text.contains(BEGIN) {
            return text;
        }
        match self.keeps.find(session) {
            Some(keep) => lock(&keep).restore(&text).show().to_owned(),
            None => text,
        }
    }
}

fn redact_message(message: &mut Message, clean: &mut impl FnMut(&mut String)) {
    for part in &mut message.content {
        if let Part::Text { text } = part {
            clean(text);
        }
    }
    for call in &mut message.tool_calls {
        clean(&mut call.arguments);
    }
}

/// A reply as it streams, its placeholders put back whole, however they are cut.
#[derive(Default)]
pub(crate) struct Pieces {
    held: String,
}

impl Pieces {
    /// What can be shown by now.
    pub(crate) fn push(&mut self, shared: &Shared, session: SessionId, piece: &str) -> String {
        self.held.push_str(piece);
        let ready = self.held.len() - open(&self.held);
        let rest = self.held.split_off(ready);
        let ready = std::mem::replace(&mut self.held, rest);
        shared.restored(session, ready)
    }

    /// What was waited with for nothing.
    pub(crate) fn rest(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// How many bytes at the end may become a placeholder.
fn open(text: &str) -> usize {
    let Some(at) = text.rfind('[') else { return 0 };
    let tail = &text[at..];
    let begins = BEGIN.starts_with(tail) || tail.starts_with(BEGIN);
    match begins && !tail.contains(']') && tail.len() <= HELD_BYTES_MAX {
        true => tail.len(),
        false => 0,
    }
}

/// What is looked for unless the owner says otherwise.
pub(crate) const CLASSES: Classes = Classes {
    cards: true,
    ibans: true,
    emails: false,
    phones: false,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_waits_only_where_a_placeholder_may_begin() {
        for (text, waits) in [
            ("a", 0),
            ("a [", 1),
            ("a [x", 0),
            ("a [redac", 6),
            ("a [redacted:github#abc", 20),
            ("a [redacted:github#abcdefgh]", 0),
            ("a [redacted:github#abcdefgh] [", 1),
        ] {
            assert_eq!(open(text), waits, "{text}");
        }
        let long = format!("[redacted:{}", "a".repeat(HELD_BYTES_MAX));
        assert_eq!(open(&long), 0);
    }

    #[test]
    fn keys_are_a_sessions_own_and_stay_the_same() {
        let of = |n: u8| SessionId::new(atoll_domain::Ms(1), [n; 10]);
        assert_eq!(derived(&[1; 32], of(1)), derived(&[1; 32], of(1)));
        assert_ne!(derived(&[1; 32], of(1)), derived(&[1; 32], of(2)));
        assert_ne!(derived(&[1; 32], of(1)), derived(&[2; 32], of(1)));
        let keeps = Keeps::default();
        let first = keeps.of(of(0), of(0), &[1; 32]);
        for n in 1..KEEPS_MAX as u8 {
            keeps.of(of(n), of(0), &[1; 32]);
        }
        assert!(
            Arc::ptr_eq(&first, &keeps.of(of(0), of(0), &[1; 32])),
            "used again, it stays"
        );
        keeps.of(of(99), of(99), &[1; 32]);
        assert!(keeps.find(of(0)).is_some() && keeps.find(of(1)).is_none());
    }
}
