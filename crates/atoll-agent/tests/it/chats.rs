//! Conversations: a reply is an answer, what was changed becomes a patch, files that are named are read.

use atoll_agent::{By, Input, Mode, SessionConfig, replay};
use atoll_domain::SessionEnd;
use serde_json::json;

use crate::world::*;

fn chat(answers: Vec<Answer>) -> World {
    let config = SessionConfig {
        mode: Mode::Chat,
        ..config()
    };
    World::new(config, answers)
}

fn read(path: &'static str) -> Answer {
    call("read_file", json!({ "path": path }))
}

#[test]
fn an_answer_ends_the_turn_at_once_and_no_test_is_run_for_it() {
    let mut world = chat(vec![
        read("total.py"),
        Answer::Say("It cuts off: `int`."),
        Answer::Say("Yes."),
    ]);
    world.prompt("why is it wrong").play();
    assert_eq!(
        (world.end(), world.words()),
        (SessionEnd::Answer, "It cuts off: `int`.")
    );
    assert!(!world.used.iter().any(|(by, _)| *by == By::Baseline));
    let tools = &world.asked[0].tools;
    assert!(!tools.iter().any(|t| t.name == "finish"));
    world.prompt("really?").play();
    assert_eq!((world.end(), world.words()), (SessionEnd::Answer, "Yes."));
    assert!(world.last_told().contains("It cuts off"), "it remembers");
    replay(&world.inputs).unwrap();
}

#[test]
fn what_was_changed_becomes_a_patch_with_its_evidence() {
    let mut world = chat(vec![
        mend(),
        Answer::Say("It rounds now. I mended `total`."),
    ]);
    world.prompt("please mend it").play();
    assert_eq!(world.end(), SessionEnd::Patch);
    let proposal = world.ended.as_ref().unwrap().2.as_ref().unwrap();
    assert_eq!(proposal.title, "It rounds now");
    assert!(proposal.tests.as_ref().unwrap().ok, "they were run for it");
    replay(&world.inputs).unwrap();
}

#[test]
fn failing_tests_go_back_once_and_are_said_then() {
    let mut world = chat(vec![
        spoil(),
        Answer::Say("Done."),
        Answer::Say("They failed before, too."),
    ]);
    world.prompt("use floats").play();
    assert_eq!((world.end(), world.asked.len()), (SessionEnd::Patch, 3));
    assert!(world.last_told().contains("the tests don't pass"));
    let proposal = world.ended.as_ref().unwrap().2.as_ref().unwrap();
    assert!(!proposal.tests.as_ref().unwrap().ok);
    assert_eq!(proposal.summary, "They failed before, too.");
}

#[test]
fn named_files_are_read_before_the_model_is_asked() {
    let mut world = chat(vec![Answer::Say("I see."), Answer::Say("Again.")]);
    world.prompt("compare @total.py with @nothing.py").play();
    let told = world.last_told();
    assert!(told.contains("attached total.py:") && told.contains("return int(sum(xs))"));
    assert!(told.contains("named nothing.py, which can't be read"));
    let by: Vec<By> = world.used.iter().map(|(by, _)| *by).collect();
    assert_eq!(by, [By::Survey, By::Attach, By::Attach]);
    world.prompt("and @test_total.py?").play();
    assert!(world.last_told().contains("from total import total"));
    replay(&world.inputs).unwrap();
    // A task of `code` may hold an @ without anything being read for it.
    let mut code = World::new(config(), vec![mend(), finish()]);
    code.prompt("mend @total.py").play();
    assert!(!code.used.iter().any(|(by, _)| *by == By::Attach));
}

#[test]
fn planning_is_switched_between_turns() {
    let answers = ["Plan: …", "Plan 2: …"].map(Answer::Say).to_vec();
    let mut world = chat(answers);
    world.give(Input::Planning { on: true });
    world.prompt("mend it").play();
    assert_eq!(world.end(), SessionEnd::Answer);
    let names = |world: &World| -> Vec<String> {
        let last = world.asked.last().unwrap();
        last.tools.iter().map(|t| t.name.clone()).collect()
    };
    assert_eq!(names(&world), ["read_file", "list", "search", "extract"]);
    world.give(Input::Planning { on: false });
    world.prompt("do it").play();
    assert!(names(&world).contains(&"edit".to_owned()));
    replay(&world.inputs).unwrap();
}

#[test]
fn silence_and_a_cut_reply_are_no_answers() {
    let mut world = chat(vec![]);
    world.prompt("hello").play();
    assert_eq!((world.end(), world.asked.len()), (SessionEnd::Failed, 3));
    assert!(world.words().starts_with("No answer"), "{}", world.words());
}
