use atoll_agent::{Input, SessionConfig, ToolOutput};
use atoll_domain::{SessionEnd, Unit};
use serde_json::json;

use crate::world::*;

fn ends(answers: Vec<Answer>) -> World {
    let mut world = World::new(config(), answers);
    world.prompt("mend it").play();
    world
}

#[test]
fn the_same_call_again_and_again_ends() {
    let read = || call("read_file", json!({"path": "total.py"}));
    let world = ends((0..50).map(|_| read()).collect());
    assert_eq!(world.end(), SessionEnd::Failed);
    assert!(
        world.words().contains("again and again"),
        "{}",
        world.words()
    );
    assert!(
        world
            .last_told()
            .contains("You made the same call three times")
    );
    assert_eq!(world.asked.len(), 5);
}

#[test]
fn edits_back_and_forth_end() {
    let back = || {
        call(
            "edit",
            json!({"path": "total.py", "search": "float(", "replace": "int("}),
        )
    };
    let world = ends((0..20).flat_map(|_| [spoil(), back()]).collect());
    assert_eq!(world.end(), SessionEnd::Failed);
    assert!(
        world.words().contains("back and forth"),
        "{}",
        world.words()
    );
}

#[test]
fn silence_is_nudged_twice_and_then_ends() {
    let world = ends(vec![]);
    assert_eq!(world.end(), SessionEnd::Failed);
    assert_eq!(world.asked.len(), 3);
    assert!(world.words().contains("the model answered nothing"));
}

#[test]
fn a_model_that_only_talks_gives_an_answer_or_a_patch() {
    let talk = || Answer::Say("Rounding was cut off. I mended it.");
    let world = ends(vec![mend(), talk(), talk(), talk()]);
    assert_eq!(world.end(), SessionEnd::Patch);
    assert_eq!(world.words(), "Rounding was cut off (tests: 9 passed)");
    let world = ends(vec![talk(), talk(), talk(), talk()]);
    assert_eq!(world.end(), SessionEnd::Answer);
}

#[test]
fn an_answer_while_tests_fail_is_sent_back_once() {
    let answer = || {
        call(
            "finish",
            json!({"title": "Answer", "summary": "It uses int()."}),
        )
    };
    let world = ends(vec![answer(), answer()]);
    assert_eq!(
        (world.end(), world.words()),
        (SessionEnd::Answer, "It uses int().")
    );
    assert!(
        world
            .last_told()
            .contains("Nothing was changed and the tests fail.")
    );
}

#[test]
fn what_cannot_be_done_is_said() {
    let world = ends(vec![call(
        "finish",
        json!({"title": "No", "summary": "The data is missing.", "solved": false}),
    )]);
    assert_eq!(
        (world.end(), world.words()),
        (SessionEnd::Failed, "No patch: The data is missing.")
    );
}

#[test]
fn steps_end_and_tested_work_is_kept() {
    let three = || SessionConfig {
        steps_max: 3,
        ..config()
    };
    let list = |depth: u64| call("list", json!({"depth": depth}));
    let mut world = World::new(three(), (1..9).map(list).collect());
    world.prompt("mend it").play();
    assert_eq!(world.end(), SessionEnd::Limit);
    assert!(
        world.words().starts_with(
            "No patch: 1 test still fails after 3 turns; the limit of 3 turns was reached."
        ),
        "{}",
        world.words()
    );
    assert!(
        world
            .last_told()
            .contains("This is your last reply in this turn")
    );
    let mut world = World::new(
        three(),
        vec![mend(), call("test", json!({})), list(1), list(2)],
    );
    world.prompt("mend it. Please.").play();
    assert_eq!(world.end(), SessionEnd::Patch);
    assert_eq!(
        world.ended.as_ref().unwrap().2.as_ref().unwrap().title,
        "mend it"
    );
}

#[test]
fn failures_of_the_provider() {
    let world = ends(vec![Answer::Fail("auth")]);
    assert_eq!(world.end(), SessionEnd::Unreachable);
    assert!(world.words().contains("said the provider"));
    // What broke is asked for again; what the adapter gave up is not.
    let world = ends(vec![
        Answer::Fail("garbage"),
        Answer::Fail("cut"),
        mend(),
        finish(),
    ]);
    assert_eq!(world.end(), SessionEnd::Patch);
    assert_eq!(world.waits_ms, [0, 0, 2_000, 0]);
    let world = ends((0..9).map(|_| Answer::Fail("cut")).collect());
    assert_eq!(world.end(), SessionEnd::Unreachable);
    assert_eq!(world.asked.len(), 3);
    for reason in ["unreachable", "rate_limited", "server", "timeout"] {
        let world = ends((0..9).map(|_| Answer::Fail(reason)).collect());
        assert_eq!(world.end(), SessionEnd::Unreachable, "{reason}");
        assert_eq!(world.asked.len(), 1, "{reason}");
    }
    let world = ends(vec![Answer::Fail("context"), mend(), finish()]);
    assert_eq!(world.end(), SessionEnd::Patch);
    let world = ends((0..9).map(|_| Answer::Fail("context")).collect());
    assert_eq!(world.end(), SessionEnd::Unreachable);
    for (reason, end) in [
        ("denied", SessionEnd::Denied),
        ("limit", SessionEnd::Limit),
        ("cancelled", SessionEnd::Cancelled),
        ("needs_person", SessionEnd::NeedsYou),
        ("refused", SessionEnd::Unreachable),
        ("never heard of", SessionEnd::Unreachable),
    ] {
        assert_eq!(ends(vec![Answer::Fail(reason)]).end(), end, "{reason}");
    }
}

#[test]
fn malformed_and_hostile_calls_are_answered() {
    let deep = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let raw = |name: &'static str, arguments: &str| (name, arguments.to_owned());
    let world = ends(vec![
        Answer::Raw(vec![
            raw("rm_rf", "{}"),
            raw("read_file", "{\"path\":"),
            raw("read_file", "{\"path\": \"a\", \"path\": \"b\"}"),
            raw("edit", &deep),
            raw("run", "{\"command\": \"a\\u0000b\"}"),
        ]),
        mend(),
        finish(),
    ]);
    assert_eq!(world.end(), SessionEnd::Patch);
    let told = world.last_told();
    for said in [
        "there is no tool `rm_rf`",
        "not valid JSON",
        "`path` is given twice",
        "nested too deep",
        "NUL byte",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
}

#[test]
fn two_hundred_calls_are_bounded() {
    let calls = (0..200)
        .map(|i| ("list", json!({"depth": i % 8 + 1})))
        .collect();
    let world = ends(vec![Answer::Call(calls), mend(), finish()]);
    assert_eq!(world.end(), SessionEnd::Patch);
    assert!(world.last_told().contains("184 more calls were dropped"));
    assert_eq!(
        world
            .used
            .iter()
            .filter(|(_, what)| what.starts_with("list"))
            .count(),
        17
    );
}

#[test]
fn calls_after_a_finish_are_dropped() {
    let both = Answer::Call(vec![
        ("finish", json!({"title": "x", "summary": "an answer"})),
        ("edit", json!({"path": "total.py", "content": ""})),
    ]);
    let world = ends(vec![both, mend(), finish()]);
    assert!(world.files["total.py"].contains("round("));
    assert!(world.last_told().contains("`finish` came before it"));
}

#[test]
fn a_call_in_the_text_is_taken() {
    let world = ends(vec![
        Answer::Say(
            "<tool_call>{\"name\": \"edit\", \"arguments\": {\"path\": \"total.py\", \"search\": \"int(\", \"replace\": \"round(\"}}</tool_call>",
        ),
        finish(),
    ]);
    assert_eq!(world.end(), SessionEnd::Patch);
}

/// Gives `output` for the first tool that the model uses.
fn interrupted(output: ToolOutput) -> World {
    let mut world = World::new(
        config(),
        vec![call("run", json!({"command": "make"})), finish()],
    );
    world.prompt("do it");
    loop {
        let effect = atoll_agent::next(&world.state).pop().expect("an effect");
        if effect.tool_name() == Some("run") {
            let step = effect.step();
            world.give(Input::Started {
                step,
                effect: Some(effect.digest()),
            });
            world.give(Input::ToolDone {
                step,
                output: output.clone(),
                tree: None,
            });
            world.play();
            return world;
        }
        world.step();
    }
}

#[test]
fn a_stopped_or_limited_tool_ends_the_turn_and_a_denied_one_does_not() {
    assert_eq!(
        interrupted(ToolOutput::cancelled()).end(),
        SessionEnd::Cancelled
    );
    let limited = interrupted(ToolOutput::limit(Unit::Money, "$2.00 are used up"));
    assert_eq!(limited.end(), SessionEnd::Limit);
    assert!(limited.words().contains("the budget of money is used up"));
    let denied = interrupted(ToolOutput::denied(
        &["careful.network".into()],
        "network needs a person",
    ));
    assert!(
        denied
            .last_told()
            .contains("Denied (careful.network): network needs a person")
    );
}

#[test]
fn a_stop_ends_whatever_runs_and_late_outcomes_are_ignored() {
    for (reason, end) in [
        ("cancelled", SessionEnd::Cancelled),
        ("seconds", SessionEnd::Limit),
        ("needs_person", SessionEnd::NeedsYou),
    ] {
        let mut world = World::new(config(), vec![finish()]);
        world.prompt("mend it");
        let effect = atoll_agent::next(&world.state).pop().expect("a survey");
        let step = effect.step();
        world.give(Input::Started {
            step,
            effect: Some(effect.digest()),
        });
        world.give(Input::Stopped {
            reason: reason.into(),
        });
        world.give(Input::ToolDone {
            step,
            output: ToolOutput::read("late", None),
            tree: None,
        });
        world.play();
        assert_eq!(world.end(), end);
        assert!(world.asked.is_empty());
        assert!(atoll_agent::replay(&world.inputs).is_ok());
    }
}

#[test]
fn without_a_test_command_there_is_no_baseline_and_no_check() {
    let untested = SessionConfig {
        test: None,
        ..config()
    };
    let mut world = World::new(untested, vec![mend(), finish()]);
    world.prompt("mend it").play();
    assert_eq!(world.words(), "Fix rounding in total() (no tests were run)");
    assert!(
        world
            .ended
            .as_ref()
            .unwrap()
            .2
            .as_ref()
            .unwrap()
            .tests
            .is_none()
    );
}

#[test]
fn a_stop_says_why_what_was_under_way_was_cancelled() {
    for (reason, end) in [
        ("seconds", SessionEnd::Limit),
        ("cancelled", SessionEnd::Cancelled),
        ("needs_person", SessionEnd::NeedsYou),
    ] {
        let mut world = World::new(config(), vec![Answer::Fail("cancelled")]);
        world.prompt("mend it");
        while world.asked.is_empty() {
            world.step();
        }
        world.give(Input::Stopped {
            reason: reason.into(),
        });
        world.play();
        assert_eq!(world.end(), end, "{}", world.words());
        assert!(atoll_agent::replay(&world.inputs).is_ok());
    }
}

#[test]
fn what_tests_leave_behind_is_no_change_of_the_agent() {
    let mut world = World::new(config(), vec![call("test", json!({})), finish(), finish()]);
    world.litters = true;
    world.prompt("why does it round down?").play();
    assert_eq!(
        (world.end(), world.words()),
        (SessionEnd::Answer, "It cut off.")
    );
    assert_eq!(world.asked.len(), 2, "a question is not sent back");
}

#[test]
fn half_done_work_is_not_proposed_at_a_limit() {
    let two = SessionConfig {
        steps_max: 2,
        ..config()
    };
    let mut world = World::new(two, vec![mend(), call("test", json!({}))]);
    let green = "def total(xs):\n    return round(int(sum(xs)))\n";
    world.files.insert("total.py".into(), green.into());
    world.prompt("add a currency").play();
    assert_eq!(world.end(), SessionEnd::Limit);
}
