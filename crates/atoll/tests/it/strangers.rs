//! Other users of the machine: at the socket, in its place, in the data directory. As root, who alone can become
//! somebody else; where the tests run as another user they say that they were left out.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use crate::hostile::until;
use crate::kit::{left, nothing_left};
use crate::scene::{Ran, Scene};

const NOBODY: u32 = 65534;

/// Whether another user can be had.
fn is_root() -> bool {
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    if !root {
        eprintln!("SKIPPED: only root can become another user; run the tests as root");
    }
    root
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// The binary as nobody, in a scene that everyone may enter. It is copied to where nobody can run it.
fn as_nobody(scene: &Scene, words: &[&str]) -> Ran {
    let bin = scene.path().join("bin-atoll");
    if !bin.exists() {
        std::fs::hard_link(env!("CARGO_BIN_EXE_atoll"), &bin)
            .or_else(|_| std::fs::copy(env!("CARGO_BIN_EXE_atoll"), &bin).map(drop))
            .unwrap();
        mode(&bin, 0o755);
    }
    let flags = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut all = flags.to_vec();
    all.push(bin.to_str().unwrap());
    all.extend(words);
    let mut command: Command = scene.ready("setpriv", &all);
    Ran::of(command.output().unwrap())
}

#[test]
fn a_stranger_reaches_nothing_even_through_open_doors() {
    if !is_root() {
        return;
    }
    let scene = Scene::new();
    assert_eq!(Ran::of(scene.with_node(&["up"]).output().unwrap()).code, 0);
    let run = scene.path().join("atoll/run");
    let socket = run.join("node.sock");
    // As the node made it: 0700, and nobody gets as far as the socket.
    mode(scene.path(), 0o755);
    mode(&scene.path().join("atoll"), 0o755);
    for words in [&["status"][..], &["down"], &["session", "list"]] {
        let ran = as_nobody(&scene, words);
        assert!(
            ran.code != 0 && !ran.err.contains("panicked"),
            "{words:?} {}: {}{}",
            ran.code,
            ran.out,
            ran.err
        );
    }
    // With all its doors opened by its owner's mistake: told apart by the kernel's word.
    mode(&run, 0o777);
    mode(&socket, 0o666);
    let ran = as_nobody(&scene, &["status"]);
    assert!(
        ran.code == 3 && ran.err.contains("ATL-0702"),
        "{}: {}{}",
        ran.code,
        ran.out,
        ran.err
    );
    let curl = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
        s.sendall(b'POST /v1/down HTTP/1.1\\r\\nhost: a\\r\\nconnection: close\\r\\ncontent-length: 0\\r\\n\\r\\n')\n\
        print(s.recv(4096).decode())";
    let socket = socket.to_str().unwrap();
    let words = [
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "/usr/bin/python3",
        "-c",
        curl,
        socket,
    ];
    if Path::new("/usr/bin/python3").exists() {
        let said = Ran::of(scene.ready("setpriv", &words).output().unwrap());
        assert!(
            said.out.starts_with("HTTP/1.1 403"),
            "{}{}",
            said.out,
            said.err
        );
    }
    assert_eq!(scene.run(&["status"]).code, 0, "the node is well");
    nothing_left(&scene);
}

#[test]
fn a_squatter_at_the_sockets_place_is_sent_nothing() {
    if !is_root() {
        return;
    }
    let scene = Scene::new();
    let run = scene.path().join("atoll/run");
    std::fs::create_dir_all(&run).unwrap();
    let socket = run.join("node.sock");
    let squatter = UnixListener::bind(&socket).unwrap();
    squatter.set_nonblocking(true).unwrap();
    // Its folder, or the socket alone, is somebody else's.
    for stolen in [&run, &socket] {
        chown(stolen, Some(NOBODY), Some(NOBODY)).unwrap();
        for words in [&["status"][..], &["code", "x", "--repo", "."], &["down"]] {
            let ran = Ran::of(scene.with_node(words).output().unwrap());
            assert!(
                ran.code == 3 && ran.err.contains("ATL-0702") && ran.err.contains("65534"),
                "{words:?} {}: {}{}",
                ran.code,
                ran.out,
                ran.err
            );
        }
        let up = Ran::of(
            scene
                .with_node(&["up", "--foreground"])
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap(),
        );
        assert!(
            up.code != 0 && !up.err.contains("panicked"),
            "{}: {}{}",
            up.code,
            up.out,
            up.err
        );
        assert!(squatter.accept().is_err(), "it was connected to");
        chown(stolen, Some(0), Some(0)).unwrap();
    }
    assert!(left(&scene).is_empty(), "{:?}", left(&scene));
    // A socket of ours that another program of ours listens on and never answers: bounded, and in words.
    mode(&run, 0o700);
    drop(squatter);
    let ran = Ran::of(scene.with_node(&["status"]).output().unwrap());
    assert_eq!(ran.code, 0, "a stale socket is taken away: {}", ran.err);
    nothing_left(&scene);
}

#[test]
fn a_socket_that_a_killed_node_left_is_taken_over() {
    let scene = Scene::new();
    assert_eq!(Ran::of(scene.with_node(&["up"]).output().unwrap()).code, 0);
    let pid = scene.run(&["--json", "status"]).data()["health"]["pid"].to_string();
    let killed = Command::new("kill").args(["-9", &pid]).status().unwrap();
    assert!(killed.success());
    until("it is gone", || left(&scene).is_empty());
    assert!(scene.path().join("atoll/run/node.sock").exists());
    let down = scene.run(&["down"]);
    assert!(!down.err.contains("panicked"), "{}", down.err);
    let ran = scene.run(&["status"]);
    assert!(
        ran.code == 6 && ran.err.contains("ATL-0701"),
        "{}: {}",
        ran.code,
        ran.err
    );
    assert_eq!(
        Ran::of(scene.with_node(&["status"]).output().unwrap()).code,
        0
    );
    nothing_left(&scene);
}

#[test]
fn a_data_directory_that_others_may_write_is_narrowed_or_refused() {
    let scene = Scene::new();
    let data = scene.path().join("atoll/data");
    std::fs::create_dir_all(&data).unwrap();
    mode(&data, 0o777);
    assert_eq!(
        Ran::of(scene.with_node(&["status"]).output().unwrap()).code,
        0
    );
    let bits = std::fs::metadata(&data).unwrap().mode() & 0o777;
    assert_eq!(bits, 0o700, "{bits:o}");
    nothing_left(&scene);
    // The folder of the socket is only told of: whoever is in it may have put things there.
    let run = scene.path().join("atoll/run");
    mode(&run, 0o777);
    let ran = Ran::of(scene.with_node(&["status"]).output().unwrap());
    assert!(
        ran.code == 3 && ran.err.contains("ATL-0702") && ran.err.contains("chmod 700"),
        "{}: {}{}",
        ran.code,
        ran.out,
        ran.err
    );
    mode(&run, 0o700);
    if !is_root() {
        return;
    }
    // Another user's data directory is nobody else's to use, root's neither.
    chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    let ran = Ran::of(scene.with_node(&["status"]).output().unwrap());
    assert!(
        ran.code == 1 && ran.err.contains("ATL-0605") && ran.err.contains("another user"),
        "{}: {}{}",
        ran.code,
        ran.out,
        ran.err
    );
    // Files that others may read are no keys.
    chown(&data, Some(0), Some(0)).unwrap();
    let keys = scene.file("atoll/config/keys.toml", "MINE_KEY = \"k\"\n");
    mode(&keys, 0o644);
    let ran = scene.run(&["config", "show"]);
    assert!(!ran.err.contains("panicked") && !ran.out.contains("\"k\""));
    assert!(left(&scene).is_empty());
}
