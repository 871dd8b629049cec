//! Anthropic's.

use serde_json::json;
use testkit::provider::{Fault, Options, Reply, Script, Server};

#[test]
fn the_official_client_understands_it() {
    let used = json!({"prompt_tokens": 60, "completion_tokens": 30});
    let error = |kind: &str| Reply {
        error: Some("too much".into()),
        error_type: Some(kind.into()),
        ..Reply::text("so far").with(Fault::ErrorInStream)
    };
    let script = Script::list([
        Reply::text("Grüße").usage(used.clone()),
        Reply {
            content: Some("I'll look at both files, one after the other.".into()),
            reasoning: Some("Which one? Both, I would think.".into()),
            sealed: Some("c2VhbGVk".into()),
            ..Reply::calls([
                ("read_file".into(), json!({"path": "a/very/long/path.py"})),
                ("read_file".into(), json!({"path": "ü.py"})),
            ])
        }
        .usage(used.clone()),
        Reply::text("Done.").usage(used),
        Reply::refusal(429, "slow down").retry_after("7"),
        Reply::refusal(529, "Overloaded"),
        error("overloaded_error"),
        Reply::text("not reached"),
    ]);
    let options = Options {
        key: Some("sk-test".into()),
        ..Options::default()
    };
    let server = Server::with(script, options).unwrap();
    let Some(seen) = super::run(include_str!("anthropic.py"), &server.root_url()) else {
        return;
    };
    let words = "I'll look at both files, one after the other.";
    let wanted = json!({
        "models": ["scripted"],
        "whole": [[["text", "Grüße"]], "end_turn", [60, 30], "scripted"],
        "stream": [words, [[
            ["redacted_thinking", "c2VhbGVk"],
            ["thinking", "Which one? Both, I would think.", "sig+0003/=="],
            ["text", words],
            ["tool_use", "read_file", {"path": "a/very/long/path.py"}],
            ["tool_use", "read_file", {"path": "ü.py"}],
        ], "tool_use", [60, 30], "scripted"]],
        "again": [[["text", "Done."]], "end_turn", [60, 30], "scripted"],
        "limited": ["rate limit", "7", "rate_limit_error"],
        "overloaded": ["status", 529, "overloaded_error", "Overloaded"],
        "broken": ["status", 200, "overloaded_error", "too much"],
        "refused": true,
    });
    assert_eq!(seen, wanted);
}
