//! OpenAI's.

use serde_json::json;
use testkit::provider::{Fault, Options, Reply, Script, Server};

#[test]
fn the_official_client_understands_it() {
    let script = Script::list([
        Reply::text("Grüße"),
        Reply {
            content: Some("I'll look at both files, one after the other.".into()),
            ..Reply::calls([
                (
                    "read_file".into(),
                    json!({"path": "a/very/long/path/to/a/file.py"}),
                ),
                ("read_file".into(), json!({"path": "b.py"})),
            ])
        },
        Reply::refusal(429, "slow down").retry_after("7"),
        Reply {
            error: Some("overloaded".into()),
            ..Reply::text("so far")
        }
        .with(Fault::ErrorInStream),
    ]);
    let options = Options {
        key: Some("sk-test".into()),
        ..Options::default()
    };
    let server = Server::with(script, options).unwrap();
    let Some(seen) = super::run(include_str!("openai.py"), &server.base_url()) else {
        return;
    };
    let wanted = json!({
        "models": ["scripted"],
        "whole": ["Grüße", "stop", true],
        "stream": [
            "I'll look at both files, one after the other.",
            [["read_file", {"path": "a/very/long/path/to/a/file.py"}], ["read_file", {"path": "b.py"}]],
            "tool_calls", true,
        ],
        "limited": ["rate limit", "7"],
        "broken": ["api error", "overloaded"],
    });
    assert_eq!(seen, wanted);
}
