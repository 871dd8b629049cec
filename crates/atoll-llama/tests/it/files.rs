//! Files that are no models, or lie about what they hold.

use std::io::Cursor;

use atoll_llama::gguf::{BadModel, Header, read, read_file};
use proptest::prelude::*;

use testkit::gguf::{CONTEXT, Made, model};

fn judged(bytes: &[u8]) -> Result<Header, BadModel> {
    read(Cursor::new(bytes))
}

/// The words about a spoilt model.
fn words(spoil: impl FnOnce(&mut Made)) -> String {
    let mut made = model();
    spoil(&mut made);
    judged(&made.bytes()).unwrap_err().to_string()
}

#[test]
fn a_whole_file_says_what_it_is() {
    let bytes = model().bytes();
    let header = judged(&bytes).unwrap();
    assert_eq!(header.architecture, "llama");
    assert_eq!(header.name.as_deref(), Some("tiny"));
    assert_eq!(header.context_tokens, u64::from(CONTEXT));
    assert_eq!((header.layers, header.cache_width), (1, 64));
    assert_eq!(header.cache_bytes_per_token(), 128);
    assert_eq!((header.vocabulary, header.template), (259, true));
    assert_eq!(header.file_bytes, bytes.len() as u64);
}

#[test]
fn what_is_something_else_is_told_from_what_is_cut() {
    let is = |bytes: &[u8]| judged(bytes).unwrap_err().to_string();
    assert_eq!(is(b""), "it is no GGUF file");
    assert_eq!(is(b"<!doctype html>"), "it is no GGUF file");
    let bytes = model().bytes();
    let mut old = bytes.clone();
    old[4] = 1;
    assert!(is(&old).contains("version 1"), "{}", is(&old));
    for cut in [5, 30, 200, 4000, bytes.len() / 2, bytes.len() - 40] {
        assert!(
            is(&bytes[..cut]).starts_with("it is cut: "),
            "{cut}: {}",
            is(&bytes[..cut])
        );
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(read_file(folder.path()).is_err());
    assert!(read_file(&folder.path().join("none")).is_err());
}

#[test]
fn lies_are_found_before_they_are_believed() {
    let huge = |made: &mut Made| {
        let mut bytes = 8u32.to_le_bytes().to_vec();
        bytes.extend(u64::MAX.to_le_bytes());
        made.set("general.name", bytes);
    };
    assert!(words(huge).starts_with("it lies: a text of 18446744073709551615"));
    let list = |made: &mut Made| {
        let mut bytes = 9u32.to_le_bytes().to_vec();
        bytes.extend(4u32.to_le_bytes());
        bytes.extend((1u64 << 23).to_le_bytes());
        made.set("x", bytes);
    };
    assert!(
        words(list).starts_with("it is cut: a list of"),
        "{}",
        words(list)
    );
    let nested = |made: &mut Made| {
        let mut bytes = 9u32.to_le_bytes().to_vec();
        bytes.extend(9u32.to_le_bytes());
        bytes.extend(1u64.to_le_bytes());
        made.set("x", bytes);
    };
    assert!(words(nested).contains("unknown type 9"));
    assert!(words(|m| m.set("x", 99u32.to_le_bytes().into())).contains("unknown type 99"));
    assert!(words(|m| m.whole("general.alignment", 33)).contains("aligned to 33"));
    assert!(words(|m| m.tensors[0].dimensions = vec![u64::MAX, 2]).contains("impossible size"));
    assert!(words(|m| m.tensors[0].dimensions = vec![0, 2]).contains("impossible size"));
    assert!(words(|m| m.tensors[0].dimensions = vec![1; 9]).contains("9 dimensions"));
    assert!(words(|m| m.tensors[0].kind = 77).contains("unknown type 77"));
    assert!(words(|m| m.tensors[0].offset = Some(u64::MAX - 31)).contains("beyond all files"));
    assert!(
        words(|m| m.tensors[0].offset = Some(1 << 40)).starts_with("it is cut: its tensors end")
    );
    assert!(words(|m| m.tensors[1].offset = Some(7)).contains("whole blocks"));
    assert!(words(|m| m.tensors[0].dimensions[1] += 1000).starts_with("it is cut: its tensors"));
    assert!(words(|m| m.tensors.clear()).contains("0 tensors"));
    assert!(
        words(|m| m.whole("llama.block_count", u32::MAX)).contains("block_count is 4294967295")
    );
}

#[test]
fn what_lacks_a_language_models_keys_is_none() {
    for key in [
        "general.architecture",
        "llama.block_count",
        "llama.context_length",
        "tokenizer.ggml.tokens",
    ] {
        let words = words(|m| m.keys.retain(|(name, _)| name != key));
        assert!(
            words.starts_with("it is no language model"),
            "{key}: {words}"
        );
    }
    let zero = words(|m| m.whole("llama.attention.head_count", 0));
    assert!(zero.contains("head_count"), "{zero}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_bytes_make_the_reader_panic(changes in prop::collection::vec((0usize..6000, any::<u8>()), 1..8), cut in 0usize..70_000) {
        let mut bytes = model().bytes();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(cut.max(1));
        let _ = judged(&bytes);
    }
}
