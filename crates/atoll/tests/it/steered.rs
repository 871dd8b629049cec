//! A turn on a terminal that waits, is steered, is stopped, or loses its terminal.

use serde_json::json;
use testkit::provider::{Reply, Script};

use crate::chats::say;
use crate::hostile::{ready, until};
use crate::keys::{Typist, pane};
use crate::kit::nothing_left;
use crate::talks::{asked, begin, ends, shown};

#[test]
fn a_gate_that_is_left_open_is_asked_again() {
    let script = Script::by_function(|_| say("It costs."));
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    let config = scene.path().join("atoll/config/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let dear =
        "context_tokens = 32000, price = { input_usd = 1, cached_usd = 0, output_usd = 10 } }]";
    std::fs::write(&config, text.replace("context_tokens = 32000 }]", dear)).unwrap();
    let Some(mut typist) = begin(&scene, "") else {
        return;
    };
    typist.types("may I?\r");
    let at = shown(&scene, 0, "[y] once");
    typist.types("l");
    let at = shown(&scene, at, "turn 1,");
    asked(&scene);
    typist.types("/gate\r");
    let at = shown(&scene, at, "[y] once");
    typist.types("l");
    let at = shown(&scene, at, "turn 1,");
    asked(&scene);
    // Words for the turn that waits: they steer it, and the question comes again.
    typist.types("please\r");
    let at = shown(&scene, at, "[y] once");
    typist.types("y");
    shown(&scene, at, "turn 1,");
    assert!(pane(&scene, 80).contains("\nIt costs.\n"));
    asked(&scene);
    typist.types("/gate\r");
    shown(&scene, at, "No gate is open.");
    typist.types("/quit\r");
    ends(typist, &scene, 0);
    nothing_left(&scene);
}

#[test]
fn a_task_is_steered_and_stopped_by_the_same_keys() {
    let script = Script::list([
        Reply::call("run", json!({ "command": "sleep 3.13" })),
        Reply::call("read_file", json!({ "path": "sum.txt" })),
        Reply {
            delay_ms: Some(120_000),
            ..say("Never.")
        },
    ]);
    let Some((scene, server)) = ready(script) else {
        return;
    };
    let Some(mut typist) = Typist::at(&scene, "code --repo shop 'make the test pass'") else {
        return;
    };
    until("the command runs", || crate::hostile::alive("3.13"));
    shown(&scene, 0, "Esc stops, typing steers");
    typist.types("but softly\r");
    shown(&scene, 0, "you     but softly");
    until("the model is asked again", || server.requests().len() == 3);
    let told = server.requests().last().unwrap().text.clone();
    assert!(told.contains("but softly"), "{told}");
    typist.types("too late");
    typist.types("\u{1b}");
    shown(&scene, 0, "Stopped");
    // The bell, and the notice for a terminal in the background.
    shown(&scene, 0, "\u{7}\u{1b}]9;Atoll: s1 stopped\u{7}");
    ends(typist, &scene, 130);
    assert!(pane(&scene, 80).contains("not heard any more: too late"));
    nothing_left(&scene);
}

#[test]
fn a_closed_terminal_leaves_the_turn_running() {
    let script = Script::list([
        Reply::call("run", json!({ "command": "sleep 2.19" })),
        say("Done all the same."),
    ]);
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    let Some(mut typist) = begin(&scene, "") else {
        return;
    };
    typist.types("run it\r");
    until("the command runs", || crate::hostile::alive("2.19"));
    // The terminal goes: whoever holds its other side is killed.
    typist.child.kill().unwrap();
    typist.child.wait().unwrap();
    until("the turn ends without it", || {
        let shown = scene.run(&["--json", "session", "show", "s1"]);
        shown.code == 0 && shown.data()["answer"] == "Done all the same."
    });
    nothing_left(&scene);
}
