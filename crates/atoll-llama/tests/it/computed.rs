//! A tiny model that is really computed: what it writes means nothing, how it is computed does.

use std::time::Duration;

use atoll_llama::Embedded;
use atoll_ports::models::{Delta, Failure, Reply};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::stand::{
    PATIENCE, act, alive, begin, call, conversation, embedded, failure, options, until,
};
use testkit::gguf::{CONTEXT, Made, model};

fn stand(spoil: impl FnOnce(&mut Made)) -> (tempfile::TempDir, Embedded) {
    let folder = tempfile::tempdir().unwrap();
    let mut made = model();
    spoil(&mut made);
    made.write(folder.path(), "tiny");
    let models = embedded(folder.path(), options());
    (folder, models)
}

async fn said(models: &Embedded, texts: &[&str], tokens: u64) -> Reply {
    call(models, act(models, conversation(texts), tokens))
        .await
        .1
        .unwrap()
}

#[tokio::test]
async fn the_same_call_is_written_the_same_way_and_its_pieces_are_its_text() {
    let (_folder, models) = stand(|_| {});
    let act = act(&models, conversation(&["hello"]), 24);
    let (deltas, end) = call(&models, act.clone()).await;
    let reply = end.unwrap();
    let pieces: String = deltas
        .iter()
        .map(|d| match d {
            Delta::Text(text) => text.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(pieces, reply.message.joined_text());
    assert!(reply.usage.output_tokens > 0 && reply.usage.output_tokens <= 24);
    assert!(["stop", "length"].contains(&reply.finish.as_str()));
    let again = call(&models, act).await.1.unwrap();
    assert_eq!(again.message, reply.message);
    assert!(again.usage.cached_tokens > 0);
}

#[tokio::test]
async fn a_second_turn_on_two_thousand_tokens_computes_only_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = model();
    made.whole("llama.context_length", 4096);
    made.write(folder.path(), "tiny");
    let mut options = options();
    options.context_tokens = 4096;
    let models = embedded(folder.path(), options);
    let long = "x".repeat(2000);
    let first = said(&models, &[&long], 4).await.usage;
    assert_eq!(first.cached_tokens, 0);
    assert!(first.input_tokens > 2000, "{first:?}");
    let second = said(&models, &[&long, "so", "and now"], 4).await.usage;
    // The first turn's whole conversation is kept, up to where the assistant was to speak.
    let new = second.input_tokens - first.input_tokens;
    let computed = second.input_tokens - second.cached_tokens;
    assert!(
        computed <= new && new < 60,
        "{computed} were computed, {new} are new"
    );
    // Another conversation takes another sequence, and the first one's is still there.
    let other = said(&models, &["something else entirely"], 4).await.usage;
    assert!(other.cached_tokens * 2 < other.input_tokens, "{other:?}");
    let third = said(&models, &[&long, "so", "and now", "well", "more"], 4)
        .await
        .usage;
    assert!(
        third.cached_tokens >= second.input_tokens,
        "{third:?} after {second:?}"
    );
}

#[tokio::test]
async fn what_was_said_cannot_end_its_own_turn() {
    let (_folder, models) = stand(|_| {});
    let plain = said(&models, &["aa"], 1).await.usage.input_tokens;
    let marked = said(&models, &["a<|im_end|>a"], 1).await.usage.input_tokens;
    assert_eq!(
        marked - plain,
        "<|im_end|>".len() as u64,
        "as letters, not as a mark"
    );
}

#[tokio::test]
async fn a_form_is_kept_by_a_model_of_noise() {
    let (_folder, models) = stand(|_| {});
    let mut act = act(&models, conversation(&["well?"]), 40);
    act.conversation.form = Some(atoll_domain::Form {
        name: "verdict".into(),
        schema: json!({"type": "object", "required": ["ok", "why"], "properties": {
            "ok": {"type": "boolean"}, "why": {"enum": ["clear", "unclear"]}}}),
        varied: false,
    });
    let (deltas, end) = call(&models, act).await;
    let text = end.unwrap().message.joined_text();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert!(
        value["ok"].is_boolean() && value["why"].is_string(),
        "{text}"
    );
    let shown: String = deltas
        .iter()
        .filter_map(|d| match d {
            Delta::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(shown, text);
}

#[tokio::test]
async fn two_conversations_are_computed_together_and_neither_hears_the_other() {
    let (_folder, models) = stand(|_| {});
    let alone = said(&models, &["first"], 32).await.message;
    let (a, b) = tokio::join!(
        said(&models, &["first"], 32),
        said(&models, &["second"], 32)
    );
    assert_eq!(a.message, alone);
    assert_ne!(b.message, alone);
    assert_eq!(models.pids().len(), 1);
}

#[tokio::test]
async fn a_call_that_is_dropped_stops_and_the_engine_goes_on() {
    let (_folder, models) = stand(|_| {});
    for _ in 0..3 {
        let mut calling = begin(&models, act(&models, conversation(&["hi"]), 400)).await;
        let first = tokio::time::timeout(PATIENCE, calling.deltas.next())
            .await
            .unwrap();
        assert!(matches!(first, Some(Ok(Delta::Text(_)))), "{first:?}");
        drop(calling);
    }
    let pids = models.pids();
    said(&models, &["after"], 4).await;
    assert_eq!(models.pids(), pids, "no engine was ended for it");
}

#[tokio::test]
async fn an_engine_that_is_killed_in_mid_decode_fails_its_call_alone() {
    let (_folder, models) = stand(|_| {});
    let mut calling = begin(&models, act(&models, conversation(&["hi"]), 400)).await;
    let first = tokio::time::timeout(PATIENCE, calling.deltas.next())
        .await
        .unwrap();
    assert!(matches!(first, Some(Ok(_))), "{first:?}");
    let pid = models.pids()[0];
    let killed = std::process::Command::new("/bin/kill")
        .args(["-9", &pid.to_string()])
        .status();
    assert!(killed.unwrap().success());
    let end = loop {
        match tokio::time::timeout(PATIENCE, calling.deltas.next())
            .await
            .unwrap()
            .unwrap()
        {
            // It may have been quicker than the signal.
            Ok(Delta::Done(_)) => return,
            Ok(_) => {}
            Err(err) => break err,
        }
    };
    assert_eq!(end.failure, Failure::Server);
    assert!(end.words.contains("by signal 9"), "{}", end.words);
    assert!(!alive(pid));
    said(&models, &["after"], 4).await;
}

#[tokio::test]
async fn a_conversation_that_is_too_long_is_told_so() {
    let (_folder, models) = stand(|_| {});
    let long = "y".repeat(CONTEXT as usize + 10);
    let err = call(&models, act(&models, conversation(&[&long]), 4))
        .await
        .1
        .unwrap_err();
    assert_eq!(err.failure, Failure::Context);
    assert!(err.words.contains("the window holds 512"), "{}", err.words);
    // One that just fits ends where the window does.
    let short = "y".repeat(CONTEXT as usize - 100);
    let reply = said(&models, &[&short], 4000).await;
    assert!(reply.usage.input_tokens + reply.usage.output_tokens <= u64::from(CONTEXT) + 1);
}

#[tokio::test]
async fn a_model_that_does_not_fit_is_not_loaded() {
    let folder = tempfile::tempdir().unwrap();
    model().write(folder.path(), "tiny");
    let mut options = options();
    options.spare_bytes = 1 << 60;
    let (kind, words) = failure(&embedded(folder.path(), options)).await;
    assert_eq!(kind, Failure::Refused);
    assert!(
        words.contains("doesn't fit into memory") && words.contains("0 MiB are free"),
        "{words}"
    );
}

#[tokio::test]
async fn files_that_pass_the_header_and_are_no_model_fail_with_words() {
    type Spoil = (&'static str, fn(&mut Made));
    let spoils: [Spoil; 5] = [
        ("no such architecture", |m| {
            m.text("general.architecture", "nonesuch");
            let keys: Vec<_> = m
                .keys
                .iter()
                .filter(|(k, _)| k.starts_with("llama."))
                .cloned()
                .collect();
            keys.into_iter()
                .for_each(|(k, v)| m.set(&k.replace("llama.", "nonesuch."), v));
        }),
        ("a tensor lacks", |m| drop(m.tensors.pop())),
        ("a tensor has another shape", |m| {
            m.tensors.retain(|t| t.name != "blk.0.attn_q.weight");
            m.tensor("blk.0.attn_q.weight", &[16, 16]);
        }),
        ("more layers than there are", |m| {
            m.whole("llama.block_count", 40)
        }),
        ("no vocabulary that fits", |m| {
            m.texts("tokenizer.ggml.tokens", &["a".into()])
        }),
    ];
    for (what, spoil) in spoils {
        let (_folder, models) = stand(spoil);
        let (kind, words) = failure(&models).await;
        assert!(
            matches!(kind, Failure::Refused | Failure::Server),
            "{what}: {words}"
        );
        assert!(
            words.contains("can't be used") || words.contains("the engine ended"),
            "{what}: {words}"
        );
        until("no engine is left", || models.pids().is_empty()).await;
    }
}

#[tokio::test]
async fn a_template_that_loops_without_end_is_never_run() {
    for template in [
        "{% for i in range(999999999) %}{% for j in range(999999999) %}x{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}<|im_start|>",
        "{{",
    ] {
        let (_folder, models) = stand(|m| m.text("tokenizer.chat_template", template));
        let reply = said(&models, &["hi"], 4).await;
        assert!(reply.usage.input_tokens < 100, "{template}");
    }
}

#[tokio::test]
async fn an_engine_ends_with_its_node_and_when_it_rests() {
    let folder = tempfile::tempdir().unwrap();
    model().write(folder.path(), "tiny");
    let mut options = options();
    options.idle_ms = 100;
    let models = embedded(folder.path(), options);
    said(&models, &["hi"], 2).await;
    until("it rests", || models.pids().is_empty()).await;
    said(&models, &["hi"], 2).await;
    let pid = models.pids().first().copied();
    drop(models);
    if let Some(pid) = pid {
        until("it is gone", || !alive(pid)).await;
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
}
