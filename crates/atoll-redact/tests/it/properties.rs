//! What holds for every text: it ends, in work that grows as the text does; it changes nothing twice; it keeps
//! characters whole; and what a session took out it can show again.

use atoll_redact::{Classes, Keep, KeepLimits, places, redact, redact_classes, work};
use proptest::prelude::*;

use crate::corpus::{self, KINDS, Rng, SEED};

/// Pieces that hostile texts are made of: beginnings without ends, hints without secrets, names without values.
const PIECES: [&str; 26] = [
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQE\n",
    "password=",
    "\"secret\": \"",
    "token token ",
    "authorization: bearer ",
    "eyJaaaaaaaaaaa.",
    "eyJaaaaaaaaaaa.eyJ",
    "://a:",
    "://",
    "sk-",
    "AKIA",
    "ghp_",
    "xoxb-",
    "AZDO",
    "Q~",
    "_mmk",
    ".atlasv1.",
    "key-0123456789abcdef",
    "4539 1488 0343 6467 ",
    "DE89 3704 ",
    "a@b.",
    "+49 ",
    "kind: Secret\ndata:\n  a: b\n",
    "[redacted:",
    "ops_eyJ",
];

/// Doubling a text about doubles what is done, whatever it is made of: no try is shown more than a fixed number of
/// bytes for each byte of the text.
#[test]
fn work_grows_as_the_text_does() {
    for piece in PIECES {
        let once = work(&piece.repeat(20_000 / piece.len()));
        let twice = work(&piece.repeat(40_000 / piece.len()));
        for (name, once, twice) in [
            ("hints", once.hints, twice.hints),
            ("tries", once.tries, twice.tries),
            ("bytes", once.shown_bytes, twice.shown_bytes),
        ] {
            assert!(
                twice <= once * 21 / 10 + 4096,
                "{name} of {piece:?}: {once}, then {twice}"
            );
        }
        assert!(once.tries <= 8 * 20_000, "{piece:?}: {once:?}");
        assert!(once.shown_bytes <= 600 * 20_000, "{piece:?}: {once:?}");
    }
}

/// What nobody meant as a text costs no more than one that somebody did.
#[test]
fn one_letter_a_million_times_costs_nothing() {
    for letter in ["a", "A", "0", " ", "-", ".", "=", "\"", "\\", "é", "@", "+"] {
        let done = work(&letter.repeat(1_000_000 / letter.len()));
        assert_eq!((done.tries, done.shown_bytes), (0, 0), "{letter:?}");
    }
}

#[test]
fn the_whole_corpus_is_clean_after_one_run() {
    for sample in corpus::make(SEED).iter().step_by(7) {
        let (_, once) = redact(&sample.text);
        assert_eq!(redact(&once), (0, once.clone()), "{}", sample.path);
    }
}

#[test]
fn a_session_shows_again_what_it_took_out() {
    let mut keep = Keep::new([3; 32], KeepLimits::default());
    for sample in corpus::make(SEED).iter().step_by(11) {
        let out = keep.redact(&sample.text, Classes::default());
        let shown = keep.restore(&out.text);
        assert_eq!(shown.show(), sample.text, "{}", sample.path);
        assert_eq!(
            keep.redact(&out.text, Classes::default()).count,
            0,
            "{}",
            sample.path
        );
    }
    assert!(keep.len() > 100);
}

fn secret() -> impl Strategy<Value = String> {
    (0..KINDS.len(), any::<u64>()).prop_map(|(kind, seed)| KINDS[kind].make(&mut Rng::new(seed)))
}

fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => secret(),
        3 => prop::sample::select(PIECES.to_vec()).prop_map(str::to_owned),
        1 => Just("[redacted:openai]".to_owned()),
        1 => Just("[redacted:github#abcdefgh]".to_owned()),
        2 => "[ -~\n]{0,8}",
        2 => "[a-zA-Z0-9_=.:/@+-]{0,24}",
        1 => Just("é".to_owned()),
        1 => "\\PC{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_second_run_changes_nothing(parts in prop::collection::vec(fragment(), 0..8)) {
        let once = redact_classes(&parts.concat(), Classes::ALL);
        let twice = redact_classes(&once.text, Classes::ALL);
        prop_assert_eq!(&twice.text, &once.text);
        prop_assert_eq!(twice.count, 0);
    }

    #[test]
    fn places_are_in_order_and_on_characters(text in "\\PC{0,80}", parts in prop::collection::vec(fragment(), 0..4)) {
        let text = parts.join(&text);
        let mut end = 0;
        for place in places(&text, Classes::ALL) {
            prop_assert!(place.at.start >= end && !place.at.is_empty());
            prop_assert!(text.is_char_boundary(place.at.start) && text.is_char_boundary(place.at.end));
            end = place.at.end;
        }
    }

    #[test]
    fn json_stays_json(parts in prop::collection::vec(fragment(), 1..6), cut in any::<prop::sample::Index>()) {
        // What a tool is called with is JSON, and often JSON within JSON; a provider refuses what is none.
        let text = parts.concat();
        let mut end = cut.index(text.len() + 1);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let inner = serde_json::json!({"password": text, "path": "src/a.rs", "cut": text[..end], "n": 1}).to_string();
        let outer = serde_json::json!({"arguments": inner, "name": "write_file"}).to_string();
        let out = redact_classes(&inner, Classes::ALL).text;
        prop_assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{} became {}", inner, out);
        let out = redact_classes(&outer, Classes::ALL).text;
        prop_assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{} became {}", outer, out);
    }

    #[test]
    fn restoring_gives_back_the_text(parts in prop::collection::vec(fragment(), 0..6)) {
        let text = parts.concat();
        let mut keep = Keep::new([9; 32], KeepLimits::default());
        let out = keep.redact(&text, Classes::default());
        let again = keep.redact(&out.text, Classes::default());
        prop_assert_eq!(again.count, 0, "{}", again.text);
        // A round may have taken out what held a placeholder: that alone is not put back.
        let shown = keep.restore(&out.text);
        if !text.contains("[redacted:") && shown.unknown == 0 {
            prop_assert_eq!(shown.show(), text);
        }
    }
}
