//! From events to inputs.

use std::collections::HashMap;

use atoll_agent::{Input, SessionConfig, ToolOutput, Unreadable};
use atoll_domain::*;

struct Zero;
impl Entropy for Zero {
    fn fill(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

fn resolver(sides: Vec<Side>) -> HashMap<Hash, Vec<u8>> {
    sides
        .into_iter()
        .map(|s| (s.commitment.h, s.bytes))
        .collect()
}

fn read(body: impl Into<Body>, held: &HashMap<Hash, Vec<u8>>) -> Result<Option<Input>, Unreadable> {
    Input::from_event(&body.into(), &|c| held.get(&c.h).cloned())
}

#[test]
fn the_events_of_a_step_are_read() {
    let mut sealer = Sealer::new(&Zero);
    let digest = Hash::of(b"effect");
    let output = ToolOutput::edited(2, 1, "-a\n+b\n+c", &[]);
    let message = Message::text(Speaker::Assistant, "hm");
    let asked = ModelAsked {
        step: Step(3),
        provider: "p".into(),
        effect: sealer.text(&digest.to_string()),
    };
    let received = ReplyReceived {
        step: Step(3),
        provider: "p".into(),
        model: sealer.text("m"),
        usage: Usage::default(),
        micros: 0,
        finish: sealer.text("stop"),
        message: sealer.json(&message),
    };
    let result = ToolResult {
        step: Step(4),
        ok: output.ok(),
        result: sealer.json(&output),
        tree: Some(sealer.text("abc")),
    };
    let ended = TurnEnded {
        turn: 1,
        end: SessionEnd::Answer,
        words: sealer.text("so"),
    };
    let stopped = TurnStopped {
        turn: 1,
        reason: "cancelled".into(),
    };
    let held = resolver(sealer.into_sides());
    assert_eq!(
        read(asked, &held).unwrap(),
        Some(Input::Started {
            step: Step(3),
            effect: Some(digest)
        })
    );
    assert_eq!(
        read(received, &held).unwrap(),
        Some(Input::Reply {
            step: Step(3),
            message,
            finish: "stop".into(),
            usage: Usage::default()
        })
    );
    assert_eq!(
        read(result, &held).unwrap(),
        Some(Input::ToolDone {
            step: Step(4),
            output,
            tree: Some("abc".into())
        })
    );
    assert_eq!(
        read(ended, &held).unwrap(),
        Some(Input::TurnEnded {
            turn: 1,
            end: SessionEnd::Answer,
            words: "so".into()
        })
    );
    assert_eq!(
        read(stopped, &held).unwrap(),
        Some(Input::Stopped {
            reason: "cancelled".into()
        })
    );
    assert_eq!(read(Heartbeat { sessions: 1 }, &held).unwrap(), None);
}

#[test]
fn a_switch_of_models_is_read_for_its_figures() {
    let switched = ModelSwitched {
        provider: "p".into(),
        model: Sealer::new(&Zero).text("m"),
        context_tokens: 9,
        output_tokens_max: 3,
        thoughts_lost: 1,
    };
    assert_eq!(
        read(switched, &HashMap::new()).unwrap(),
        Some(Input::Switched {
            context_tokens: 9,
            output_tokens_max: 3
        })
    );
}

#[test]
fn an_opened_session_carries_its_config() {
    let mut sealer = Sealer::new(&Zero);
    let config = SessionConfig {
        steps_max: 7,
        ..SessionConfig::default()
    };
    let opened = SessionOpened {
        id: SessionId::new(Ms(1), [1; 10]),
        mode: "code".into(),
        workspace: WorkspaceId::new(Ms(1), [2; 10]),
        root: sealer.text("/home/u/till"),
        revision: atoll_agent::REVISION.into(),
        prompt: config.prompt_hash(),
        tools: config.tools_hash(),
        provider: "p".into(),
        model: sealer.text("m"),
        profile: "careful".into(),
        budget: Budget::default(),
        steps_max: config.steps_max,
        config: sealer.json(&config),
        grant: None,
    };
    let held = resolver(sealer.into_sides());
    assert_eq!(
        read(opened, &held).unwrap(),
        Some(Input::Opened(Box::new(config)))
    );
}

#[test]
fn what_is_gone_or_malformed_is_an_error() {
    let mut sealer = Sealer::new(&Zero);
    let text = sealer.text("not json");
    let held = resolver(sealer.into_sides());
    let prompt = PromptSent {
        turn: 1,
        steer: false,
        text,
    };
    assert!(
        matches!(read(prompt, &HashMap::new()), Err(Unreadable::Gone { kind }) if kind == "PromptSent")
    );
    let result = ToolResult {
        step: Step(1),
        ok: true,
        result: text,
        tree: None,
    };
    assert!(
        matches!(read(result, &held), Err(Unreadable::Malformed { kind, .. }) if kind == "ToolResult")
    );
    let asked = ModelAsked {
        step: Step(1),
        provider: "p".into(),
        effect: text,
    };
    assert!(matches!(
        read(asked, &held),
        Err(Unreadable::Malformed { .. })
    ));
}
