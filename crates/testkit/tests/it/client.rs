//! The provider's own Python client, where it is installed, agrees that this is its wire.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testkit::provider::{Fault, Options, Reply, Script, Server};

const PROGRAM: &str = r#"
import json, sys, openai
client = openai.OpenAI(base_url=sys.argv[1], api_key="sk-test", max_retries=0)
out = {"models": [m.id for m in client.models.list().data]}
ask = dict(model="scripted", messages=[{"role": "user", "content": "hi"}])
tool = {"type": "function", "function": {"name": "read_file", "parameters": {"type": "object"}}}
whole = client.chat.completions.create(**ask)
out["whole"] = [whole.choices[0].message.content, whole.choices[0].finish_reason, whole.usage.total_tokens > 0]
text, calls, usage, finish = "", {}, None, None
stream = client.chat.completions.create(**ask, tools=[tool], stream=True, stream_options={"include_usage": True})
for chunk in stream:
    usage = chunk.usage or usage
    for choice in chunk.choices:
        finish = choice.finish_reason or finish
        text += choice.delta.content or ""
        for call in choice.delta.tool_calls or []:
            at = calls.setdefault(call.index, ["", ""])
            at[0] += call.function.name or ""
            at[1] += call.function.arguments or ""
out["stream"] = [text, [[n, json.loads(a)] for n, a in calls.values()], finish, usage.prompt_tokens > 0]
for name in ("limited", "broken"):
    try:
        for _ in client.chat.completions.create(**ask, stream=True):
            pass
        out[name] = "no error"
    except openai.RateLimitError as err:
        out[name] = ["rate limit", err.response.headers["retry-after"]]
    except openai.APIError as err:
        out[name] = ["api error", err.message]
print(json.dumps(out))
"#;

fn python() -> Option<String> {
    let python = std::env::var("ATOLL_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = Command::new(&python)
        .args(["-c", "import openai"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success());
    found.then_some(python)
}

#[test]
fn the_official_client_understands_it() {
    let Some(python) = python() else {
        eprintln!("SKIPPED: no Python with the `openai` package; point ATOLL_TEST_PYTHON at one");
        return;
    };
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
    let output = Command::new(python)
        .args(["-c", PROGRAM, &server.base_url()])
        .env_remove("HTTP_PROXY")
        .env_remove("http_proxy")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
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

#[test]
fn the_example_serves_a_script_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("script.json");
    std::fs::write(&file, r#"[{"content": "from a file"}]"#).unwrap();
    let Some(program) = example() else {
        eprintln!(
            "SKIPPED: the example isn't built; run `cargo test -p testkit` without a filter on targets"
        );
        return;
    };
    let mut child = Command::new(program)
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    assert!(
        url.trim().starts_with("http://127.0.0.1:") && url.trim().ends_with("/v1"),
        "{url}"
    );
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// Examples are built beside the tests: `target/debug/examples`, the test's own path being `…/deps/it-…`.
fn example() -> Option<std::path::PathBuf> {
    let this = std::env::current_exe().ok()?;
    let program = this.parent()?.parent()?.join("examples/scripted-server");
    program.exists().then_some(program)
}
