//! Secrets through the whole binary: put in, used by name, and found nowhere else.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::hostile::until;
use crate::keys::{Typist, seen};
use crate::kit::nothing_left;
use crate::scene::{Ran, Scene};

/// Where a value is to be found.
pub const NOWHERE: [PathBuf; 0] = [];
pub const VALUE: &str = "v4lue-Of-A-S3cret/x+9";

/// A command with something on its standard input.
pub fn fed(scene: &Scene, words: &[&str], input: &[u8]) -> Ran {
    let mut child = scene
        .with_node(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(input); // it may be refused before it is read
    Ran::of(child.wait_with_output().unwrap())
}

pub fn run(scene: &Scene, words: &[&str]) -> Ran {
    Ran::of(scene.with_node(words).output().unwrap())
}

#[track_caller]
pub fn fine(ran: Ran) -> Ran {
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    ran
}

/// A home with a vault that a key file keeps, and one secret.
pub fn filled(name: &str) -> Scene {
    let scene = Scene::new();
    let words = ["secret", "set", name, "--keep-by", "key-file"];
    fine(fed(&scene, &words, format!("{VALUE}\n").as_bytes()));
    scene
}

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        match kind.is_dir() {
            true => files(&entry.path(), all),
            false if kind.is_file() => all.push(entry.path()),
            false => {}
        }
    }
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

/// Where a value stands below a folder, in any of its common spellings.
pub fn found(folder: &Path, spellings: &[&str]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    files(folder, &mut all);
    assert!(all.len() > 8, "{all:?}");
    all.retain(|path| {
        let bytes = std::fs::read(path).unwrap_or_default();
        spellings.iter().any(|text| has(&bytes, text))
    });
    all
}

/// Processes whose arguments or environment hold the value.
fn holders() -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let holds = |dir: PathBuf| {
        let read = |file: &str| std::fs::read(dir.join(file)).unwrap_or_default();
        let (line, environment) = (read("cmdline"), read("environ"));
        assert!(!has(&line, VALUE), "{}", String::from_utf8_lossy(&line));
        has(&environment, VALUE).then(|| String::from_utf8_lossy(&read("comm")).trim().to_owned())
    };
    processes.filter_map(|p| holds(p.path())).collect()
}

fn pid(scene: &Scene) -> String {
    scene.run(&["--json", "status"]).data()["health"]["pid"].to_string()
}

/// The whole of it: a job that quotes its secret in many ways, while it runs and after it, and a node that is made to
/// dump core. The value is in the job's own environment and in the encrypted file, and nowhere else.
#[test]
fn a_value_is_in_its_job_and_nowhere_else() {
    let scene = filled("npm.token");
    if !scene.sandboxed() {
        return;
    }
    scene.file("w/a.txt", "a\n");
    let script = "echo \"is $NPM_TOKEN\"; printf %s \"$NPM_TOKEN\" | base64; printf %s \"$NPM_TOKEN\" | od -An -tx1 | tr -d ' \\n';
        echo; echo \"err $NPM_TOKEN\" >&2; echo \"$NPM_TOKEN\" > kept.txt; echo fine > fine.txt; touch /tmp/up; sleep 2.08417";
    let words = [
        "exec",
        "--repo",
        "w",
        "--secret",
        "npm.token",
        "--artifact",
        "*.txt",
        "--",
        "sh",
        "-c",
        script,
    ];
    let job = scene
        .with_node(&words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("the job runs", || crate::hostile::alive("2.08417"));
    let held = holders();
    assert!(
        held.iter().all(|comm| comm == "sh" || comm == "sleep"),
        "{held:?}"
    );
    let ran = Ran::of(job.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(
        ran.out
            .starts_with("is [secret:npm.token]\n[secret:npm.token]"),
        "{}",
        ran.out
    );
    assert!(ran.err.contains("err [secret:npm.token]"), "{}", ran.err);
    assert!(
        ran.err.contains("kept    fine.txt") && !ran.err.contains("kept    kept.txt"),
        "{}",
        ran.err
    );
    let said = run(&scene, &["log", "tail", "--json", "-n", "100"]);
    for part in [&ran.out, &ran.err, &said.out] {
        assert!(!part.contains("v4lue-Of"), "{part}");
    }
    assert!(
        said.out.contains("\"SecretUsed\"") && said.out.contains("npm.token"),
        "{}",
        said.out
    );
    let shown = fine(run(&scene, &["session", "show", "@", "--json"]));
    assert!(
        shown.out.contains("\"secret\":true") && !shown.out.contains("v4lue-Of"),
        "{}",
        shown.out
    );

    // A node that dies badly leaves no core: not in its folder, nor in that of whoever started it.
    let pid = pid(&scene);
    let killed = std::process::Command::new("kill")
        .args(["-ABRT", &pid])
        .status();
    assert!(killed.unwrap().success());
    until("the node is gone", || {
        !Path::new(&format!("/proc/{pid}")).exists()
    });
    let mut all = Vec::new();
    files(scene.path(), &mut all);
    assert!(
        !all.iter()
            .any(|p| p.file_name().unwrap().to_string_lossy().starts_with("core")),
        "{all:?}"
    );
    let spelt = [
        VALUE,
        "djRsdWUtT2YtQS1TM2NyZXQ",
        "76346c75652d4f66",
        "v4lue-Of-A-S3cret%2Fx",
    ];
    assert_eq!(found(&scene.path().join("atoll"), &spelt), NOWHERE);

    let listed = fine(run(&scene, &["secret", "list", "--json"]));
    let one = &listed.data()["secrets"][0];
    assert_eq!(
        (one["uses"].as_u64(), one["used_by"].as_str()),
        (Some(1), Some("job in s1"))
    );
    nothing_left(&scene);
}

/// The limit and the flag, as the kernel has them: a core would go through a pipe past the limit, and past the flag into
/// a file by root's settings; both together hold.
#[test]
fn the_nodes_process_cannot_be_dumped() {
    let scene = filled("a");
    let pid = pid(&scene);
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|l| l.starts_with("Max core file size"))
        .unwrap();
    let words: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{core}");
    // Files of an undumpable process belong to root: to an ordinary user that shows.
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(format!("/proc/{pid}/environ"))
        .unwrap()
        .uid();
    assert_eq!(owner, 0);
    nothing_left(&scene);
}

#[test]
fn a_value_is_no_argument_and_bad_ones_are_refused_unshown() {
    let scene = Scene::new();
    for words in [
        &["secret", "set", "npm.token", "sk-v3ry"][..],
        &["secret", "rotate", "npm.token", "sk-v3ry"],
        &["secret", "set", "npm.token=sk-v3ry"],
        &["secret", "set", "npm.token", "--", "-sk-v3ry"],
        &["secret", "set", "../sk-v3ry"],
        &["secret", "set", "sk-v3ry\u{1b}[2J"],
        &["secret", "set", "SK-v3ry"],
        &["secret", "remove", "SK-v3ry"],
    ] {
        let ran = run(&scene, words);
        assert_eq!(ran.code, 2, "{words:?}: {}{}", ran.out, ran.err);
        assert!(
            ran.err.contains("ATL-0804") && !ran.err.contains("v3ry"),
            "{}",
            ran.err
        );
    }
    let ran = run(&scene, &["secret", "set", "npm.token", "sk-v3ry"]);
    assert!(
        ran.err.contains("history") && ran.err.contains("atoll secret set npm.token\n"),
        "{}",
        ran.err
    );
    // None of it made a node, nor a vault.
    assert!(!scene.path().join("atoll/data").exists());
    let long = vec![b'x'; 1 << 20];
    let set = ["secret", "set", "a", "--keep-by", "key-file"];
    for (input, why) in [
        (&b""[..], "empty"),
        (b"\n", "empty"),
        (&long, "more than 65536 bytes"),
        (b"\xff\xfe", "UTF-8"),
        (b"a\0b", "zero byte"),
    ] {
        let ran = fed(&scene, &set, input);
        assert_eq!(ran.code, 2, "{}{}", ran.out, ran.err);
        assert!(
            ran.err.contains("ATL-0804") && ran.err.contains(why),
            "{}",
            ran.err
        );
    }
    let most = vec![b'x'; 64 << 10];
    fine(fed(&scene, &set, &most));
    let ran = fed(&scene, &["secret", "set", "a"], b"other");
    assert_eq!(ran.code, 7, "{}", ran.err);
    assert!(ran.err.contains("atoll secret rotate a"), "{}", ran.err);
    let ran = fed(&scene, &["secret", "rotate", "b"], b"other");
    assert!(
        ran.code == 2 && ran.err.contains("no secret b"),
        "{}",
        ran.err
    );
    nothing_left(&scene);
}

#[test]
fn a_passphrase_unlocks_and_a_wrong_one_does_not() {
    let scene = Scene::new();
    let ran = fed(&scene, &["secret", "set", "a"], VALUE.as_bytes());
    assert!(
        ran.code == 4 && ran.err.contains("ATL-0805") && ran.err.contains("--keep-by key-file"),
        "{}",
        ran.err
    );
    let file = |name: &str, text: &str, mode: u32| {
        let path = scene.file(name, text);
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode))
            .unwrap();
        path
    };
    let (right, wrong) = (
        file("right", "correct horse\n", 0o600),
        file("wrong", "c0rrect horse\n", 0o600),
    );
    let open = file("open", "correct horse\n", 0o644);
    let by = |path: &Path, words: &[&str]| {
        let mut command = scene.with_node(words);
        command.env("ATOLL_VAULT_PASSPHRASE_FILE", path);
        command
    };
    let value = scene.file("value", VALUE);
    let words = ["secret", "set", "a", "--from-file", value.to_str().unwrap()];
    let refused = Ran::of(by(&open, &words).output().unwrap());
    assert!(
        refused.code == 2 && refused.err.contains("chmod 600"),
        "{}",
        refused.err
    );
    let made = fine(Ran::of(by(&right, &words).output().unwrap()));
    assert!(
        made.err.contains("new vault: age, passphrase"),
        "{}",
        made.err
    );
    fine(run(&scene, &["secret", "lock"]));
    let status = run(&scene, &["status"]).out;
    assert!(
        status.contains("age, passphrase") && status.contains("locked"),
        "{status}"
    );

    let locked = run(&scene, &["secret", "list"]);
    assert!(
        locked.code == 4 && locked.err.contains("ATL-0801"),
        "{}",
        locked.err
    );
    let exec = run(&scene, &["exec", "--secret", "a", "--", "true"]);
    assert!(
        exec.code == 126 && exec.err.contains("ATL-0801"),
        "{}",
        exec.err
    );
    let no = Ran::of(by(&wrong, &["secret", "unlock"]).output().unwrap());
    assert!(no.code == 3 && no.err.contains("ATL-0802"), "{}", no.err);
    assert!(
        !no.err.contains("c0rrect") && !no.err.contains("horse"),
        "{}",
        no.err
    );
    // A command that needs it unlocks it on its way, for all that come after.
    let listed = fine(Ran::of(by(&right, &["secret", "list"]).output().unwrap()));
    assert!(listed.out.contains("never used"), "{}", listed.out);
    fine(run(&scene, &["secret", "list"]));

    // What was edited on disk is said, and stays.
    let vault = scene.path().join("atoll/data/vault/vault.age");
    let whole = std::fs::read(&vault).unwrap();
    std::fs::write(&vault, &whole[..whole.len() - 1]).unwrap();
    let cut = run(&scene, &["secret", "list"]);
    assert!(cut.code == 8 && cut.err.contains("ATL-0803"), "{}", cut.err);
    std::fs::write(&vault, &whole).unwrap();
    std::fs::set_permissions(&vault, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let open = run(&scene, &["secret", "list"]);
    assert!(
        open.code == 8 && open.err.contains("chmod 600"),
        "{}",
        open.err
    );
    assert!(
        scene
            .run(&["doctor", "--json"])
            .out
            .contains("can be read by others")
    );
    let words = ["correct horse", VALUE];
    std::fs::remove_file(right).unwrap();
    std::fs::remove_file(value).unwrap();
    assert_eq!(found(&scene.path().join("atoll"), &words), NOWHERE);
    nothing_left(&scene);
}

/// Typed at a terminal, a value is on no screen.
#[test]
fn what_is_typed_is_not_shown() {
    let scene = filled("other");
    let Some(mut typist) = Typist::at(&scene, "secret set typed.one") else {
        return;
    };
    until("it asks", || {
        seen(&scene).contains("Value of typed.one (not shown): ")
    });
    typist.types("h1dden-Xy\u{7f}\u{7f}\u{7f}-Value\r");
    until("it ends", || typist.child.try_wait().unwrap().is_some());
    assert!(
        seen(&scene).contains("is in the vault") && !seen(&scene).contains("h1dden"),
        "{}",
        seen(&scene)
    );
    // Ctrl-C ends it, and the terminal is as it was.
    let line = format!(
        "{} secret set stopped; stty -a | grep -o ' echo '",
        env!("CARGO_BIN_EXE_atoll")
    );
    let Some(mut typist) = Typist::on(&scene, "xterm", &line) else {
        return;
    };
    until("it asks", || seen(&scene).contains("Value of stopped"));
    typist.types("h1dd\u{3}");
    until("it ends", || typist.child.try_wait().unwrap().is_some());
    let seen = seen(&scene);
    assert!(
        seen.contains("ATL-0707") && seen.contains(" echo ") && !seen.contains("h1dd"),
        "{seen}"
    );
    if scene.sandboxed() {
        scene.file("w/a.txt", "a\n");
        let script = "test \"$K\" = h1dden-Value && echo same";
        let ran = run(
            &scene,
            &[
                "exec",
                "--repo",
                "w",
                "--secret",
                "typed.one=K",
                "--",
                "sh",
                "-c",
                script,
            ],
        );
        assert_eq!(ran.out, "same\n", "{}", ran.err);
    }
    nothing_left(&scene);
}
