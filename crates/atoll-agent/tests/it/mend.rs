use atoll_agent::{By, Input, SessionConfig, replay};
use atoll_domain::{Hash, SessionEnd, Step};
use serde_json::json;

use crate::world::*;

#[test]
fn a_failing_test_is_mended() {
    let answers = vec![
        call("read_file", json!({"path": "total.py"})),
        mend(),
        call("test", json!({})),
        finish(),
    ];
    let mut world = World::new(config(), answers);
    world.prompt("make the failing test pass").play();
    let (end, words, proposal) = world.ended.clone().unwrap();
    assert_eq!(end, SessionEnd::Patch);
    assert_eq!(words, "Fix rounding in total() (tests: 9 passed)");
    let proposal = proposal.unwrap();
    assert_eq!(proposal.before.unwrap().failed, Some(1));
    assert!(proposal.tests.unwrap().ok);
    let used: Vec<&str> = world.used.iter().map(|(_, what)| what.as_str()).collect();
    assert_eq!(
        used,
        [
            "list .",
            "test pytest -q",
            "read_file total.py",
            "edit total.py",
            "test pytest -q"
        ]
    );
    let told = world.asked[0].messages[1].joined_text();
    assert!(
        told.contains("make the failing test pass") && told.contains("test_total.py"),
        "{told}"
    );
    assert!(told.contains("1 failed, 8 passed"), "{told}");
    assert!(!world.state.running());
}

#[test]
fn the_agent_tests_by_itself_before_it_proposes() {
    let mut world = World::new(config(), vec![mend(), finish()]);
    world.prompt("mend it").play();
    assert_eq!(world.end(), SessionEnd::Patch);
    assert_eq!(world.used.last().unwrap().0, By::Check);
}

#[test]
fn a_finish_with_failing_tests_is_sent_back() {
    let mut world = World::new(
        config(),
        vec![
            spoil(),
            finish(),
            call(
                "edit",
                json!({"path": "total.py", "search": "float(", "replace": "round("}),
            ),
            finish(),
        ],
    );
    world.prompt("mend it").play();
    assert_eq!(world.end(), SessionEnd::Patch);
    let told = &world.asked[2].messages.last().unwrap();
    assert!(
        told.joined_text()
            .starts_with("Not finished: the tests don't pass: 1 failed, 8 passed.")
    );
    assert!(told.joined_text().contains("assert 3 == 4"));
    assert_eq!(told.tool_call_id.as_deref(), Some("call_0"));
}

#[test]
fn it_is_not_sent_back_for_ever() {
    let mut answers = vec![spoil()];
    answers.extend((0..10).map(|_| finish()));
    let mut world = World::new(config(), answers);
    world.prompt("mend it").play();
    assert_eq!(world.end(), SessionEnd::Failed);
    assert_eq!(
        world.words(),
        "No patch: 1 test still fails after 5 turns. Tried: edited total.py once, ran the tests twice."
    );
}

#[test]
fn failures_that_were_there_before_can_be_left() {
    let unrelated = json!({"title": "Rename", "summary": "As asked.", "unrelated_failures": true});
    let mut world = World::new(config(), vec![spoil(), call("finish", unrelated)]);
    world.prompt("use floats").play();
    assert_eq!(world.end(), SessionEnd::Patch);
    assert_eq!(world.words(), "Rename (tests: 1 failed, 8 passed)");
}

#[test]
fn a_recorded_session_replays_and_a_changed_one_does_not() {
    let mut world = World::new(
        config(),
        vec![
            call("search", json!({"pattern": "total"})),
            mend(),
            finish(),
            Answer::Say("?"),
            finish(),
        ],
    );
    world.prompt("mend it").play();
    world.prompt("and explain").play();
    let done = replay(&world.inputs).unwrap();
    assert_eq!(done.inputs, world.inputs.len() as u64);
    assert!(done.compared >= 10, "{done:?}");
    assert_eq!(done.steps, world.state.step().0);

    let mut changed = world.inputs.clone();
    for input in &mut changed {
        if let Input::Prompt { turn: 2, text, .. } = input {
            text.push('!');
        }
    }
    let differs = replay(&changed).unwrap_err();
    assert!(differs.to_string().contains("call the model"), "{differs}");
    let mut forged = world.inputs.clone();
    let at = forged
        .iter()
        .position(|i| matches!(i, Input::Started { step: Step(3), .. }))
        .unwrap();
    forged[at] = Input::Started {
        step: Step(3),
        effect: Some(Hash::ZERO),
    };
    assert_eq!(replay(&forged).unwrap_err().step, Step(3));
    let mut ended = world.inputs.clone();
    let at = ended
        .iter()
        .position(|i| matches!(i, Input::TurnEnded { .. }))
        .unwrap();
    ended[at] = Input::TurnEnded {
        turn: 1,
        end: SessionEnd::Answer,
        words: String::new(),
    };
    assert!(replay(&ended).unwrap_err().expected.contains("Patch"));
}

#[test]
fn a_session_is_resumed_in_the_middle() {
    let mut world = World::new(config(), vec![mend(), finish()]);
    world.prompt("mend it");
    while !matches!(
        world.state.in_flight(),
        Some(atoll_agent::Effect::CallModel { .. })
    ) {
        let effect = atoll_agent::next(&world.state).pop().unwrap();
        if matches!(effect, atoll_agent::Effect::CallModel { .. }) {
            world.give(Input::Started {
                step: effect.step(),
                effect: Some(effect.digest()),
            });
        } else {
            world.step();
        }
    }
    let lost = world.state.in_flight().unwrap();
    assert_eq!(atoll_agent::next(&world.state), []);
    let tree = world.tree();
    world.give(Input::Resumed { tree });
    assert_eq!(
        atoll_agent::next(&world.state),
        [lost],
        "the same step, the same digest"
    );
    world.play();
    assert_eq!(world.end(), SessionEnd::Patch);
    assert!(replay(&world.inputs).is_ok());
}

#[test]
fn an_unknown_outcome_is_said_and_not_repeated() {
    let mut world = World::new(
        config(),
        vec![call("run", json!({"command": "make deploy"})), finish()],
    );
    world.prompt("do it");
    while world
        .used
        .last()
        .is_none_or(|(_, what)| !what.starts_with("run"))
    {
        let effect = atoll_agent::next(&world.state).pop().unwrap();
        if let atoll_agent::Effect::UseTool {
            step,
            tool: atoll_agent::ToolRequest::Run { .. },
            ..
        } = effect
        {
            world.give(Input::Started {
                step,
                effect: Some(effect.digest()),
            });
            world.give(Input::ToolDone {
                step,
                output: atoll_agent::ToolOutput::unknown(),
                tree: None,
            });
            break;
        }
        world.step();
    }
    world.step();
    assert!(world.last_told().contains("Its outcome is unknown"));
}

#[test]
fn a_plan_reads_and_answers() {
    let plan = SessionConfig {
        plan: true,
        ..config()
    };
    let mut world = World::new(
        plan,
        vec![
            call("read_file", json!({"path": "total.py"})),
            mend(),
            Answer::Say("1. Round."),
        ],
    );
    world.prompt("mend it").play();
    assert_eq!(
        (world.end(), world.words()),
        (SessionEnd::Answer, "1. Round.")
    );
    assert!(world.files["total.py"].contains("int("));
    assert!(world.last_told().contains("a plan changes nothing"));
    assert!(world.used.iter().all(|(_, what)| !what.starts_with("test")));
}

#[test]
fn a_person_steers_and_is_heard_before_the_end() {
    let mut world = World::new(config(), vec![mend(), finish(), finish()]);
    world.prompt("mend it");
    while world.asked.is_empty() {
        world.step();
    }
    world.prompt("and keep the name");
    world.play();
    assert_eq!(world.end(), SessionEnd::Patch);
    assert!(world.last_told().contains("and keep the name"));
    assert!(replay(&world.inputs).is_ok());
}

#[test]
fn failing_tests_are_never_beside_the_point_of_a_task_about_them() {
    let claim = || {
        let unrelated = json!({"title": "Done", "summary": "Done.", "unrelated_failures": true});
        call("finish", unrelated)
    };
    let mut answers = vec![spoil()];
    answers.extend((0..9).map(|_| claim()));
    let mut world = World::new(config(), answers);
    world.prompt("make the failing test pass").play();
    assert_eq!(world.end(), SessionEnd::Failed);
    assert!(!world.last_told().contains("unrelated_failures"));
}
