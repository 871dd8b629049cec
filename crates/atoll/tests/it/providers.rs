//! Providers of several wires in one node: a session goes from one to another, each has a budget of its own, and a
//! local Ollama comes and goes.

use serde_json::{Value, json};
use testkit::provider::{Options, Reply, Script, Server};

use crate::scene::{Ran, Scene};

/// Two providers: `first` speaks Anthropic's wire and thinks, `second` speaks Ollama's.
fn project(scene: &Scene, first: &Server, second: &Server, budget: Option<&str>) {
    let (more, price) = match budget {
        Some(usd) => (
            format!("budget_usd_per_day = {usd}\n"),
            ", price = { input_usd = 0, cached_usd = 0, cache_write_usd = 0, output_usd = 100 }",
        ),
        None => (String::new(), ""),
    };
    scene.file("shop/Makefile", "test:\n\tgrep -q total=3 sum.txt\n");
    scene.file("shop/sum.txt", "total=2\n");
    let config = format!(
        "[model]\ndefault = \"first/thinker\"\nnotice = false\n\
         [providers.first]\nwire = \"anthropic-messages\"\nbase_url = \"{}\"\nkey_env = \"FIRST_KEY\"\n{more}\
         models = [{{ name = \"thinker\", context_tokens = 64000, thinking = \"on\"{price} }}]\n\
         [providers.second]\nwire = \"ollama\"\nbase_url = \"{}\"\n\
         models = [{{ name = \"small\", context_tokens = 16000 }}]\n",
        first.base_url(),
        second.root_url(),
    );
    scene.file("atoll/config/config.toml", &config);
}

fn thinking(thought: &str, name: &str, arguments: Value) -> Reply {
    Reply {
        reasoning: Some(thought.into()),
        ..Reply::call(name, arguments)
    }
}

fn run(scene: &Scene, words: &[&str]) -> Ran {
    let mut command = scene.with_node(words);
    Ran::of(command.env("FIRST_KEY", "k-123").output().unwrap())
}

#[test]
fn a_session_goes_on_with_a_model_of_another_wire() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    let first = Server::start(Script::list([
        thinking(
            "I should look first.",
            "read_file",
            json!({"path": "sum.txt"}),
        ),
        thinking("It is short.", "read_file", json!({"path": "Makefile"})),
        Reply::refusal(401, "this key has expired"),
    ]));
    let second = Server::start(Script::list([
        Reply::call(
            "edit",
            json!({"path": "sum.txt", "search": "total=2", "replace": "total=3"}),
        ),
        Reply::call("test", json!({})),
        Reply::call(
            "finish",
            json!({"title": "Fix the sum", "summary": "It was 2."}),
        ),
    ]));
    project(&scene, &first, &second, None);
    let ran = run(&scene, &["code", "make the test pass", "--repo", "shop"]);
    assert_eq!(ran.code, 6, "{}{}", ran.out, ran.err);
    // Within the turn its thoughts went back to it, signed.
    let again = first.requests()[2].json();
    let thought =
        json!({"type": "thinking", "thinking": "I should look first.", "signature": "sig+0001/=="});
    assert_eq!(again["messages"][1]["content"][0], thought);
    assert_eq!(again["thinking"]["type"], "enabled");

    let words = ["session", "resume", "@", "--model", "second/small"];
    let ran = run(&scene, &words);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(
        ran.out.contains("Patch p1 ready: Fix the sum"),
        "{}",
        ran.out
    );
    assert!(ran.err.contains("second/small goes on"), "{}", ran.err);
    let sent = second.requests()[0].json();
    let text = sent.to_string();
    assert!(
        text.contains("total=2") && !text.contains("I should look first."),
        "{text}"
    );
    assert_eq!(sent["options"]["num_ctx"], 16_000);
    assert_eq!(first.requests().len(), 3);

    // What was switched holds from then on, in every reading of the log.
    let view = || run(&scene, &["--json", "session", "show", "s1"]).data();
    assert_eq!(view()["model"], "second/small", "{}", view());
    assert_eq!(run(&scene, &["log", "rebuild"]).code, 0);
    assert_eq!(view()["model"], "second/small");
    assert_eq!(run(&scene, &["log", "verify"]).code, 0);
    let replay = run(&scene, &["log", "replay", "s1"]);
    assert!(
        replay.out.contains("no divergence"),
        "{}{}",
        replay.out,
        replay.err
    );
}

#[test]
fn what_a_model_thought_in_a_turn_that_was_parked_stays_behind_and_is_counted() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    let first = Server::start(Script::list([
        thinking(
            "I should look first.",
            "read_file",
            json!({"path": "sum.txt"}),
        ),
        // Longer than the node lives.
        Reply {
            delay_ms: Some(600_000),
            ..Reply::text("never")
        },
    ]));
    let second = Server::start(Script::list([Reply::call(
        "finish",
        json!({"title": "No", "summary": "Not today.", "solved": false}),
    )]));
    project(&scene, &first, &second, None);
    let ran = run(
        &scene,
        &["code", "make the test pass", "--repo", "shop", "--detach"],
    );
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let patience = std::time::Duration::from_secs(60);
    let asked =
        runtime.block_on(async { tokio::time::timeout(patience, first.requested(2)).await });
    asked.unwrap();
    assert_eq!(run(&scene, &["down"]).code, 0);
    let ran = run(
        &scene,
        &["session", "resume", "@", "--model", "second/small"],
    );
    assert!(
        ran.err
            .contains("second/small goes on; a thought of the model before stays behind"),
        "{}{}",
        ran.out,
        ran.err
    );
    assert!(!second.requests()[0].text.contains("I should look first."));
    let replay = run(&scene, &["log", "replay", "s1"]);
    assert!(
        replay.out.contains("no divergence"),
        "{}{}",
        replay.out,
        replay.err
    );
}

#[test]
fn a_provider_has_a_budget_of_its_own_and_another_goes_on() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    // A call is reserved at its most: 8,192 tokens at $100 for a million are $0.82. The first one costs $0.80.
    let used = json!({"prompt_tokens": 3_000, "completion_tokens": 8_000});
    let first = Server::start(Script::list([
        Reply::call("read_file", json!({"path": "sum.txt"})).usage(used),
        Reply::text("not reached"),
    ]));
    let second = Server::start(Script::list([Reply::call(
        "finish",
        json!({"title": "No", "summary": "Not today.", "solved": false}),
    )]));
    project(&scene, &first, &second, Some("1.50"));
    let words = [
        "code",
        "make the test pass",
        "--repo",
        "shop",
        "--max-cost",
        "50",
    ];
    let ran = run(&scene, &words);
    assert_ne!(ran.code, 0, "{}{}", ran.out, ran.err);
    let all = format!("{}{}", ran.out, ran.err);
    assert!(
        all.contains("the day's budget with first is used up"),
        "{all}"
    );
    let calls = first.requests().len();
    assert_eq!(calls, 1, "{all}");
    // The log remembers after a restart, and another provider is not concerned.
    assert_eq!(run(&scene, &["down"]).code, 0);
    let tried = run(&scene, &["session", "resume", "@", "Go on."]);
    let all = format!("{}{}", tried.out, tried.err);
    assert!(
        all.contains("the day's budget with first is used up"),
        "{all}"
    );
    assert_eq!(first.requests().len(), calls);
    let ran = run(
        &scene,
        &[
            "session",
            "resume",
            "@",
            "Go on.",
            "--model",
            "second/small",
        ],
    );
    assert!(second.requests().len() == 1, "{}{}", ran.out, ran.err);
}

#[test]
fn an_ollama_on_this_machine_is_listed_while_it_answers() {
    let scene = Scene::new();
    let options = Options {
        models: vec!["qwen2.5-coder:7b".into()],
        ..Options::default()
    };
    let server = Server::with(Script::list([]), options).unwrap();
    let url = server.base_url();
    // The usual port may be taken by a real one: another address under its name.
    scene.file(
        "atoll/config/config.toml",
        &format!("[providers.ollama]\nbase_url = \"{url}\"\n"),
    );
    let list = || run(&scene, &["model", "list"]);
    let here = list();
    assert_eq!(here.code, 0, "{}{}", here.out, here.err);
    assert!(
        here.out.contains("ollama/qwen2.5-coder:7b") && here.out.contains("answers now"),
        "{}",
        here.out
    );
    drop(server);
    let gone = list();
    assert_eq!(gone.code, 0, "{}", gone.err);
    assert!(!gone.out.contains("qwen2.5-coder:7b"), "{}", gone.out);
    assert!(!gone.err.contains("ollama"), "{}", gone.err);
}
