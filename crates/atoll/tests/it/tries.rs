//! `atoll try` through the whole binary: it mends, it doesn't, its model goes away, there is none; what is chosen
//! and what is only offered.

use serde_json::{Value, json};
use testkit::provider::{Fault, Options, Reply, Script, Server};

use crate::hostile::until;
use crate::keys::{Typist, seen};
use crate::kit::nothing_left;
use crate::moments::Watched;
use crate::scene::{Ran, Scene};
use crate::transcripts::all_fit;

const WRONG: &str = "return round(amount + tax(amount, percent), 1)";
const RIGHT: &str = "return round(amount + tax(amount, percent), 2)";

fn mends() -> Script {
    Script::list([
        Reply::call("read_file", json!({ "path": "till/total.py" })),
        Reply::call(
            "edit",
            json!({ "path": "till/total.py", "search": WRONG, "replace": RIGHT }),
        ),
        Reply::call("test", json!({})),
        Reply::call(
            "finish",
            json!({ "title": "Fix rounding in total()", "summary": "It kept one place." }),
        ),
    ])
}

fn line(right: &str) -> Reply {
    Reply::text(json!({ "wrong": WRONG, "right": right }).to_string())
}

/// A scene with the model `mine/scripted`, which is the default. Nothing of the machine's own is looked for.
fn scene(server: &Server, small: bool) -> Option<Scene> {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return None;
    }
    let config = format!(
        "[model]\ndefault = \"mine/scripted\"\nnotice = false\n[retries]\nattempts_max = 1\n\
         [providers.mine]\nbase_url = \"{}\"\n\
         models = [{{ name = \"scripted\", context_tokens = 32000, small = {small} }}]\n",
        server.base_url()
    );
    scene.file("atoll/config/config.toml", &config);
    Some(scene)
}

fn run(scene: &Scene, words: &[&str]) -> Ran {
    Ran::of(scene.with_node(words).output().unwrap())
}

fn has(ran: &Ran, all: &[&str]) {
    let both = format!("{}{}", ran.err, ran.out);
    for words in all {
        assert!(both.contains(words), "{words:?} is not in:\n{both}");
    }
}

/// That what was said is what a block of docs/try.md shows, counted from 0.
#[track_caller]
fn as_on_the_page(block: usize, ran: &Ran) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/try.md");
    let page = std::fs::read_to_string(page).unwrap();
    let text = page.split("```text\n").nth(block + 1).unwrap();
    let text = text.split("```").next().unwrap();
    let expected: Vec<String> = text.lines().map(str::to_owned).collect();
    let both = format!("{}{}", ran.err, ran.out);
    let lines: Vec<&str> = both.lines().map(str::trim_end).collect();
    assert!(
        all_fit(&expected, &lines),
        "docs/try.md, block {block}:\n{text}\nis not:\n{both}"
    );
}

#[test]
fn the_sample_is_mended_before_ones_eyes() {
    let server = Server::start(mends());
    let Some(scene) = scene(&server, false) else {
        return;
    };
    let mut command = scene.with_node(&["try", "--or-status"]);
    let ran = Ran::of(
        command
            .env("ATOLL_CALLED_AS", "./dev run")
            .output()
            .unwrap(),
    );
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    as_on_the_page(0, &ran);
    assert_eq!(run(&scene, &["log", "verify"]).code, 0);
    let sample = scene.path().join("atoll/cache/samples/till/till/total.py");
    assert!(std::fs::read_to_string(&sample).unwrap().contains(WRONG));

    // It can be accepted as any other patch; the next try has a copy of its own.
    assert_eq!(run(&scene, &["patch", "accept", "p1"]).code, 0);
    assert!(std::fs::read_to_string(&sample).unwrap().contains(RIGHT));
    let status = run(&scene, &["try", "--or-status"]);
    assert_eq!(status.code, 0);
    has(&status, &["node  ", "up "]);
    assert!(!status.err.contains("Trying"), "{}", status.err);
    let again = run(&scene, &["try"]);
    assert_ne!(again.code, 0, "the script has ended: {}", again.out);
    assert!(scene.path().join("atoll/cache/samples/till-2").is_dir());
    nothing_left(&scene);
}

#[test]
fn a_small_model_is_led_and_each_try_begins_anew() {
    let spoil = || line("return round(amount, 1)");
    // The first try: twelve replies that don't mend it. The second mends at its third.
    let mut replies: Vec<Reply> = (0..12).map(|_| spoil()).collect();
    replies.extend([Reply::text("I can't."), spoil(), line(RIGHT)]);
    let server = Server::start(Script::list(replies));
    let Some(scene) = scene(&server, true) else {
        return;
    };
    let ran = run(&scene, &["try", "--tries", "3"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    has(
        &ran,
        &[
            "try     1 of 3",
            "No patch: 1 test still fails after 12 turns.",
            "try     2 of 3",
            "agent   return round(amount + tax(amount, percent), 2)",
            "Patch p1 ready: Make test_rounded_to_the_cent",
            "It was mended in try 2; the tests judged each.",
        ],
    );
    let asked = server.requests()[0].json();
    assert!(asked.get("tools").is_none(), "{asked}");
    let third = server.requests()[2].json();
    let schema = &third["response_format"]["json_schema"]["schema"]["properties"];
    assert!(
        schema["wrong"]["enum"]
            .as_array()
            .unwrap()
            .contains(&json!(WRONG))
    );
    let replay = run(&scene, &["log", "replay", "s2"]);
    has(&replay, &["no divergence"]);
    assert_eq!(run(&scene, &["log", "verify"]).code, 0);
}

#[test]
fn when_it_does_not_get_there_that_is_said() {
    let server = Server::start(Script::by_function(|_| line("return round(amount, 1)")));
    let Some(scene) = scene(&server, true) else {
        return;
    };
    let ran = run(&scene, &["try", "--tries", "2"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    as_on_the_page(1, &ran);
    let json = run(&scene, &["--json", "try", "--tries", "1"]);
    assert_eq!(json.code, 1);
    let last: Value = serde_json::from_str(json.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["kind"], "result");
    let data = &last["data"];
    assert_eq!(data["mended"], false);
    assert_eq!((&data["tries"], &data["exit"]), (&json!(1), &json!(1)));
    let results = json
        .out
        .lines()
        .filter(|l| l.contains("\"kind\":\"result\""));
    assert_eq!(results.count(), 1, "{}", json.out);
}

#[test]
fn a_model_that_goes_away_is_said() {
    let cut = || Reply::text("I look at it, and").with(Fault::Cut(2));
    let server = Server::start(Script::list([cut(), cut(), cut()]));
    let Some(scene) = scene(&server, false) else {
        return;
    };
    let ran = run(&scene, &["try"]);
    assert_eq!(ran.code, 6, "{}{}", ran.out, ran.err);
    has(
        &ran,
        &[
            "No patch",
            "did not answer",
            "Next  atoll model test mine/scripted",
        ],
    );
}

#[test]
fn ctrl_c_ends_it() {
    let endless = Reply::text("I will look at it, and then").with(Fault::HangAfter(2));
    let server = Server::start(Script::list([endless]));
    let Some(scene) = scene(&server, true) else {
        return;
    };
    let watched = Watched::start(&scene, &["try"]);
    until("it is asked", || !server.requests().is_empty());
    watched.signal("INT");
    let ran = watched.end();
    assert_eq!(ran.code, 130, "{}{}", ran.out, ran.err);
    has(&ran, &["Stopped", "Next  atoll try\n"]);
    assert!(!ran.err.contains("try     2"), "{}", ran.err);
    nothing_left(&scene);
}

#[test]
fn a_model_that_ollama_serves_is_found_and_becomes_the_default() {
    let options = Options {
        models: vec!["qwen2.5-coder:7b".into()],
        ..Options::default()
    };
    let server = Server::with(mends(), options).unwrap();
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    let config = format!(
        "[model]\nnotice = false\n[providers.ollama]\nbase_url = \"{}\"\n",
        server.root_url()
    );
    scene.file("atoll/config/config.toml", &config);
    let mut command = scene.with_node(&["try"]);
    let ran = Ran::of(command.env("OPENAI_API_KEY", "k").output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    has(
        &ran,
        &[
            "OPENAI_API_KEY is set and isn't used",
            "model   qwen2.5-coder:7b of ollama, here",
            "Its model is your default now",
        ],
    );
    let set = run(&scene, &["config", "get", "model.default"]);
    assert_eq!(set.out.trim(), "ollama/qwen2.5-coder:7b");
}

#[test]
fn without_a_model_or_a_network_it_says_how_to_go_on() {
    let scene = Scene::new();
    scene.file("atoll/config/config.toml", "[model]\nnotice = false\n");
    let mut command = scene.with_node(&["try"]);
    // Neither source can be reached, and nothing else may be.
    let ran = command
        .env("HF_ENDPOINT", "http://127.0.0.1:9")
        .env("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        .env("PIP_RETRIES", "0")
        .env("PIP_TIMEOUT", "1")
        .env("ANTHROPIC_API_KEY", "k-123");
    let ran = Ran::of(ran.output().unwrap());
    assert_eq!(ran.code, 6, "{}{}", ran.out, ran.err);
    has(&ran, &["ANTHROPIC_API_KEY is set", "spend"]);
    match cfg!(feature = "embedded") {
        true => has(
            &ran,
            &[
                "ATL-0209",
                "fetching smollm2-135m instead",
                "atoll try --model ollama/MODEL",
            ],
        ),
        false => has(&ran, &["ATL-0204", "built without its own engine"]),
    }
    assert!(
        !scene.path().join("atoll/run/node.sock").exists(),
        "no node was needed"
    );
    let named = run(&scene, &["try", "--model", "nothing"]);
    assert_eq!(named.code, 2);
    let many = run(&scene, &["try", "--tries", "0"]);
    assert_eq!(many.code, 2);
}

#[test]
fn without_python_it_says_what_to_install() {
    let scene = Scene::new();
    let mut command = scene.with_node(&["try"]);
    let ran = Ran::of(command.env("PATH", "/nowhere").output().unwrap());
    assert_eq!(ran.code, 127, "{}", ran.err);
    has(
        &ran,
        &[
            "the sample's tests need python3",
            "sudo apt-get install python3",
        ],
    );
}

#[test]
fn a_model_is_picked_from_a_list() {
    let scene = Scene::new();
    let config = "[model]\ndefault = \"b/two\"\nnotice = false\n\
         [providers.a]\nbase_url = \"http://127.0.0.1:9/v1\"\nmodels = [{ name = \"one\", context_tokens = 8000 }]\n\
         [providers.b]\nbase_url = \"https://b.invalid/v1\"\nmodels = [{ name = \"two\", context_tokens = 8000 }]\n";
    scene.file("atoll/config/config.toml", config);
    let ran = run(&scene, &["model", "use"]);
    assert_eq!(ran.code, 2);
    has(
        &ran,
        &["say which model to use", "atoll model use PROVIDER/MODEL"],
    );
    let Some(mut typist) = Typist::at(&scene, "model use") else {
        return;
    };
    until("it asks", || seen(&scene).contains("Use [2]: "));
    let list = seen(&scene);
    for words in [
        "a/one",
        "here",
        "2 *",
        "b/two",
        "remote",
        "676 MB",
        "is fetched first",
    ] {
        assert!(list.contains(words), "{words}: {list}");
    }
    typist.types("1\n");
    until("it is done", || {
        seen(&scene).contains("The default model is a/one.")
    });
    let set = run(&scene, &["config", "get", "model.default"]);
    assert_eq!(set.out.trim(), "a/one");
}
