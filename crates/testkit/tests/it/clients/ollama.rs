//! Ollama's.

use serde_json::json;
use testkit::provider::{Fault, Reply, Script, Server};

#[test]
fn the_official_client_understands_it() {
    let used = json!({"prompt_tokens": 60, "completion_tokens": 30});
    let script = Script::list([
        Reply::text("Grüße").usage(used.clone()),
        Reply {
            content: Some("I'll look at both files, one after the other.".into()),
            reasoning: Some("Which one? Both, I would think.".into()),
            ..Reply::calls([
                ("read_file".into(), json!({"path": "a/very/long/path.py"})),
                ("read_file".into(), json!({"path": "ü.py"})),
            ])
        }
        .usage(used),
        Reply::text("{}"),
        Reply::refusal(429, "slow down"),
        Reply {
            error: Some("out of memory".into()),
            ..Reply::text("so far").with(Fault::ErrorInStream)
        },
        Reply::refusal(404, "model 'x' not found"),
    ]);
    let server = Server::start(script);
    let Some(seen) = super::run(include_str!("ollama.py"), &server.root_url()) else {
        return;
    };
    let wanted = json!({
        "models": ["scripted"],
        "show": [["completion", "tools"], 65_536],
        "whole": ["Grüße", "stop", 60, 30],
        "stream": [
            "Which one? Both, I would think.",
            "I'll look at both files, one after the other.",
            [["read_file", {"path": "a/very/long/path.py"}], ["read_file", {"path": "ü.py"}]],
            "stop", 30,
        ],
        "again": "{}",
        "limited": [429, "slow down"],
        "broken": [-1, "out of memory"],
        "unknown": [404, "model 'x' not found"],
        "nobody": 404,
    });
    assert_eq!(seen, wanted);
}
