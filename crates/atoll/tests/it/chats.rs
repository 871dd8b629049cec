//! `atoll chat` with one question: the answer alone on standard output.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;
use testkit::provider::{Reply, Script};

use crate::hostile::ready;
use crate::kit::plain;
use crate::scene::{Ran, Scene};

pub fn say(text: &str) -> Reply {
    Reply {
        content: Some(text.into()),
        ..Reply::default()
    }
}

fn chat(scene: &Scene, words: &[&str]) -> Ran {
    let all = [&["chat", "--repo", "shop"], words].concat();
    Ran::of(scene.with_node(&all).output().unwrap())
}

#[test]
fn a_question_is_answered_and_nothing_else_is_on_standard_output() {
    let answer = "It is **2**: see `sum.txt`.\n\n- one\u{1b}[2J\n- two";
    let script = Script::list([
        Reply {
            content: Some("I'll look.".into()),
            ..Reply::call("read_file", json!({ "path": "sum.txt" }))
        },
        say(answer),
        say("Again."),
        say("From a pipe."),
        say("And so."),
    ]);
    let Some((scene, server)) = ready(script) else {
        return;
    };
    let ran = chat(&scene, &["what is the sum?"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(ran.out, answer.replace('\u{1b}', "\\e") + "\n");
    assert!(ran.err.contains("read    sum.txt"), "{}", ran.err);
    assert!(
        !ran.err.contains("make test"),
        "no test is run for a question"
    );
    plain("progress", &ran.err);
    let ran = chat(&scene, &["-c", "and now?"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "Again.\n"), "{}", ran.err);
    let told = server.requests().last().unwrap().text.clone();
    assert!(
        told.contains("what is the sum?") && told.contains("It is **2**"),
        "{told}"
    );
    for words in [&["-"][..], &[]] {
        let all = [&["chat", "--repo", "shop"], words].concat();
        let mut piped = scene.with_node(&all);
        piped
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(b"what of it?\n")
            .unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        assert!(
            ["From a pipe.\n", "And so.\n"].contains(&ran.out.as_str()),
            "{}",
            ran.out
        );
    }
    let sessions = scene.run(&["--json", "session", "list"]).data();
    assert_eq!(sessions.as_array().unwrap().len(), 3);
    assert!(
        sessions
            .as_array()
            .unwrap()
            .iter()
            .all(|s| s["mode"] == "chat")
    );
    let replay = scene.run(&["log", "replay", "s1"]);
    assert!(
        replay.code == 0 && replay.out.contains("no divergence"),
        "{}",
        replay.out
    );
    // A conversation is no task to go on with.
    let code = Ran::of(
        scene
            .with_node(&["code", "-c", "x", "--repo", "shop"])
            .output()
            .unwrap(),
    );
    assert_eq!(code.code, 2, "{}{}", code.out, code.err);
}

#[test]
fn edits_become_a_patch_and_failing_tests_are_said() {
    let script = Script::list([
        Reply::call(
            "edit",
            json!({ "path": "sum.txt", "search": "total=2", "replace": "total=3" }),
        ),
        say("The sum is 3 now."),
        Reply::call("edit", json!({ "path": "sum.txt", "content": "total=4\n" })),
        say("Now 4."),
        say("You asked for 4, and the test wants 3."),
    ]);
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    let ran = chat(&scene, &["make it 3"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "The sum is 3 now.\n"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("Patch p1 ready: The sum is 3 now"),
        "{}",
        ran.err
    );
    let ran = chat(&scene, &["make it 4"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "You asked for 4, and the test wants 3.\n"),
        "{}",
        ran.err
    );
    let patch = scene.run(&["--json", "patch", "show", "p2"]).data();
    assert_eq!(patch["tests_ok"], false, "{patch}");
    assert_eq!(scene.run(&["patch", "accept", "p1"]).code, 0);
    let sum = std::fs::read_to_string(scene.path().join("shop/sum.txt")).unwrap();
    assert_eq!(sum, "total=3\n");
}

#[test]
fn a_named_file_is_read_as_the_model_would_read_it() {
    let script = Script::by_function(|_| say("Seen."));
    let Some((scene, server)) = ready(script) else {
        return;
    };
    scene.file("shop/.env", "TOKEN=hunter2-5309\n");
    scene.file("outside.txt", "not-for-you-5309\n");
    let ran = chat(
        &scene,
        &["compare @sum.txt, @.env, @../outside.txt and me@sum.txt"],
    );
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let told = server.requests().last().unwrap().text.clone();
    assert!(
        told.contains("attached sum.txt") && told.contains("total=2"),
        "{told}"
    );
    let all: String = server.requests().iter().map(|r| r.text.clone()).collect();
    assert!(!all.contains("5309"), "{all}");
    assert!(told.contains("named .env, which can't be read"), "{told}");
    assert!(
        ran.err.contains("read    sum.txt") && ran.err.contains("failed"),
        "{}",
        ran.err
    );
}

#[test]
fn a_picture_is_shown_to_a_model_that_takes_some() {
    let script = Script::by_function(|_| say("A dot."));
    let Some((scene, server)) = ready(script) else {
        return;
    };
    let png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\x00 a dot";
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(scene.path().join("shop").join(name), bytes).unwrap();
    };
    write("dot.png", png);
    write("page.png", b"<html>no picture</html>\n");
    write("large.png", &[&png[..], &vec![0; 4 << 20]].concat());
    let ran = chat(&scene, &["what is @dot.png? And @page.png, @large.png"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "A dot.\n"), "{}", ran.err);
    let sent = server.requests().last().unwrap().json();
    let base64 = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUv8AIGEgZG90";
    assert!(sent.to_string().contains(base64), "{sent}");
    assert_eq!(sent.to_string().matches("data:image").count(), 1, "{sent}");
    let told = server.requests().last().unwrap().text.clone();
    assert!(told.contains("dot.png is a picture, image/png, "), "{told}");
    // By its bytes, not by its name; and none that is too large to send.
    assert!(told.contains("<html>no picture</html>"), "{told}");
    assert!(
        told.contains("the bytes of the picture large.png"),
        "{told}"
    );
    // It is still there in the next turn, is told apart from text, and replays.
    assert_eq!(chat(&scene, &["-c", "sure?"]).code, 0);
    let sent = server.requests().last().unwrap().json();
    assert!(sent.to_string().contains(base64), "{sent}");
    let replay = scene.run(&["log", "replay", "s1"]);
    assert!(
        replay.code == 0 && replay.out.contains("no divergence"),
        "{}{}",
        replay.out,
        replay.err
    );
    // A model that takes none: said, and not sent.
    let config = scene.path().join("atoll/config/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let blind = text.replace(
        "context_tokens = 32000",
        "context_tokens = 32000, images = false",
    );
    std::fs::write(&config, blind).unwrap();
    scene.run(&["down"]);
    let ran = chat(&scene, &["what is @dot.png?"]);
    assert!(
        ran.err.contains("mine/scripted takes no pic"),
        "{}",
        ran.err
    );
    let sent = server.requests().last().unwrap().json();
    assert!(
        sent.to_string().contains("mine/scripted takes no pictures"),
        "{sent}"
    );
    assert!(!sent.to_string().contains("iVBORw0"), "{sent}");
}

#[test]
fn what_can_not_be_answered_has_its_code_and_says_nothing_as_an_answer() {
    let script = Script::list([
        Reply {
            status: Some(401),
            error: Some("no\u{1b}[2J".into()),
            ..Reply::default()
        },
        say("Fine."),
    ]);
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    let ran = chat(&scene, &["hello"]);
    assert_eq!((ran.code, ran.out.as_str()), (6, ""), "{}", ran.err);
    plain("a refusal", &ran.err);
    let ran = chat(&scene, &["--json", "hello"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let lines: Vec<serde_json::Value> = ran
        .out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines[0]["kind"], "started");
    let last = lines.last().unwrap();
    assert_eq!(last["kind"], "result");
    assert_eq!(
        (&last["data"]["end"], &last["data"]["words"]),
        (&json!("answer"), &json!("Fine."))
    );
    for words in [&[][..], &["  "], &["-"]] {
        let none = chat(&scene, words);
        assert!(
            none.code == 2 && none.err.contains("ATL-0105"),
            "{words:?} {}",
            none.err
        );
    }
    let long = "x".repeat(300 << 10);
    let mut piped = scene.with_node(&["chat", "-", "--repo", "shop"]);
    piped
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // It may stop reading before the end.
    let _ = child.stdin.take().unwrap().write_all(long.as_bytes());
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert!(
        ran.code == 2 && ran.out.is_empty(),
        "{}{}",
        ran.out,
        ran.err
    );
    let none = chat(&scene, &["-c", "x", "--repo", "/"]);
    assert_eq!(none.code, 2, "{}", none.err);
}
