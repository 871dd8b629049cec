//! Budgets of grants, days, providers and sessions through the binary: a hundred model calls at once, a node that is
//! killed in the middle of them, and what is left.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use atoll_api::{Caller, Commands as _, Token};
use atoll_client::Client;
use serde_json::{Value, json};
use testkit::provider::{Fault, Reply, Script, Server};

use crate::grants::mint;
use crate::hostile::until;
use crate::scene::{Ran, Scene};

const AT_ONCE: usize = 100;

/// A provider whose every call costs: $10 for a million tokens either way.
fn project(scene: &Scene, server: &Server, config: &str, provider: &str) {
    scene.file("shop/a.txt", "a\n");
    let config = format!(
        "[model]\ndefault = \"mine/scripted\"\nnotice = false\n{config}[limits]\ncalls = 256\n\
         [providers.mine]\nbase_url = \"{}\"\n{provider}\
         models = [{{ name = \"scripted\", context_tokens = 32000, price = {{ input_usd = 10, output_usd = 10 }} }}]\n",
        server.base_url()
    );
    scene.file("atoll/config/config.toml", &config);
}

fn socket(scene: &Scene) -> PathBuf {
    scene.path().join("atoll/run/node.sock")
}

/// So many calls at once with a token; how many were answered, and the codes of the others.
fn calls(socket: PathBuf, token: &str) -> (usize, BTreeMap<String, usize>) {
    let client = Client::new(socket).with_token(Some(Token::new(token)));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let tries = (0..AT_ONCE).map(|_| {
        let client = client.clone();
        runtime.spawn(async move {
            client
                .model_test(&Caller::owner(0, ""), None, BTreeMap::new())
                .await
        })
    });
    let tries: Vec<_> = tries.collect();
    let (mut good, mut bad) = (0, BTreeMap::new());
    for one in tries {
        match runtime.block_on(one).unwrap() {
            Ok(_) => good += 1,
            Err(err) => *bad.entry(err.code).or_default() += 1,
        }
    }
    (good, bad)
}

/// What the log says: all that was settled, and of it the reserves of calls whose end nobody saw.
fn logged(scene: &Scene) -> (u64, u64) {
    let mut export = scene.with_node(&["log", "export"]);
    let ran = Ran::of(export.output().unwrap());
    let (mut spent, mut lost) = (0, 0);
    for line in ran.out.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        if event["type"] != "Closed" {
            continue;
        }
        let micros = event["body"]["cost"]["micros"].as_u64().unwrap();
        spent += micros;
        lost += if event["body"]["how"] == "lost" {
            micros
        } else {
            0
        };
    }
    (spent, lost)
}

fn data(scene: &Scene, words: &[&str]) -> Value {
    let all = [&["--json"][..], words].concat();
    Ran::of(scene.with_node(&all).output().unwrap()).data()
}

#[test]
fn a_hundred_calls_at_once_never_cost_more_than_a_grant_a_day_or_a_provider_may() {
    let reply = |_: &Value| {
        Reply::call("answer", json!({ "number": 42 }))
            .usage(json!({ "prompt_tokens": 50, "completion_tokens": 500 }))
    };
    for limited in ["grant", "day", "provider"] {
        let scene = Scene::new();
        let server = Server::start(Script::by_function(reply));
        let (day, provider) = match limited {
            "day" => ("[budget.day]\nusd = 0.123457\n", ""),
            "provider" => (
                "[budget.day]\nusd = 50\n",
                "budget_usd_per_day = 0.123457\n",
            ),
            _ => ("[budget.day]\nusd = 50\n", ""),
        };
        project(&scene, &server, day, provider);
        let max = if limited == "grant" { "0.123457" } else { "50" };
        let token = mint(
            &scene,
            &format!("--role agent --ttl 1h --name ci --max-cost {max}"),
        );
        // A call reserves its most and costs $0.0055: some fit at once, and the rest one after the other.
        let (mut good, mut refused) = (0, 0);
        for _ in 0..40 {
            let (answered, others) = calls(socket(&scene), &token);
            assert!(
                others
                    .keys()
                    .all(|code| code == "ATL-0304" || code == "ATL-0324"),
                "{others:?}"
            );
            (good, refused) = (good + answered, refused + others.values().sum::<usize>());
            if answered == 0 {
                break;
            }
        }
        assert!(good >= 10 && refused > 0, "{limited}: {good} of {refused}");
        let (spent, _) = logged(&scene);
        assert!(
            spent <= 123_457 && spent == good as u64 * 5_500,
            "{limited}: {spent} for {good}"
        );
        let grant = &data(&scene, &["grant", "list"])[0];
        assert_eq!(grant["spent"]["micros"], spent, "{limited}");
        assert_eq!(grant["reserved"]["micros"], 0);
        let status = data(&scene, &["status"]);
        assert_eq!(status["today"]["micros"], spent);
        match limited {
            "grant" => assert_eq!(grant["left"]["micros_max"], 123_457 - spent),
            "provider" => assert_eq!(status["providers_left"]["mine"], 123_457 - spent),
            _ => assert_eq!(status["day_micros_max"], 123_457),
        }
    }
}

/// Answers the first twenty tests of a model, and nothing after.
fn falls_silent(asked: &Arc<AtomicUsize>) -> Server {
    let asked = asked.clone();
    Server::start(Script::by_function(move |request| {
        let first = asked.fetch_add(1, Ordering::Relaxed) < 20;
        let tests = request["tools"].to_string().contains("answer");
        match first && tests {
            true => Reply::call("answer", json!({ "number": 42 }))
                .usage(json!({ "prompt_tokens": 50, "completion_tokens": 500 })),
            false => Reply::text("").with(Fault::Hang),
        }
    }))
}

/// A hundred calls with `child`, a session with `token`, and the node killed in the middle of them; how many calls were
/// answered before.
fn killed_in_the_middle(scene: &Scene, asked: &AtomicUsize, token: &str, child: &str) -> usize {
    let pid = data(scene, &["status"])["health"]["pid"].to_string();
    let (socket, child) = (socket(scene), child.to_owned());
    let under_way = std::thread::spawn(move || calls(socket, &child).0);
    let seen = || asked.load(Ordering::Relaxed);
    until("the calls are under way", || seen() >= AT_ONCE);
    let words = [
        "code",
        "look at a.txt",
        "--repo",
        "shop",
        "--on-ask",
        "deny",
        "--detach",
    ];
    let ran = crate::grants::with(scene, token, &words);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    until("its call is under way", || seen() > AT_ONCE);
    let kill = std::process::Command::new("kill")
        .args(["-9", &pid])
        .status();
    assert!(kill.unwrap().success());
    let answered = under_way.join().unwrap();
    until("the node is gone", || scene.run(&["status"]).code == 6);
    answered
}

#[test]
fn after_kill_9_each_account_has_what_was_settled_and_the_whole_reserve_of_the_rest() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let server = falls_silent(&asked);
    project(
        &scene,
        &server,
        "[budget.day]\nusd = 50\n",
        "budget_usd_per_day = 40\n",
    );
    let token = mint(&scene, "--role agent --ttl 1h --name ci --max-cost 30");
    let child = crate::grants::narrow(&scene, &token, "--name child --max-cost 20");
    let answered = killed_in_the_middle(&scene, &asked, &token, &child);

    let (spent, lost) = logged(&scene);
    assert!(
        answered == 20 && lost > 0,
        "{answered} answered, {lost} lost"
    );
    assert_eq!(
        spent - lost,
        20 * 5_500,
        "what was settled is what the answers cost"
    );
    let events = Ran::of(scene.with_node(&["log", "export"]).output().unwrap()).out;
    let count = |kind: &str| events.matches(&format!("\"type\":\"{kind}\"")).count();
    assert_eq!(count("Granted"), count("Closed"), "each permit is closed");
    let (list, status) = (data(&scene, &["grant", "list"]), data(&scene, &["status"]));
    let session = data(&scene, &["session", "show", "s1"]);
    let own = session["spent"]["micros"].as_u64().unwrap();
    assert!(own > 0, "{session}");
    assert_eq!(list[0]["spent"]["micros"], spent);
    assert_eq!(list[1]["spent"]["micros"], spent - own);
    assert_eq!(status["today"]["micros"], spent);
    assert_eq!(status["providers_left"]["mine"], 40_000_000 - spent);
    assert_eq!(list[0]["left"]["micros_max"], 30_000_000 - spent);
    assert_eq!(list[1]["left"]["micros_max"], 20_000_000 - (spent - own));
    assert_eq!(session["left"]["micros_max"], 2_000_000 - own, "{session}");
    // What is left is what people read.
    let page = scene.run(&["grant", "list"]).out;
    assert!(page.contains(" of $30.00 left"), "{page}");
    let page = scene.run(&["session", "show", "s1"]).out;
    assert!(
        page.contains(" of $2.00 left") && page.contains("grant c1"),
        "{page}"
    );
    let page = scene.run(&["status"]).out;
    assert!(page.contains("mine: $"), "{page}");
}
