//! With a real node.

use std::process::Stdio;

use crate::scene::{Ran, Scene};

#[test]
fn commands_that_start_at_once_find_one_node() {
    let scene = Scene::new();
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut command = scene.with_node(&["--json", "status"]);
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let pids: Vec<String> = children
        .into_iter()
        .map(|child| {
            let ran = Ran::of(child.wait_with_output().unwrap());
            assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
            ran.data()["health"]["pid"].to_string()
        })
        .collect();
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    let second = Ran::of(scene.atoll(&["up", "--foreground"]).output().unwrap());
    assert!(
        second.code == 7 && second.err.contains("ATL-0604"),
        "two nodes on one folder: {}",
        second.err
    );
    assert_eq!(scene.run(&["down"]).out, "The node is down.\n");
    assert_eq!(scene.run(&["status"]).code, 6);
    // The log is intact and verified without a node.
    let ran = scene.run(&["log", "verify"]);
    assert!(
        ran.code == 0 && ran.out.contains("The log is intact"),
        "{}{}",
        ran.out,
        ran.err
    );
}

#[test]
fn with_ci_set_the_node_ends_with_its_command() {
    let scene = Scene::new();
    let mut command = scene.with_node(&["--json", "status"]);
    let ran = Ran::of(command.env("CI", "true").output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let pid = ran.data()["health"]["pid"].to_string();
    assert!(
        !std::path::Path::new("/proc").join(pid).exists(),
        "it lives on"
    );
    assert_eq!(scene.run(&["status"]).code, 6);
}

#[test]
fn an_export_verifies_elsewhere_and_a_changed_one_does_not() {
    let scene = Scene::new();
    assert_eq!(Ran::of(scene.with_node(&["up"]).output().unwrap()).code, 0);
    let export = scene.run(&["log", "export"]);
    assert_eq!(export.code, 0, "{}", export.err);
    let whole = scene.file("log.ndjson", &export.out);
    let ran = scene.run(&["log", "verify", whole.to_str().unwrap()]);
    assert!(
        ran.code == 0 && ran.out.contains("Intact: a whole log"),
        "{}{}",
        ran.out,
        ran.err
    );
    let last = export.out.trim_end().rfind('\n').unwrap_or(0);
    let changed = export.out.replacen("NodeUp", "NodeUq", 1);
    assert_ne!(changed, export.out);
    let bad = scene.file("bad.ndjson", &changed);
    let ran = scene.run(&["log", "verify", bad.to_str().unwrap()]);
    assert!(
        ran.code == 8 && ran.out.contains("NOT intact: first at line"),
        "{}{}",
        ran.out,
        ran.err
    );
    let without_first = scene.file(
        "cut.ndjson",
        &export.out[export.out.find('\n').unwrap() + 1..],
    );
    assert!(last > 0);
    assert_eq!(
        scene
            .run(&["log", "verify", without_first.to_str().unwrap()])
            .code,
        8
    );
}

/// `atoll exec` in the folder `w`, with this input.
fn exec(scene: &Scene, words: &[&str], input: &str) -> Ran {
    let input = scene.file("input", input);
    let mut command = scene.with_node(&["exec", "--repo", "w"]);
    command
        .args(words)
        .stdin(std::fs::File::open(input).unwrap());
    Ran::of(command.output().unwrap())
}

#[test]
fn exec_passes_codes_input_and_files_on() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    scene.file("w/a.txt", "mine\n");
    let script = "cat; cat a.txt; echo to err >&2; echo new > a.txt; exit 3";
    let ran = exec(&scene, &["--", "sh", "-c", script], "in\n");
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (3, "in\nmine\n"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("to err\n"), "{}", ran.err);
    let mine = std::fs::read_to_string(scene.path().join("w/a.txt")).unwrap();
    assert_eq!(mine, "mine\n", "a private copy");
    let script = "mkdir out; printf x > out/b";
    let keep = [
        "--artifact",
        "out/*",
        "--save",
        "kept",
        "--",
        "sh",
        "-c",
        script,
    ];
    let ran = exec(&scene, &keep, "");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let kept = std::fs::read(scene.path().join("kept/out/b")).unwrap();
    assert_eq!(kept, b"x");
    let again = exec(&scene, &keep, "");
    assert!(
        again.code == 125 && again.err.contains("ATL-0506"),
        "what is there is replaced: {}",
        again.err
    );
}

#[test]
fn execs_own_codes_lie_apart() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    scene.file("w/p.py", "import sys; print(sys.argv[1]); sys.exit(4)\n");
    let ran = exec(&scene, &["--", "no-such-command"], "");
    assert!(
        ran.code == 127 && ran.err.contains("ATL-0416"),
        "{} {}",
        ran.code,
        ran.err
    );
    assert_eq!(
        exec(&scene, &["--", "sh", "-c", "kill -9 $$"], "").code,
        137
    );
    let ran = exec(&scene, &["--net", "example.org:443", "--", "true"], "");
    assert!(
        ran.code == 126 && ran.err.contains("ATL-0301"),
        "{} {}",
        ran.code,
        ran.err
    );
    let ran = exec(&scene, &["--time", "1s", "--", "sleep", "60"], "");
    assert_eq!(ran.code, 125, "{}", ran.err);
    let ran = exec(&scene, &["--python", "w/p.py", "--", "word"], "");
    assert_eq!((ran.code, ran.out.as_str()), (4, "word\n"), "{}", ran.err);
}
