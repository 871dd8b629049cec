//! Any inputs in any order: nothing panics, no step has two effects, every turn ends.

use std::collections::BTreeMap;

use atoll_agent::{Effect, Input, Mode, SessionConfig, State, Status, ToolOutput, fold, next};
use atoll_domain::{Hash, Message, Part, SessionEnd, Speaker, Step, ToolCall, Unit, Usage};
use proptest::prelude::*;

const NAMES: &str = "read_file|list|search|edit|run|test|finish|[a-z]{1,6}";
const ARGUMENTS: &str = r#"\{"path": "[a-c]"\}|\{"path": "[ab]", "content": "[xy]"\}|\{"command": "[ab]"\}|\{"title": "t", "summary": "s"\}|\{"title": "t", "summary": "s", "solved": false\}|\{"pattern": "x"\}|.{0,20}"#;

fn message() -> impl Strategy<Value = Message> {
    let call = (NAMES, ARGUMENTS, "[a-c]{0,1}").prop_map(|(name, arguments, id)| ToolCall {
        id,
        name,
        arguments,
    });
    let thought =
        ("[a-c]{0,9}", proptest::option::of("[a-c]{0,9}")).prop_map(|(text, signature)| {
            Part::Reasoning {
                text,
                signature,
                sealed: None,
            }
        });
    let thoughts = proptest::collection::vec(thought, 0..2);
    (".{0,30}", proptest::collection::vec(call, 0..5), thoughts).prop_map(
        |(text, calls, mut thoughts)| {
            let mut message = Message::text(Speaker::Assistant, text);
            message.tool_calls = calls;
            thoughts.append(&mut message.content);
            message.content = thoughts;
            message
        },
    )
}

fn output() -> impl Strategy<Value = ToolOutput> {
    let statuses = prop_oneof![
        12 => Just(Status::Done),
        3 => Just(Status::Failed),
        1 => Just(Status::Denied),
        1 => Just(Status::Rejected),
        1 => Just(Status::Unknown),
        1 => Just(Status::Cancelled),
        1 => Just(Status::Limit),
    ];
    (
        statuses,
        ".{0,60}",
        proptest::option::of(0i32..3),
        any::<bool>(),
    )
        .prop_map(|(status, text, exit_code, counted)| {
            let mut output = ToolOutput::read(&text, None);
            (output.status, output.exit_code) = (status, exit_code);
            if counted {
                (output.passed, output.failed) = (Some(3), exit_code.map(|c| c as u64));
                output.unit = Some(Unit::Tokens);
            }
            output
        })
}

fn reason() -> impl Strategy<Value = String> {
    "auth|rate_limited|server|garbage|cut|timeout|refused|unreachable|cancelled|context|lost|limit|denied|[a-z]{3}"
}

/// What comes in, made for whatever effect is to be done.
#[derive(Clone, Debug)]
enum Comes {
    Reply(Message, String, u64),
    Failed(String),
    Output(ToolOutput, Option<String>),
    Prompt(String),
    Stopped(String),
    Resumed(String),
    Switched(u64, u64),
    Undone,
    Ended,
    Stray(u64, Message, ToolOutput),
}

fn comes() -> impl Strategy<Value = Comes> {
    prop_oneof![
        20 => (message(), "stop|length|tool_calls|", 0u64..9000).prop_map(|(m, f, t)| Comes::Reply(m, f, t)),
        3 => reason().prop_map(Comes::Failed),
        20 => (output(), proptest::option::of("[a-f]{2}")).prop_map(|(o, t)| Comes::Output(o, t)),
        2 => ".{0,20}".prop_map(Comes::Prompt),
        1 => "cancelled|money|tokens|.{0,5}".prop_map(Comes::Stopped),
        1 => "[a-f]{0,2}".prop_map(Comes::Resumed),
        1 => (0u64..40_000, 0u64..9_000).prop_map(|(c, o)| Comes::Switched(c, o)),
        1 => Just(Comes::Undone),
        1 => Just(Comes::Ended),
        1 => (0u64..40, message(), output()).prop_map(|(s, m, o)| Comes::Stray(s, m, o)),
    ]
}

fn reply(step: Step, message: &Message, finish: &str, tokens: u64) -> Input {
    Input::Reply {
        step,
        message: message.clone(),
        finish: finish.into(),
        usage: Usage {
            input_tokens: tokens,
            reported: true,
            ..Usage::default()
        },
    }
}

/// The input that fits the effect, if this is one; else what it is by itself.
fn input(comes: &Comes, effect: Option<&Effect>) -> Option<Input> {
    Some(match (comes, effect) {
        (Comes::Reply(m, f, t), Some(Effect::CallModel { step, .. })) => reply(*step, m, f, *t),
        (Comes::Failed(reason), Some(Effect::CallModel { step, .. })) => Input::ReplyFailed {
            step: *step,
            reason: reason.clone(),
            words: "w".into(),
        },
        (
            Comes::Output(output, tree),
            Some(Effect::UseTool { step, .. } | Effect::RejectCall { step, .. }),
        ) => Input::ToolDone {
            step: *step,
            output: output.clone(),
            tree: tree.clone(),
        },
        (_, Some(Effect::Compact { upto, summary, .. })) => Input::Compacted {
            upto: *upto,
            summary: summary.clone(),
        },
        (
            _,
            Some(Effect::FinishTurn {
                turn, end, words, ..
            }),
        ) => Input::TurnEnded {
            turn: *turn,
            end: *end,
            words: words.clone(),
        },
        (Comes::Prompt(text), _) => Input::Prompt {
            turn: 0,
            text: text.clone(),
            steer: true,
        },
        (Comes::Stopped(reason), _) => Input::Stopped {
            reason: reason.clone(),
        },
        (Comes::Resumed(tree), _) => Input::Resumed { tree: tree.clone() },
        (Comes::Switched(context_tokens, output_tokens_max), _) => Input::Switched {
            context_tokens: *context_tokens,
            output_tokens_max: *output_tokens_max,
        },
        (Comes::Undone, _) => Input::Undone {
            turn: 1,
            tree: "aa".into(),
        },
        (Comes::Ended, _) => Input::TurnEnded {
            turn: 1,
            end: SessionEnd::Error,
            words: String::new(),
        },
        (Comes::Stray(step, message, output), _) => match step % 3 {
            0 => reply(Step(*step), message, "stop", 1),
            1 => Input::ToolDone {
                step: Step(*step),
                output: output.clone(),
                tree: None,
            },
            _ => Input::Started {
                step: Step(*step),
                effect: None,
            },
        },
        _ => return None,
    })
}

fn config() -> impl Strategy<Value = SessionConfig> {
    (
        any::<bool>(),
        any::<bool>(),
        1u64..12,
        prop_oneof![Just(4096u64), Just(32_768)],
    )
        .prop_map(|(plan, tested, steps_max, context_tokens)| SessionConfig {
            plan,
            mode: match steps_max % 2 {
                0 => Mode::Chat,
                _ => Mode::Code,
            },
            steps_max,
            context_tokens,
            test: tested.then(|| vec!["make".into(), "test".into()]),
            ..SessionConfig::default()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_it_stays_sound(config in config(), all in proptest::collection::vec(comes(), 0..120)) {
        let mut inputs = vec![
            Input::Opened(Box::new(config)),
            Input::Prompt { turn: 1, text: "task".into(), steer: false },
        ];
        let mut state = inputs.iter().fold(State::default(), fold);
        let mut seen: BTreeMap<u64, Hash> = BTreeMap::new();
        for one in &all {
            let effects = next(&state);
            prop_assert!(effects.len() <= 1);
            let effect = effects.into_iter().next();
            if let Some(effect) = &effect {
                let digest = effect.digest();
                let before = seen.insert(effect.step().0, digest);
                prop_assert!(before.is_none_or(|b| b == digest), "step {:?} has two effects", effect.step());
            }
            if let Some(input) = input(one, effect.as_ref()) {
                state = fold(state, &input);
                inputs.push(input);
            }
        }
        prop_assert_eq!(inputs.iter().fold(State::default(), fold), state);
    }

    #[test]
    fn every_turn_ends(
        config in config(),
        replies in proptest::collection::vec((message(), "stop|length|tool_calls"), 1..6),
        outputs in proptest::collection::vec((output(), proptest::option::of("[a-f]{2}")), 1..6),
        failures in proptest::collection::vec(proptest::option::of(reason()), 1..5),
    ) {
        let rounds_max = config.steps_max;
        let state = fold(State::default(), &Input::Opened(Box::new(config)));
        let mut state = fold(state, &Input::Prompt { turn: 1, text: "task".into(), steer: false });
        let (mut asked, mut used, mut compacted) = (0, 0, 0);
        while state.running() {
            let effect = next(&state).pop().expect("a running turn has something to do");
            let step = effect.step();
            let given = match &effect {
                Effect::CallModel { .. } => {
                    asked += 1;
                    let (message, finish) = &replies[asked % replies.len()];
                    match &failures[asked % failures.len()] {
                        Some(reason) => Input::ReplyFailed { step, reason: reason.clone(), words: String::new() },
                        None => reply(step, message, finish, 0),
                    }
                }
                Effect::UseTool { .. } | Effect::RejectCall { .. } => {
                    used += 1;
                    let (output, tree) = outputs[used % outputs.len()].clone();
                    Input::ToolDone { step, output, tree }
                }
                Effect::Compact { upto, summary, .. } => {
                    compacted += 1;
                    Input::Compacted { upto: *upto, summary: summary.clone() }
                }
                Effect::FinishTurn { turn, end, words, .. } => {
                    Input::TurnEnded { turn: *turn, end: *end, words: words.clone() }
                }
            };
            state = fold(state, &given);
            prop_assert!(asked as u64 <= rounds_max * 4 + 8, "{asked} calls of the model");
            prop_assert!(used as u64 <= rounds_max * 17 + 12, "{used} tools");
            prop_assert!(compacted <= asked + 4);
        }
    }
}
