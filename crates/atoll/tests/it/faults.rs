//! A provider's bad days, through `atoll code`: the exit code, plain words with the way on, a session that
//! goes on when the provider does, files as they were, and the key nowhere.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::json;
use testkit::provider::{Fault, Reply, Script, Server};

use crate::code::project;
use crate::kit::{nothing_left, plain};
use crate::scene::{Ran, Scene};

const KEY: &str = "mk-7f3a9c5e1d-private";

/// What mends the project.
fn good() -> VecDeque<Reply> {
    VecDeque::from([
        Reply::call(
            "edit",
            json!({ "path": "sum.txt", "search": "total=2", "replace": "total=3" }),
        ),
        Reply::call("test", json!({})),
        Reply::call(
            "finish",
            json!({ "title": "Fix the sum", "summary": "It was 2." }),
        ),
    ])
}

/// A provider that answers `bad` to everything until it is told to be well.
struct Provider {
    server: Server,
    well: Arc<Mutex<Option<VecDeque<Reply>>>>,
}

impl Provider {
    fn that_answers(bad: Reply) -> Provider {
        let well: Arc<Mutex<Option<VecDeque<Reply>>>> = Arc::default();
        let now = well.clone();
        let script = Script::by_function(move |_| match now.lock().unwrap().as_mut() {
            Some(replies) => replies.pop_front().unwrap_or_else(|| Reply::text("done")),
            None => bad.clone(),
        });
        let server = Server::start(script);
        Provider { server, well }
    }
    fn mend(&self) {
        *self.well.lock().unwrap() = Some(good());
    }
}

/// A project whose provider is given up on soon.
fn scene(server: &Server) -> Option<Scene> {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return None;
    }
    project(&scene, server);
    let path = scene.path().join("atoll/config/config.toml");
    let soon = "[timeouts]\nfirst_byte_ms = 300\nidle_ms = 300\n[retries]\nattempts_max = 2\nwait_ms_min = 10\nwait_ms_max = 1500\n";
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config + soon).unwrap();
    Some(scene)
}

fn with_key(scene: &Scene, words: &[&str]) -> Ran {
    let mut command = scene.with_node(words);
    Ran::of(command.env("MINE_KEY", KEY).output().unwrap())
}

const TASK: [&str; 6] = [
    "code",
    "make the test pass",
    "--repo",
    "shop",
    "--on-ask",
    "deny",
];

/// That the key is in nothing that was said or written down.
#[track_caller]
fn key_is_nowhere(scene: &Scene, said: &[&Ran]) {
    for ran in said {
        assert!(
            !ran.out.contains(KEY) && !ran.err.contains(KEY),
            "{}{}",
            ran.out,
            ran.err
        );
        plain("what was said", &ran.out);
        plain("what was said", &ran.err);
    }
    for words in [
        &["log", "export", "--contents"][..],
        &["session", "show", "s1"],
        &["--json", "session", "show", "s1"],
    ] {
        let ran = scene.run(words);
        assert!(ran.code == 0 && !ran.out.contains(KEY), "{words:?}");
    }
    // Whole files: the log, its contents, the node's own words.
    let mut folders = vec![scene.path().join("atoll")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let bytes = std::fs::read(entry.path()).unwrap();
                let found = bytes.windows(KEY.len()).any(|w| w == KEY.as_bytes());
                assert!(!found, "the key is in {}", entry.path().display());
            }
        }
    }
}

/// The provider fails with `bad`; then it is well, and the session leads to a patch.
#[track_caller]
fn fails_and_goes_on(bad: Reply, says: &[&str], requests: usize) {
    let provider = Provider::that_answers(bad);
    let Some(scene) = scene(&provider.server) else {
        return;
    };
    let failed = with_key(&scene, &TASK);
    let all = format!("{}{}", failed.out, failed.err);
    assert_eq!(failed.code, 6, "{all}");
    for words in says {
        assert!(all.contains(words), "{words}: {all}");
    }
    assert!(
        all.contains("Your files are unchanged.")
            && all.contains("Next  atoll model test\n      atoll session resume s1"),
        "{all}"
    );
    assert_eq!(provider.server.requests().len(), requests, "{all}");
    let listed = scene.run(&["--json", "session", "list"]).data();
    assert_eq!(
        (&listed[0]["state"], &listed[0]["end"]),
        (&json!("idle"), &json!("unreachable")),
        "{listed}"
    );
    provider.mend();
    let resumed = with_key(&scene, &["session", "resume", "s1"]);
    assert!(
        resumed.code == 0 && resumed.out.contains("Patch p1 ready: Fix the sum"),
        "{}: {}{}",
        resumed.code,
        resumed.out,
        resumed.err
    );
    let sum = std::fs::read_to_string(scene.path().join("shop/sum.txt")).unwrap();
    assert_eq!(sum, "total=2\n", "only a person lets it out");
    let replay = scene.run(&["log", "replay", "s1"]);
    assert!(replay.out.contains("no divergence"), "{}", replay.out);
    assert_eq!(scene.run(&["log", "verify"]).code, 0);
    key_is_nowhere(&scene, &[&failed, &resumed]);
    nothing_left(&scene);
}

#[test]
fn a_key_that_is_refused_is_said_with_its_variable() {
    let quoting = format!("Incorrect API key provided: {KEY}\u{1b}[2J\u{202e}");
    fails_and_goes_on(
        Reply::refusal(401, quoting),
        &["MINE_KEY", "Incorrect API key"],
        1,
    );
}

#[test]
fn a_rate_limit_longer_than_anyone_waits_ends_the_turn() {
    let bad = Reply::refusal(429, "slow down").retry_after("3600");
    fails_and_goes_on(bad, &["slow down"], 1);
}

#[test]
fn a_server_that_fails_is_tried_again_and_then_left() {
    fails_and_goes_on(Reply::refusal(500, "oops"), &["oops"], 2);
}

#[test]
fn a_web_page_in_place_of_a_reply_is_said() {
    fails_and_goes_on(Reply::text("x").with(Fault::WebPage), &["mine/scripted"], 3);
}

#[test]
fn garbage_is_asked_for_again_and_then_left() {
    fails_and_goes_on(
        Reply::text("x").with(Fault::GarbageBody),
        &["after 3 tries"],
        3,
    );
}

#[test]
fn a_reply_of_nothing_is_given_up_on() {
    // Twice by the adapter, since nothing was said, and three times by the agent.
    fails_and_goes_on(Reply::text("x").with(Fault::Empty), &["cut off"], 6);
}

#[test]
fn a_reply_that_breaks_off_is_asked_for_again_and_then_left() {
    let half = Reply::text("I will look at the files of the shop first.").with(Fault::Cut(2));
    fails_and_goes_on(half, &["cut off", "after 3 tries"], 3);
}

#[test]
fn silence_is_given_up_on() {
    fails_and_goes_on(
        Reply::text("x").with(Fault::Hang),
        &["nothing came in time"],
        1,
    );
}

#[test]
fn a_line_without_end_is_cut_off() {
    // Far more than a reply may be: the node must not keep it all.
    let flood = Reply::text("x").with(Fault::LongLine(96 << 20));
    let provider = Provider::that_answers(flood);
    let Some(scene) = scene(&provider.server) else {
        return;
    };
    let failed = with_key(&scene, &TASK);
    assert_eq!(failed.code, 6, "{}{}", failed.out, failed.err);
    let pid = scene.run(&["--json", "status"]).data()["health"]["pid"].to_string();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(peak_kib < 256 << 10, "{peak}");
    nothing_left(&scene);
}

#[test]
fn a_provider_that_sends_elsewhere_is_not_followed() {
    let thief = Server::start(Script::list([]));
    let to = format!("{}/chat/completions", thief.base_url());
    fails_and_goes_on(
        Reply::text("x").with(Fault::Redirect(to)),
        &["mine/scripted"],
        1,
    );
    assert!(thief.requests().is_empty(), "the conversation went there");
}

#[test]
fn a_wait_that_a_provider_asks_for_is_said_and_waited() {
    let limited = Reply::refusal(429, "slow down").retry_after("1");
    let mut replies = good();
    replies.push_front(limited);
    let server = Server::start(Script::list(replies));
    let Some(scene) = scene(&server) else {
        return;
    };
    let ran = with_key(&scene, &TASK);
    assert!(
        ran.code == 0 && ran.out.contains("Patch p1 ready") && ran.err.contains("429"),
        "{}: {}{}",
        ran.code,
        ran.out,
        ran.err
    );
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_provider_that_is_not_there_is_named_and_one_that_moved_is_gone_on_with() {
    let gone = Server::start(Script::list([]));
    let Some(scene) = scene(&gone) else {
        return;
    };
    let address = gone.address().to_string();
    drop(gone);
    let failed = with_key(&scene, &TASK);
    assert!(
        failed.code == 6
            && failed.out.contains("nothing listens there")
            && failed.out.contains(&address),
        "{}: {}{}",
        failed.code,
        failed.out,
        failed.err
    );
    let server = Server::start(Script::list(good()));
    let moved = [
        "config",
        "set",
        "providers.mine.base_url",
        &server.base_url(),
    ];
    assert_eq!(scene.run(&moved).code, 0);
    let resumed = with_key(&scene, &["session", "resume", "s1"]);
    assert!(
        resumed.code == 0 && resumed.out.contains("Patch p1 ready"),
        "{}: {}{}",
        resumed.code,
        resumed.out,
        resumed.err
    );
    key_is_nowhere(&scene, &[&failed, &resumed]);
    nothing_left(&scene);
}

/// The events that begun a reply are shown, none of them counts as done.
#[test]
fn a_call_of_a_reply_that_breaks_off_is_not_made() {
    let half = Reply::call("run", json!({ "command": "touch canary; echo half" }));
    let mut replies = good();
    replies.push_front(half.with(Fault::Cut(3)));
    let server = Server::start(Script::list(replies));
    let Some(scene) = scene(&server) else {
        return;
    };
    let ran = with_key(&scene, &TASK);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let shown = scene.run(&["--json", "session", "show", "s1"]);
    assert!(!shown.out.contains("canary"), "{}", shown.out);
}
