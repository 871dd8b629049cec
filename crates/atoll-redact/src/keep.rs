//! What was taken out in a session, so that the same secret has the same placeholder, and a person can be shown it.

use std::collections::{HashMap, VecDeque};

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::classes::Classes;
use crate::find::{Find, merge};
use crate::placeholder;
use crate::redact::{Redacted, TEXT_LIMIT_BYTES, redact_with, replace};

/// A secret this short is not looked for where nothing else betrays it: it may be a word.
const BARE_BYTES_MIN: usize = 12;

/// What a [`Keep`] holds at most. What goes over it is still taken out, and can't be shown again; the oldest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepLimits {
    pub secrets: usize,
    /// Of one secret.
    pub secret_limit_bytes: usize,
    /// Of all of them together.
    pub limit_bytes: usize,
}

impl Default for KeepLimits {
    fn default() -> KeepLimits {
        KeepLimits {
            secrets: 4096,
            secret_limit_bytes: 32 << 10,
            limit_bytes: 1 << 20,
        }
    }
}

/// A text with secrets in it again. For the eyes of a person at this machine and nothing else: it must not be sent,
/// logged, or handed to an agent. It prints as its length.
pub struct Restored {
    text: Zeroizing<String>,
    /// Placeholders of this session whose secret was put back.
    pub restored: u64,
    /// Placeholders that stayed: another session's, dropped, or written by somebody else.
    pub unknown: u64,
}

impl Restored {
    /// The text, for showing it.
    pub fn show(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for Restored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Restored({} bytes)", self.text.len())
    }
}

/// The secrets of a session.
///
/// A placeholder is `[redacted:KIND#TAG]`; the tag is forty bits of an HMAC-SHA256 of kind and secret under the
/// session's key. So it is the same for the same secret wherever in the session it stands, also after a restart and in
/// whatever order texts come; nobody without the key can try secrets against it; and a text can't name a placeholder
/// that would be restored unless it was shown one. (The whole conversation is what shows them: a page that an agent sent
/// one to can hand it back. That is why restoring is for showing alone.)
///
/// A secret that was once found is then taken out wherever it stands, also bare in a log line that no rule would stop
/// at: what was restored by mistake doesn't go out again.
pub struct Keep {
    key: Zeroizing<[u8; 32]>,
    limits: KeepLimits,
    secrets: HashMap<String, Secret>,
    order: VecDeque<String>,
    bytes: usize,
    /// Finds kept secrets that are long enough; `None` when it must be made anew.
    bare: Option<Bare>,
}

struct Secret {
    kind: &'static str,
    text: Zeroizing<String>,
}

struct Bare {
    all: Option<aho_corasick::AhoCorasick>,
    kinds: Vec<&'static str>,
}

impl Keep {
    /// An empty one. `key` is the session's own: from chance, or derived from the node's secret and the session's id so
    /// that placeholders outlive a restart.
    pub fn new(key: [u8; 32], limits: KeepLimits) -> Keep {
        Keep {
            key: Zeroizing::new(key),
            limits,
            secrets: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            bare: None,
        }
    }

    /// Takes out what `classes` names and every secret that is kept, and keeps what it took out.
    pub fn redact(&mut self, text: &str, classes: Classes) -> Redacted {
        let mut first = redact_with(text, classes, TEXT_LIMIT_BYTES, &mut |kind, secret| {
            self.mark(kind, secret)
        });
        let finds = self.bare_finds(&first.text);
        let (more, text) = replace(&first.text, &finds, &mut |kind, secret| {
            self.mark(kind, secret)
        });
        if more > 0 {
            first.text = text;
            first.count += more;
        }
        first
    }

    /// Puts back what this session took out, for a person to see. Who may ask for it is the caller's to decide.
    pub fn restore(&self, text: &str) -> Restored {
        let mut out = Zeroizing::new(String::with_capacity(text.len()));
        let (mut done, mut restored, mut unknown) = (0, 0, 0);
        for at in placeholder::all(text) {
            let mark = &text[at.clone()];
            out.push_str(&text[done..at.start]);
            match self.secrets.get(mark) {
                Some(secret) => {
                    out.push_str(&secret.text);
                    restored += 1;
                }
                None => {
                    out.push_str(mark);
                    unknown += 1;
                }
            }
            done = at.end;
        }
        out.push_str(&text[done..]);
        Restored {
            text: out,
            restored,
            unknown,
        }
    }

    /// How many secrets are kept.
    pub fn len(&self) -> usize {
        self.secrets.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    fn mark(&mut self, kind: &'static str, secret: &str) -> String {
        let mark = placeholder::tagged(kind, &self.tag(kind, secret));
        if !self.secrets.contains_key(&mark) {
            self.keep(&mark, kind, secret);
        }
        mark
    }

    fn tag(&self, kind: &str, secret: &str) -> String {
        // An HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.as_slice()) else {
            return "a".repeat(placeholder::TAG_BYTES);
        };
        for part in [kind, secret] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        placeholder::tag(&mac.finalize().into_bytes())
    }

    fn keep(&mut self, mark: &str, kind: &'static str, secret: &str) {
        // What holds a placeholder was found around one: it would be restored to another placeholder.
        if secret.len() > self.limits.secret_limit_bytes || secret.contains(placeholder::BEGIN) {
            return;
        }
        while self.secrets.len() >= self.limits.secrets
            || self.bytes + secret.len() > self.limits.limit_bytes
        {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            if let Some(secret) = self.secrets.remove(&oldest) {
                self.bytes -= secret.text.len();
            }
        }
        self.bytes += secret.len();
        self.order.push_back(mark.to_owned());
        let text = Zeroizing::new(secret.to_owned());
        self.secrets.insert(mark.to_owned(), Secret { kind, text });
        self.bare = None;
    }

    /// Where kept secrets stand without anything that says so.
    fn bare_finds(&mut self, text: &str) -> Vec<Find> {
        let bare = self.bare.get_or_insert_with(|| {
            let long = |secret: &&Secret| {
                secret.text.len() >= BARE_BYTES_MIN
                    && secret.kind != "email"
                    && secret.kind != "phone"
            };
            let secrets: Vec<_> = self
                .order
                .iter()
                .filter_map(|m| self.secrets.get(m))
                .filter(long)
                .collect();
            let all = aho_corasick::AhoCorasick::builder()
                .match_kind(aho_corasick::MatchKind::LeftmostLongest)
                .build(secrets.iter().map(|s| s.text.as_bytes()));
            Bare {
                all: all.ok().filter(|_| !secrets.is_empty()),
                kinds: secrets.iter().map(|s| s.kind).collect(),
            }
        });
        let Some(all) = &bare.all else {
            return Vec::new();
        };
        let found = all.find_iter(text).map(|found| Find {
            at: found.range(),
            kind: bare.kinds[found.pattern().as_usize()],
            rank: 0,
        });
        merge(text, found.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep() -> Keep {
        Keep::new([7; 32], KeepLimits::default())
    }

    fn key(n: usize) -> String {
        format!("ghp_{n:04}{}", "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA")
    }

    #[test]
    fn the_same_secret_has_the_same_placeholder_in_one_session_alone() {
        let text = format!("a {} b {} c {}", key(1), key(2), key(1));
        let out = keep().redact(&text, Classes::default());
        let marks: Vec<_> = placeholder::all(&out.text)
            .into_iter()
            .map(|at| out.text[at].to_owned())
            .collect();
        assert_eq!((out.count, marks.len()), (3, 3));
        assert_eq!(marks[0], marks[2]);
        assert_ne!(marks[0], marks[1]);
        assert!(marks[0].starts_with("[redacted:github#"), "{marks:?}");
        // Whatever came before, and in another process: the key is all that counts.
        let again = keep().redact(&key(2), Classes::default());
        assert_eq!(again.text, marks[1]);
        let other = Keep::new([8; 32], KeepLimits::default()).redact(&key(2), Classes::default());
        assert_ne!(other.text, marks[1]);
    }

    #[test]
    fn it_is_restored_for_showing_and_only_what_was_taken_out_here() {
        let mut keep = keep();
        let text = format!(
            "token: {}, and [redacted:github#aaaaaaaa] and [redacted:github]",
            key(1)
        );
        let out = keep.redact(&text, Classes::default());
        assert_eq!(out.count, 1);
        let shown = keep.restore(&out.text);
        assert_eq!(
            (shown.show(), shown.restored, shown.unknown),
            (text.as_str(), 1, 2)
        );
        assert!(!format!("{shown:?}").contains("ghp_"));
        let stranger = Keep::new([8; 32], KeepLimits::default()).restore(&out.text);
        assert_eq!((stranger.show(), stranger.restored), (out.text.as_str(), 0));
    }

    #[test]
    fn a_secret_that_was_seen_is_known_wherever_it_stands() {
        let mut keep = keep();
        let out = keep.redact("DB_PASSWORD=k3Jx9QpLm2Vt", Classes::default());
        let mark = out.text.strip_prefix("DB_PASSWORD=").unwrap().to_owned();
        let log = "connecting as app with k3Jx9QpLm2Vt ...";
        assert_eq!(crate::redact(log).0, 0);
        let out = keep.redact(log, Classes::default());
        assert_eq!(out.text, format!("connecting as app with {mark} ..."));
        // What was shown to a person doesn't go out again.
        let shown = keep.restore(&out.text).show().to_owned();
        assert_eq!(keep.redact(&shown, Classes::default()).text, out.text);
        assert_eq!(keep.redact(&out.text, Classes::default()).count, 0);
    }

    #[test]
    fn it_is_bounded_and_the_oldest_goes_first() {
        let limits = KeepLimits {
            secrets: 3,
            secret_limit_bytes: 64,
            limit_bytes: 100,
        };
        let mut keep = Keep::new([7; 32], limits);
        let marks: Vec<_> = (0..5)
            .map(|n| keep.redact(&key(n), Classes::default()).text)
            .collect();
        assert_eq!(keep.len(), 2);
        assert_eq!(keep.restore(&marks[0]).unknown, 1);
        assert_eq!(keep.restore(&marks[4]).show(), key(4));
        // A longer one is taken out and not kept.
        let long = keep.redact(&format!("ghp_{}", "aB3".repeat(40)), Classes::default());
        assert_eq!((long.count, keep.restore(&long.text).unknown), (1, 1));
        assert!(!keep.is_empty());
    }
}
