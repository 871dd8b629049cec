use super::*;
use crate::input::Input;
use crate::output::ToolOutput;
use crate::state::{fold, next};
use crate::{Effect, SessionConfig};
use atoll_domain::{Step, Usage};
use proptest::prelude::*;

fn opened(config: SessionConfig) -> State {
    let state = fold(State::default(), &Input::Opened(Box::new(config)));
    let prompt = Input::Prompt {
        turn: 1,
        text: "mend the failing test".into(),
        steer: false,
    };
    fold(state, &prompt)
}

/// Reads one file after the other, with results of the given sizes; each conversation is looked at.
fn work(mut state: State, sizes: &[usize], mut look: impl FnMut(&State, &Conversation)) -> State {
    let mut sizes = sizes.iter();
    for _ in 0..10_000 {
        let Some(effect) = next(&state).into_iter().next() else {
            return state;
        };
        let step = effect.step();
        let input = match &effect {
            Effect::CallModel { conversation, .. } => {
                look(&state, conversation);
                let Some(size) = sizes.next() else {
                    return state;
                };
                reply(step, *size)
            }
            Effect::UseTool { .. } | Effect::RejectCall { .. } => Input::ToolDone {
                step,
                output: ToolOutput::read(
                    &format!(
                        "{step:?}: {}",
                        "line of text\n".repeat(step.0 as usize % 7 * 90 + 1)
                    ),
                    None,
                ),
                tree: None,
            },
            Effect::Compact { upto, summary, .. } => Input::Compacted {
                upto: *upto,
                summary: summary.clone(),
            },
            Effect::FinishTurn { .. } => return state,
        };
        state = fold(state, &input);
    }
    panic!("it does not end")
}

fn reply(step: Step, size: usize) -> Input {
    let mut message = Message::text(Speaker::Assistant, "I look ".repeat(size % 50));
    for index in 0..=size % 3 {
        let (name, arguments) = if size.is_multiple_of(5) {
            (
                "edit",
                serde_json::json!({ "path": format!("f{index}"), "content": "x\n".repeat(size) }),
            )
        } else {
            (
                "read_file",
                serde_json::json!({ "path": format!("f{}_{index}.rs", step.0) }),
            )
        };
        message.tool_calls.push(ToolCall {
            id: format!("c{index}"),
            name: name.into(),
            arguments: arguments.to_string(),
        });
    }
    Input::Reply {
        step,
        message,
        finish: "tool_calls".into(),
        usage: Usage {
            input_tokens: 900 + size as u64,
            reported: size.is_multiple_of(2),
            ..Usage::default()
        },
    }
}

fn well_formed(state: &State, conversation: &Conversation) {
    let tokens = scaled(state, conversation);
    let room = state.config.window_tokens() - state.config.reserve_tokens();
    assert!(tokens <= room, "{tokens} tokens, {room} fit");
    let messages = &conversation.messages;
    assert_eq!(messages[0].role, Speaker::System);
    assert_eq!(messages[1].role, Speaker::User);
    assert!(messages[1].joined_text().starts_with("# The task\n\nmend"));
    let mut waiting: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        match message.role {
            Speaker::Tool => {
                let id = message.tool_call_id.as_deref().unwrap();
                let at = waiting.iter().position(|w| *w == id);
                waiting.remove(at.expect("a result answers a call of the reply before it"));
            }
            role => {
                assert!(waiting.is_empty(), "each call has a result");
                let twice = role == Speaker::User && messages[index - 1].role == Speaker::User;
                assert!(!twice, "a person's messages are joined");
            }
        }
        waiting.extend(message.tool_calls.iter().map(|c| c.id.as_str()));
        for call in &message.tool_calls {
            assert!(
                serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&call.arguments)
                    .is_ok()
            );
        }
    }
    assert!(waiting.is_empty());
}

#[test]
fn the_fixed_part_leaves_room_in_the_smallest_window() {
    let config = SessionConfig {
        test: Some(vec!["cargo".into(), "test".into()]),
        context_tokens: 4096,
        ..SessionConfig::default()
    };
    let state = opened(config);
    let tokens = raw_tokens(&make(&state, &[], ALL, None));
    assert!(tokens <= 1900, "{tokens}");
}

#[test]
fn older_results_become_lines_and_a_summary_is_recorded() {
    let config = SessionConfig {
        context_tokens: 16_384,
        steps_max: 100,
        ..SessionConfig::default()
    };
    let (mut lines, mut summaries) = (0, 0);
    let sizes: Vec<usize> = (1..60).collect();
    let state = work(opened(config), &sizes, |state, conversation| {
        well_formed(state, conversation);
        let text: Vec<String> = conversation
            .messages
            .iter()
            .map(Message::joined_text)
            .collect();
        lines += usize::from(text.iter().any(|t| t.starts_with(LEFT_OUT)));
        summaries += usize::from(text[1].contains("The start of this conversation was left out"));
    });
    assert!(lines > 3 && summaries > 3, "{lines} {summaries}");
    assert!(
        state.entries.len() < 80,
        "{} entries are kept",
        state.entries.len()
    );
}

#[test]
fn a_call_without_a_result_is_answered_for_the_model() {
    let state = opened(SessionConfig::default());
    let state = fold(
        state,
        &Input::ToolDone {
            step: Step(1),
            output: ToolOutput::read("a", None),
            tree: None,
        },
    );
    let state = fold(state, &reply(Step(2), 2));
    let state = fold(
        state,
        &Input::Stopped {
            reason: "cancelled".into(),
        },
    );
    let ended = Input::TurnEnded {
        turn: 1,
        end: atoll_domain::SessionEnd::Cancelled,
        words: String::new(),
    };
    let state = fold(
        fold(state, &ended),
        &Input::Prompt {
            turn: 2,
            text: "go on".into(),
            steer: false,
        },
    );
    let (conversation, _) = conversation(&state);
    well_formed(&state, &conversation);
    let last = conversation.messages.last().unwrap();
    assert_eq!(last.joined_text(), "# The next task\n\ngo on");
    let unanswered = |m: &&Message| m.joined_text().starts_with("No result");
    assert_eq!(conversation.messages.iter().filter(unanswered).count(), 3);
}

#[test]
fn the_newest_rounds_stay_when_nothing_else_fits() {
    let config = SessionConfig {
        context_tokens: 4096,
        ..SessionConfig::default()
    };
    let mut state = opened(config);
    for round in 0..40 {
        state.step += 1;
        let text = format!("round {round} {}", "words ".repeat(100));
        let calls = Vec::new();
        state.say(Said::Reply {
            text,
            calls,
            thoughts: Vec::new(),
        });
    }
    let (conversation, tokens) = conversation(&state);
    assert!(tokens <= room_tokens(&state));
    let all = serde_json::to_string(&conversation).unwrap();
    assert!(all.contains("round 39 ") && !all.contains("round 0 "));
    assert!(all.contains(LEFT_OUT));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn it_fits_and_pairs_whatever_comes(
        sizes in proptest::collection::vec(0usize..4000, 1..40),
        context_tokens in prop_oneof![Just(4096u64), Just(8192), 4096u64..60_000],
        output_tokens_max in 1u64..20_000,
        task in 0usize..20_000,
        guide in 0usize..20_000,
    ) {
        let config = SessionConfig {
            context_tokens,
            output_tokens_max,
            steps_max: 50,
            guide: Some("guide ".repeat(guide)),
            test: None,
            ..SessionConfig::default()
        };
        let state = fold(State::default(), &Input::Opened(Box::new(config)));
        let text = format!("mend it {}", "now\n".repeat(task));
        let state = fold(state, &Input::Prompt { turn: 1, text, steer: false });
        work(state, &sizes, well_formed);
    }
}
