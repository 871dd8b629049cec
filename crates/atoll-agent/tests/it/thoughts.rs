//! What a model thought goes back to it within the turn, and to no other model.

use atoll_agent::Input;
use atoll_domain::{Conversation, Part};
use serde_json::json;

use crate::world::{Answer, World, config, finish};

fn look(thought: &'static str) -> Answer {
    Answer::Think(thought, ("read_file", json!({"path": "total.py"})))
}

fn thoughts(conversation: &Conversation) -> Vec<&str> {
    let parts = conversation.messages.iter().flat_map(|m| &m.content);
    let texts = parts.filter_map(|p| match p {
        Part::Reasoning { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

#[test]
fn they_go_back_within_the_turn_and_the_last_into_the_next() {
    let title = json!({"title": "None", "summary": "Nothing to do.", "solved": false});
    let done = Answer::Think("done", ("finish", title));
    let answers = vec![look("first"), look("second"), done, look("x"), finish()];
    let mut world = World::new(config(), answers);
    world.prompt("mend it").play();
    assert!(thoughts(&world.asked[0]).is_empty());
    assert_eq!(thoughts(&world.asked[1]), ["first"]);
    assert_eq!(thoughts(&world.asked[2]), ["first", "second"]);
    // In front of what was said, as providers want it.
    let said = world.asked[1]
        .messages
        .iter()
        .find(|m| !m.tool_calls.is_empty());
    assert!(matches!(said.unwrap().content[0], Part::Reasoning { .. }));
    let before = world.asked.len();
    world.prompt("and the next").play();
    // A provider wants what is gone on with to begin with a thought.
    assert_eq!(thoughts(&world.asked[before]), ["done"]);
    assert_eq!(thoughts(&world.asked[before + 1]), ["done", "x"]);
}

#[test]
fn another_model_gets_none_of_them_and_has_a_window_of_its_own() {
    let mut world = World::new(config(), vec![look("first"), look("second"), finish()]);
    world.prompt("mend it");
    while world.asked.len() < 2 {
        assert!(world.step());
    }
    assert_eq!(world.state.thoughts(), 2);
    world.give(Input::Switched {
        context_tokens: 8_192,
        output_tokens_max: 1_000,
    });
    assert_eq!(world.state.thoughts(), 0);
    assert_eq!(world.state.progress().context_tokens_max, 8_192);
    world.play();
    assert!(thoughts(&world.asked[2]).is_empty());
}

#[test]
fn thoughts_beyond_any_use_are_not_kept() {
    let long = "x".repeat(100_000).leak();
    let mut world = World::new(config(), vec![look(long), look("short"), finish()]);
    world.prompt("mend it").play();
    assert!(thoughts(&world.asked[1]).is_empty());
    assert_eq!(thoughts(&world.asked[2]), ["short"]);
}
