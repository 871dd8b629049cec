//! `atoll chat` on a terminal: lines, commands, keys while it works, and terminals that can't do much.

use serde_json::json;
use testkit::provider::{Fault, Reply, Script};

use crate::chats::say;
use crate::hostile::{ready, until};
use crate::keys::{Typist, pane, seen};
use crate::kit::{dangerous, nothing_left};
use crate::scene::Scene;

/// Waits until `text` was shown after the place `after`; the place behind it.
pub fn shown(scene: &Scene, after: usize, text: &str) -> usize {
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
pub fn asked(scene: &Scene) {
    until("the line can be typed", || {
        seen(scene).ends_with("\u{1b}[?2026l")
    });
}

pub fn begin(scene: &Scene, words: &str) -> Option<Typist> {
    let typist = Typist::at(scene, &format!("chat --repo shop {words}"))?;
    shown(scene, 0, "/help lists");
    Some(typist)
}

pub fn ends(mut typist: Typist, scene: &Scene, code: i32) {
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
    let at = shown(&scene, at, "turn 1, mine/scripted, here, context ");
    let all = pane(&scene, 80);
    assert!(
        all.contains("\n\n# Sums\n\nIt is **2**.\n\ns1 turn 1, "),
        "{all}"
    );
    assert!(!all.contains("Esc stops"), "what goes on is gone: {all}");
    assert!(server.requests()[0].text.contains("what is\\nthe sum?"));
    typist.types("make it 3\r");
    let at = shown(&scene, at, "Patch p1 ready");
    let at = shown(&scene, at, "turn 2, mine/scripted");
    typist.types("/undo 9\r");
    let at = shown(&scene, at, "it has 0 (its beginning), 1, 2");
    typist.types("/undo\r");
    let at = shown(&scene, at, "changes are taken back");
    typist.types("/plan how would you?\r");
    let at = shown(&scene, at, "turn 3,");
    let at = shown(&scene, at, "plan> ");
    let tools = server.requests().last().unwrap().json()["tools"].clone();
    assert_eq!(tools.as_array().unwrap().len(), 4, "{tools}");
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
    let all = pane(&scene, 20);
    let words: Vec<&str> = all.split_whitespace().collect();
    assert!(words.join(" ").contains(answer), "{all}");
    for half in ["words,", "supercalifragilistic"] {
        assert!(words.contains(&half), "no word is broken: {all}");
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

#[test]
fn what_is_typed_stands_below_an_answer_that_streams() {
    let long = "word ".repeat(400);
    let script = Script::list([
        say(&long).with(Fault::Drip(20)),
        say("Heard."),
        say("Well."),
    ]);
    let Some((scene, server)) = ready(script) else {
        return;
    };
    let Some(mut typist) = begin(&scene, "") else {
        return;
    };
    typist.types("tell me\r");
    shown(&scene, 0, "word word");
    typist.types("but sh\u{17}");
    typist.types("briefly");
    shown(&scene, 0, "> but briefly");
    // The line is put anew with each piece of the answer: between the two it isn't there.
    until("it stands below the answer", || {
        let all = pane(&scene, 80);
        let lines: Vec<&str> = all.lines().collect();
        matches!(lines.as_slice(), [.., answer, line]
            if line.ends_with("> but briefly") && answer.starts_with("word word"))
    });
    // A paste is no Enter.
    typist.types("\u{1b}[200~ or:\rnot\u{1b}[201~");
    shown(&scene, 0, "briefly or: ⏎ not");
    typist.types("\r");
    shown(&scene, 0, "to be heard: but briefly or:");
    // Stopped before anybody heard it: the words are the person's again, in the line.
    typist.types("\u{1b}");
    let at = shown(&scene, 0, "turn 1,");
    asked(&scene);
    let all = pane(&scene, 80);
    assert!(all.trim_end().ends_with("> but briefly or:\nnot"), "{all}");
    assert_eq!(all.matches("Stopped.").count(), 1, "{all}");
    assert!(
        all.contains("\n\nStopping the turn; Ctrl-C again leaves at once.\n\nStopped.\n"),
        "{all}"
    );
    typist.types("\r");
    shown(&scene, at, "turn 2,");
    let told = server.requests().last().unwrap().text.clone();
    assert!(told.contains("but briefly or:\\nnot"), "{told}");
    asked(&scene);
    typist.types("\u{4}");
    ends(typist, &scene, 0);
    nothing_left(&scene);
}

#[test]
fn tab_completes_and_a_later_conversation_knows_the_words() {
    let Some((scene, server)) = ready(Script::by_function(|_| say("Seen."))) else {
        return;
    };
    scene.file("shop/till/total.py", "x = 1\n");
    let Some(mut typist) = begin(&scene, "") else {
        return;
    };
    assert!(pane(&scene, 80).contains("with mine/scripted, here."));
    typist.types("/co\t\r");
    let at = shown(&scene, 0, "nothing was said yet");
    typist.types("/model mi\t\r");
    let at = shown(&scene, at, "mine/scripted answers next, here");
    typist.types("/model no/such\r");
    let at = shown(&scene, at, "ATL-0202");
    typist.types("what is in @tot\t?\r");
    let at = shown(&scene, at, "turn 1,");
    let told = server.requests().last().unwrap().text.clone();
    assert!(told.contains("attached till/total.py"), "{told}");
    asked(&scene);
    typist.types("a secret word\r");
    let at = shown(&scene, at, "turn 2,");
    typist.types("/new\r");
    let at = shown(&scene, at, "begin a new conversation");
    typist.types("another\r");
    shown(&scene, at, "s2 turn 1,");
    asked(&scene);
    typist.types("/quit\r");
    ends(typist, &scene, 0);
    // The history is the log's: what was erased there is nowhere.
    let erased = scene.run(&["log", "erase", "s1", "--why", "test", "--yes"]);
    assert_eq!(erased.code, 0, "{}", erased.err);
    let _ = std::fs::remove_file(scene.path().join("seen"));
    let Some(mut typist) = Typist::at(&scene, "chat --repo shop -c") else {
        return;
    };
    shown(&scene, 0, "Going on with s2, 1 turn so far.");
    shown(&scene, 0, "Seen.");
    asked(&scene);
    typist.types("\u{1b}[A\u{1b}[A\u{1b}[A");
    until("the words are back", || {
        pane(&scene, 80).trim_end().ends_with("\n\n> another")
    });
    assert!(!pane(&scene, 80).contains("secret"));
    typist.types("\u{15}\u{4}");
    ends(typist, &scene, 0);
    let kept: Vec<_> = walk(scene.path(), "history");
    assert!(kept.is_empty(), "{kept:?}");
    nothing_left(&scene);
}

/// Files of the home whose name holds `part`.
fn walk(folder: &std::path::Path, part: &str) -> Vec<std::path::PathBuf> {
    let all = std::fs::read_dir(folder).into_iter().flatten().flatten();
    all.flat_map(|entry| match entry.file_type().unwrap().is_dir() {
        true => walk(&entry.path(), part),
        false => vec![entry.path()],
    })
    .filter(|path| path.file_name().unwrap().to_string_lossy().contains(part))
    .collect()
}

#[test]
fn a_patch_is_looked_at_and_let_out_without_leaving() {
    let script = Script::list([
        Reply::call(
            "edit",
            json!({ "path": "sum.txt", "search": "total=2", "replace": "total=3" }),
        ),
        say("It is 3 now."),
        Reply::call("edit", json!({ "path": "sum.txt", "content": "total=4\n" })),
        say("It is 4 now."),
        say("It is."),
    ]);
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    let Some(mut typist) = begin(&scene, "") else {
        return;
    };
    typist.types("/patch\r");
    let at = shown(&scene, 0, "nothing was said yet");
    typist.types("make it 3\r");
    let at = shown(&scene, at, "/accept writes it into your files");
    let at = shown(&scene, at, "turn 1,");
    typist.types("/patch\r");
    let at = shown(&scene, at, "+total=3");
    typist.types("/accept\r");
    let at = shown(&scene, at, "Patch p1 accepted");
    let sum = std::fs::read_to_string(scene.path().join("shop/sum.txt")).unwrap();
    assert_eq!(sum, "total=3\n");
    typist.types("now 4\r");
    let at = shown(&scene, at, "turn 2,");
    typist.types("/reject too much\r");
    shown(&scene, at, "Patch p2 rejected");
    typist.types("/quit\r");
    ends(typist, &scene, 0);
    // The session is a conversation again, where it is named.
    let _ = std::fs::remove_file(scene.path().join("seen"));
    let Some(mut typist) = Typist::at(&scene, "session resume s1") else {
        return;
    };
    shown(&scene, 0, "Going on with s1, 2 turns so far.");
    typist.types("is it?\r");
    shown(&scene, 0, "turn 3,");
    typist.types("/quit\r");
    ends(typist, &scene, 0);
    nothing_left(&scene);
}
