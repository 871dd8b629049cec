//! The providers' own Python clients agree that these are their wires.
//!
//! They are installed once, by the machine's pip and its settings, into a folder of the build directory. Where
//! there is no pip, or it reaches no registry, the tests say so and are skipped: that is the machine's state and
//! not the code's. Where it reaches one, a client that can't be installed is a failure in continuous integration.

mod anthropic;
mod ollama;
mod openai;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

/// What is installed. The versions are fixed, so that a new one can't fail an old commit.
const CLIENTS: [&str; 3] = ["openai==3.52.0", "anthropic==2.11.0", "ollama==0.6.3"];
/// What pip says when it reached nothing, or a registry without these packages.
const UNREACHED: [&str; 8] = [
    "No matching distribution",
    "No module named pip",
    "Max retries",
    "Temporary failure",
    "Network is unreachable",
    "Connection",
    "ProxyError",
    "timed out",
];

/// Runs a program with the clients at hand; what it printed, as JSON. `None`: skipped, and it was said why.
fn run(program: &str, url: &str) -> Option<Value> {
    let mut command = python()?;
    let output = command.args(["-c", program, url]).output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// A Python that has them all: the one that is named, or the usual one with what was installed.
fn python() -> Option<Command> {
    let named = std::env::var("ATOLL_TEST_PYTHON").ok();
    let mut command = Command::new(named.as_deref().unwrap_or("python3"));
    if named.is_none() {
        static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
        command.env("PYTHONPATH", FOLDER.get_or_init(installed).as_ref()?);
    }
    // Straight to loopback, and nothing of the machine's own configuration.
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "OLLAMA_HOST",
    ] {
        command.env_remove(name);
    }
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Some(command)
}

/// The folder with the clients, installed if this is the first time.
fn installed() -> Option<PathBuf> {
    let name = format!("clients-{}", CLIENTS.join("-").replace("==", "-"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    std::fs::create_dir_all(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let fresh = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let pip = Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--no-compile",
        ])
        .args([
            "--timeout",
            "20",
            "--retries",
            "1",
            "--only-binary",
            ":all:",
        ])
        .arg("--target")
        .arg(fresh.path())
        .args(CLIENTS)
        .output();
    let why = match &pip {
        Ok(output) if output.status.success() => {
            // Renamed whole: a run that is cut off leaves no half of it. Another run may have been faster.
            if std::fs::rename(fresh.path(), &folder).is_ok() {
                let _ = fresh.keep(); // it isn't there any more
            }
            return Some(folder);
        }
        Ok(output) => words(output),
        Err(err) => format!("python3: {err}"),
    };
    let unreached = pip.is_err() || UNREACHED.iter().any(|w| why.contains(w));
    assert!(
        unreached || std::env::var_os("CI").is_none(),
        "pip can't install the official clients: {why}"
    );
    eprintln!(
        "SKIPPED: pip can't install the official clients (or point ATOLL_TEST_PYTHON at a Python that has them): {why}"
    );
    None
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
