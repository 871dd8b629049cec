//! The embedded engine beside llama.cpp's own calls, and what a node keeps of it in memory.

use super::example::{self, figure};
use super::{Bench, Context, Error, Reach, Row, built, node};
use std::path::{Path, PathBuf};
use std::process::Command;

pub const BENCH: Bench = Bench {
    name: "engine",
    about: "the embedded engine, against llama.cpp's own calls",
    slow: true,
    measure,
};

const COMMAND: &str = "./dev bench engine";
/// The smallest of the catalog.
const MODEL: &str = "smollm2-135m";
/// Names another file to measure with.
const FILE: &str = "ATOLL_BENCH_MODEL";

fn measure(context: &Context) -> Result<Vec<Row>, Error> {
    let atoll = built::release(context, &[])?.join("atoll");
    let home = std::env::temp_dir().join(format!("atoll-bench-engine-{}", std::process::id()));
    std::fs::create_dir_all(&home)?;
    let done = with_home(context, &atoll, &home);
    let _ = std::fs::remove_dir_all(&home); // a temporary folder
    done
}

fn with_home(context: &Context, atoll: &Path, home: &Path) -> Result<Vec<Row>, Error> {
    let file = model(atoll, home)?;
    let file = file.to_str().ok_or("the model's path is no text")?;
    let features = ["--features", "atoll-llama/engine"];
    let all = example::figures_with(context, "atoll-llama", &features, "speed", &[file])?;
    let get = |name: &str| figure(&all, name);
    let against = |name: &str, ours: &str, peer: &str, reach| -> Result<Row, Error> {
        let pair = (get(ours)?, get(peer)?);
        Ok(Row::against(name, pair, "tokens/CPU-s", reach, COMMAND))
    };
    let (most, any) = (Reach::AtLeast(0.95), Reach::AtLeast(0.0));
    let reading = "engine, reading 2,000 tokens; peer: llama.cpp's own calls";
    let writing = "engine, writing; peer: llama.cpp's own calls";
    let words = "engine, writing words held by a grammar; peer: without one";
    let calls = "engine, writing calls of tools held by a grammar; peer: words without one";
    let computed = (get("second_computed")?, get("second_new")?);
    let turn = "engine, a second turn on 2,000 tokens, computed; peer: what is new";
    let (before, after) = memory(atoll, home)?;
    Ok(vec![
        against(reading, "read", "own_read", most)?,
        against(writing, "write", "own_write", most)?,
        against(words, "write_in_words", "write", any)?,
        against(calls, "write_in_calls", "write", any)?,
        Row::against(turn, computed, "tokens", Reach::AtMost(1.1), COMMAND),
        Row::alone(
            "node, resident, a model on disk and none loaded",
            before,
            "MB",
            Reach::AtMost(30.0),
            COMMAND,
        ),
        Row::alone(
            "node, resident, a model unloaded after a call",
            after,
            "MB",
            Reach::AtMost(30.0),
            COMMAND,
        ),
    ])
}

fn atoll(atoll: &Path, home: &Path, words: &[&str]) -> Result<(), Error> {
    let ran = Command::new(atoll)
        .args(words)
        .env("ATOLL_HOME", home)
        .env_remove("CI")
        .output()?;
    if ran.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    Err(format!("atoll {}: {}", words.join(" "), said.trim()).into())
}

/// Puts a model on the bench's own shelf: the file that is named, or what is pulled.
fn model(exe: &Path, home: &Path) -> Result<PathBuf, Error> {
    match std::env::var(FILE) {
        Ok(file) => atoll(exe, home, &["model", "add", &file, "--name", MODEL])?,
        Err(_) => atoll(exe, home, &["model", "pull", MODEL])?,
    }
    let lies = home.join(format!("data/models/{MODEL}.gguf"));
    lies.is_file()
        .then_some(lies)
        .ok_or_else(|| "the model isn't where models lie".into())
}

/// A node's memory before its first call of a model, and after the engine is gone again.
fn memory(exe: &Path, home: &Path) -> Result<(f64, f64), Error> {
    atoll(exe, home, &["config", "set", "engine.idle_s", "1"])?;
    let name = format!("embedded/{MODEL}");
    atoll(exe, home, &["model", "use", &name])?;
    let running = node::start(exe, home)?;
    std::thread::sleep(std::time::Duration::from_secs(10));
    let before = running.rss_mb()?;
    atoll(exe, home, &["model", "test"])?;
    std::thread::sleep(std::time::Duration::from_secs(10));
    Ok((before, running.rss_mb()?))
}
