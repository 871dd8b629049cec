//! Files that were changed, opened, replaced or cut; writers that are killed and disks that are full.

use std::os::unix::fs::{PermissionsExt, symlink};

use atoll_domain::Ms;
use atoll_ports::vault::{Error, Keep, Strength, VALUE_BYTES_MAX, Vault};
use testkit::vault::{Ground, name, revealed, value};

use crate::kit::{PHRASE, Place, private};

const KEEPERS: [Strength; 4] = [
    Strength::Passphrase,
    Strength::KeyFile,
    Strength::Credentials,
    Strength::Keychain,
];

fn files(place: &Place) -> Vec<String> {
    let names = std::fs::read_dir(place.folder()).unwrap();
    let mut names: Vec<String> = names
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn files_are_private_and_hold_nothing_in_plain_text() {
    for keeps in KEEPERS {
        let place = Place::new(keeps);
        place.filled();
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&place.folder()), 0o700);
        for file in files(&place) {
            assert_eq!(mode(&place.file(&file)), 0o600, "{file}");
            let bytes = std::fs::read(place.file(&file)).unwrap();
            let has = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
            assert!(!has("v4lue") && !has(PHRASE), "{keeps:?} {file}");
        }
        let want = match keeps {
            Strength::Passphrase => vec!["key.age", "lock", "vault.age"],
            Strength::KeyFile => vec!["key.txt", "lock", "vault.age"],
            Strength::Keychain => vec!["keychain", "lock", "vault.age"],
            _ => vec!["lock", "vault.age"],
        };
        assert_eq!(files(&place), want);
        // A vault of another home has another key in the keychain.
        assert!(keeps != Strength::Keychain || place.chain.kept.lock().unwrap().len() == 1);
    }
}

#[tokio::test]
async fn a_cut_or_changed_file_gives_nothing_and_stays() {
    let place = Place::new(Strength::KeyFile);
    place.filled();
    let file = place.file("vault.age");
    let whole = std::fs::read(&file).unwrap();
    let mut bad: Vec<Vec<u8>> = (0..whole.len())
        .step_by(13)
        .map(|n| whole[..n].to_vec())
        .collect();
    bad.extend((0..whole.len()).step_by(7).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    }));
    bad.push([whole.clone(), b"x".to_vec()].concat());
    let count = bad.len();
    for bytes in bad {
        std::fs::write(&file, &bytes).unwrap();
        let vault = place.vault();
        let err = revealed(&vault, &name("a")).await.unwrap_err();
        assert!(matches!(err, Error::Bad { .. }), "{err}");
        let err = vault.set(&name("b"), value("w"), false, Ms(2)).unwrap_err();
        assert!(matches!(err, Error::Bad { .. }), "{err}");
        assert_eq!(
            std::fs::read(&file).unwrap(),
            bytes,
            "what is broken isn't written over"
        );
    }
    assert!(count > 60, "{count}");
    std::fs::write(&file, &whole).unwrap();
    assert_eq!(
        revealed(&place.vault(), &name("a")).await.as_deref(),
        Ok("v4lue")
    );
}

#[test]
fn what_others_can_read_is_refused_with_what_to_do() {
    for (keeps, file) in [
        (Strength::KeyFile, "vault.age"),
        (Strength::KeyFile, "key.txt"),
        (Strength::Passphrase, "key.age"),
    ] {
        for mode in [0o640, 0o604, 0o660, 0o602, 0o644] {
            let place = Place::new(keeps);
            place.filled();
            private(&place.file(file), mode);
            let vault = place.vault();
            assert!(
                vault
                    .state()
                    .problem
                    .unwrap()
                    .contains("can be read by others")
            );
            let err = vault.unlock(value(PHRASE)).unwrap_err();
            let Error::Bad {
                fix: Some(fix),
                path,
                ..
            } = err
            else {
                panic!("{file} {mode:o}: {err}")
            };
            assert!(
                fix.contains("chmod 600") && path == place.file(file),
                "{fix}"
            );
        }
    }
    let place = Place::new(Strength::KeyFile);
    place.filled();
    private(&place.folder(), 0o755);
    let err = place.vault().remove(&name("a")).unwrap_err();
    assert!(matches!(err, Error::Bad { fix: Some(fix), .. } if fix.contains("chmod 700")));
    let place = Place::new(Strength::Credentials);
    place.filled();
    private(&place.dir.path().join("credentials/atoll-vault"), 0o444);
    assert!(matches!(place.vault().list(), Err(Error::Bad { .. })));
}

#[test]
fn a_link_in_a_files_place_is_not_followed() {
    for file in ["vault.age", "key.txt"] {
        let place = Place::new(Strength::KeyFile);
        place.filled();
        let moved = place.dir.path().join("moved");
        std::fs::rename(place.file(file), &moved).unwrap();
        symlink(&moved, place.file(file)).unwrap();
        let err = place.vault().list().unwrap_err();
        assert!(err.to_string().contains("is a link"), "{err}");
    }
    // Nor is one in the place of what is written: it is taken away, and what it led to stays.
    let place = Place::new(Strength::KeyFile);
    let vault = place.filled();
    let other = place.dir.path().join("other");
    std::fs::write(&other, "mine").unwrap();
    symlink(&other, place.file("vault.age.part")).unwrap();
    vault.set(&name("b"), value("w"), false, Ms(2)).unwrap();
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
    symlink(&other, place.file("lock2")).unwrap();
    std::fs::remove_file(place.file("lock")).unwrap();
    std::fs::rename(place.file("lock2"), place.file("lock")).unwrap();
    assert!(vault.set(&name("c"), value("w"), false, Ms(2)).is_err());
    assert_eq!(vault.list().unwrap().len(), 2);
    // A pipe would hang a reader.
    std::fs::remove_file(place.file("key.txt")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        place.file("key.txt"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let err = place.vault().list().unwrap_err();
    assert!(err.to_string().contains("is no file"), "{err}");
}

#[tokio::test]
async fn a_key_that_is_gone_is_told_apart() {
    let place = Place::new(Strength::Keychain);
    place.filled();
    *place.chain.locked.lock().unwrap() = true;
    let err = place.vault().list().unwrap_err().to_string();
    assert!(err.contains("5 s"), "{err}");
    *place.chain.locked.lock().unwrap() = false;
    assert_eq!(
        revealed(&place.vault(), &name("a")).await.as_deref(),
        Ok("v4lue")
    );
    place.chain.kept.lock().unwrap().clear();
    let err = place.vault().list().unwrap_err().to_string();
    assert!(err.contains("no key"), "{err}");

    let place = Place::new(Strength::Credentials);
    place.filled();
    std::fs::remove_dir_all(place.dir.path().join("credentials")).unwrap();
    let err = place.vault().list().unwrap_err().to_string();
    assert!(err.contains("systemd credential"), "{err}");

    // Another vault's key opens nothing.
    let (one, other) = (Place::new(Strength::KeyFile), Place::new(Strength::KeyFile));
    one.filled();
    other.filled();
    std::fs::copy(other.file("key.txt"), one.file("key.txt")).unwrap();
    let err = one.vault().list().unwrap_err().to_string();
    assert!(err.contains("another key"), "{err}");
}

#[test]
fn a_keychain_that_refuses_leaves_no_vault() {
    let place = Place::new(Strength::Keychain);
    *place.chain.locked.lock().unwrap() = true;
    assert!(matches!(
        place.vault().make(Keep::Keychain),
        Err(Error::Keeper(_))
    ));
    assert_eq!(place.vault().state().strength, None);
    // So that a key file can be had in its stead.
    place.vault().make(Keep::KeyFile).unwrap();
    assert_eq!(place.vault().state().strength, Some(Strength::KeyFile));
}

/// What a process that was killed between any two steps leaves: a part, a key without a vault.
#[tokio::test]
async fn what_a_killed_writer_left_is_in_nobodys_way() {
    let place = Place::new(Strength::Passphrase);
    let vault = place.filled();
    std::fs::write(place.file("vault.age.part"), "half").unwrap();
    assert_eq!(
        revealed(&place_open(&place), &name("a")).await.as_deref(),
        Ok("v4lue")
    );
    vault.set(&name("b"), value("w"), false, Ms(2)).unwrap();
    assert!(!files(&place).contains(&"vault.age.part".to_owned()));

    let place = Place::new(Strength::Passphrase);
    std::fs::create_dir(place.folder()).unwrap();
    private(&place.folder(), 0o700);
    for left in ["key.txt", "keychain", "key.age", "key.age.part"] {
        std::fs::write(place.file(left), "x").unwrap();
    }
    assert_eq!(place.vault().state().strength, None);
    place.filled();
    assert_eq!(place.vault().state().strength, Some(Strength::Passphrase));
    assert_eq!(
        revealed(&place_open(&place), &name("a")).await.as_deref(),
        Ok("v4lue")
    );
}

fn place_open(place: &Place) -> atoll_vault::AgeVault {
    let vault = place.vault();
    place.unlock(&vault);
    vault
}

#[test]
fn a_file_that_asks_for_endless_work_is_refused() {
    let place = Place::new(Strength::Passphrase);
    place.filled();
    let text = std::fs::read(place.file("key.age")).unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find(|l| l.starts_with("-> scrypt")).unwrap();
    let asks = line.rsplit_once(' ').unwrap().0.to_owned() + " 30";
    std::fs::write(place.file("key.age"), text.replace(line, &asks)).unwrap();
    let err = place.vault().unlock(value(PHRASE)).unwrap_err();
    assert!(matches!(err, Error::Passphrase(_)), "{err}");
}

/// A full disk, by the limit on what a process may write to one file: the vault is as it was, and what was
/// half written is gone. In a process of its own, for the limit holds for all of it.
#[tokio::test]
async fn a_full_disk_changes_nothing() {
    const ME: &str = "ATOLL_TEST_VAULT_FULL";
    if let Some(folder) = std::env::var_os(ME) {
        let limit = rustix::process::Rlimit {
            current: Some(4096),
            maximum: Some(4096),
        };
        // SAFETY: the signal is ignored, so that the write fails instead; no handler is set.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
        rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
        let vault = atoll_vault::AgeVault::new(atoll_vault::Options::new(folder));
        let err = vault.set(
            &name("big"),
            value(&"x".repeat(VALUE_BYTES_MAX)),
            false,
            Ms(2),
        );
        assert!(matches!(err, Err(Error::Io(_))), "{err:?}");
        return;
    }
    let place = Place::new(Strength::KeyFile);
    place.filled();
    let before = std::fs::read(place.file("vault.age")).unwrap();
    let ran = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hostile::a_full_disk_changes_nothing"])
        .env(ME, place.folder())
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stdout)
    );
    assert_eq!(std::fs::read(place.file("vault.age")).unwrap(), before);
    assert_eq!(files(&place), ["key.txt", "lock", "vault.age"]);
    assert_eq!(
        revealed(&place.vault(), &name("a")).await.as_deref(),
        Ok("v4lue")
    );
}

/// A writer that is killed at any moment leaves the old file or the new one.
#[tokio::test]
async fn a_killed_writer_leaves_a_whole_vault() {
    const ME: &str = "ATOLL_TEST_VAULT_KILLED";
    if let Some(folder) = std::env::var_os(ME) {
        let vault = atoll_vault::AgeVault::new(atoll_vault::Options::new(folder));
        for at in 0.. {
            let value = value(&format!("{at}").repeat(999));
            vault.set(&name("a"), value, true, Ms(2)).unwrap();
        }
    }
    let place = Place::new(Strength::KeyFile);
    place.filled();
    for round in 0..6u64 {
        let mut writer = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "hostile::a_killed_writer_leaves_a_whole_vault"])
            .env(ME, place.folder())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Until it has written at least once, and a little more.
        let changed = || {
            std::fs::metadata(place.file("vault.age"))
                .unwrap()
                .modified()
                .unwrap()
        };
        let before = changed();
        while changed() == before {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        std::thread::sleep(std::time::Duration::from_millis(round * 3));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let got = revealed(&place.vault(), &name("a")).await.unwrap();
        let digits = got.len() / 999;
        assert_eq!(got, got[..digits].repeat(999));
    }
    place
        .vault()
        .set(&name("b"), value("w"), false, Ms(3))
        .unwrap();
    assert_eq!(files(&place), ["key.txt", "lock", "vault.age"]);
}
