//! Tokens: what holds, what is refused.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test, which changes the key's file"
)]

mod hostile;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use atoll_domain::{Budget, Entropy as _, Kind, Ms, Role, Terms, Wider};
use atoll_grant::{Keyring, attenuate, looks_like_token, peek};
use atoll_ports::Grants as _;
use atoll_ports::grants::Error;
use testkit::permits::Counting;

pub const NOW: Ms = Ms(1_763_600_000_000);

pub fn terms() -> Terms {
    Terms {
        role: Role::Operator,
        expires: NOW.plus_s(3600),
        kinds: None,
        workspaces: None,
        hosts: None,
        budget: Budget {
            micros_max: Some(2_000_000),
            ..Budget::default()
        },
        requests_per_min: 600,
        body_limit_bytes: 1 << 20,
    }
}

pub fn keyring(dir: &Path) -> Keyring {
    std::fs::create_dir_all(dir.join("keys")).unwrap();
    Keyring::new(dir, Arc::new(Counting::default()))
}

#[test]
fn a_token_says_what_it_was_minted_with() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keyring(dir.path());
    let all = Terms {
        kinds: Some([Kind::Read, Kind::Run].into()),
        workspaces: Some(["/home/u/a \"b\"); role(\"owner".to_owned(), "/srv".into()].into()),
        hosts: Some(["packages.example:443".to_owned()].into()),
        budget: Budget {
            micros_max: Some(1),
            tokens_max: Some(2),
            ms_max: Some(3),
            runs_max: Some(4),
        },
        ..terms()
    };
    for terms in [terms(), all] {
        let (id, token) = keys.mint(&terms, "ci-1").unwrap();
        assert!(looks_like_token(&token));
        let blocks = keys.read(&token, NOW).unwrap();
        assert_eq!(blocks.len(), 1);
        assert_eq!((blocks[0].id, blocks[0].name.as_str()), (id, "ci-1"));
        assert_eq!(blocks[0].terms, terms);
        assert_eq!(peek(&token).unwrap(), blocks);
    }
    let (one, two) = (
        keys.mint(&terms(), "a").unwrap(),
        keys.mint(&terms(), "a").unwrap(),
    );
    assert_ne!(one.0, two.0, "two grants are never the same one");
}

#[test]
fn it_is_narrowed_without_the_node_and_never_widened() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keyring(dir.path());
    let (root, token) = keys.mint(&terms(), "root").unwrap();
    let narrow = Terms {
        role: Role::Viewer,
        expires: NOW.plus_s(60),
        ..terms()
    };
    let (id, child) = attenuate(&token, &narrow, "child").unwrap();
    let blocks = keys.read(&child, NOW).unwrap();
    let ids: Vec<_> = blocks.iter().map(|b| b.id).collect();
    assert_eq!(ids, [root, id]);
    assert_eq!(blocks[1].terms, narrow);
    let wide = attenuate(&child, &terms(), "wide").unwrap_err();
    assert_eq!(wide, Error::Wider(Wider::Role));
    // One after the other, to the bound.
    let mut deep = child;
    for n in 2..8 {
        deep = attenuate(&deep, &narrow, &format!("n{n}")).unwrap().1;
    }
    assert_eq!(keys.read(&deep, NOW).unwrap().len(), 8);
    assert!(matches!(
        attenuate(&deep, &narrow, "n"),
        Err(Error::Malformed(_))
    ));
}

#[test]
fn it_ends_with_its_time_to_the_second() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keyring(dir.path());
    let (_, token) = keys.mint(&terms(), "a").unwrap();
    let short = Terms {
        expires: NOW.plus_s(10),
        ..terms()
    };
    let (_, child) = attenuate(&token, &short, "b").unwrap();
    assert!(keys.read(&child, Ms(NOW.0 + 9_999)).is_ok());
    assert_eq!(keys.read(&child, Ms(NOW.0 + 10_000)), Err(Error::Expired));
    assert!(keys.read(&token, Ms(NOW.0 + 10_000)).is_ok());
    assert_eq!(
        keys.read(&token, Ms(NOW.0 + 3_600_000)),
        Err(Error::Expired)
    );
}

#[test]
fn the_key_is_made_once_for_its_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let keys = keyring(dir.path());
    let path = dir.path().join("keys/grant.key");
    let other = tempfile::tempdir().unwrap();
    let chance = Counting::default();
    chance.ten(); // so that the other node's key is another one
    let foreign = Keyring::new(other.path(), Arc::new(chance));
    std::fs::create_dir_all(other.path().join("keys")).unwrap();
    let (_, token) = foreign.mint(&terms(), "a").unwrap();
    assert_eq!(keys.read(&token, NOW), Err(Error::Foreign));
    assert!(!path.exists(), "reading makes no key");
    std::thread::scope(|s| {
        let made: Vec<_> = (0..8).map(|_| s.spawn(|| keys.key().unwrap())).collect();
        let made: std::collections::HashSet<_> =
            made.into_iter().map(|t| t.join().unwrap()).collect();
        assert_eq!(made.len(), 1);
    });
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        std::fs::read_dir(dir.path().join("keys")).unwrap().count(),
        1
    );
    assert_eq!(keys.read(&token, NOW), Err(Error::Foreign));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(keys.mint(&terms(), "a"), Err(Error::Key(_))));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, b"short").unwrap();
    assert!(matches!(keys.key(), Err(Error::Key(_))));
    assert!(!format!("{keys:?}").contains("short"));
}
