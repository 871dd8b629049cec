//! Checkpoints: a log's size and root, signed, as C2SP `tlog-checkpoint`.
//!
//! Keys live in epochs. The log's root key signs one checkpoint, over the empty
//! log, that names the first epoch's key, and is destroyed. An epoch's last
//! checkpoint names the next key. So whoever steals today's key can't sign for
//! yesterday.

use std::fmt::Write as _;

use atoll_domain::Hash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::{Error, Key, PublicKey, canonical::INTEGER_MAX, merkle, note};

/// The extension line that names the next epoch's key.
const NEXT: &str = "next ";

/// What one checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The node whose log it is: origin line and key name.
    pub node: String,
    /// Events covered: those with `seq` 1 to `size`.
    pub size: u64,
    /// The Merkle root over their hashes.
    pub root: Hash,
    /// The key of the next epoch, in an epoch's last checkpoint.
    pub next: Option<PublicKey>,
}

impl Checkpoint {
    /// The one checkpoint that a log's root key signs: nothing yet, and who signs next.
    pub fn opening(node: &str, first: PublicKey) -> Checkpoint {
        Checkpoint {
            node: node.to_owned(),
            size: 0,
            root: Hash(merkle::empty_root()),
            next: Some(first),
        }
    }

    /// The text that is signed.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{}\n{}\n{}\n",
            self.node,
            self.size,
            BASE64.encode(self.root.0)
        );
        if let Some(next) = &self.next {
            // Writing to a String can't fail.
            let _ = writeln!(text, "{NEXT}{next}");
        }
        text
    }

    /// The signature over [`Checkpoint::text`], as the log's event keeps it.
    pub fn sign(&self, key: &Key) -> [u8; 64] {
        key.sign(self.text().as_bytes())
    }

    /// The signed note, as it is kept elsewhere.
    pub fn note(&self, key: &PublicKey, signature: &[u8; 64]) -> Result<String, Error> {
        note::assemble(&self.text(), &self.node, key, signature)
    }

    /// Whether `signature` is `key`'s over this checkpoint.
    pub fn verify(&self, key: &PublicKey, signature: &[u8; 64]) -> Result<(), Error> {
        key.verify(self.text().as_bytes(), signature)
    }

    /// Reads a note that `key` must have signed under the node's name.
    pub fn open(note: &str, key: &PublicKey) -> Result<Checkpoint, Error> {
        let checkpoint = Checkpoint::parse(note::text(note)?)?;
        note::open(note, &checkpoint.node, key)?;
        Ok(checkpoint)
    }

    /// Reads a note whoever signed it: enough to compare one's own kept note
    /// with a log, since the root is what is compared.
    pub fn open_unsigned(note: &str) -> Result<Checkpoint, Error> {
        Checkpoint::parse(note::text(note)?)
    }

    /// Reads the text of a checkpoint. Extension lines that are not known are
    /// passed over, as the specification asks; `next` may occur once.
    pub fn parse(text: &str) -> Result<Checkpoint, Error> {
        let mut lines = text
            .strip_suffix('\n')
            .ok_or(Error::Checkpoint("no newline at its end"))?
            .split('\n');
        let node = lines
            .next()
            .filter(|l| !l.is_empty())
            .ok_or(Error::Checkpoint("no origin"))?;
        let size = lines
            .next()
            .and_then(parse_size)
            .ok_or(Error::Checkpoint("no size"))?;
        let root = lines
            .next()
            .and_then(|l| BASE64.decode(l).ok())
            .and_then(|b| b.try_into().ok());
        let root = Hash(root.ok_or(Error::Checkpoint("no root of 32 bytes"))?);
        let mut next = None;
        for line in lines {
            if line.is_empty() {
                return Err(Error::Checkpoint("an empty extension line"));
            }
            if let Some(did) = line.strip_prefix(NEXT)
                && next.replace(did.parse()?).is_some()
            {
                return Err(Error::Checkpoint("two next keys"));
            }
        }
        Ok(Checkpoint {
            node: node.to_owned(),
            size,
            root,
            next,
        })
    }
}

/// Decimal without leading zeros, below 2^53.
fn parse_size(line: &str) -> Option<u64> {
    let plain = line.bytes().all(|b| b.is_ascii_digit()) && (line == "0" || !line.starts_with('0'));
    plain
        .then(|| line.parse().ok())
        .flatten()
        .filter(|n| *n <= INTEGER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Checkpoint {
        let key = Key::from_seed(&[1; 32]).public();
        Checkpoint {
            node: key.to_string(),
            size: 17,
            root: Hash::of(b"root"),
            next: None,
        }
    }

    #[test]
    fn text_is_c2sp_tlog_checkpoint() {
        let text = sample().text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("did:key:z6Mk"));
        assert_eq!(lines[1], "17");
        assert_eq!(BASE64.decode(lines[2]).unwrap(), Hash::of(b"root").0);
    }

    #[test]
    fn the_root_signs_what_the_first_event_documents() {
        let (root, first) = (Key::from_seed(&[1; 32]), Key::from_seed(&[2; 32]).public());
        let event = crate::opened(&root, first);
        let lines = format!(
            "{}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nnext {}\n",
            event.root, event.epoch
        );
        let signature = BASE64.decode(event.signature).unwrap().try_into().unwrap();
        root.public().verify(lines.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn round_trips_with_and_without_a_next_key() {
        let (key, next) = (Key::from_seed(&[1; 32]), Key::from_seed(&[2; 32]).public());
        for next in [None, Some(next)] {
            let checkpoint = Checkpoint { next, ..sample() };
            let note = checkpoint
                .note(&key.public(), &checkpoint.sign(&key))
                .unwrap();
            assert_eq!(Checkpoint::open(&note, &key.public()).unwrap(), checkpoint);
            let bent = note.replacen("17", "18", 1);
            assert_eq!(
                Checkpoint::open(&bent, &key.public()),
                Err(Error::Signature)
            );
        }
    }

    #[test]
    fn unknown_extensions_pass_and_malformed_texts_do_not() {
        let root = BASE64.encode([0u8; 32]);
        assert!(Checkpoint::parse(&format!("n\n1\n{root}\nfuture thing\n")).is_ok());
        for text in [
            String::new(),
            format!("n\n1\n{root}"),
            format!("\n1\n{root}\n"),
            format!("n\n01\n{root}\n"),
            format!("n\n+1\n{root}\n"),
            format!("n\n-1\n{root}\n"),
            format!("n\n9007199254740992\n{root}\n"),
            "n\n1\nAAAA\n".to_owned(),
            format!("n\n1\n{root}\n\n"),
            format!("n\n1\n{root}\nnext nobody\n"),
        ] {
            assert!(Checkpoint::parse(&text).is_err(), "{text:?}");
        }
    }
}
