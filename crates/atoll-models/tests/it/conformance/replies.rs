//! Replies, as providers write them and as they shouldn't.

use atoll_models::WireKind;
use atoll_ports::models::Delta;
use serde_json::json;
use testkit::provider::{Fault, Reply};

use super::{TEXT, calls, once, says, two_calls};

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
