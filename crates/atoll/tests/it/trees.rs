//! Checkouts that nobody would make on purpose, through the whole way: huge and odd files, odd names, and git
//! in every state or not at all.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use testkit::provider::{Reply, Script};

use crate::code::mend;
use crate::hostile::{code, ready};
use crate::kit::{nothing_left, plain};
use crate::scene::{Ran, Scene};

const HUGE_BYTES: u64 = 2 << 30;

/// What a disk has of a folder, in bytes.
fn on_disk(folder: &Path) -> u64 {
    let ran = Command::new("du").arg("-sk").arg(folder).output().unwrap();
    let text = String::from_utf8(ran.stdout).unwrap();
    text.split_whitespace()
        .next()
        .unwrap()
        .parse::<u64>()
        .unwrap()
        << 10
}

/// Files and names as a hostile archive would bring them.
fn oddities(shop: &Path) {
    let at = |name: &[u8]| shop.join(OsStr::from_bytes(name));
    let huge = std::fs::File::create(at(b"huge.bin")).unwrap();
    huge.set_len(HUGE_BYTES).unwrap();
    std::fs::write(
        at(b"image.png"),
        [0x89, b'P', 0, 255, 0x1b, b'[', b'2', b'J'],
    )
    .unwrap();
    for name in [
        &b"new\nline.txt"[..],
        b"esc\x1b[2J\x1b]0;owned\x07.txt",
        "bidi\u{202e}txt.exe".as_bytes(),
        "csi\u{9b}31m.txt".as_bytes(),
        b"no\xfftext\xfe.txt",
        b"-rf",
        b"--upload-pack=x",
        b"$(touch canary).txt",
        b"\"quoted'.txt",
        b" ",
    ] {
        std::fs::write(at(name), "odd\n").unwrap();
    }
    std::fs::write(at(&[b'n'; 255]), "long\n").unwrap();
    let made = Command::new("mkfifo").arg(at(b"pipe")).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(at(b"sock")).unwrap();
    for (target, name) in [
        ("/etc/passwd", "out"),
        ("../../../../etc/shadow", "up"),
        ("loop", "loop"),
        ("nowhere", "dangling"),
    ] {
        std::os::unix::fs::symlink(target, at(name.as_bytes())).unwrap();
    }
}

#[test]
fn a_checkout_full_of_oddities_is_worked_on_and_said_plainly() {
    let read = |path: &str| ("read_file".to_owned(), json!({ "path": path }));
    let script = Script::list([
        Reply::calls([
            ("list_files".to_owned(), json!({ "path": "." })),
            read("huge.bin"),
            read("pipe"),
            read("sock"),
            read("out"),
            read("image.png"),
            read("esc\u{1b}[2J\u{1b}]0;owned\u{7}.txt"),
            ("search".to_owned(), json!({ "pattern": "odd" })),
            (
                "run".to_owned(),
                json!({ "command": "ls | head -50; cat pipe 2>&1 | head -1" }),
            ),
        ]),
        Reply::call(
            "edit",
            json!({ "path": "sum.txt", "search": "total=2", "replace": "total=3" }),
        ),
        Reply::call(
            "finish",
            json!({ "title": "Fix the sum", "summary": "It was 2." }),
        ),
    ]);
    let Some((scene, server)) = ready(script) else {
        return;
    };
    let shop = scene.path().join("shop");
    oddities(&shop);
    let ran = code(&scene, &[]);
    assert!(
        ran.code == 0 && ran.out.contains("Patch p1 ready"),
        "{}: {}{}",
        ran.code,
        ran.out,
        ran.err
    );
    plain("the session", &ran.out);
    plain("the session", &ran.err);
    assert!(
        ran.err.contains("huge.bin"),
        "what is left out is said: {}",
        ran.err
    );
    let sent: String = server.requests().iter().map(|r| r.text.clone()).collect();
    assert!(!sent.contains("root:x:0:0"), "a host's file was sent");
    for words in [
        &["patch", "show", "p1"][..],
        &["session", "show", "s1"],
        &["log", "tail", "-n", "200"],
    ] {
        let shown = scene.run(words);
        assert_eq!(shown.code, 0, "{words:?} {}", shown.err);
        plain(words[0], &shown.out);
    }
    assert_eq!(scene.run(&["patch", "accept", "p1"]).code, 0);
    assert_eq!(
        std::fs::read_to_string(shop.join("sum.txt")).unwrap(),
        "total=3\n"
    );
    assert_eq!(scene.run(&["patch", "undo", "p1"]).code, 0);
    // Nothing of 2 GB was read into memory or copied.
    let pid = scene.run(&["--json", "status"]).data()["health"]["pid"].to_string();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(peak_kib < 512 << 10, "{peak}");
    assert!(on_disk(&scene.path().join("atoll")) < 128 << 20);
    assert!(!shop.join("canary").exists());
    assert_eq!(scene.run(&["session", "delete", "s1"]).code, 0);
    nothing_left(&scene);
}

fn git(folder: &Path, words: &[&str]) {
    let mut command = Command::new("git");
    command
        .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
        .args(["-c", "init.defaultBranch=main"])
        .args(words)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1");
    let ran = command.output().unwrap();
    let err = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "git {words:?}: {err}");
}

/// A project whose git is brought into a state; it leads to a patch that is let out and taken back.
#[track_caller]
fn leads_to_a_patch(what: &str, state: impl Fn(&Path)) {
    let Some((scene, _server)) = ready(mend()) else {
        return;
    };
    let shop = scene.path().join("shop");
    state(&shop);
    let ran = code(&scene, &[]);
    assert!(
        ran.code == 0 && ran.out.contains("Patch p1 ready"),
        "{what} {}: {}{}",
        ran.code,
        ran.out,
        ran.err
    );
    plain(what, &ran.err);
    let sum = || std::fs::read_to_string(shop.join("sum.txt")).unwrap();
    assert_eq!(scene.run(&["patch", "accept", "p1"]).code, 0, "{what}");
    assert_eq!(sum(), "total=3\n");
    assert_eq!(scene.run(&["patch", "undo", "p1"]).code, 0, "{what}");
    assert_eq!(sum(), "total=2\n");
}

#[test]
fn git_in_any_state_and_no_git_lead_to_a_patch() {
    leads_to_a_patch("no git", |_| {});
    leads_to_a_patch("an unborn branch", |shop| git(shop, &["init", "-q"]));
    leads_to_a_patch("a detached head", |shop| {
        git(shop, &["init", "-q"]);
        git(shop, &["add", "-A"]);
        git(shop, &["commit", "-q", "-m", "one\u{1b}[2J"]);
        git(shop, &["checkout", "-q", "--detach"]);
    });
    leads_to_a_patch("in the middle of a merge", |shop| {
        git(shop, &["init", "-q"]);
        git(shop, &["add", "-A"]);
        git(shop, &["commit", "-q", "-m", "one"]);
        let head = std::fs::read(shop.join(".git/refs/heads/main")).unwrap();
        std::fs::write(shop.join(".git/MERGE_HEAD"), head).unwrap();
        std::fs::write(shop.join(".git/index.lock"), "").unwrap();
    });
    leads_to_a_patch("a .git of nonsense", |shop| {
        std::fs::create_dir(shop.join(".git")).unwrap();
        std::fs::write(shop.join(".git/HEAD"), b"ref: \x1b[2J\xff../../x\n").unwrap();
        std::fs::write(shop.join(".git/index"), b"DIRC\0\0\0\x02\xff\xff\xff\xff").unwrap();
    });
    leads_to_a_patch("a .git that is a file", |shop| {
        std::fs::write(shop.join(".git"), "gitdir: /etc\n").unwrap();
    });
}

/// `atoll code` in a folder that holds only this.
fn bare(state: impl Fn(&Path)) -> Option<(Scene, Ran)> {
    let script = Script::by_function(|_| Reply::text("There is nothing to do here."));
    let (scene, server) = ready(script)?;
    let folder = scene.path().join("bare");
    std::fs::create_dir(&folder).unwrap();
    state(&folder);
    let words = ["code", "look around", "--repo", "bare", "--on-ask", "deny"];
    let ran = Ran::of(scene.with_node(&words).output().unwrap());
    drop(server);
    Some((scene, ran))
}

#[test]
fn nothing_to_work_on_is_said() {
    // An empty folder, an empty repository, files without a test command.
    for state in [
        (|_: &Path| {}) as fn(&Path),
        |folder| git(folder, &["init", "-q"]),
        |folder| std::fs::write(folder.join("a.txt"), "a\n").unwrap(),
    ] {
        let Some((_scene, ran)) = bare(state) else {
            return;
        };
        assert!(
            ran.code == 0
                && ran.out.contains("There is nothing to do here.")
                && ran.err.contains("no test command"),
            "{}: {}{}",
            ran.code,
            ran.out,
            ran.err
        );
    }
}

#[test]
fn a_bare_repository_is_no_checkout() {
    let Some((scene, ran)) = bare(|folder| git(folder, &["init", "-q", "--bare"])) else {
        return;
    };
    assert!(
        ran.code == 2 && ran.err.contains("ATL-0501") && ran.err.contains("bare"),
        "{}: {}{}",
        ran.code,
        ran.out,
        ran.err
    );
    // Nor is what lies inside of git's own folder.
    git(&scene.path().join("shop"), &["init", "-q"]);
    for inside in ["shop/.git", "shop/.git/hooks"] {
        let words = ["code", "look around", "--repo", inside];
        let ran = Ran::of(scene.with_node(&words).output().unwrap());
        assert!(
            ran.code == 2 && ran.err.contains("ATL-0501"),
            "{inside}: {}",
            ran.err
        );
    }
    let listed = scene.run(&["--json", "session", "list"]).data();
    assert_eq!(listed, json!([]), "no session was made");
}
