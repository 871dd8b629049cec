//! The example program that serves a script from a file.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn the_example_serves_a_script_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("script.json");
    std::fs::write(&file, r#"[{"content": "from a file"}]"#).unwrap();
    let Some(program) = example() else {
        eprintln!(
            "SKIPPED: the example isn't built; run `cargo test -p testkit` without a filter on targets"
        );
        return;
    };
    let mut child = Command::new(program)
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    assert!(
        url.trim().starts_with("http://127.0.0.1:") && url.trim().ends_with("/v1"),
        "{url}"
    );
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// Examples are built beside the tests: `target/debug/examples`, the test's own path being `…/deps/it-…`.
fn example() -> Option<std::path::PathBuf> {
    let this = std::env::current_exe().ok()?;
    let program = this.parent()?.parent()?.join("examples/scripted-server");
    program.exists().then_some(program)
}
