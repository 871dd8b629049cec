#![allow(clippy::disallowed_methods, reason = "a test")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::*;
use crate::store::{StatCache, Store, tree};

struct Bench {
    t: tempfile::TempDir,
    store: Store,
    cache: StatCache,
}

impl Bench {
    fn new() -> Self {
        let t = tempfile::tempdir().unwrap();
        fs::create_dir(t.path().join("w")).unwrap();
        let store = Store::open(&t.path().join("r"), 1 << 20).unwrap();
        let cache = StatCache::load(&t.path().join("stat"));
        Self { t, store, cache }
    }

    fn root(&self) -> std::path::PathBuf {
        self.t.path().join("w")
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn take_with(&mut self, limits: Limits, tracked: &[&str]) -> Result<Snapshot> {
        let exclude = std::fs::read(self.root().join(".git/info/exclude")).ok();
        let tracked =
            Tracked::new(tracked.iter().map(|s| (*s).to_owned())).excluding(Excludes::of(exclude));
        let root = Dir::open(&self.root()).unwrap();
        snapshot(
            &root,
            Options {
                limits,
                ignores: true,
                tracked: &tracked,
            },
            &self.store,
            &mut self.cache,
        )
    }

    fn take(&mut self) -> Snapshot {
        self.take_with(Limits::default(), &[]).unwrap()
    }
}

fn paths(s: &Snapshot) -> Vec<&str> {
    s.flat.keys().map(RelPath::as_str).collect()
}

fn age(path: &Path) {
    let file = fs::File::open(path).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(60))
        .unwrap();
}

#[test]
fn files_modes_and_links_are_taken() {
    let mut b = Bench::new();
    b.write("a.txt", "x");
    b.write("bin/run", "#!/bin/sh");
    fs::set_permissions(b.root().join("bin/run"), fs::Permissions::from_mode(0o4777)).unwrap();
    symlink("../a.txt", b.root().join("bin/to-a")).unwrap();
    let s = b.take();
    let modes: Vec<_> = s.flat.values().map(|l| l.mode).collect();
    assert_eq!(paths(&s), ["a.txt", "bin/run", "bin/to-a"]);
    assert_eq!(
        modes,
        [
            crate::store::Mode::File,
            crate::store::Mode::Exec,
            crate::store::Mode::Link
        ]
    );
    assert_eq!(
        tree::read(b.store.odb(), s.tree, 100, &mut Vec::new()).unwrap(),
        s.flat
    );
}

#[test]
fn escapes_specials_and_git_are_left_out_and_said() {
    let mut b = Bench::new();
    b.write("ok", "x");
    b.write(".git/config", "[core]");
    b.write(".GIT/config", "x");
    b.write("git~1/config", "x");
    b.write("sub/.git/config", "x");
    b.write("sub/file", "x");
    b.write("s/.g\u{200c}it/hooks/pre-commit", "x");
    let w = b.root();
    symlink("/etc/passwd", w.join("abs")).unwrap();
    symlink("../outside", w.join("climb")).unwrap();
    symlink("sub/../../x", w.join("later")).unwrap();
    symlink(".git/config", w.join("intogit")).unwrap();
    symlink("loop", w.join("loop")).unwrap();
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        w.join("fifo"),
        rustix::fs::Mode::from_raw_mode(0o600),
    )
    .unwrap();
    let bits = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, w.join("sock"), FileType::Socket, bits, 0).unwrap();
    use std::os::unix::ffi::OsStrExt as _;
    fs::write(w.join(std::ffi::OsStr::from_bytes(b"bad\xff")), "x").unwrap();
    let s = b.take();
    // A link to itself leads nowhere, and nowhere outside.
    assert_eq!(paths(&s), ["loop", "ok", "sub/file"]);
    let why = |p: &str| {
        s.omitted
            .skipped
            .iter()
            .find(|(q, _)| q == p)
            .map(|(_, w)| w.clone())
    };
    for p in ["abs", "climb", "later", "intogit"] {
        assert_eq!(why(p), Some(Skip::LinkOutside), "{p}");
    }
    for p in [".GIT", "git~1", "sub/.git", "s/.g\u{200c}it"] {
        assert_eq!(why(p), Some(Skip::Git), "{p}");
    }
    assert_eq!(why("fifo"), Some(Skip::Special));
    assert_eq!(why("sock"), Some(Skip::Special));
    assert_eq!(why("bad\u{fffd}"), Some(Skip::Name));
}

#[test]
fn a_2_gb_sparse_file_is_named_and_never_read() {
    let mut b = Bench::new();
    b.write("small", "x");
    fs::File::create(b.root().join("huge"))
        .unwrap()
        .set_len(2 << 30)
        .unwrap();
    let s = b.take();
    assert_eq!(paths(&s), ["small"]);
    assert_eq!(
        s.omitted.skipped,
        [("huge".to_owned(), Skip::TooLarge { bytes: 2 << 30 })]
    );
    assert_eq!(s.files_read, 1);
}

#[test]
fn credential_files_are_masked() {
    let mut b = Bench::new();
    for p in [
        ".env",
        "conf/.ENV.local",
        "tls/server.key",
        "id_rsa",
        ".aws/credentials",
        ".env.example",
        "src/main.rs",
    ] {
        b.write(p, "SECRET=1");
    }
    b.write(".npmrc", "//r/:_authToken=abcdef");
    b.write("pkg/.npmrc", "save-exact=true");
    symlink("src/main.rs", b.root().join(".netrc")).unwrap();
    let s = b.take();
    assert_eq!(paths(&s), [".env.example", "pkg/.npmrc", "src/main.rs"]);
    assert_eq!(s.omitted.masked.len(), 7);
}

#[test]
fn ignored_files_are_left_out_unless_git_tracks_them() {
    let mut b = Bench::new();
    b.write(".gitignore", "target/\n*.log\n!keep.log\n/root-only\n");
    b.write(".git/info/exclude", "local.txt\n");
    for p in [
        "target/x",
        "a.log",
        "keep.log",
        "d/b.log",
        "root-only",
        "d/root-only",
        "local.txt",
        "target/in/tracked",
    ] {
        b.write(p, "x");
    }
    b.write("d/.gitignore", "!b.log\n");
    let s = b
        .take_with(Limits::default(), &["target/in/tracked", "a.log"])
        .unwrap();
    assert_eq!(
        paths(&s),
        [
            ".gitignore",
            "a.log",
            "d/.gitignore",
            "d/b.log",
            "d/root-only",
            "keep.log",
            "target/in/tracked"
        ]
    );
}

#[test]
fn bounds_hold() {
    let mut b = Bench::new();
    for n in 0..12 {
        b.write(&format!("f{n}"), "0123456789");
    }
    let few = Limits {
        entries_max: 11,
        ..Limits::default()
    };
    assert!(matches!(b.take_with(few, &[]), Err(Error::Limit { .. })));
    let light = Limits {
        total_limit_bytes: 119,
        ..Limits::default()
    };
    assert!(matches!(b.take_with(light, &[]), Err(Error::Limit { .. })));
    b.write("a/b/c/d", "x");
    let shallow = Limits {
        depth_max: 2,
        ..Limits::default()
    };
    let s = b.take_with(shallow, &[]).unwrap();
    assert!(
        s.omitted
            .skipped
            .contains(&("a/b/c".to_owned(), Skip::TooDeep))
    );
}

#[test]
fn a_second_snapshot_reads_no_unchanged_file_and_misses_no_change() {
    let mut b = Bench::new();
    for n in 0..50 {
        b.write(&format!("d{}/f{n}", n % 7), format!("{n}"));
        age(&b.root().join(format!("d{}/f{n}", n % 7)));
    }
    // Past the window in which a file time can repeat.
    std::thread::sleep(std::time::Duration::from_millis(60));
    let first = b.take();
    assert_eq!(first.files_read, 50);
    let second = b.take();
    assert_eq!((second.files_read, second.tree), (0, first.tree));
    // Same size, and the old modification time put back: the change time tells.
    let old = fs::metadata(b.root().join("d0/f0"))
        .unwrap()
        .modified()
        .unwrap();
    b.write("d0/f0", "X");
    fs::File::open(b.root().join("d0/f0"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    let third = b.take();
    assert_eq!(third.files_read, 1);
    assert_ne!(third.tree, first.tree);
}

proptest::proptest! {
    #[test]
    fn an_inside_link_never_resolves_outside(at in "[ab](/[ab]){0,3}", target in "(\\.\\./|a/|b/|\\./){0,5}[ab]?") {
        let path = RelPath::parse(&at).unwrap();
        if stays_inside(&path, target.as_bytes()) {
            let mut depth = path.components().count() as i64 - 1;
            for part in target.split('/') {
                depth += match part { "" | "." => 0, ".." => -1, _ => 1 };
                proptest::prop_assert!(depth >= 0);
            }
        }
    }
}
