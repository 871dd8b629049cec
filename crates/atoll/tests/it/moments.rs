//! Ctrl-C, a closed terminal and kill -9 at their worst moments: nothing that was acknowledged is lost, what
//! is unknown is said, the session leads to its patch, and nothing is left over.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use testkit::provider::{Fault, Reply, Script, Server};

use crate::code::project;
use crate::hostile::{alive, ready, until};
use crate::kit::{left, nothing_left};
use crate::scene::{Ran, Scene};

/// A command under way, with what it said so far.
pub struct Watched {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Watched {
    pub fn start(scene: &Scene, words: &[&str]) -> Watched {
        let (out, err) = (scene.file("said/out", ""), scene.file("said/err", ""));
        let open = |path| std::fs::File::create(path).unwrap();
        let mut command = scene.with_node(words);
        command.stdout(open(&out)).stderr(open(&err));
        let child = command.spawn().unwrap();
        Watched { child, out, err }
    }
    pub fn err(&self) -> String {
        std::fs::read_to_string(&self.err).unwrap()
    }
    pub fn signal(&self, name: &str) {
        signal(&self.child.id().to_string(), name);
    }
    /// Its exit code and all that it said; -1: a signal ended it.
    pub fn end(mut self) -> Ran {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        let (out, err) = (std::fs::read_to_string(&self.out).unwrap(), self.err());
        Ran { code, out, err }
    }
}

fn signal(pid: &str, name: &str) {
    let sent = Command::new("kill").args(["-s", name, pid]).status();
    assert!(sent.unwrap().success(), "kill -s {name} {pid}");
}

pub fn kill_node(scene: &Scene) {
    let pid = scene.run(&["--json", "status"]).data()["health"]["pid"].to_string();
    signal(&pid, "KILL");
}

pub fn edit() -> Reply {
    Reply::call(
        "edit",
        json!({ "path": "sum.txt", "search": "total=2", "replace": "total=3" }),
    )
}

pub fn finish() -> Reply {
    Reply::call(
        "finish",
        json!({ "title": "Fix the sum", "summary": "It was 2." }),
    )
}

fn run(command: &str) -> Reply {
    Reply::call("run", json!({ "command": command }))
}

/// A reply that never ends.
fn endless() -> Reply {
    Reply::text("I will look at the shop's files, and then").with(Fault::HangAfter(2))
}

const TASK: [&str; 4] = ["code", "make the test pass", "--repo", "shop"];

pub fn listed(scene: &Scene) -> serde_json::Value {
    let ran = Ran::of(
        scene
            .with_node(&["--json", "session", "list"])
            .output()
            .unwrap(),
    );
    ran.data()[0].clone()
}

/// The session leads to its patch, the log is whole, a replay sees the same, and nothing is left.
#[track_caller]
fn leads_to_a_patch(scene: &Scene, words: &[&str]) -> Ran {
    let resumed = Ran::of(scene.with_node(words).output().unwrap());
    assert!(
        resumed.code == 0 && resumed.out.contains("Patch p1 ready: Fix the sum"),
        "{}: {}{}",
        resumed.code,
        resumed.out,
        resumed.err
    );
    whole(scene);
    resumed
}

#[track_caller]
fn whole(scene: &Scene) {
    let sum = std::fs::read_to_string(scene.path().join("shop/sum.txt")).unwrap();
    assert_eq!(sum, "total=2\n");
    let replay = scene.run(&["log", "replay", "s1"]);
    assert!(replay.out.contains("no divergence"), "{}", replay.out);
    nothing_left(scene);
    assert_eq!(scene.run(&["log", "verify"]).code, 0);
}

const RESUME: [&str; 3] = ["session", "resume", "s1"];

#[test]
fn ctrl_c_while_the_model_speaks_stops_the_turn() {
    let Some((scene, server)) = ready(Script::list([endless(), edit(), finish()])) else {
        return;
    };
    let code = Watched::start(&scene, &TASK);
    until("the model speaks", || server.requests().len() == 1);
    code.signal("INT");
    let ended = code.end();
    assert!(
        ended.code == 130 && ended.out.contains("Stopped."),
        "{}: {}{}",
        ended.code,
        ended.out,
        ended.err
    );
    until("the provider is hung up on", || server.hang_ups() == 1);
    let session = listed(&scene);
    assert_eq!(
        (&session["state"], &session["end"]),
        (&json!("idle"), &json!("cancelled"))
    );
    leads_to_a_patch(&scene, &RESUME);
}

#[test]
fn ctrl_c_is_a_result_in_json_too() {
    let Some((scene, server)) = ready(Script::list([endless(), edit(), finish()])) else {
        return;
    };
    let words = [&TASK[..], &["--json"]].concat();
    let code = Watched::start(&scene, &words);
    until("the model speaks", || server.requests().len() == 1);
    code.signal("INT");
    let ended = code.end();
    let last: serde_json::Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (
            ended.code,
            &last["kind"],
            &last["data"]["end"],
            &last["data"]["exit"]
        ),
        (130, &json!("result"), &json!("cancelled"), &json!(130)),
        "{}{}",
        ended.out,
        ended.err
    );
    nothing_left(&scene);
}

#[test]
fn with_ci_set_a_killed_command_takes_its_node_along() {
    let script = Script::list([run("sleep 1.0523"), edit(), finish()]);
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    let mut command = scene.with_node(&TASK);
    let mut code = command
        .env("CI", "1")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the job runs", || alive("1.0523"));
    signal(&code.id().to_string(), "KILL");
    assert!(code.wait().unwrap().code().is_none());
    until("the node went with it", || left(&scene).is_empty());
    assert_eq!(listed(&scene)["state"], "parked");
    leads_to_a_patch(&scene, &RESUME);
}

#[test]
fn ctrl_c_in_a_running_test_ends_it() {
    let script = Script::list([
        edit(),
        Reply::call("test", json!({})),
        Reply::call("edit", json!({ "path": "go", "content": "go\n" })),
        Reply::call("test", json!({})),
        finish(),
    ]);
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    let rule = "test:\n\tgrep -q total=3 sum.txt\n\ttest -e go || sleep 303.71\n";
    scene.file("shop/Makefile", rule);
    let code = Watched::start(&scene, &TASK);
    until("the test runs", || alive("303.71"));
    code.signal("INT");
    let ended = code.end();
    assert_eq!(ended.code, 130, "{}{}", ended.out, ended.err);
    assert!(!alive("303.71"), "the test outlived its turn");
    leads_to_a_patch(&scene, &RESUME);
}

#[test]
fn ctrl_c_twice_ends_the_command_at_once() {
    // A job that takes its time to end: the command does not.
    let stubborn = run("trap '' TERM INT HUP; echo on; sleep 304.17 & wait; sleep 304.17");
    let Some((scene, _server)) = ready(Script::list([stubborn, edit(), finish()])) else {
        return;
    };
    let code = Watched::start(&scene, &TASK);
    until("the job runs", || alive("304.17"));
    code.signal("INT");
    until("it says so", || code.err().contains("Ctrl-C again"));
    code.signal("INT");
    let ended = code.end();
    assert_eq!(ended.code, 130, "{}{}", ended.out, ended.err);
    until("the turn is over", || listed(&scene)["state"] == "idle");
    assert!(!alive("304.17"), "the job outlived its turn");
    leads_to_a_patch(&scene, &RESUME);
}

#[test]
fn a_session_goes_on_without_its_terminal_or_its_command() {
    for name in ["HUP", "KILL"] {
        let seconds = if name == "HUP" { "1.3171" } else { "1.3172" };
        let script = Script::list([run(&format!("sleep {seconds}")), edit(), finish()]);
        let Some((scene, server)) = ready(script) else {
            return;
        };
        let code = Watched::start(&scene, &TASK);
        until("the job runs", || alive(seconds));
        code.signal(name);
        let ended = code.end();
        let expected = if name == "HUP" { 0 } else { -1 };
        assert_eq!(ended.code, expected, "{name}: {}{}", ended.out, ended.err);
        until("its turn ends", || listed(&scene)["state"] == "idle");
        assert_eq!(listed(&scene)["end"], "patch", "{name}");
        assert_eq!(server.requests().len(), 3);
        whole(&scene);
    }
}

/// A model that costs: its first call asks.
pub fn priced(scene: &Scene, server: &Server) {
    project(scene, server);
    let path = scene.path().join("atoll/config/config.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let price = "context_tokens = 32000, price = { input_usd = 1.0, output_usd = 2.0 }";
    let config = config.replace("context_tokens = 32000", price);
    std::fs::write(&path, config).unwrap();
}

fn gates(scene: &Scene) -> serde_json::Value {
    let ran = Ran::of(
        scene
            .with_node(&["--json", "gate", "list"])
            .output()
            .unwrap(),
    );
    match ran.code {
        0 => ran.data(),
        _ => json!([]),
    }
}

pub const ASKING: [&str; 6] = [
    "code",
    "make the test pass",
    "--repo",
    "shop",
    "--on-ask",
    "wait",
];

/// A session at its gate, g1.
fn at_a_gate() -> Option<(Scene, Server, Watched)> {
    let (scene, server) = ready(Script::list([edit(), finish()]))?;
    priced(&scene, &server);
    let code = Watched::start(&scene, &ASKING);
    until("the gate is open", || {
        gates(&scene).as_array().is_some_and(|g| g.len() == 1)
    });
    assert!(server.requests().is_empty(), "nothing is spent unasked");
    Some((scene, server, code))
}

#[test]
fn ctrl_c_at_a_gate_stops_the_turn_and_spends_nothing() {
    let Some((scene, server, code)) = at_a_gate() else {
        return;
    };
    code.signal("INT");
    let ended = code.end();
    assert_eq!(ended.code, 130, "{}{}", ended.out, ended.err);
    assert_eq!(listed(&scene)["end"], "cancelled");
    assert!(server.requests().is_empty());
    assert_eq!(gates(&scene), json!([]), "nobody waits at it any more");
    nothing_left(&scene);
}

#[test]
fn a_gate_outlives_the_command_that_waited_at_it() {
    for name in ["HUP", "KILL"] {
        let Some((scene, _server, code)) = at_a_gate() else {
            return;
        };
        code.signal(name);
        code.end();
        assert_eq!(gates(&scene).as_array().unwrap().len(), 1);
        assert_eq!(scene.run(&["gate", "answer", "g1", "session"]).code, 0);
        until("its turn ends", || listed(&scene)["state"] == "idle");
        assert_eq!(listed(&scene)["end"], "patch", "{name}");
        whole(&scene);
    }
}

#[test]
fn a_gate_outlives_the_node() {
    let Some((scene, server, code)) = at_a_gate() else {
        return;
    };
    kill_node(&scene);
    let ended = code.end();
    assert!(
        ended.code == 6
            && ended.err.contains("ATL-0701")
            && ended.err.contains("atoll session resume s1"),
        "{}: {}{}",
        ended.code,
        ended.out,
        ended.err
    );
    // The new node knows the question; its answer waits for the session.
    assert_eq!(gates(&scene).as_array().unwrap().len(), 1);
    assert_eq!(listed(&scene)["state"], "parked");
    assert_eq!(scene.run(&["gate", "answer", "g1", "session"]).code, 0);
    assert!(server.requests().is_empty());
    leads_to_a_patch(&scene, &["session", "resume", "s1", "--on-ask", "wait"]);
}

#[test]
fn a_node_killed_while_a_priced_model_speaks_says_that_it_may_have_been_paid() {
    let Some((scene, server)) = ready(Script::list([endless(), edit(), finish()])) else {
        return;
    };
    priced(&scene, &server);
    let words = [&TASK[..], &["--max-cost", "1"]].concat();
    let code = Watched::start(&scene, &words);
    until("the model speaks", || server.requests().len() == 1);
    kill_node(&scene);
    let ended = code.end();
    assert_eq!(ended.code, 6, "{}{}", ended.out, ended.err);
    let parked = listed(&scene);
    assert_eq!(parked["state"], "parked", "{parked}");
    assert!(
        parked["spent"]["micros"].as_u64().unwrap() > 0,
        "what may have been spent counts: {parked}"
    );
    let resumed = leads_to_a_patch(&scene, &RESUME);
    let said = resumed.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("may have been answered"), "{said}");
}

#[test]
fn a_node_that_is_told_to_end_parks_its_sessions_in_order() {
    let script = Script::list([run("sleep 2.0519"), edit(), finish()]);
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    let code = Watched::start(&scene, &TASK);
    until("the job runs", || alive("2.0519"));
    nothing_left_but(&scene, code);
    assert_eq!(listed(&scene)["state"], "parked");
    leads_to_a_patch(&scene, &RESUME);
}

/// `down`, with a command that watches.
#[track_caller]
fn nothing_left_but(scene: &Scene, code: Watched) {
    assert_eq!(scene.run(&["down"]).code, 0);
    let ended = code.end();
    assert!(
        ended.err.contains("atoll session resume s1") && [4, 6].contains(&ended.code),
        "{}: {}{}",
        ended.code,
        ended.out,
        ended.err
    );
    until("the job is gone", || !alive("2.0519"));
}
