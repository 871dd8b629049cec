//! What goes wrong, and what is made of it.

use atoll_models::WireKind;
use atoll_ports::models::Failure;
use serde_json::json;
use testkit::provider::{Fault, Reply, Script};

use super::{TEXT, events_before_content, fails, once, two_calls};
use crate::stand::{Stand, priced};

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
    let begin = events_before_content(wire);
    let heard = fails(
        wire,
        Reply::text(TEXT).with(Fault::Cut(begin + 2)),
        Failure::Cut,
    )
    .await;
    assert!(TEXT.starts_with(&heard.text()) && !heard.text().is_empty());
    fails(wire, two_calls().with(Fault::Cut(begin + 1)), Failure::Cut).await;
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
        Script::list([Reply::text("short").with(Fault::BreakAtEnd)]),
    );
    let heard = stand.call().await;
    assert_eq!(heard.reply().message.joined_text(), "short");
}

pub async fn silence(wire: WireKind) {
    let inside = Fault::HangAfter(events_before_content(wire) + 1);
    for fault in [Fault::Hang, Fault::HangAfter(0), inside.clone()] {
        let begins = fault == inside;
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

pub async fn a_stream_that_ends_inside_a_character_is_a_cut(wire: WireKind) {
    let plain = "Nothing but plain letters, and then: ";
    let reply = Reply::text(format!("{plain}{TEXT}")).with(Fault::HalfCharacterAtEnd);
    let heard = fails(wire, reply, Failure::Cut).await;
    assert!(plain.starts_with(&heard.text()) && !heard.text().is_empty());
}

pub async fn half_a_character_in_the_middle_is_replaced(wire: WireKind) {
    let heard = once(wire, Reply::text("a ü b").with(Fault::BadCharacter)).await;
    let said = heard.reply().message.joined_text();
    assert!(
        said.starts_with("a \u{fffd}") && said.ends_with(" b"),
        "{said:?}"
    );
    assert_eq!(heard.text(), said);
    let reply = Reply::call("read_file", json!({"path": "ü"}));
    let heard = once(wire, reply.with(Fault::BadCharacter)).await;
    let arguments = &heard.reply().message.tool_calls[0].arguments;
    assert!(arguments.contains('\u{fffd}'), "{arguments}");
}

/// The first reply passes, the second is heard.
async fn second(
    wire: WireKind,
    first: Reply,
    change: fn(&mut atoll_models::Config),
) -> Vec<Failure> {
    let script = Script::list([first, Reply::text(TEXT)]);
    let stand = Stand::with(wire, script, change);
    let heard = stand.call().await;
    assert_eq!(heard.reply().message.joined_text(), TEXT);
    assert_eq!(stand.server.requests().len(), 2);
    heard.retries()
}

pub async fn a_rate_limit_is_waited_for(wire: WireKind) {
    let limit = Reply::refusal(429, "slow down").retry_after("0");
    assert_eq!(second(wire, limit, priced).await, [Failure::RateLimited]);
    // Longer than anyone would wait: nobody does.
    let later = Reply::refusal(429, "come back tomorrow").retry_after("86400");
    let heard = fails(wire, later, Failure::RateLimited).await;
    assert!(
        heard
            .end
            .unwrap_err()
            .words
            .contains("asks to wait 86400 s")
    );
}

pub async fn an_overload_is_tried_again(wire: WireKind) {
    let overload = Reply::refusal(529, "Overloaded");
    assert_eq!(second(wire, overload, priced).await, [Failure::Server]);
}

pub async fn an_error_inside_a_200_is_an_error(wire: WireKind) {
    let error = |words: &str, kind: Option<&str>| Reply {
        error: Some(words.into()),
        error_type: kind.map(str::to_owned),
        ..Reply::default().with(Fault::ErrorInStream)
    };
    // Nothing was passed on: what is free is tried again, what may have been billed is not.
    let overload = || error("Overloaded", Some("overloaded_error"));
    let free: fn(&mut atoll_models::Config) = |_| {};
    assert_eq!(second(wire, overload(), free).await, [Failure::Server]);
    let stand = Stand::with(wire, Script::list([overload()]), priced);
    assert_eq!(stand.call().await.failure(), Failure::Server);
    assert_eq!(stand.server.requests().len(), 1);
    let long = error(
        "the prompt is too long: maximum context length is 9 tokens",
        None,
    );
    fails(wire, long, Failure::Context).await;
    // Arguments that came before it are not acted on.
    let reply = Reply {
        error: Some("the GPU is on fire".into()),
        ..two_calls()
    };
    fails(wire, reply.with(Fault::ErrorInStream), Failure::Server).await;
}
