//! What every wire must do with a provider in every mood. A new wire joins by one line at the end.

use atoll_domain::Speaker;
use atoll_models::WireKind;
use atoll_ports::models::{Delta, Failure};
use serde_json::json;
use testkit::provider::{Fault, Reply, Script};

use crate::stand::{Heard, Stand, priced};

const TEXT: &str = "Grüße: the file holds 🦀 and a few words more than fit in one piece.";

async fn once(wire: WireKind, reply: Reply) -> Heard {
    let stand = Stand::new(wire, Script::list([reply]));
    let heard = stand.call().await;
    assert_eq!(stand.server.requests().len(), 1, "it asked more than once");
    heard
}

fn two_calls() -> Reply {
    Reply::calls([
        (
            "read_file".into(),
            json!({"path": "src/a/rather/long/path.rs", "n": 1}),
        ),
        ("read_file".into(), json!({"path": "b ü.rs"})),
    ])
}

/// The text arrives whole, in pieces and in the reply alike.
async fn says(wire: WireKind, reply: Reply) {
    let heard = once(wire, reply).await;
    assert_eq!(heard.reply().message.joined_text(), TEXT);
    assert_eq!(heard.text(), TEXT);
    assert_eq!(heard.reply().finish, "stop");
    assert_eq!(heard.reply().message.role, Speaker::Assistant);
}

/// Both calls arrive, with arguments as they were written and ids that differ.
async fn calls(wire: WireKind, reply: Reply) {
    let heard = once(wire, reply).await;
    let reply = heard.reply();
    let arguments: Vec<serde_json::Value> = reply
        .message
        .tool_calls
        .iter()
        .map(|c| serde_json::from_str(&c.arguments).unwrap())
        .collect();
    assert_eq!(
        arguments,
        [
            json!({"path": "src/a/rather/long/path.rs", "n": 1}),
            json!({"path": "b ü.rs"})
        ]
    );
    assert!(
        reply
            .message
            .tool_calls
            .iter()
            .all(|c| c.name == "read_file" && !c.id.is_empty())
    );
    assert_ne!(
        reply.message.tool_calls[0].id,
        reply.message.tool_calls[1].id
    );
    assert_eq!(reply.finish, "tool_calls");
    let named = heard
        .deltas
        .iter()
        .filter(|d| **d == Delta::ToolNamed("read_file".into()));
    assert_eq!(named.count(), 2);
}

async fn fails(wire: WireKind, reply: Reply, failure: Failure) -> Heard {
    let heard = once(wire, reply).await;
    assert_eq!(heard.failure(), failure, "{heard:?}");
    heard
}

pub async fn text(wire: WireKind) {
    says(wire, Reply::text(TEXT)).await;
}

pub async fn tool_calls(wire: WireKind) {
    calls(wire, two_calls()).await;
}

pub async fn text_and_reasoning_and_calls_together(wire: WireKind) {
    let reply = Reply {
        content: Some("I look.".into()),
        reasoning: Some("Which file? That one.".into()),
        ..two_calls()
    };
    let heard = once(wire, reply).await;
    assert_eq!(heard.text(), "I look.");
    let thought: String = heard
        .deltas
        .iter()
        .filter_map(|d| match d {
            Delta::Reasoning(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(thought, "Which file? That one.");
    assert_eq!(heard.reply().message.joined_text(), "I look.");
    assert_eq!(heard.reply().message.tool_calls.len(), 2);
}

pub async fn an_empty_reply_is_a_reply(wire: WireKind) {
    let heard = once(wire, Reply::text("")).await;
    assert!(heard.reply().message.content.is_empty());
    assert_eq!(heard.reply().finish, "stop");
}

pub async fn arguments_that_are_no_json_are_passed_on(wire: WireKind) {
    let heard = once(wire, Reply::call("read_file", json!("{\"path\": oops"))).await;
    assert_eq!(
        heard.reply().message.tool_calls[0].arguments,
        "{\"path\": oops"
    );
}

pub async fn a_length_stop_is_said(wire: WireKind) {
    let reply = Reply {
        finish: Some("length".into()),
        ..Reply::text("so far")
    };
    assert_eq!(once(wire, reply).await.reply().finish, "length");
}

pub async fn bytes_one_by_one(wire: WireKind) {
    says(wire, Reply::text(TEXT).with(Fault::Bytewise)).await;
}

pub async fn a_slow_drip(wire: WireKind) {
    says(wire, Reply::text(TEXT).with(Fault::Drip(5))).await;
}

pub async fn odd_framing(wire: WireKind) {
    says(wire, Reply::text(TEXT).with(Fault::OddEvents)).await;
    calls(wire, two_calls().with(Fault::OddEvents)).await;
}

pub async fn unknown_fields(wire: WireKind) {
    says(wire, Reply::text(TEXT).with(Fault::UnknownFields)).await;
    calls(wire, two_calls().with(Fault::UnknownFields)).await;
}

pub async fn a_whole_object_in_place_of_a_stream(wire: WireKind) {
    says(wire, Reply::text(TEXT).with(Fault::NotStreamed)).await;
    calls(wire, two_calls().with(Fault::NotStreamed)).await;
}

pub async fn no_done_at_the_end(wire: WireKind) {
    says(wire, Reply::text(TEXT).with(Fault::NoDone)).await;
}

pub async fn no_finish_reason(wire: WireKind) {
    says(wire, Reply::text(TEXT).with(Fault::NoFinish)).await;
    calls(wire, two_calls().with(Fault::NoFinish)).await;
}

pub async fn odd_ids_and_indexes(wire: WireKind) {
    for fault in [
        Fault::SameIds,
        Fault::NoIds,
        Fault::NoIndex,
        Fault::IndexZero,
        Fault::ChangingIds,
        Fault::ObjectArguments,
    ] {
        calls(wire, two_calls().with(fault)).await;
    }
    calls(wire, two_calls().with(Fault::NoIds).with(Fault::NoIndex)).await;
    calls(wire, two_calls().with(Fault::NoIds).with(Fault::IndexZero)).await;
}

pub async fn a_wrong_key_and_other_refusals(wire: WireKind) {
    for (status, failure) in [
        (400, Failure::Refused),
        (401, Failure::Auth),
        (403, Failure::Auth),
        (404, Failure::Refused),
        (413, Failure::Context),
    ] {
        let heard = fails(wire, Reply::refusal(status, "because"), failure).await;
        let error = heard.end.unwrap_err();
        assert_eq!(error.status, Some(status));
        assert!(error.words.contains("because"), "{}", error.words);
    }
}

pub async fn a_conversation_that_is_too_long(wire: WireKind) {
    let reply = Reply {
        error_code: Some("context_length_exceeded".into()),
        ..Reply::refusal(400, "This model's maximum context length is 4096 tokens")
    };
    fails(wire, reply, Failure::Context).await;
}

pub async fn garbage(wire: WireKind) {
    fails(
        wire,
        Reply::text(TEXT).with(Fault::GarbageBody),
        Failure::Garbage,
    )
    .await;
    fails(
        wire,
        Reply::text(TEXT).with(Fault::WebPage),
        Failure::Garbage,
    )
    .await;
    fails(
        wire,
        Reply::text(TEXT).with(Fault::LongLine(3_000_000)),
        Failure::Garbage,
    )
    .await;
    let heard = fails(
        wire,
        Reply::text(TEXT).with(Fault::GarbageEvents),
        Failure::Garbage,
    )
    .await;
    assert!(TEXT.starts_with(&heard.text()) && !heard.text().is_empty());
}

pub async fn a_reply_without_end_is_bounded(wire: WireKind) {
    let heard = fails(
        wire,
        Reply::default().with(Fault::Huge(10_000_000)),
        Failure::Garbage,
    )
    .await;
    assert!(heard.text().len() <= 256 * 1024);
}

pub async fn an_error_in_the_middle(wire: WireKind) {
    let reply = Reply {
        error: Some("the GPU is on fire".into()),
        ..Reply::text(TEXT)
    };
    let heard = fails(wire, reply.with(Fault::ErrorInStream), Failure::Server).await;
    assert_eq!(heard.text(), TEXT);
    assert!(heard.end.unwrap_err().words.contains("the GPU is on fire"));
}

pub async fn a_cut_in_the_middle_is_said_not_mended(wire: WireKind) {
    let heard = fails(wire, Reply::text(TEXT).with(Fault::Cut(3)), Failure::Cut).await;
    assert!(TEXT.starts_with(&heard.text()) && !heard.text().is_empty());
    fails(wire, two_calls().with(Fault::Cut(3)), Failure::Cut).await;
}

pub async fn a_cut_inside_a_character(wire: WireKind) {
    let plain = "Nothing but plain letters, and then: ";
    let reply = Reply::text(format!("{plain}{TEXT}")).with(Fault::HalfCharacter);
    let heard = fails(wire, reply, Failure::Cut).await;
    assert!(plain.starts_with(&heard.text()) && !heard.text().is_empty());
}

pub async fn a_connection_that_breaks_behind_the_end_loses_nothing(wire: WireKind) {
    let stand = Stand::new(
        wire,
        Script::list([Reply::text("short").with(Fault::Cut(4))]),
    );
    let heard = stand.call().await;
    // Four events: a beginning, the text, the end, the usage. The break comes in place of `[DONE]`.
    assert_eq!(heard.reply().message.joined_text(), "short");
}

pub async fn silence(wire: WireKind) {
    for fault in [Fault::Hang, Fault::HangAfter(0), Fault::HangAfter(2)] {
        let begins = fault == Fault::HangAfter(2);
        let script = Script::list([Reply::text(TEXT).with(fault)]);
        let stand = Stand::with(wire, script, |config| {
            config.timeouts.first_byte_ms = if begins { 30_000 } else { 200 };
            config.timeouts.idle_ms = 200;
        });
        let heard = stand.call().await;
        assert_eq!(heard.failure(), Failure::Timeout);
        assert!(TEXT.starts_with(&heard.text()));
        let left = tokio::time::timeout(crate::stand::PATIENCE, stand.server.hung_up(1));
        left.await.unwrap();
    }
}

pub async fn the_time_limit_holds_over_a_drip(wire: WireKind) {
    let endless = Reply::text(TEXT.repeat(1_000)).with(Fault::Drip(20));
    let stand = Stand::new(wire, Script::list([endless]));
    let mut act = stand.act();
    act.ttl_s = 1;
    let heard = stand.call_of(act).await;
    assert_eq!(heard.failure(), Failure::Timeout);
    assert!(heard.end.unwrap_err().words.contains("longer than its 1 s"));
}

pub async fn usage_is_taken_estimated_or_bounded(wire: WireKind) {
    let told = json!({"prompt_tokens": 60, "completion_tokens": 30, "total_tokens": 90});
    let usage = once(wire, Reply::text(TEXT).usage(told))
        .await
        .reply()
        .usage;
    assert_eq!(
        (usage.input_tokens, usage.output_tokens, usage.reported),
        (60, 30, true)
    );
    let estimate = once(wire, Reply::text(TEXT).with(Fault::NoUsage))
        .await
        .reply()
        .usage;
    assert_eq!(
        (estimate.output_tokens, estimate.reported),
        (TEXT.len().div_ceil(4) as u64, false)
    );
    for lie in [
        json!({"prompt_tokens": 9_007_199_254_740_993_u64, "completion_tokens": 1e300}),
        json!({"prompt_tokens": -1, "completion_tokens": -1}),
        json!({"prompt_tokens": 0, "completion_tokens": 0}),
        json!("lots"),
    ] {
        let usage = once(wire, Reply::text(TEXT).usage(lie.clone()))
            .await
            .reply()
            .usage;
        assert!(!usage.reported, "{lie}");
        assert!(
            (1..=10_000).contains(&usage.input_tokens),
            "{lie}: {usage:?}"
        );
        assert!(
            (1..=1_000).contains(&usage.output_tokens),
            "{lie}: {usage:?}"
        );
    }
}

pub async fn a_redirect_is_not_followed(wire: WireKind) {
    let elsewhere = Stand::new(wire, Script::list([Reply::text("stolen")]));
    let to = format!("{}/chat/completions", elsewhere.server.base_url());
    let heard = fails(
        wire,
        Reply::text("").with(Fault::Redirect(to)),
        Failure::Refused,
    )
    .await;
    assert!(heard.end.unwrap_err().words.contains("redirect"));
    assert!(elsewhere.server.requests().is_empty());
}

pub async fn nothing_where_nobody_listens(wire: WireKind) {
    for change in [priced, |_: &mut _| {}] {
        let mut stand = Stand::with(wire, Script::list([]), change);
        let act = stand.act();
        // Nobody listens at the old address any more.
        stand.server = testkit::provider::Server::start(Script::list([]));
        let heard = stand.call_of(act).await;
        assert_eq!(heard.failure(), Failure::Unreachable);
        assert_eq!(heard.retries(), [Failure::Unreachable; 2]);
    }
}

pub async fn an_address_without_tls_behind_https(wire: WireKind) {
    let stand = Stand::with(wire, Script::list([]), |config| {
        let url = config.providers[0].base_url.as_mut().unwrap();
        *url = url.replace("http:", "https:");
    });
    assert_eq!(stand.call().await.failure(), Failure::Unreachable);
    assert!(stand.server.requests().is_empty());
}

macro_rules! conformance {
    ($name:ident, $wire:expr, [$($test:ident),* $(,)?]) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test($wire).await;
                }
            )*
        }
    };
    ($name:ident, $wire:expr) => {
        conformance!($name, $wire, [
            text, tool_calls, text_and_reasoning_and_calls_together, an_empty_reply_is_a_reply,
            arguments_that_are_no_json_are_passed_on, a_length_stop_is_said, bytes_one_by_one, a_slow_drip,
            odd_framing, unknown_fields, a_whole_object_in_place_of_a_stream, no_done_at_the_end,
            no_finish_reason, odd_ids_and_indexes, a_wrong_key_and_other_refusals,
            a_conversation_that_is_too_long, garbage, a_reply_without_end_is_bounded, an_error_in_the_middle,
            a_cut_in_the_middle_is_said_not_mended, a_cut_inside_a_character,
            a_connection_that_breaks_behind_the_end_loses_nothing, silence, the_time_limit_holds_over_a_drip,
            usage_is_taken_estimated_or_bounded, a_redirect_is_not_followed, nothing_where_nobody_listens,
            an_address_without_tls_behind_https,
        ]);
    };
}

conformance!(chat_completions, atoll_models::WireKind::ChatCompletions);
