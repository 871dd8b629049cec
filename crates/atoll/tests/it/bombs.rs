//! Jobs that want too much, or won't end, through `atoll exec` and the agent's `run`: ended by a limit with a
//! typed reason, while the node and the machine stay well.

use serde_json::json;
use testkit::provider::{Reply, Script};

use crate::hostile::{alive, ready, until};
use crate::kit::nothing_left;
use crate::moments::{Watched, listed};
use crate::scene::{Ran, Scene};

/// `atoll exec` of a shell's script, with these words before it.
fn exec(scene: &Scene, words: &[&str], script: &str) -> Ran {
    let words = [&["exec", "--repo", "w"], words, &["--", "sh", "-c", script]].concat();
    Ran::of(scene.with_node(&words).output().unwrap())
}

fn scene() -> Option<Scene> {
    let scene = Scene::new();
    scene.file("w/a.txt", "a\n");
    scene.sandboxed().then_some(scene)
}

/// Whether a limit is held hard here: `doctor` says so. What is polled may be passed for a moment.
fn enforced(ran: &Ran, what: &str) -> bool {
    let last: serde_json::Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    last["data"]["outcome"]["enforced"][what] == "enforced"
}

fn outcome(ran: &Ran) -> serde_json::Value {
    let last: serde_json::Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["kind"], "result", "{}{}", ran.out, ran.err);
    last["data"]["outcome"].clone()
}

#[test]
fn bombs_end_at_their_limit_and_say_which() {
    let Some(scene) = scene() else { return };
    // Memory of every kind: the interpreter's own, a file in memory, a shared mapping.
    let hold = "python3 -c 'x = bytearray(300 << 20); print(\"held\")'";
    let shared = "head -c 300000000 /dev/zero > /dev/shm/x && echo held";
    for script in [hold, shared] {
        let ran = exec(&scene, &["--json", "--memory", "64"], script);
        let outcome = outcome(&ran);
        assert_eq!(outcome["ok"], false, "{script}: {outcome}");
        if script == hold && enforced(&ran, "memory") {
            assert_eq!(outcome["reason"], "memory", "{script}: {outcome}");
            assert_eq!(ran.code, 125);
        }
    }
    // Processes: the bomb of every beginner.
    let fork = "i=0; while [ $i -lt 2000 ]; do sleep 306.23 & i=$((i+1)); done; echo through";
    let ran = exec(&scene, &["--json", "--time", "20s"], fork);
    let ended = outcome(&ran);
    assert!(
        ended["ok"] == false && !ended["stdout"].as_str().unwrap().contains("through"),
        "{ended}"
    );
    if enforced(&ran, "pids") && ended["reason"] != "pids" {
        assert_eq!(
            ended["reason"],
            json!(null),
            "refused to the job itself: {ended}"
        );
    }
    assert!(!alive("306.23"), "a child of the bomb is left");
    // Beside it the node is well, and so is the next job.
    let fine = exec(&scene, &[], "echo fine");
    assert_eq!(
        (fine.code, fine.out.as_str()),
        (0, "fine\n"),
        "{}",
        fine.err
    );
    nothing_left(&scene);
}

#[test]
fn files_in_memory_can_not_be_made_outside_the_count() {
    let Some(scene) = scene() else { return };
    let memfd = "python3 -c '
import os
f = os.memfd_create(\"x\")
for _ in range(300): os.write(f, bytes(1 << 20))
print(\"held\")'";
    let ran = exec(&scene, &["--json", "--memory", "64"], memfd);
    let ended = outcome(&ran);
    assert!(
        ended["ok"] == false && !ended["stdout"].as_str().unwrap().contains("held"),
        "{ended}"
    );
}

#[test]
fn too_much_output_is_ended_and_what_is_kept_is_bounded() {
    let Some(scene) = scene() else { return };
    let ran = exec(&scene, &["--json", "--time", "60s"], "yes bomb");
    let ended = outcome(&ran);
    assert_eq!(
        (&ended["ok"], &ended["reason"]),
        (&json!(false), &json!("output")),
        "{ended}"
    );
    assert!(ended["stdout"].as_str().unwrap().len() < 1 << 20);
    assert_eq!(ran.code, 125);
    nothing_left(&scene);
}

#[test]
fn a_child_that_ignores_every_signal_ends_with_its_time() {
    let Some(scene) = scene() else { return };
    let deaf = "trap '' TERM INT HUP QUIT; sleep 307.29 & sleep 307.29; sleep 307.29";
    let ran = exec(&scene, &["--json", "--time", "1s"], deaf);
    let ended = outcome(&ran);
    assert_eq!(
        (&ended["ok"], &ended["reason"]),
        (&json!(false), &json!("timeout")),
        "{ended}"
    );
    assert!(!alive("307.29"));
    nothing_left(&scene);
}

#[test]
fn exec_ends_with_its_command_however_that_ends() {
    let Some(scene) = scene() else { return };
    let cases = [
        ("INT", "308.31", 130),
        ("TERM", "308.32", 130),
        ("HUP", "308.33", 130),
        ("KILL", "308.34", -1),
    ];
    for (name, seconds, code) in cases {
        let script = format!("sleep {seconds}; true");
        let words = ["exec", "--repo", "w", "--", "sh", "-c", &script];
        let exec = Watched::start(&scene, &words);
        until("it runs", || alive(seconds));
        exec.signal(name);
        let ended = exec.end();
        assert_eq!(ended.code, code, "{name}: {}{}", ended.out, ended.err);
        until("the job ends with it", || !alive(seconds));
        until("its session ends", || listed(&scene)["state"] == "closed");
        assert_eq!(listed(&scene)["end"], "cancelled", "{name}");
    }
    nothing_left(&scene);
}

#[test]
fn an_agents_bombs_end_the_same_way_and_the_agent_is_told() {
    let script = Script::list([
        Reply::call(
            "run",
            json!({ "command": "i=0; while [ $i -lt 2000 ]; do sleep 309.37 & i=$((i+1)); done; echo through" }),
        ),
        Reply::call("run", json!({ "command": "yes bomb" })),
        Reply::call(
            "run",
            json!({ "command": "trap '' TERM INT; sleep 309.41", "timeout_s": 1 }),
        ),
        Reply::call(
            "finish",
            json!({ "title": "no", "summary": "can't", "solved": false }),
        ),
    ]);
    let Some((scene, server)) = ready(script) else {
        return;
    };
    let words = [
        "code",
        "make the test pass",
        "--repo",
        "shop",
        "--on-ask",
        "deny",
    ];
    let ran = Ran::of(scene.with_node(&words).output().unwrap());
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    assert_eq!(server.requests().len(), 4, "{}", ran.err);
    let told = server.requests().pop().unwrap();
    assert!(
        told.text.len() < 1 << 20,
        "{} bytes are sent",
        told.text.len()
    );
    let tools: Vec<String> = told.json()["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|m| m["role"] == "tool")
        .map(|m| m["content"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(tools.len(), 3, "{tools:?}");
    assert!(!tools[0].contains("through"), "{}", tools[0]);
    assert!(tools[1].contains("output"), "{}", tools[1]);
    assert!(
        tools[2].contains("1 s") || tools[2].contains("time"),
        "{}",
        tools[2]
    );
    assert!(!alive("309.37") && !alive("309.41"));
    nothing_left(&scene);
}
