//! Many turns on one node, as one line of JSON:
//! `cargo run --release -p atoll --example turns -- ATOLL TURNS AT_ONCE REPLY [unwatched]`.
//!
//! ATOLL is the binary. `unwatched`: nobody streams the session while it works, and its events are read afterwards. A scripted provider answers a prompt with sixteen calls of the tool that REPLY names (`read`
//! or `run`), and their results with a text; each turn is a session of its own.
//!
//! - `early_mb`, `late_mb`: the node's resident memory, the median over the second tenth of the turns and over the last.
//! - `most_mb`: the most that was seen.
//! - `call_us`: a tool call from its event to the event of its result, the mean of a turn's sixteen (events carry
//!   milliseconds), and of those the median.
// A measurement that can't go on may panic.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a measurement"
)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atoll_api::{Caller, CodeRequest, Commands as _, OnAsk, Progress, Started, Tail};
use atoll_client::Client;
use atoll_domain::Ms;
use futures::StreamExt as _;
use serde_json::{Value, json};
use testkit::provider::{Reply, Script, Server};

const CALLS: usize = 16;

struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

struct Tally {
    pid: u32,
    turns: usize,
    unwatched: bool,
    done: AtomicUsize,
    /// Memory in MB, after each turn.
    memory: Mutex<Vec<f64>>,
    /// Microseconds of a call, mean of each turn.
    calls: Mutex<Vec<f64>>,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [atoll, turns, at_once, tool, rest @ ..] = args.as_slice() else {
        panic!("turns ATOLL TURNS AT_ONCE read|run [unwatched]");
    };
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(script(tool));
    let node = start(Path::new(atoll), home.path(), &server.base_url());
    let tally = Arc::new(Tally {
        pid: node.0.id(),
        turns: turns.parse().unwrap(),
        unwatched: rest.iter().any(|word| word == "unwatched"),
        done: AtomicUsize::new(0),
        memory: Mutex::default(),
        calls: Mutex::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(all(home.path(), &tally, at_once.parse().unwrap()));
    drop(node);
    println!("{}", figures(&tally));
}

/// Sixteen calls for a prompt, a text for their results.
fn script(tool: &str) -> Script {
    let call = match tool {
        "read" => |n: usize| {
            let path = format!("file{n}.txt"); // the same file again would count as a loop
            ("read_file".to_owned(), json!({ "path": path }))
        },
        "run" => |n: usize| ("run".to_owned(), json!({ "command": format!("true {n}") })),
        _ => panic!("{tool}: read or run"),
    };
    Script::by_function(move |request| {
        let said = request["messages"].as_array();
        let called = said.is_some_and(|m| m.iter().any(|m| m["role"] == "tool"));
        if !called {
            Reply::calls((0..CALLS).map(call))
        } else {
            Reply::text("Nothing needs to change.")
        }
    })
}

fn start(atoll: &Path, home: &Path, url: &str) -> Node {
    let repo = home.join("repo");
    std::fs::create_dir_all(&repo).unwrap();
    for n in 0..CALLS {
        std::fs::write(repo.join(format!("file{n}.txt")), "a line\n".repeat(40)).unwrap();
    }
    std::fs::create_dir_all(home.join("config")).unwrap();
    let config = format!(
        "[model]\ndefault = \"mine/scripted\"\n[providers.mine]\nbase_url = \"{url}\"\nmodels = [{{ name = \"scripted\" }}]\n"
    );
    std::fs::write(home.join("config/config.toml"), config).unwrap();
    let child = Command::new(atoll)
        .args(["up", "--foreground"])
        .env("ATOLL_HOME", home)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Node(child)
}

async fn all(home: &Path, tally: &Arc<Tally>, at_once: usize) {
    let socket = home.join("run").join(atoll_http::SOCKET);
    let client = Client::new(socket);
    while client.health().await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let work = (0..tally.turns).map(|_| turn(client.clone(), home.join("repo"), tally.clone()));
    futures::stream::iter(work)
        .buffer_unordered(at_once)
        .collect::<Vec<()>>()
        .await;
}

async fn turn(client: Client, repo: PathBuf, tally: Arc<Tally>) {
    let caller = Caller::owner(rustix::process::getuid().as_raw(), "bench");
    let request: CodeRequest = serde_json::from_value(json!({
        "root": repo,
        "prompt": "what is this?",
        "on_ask": OnAsk::Deny,
        "home": "/nonexistent",
        "path": "/usr/bin:/bin",
    }))
    .unwrap();
    let key = Client::fresh_key().unwrap();
    let started = client.code(&caller, key, request).await.unwrap();
    let (first, last) = match tally.unwatched {
        true => read_afterwards(&client, &caller, &started).await,
        false => watched(&client, &caller, &started).await,
    };
    let call_us = last.since(first) as f64 * 1000.0 / CALLS as f64;
    tally.calls.lock().unwrap().push(call_us);
    tally.memory.lock().unwrap().push(resident_mb(tally.pid));
    let done = tally.done.fetch_add(1, Ordering::Relaxed) + 1;
    if done.is_multiple_of(1000) {
        eprintln!("{done} turns, {:.1} MB", resident_mb(tally.pid));
    }
}

/// When the first call was logged, and the last one's result.
async fn watched(client: &Client, caller: &Caller, started: &Started) -> (Ms, Ms) {
    let session = started.ordinal.clone();
    let opened = client.watch(caller, session, started.cursor).await;
    let mut updates = opened.unwrap();
    let (mut first, mut last, mut calls) = (None, None, 0);
    while let Some(update) = updates.next().await {
        match update.progress {
            Progress::Tool { .. } => first = first.or(Some(update.ts)),
            Progress::ToolDone { ok, line, .. } => {
                assert!(ok, "a call failed: {line}");
                calls += 1;
                if calls == CALLS as u64 {
                    last = Some(update.ts);
                }
            }
            Progress::Ended { words, .. } => {
                assert!(last.is_some(), "{calls} calls: {words}");
            }
            _ => {}
        }
    }
    (first.unwrap(), last.unwrap())
}

async fn read_afterwards(client: &Client, caller: &Caller, started: &Started) -> (Ms, Ms) {
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let session = client.session(caller, started.ordinal.clone()).await;
        if session.unwrap().view.end.is_some() {
            break;
        }
    }
    let tail = Tail {
        session: Some(started.ordinal.clone()),
        ..Tail::default()
    };
    let events = client.events(caller, tail).await.unwrap();
    let of = |kind: &str| {
        let events = events.iter().map(|view| &view.event);
        let of_kind: Vec<Ms> = events.filter(|e| e.kind == kind).map(|e| e.ts).collect();
        of_kind
    };
    let (calls, results) = (of("ToolCall"), of("ToolResult"));
    assert!(calls.len() >= CALLS && calls.len() == results.len());
    // What came before the model's calls is the survey of the workspace.
    (calls[calls.len() - CALLS], results[results.len() - 1])
}

fn resident_mb(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    let kb: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kb / 1024.0
}

fn median(of: &[f64]) -> f64 {
    let mut of = of.to_vec();
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn figures(tally: &Tally) -> Value {
    let memory = tally.memory.lock().unwrap();
    let tenth = memory.len().div_ceil(10);
    json!({
        "early_mb": median(&memory[tenth.min(memory.len() - 1)..(2 * tenth).min(memory.len())]),
        "late_mb": median(&memory[memory.len() - tenth..]),
        "most_mb": memory.iter().copied().fold(0.0, f64::max),
        "call_us": median(&tally.calls.lock().unwrap()),
    })
}
