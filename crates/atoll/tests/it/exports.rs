//! A session handed out as a zip: what it holds, that both verifiers agree on it, and what they refuse.

use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use testkit::provider::{Reply, Script, Server};
use zip::ZipArchive;

use crate::code::project;
use crate::hostile::until;
use crate::kit::plain;
use crate::proofs::{both, node};
use crate::scene::{Ran, Scene};

/// Looks like a key, and is none.
const SECRET: &str = "sk-proj-Zk3v9QxT7mB2nR8sW4yL6dH1cJ5fG0aPqUeXiVoKtN";

pub type Files = Vec<(String, Vec<u8>)>;

pub fn unzip(path: &Path) -> Files {
    let mut zip = ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    (0..zip.len())
        .map(|at| {
            let mut file = zip.by_index(at).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            (file.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

fn text(files: &Files, name: &str) -> String {
    let found = files.iter().find(|f| f.0 == name);
    let found = found.unwrap_or_else(|| panic!("{name} is not in it"));
    String::from_utf8(found.1.clone()).unwrap()
}

/// A session that reads a secret and a hostile text, mends the tests, and whose patch is accepted.
fn mended(scene: &Scene) -> Server {
    let replies = [
        Reply::call("read_file", json!({ "path": "notes.txt" })),
        Reply::call("read_file", json!({ "path": "sum.txt" })),
        Reply::call(
            "edit",
            json!({ "path": "sum.txt", "search": "total=2", "replace": "total=3" }),
        ),
        Reply::call("test", json!({})),
        Reply::call(
            "finish",
            json!({ "title": "Fix </pre><script>alert(1)</script>", "summary": "It was 2.\u{202e}\u{1b}[2J" }),
        ),
    ];
    let server = Server::start(Script::list(replies));
    project(scene, &server);
    let notes = format!("<img src=x onerror=alert(1)>\nOPENAI_API_KEY={SECRET}\n");
    scene.file("shop/notes.txt", &notes);
    let mut code = scene.with_node(&["code", "make the test pass", "--repo", "shop"]);
    let ran = Ran::of(code.env("MINE_KEY", "k-123").output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let ran = scene.run(&["patch", "accept", "p1"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    server
}

/// Exports to `name`; its path and what was said.
fn export(scene: &Scene, name: &str, more: &[&str]) -> (PathBuf, serde_json::Value) {
    let words = [&["--json", "session", "export", "s1", "-o", name], more].concat();
    let ran = node(scene, &words);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    (scene.path().join(name), ran.data())
}

/// Whatever lies in the scene's folder beside what was there: nothing of an export may be left.
fn left(scene: &Scene) -> Vec<String> {
    let names = std::fs::read_dir(scene.path()).unwrap().flatten();
    let mut names: Vec<String> = names
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// That none of these stands in any of the files, nor in a content of the events.
#[track_caller]
fn has_none_of(files: &Files, secrets: &[&str]) {
    for (name, bytes) in files {
        let text = String::from_utf8_lossy(bytes);
        let line = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let base64 = line["content"]["base64"].as_str().unwrap().to_owned();
            String::from_utf8_lossy(&STANDARD.decode(base64).unwrap()).into_owned()
        };
        let contents = text.lines().filter(|l| l.starts_with("{\"content\""));
        let contents: Vec<String> = contents.map(line).collect();
        for secret in secrets {
            assert!(!text.contains(secret), "{name} has {secret}");
            let held = contents.iter().find(|c| c.contains(secret));
            assert!(held.is_none(), "{name} has {secret} in {held:?}");
        }
    }
}

fn reads_well(files: &Files) {
    let page = text(files, "index.html");
    for wanted in [
        "make the test pass",
        "[redacted:",
        "-total=2</span>",
        "+total=3</span>",
        "&lt;/pre&gt;&lt;script&gt;",
        "\\u{202e}\\e[2J",
        "default-src &#39;none&#39;".replace("&#39;", "'").as_str(),
        "p1 accepted by",
        "prefers-color-scheme: dark",
        "Not everything is in this export",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    for never in [
        "<script",
        "<img",
        "http://",
        "https://",
        "javascript:",
        "onerror=\"",
    ] {
        assert!(!page.contains(never), "{never}");
    }
    plain("index.html", &page);
}

#[test]
fn a_sessions_zip_reads_well_proves_itself_and_keeps_secrets_back() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    let _server = mended(&scene);
    let (path, said) = export(&scene, "s1.zip", &[]);
    let files = unzip(&path);
    let names: Vec<&str> = files.iter().map(|f| f.0.as_str()).collect();
    assert_eq!(
        names,
        [
            "README.txt",
            "index.html",
            "verify.py",
            "checkpoint.note",
            "events.ndjson",
            "patches/p1.diff"
        ]
    );
    assert!(said["redacted"].as_u64().unwrap() > 0, "{said}");
    has_none_of(&files, &[SECRET]);
    reads_well(&files);
    let readme = text(&files, "README.txt");
    let root = said["root"].as_str().unwrap().to_owned();
    assert!(
        readme.contains(&root) && readme.contains("looked like secrets"),
        "{readme}"
    );
    plain("README.txt", &readme);

    // The same again is the same zip; a name that is taken is refused.
    let (again, _) = export(&scene, "again.zip", &[]);
    assert!(std::fs::read(&path).unwrap() == std::fs::read(&again).unwrap());
    let taken = scene.run(&["session", "export", "s1", "-o", "s1.zip"]);
    assert!(
        taken.code == 7 && taken.err.contains("ATL-0608"),
        "{}",
        taken.err
    );
    export(&scene, "s1.zip", &["--force"]);

    // Whole: everything is there.
    let (whole, told) = export(&scene, "whole.zip", &["--whole"]);
    assert_eq!(told["redacted"], 0);
    assert!(text(&unzip(&whole), "index.html").contains(SECRET));

    // Elsewhere, by both, from the zip and from the events in it.
    let other = Scene::new();
    for path in [&path, &whole] {
        let path = path.to_str().unwrap();
        both(
            &other,
            &[path, "--root", &root],
            0,
            "Intact: a part of a log",
        );
    }
    let found = other
        .run(&["--json", "log", "verify", path.to_str().unwrap()])
        .data();
    assert_eq!(
        (&found["files"], &found["unproven"]),
        (&json!(2), &json!(3)),
        "{found}"
    );
    let events = other.file("events.ndjson", &text(&files, "events.ndjson"));
    both(
        &other,
        &[events.to_str().unwrap(), "--root", &root],
        0,
        "Intact: a part of a log",
    );
    let own = other.file("verify.py", &text(&files, "verify.py"));
    let ran = std::process::Command::new("python3")
        .arg(own)
        .arg(&path)
        .output()
        .unwrap();
    assert!(ran.status.success());
    crate::zips::tampered(&other, &files);
}

#[test]
fn what_does_not_fit_is_left_out_the_largest_first_and_said() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    scene.file("w/a.txt", "a\n");
    // Bytes that don't pack: a megabyte of them, and a little file beside it.
    let make = "head -c 1000000 /dev/urandom > big.bin; echo small > ../w/con.txt; echo hello";
    let words = [
        "exec",
        "--repo",
        "w",
        "--artifact",
        "*.bin",
        "--artifact",
        "con.txt",
        "--",
        "sh",
        "-c",
        make,
    ];
    let ran = node(&scene, &words);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let (path, said) = export(&scene, "all.zip", &["--whole"]);
    assert_eq!(said["left_out"], json!([]));
    let names: Vec<String> = unzip(&path).into_iter().map(|f| f.0).collect();
    assert!(
        names.contains(&"artifacts/j1/big.bin".to_owned()),
        "{names:?}"
    );
    assert!(
        names.contains(&"artifacts/j1/_con.txt".to_owned()),
        "{names:?}"
    );

    let (small, said) = export(&scene, "small.zip", &["--whole", "--max-size", "300k"]);
    assert!(std::fs::metadata(&small).unwrap().len() <= 300 << 10);
    assert_eq!(
        said["left_out"][0]["what"], "artifacts/j1/big.bin",
        "{said}"
    );
    assert_eq!(said["left_out"][0]["bytes"], 1_000_000);
    assert_eq!(said["left_out"].as_array().unwrap().len(), 1, "{said}");
    let files = unzip(&small);
    assert!(files.iter().all(|f| f.0 != "artifacts/j1/big.bin"));
    assert!(files.iter().any(|f| f.0 == "artifacts/j1/_con.txt"));
    for paper in ["README.txt", "index.html"] {
        let text = text(&files, paper);
        assert!(text.contains("artifacts/j1/big.bin"), "{paper}: {text}");
    }
    for path in [&path, &small] {
        both(
            &scene,
            &[path.to_str().unwrap()],
            0,
            "Intact: a part of a log",
        );
    }
    let told = scene.run(&[
        "session",
        "export",
        "s1",
        "--whole",
        "--max-size",
        "300k",
        "-o",
        "told.zip",
    ]);
    assert!(told.out.contains("artifacts/j1/big.bin"), "{}", told.out);
    let tiny = scene.run(&["session", "export", "s1", "--max-size", "10"]);
    assert_eq!(tiny.code, 2, "{}", tiny.err);
}

#[test]
fn a_place_that_takes_nothing_is_left_as_it_was() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    scene.file("w/a.txt", "a\n");
    let ran = node(&scene, &["exec", "--repo", "w", "--", "echo", "one"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let before = left(&scene);
    let nowhere = scene.run(&["session", "export", "s1", "-o", "nowhere/s1.zip"]);
    assert!(
        nowhere.code == 1 && nowhere.err.contains("ATL-0506"),
        "{}",
        nowhere.err
    );
    // A folder of the file's name, and a link: neither is written over or through.
    std::fs::create_dir(scene.path().join("folder.zip")).unwrap();
    let folder = scene.run(&["session", "export", "s1", "-o", "folder.zip", "--force"]);
    assert_eq!(folder.code, 1, "{}", folder.err);
    std::fs::remove_dir(scene.path().join("folder.zip")).unwrap();
    let kept = scene.file("w/kept", "mine");
    std::os::unix::fs::symlink(&kept, scene.path().join("link.zip")).unwrap();
    assert_eq!(
        scene
            .run(&["session", "export", "s1", "-o", "link.zip"])
            .code,
        7
    );
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "mine");
    std::fs::remove_file(scene.path().join("link.zip")).unwrap();
    let none = scene.run(&["session", "export", "s9"]);
    assert!(
        none.code == 2 && none.err.contains("ATL-0102"),
        "{}",
        none.err
    );
    // A file may not grow: a full disk, as the writer sees it.
    let mut full = scene.ready(
        "sh",
        &[
            "-c",
            "ulimit -f 8; trap '' XFSZ; exec atoll session export s1 -o full.zip",
        ],
    );
    let full = Ran::of(full.output().unwrap());
    assert!(
        full.code == 1 && full.err.contains("ATL-0506"),
        "{}{}",
        full.out,
        full.err
    );
    assert_eq!(left(&scene), before);
}

#[test]
fn sessions_that_failed_were_asked_or_did_nothing_are_told_too() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    let replies = [
        Reply::call("read_file", json!({ "path": "sum.txt" })),
        Reply::call("read_file", json!({ "path": "../../etc/shadow" })),
        Reply::call("run", json!({ "command": "echo working; exit 3" })),
        Reply {
            status: Some(401),
            error: Some("no\u{1b}[2J".into()),
            ..Reply::default()
        },
    ];
    let server = Server::start(Script::list(replies));
    project(&scene, &server);
    let mut code = scene.with_node(&["code", "make the test pass", "--repo", "shop"]);
    let ran = Ran::of(code.env("MINE_KEY", "k-123").output().unwrap());
    assert_ne!(ran.code, 0, "{}{}", ran.out, ran.err);
    let (path, _) = export(&scene, "failed.zip", &[]);
    let page = text(&unzip(&path), "index.html");
    for wanted in [
        "no reply: auth",
        "provider unreachable",
        "no\\e[2J",
        "exit 3",
        "not done: ",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    both(
        &scene,
        &[path.to_str().unwrap()],
        0,
        "Intact: a part of a log",
    );

    // Refused before anything ran: next to nothing is in it.
    let words = [
        "exec",
        "--repo",
        "shop",
        "--net",
        "example.org:443",
        "--",
        "true",
    ];
    let mut refused = scene.with_node(&words);
    let ran = Ran::of(refused.env("ATOLL_ON_ASK", "deny").output().unwrap());
    assert_ne!(ran.code, 0, "{}{}", ran.out, ran.err);
    let words = ["session", "export", "@", "-o", "denied.zip"];
    let ran = node(&scene, &words);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let path = scene.path().join("denied.zip");
    let page = text(&unzip(&path), "index.html");
    assert!(
        page.contains("1 denied") || page.contains("1 asked"),
        "{page}"
    );
    both(
        &scene,
        &[path.to_str().unwrap()],
        0,
        "Intact: a part of a log",
    );
}

/// Sends a signal to a process of the scene.
fn signal(name: &str, pid: u32) {
    let mut kill = std::process::Command::new("kill");
    assert!(
        kill.args([name, &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_stopped_export_leaves_nothing_even_where_the_node_hangs() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    scene.file("w/a.txt", "a\n");
    let ran = node(&scene, &["exec", "--repo", "w", "--", "echo", "one"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let before = left(&scene);
    let status = scene.run(&["--json", "status"]).data();
    let pid = u32::try_from(status["health"]["pid"].as_u64().unwrap()).unwrap();
    signal("-STOP", pid);
    let mut export = scene.atoll(&["session", "export", "s1", "-o", "s1.zip"]);
    let export = export.stderr(std::process::Stdio::piped()).spawn().unwrap();
    until("it watches for Ctrl-C", || {
        let path = format!("/proc/{}/status", export.id());
        let status = std::fs::read_to_string(path).unwrap();
        let caught = status
            .lines()
            .find_map(|l| l.strip_prefix("SigCgt:"))
            .unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & 2 != 0
    });
    signal("-INT", export.id());
    let ended = export.wait_with_output().unwrap();
    signal("-CONT", pid);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert_eq!(left(&scene), before);
}

#[test]
fn a_secret_in_two_halves_of_an_output_and_in_a_kept_file_stays_here() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    let (one, two) = SECRET.split_at(20);
    // The halves are written far enough from each other to be two events.
    let make = format!(
        "printf 'OPENAI_API_KEY={one}'; sleep 0.7; printf '{two}\\n'; printf 'the key is {one}{two}\\n' > out.txt"
    );
    scene.file("w/make.sh", &make);
    let words = [
        "exec",
        "--repo",
        "w",
        "--artifact",
        "out.txt",
        "--",
        "sh",
        "make.sh",
    ];
    let ran = node(&scene, &words);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let (path, said) = export(&scene, "s1.zip", &[]);
    assert!(said["redacted"].as_u64().unwrap() >= 3, "{said}");
    let files = unzip(&path);
    has_none_of(&files, &[one, two]);
    let kept = text(&files, "redacted/artifacts/j1/out.txt");
    assert!(kept.contains("the key is [redacted:"), "{kept}");
    assert!(files.iter().all(|f| !f.0.starts_with("artifacts/")));
    assert!(text(&files, "index.html").contains("redacted/artifacts/j1/out.txt"));
    both(
        &scene,
        &[path.to_str().unwrap()],
        0,
        "Intact: a part of a log",
    );
}
