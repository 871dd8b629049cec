//! C2SP signed notes: a text, an empty line, and one line per signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::{Error, Key, PublicKey};

/// Notes longer than this are refused unread.
pub const NOTE_BYTES_MAX: usize = 64 << 10;

/// Signature lines that are looked at.
pub const SIGNATURES_MAX: usize = 16;

const DASH: &str = "\u{2014} ";

/// One signature line: who, and the bytes after the 4-byte key id.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line<'a> {
    name: &'a str,
    id: [u8; 4],
    signature: Vec<u8>,
}

/// A name may hold neither white space nor a plus.
fn name_is_fit(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+')
}

/// A text must end in a newline and hold no other control characters.
fn text_is_fit(text: &str) -> bool {
    text.ends_with('\n') && text.chars().all(|c| c == '\n' || !c.is_control())
}

/// Signs `text` as `name` with `key`; the whole note comes back. Errors: a text
/// that does not end in a newline or holds controls, a name with spaces or `+`.
pub fn sign(text: &str, name: &str, key: &Key) -> Result<String, Error> {
    let signature = key.sign(text.as_bytes());
    assemble(text, name, &key.public(), &signature)
}

/// The note whose parts are at hand: the inverse of [`open`].
pub fn assemble(
    text: &str,
    name: &str,
    key: &PublicKey,
    signature: &[u8; 64],
) -> Result<String, Error> {
    if !text_is_fit(text) {
        return Err(Error::Note(
            "the text does not end in a newline, or holds control characters",
        ));
    }
    if !name_is_fit(name) {
        return Err(Error::Note(
            "the signer's name is empty or holds white space or a plus",
        ));
    }
    let mut blob = [0u8; 68];
    blob[..4].copy_from_slice(&key.note_id(name));
    blob[4..].copy_from_slice(signature);
    Ok(format!("{text}\n{DASH}{name} {}\n", BASE64.encode(blob)))
}

/// The text of `note`, if `key` signed it as `name`. Signatures of others are
/// passed over, as the specification asks; a wrong one by this key is an error.
pub fn open<'a>(note: &'a str, name: &str, key: &PublicKey) -> Result<&'a str, Error> {
    let (text, lines) = split(note)?;
    let id = key.note_id(name);
    let ours = lines
        .iter()
        .find(|l| l.name == name && l.id == id)
        .ok_or(Error::UnknownSigner)?;
    let signature = ours
        .signature
        .as_slice()
        .try_into()
        .map_err(|_| Error::Signature)?;
    key.verify(text.as_bytes(), &signature)?;
    Ok(text)
}

/// The notes of a file that several were appended to, blank lines between them. What is no whole note, since its
/// writing was cut, is left out. Their texts may hold no blank lines.
pub fn each(file: &str) -> Vec<&str> {
    let mut notes = Vec::new();
    let (mut at, mut from, mut text) = (0, 0, None);
    let mut paragraph = |from: usize, to: usize| {
        let signatures = from < to && file[from..to].lines().all(|l| l.starts_with(DASH));
        let whole = match text {
            // One blank line, and nothing else, is between a text and its signatures.
            Some((start, end)) if signatures && end + 1 == from => &file[start..to],
            _ => {
                text = Some((from, to));
                return;
            }
        };
        notes.extend(split(whole).is_ok().then_some(whole));
        text = None;
    };
    for line in file.split_inclusive('\n') {
        if line == "\n" {
            paragraph(from, at);
            from = at + 1;
        }
        at += line.len();
    }
    paragraph(from, at);
    notes
}

/// The text of `note` with nothing checked but its form.
pub fn text(note: &str) -> Result<&str, Error> {
    Ok(split(note)?.0)
}

fn split(note: &str) -> Result<(&str, Vec<Line<'_>>), Error> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(Error::Note("too long"));
    }
    let at = note
        .rfind("\n\n")
        .ok_or(Error::Note("no empty line before the signatures"))?;
    let (text, signatures) = (&note[..=at], &note[at + 2..]);
    if !text_is_fit(text) {
        return Err(Error::Note("the text holds control characters"));
    }
    if !signatures.ends_with('\n') {
        return Err(Error::Note("it does not end in a newline"));
    }
    let mut lines = Vec::new();
    for line in signatures.lines() {
        if lines.len() == SIGNATURES_MAX {
            return Err(Error::Note("too many signatures"));
        }
        let rest = line
            .strip_prefix(DASH)
            .ok_or(Error::Note("a signature line without its dash"))?;
        let (name, blob) = rest
            .split_once(' ')
            .ok_or(Error::Note("a signature line without a signature"))?;
        let blob = BASE64
            .decode(blob)
            .map_err(|_| Error::Note("a signature that is not base64"))?;
        let (id, signature) = blob
            .split_first_chunk::<4>()
            .ok_or(Error::Note("a signature that is too short"))?;
        if !name_is_fit(name) {
            return Err(Error::Note("a signer's name that is not allowed"));
        }
        lines.push(Line {
            name,
            id: *id,
            signature: signature.to_vec(),
        });
    }
    if lines.is_empty() {
        return Err(Error::Note("no signatures"));
    }
    Ok((text, lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that golang.org/x/mod/sumdb/note documents.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    fn peter() -> PublicKey {
        let blob = BASE64.decode(PETER.rsplit('+').next().unwrap()).unwrap();
        PublicKey::from_bytes(blob[1..].try_into().unwrap()).unwrap()
    }

    #[test]
    fn opens_another_implementations_note() {
        assert_eq!(hex::encode(peter().note_id("PeterNeumann")), "c74f20a3");
        let text = open(GO_NOTE, "PeterNeumann", &peter()).unwrap();
        assert!(text.ends_with("problem is.\n"));
        let bent = GO_NOTE.replace("answer", "anger");
        assert_eq!(open(&bent, "PeterNeumann", &peter()), Err(Error::Signature));
    }

    #[test]
    fn signs_and_opens() {
        let key = Key::from_seed(&[7; 32]);
        let note = sign("a\n\nb\n", "node", &key).unwrap();
        assert_eq!(open(&note, "node", &key.public()), Ok("a\n\nb\n"));
        assert_eq!(
            open(&note, "other", &key.public()),
            Err(Error::UnknownSigner)
        );
        assert_eq!(
            open(&note, "node", &Key::from_seed(&[8; 32]).public()),
            Err(Error::UnknownSigner)
        );
        assert!(sign("no newline", "node", &key).is_err());
        assert!(sign("x\u{1b}[2J\n", "node", &key).is_err());
        assert!(sign("x\n", "no de", &key).is_err());
    }

    #[test]
    fn rubbish_is_no_note() {
        for note in [
            "",
            "\n",
            "\n\n",
            "x\n\n",
            "x\n\n- n AAAA\n",
            "x\n\n\u{2014} n\n",
            "x\n\n\u{2014} n !!\n",
            "x\n\n\u{2014} n AAAA\n",
            "x\n\n\u{2014} n AAAAAAAA",
        ] {
            assert!(open(note, "n", &peter()).is_err(), "{note:?}");
        }
    }
}
