//! `atoll chat` on a terminal: lines, commands, keys while it works, and terminals that can't do much.

use serde_json::json;
use testkit::provider::{Reply, Script};

use crate::chats::say;
use crate::hostile::{ready, until};
use crate::keys::{Typist, seen};
use crate::kit::{dangerous, nothing_left};
use crate::scene::Scene;

/// Waits until `text` was shown after the place `after`; the place behind it.
fn shown(scene: &Scene, after: usize, text: &str) -> usize {
    for _ in 0..600 {
        let found = seen(scene).get(after..).and_then(|s| s.find(text));
        if let Some(at) = found {
            return after + at + text.len();
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{text:?} was never shown: {}", seen(scene));
}

/// Waits until the editor waits for words.
fn asked(scene: &Scene) {
    until("the line can be typed", || {
        seen(scene).ends_with("\u{1b}[?2026l")
    });
}

fn begin(scene: &Scene, words: &str) -> Option<Typist> {
    let typist = Typist::at(scene, &format!("chat --repo shop {words}"))?;
    shown(scene, 0, "/help lists");
    Some(typist)
}

fn ends(mut typist: Typist, scene: &Scene, code: i32) {
    let mut ended = None;
    until("it ends", || {
        ended = typist.child.try_wait().unwrap();
        ended.is_some()
    });
    let ended = ended.and_then(|e| e.code());
    assert_eq!(ended, Some(code), "{}", seen(scene));
}

#[test]
fn a_conversation_has_turns_commands_and_an_end() {
    let script = Script::list([
        say("# Sums\n\nIt is **2**."),
        Reply::call(
            "edit",
            json!({ "path": "sum.txt", "search": "total=2", "replace": "total=3" }),
        ),
        say("It is 3 now."),
        say("I would add one."),
    ]);
    let Some((scene, server)) = ready(script) else {
        return;
    };
    let Some(mut typist) = begin(&scene, "") else {
        return;
    };
    typist.types("/cost\r");
    let at = shown(&scene, 0, "nothing was said yet");
    typist.types("/model\r/quti\r");
    let at = shown(&scene, at, "there is no /quti");
    // Two lines, one message.
    typist.types("what is\\\rthe sum?\r");
    let at = shown(&scene, at, "turn 1, mine/scripted");
    assert!(seen(&scene).contains("It is **2**."), "{}", seen(&scene));
    assert!(server.requests()[0].text.contains("what is\\nthe sum?"));
    typist.types("make it 3\r");
    let at = shown(&scene, at, "Patch p1 ready");
    let at = shown(&scene, at, "turn 2, mine/scripted");
    typist.types("/undo 9\r");
    let at = shown(&scene, at, "it has 0 (its beginning), 1, 2");
    typist.types("/undo\r");
    let at = shown(&scene, at, "changes are taken back");
    typist.types("/plan how would you?\r");
    let at = shown(&scene, at, "only planning");
    let tools = server.requests().last().unwrap().json()["tools"].clone();
    assert_eq!(tools.as_array().unwrap().len(), 3, "{tools}");
    typist.types("/cost\r");
    shown(&scene, at, "tokens");
    typist.types("/quit\r");
    ends(typist, &scene, 0);
    let replay = scene.run(&["log", "replay", "s1"]);
    assert!(
        replay.code == 0 && replay.out.contains("no divergence"),
        "{}{}",
        replay.out,
        replay.err
    );
    nothing_left(&scene);
}

#[test]
fn esc_stops_the_turn_and_what_is_typed_is_heard() {
    let script = Script::list([
        Reply {
            delay_ms: Some(120_000),
            ..say("Never.")
        },
        Reply::call("run", json!({ "command": "sleep 3.07" })),
        say("Heard."),
        say("Well."),
    ]);
    let Some((scene, server)) = ready(script) else {
        return;
    };
    let Some(mut typist) = begin(&scene, "") else {
        return;
    };
    typist.types("think long\r");
    until("the model is asked", || server.requests().len() == 1);
    // A key that begins as Esc does is no Esc.
    typist.types("\u{1b}[A");
    let at = shown(&scene, 0, "the model thinks");
    typist.types("\u{1b}");
    let at = shown(&scene, at, "turn 1,");
    asked(&scene);
    typist.types("run it\r");
    until("the command runs", || crate::hostile::alive("3.07"));
    typist.types("but softly\r");
    let at = shown(&scene, at, "you     but softly");
    shown(&scene, at, "Heard.");
    // The model may need another call to hear it; the words are in the last.
    shown(&scene, at, "turn 2,");
    asked(&scene);
    let told = server.requests().last().unwrap().text.clone();
    assert!(told.contains("but softly"), "{told}");
    typist.types("\u{3}");
    let at = shown(&scene, at, "Ctrl-C again");
    asked(&scene);
    typist.types("\u{3}");
    ends(typist, &scene, 130);
    assert!(at > 0);
    nothing_left(&scene);
}

#[test]
fn ctrl_c_twice_ends_it_while_it_works() {
    let script = Script::list([Reply {
        delay_ms: Some(120_000),
        ..say("Never.")
    }]);
    let Some((scene, server)) = ready(script) else {
        return;
    };
    let Some(mut typist) = begin(&scene, "") else {
        return;
    };
    typist.types("think long\r");
    until("the model is asked", || server.requests().len() == 1);
    typist.types("\u{3}");
    shown(&scene, 0, "turn 1,");
    asked(&scene);
    typist.types("\u{3}");
    shown(&scene, 0, "Ctrl-C again ends the conversation");
    asked(&scene);
    typist.types("\u{3}");
    ends(typist, &scene, 130);
    nothing_left(&scene);
}

#[test]
fn a_pasted_megabyte_is_refused_whole() {
    let Some((scene, server)) = ready(Script::by_function(|_| say("Short."))) else {
        return;
    };
    let Some(mut typist) = begin(&scene, "") else {
        return;
    };
    let paste = "megabyte ".repeat((1 << 20) / 9);
    typist.types(&format!("\u{1b}[200~{paste}\u{1b}[201~\r"));
    let at = shown(&scene, 0, "more than can be sent; nothing was");
    assert_eq!(server.requests().len(), 0);
    // Typed key by key, as a terminal without bracketed paste gives it.
    typist.types(&format!("{}\r", "k".repeat(40 << 10)));
    let at = shown(&scene, at, "more than can be sent; nothing was");
    assert_eq!(server.requests().len(), 0);
    typist.types("a short one\r");
    shown(&scene, at, "turn 1,");
    assert_eq!(server.requests().len(), 1);
    typist.types("\u{4}");
    ends(typist, &scene, 0);
    nothing_left(&scene);
}

#[test]
fn twenty_columns_are_enough() {
    let answer = "A sentence of several words, with a **bold** one and supercalifragilistic too.";
    let Some((scene, _server)) = ready(Script::by_function(move |_| say(answer))) else {
        return;
    };
    let line = format!(
        "stty cols 20 rows 10; exec {} chat --repo shop",
        env!("CARGO_BIN_EXE_atoll")
    );
    let Some(mut typist) = Typist::on(&scene, "xterm", &line) else {
        return;
    };
    shown(&scene, 0, "/quit");
    typist.types("why is it so narrow here, I wonder?\r");
    shown(&scene, 0, "s1 turn 1");
    typist.types("/quit\r");
    ends(typist, &scene, 0);
    let all = seen(&scene);
    let words: Vec<&str> = all.split_whitespace().collect();
    assert!(words.join(" ").contains(answer), "{all}");
    let answer_lines = all.lines().skip_while(|l| !l.starts_with("A sentence"));
    for line in answer_lines.take_while(|l| !l.contains("too.")) {
        assert!(line.trim_end().len() <= 21, "{line:?}");
    }
    nothing_left(&scene);
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let script = Script::list([
        Reply {
            content: Some("I look.".into()),
            ..Reply::call("read_file", json!({ "path": "sum.txt" }))
        },
        Reply {
            delay_ms: Some(2500),
            ..say("It is **2**.")
        },
    ]);
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    let line = format!("{} chat --repo shop", env!("CARGO_BIN_EXE_atoll"));
    let Some(mut typist) = Typist::on(&scene, "dumb", &line) else {
        return;
    };
    shown(&scene, 0, "/help lists");
    typist.types("what is the sum?\n");
    let at = shown(&scene, 0, "turn 1,");
    assert!(at > 0);
    typist.types("/quit\n");
    ends(typist, &scene, 0);
    let all = seen(&scene).replace("\r\n", "\n").replace('\u{7}', "");
    assert!(
        all.contains("It is **2**.") && all.contains("read    sum.txt"),
        "{all}"
    );
    assert_eq!(dangerous(&all), None, "{all:?}");
    nothing_left(&scene);
}
