//! One gate before several people and places, several gates before one person, and a session that asks too often.

use std::io::{Read, Write};
use std::process::Child;

use serde_json::Value;
use testkit::provider::Script;

use crate::hostile::{ready, until};
use crate::keys::Typist;
use crate::kit::nothing_left;
use crate::moments::{ASKING, Watched, edit, finish, kill_node, listed, priced};
use crate::scene::{Ran, Scene};
use crate::talks::shown;

const EXEC: &str = "exec --repo shop --on-ask wait --net example.org:443 -- true";

fn open(scene: &Scene) -> Vec<Value> {
    let ran = scene.run(&["--json", "gate", "list"]);
    match ran.code {
        0 => ran.data().as_array().unwrap().clone(),
        _ => Vec::new(),
    }
}

/// A scene with so many commands at gates that ask the same.
fn asking(count: usize) -> Option<(Scene, Vec<Child>)> {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return None;
    }
    scene.file("shop/a.txt", "a\n");
    assert_eq!(Ran::of(scene.with_node(&["up"]).output().unwrap()).code, 0);
    let words: Vec<&str> = EXEC.split(' ').collect();
    let start = |_| scene.with_node(&words).spawn().unwrap();
    let asking = (0..count).map(start).collect();
    until("the gates are open", || open(&scene).len() == count);
    Some((scene, asking))
}

/// The answers in the log, as (gate's ordinal is not told there) their kinds.
fn answers(scene: &Scene) -> usize {
    let told = scene.run(&["--json", "log", "tail", "-n", "500"]).out;
    told.matches("\"GateAnswered\"").count()
}

#[test]
fn of_many_answers_at_once_one_counts_and_the_rest_are_told_whose() {
    let Some((scene, mut asking)) = asking(1) else {
        return;
    };
    let answer = |n: usize| {
        let word = ["once", "no"][n % 2];
        let mut command = scene.with_node(&["gate", "answer", "g1", word]);
        command.stdout(std::process::Stdio::piped());
        command.stderr(std::process::Stdio::piped());
        (word, command.spawn().unwrap())
    };
    let all: Vec<_> = (0..8).map(answer).collect();
    let ended = all.into_iter();
    let ended = ended.map(|(word, child)| (word, Ran::of(child.wait_with_output().unwrap())));
    let (first, late): (Vec<_>, Vec<_>) = ended.partition(|(_, ran)| ran.code == 0);
    assert_eq!((first.len(), late.len()), (1, 7), "{first:?} {late:?}");
    let counts = format!("g1 is answered already: {}", first[0].0);
    let me = String::from_utf8(
        std::process::Command::new("id")
            .arg("-un")
            .output()
            .unwrap()
            .stdout,
    );
    let by = format!("by {}", me.unwrap().trim());
    for (_, ran) in &late {
        let told = ran.err.contains("ATL-0303") && ran.err.contains(&counts);
        assert!(ran.code == 7 && told && ran.err.contains(&by), "{ran:?}");
    }
    assert_eq!(answers(&scene), 1, "one answer is in the log, not eight");
    let code = asking[0].wait().unwrap().code();
    assert_eq!(code == Some(126), first[0].0 == "no", "{code:?} {first:?}");
    let shown = scene.run(&["gate", "list", "--all"]).out;
    assert!(shown.contains(&format!("{}, {by}", first[0].0)), "{shown}");
}

#[test]
fn who_was_not_first_at_the_keys_is_told_whose_answer_counts() {
    let Some((scene, mut asking)) = asking(1) else {
        return;
    };
    let Some(mut typist) = Typist::at(&scene, "gate answer g1") else {
        let _ = asking[0].kill(); // the test is skipped; its node goes with the scene
        return;
    };
    let at = shown(&scene, 0, "[y] once");
    assert_eq!(
        scene
            .run(&["gate", "answer", "g1", "no", "--why", "not now"])
            .code,
        0
    );
    shown(&scene, at, "Gate g1 was answered elsewhere: no, by ");
    assert_eq!(typist.child.wait().unwrap().code(), Some(7));
    assert_eq!(asking[0].wait().unwrap().code(), Some(126));
    assert_eq!(answers(&scene), 1);
}

#[test]
fn like_gates_are_answered_together_all_or_none() {
    let Some((scene, mut asking)) = asking(4) else {
        return;
    };
    let told = scene.run(&["gate", "list"]).out;
    assert_eq!(told.matches("asks the same as").count(), 1, "{told}");
    assert!(told.contains("atoll gate answer g4 --like"), "{told}");
    // One of them is closed between the look and the answer: no other is answered either.
    let ids: Vec<String> = open(&scene)
        .iter()
        .map(|g| g["gate"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(scene.run(&["gate", "answer", "g2", "no"]).code, 0);
    let stale = post(&scene, &ids[0], &ids[1..]);
    assert!(
        stale.contains("ATL-0303") && stale.contains("g2 is answered already"),
        "{stale}"
    );
    assert_eq!((open(&scene).len(), answers(&scene)), (3, 1));
    let many: Vec<String> = vec![ids[1].clone(); 64];
    assert!(post(&scene, &ids[0], &many).contains("at most 64 gates"));
    let unknown = ids[0].replace(['0', '1', '2', '3'], "4");
    assert!(post(&scene, &ids[0], &[unknown]).contains("ATL-"));
    assert_eq!(answers(&scene), 1, "nothing was answered by any of it");
    let ran = scene.run(&["gate", "answer", "g4", "no", "--why", "not today", "--like"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.out.matches(": refused.").count(), 3, "{}", ran.out);
    assert_eq!((open(&scene).len(), answers(&scene)), (0, 4));
    for asking in &mut asking {
        assert_eq!(asking.wait().unwrap().code(), Some(126));
    }
    nothing_left(&scene);
}

/// The raw request: what a face may send, whatever the command line would.
fn post(scene: &Scene, gate: &str, also: &[String]) -> String {
    let body = serde_json::json!({ "answer": "no", "gate": gate, "also": also });
    let body = body.to_string();
    let socket = scene.path().join("atoll/run/node.sock");
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    let head = "host: node\r\nconnection: close\r\ncontent-type: application/json";
    let path = format!("POST /v1/gates/{gate}/answer HTTP/1.1");
    let length = body.len();
    write!(
        stream,
        "{path}\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    told
}

#[test]
fn a_session_that_asks_too_often_is_denied_also_after_a_restart() {
    let Some((scene, server)) = ready(Script::list([edit(), edit(), edit(), finish()])) else {
        return;
    };
    priced(&scene, &server);
    assert_eq!(
        scene
            .run(&["config", "set", "limits.gates_per_hour", "2"])
            .code,
        0
    );
    let code = Watched::start(&scene, &ASKING);
    for gate in ["g1", "g2"] {
        until("the gate is open", || open(&scene).len() == 1);
        assert_eq!(scene.run(&["gate", "answer", gate, "once"]).code, 0);
        until("it is answered", || open(&scene).is_empty());
    }
    let ended = code.end();
    let says = "asked too often within the hour";
    let told = |ran: &Ran| one_line(&ran.out).contains(says);
    assert!(ended.code == 3 && told(&ended), "{ended:?}");
    let spent = server.requests().len();
    kill_node(&scene);
    let words = ["session", "resume", "s1", "go on", "--on-ask", "wait"];
    let again = Ran::of(scene.with_node(&words).output().unwrap());
    assert!(again.code == 3 && told(&again), "{again:?}");
    assert_eq!((server.requests().len(), open(&scene).len()), (spent, 0));
    assert_eq!(listed(&scene)["end"], "denied");
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn an_answer_for_a_parked_session_says_how_it_goes_on() {
    let Some((scene, server)) = ready(Script::list([edit(), finish()])) else {
        return;
    };
    priced(&scene, &server);
    let code = Watched::start(&scene, &ASKING);
    until("the gate is open", || open(&scene).len() == 1);
    kill_node(&scene);
    code.end();
    let up = Ran::of(scene.with_node(&["up"]).output().unwrap());
    assert_eq!(up.code, 0, "{up:?}");
    // A no holds for the very same action after the restart, and isn't asked again.
    let ran = scene.run(&["gate", "answer", "g1", "no"]);
    assert!(
        ran.code == 0 && ran.out.contains("it goes on with: atoll session resume s1"),
        "{ran:?}"
    );
    let words = ["session", "resume", "s1", "--on-ask", "wait"];
    let again = Ran::of(scene.with_node(&words).output().unwrap());
    assert!(again.code == 3, "{again:?}");
    assert!(open(&scene).is_empty() && server.requests().is_empty());
}
