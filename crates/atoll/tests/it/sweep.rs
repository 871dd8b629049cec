//! What nobody needs goes by itself; what somebody may still want stays.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use testkit::provider::Server;

use crate::code::{mend, project};
use crate::scene::{Ran, Scene};

/// Text that doesn't compress: 1 MiB of the hexadecimal digits of a counter's digests.
fn large() -> String {
    let block = |n: u64| atoll_domain::Hash::of(&n.to_be_bytes()).hex();
    (0..16384).map(block).collect()
}

/// What the node says of the disk after a sweep that came after `since`.
fn swept(scene: &Scene, since: u64) -> Value {
    let begun = Instant::now();
    loop {
        let disk = scene.run(&["--json", "status"]).data()["disk"].clone();
        if disk["swept"].as_u64().is_some_and(|at| at > since) {
            return disk;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "no sweep: {disk}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn copies(scene: &Scene) -> Vec<PathBuf> {
    let dir = scene.path().join("atoll/data/workspaces/copies");
    let entries = std::fs::read_dir(dir).unwrap().flatten();
    entries.map(|e| e.path()).collect()
}

#[test]
fn a_sweep_frees_the_disk_and_breaks_no_session_or_patch() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    let server = Server::start(mend());
    project(&scene, &server);
    let config = scene.path().join("atoll/config/config.toml");
    let models = std::fs::read_to_string(&config).unwrap();
    let limits = "[limits]\nsweep_s = 1\ncopy_ttl_s = 0\n";
    std::fs::write(&config, format!("{models}{limits}")).unwrap();
    let node = |words: &[&str]| {
        let mut command = scene.with_node(words);
        Ran::of(command.env("MINE_KEY", "k").output().unwrap())
    };
    // A snapshot that nobody needs once its command has ended.
    let big = scene.file("shop/big.txt", &large());
    assert_eq!(node(&["exec", "--repo", "shop", "--", "true"]).code, 0);
    std::fs::remove_file(big).unwrap();
    let code = node(&["code", "make the test pass", "--repo", "shop"]);
    assert_eq!(code.code, 0, "{}{}", code.out, code.err);
    let young = swept(&scene, 0);
    assert_eq!((&young["removed"], copies(&scene).len()), (&0.into(), 1));
    assert!(
        young["files_bytes"].as_u64().unwrap() > 500 << 10,
        "{young}"
    );
    let status = scene.run(&["status"]);
    assert!(
        status.out.contains("snapshots and copies"),
        "{}",
        status.out
    );
    // Two hours later, and after a restart: what was only remembered is forgotten.
    assert_eq!(scene.run(&["down"]).code, 0);
    let ago = SystemTime::now() - Duration::from_secs(7200);
    for copy in copies(&scene) {
        std::fs::File::open(copy)
            .unwrap()
            .set_modified(ago)
            .unwrap();
    }
    assert_eq!(node(&["session", "list"]).code, 0);
    let at = |disk: &Value| disk["swept"].as_u64().unwrap();
    let disk = swept(&scene, at(&young));
    assert!(disk["removed"].as_u64().unwrap() >= 2, "{disk}");
    assert!(disk["freed_bytes"].as_u64().unwrap() > 400 << 10, "{disk}");
    assert!(copies(&scene).is_empty());
    // The patch can be let out, and after another sweep taken back and let out again.
    let patch = |verb: &str| scene.run(&["patch", verb, "p1"]);
    let sum = || std::fs::read_to_string(scene.path().join("shop/sum.txt")).unwrap();
    let mut last = at(&disk);
    for (verb, text) in [
        ("accept", "total=3\n"),
        ("undo", "total=2\n"),
        ("accept", "total=3\n"),
    ] {
        last = at(&swept(&scene, last));
        let ran = patch(verb);
        assert_eq!((ran.code, sum().as_str()), (0, text), "{verb}: {}", ran.err);
    }
    // The session can go back: its copy is made again.
    let undone = scene.run(&["session", "undo", "s2"]);
    assert_eq!(undone.code, 0, "{}", undone.err);
    assert_eq!(copies(&scene).len(), 1);
    assert_eq!(scene.run(&["log", "verify"]).code, 0);
    assert_eq!(scene.run(&["log", "replay", "s2"]).code, 0);
}
