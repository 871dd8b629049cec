//! Tokens that were changed, crafted or stuffed: each is refused with a reason.

use atoll_domain::{Ms, Role, Terms, Wider};
use atoll_grant::{attenuate, peek};
use atoll_ports::Grants as _;
use atoll_ports::grants::Error;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use biscuit_auth::builder::BlockBuilder;
use biscuit_auth::{KeyPair, UnverifiedBiscuit};
use proptest::prelude::*;

use crate::{NOW, keyring, terms};

const PREFIX: &str = "atoll-token-";

fn raw(token: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD
        .decode(token.strip_prefix(PREFIX).unwrap())
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn crafted(token: &str, code: &str) -> String {
    let biscuit = UnverifiedBiscuit::from(raw(token)).unwrap();
    let block = BlockBuilder::new().code(code).unwrap();
    text(&biscuit.append(block).unwrap().to_vec().unwrap())
}

#[test]
fn no_changed_byte_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keyring(dir.path());
    let (_, token) = keys.mint(&terms(), "a").unwrap();
    let narrow = Terms {
        role: Role::Viewer,
        ..terms()
    };
    let (_, token) = attenuate(&token, &narrow, "b").unwrap();
    let good = keys.read(&token, NOW).unwrap();
    let bytes = raw(&token);
    for at in (0..bytes.len()).step_by(5) {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (at % 8);
        // The secret by which the next block would be signed says nothing: a token that lost it narrows no more.
        if let Ok(read) = keys.read(&text(&bad), NOW) {
            assert_eq!(read, good, "byte {at} of {}", bytes.len());
        }
        assert!(keys.read(&text(&bytes[..at]), NOW).is_err(), "cut at {at}");
    }
    for bad in [
        "",
        PREFIX,
        "atoll-token-!!",
        "bearer",
        &token[1..],
        &format!("{token}="),
    ] {
        assert!(keys.read(bad, NOW).is_err(), "{bad}");
    }
}

#[test]
fn a_block_can_not_be_taken_off_or_put_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keyring(dir.path());
    let (_, wide) = keys.mint(&terms(), "a").unwrap();
    let narrow = Terms {
        role: Role::Viewer,
        ..terms()
    };
    let (_, one) = attenuate(&wide, &narrow, "b").unwrap();
    let (_, two) = attenuate(&one, &narrow, "c").unwrap();
    // A later block's signature ends with the one before it: what is left of the token proves nothing.
    let mut cut = raw(&two);
    let tail = raw(&one).len();
    cut.truncate(tail);
    assert!(keys.read(&text(&cut), NOW).is_err());
}

#[test]
fn crafted_blocks_are_refused_whatever_they_add() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keyring(dir.path());
    let narrow = Terms {
        role: Role::Viewer,
        ..terms()
    };
    let (_, token) = keys.mint(&narrow, "a").unwrap();
    let own = UnverifiedBiscuit::from(raw(&token))
        .unwrap()
        .print_block_source(0)
        .unwrap();
    assert!(
        keys.read(&crafted(&token, &own), NOW).is_ok(),
        "the same terms again: {own}"
    );
    let wider = own.replace("role(\"viewer\")", "role(\"owner\")");
    assert_ne!(wider, own);
    assert_eq!(
        keys.read(&crafted(&token, &wider), NOW),
        Err(Error::Wider(Wider::Role))
    );
    let later = own.replace("expires(", "expires(9");
    assert!(keys.read(&crafted(&token, &later), NOW).is_err());
    let bad = [
        "role(\"owner\");".to_owned(),
        "atoll(1);".into(),
        format!("{own} role(\"owner\");"),
        format!("{own} limit(\"micros\", 1);"),
        format!("{own} every(\"hosts\");"),
        format!("{own} role($r) <- name($r);"),
        format!("{own} check if true;"),
        format!("{own} check if role(\"owner\") trusting previous;"),
        own.replace("check if time($t), $t <", "check if time($t), $t >"),
        own.replace("atoll(1)", "atoll(2)"),
        own.replace("requests(600)", "requests(-1)"),
        own.replace("requests(600)", "requests(\"many\")"),
        own.replace("name(\"a\")", "name(\"A b\")"),
    ];
    for code in bad {
        let token = crafted(&token, &code);
        let found = keys.read(&token, NOW);
        assert!(
            matches!(found, Err(Error::Malformed(_))),
            "{code}: {found:?}"
        );
        assert!(peek(&token).is_err(), "{code}");
    }
}

#[test]
fn a_block_of_somebody_elses_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keyring(dir.path());
    let (_, token) = keys.mint(&terms(), "a").unwrap();
    let biscuit = UnverifiedBiscuit::from(raw(&token)).unwrap();
    let own = biscuit.print_block_source(0).unwrap();
    let request = biscuit.third_party_request().unwrap();
    let block = BlockBuilder::new().code(own).unwrap();
    let block = request
        .create_block(&KeyPair::new().private(), block)
        .unwrap();
    let found = biscuit
        .append_third_party(&block.serialize().unwrap())
        .unwrap();
    let found = keys.read(&text(&found.to_vec().unwrap()), NOW);
    assert!(matches!(found, Err(Error::Malformed(_))), "{found:?}");
}

#[test]
fn a_token_of_a_megabyte_is_refused_before_it_is_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keyring(dir.path());
    let long = format!("{PREFIX}{}", "A".repeat(1 << 20));
    let Err(Error::Malformed(why)) = keys.read(&long, NOW) else {
        panic!("too long")
    };
    assert!(why.contains("16384"), "{why}");
    assert!(attenuate(&long, &terms(), "a").is_err());
}

#[test]
fn good_tokens_are_good_on_a_busy_machine() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keyring(dir.path());
    let many = |n: usize| (0..32).map(|i| format!("/srv/{n}/{i}")).collect();
    let big = Terms {
        workspaces: Some(many(1)),
        hosts: Some((0..32).map(|i| format!("h{i}:1")).collect()),
        ..terms()
    };
    let (_, token) = keys.mint(&big, "a").unwrap();
    let (_, token) = attenuate(&token, &big, "b").unwrap();
    std::thread::scope(|s| {
        for _ in 0..16 {
            s.spawn(|| {
                for _ in 0..4 {
                    assert_eq!(keys.read(&token, NOW).unwrap().len(), 2);
                }
            });
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(peek(&text(&bytes)).is_err());
    }

    #[test]
    fn any_change_of_a_token_is_answered(at in 0usize..600, to in any::<u8>(), now in any::<u64>()) {
        let dir = tempfile::tempdir().unwrap();
        let keys = keyring(dir.path());
        let (_, token) = keys.mint(&terms(), "a").unwrap();
        let mut bytes = raw(&token);
        let at = at % bytes.len();
        bytes[at] = to;
        let _ = peek(&text(&bytes));
        let _ = keys.read(&text(&bytes), Ms(now));
    }
}
