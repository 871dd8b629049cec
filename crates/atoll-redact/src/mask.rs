//! Values that are known, taken out of a stream as it comes: a job's output may quote a secret that it was given.
//!
//! Found are the value itself, its longer lines, and its common spellings: base64 (both alphabets, at each of the three
//! alignments), hex, percent-encoding, a JSON string's, and line ends as a terminal makes them. What a job does
//! otherwise to a value (compresses, reverses, spells it letter by letter) is not found.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, BuildError, MatchKind};
use zeroize::{Zeroize, Zeroizing};

/// Shorter values are masked as they are, and in no other spelling: those would be found everywhere.
const SPELLED_BYTES_MIN: usize = 6;
/// The shortest line of a longer value that is masked by itself.
const LINE_BYTES_MIN: usize = 12;
/// A value's lines that are masked by themselves.
const LINES_MAX: usize = 1024;

/// Values to be masked, each with the words that stand in its stead. Zeroized when it goes.
pub struct Masks {
    search: AhoCorasick,
    /// What is searched for, sorted, in the order of `search`; and where its value's words stand in `words`.
    needles: Vec<(Zeroizing<Vec<u8>>, usize)>,
    words: Vec<Vec<u8>>,
    longest: usize,
}

impl Masks {
    /// Of named values: `[secret:NAME]` stands in the stead of each. `Err`: they are too many to be searched for.
    pub fn new<'a>(
        values: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Masks, BuildError> {
        let (mut needles, mut words) = (Vec::new(), Vec::new());
        for (name, value) in values {
            needles.extend(spellings(value).into_iter().map(|n| (n, words.len())));
            words.push(format!("[secret:{name}]").into_bytes());
        }
        needles.sort_by(|(a, i), (b, j)| (a.as_slice(), i).cmp(&(b.as_slice(), j)));
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(needles.iter().map(|(needle, _)| needle.as_slice()))?;
        let longest = needles.iter().map(|(n, _)| n.len()).max().unwrap_or(0);
        Ok(Masks {
            search,
            needles,
            words,
            longest,
        })
    }

    /// Whether any of the values occurs.
    pub fn occur(&self, bytes: &[u8]) -> bool {
        self.search.is_match(bytes)
    }

    /// All of a text at once.
    pub fn whole(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = Stream::default();
        let mut out = stream.push(self, bytes);
        out.extend(stream.end(self));
        out
    }

    /// From where on `bytes` may be the beginning of something that is masked.
    fn open_from(&self, bytes: &[u8]) -> usize {
        let from = bytes.len().saturating_sub(self.longest.saturating_sub(1));
        (from..bytes.len())
            .find(|at| self.begins(&bytes[*at..]))
            .unwrap_or(bytes.len())
    }

    /// Whether a needle goes on after `tail`. They are sorted: those that begin with it stand together.
    fn begins(&self, tail: &[u8]) -> bool {
        let at = self.needles.partition_point(|(n, _)| n.as_slice() <= tail);
        self.needles
            .get(at)
            .is_some_and(|(n, _)| n.starts_with(tail))
    }
}

/// A stream under way: what may be the beginning of a value is held back until more comes.
#[derive(Default)]
pub struct Stream {
    held: Zeroizing<Vec<u8>>,
}

impl Stream {
    /// Takes the next bytes; gives those that are known to be harmless, masked.
    pub fn push(&mut self, masks: &Masks, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let mut out = Vec::new();
        let mut done = 0;
        let open = masks.open_from(&self.held);
        for found in masks.search.find_iter(self.held.as_slice()) {
            // A longer one may begin where this one does, or before it ends and go on past what has come.
            if found.start() >= open {
                break;
            }
            out.extend_from_slice(&self.held[done..found.start()]);
            out.extend_from_slice(&masks.words[masks.needles[found.pattern().as_usize()].1]);
            done = found.end();
        }
        let upto = open.max(done);
        out.extend_from_slice(&self.held[done..upto]);
        self.held[..upto].zeroize();
        self.held.drain(..upto);
        out
    }

    /// The stream has ended: what was held back, masked.
    pub fn end(&mut self, masks: &Masks) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        let (mut out, mut done) = (Vec::new(), 0);
        for found in masks.search.find_iter(held.as_slice()) {
            out.extend_from_slice(&held[done..found.start()]);
            out.extend_from_slice(&masks.words[masks.needles[found.pattern().as_usize()].1]);
            done = found.end();
        }
        out.extend_from_slice(&held[done..]);
        out
    }
}

/// Everything that stands for a value.
fn spellings(value: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut all: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut parts = vec![value];
    let trimmed = value.trim_ascii();
    parts.push(trimmed);
    let lines = value.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    parts.extend(
        lines
            .filter(|line| line.len() >= LINE_BYTES_MIN)
            .take(LINES_MAX),
    );
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        all.insert(part.to_vec());
        if part.contains(&b'\n') {
            all.insert(replaced(part, b'\n', b"\r\n"));
        }
        if part.len() >= SPELLED_BYTES_MIN {
            spelled(part, &mut all);
        }
    }
    all.into_iter().map(Zeroizing::new).collect()
}

fn spelled(part: &[u8], all: &mut BTreeSet<Vec<u8>>) {
    for upper in [false, true] {
        all.insert(part.iter().flat_map(|b| hex(*b, upper)).collect());
        for kept in [&b""[..], b"/"] {
            all.insert(percent(part, upper, kept, false));
            all.insert(percent(part, upper, kept, true));
        }
    }
    for alphabet in [STANDARD, URL_SAFE] {
        all.extend((0..3).filter_map(|before| base64(part, before, alphabet)));
    }
    all.insert(json(part));
}

fn replaced(bytes: &[u8], from: u8, to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    for b in bytes {
        match *b == from {
            true => out.extend_from_slice(to),
            false => out.push(*b),
        }
    }
    out
}

fn hex(byte: u8, upper: bool) -> [u8; 2] {
    let digits: &[u8; 16] = match upper {
        true => b"0123456789ABCDEF",
        false => b"0123456789abcdef",
    };
    [
        digits[usize::from(byte >> 4)],
        digits[usize::from(byte & 15)],
    ]
}

/// Percent-encoding as RFC 3986 has it, with `kept` left as it is and spaces as `+` on request.
fn percent(bytes: &[u8], upper: bool, kept: &[u8], plus: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() * 3);
    for b in bytes {
        match *b {
            b' ' if plus => out.push(b'+'),
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) || kept.contains(&b) => {
                out.push(b)
            }
            b => {
                out.push(b'%');
                out.extend(hex(b, upper));
            }
        }
    }
    out
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The characters of base64 that depend on `bytes` alone when `before` other bytes of a group of three stand before them.
fn base64(bytes: &[u8], before: usize, alphabet: &[u8; 64]) -> Option<Vec<u8>> {
    let (first, last) = ((before * 8).div_ceil(6), (before + bytes.len()) * 8 / 6);
    let at = |i: usize| {
        bytes
            .get(i.wrapping_sub(before))
            .map_or(0, |b| u32::from(*b))
    };
    let digit = |n: usize| {
        let group = n / 4 * 3;
        let bits = at(group) << 16 | at(group + 1) << 8 | at(group + 2);
        alphabet[(bits >> (18 - 6 * (n % 4)) & 63) as usize]
    };
    let digits: Vec<u8> = (first..last).map(digit).collect();
    (digits.len() >= SPELLED_BYTES_MIN).then_some(digits)
}

/// As it stands within a JSON string.
fn json(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    for b in bytes {
        match *b {
            b'"' | b'\\' => out.extend([b'\\', *b]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            b => out.push(b),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose as b64;
    use proptest::prelude::*;

    const VALUE: &str = "s3cr3t/Val ue+\"x\"";

    fn masks(values: &[(&str, &str)]) -> Masks {
        Masks::new(values.iter().map(|(n, v)| (*n, v.as_bytes()))).unwrap()
    }
    fn said(masks: &Masks, text: &str) -> String {
        String::from_utf8(masks.whole(text.as_bytes())).unwrap()
    }

    #[test]
    fn every_spelling_is_masked() {
        let m = masks(&[("k", VALUE)]);
        let v = VALUE.as_bytes();
        let hexed: String = v.iter().map(|b| format!("{b:02x}")).collect();
        let all = [
            VALUE.to_owned(),
            hexed.to_uppercase(),
            hexed,
            "s3cr3t%2FVal%20ue%2B%22x%22".into(),
            "s3cr3t/Val%20ue%2b%22x%22".into(),
            "s3cr3t%2FVal+ue%2B%22x%22".into(),
            serde_json::to_string(VALUE).unwrap(),
        ];
        for text in all {
            let got = said(&m, &format!("<{text}>"));
            assert!(
                got.contains("[secret:k]") && !got.contains("Val"),
                "{text}: {got}"
            );
        }
        // Within other bytes, at each alignment, in both alphabets.
        for before in ["", "a", "ab", "abc", "user:"] {
            let bytes = format!("{before}{VALUE}:after");
            for text in [
                b64::STANDARD.encode(&bytes),
                b64::URL_SAFE_NO_PAD.encode(&bytes),
            ] {
                let got = said(&m, &text);
                assert!(got.contains("[secret:k]"), "{before} {text}: {got}");
                // What is left decodes to no more than two bytes of it on each side.
                assert!(got.len() < text.len() - 18 + "[secret:k]".len(), "{got}");
            }
        }
    }

    #[test]
    fn a_value_of_lines_is_masked_whole_by_line_and_as_a_terminal_writes_it() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nshort\n-----END KEY-----\n";
        let m = masks(&[("pem", key)]);
        assert_eq!(said(&m, &format!("a {key}b")), "a [secret:pem]b");
        assert_eq!(said(&m, &key.replace('\n', "\r\n")), "[secret:pem]");
        assert_eq!(
            said(&m, "x MIIEvQIBADANBgkqhkiG9w0BAQ y"),
            "x [secret:pem] y"
        );
        assert_eq!(said(&m, "short"), "short");
    }

    #[test]
    fn the_longer_of_two_values_wins_and_short_ones_are_masked_as_they_are() {
        let m = masks(&[("a", "token"), ("b", "token-longer"), ("c", "xy")]);
        assert_eq!(
            said(&m, "token token-longer token-lo xy 7879"),
            "[secret:a] [secret:b] [secret:a]-lo [secret:c] 7879"
        );
        assert!(m.occur(b"a token") && !m.occur(b"a toke"));
    }

    #[test]
    fn nothing_is_kept_back_that_cannot_be_a_beginning() {
        let m = masks(&[("k", "hunter22")]);
        let mut stream = Stream::default();
        assert_eq!(stream.push(&m, b"Password: "), b"Password: ");
        assert_eq!(stream.push(&m, b"hunt"), b"");
        assert_eq!(stream.push(&m, b"ing"), b"hunting");
        assert_eq!(stream.push(&m, b"hunter2"), b"");
        assert_eq!(stream.end(&m), b"hunter2");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        /// However a text is cut, what comes out is what comes out of the whole.
        #[test]
        fn cuts_change_nothing(
            parts in prop::collection::vec("[ab]{0,6}|abba|abbab|[a-c ]{0,3}", 0..8),
            cuts in prop::collection::vec(0usize..64, 0..12),
        ) {
            let m = masks(&[("x", "abba"), ("y", "abbabaa"), ("z", "bb")]);
            let text = parts.concat().into_bytes();
            let mut at: Vec<usize> = cuts.into_iter().map(|c| c.min(text.len())).collect();
            at.extend([0, text.len()]);
            at.sort_unstable();
            let (mut stream, mut out) = (Stream::default(), Vec::new());
            for pair in at.windows(2) {
                out.extend(stream.push(&m, &text[pair[0]..pair[1]]));
            }
            out.extend(stream.end(&m));
            prop_assert_eq!(&out, &m.whole(&text));
            let got = String::from_utf8(out).unwrap();
            prop_assert!(!got.contains("bb"), "{}", got);
        }

        /// No value gets through, whatever it is.
        #[test]
        fn no_value_gets_through(value in "[a-zA-Z0-9/+=%\\n\"\\\\ -]{6,80}", before in "[a-z ]{0,5}", step in 1usize..9) {
            let m = masks(&[("k", &value)]);
            let text = format!("{before}{value}{}", b64::STANDARD.encode(format!("{before}{value}")));
            let (mut stream, mut out) = (Stream::default(), Vec::new());
            for part in text.as_bytes().chunks(step) {
                out.extend(stream.push(&m, part));
            }
            out.extend(stream.end(&m));
            let got = String::from_utf8_lossy(&out).into_owned();
            prop_assert!(!got.contains(value.as_str()), "{}", got);
            prop_assert!(got.matches("[secret:k]").count() >= 1);
        }
    }
}
