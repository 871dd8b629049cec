//! The ways out, each with its question: another provider, a job with hosts. A person's yes lets it out, nothing less.

use serde_json::json;
use testkit::provider::{Script, Server};

use crate::hostile::{alive, lacking, until};
use crate::injected::{CANARY, calls, fine, go, leaked, shop};
use crate::kit::{left, nothing_left};
use crate::labelled::{doing, trust, untrusted};
use crate::moments::Watched;
use crate::scene::{Ran, Scene};

/// A session of `mine` that knows the secret.
fn knowing(server: &Server, other: &Server) -> Option<Scene> {
    let scene = shop(server, other)?;
    fine(
        &scene,
        &[
            "chat",
            "--repo",
            "shop",
            "--on-ask",
            "deny",
            "DO read:private.txt",
        ],
    );
    Some(scene)
}

const TO_OTHER: [&str; 6] = [
    "session",
    "resume",
    "s1",
    "go on",
    "--model",
    "other/scripted",
];

#[test]
fn another_provider_gets_nothing_before_a_persons_yes_and_all_of_it_after() {
    let (server, other) = (Server::start(doing()), Server::start(doing()));
    let Some(scene) = knowing(&server, &other) else {
        return;
    };
    let denied = go(&scene, &[&TO_OTHER[..], &["--on-ask", "deny"]].concat());
    assert_ne!(denied.code, 0, "{}{}", denied.out, denied.err);
    assert!(calls(&other).is_empty(), "nobody was asked");
    let asking = Watched::start(&scene, &[&TO_OTHER[..], &["--on-ask", "wait"]].concat());
    let gates = || fine(&scene, &["--json", "gate", "list"]).data();
    until("the gate is open", || {
        gates().as_array().is_some_and(|g| g.len() == 1)
    });
    let gate = gates()[0].clone();
    let why = gate["question"]["why"].as_str().unwrap();
    assert!(
        why.starts_with("read repository not vouched for: "),
        "{why}"
    );
    let tail = "shop (untrusted) and ";
    assert!(
        why.contains(tail) && why.contains("/shop/ (private); now sends to other at "),
        "{why}"
    );
    assert!(
        gate["question"]["widening"].is_null(),
        "no answer covers the session: {gate}"
    );
    assert_eq!(gate["question"]["labels"], json!(["untrusted", "private"]));
    assert!(calls(&other).is_empty(), "a question sends nothing");
    fine(&scene, &["gate", "answer", "g1", "once"]);
    let ended = asking.end();
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(
        calls(&other).iter().any(|c| leaked(c).is_some()),
        "a yes lets it out"
    );
    // It is the session's provider from then on, also after a restart.
    fine(&scene, &["down"]);
    fine(&scene, &[&TO_OTHER[..], &["--on-ask", "deny"]].concat());
    // A fork from before the yes knows nothing of it.
    let before = calls(&other).len();
    let fork = ["session", "fork", "s1", "--turn", "1"];
    fine(&scene, &fork);
    let back = [
        "session",
        "resume",
        "s2",
        "go on",
        "--model",
        "other/scripted",
        "--on-ask",
        "deny",
    ];
    assert_ne!(go(&scene, &back).code, 0);
    assert_eq!(calls(&other).len(), before);
    nothing_left(&scene);
}

#[test]
fn with_a_secret_nobody_is_asked_and_without_a_stranger_neither() {
    let (server, other) = (Server::start(doing()), Server::start(doing()));
    let Some(scene) = shop(&server, &other) else {
        return;
    };
    // A key that was read is taken out of what is sent, and the context is known to have held one.
    let key = ["ghp", "_", "x7Kq2Lm9Rt4Vb8Wn3Zc6Yd1Pf5Gh0Js2Ka4"].concat();
    scene.file("shop/notes.txt", &format!("the deploy token is {key}\n"));
    fine(
        &scene,
        &[
            "chat",
            "--repo",
            "shop",
            "--on-ask",
            "deny",
            "DO read:notes.txt",
        ],
    );
    let labels = fine(&scene, &["session", "labels", "s1"]).out;
    assert!(
        labels.contains("secret") && labels.contains("redaction: "),
        "{labels}"
    );
    let denied = go(&scene, &[&TO_OTHER[..], &["--on-ask", "wait"]].concat());
    assert_ne!(denied.code, 0, "{}{}", denied.out, denied.err);
    let gates = fine(&scene, &["--json", "gate", "list"]).data();
    assert_eq!(gates, json!([]), "it is denied, and not asked");
    assert!(calls(&other).is_empty());
    // Where the owner vouches for all of it, the profile alone decides.
    trust(&scene);
    std::fs::remove_file(scene.path().join("shop/notes.txt")).unwrap();
    fine(
        &scene,
        &[
            "chat",
            "--repo",
            "shop",
            "--on-ask",
            "deny",
            "DO read:private.txt",
        ],
    );
    let free = [
        "session",
        "resume",
        "s2",
        "go on",
        "--model",
        "other/scripted",
        "--on-ask",
        "deny",
    ];
    fine(&scene, &free);
    assert!(calls(&other).iter().any(|c| leaked(c).is_some()));
}

#[test]
fn a_job_with_hosts_asks_where_its_box_holds_what_a_stranger_wrote() {
    let (server, other) = (Server::start(doing()), Server::start(Script::list([])));
    let Some(scene) = shop(&server, &other) else {
        return;
    };
    let net = |how: &str| {
        let words = format!("exec --repo shop --on-ask {how} --net example.org:443 -- true");
        go(&scene, &words.split(' ').collect::<Vec<_>>())
    };
    assert_eq!(net("deny").code, 0, "this profile asks for nothing");
    fine(
        &scene,
        &[
            "chat",
            "--repo",
            "shop",
            "--on-ask",
            "deny",
            "DO write:notes.md=hello",
        ],
    );
    fine(&scene, &["patch", "accept", "p1"]);
    let denied = net("deny");
    assert_eq!(denied.code, 126, "{}{}", denied.out, denied.err);
    let labels = fine(&scene, &["session", "labels", "@"]).out;
    assert!(
        labels.contains("file notes.md, written by s2 (untrusted)"),
        "{labels}"
    );
    // A yes lets it run, and from then on it is known to have had a network, wherever it ends.
    let slow = "exec --repo shop --on-ask wait --net example.org:443 -- sleep 5.03172";
    let asking = Watched::start(&scene, &slow.split(' ').collect::<Vec<_>>());
    let gates = || fine(&scene, &["--json", "gate", "list"]).data();
    until("the gate is open", || {
        gates().as_array().is_some_and(|g| g.len() == 1)
    });
    fine(&scene, &["gate", "answer", "g1", "once"]);
    until("the job runs", || alive("5.03172"));
    let pid = fine(&scene, &["--json", "status"]).data()["health"]["pid"].to_string();
    let killed = std::process::Command::new("kill")
        .args(["-9", &pid])
        .status();
    assert!(killed.unwrap().success());
    asking.end();
    until("no process of it is left", || left(&scene).is_empty());
    let labels = fine(&scene, &["session", "labels", "@"]).out;
    assert!(
        labels.contains("network: exec job with example.org:443"),
        "{labels}"
    );
    // What a network said is in what the job kept.
    std::fs::remove_file(scene.path().join("shop/notes.md")).unwrap();
    let words = "exec --repo shop --net example.org:443 --artifact kept.txt --save shop -- cp private.txt kept.txt";
    fine(&scene, &words.split(' ').collect::<Vec<_>>());
    assert!(untrusted(&scene, "@"));
    trust(&scene);
    fine(
        &scene,
        &[
            "chat",
            "--repo",
            "shop",
            "--on-ask",
            "deny",
            "DO read:Makefile",
        ],
    );
    let labels = fine(&scene, &["session", "labels", "@"])
        .out
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        labels.contains("file kept.txt, written by s5 (untrusted)"),
        "{labels}"
    );
    fine(&scene, &["log", "verify"]);
}

#[test]
fn a_fetch_is_a_way_out_whatever_the_names_say() {
    let (server, other) = (Server::start(doing()), Server::start(Script::list([])));
    let Some(scene) = shop(&server, &other) else {
        return;
    };
    // The name of what is lacking carries the secret: whoever serves names would hear it.
    lacking(&scene, CANARY);
    let code = |how: &str| {
        let words = ["code", "look", "--repo", "lib", "--on-ask", how];
        let mut command = scene.with_node(&words);
        command.env("HOME", std::env::var_os("HOME").unwrap());
        command
    };
    let ran = Ran::of(code("deny").output().unwrap());
    let said = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("denied run: guard.flow"), "{said}");
    let labels = fine(&scene, &["session", "labels", "s1"]).out;
    assert!(
        !labels.contains("network: "),
        "nothing was fetched: {labels}"
    );
    let mut asking = code("wait").spawn().unwrap();
    let gates = || fine(&scene, &["--json", "gate", "list"]).data();
    until("the gate is open", || {
        gates().as_array().is_some_and(|g| g.len() == 1)
    });
    let gate = gates()[0].clone();
    assert_eq!(gate["question"]["what"], "cargo fetch --locked", "{gate}");
    let why = gate["question"]["why"].as_str().unwrap();
    assert!(
        why.contains("(untrusted) and ") && why.contains("; now sends to "),
        "{why}"
    );
    assert!(gate["question"]["widening"].is_null(), "{gate}");
    fine(&scene, &["gate", "answer", "g1", "no"]);
    asking.wait().unwrap();
}
