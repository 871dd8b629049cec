//! Forks of sessions, and going back by turns: through the binary, the log and a replay.

use serde_json::{Value, json};
use testkit::provider::{Reply, Script, Server};

use crate::hostile::ready;
use crate::scene::{Ran, Scene};

/// Each task `N: …` sets the sum to N. What a call saw is told by what the server kept.
fn counting() -> Script {
    Script::by_function(|request| {
        let said = request["messages"].as_array().cloned().unwrap_or_default();
        let words = |m: &Value| m["content"].to_string();
        let last = said.last().unwrap();
        let task = said.iter().rev().filter(|m| m["role"] == "user").map(words);
        let number = task
            .filter_map(|t| t.split("sum=").nth(1).map(str::to_owned))
            .next()
            .unwrap_or_default();
        let number: String = number.chars().take_while(char::is_ascii_digit).collect();
        match last["role"] == "user" {
            true => Reply::call(
                "edit",
                json!({ "path": "sum.txt", "content": format!("total={number}\n") }),
            ),
            false => Reply::call(
                "finish",
                json!({ "title": format!("Sum {number}"), "summary": "Set.", "unrelated_failures": true }),
            ),
        }
    })
}

fn go(scene: &Scene, words: &[&str]) -> Ran {
    Ran::of(scene.with_node(words).output().unwrap())
}

/// Two turns in s1: the sum is 13, then 23.
fn two_turns() -> Option<(Scene, Server)> {
    let (scene, server) = ready(counting())?;
    scene.file("shop/Makefile", "test:\n\tgrep -q 'total=.' sum.txt\n");
    let words = ["code", "sum=13", "--repo", "shop", "--on-ask", "deny"];
    let first = go(&scene, &words);
    assert_eq!(first.code, 0, "{}{}", first.out, first.err);
    let second = go(&scene, &["session", "resume", "s1", "sum=23"]);
    assert_eq!(second.code, 0, "{}{}", second.out, second.err);
    Some((scene, server))
}

fn diff(scene: &Scene, patch: &str) -> String {
    let shown = scene.run(&["patch", "show", patch]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    shown.out
}

fn replays(scene: &Scene, session: &str) {
    let replay = scene.run(&["log", "replay", session]);
    assert!(
        replay.code == 0 && replay.out.contains("no divergence"),
        "{}{}",
        replay.out,
        replay.err
    );
}

#[test]
fn a_fork_goes_on_from_its_parents_turn_and_leaves_it_alone() {
    let Some((scene, server)) = two_turns() else {
        return;
    };
    let fork = go(&scene, &["session", "fork", "s1", "--turn", "1", "sum=33"]);
    assert_eq!(fork.code, 0, "{}{}", fork.out, fork.err);
    assert!(fork.err.contains("Session s2 is the fork"), "{}", fork.err);
    let seen = server.requests().last().unwrap().text.clone();
    assert!(
        seen.contains("sum=13") && !seen.contains("sum=23") && seen.contains("sum=33"),
        "{seen}"
    );
    assert!(diff(&scene, "p2").contains("+total=23"));
    assert!(diff(&scene, "p3").contains("-total=2\n+total=33"));
    // The parent goes on as if nothing had been.
    let third = go(&scene, &["session", "resume", "s1", "sum=43"]);
    assert_eq!(third.code, 0, "{}{}", third.out, third.err);
    let seen = server.requests().last().unwrap().text.clone();
    assert!(
        seen.contains("sum=23") && !seen.contains("sum=33"),
        "{seen}"
    );
    // A fork of the fork, twice resumed, has all three stories and none of its cousins'.
    let bare = go(&scene, &["session", "fork", "s2"]);
    assert!(bare.out.contains("Session s3 is the fork"), "{}", bare.out);
    let unsaid = go(&scene, &["session", "resume", "s3"]);
    assert_eq!(unsaid.code, 2, "{}{}", unsaid.out, unsaid.err);
    let deep = go(&scene, &["session", "resume", "s3", "sum=53"]);
    assert_eq!(deep.code, 0, "{}{}", deep.out, deep.err);
    let seen = server.requests().last().unwrap().text.clone();
    assert!(
        ["sum=13", "sum=33", "sum=53"]
            .iter()
            .all(|w| seen.contains(w))
            && !seen.contains("sum=43"),
        "{seen}"
    );
    for session in ["s1", "s2", "s3"] {
        replays(&scene, session);
    }
    let shown = scene.run(&["session", "show", "s2"]);
    assert!(shown.out.contains("from s1 at event"), "{}", shown.out);
    let dump = || scene.run(&["--json", "session", "list"]).data();
    let before = dump();
    assert_eq!(scene.run(&["log", "rebuild"]).code, 0);
    assert_eq!(dump(), before, "the projections come out the same");
    assert_eq!(scene.run(&["log", "verify"]).code, 0);
}

#[test]
fn a_fork_shares_its_parents_budget() {
    let (scene, _server) = match ready(counting()) {
        Some(ready) => ready,
        None => return,
    };
    scene.file("shop/Makefile", "test:\n\tgrep -q 'total=.' sum.txt\n");
    let words = [
        "code",
        "sum=13",
        "--repo",
        "shop",
        "--on-ask",
        "deny",
        "--max-tokens",
        "60000",
    ];
    let first = go(&scene, &words);
    assert_eq!(first.code, 0, "{}{}", first.out, first.err);
    // Forks of forks until the family's budget is gone: each alone would have enough for ever.
    let mut last = "s1".to_owned();
    for n in 2..40 {
        let ran = go(&scene, &["session", "fork", &last, &format!("sum={n}3")]);
        last = format!("s{n}");
        match ran.code {
            0 => {}
            5 => {
                let own = scene.run(&["--json", "session", "show", &last]).data();
                assert!(own["spent"]["tokens"].as_u64().unwrap() < 60000, "{own}");
                return assert!(n > 2, "the first fork still had room");
            }
            code => panic!("{code}: {}{}", ran.out, ran.err),
        }
    }
    panic!("the budget never ended");
}

#[test]
fn undo_goes_back_by_turns_and_says_which_there_are() {
    let Some((scene, _server)) = two_turns() else {
        return;
    };
    let third = go(&scene, &["session", "resume", "s1", "sum=43"]);
    assert_eq!(third.code, 0, "{}{}", third.out, third.err);
    let shown = scene.run(&["session", "show", "s1"]);
    for turn in ["turn 1    sum=13", "turn 2    sum=23", "turn 3    sum=43"] {
        assert!(shown.out.contains(turn), "{turn}: {}", shown.out);
    }
    for (to, words) in [
        ("9", "it has 0 (its beginning), 1, 2, 3"),
        ("3", "nothing comes after"),
    ] {
        let wrong = scene.run(&["session", "undo", "s1", "--to", to]);
        assert!(
            wrong.code == 7 && wrong.err.contains(words),
            "{}",
            wrong.err
        );
    }
    let sum = |session: &str| {
        let copies = scene.path().join("atoll/data");
        let fork = go(&scene, &["session", "resume", session, "sum=93"]);
        assert_eq!(
            fork.code,
            0,
            "{}{} {}",
            fork.out,
            fork.err,
            copies.display()
        );
        let events = scene.run(&["--json", "log", "show", session]).data();
        let edit = events.as_array().unwrap().iter().rev().find(|e| {
            e["type"] == "ToolResult"
                && e["words"]["result"]
                    .as_str()
                    .is_some_and(|r| r.contains("+total=93"))
        });
        edit.unwrap()["words"]["result"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let back = scene.run(&["session", "undo", "s1", "--to", "1"]);
    assert!(
        back.code == 0 && back.out.contains("after turn 1"),
        "{}{}",
        back.out,
        back.err
    );
    let gone = scene.run(&["session", "undo", "s1", "--to", "2"]);
    assert_eq!(gone.code, 7, "{}", gone.out);
    assert!(sum("s1").contains("-total=13"), "the files are turn 1's");
    // Its turns are 1 and 4 now: the beginning takes both back, and there is nothing to undo then.
    let all = scene.run(&["session", "undo", "s1", "--to", "0"]);
    assert_eq!(all.code, 0, "{}", all.err);
    assert_eq!(scene.run(&["session", "undo", "s1"]).code, 7);
    let shown = scene.run(&["session", "show", "s1"]);
    assert_eq!(
        shown.out.matches("were taken back").count(),
        4,
        "{}",
        shown.out
    );
    assert!(
        sum("s1").contains("-total=2"),
        "the files are the beginning's"
    );
    // A fork can go back into its parent's turns.
    let fork = go(&scene, &["session", "fork", "s1"]);
    assert_eq!(fork.code, 0, "{}", fork.err);
    let back = scene.run(&["session", "undo", "s2", "--to", "0"]);
    assert_eq!(back.code, 0, "{}", back.err);
    assert!(sum("s2").contains("-total=2"));
    for session in ["s1", "s2"] {
        replays(&scene, session);
    }
}

#[test]
fn what_can_not_be_forked_is_said() {
    let Some((scene, _server)) = two_turns() else {
        return;
    };
    let job = go(&scene, &["exec", "--repo", "shop", "--", "true"]);
    assert_eq!(job.code, 0, "{}", job.err);
    for (words, code, said) in [
        (&["session", "fork", "s9"][..], 2, "there is no session"),
        (&["session", "fork", "s2"], 7, "single job"),
        (&["session", "fork", "s1", "--turn", "7"], 7, "no turn 7"),
        (&["session", "fork", "s1", "--turn", "0"], 2, "ATL-0101"),
        (&["session", "fork"], 2, "ATL-0101"),
    ] {
        let ran = scene.run(words);
        assert!(
            ran.code == code && ran.err.contains(said),
            "{words:?} {}: {}",
            ran.code,
            ran.err
        );
    }
    // Erased words can't be gone on from, by a fork either.
    let fork = scene.run(&["session", "fork", "s1"]);
    assert_eq!(fork.code, 0, "{}", fork.err);
    let erased = scene.run(&["log", "erase", "s1", "--why", "x", "--yes"]);
    assert_eq!(erased.code, 0, "{}", erased.err);
    let ran = scene.run(&["session", "resume", "s3", "sum=5"]);
    assert!(
        ran.code == 7 && ran.err.contains("erased"),
        "{}: {}",
        ran.code,
        ran.err
    );
}
