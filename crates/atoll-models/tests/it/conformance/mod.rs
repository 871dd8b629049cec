//! What every wire must do with a provider in every mood. A new wire joins by one line at the end.

mod faults;
mod replies;
mod requests;

use atoll_domain::Speaker;
use atoll_models::WireKind;
use atoll_ports::models::{Delta, Failure};
use serde_json::json;
use testkit::provider::{Reply, Script};

use crate::stand::{Heard, Stand};

pub const TEXT: &str = "Grüße: the file holds 🦀 and a few words more than fit in one piece.";

pub const WIRES: [WireKind; 3] = [
    WireKind::ChatCompletions,
    WireKind::AnthropicMessages,
    WireKind::Ollama,
];

/// How many events come before the first piece of the content.
fn events_before_content(wire: WireKind) -> usize {
    match wire {
        WireKind::ChatCompletions => 1,
        WireKind::AnthropicMessages => 3,
        WireKind::Ollama => 0,
    }
}

pub async fn once(wire: WireKind, reply: Reply) -> Heard {
    let stand = Stand::new(wire, Script::list([reply]));
    let heard = stand.call().await;
    assert_eq!(stand.server.requests().len(), 1, "it asked more than once");
    heard
}

pub fn two_calls() -> Reply {
    Reply::calls([
        (
            "read_file".into(),
            json!({"path": "src/a/rather/long/path.rs", "n": 1}),
        ),
        ("read_file".into(), json!({"path": "b ü.rs"})),
    ])
}

/// The text arrives whole, in pieces and in the reply alike.
pub async fn says(wire: WireKind, reply: Reply) {
    let heard = once(wire, reply).await;
    assert_eq!(heard.reply().message.joined_text(), TEXT);
    assert_eq!(heard.text(), TEXT);
    assert_eq!(heard.reply().finish, "stop");
    assert_eq!(heard.reply().message.role, Speaker::Assistant);
}

/// Both calls arrive, with arguments as they were written and ids that differ.
pub async fn calls(wire: WireKind, reply: Reply) {
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

pub async fn fails(wire: WireKind, reply: Reply, failure: Failure) -> Heard {
    let heard = once(wire, reply).await;
    assert_eq!(heard.failure(), failure, "{heard:?}");
    heard
}

macro_rules! conformance {
    ($name:ident, $wire:expr, { $($file:ident: [$($test:ident),* $(,)?])* }) => {
        mod $name {
            $($(
                #[tokio::test]
                async fn $test() {
                    super::$file::$test($wire).await;
                }
            )*)*
        }
    };
    ($name:ident, $wire:expr) => {
        conformance!($name, $wire, {
            replies: [
                text, tool_calls, text_and_reasoning_and_calls_together, an_empty_reply_is_a_reply, arguments_that_are_no_json_are_passed_on, a_length_stop_is_said, bytes_one_by_one, a_slow_drip, odd_framing, unknown_fields, a_whole_object_in_place_of_a_stream, no_done_at_the_end, no_finish_reason, odd_ids_and_indexes, usage_is_taken_estimated_or_bounded,
            ]
            faults: [
                a_wrong_key_and_other_refusals, a_conversation_that_is_too_long, garbage, a_reply_without_end_is_bounded, an_error_in_the_middle, a_cut_in_the_middle_is_said_not_mended, a_cut_inside_a_character, a_connection_that_breaks_behind_the_end_loses_nothing, silence, the_time_limit_holds_over_a_drip, a_redirect_is_not_followed, nothing_where_nobody_listens, an_address_without_tls_behind_https, a_stream_that_ends_inside_a_character_is_a_cut, half_a_character_in_the_middle_is_replaced, a_rate_limit_is_waited_for, an_overload_is_tried_again, an_error_inside_a_200_is_an_error,
            ]
            requests: [
                images_are_shown_to_models_that_see, a_reply_in_a_form, thoughts_are_kept_and_go_back_where_they_came_from, a_transcript_of_any_wire_is_taken, the_key_goes_where_the_wire_wants_it, models_are_listed,
            ]
        });
    };
}

conformance!(chat_completions, atoll_models::WireKind::ChatCompletions);
conformance!(
    anthropic_messages,
    atoll_models::WireKind::AnthropicMessages
);
conformance!(ollama, atoll_models::WireKind::Ollama);
