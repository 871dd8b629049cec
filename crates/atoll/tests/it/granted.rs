//! What is begun under a grant: its scope, its end in the middle of a turn, its questions; and how one is made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use atoll_api::{AnswerRequest, Caller, Commands as _, Token};
use atoll_client::Client;
use atoll_domain::GateAnswerKind;
use serde_json::json;
use testkit::provider::{Reply, Script};

use crate::grants::{grant, mint, narrow, refused, with};
use crate::hostile::{ready, until};
use crate::scene::Ran;
use crate::scene::Scene;

#[test]
fn a_grant_is_bounded_when_it_is_made() {
    let scene = Scene::new();
    mint(&scene, "--role viewer --ttl 1h --name ci");
    for words in [
        &["--role", "viewer", "--ttl", "1h", "--name", "ci"][..],
        &["--role", "viewer", "--ttl", "1h", "--name", "C I"],
        &["--role", "viewer", "--ttl", "1h", "--only", "fly"],
        &["--role", "viewer", "--ttl", "1h", "--workspace", "nowhere"],
        &["--role", "viewer", "--ttl", "1h", "--rate", "0"],
        &["--role", "viewer", "--ttl", "1h", "--body", "99999999"],
        &["--role", "viewer", "--ttl", "1h", "--host", "a b"],
    ] {
        refused(
            &scene.run(&[&["grant", "mint"][..], words].concat()),
            2,
            "ATL-0326",
        );
    }
    refused(
        &scene.run(&["grant", "mint", "--role", "king", "--ttl", "1h"]),
        2,
        "ATL-0101",
    );
    refused(
        &scene.run(&["grant", "mint", "--role", "viewer", "--ttl", "400d"]),
        2,
        "ATL-0101",
    );
    // What an owner's token mints is its child, and no wider.
    let own = mint(&scene, "--role owner --ttl 1h --name own --max-cost 1");
    refused(
        &with(
            &scene,
            &own,
            &["grant", "mint", "--role", "agent", "--ttl", "1h"],
        ),
        2,
        "ATL-0326",
    );
    let made = with(
        &scene,
        &own,
        &[
            "grant",
            "mint",
            "--role",
            "agent",
            "--ttl",
            "10m",
            "--max-cost",
            "1",
            "--name",
            "made",
        ],
    );
    assert_eq!(made.code, 0, "{}", made.err);
    assert_eq!(
        grant(&scene, "made")["parent"],
        grant(&scene, "own")["ordinal"]
    );
    refused(
        &with(&scene, &own, &["grant", "revoke", "ci"]),
        2,
        "ATL-0102",
    );
    assert_eq!(scene.run(&["grant", "revoke", "own"]).code, 0);
    refused(&with(&scene, made.out.trim(), &["status"]), 3, "ATL-0322");
}

#[test]
fn a_scope_holds_for_what_is_seen_and_for_what_is_begun() {
    let script = Script::by_function(|_| {
        Reply::call(
            "finish",
            json!({"title": "No", "summary": "Not today.", "solved": false}),
        )
    });
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    scene.file("other/a.txt", "a\n");
    let code = |folder: &str| {
        [
            "code".to_owned(),
            "look".into(),
            "--repo".into(),
            folder.into(),
            "--on-ask".into(),
            "deny".into(),
        ]
    };
    let own = code("other");
    let words: Vec<&str> = own.iter().map(String::as_str).collect();
    let _ = Ran::of(scene.with_node(&words).output().unwrap());
    assert_eq!(scene.run(&["session", "show", "s1"]).code, 0);
    let token = mint(
        &scene,
        "--role operator --ttl 1h --workspace shop --name shop",
    );
    refused(&with(&scene, &token, &words), 3, "ATL-0301");
    for words in [
        &["session", "show", "s1"][..],
        &["session", "resume", "s1", "go on"],
        &["session", "fork", "s1"],
        &["session", "delete", "s1"],
        &["log", "tail"],
        &["log", "export"],
        &["log", "checkpoint"],
        &["log", "replay", "s1"],
    ] {
        refused(&with(&scene, &token, words), 3, "ATL-0323");
    }
    assert_eq!(
        with(&scene, &token, &["--json", "session", "list"]).data(),
        json!([])
    );
    let shop = code("shop");
    let words: Vec<&str> = shop.iter().map(String::as_str).collect();
    let _ = with(&scene, &token, &words);
    let listed = with(&scene, &token, &["--json", "session", "list"]).data();
    assert_eq!(
        (listed.as_array().unwrap().len(), &listed[0]["grant"]),
        (1, &json!("c1")),
        "{listed}"
    );
    // Another token of the same rights sees it, and goes on with its own alone.
    let other = mint(&scene, "--role operator --ttl 1h --name other");
    assert_eq!(with(&scene, &other, &["session", "show", "s2"]).code, 0);
    refused(
        &with(&scene, &other, &["session", "resume", "s2", "go on"]),
        3,
        "ATL-0323",
    );
    refused(
        &with(&scene, &other, &["session", "resume", "s1", "go on"]),
        3,
        "ATL-0323",
    );
    runs_on(&scene, &token, &words);
}

/// What a session that was begun under `token` runs under: its forks too, and a revocation ends both.
fn runs_on(scene: &Scene, token: &str, words: &[&str]) {
    // A kind of action that it is not for: the model is not called.
    let reads = mint(scene, "--role agent --ttl 1h --only read,run --name reads");
    let ran = with(scene, &reads, words);
    let all = format!("{}{}", ran.out, ran.err);
    assert!(
        ran.code == 3
            && all
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .contains("not for actions of the kind call"),
        "{}: {all}",
        ran.code
    );
    // A fork runs under its parent's grant, and no other.
    let fork = with(scene, token, &["session", "fork", "s2"]);
    assert_eq!(fork.code, 0, "{}", fork.err);
    let list = scene.run(&["--json", "session", "list"]).data();
    assert_eq!(list[0]["grant"], "c1", "{list}");
    assert_eq!(scene.run(&["grant", "revoke", "shop"]).code, 0);
    let ran = scene.run(&["session", "resume", "@", "go on", "--on-ask", "deny"]);
    let all = format!("{}{}", ran.out, ran.err);
    assert!(
        ran.code == 3 && all.contains("was revoked"),
        "{}: {all}",
        ran.code
    );
}

#[test]
fn what_is_revoked_in_the_middle_of_a_turn_ends_the_turn_with_its_reason() {
    let (asked, revoked) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let (asking, waits) = (asked.clone(), revoked.clone());
    // The model answers when the grant is gone: what it wants then is the session's next action.
    let script = Script::by_function(move |_| {
        asking.fetch_add(1, Ordering::SeqCst);
        until("the grant is revoked", || waits.load(Ordering::SeqCst));
        Reply::call("run", json!({ "command": "true" }))
    });
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    let token = mint(&scene, "--role agent --ttl 1h --name ci");
    let words = [
        "code",
        "make the test pass",
        "--repo",
        "shop",
        "--on-ask",
        "deny",
        "--detach",
    ];
    let ran = with(&scene, &token, &words);
    assert_eq!(ran.code, 0, "{}", ran.err);
    until("the model was asked", || asked.load(Ordering::SeqCst) == 1);
    assert_eq!(
        scene.run(&["grant", "revoke", "ci", "--why", "lost"]).code,
        0
    );
    revoked.store(true, Ordering::SeqCst);
    until("the turn ended", || {
        scene.run(&["--json", "session", "list"]).data()[0]["state"] == "idle"
    });
    let show = scene.run(&["--json", "session", "show", "s1"]).data();
    assert_eq!(show["end"], "denied", "{show}");
    assert!(
        show["steps_taken"].to_string().contains("was revoked"),
        "{show}"
    );
    assert_eq!(
        asked.load(Ordering::SeqCst),
        1,
        "the model was not called again"
    );
    let denied = scene.run(&["log", "tail", "--session", "s1"]);
    assert!(denied.out.contains("PolicyDenied"), "{}", denied.out);
    // A job of its own is ended with it.
    let worker = mint(&scene, "--role worker --ttl 1h --name worker");
    let mut job = scene.atoll(&["exec", "--", "sleep", "4.09137"]);
    let job = job
        .env("ATOLL_TOKEN", &worker)
        .current_dir(scene.path().join("shop"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    until("the job runs", || crate::hostile::alive("4.09137"));
    refused(&with(&scene, &worker, &["session", "list"]), 3, "ATL-0323");
    assert_eq!(scene.run(&["grant", "revoke", "worker"]).code, 0);
    let ran = Ran::of(job.wait_with_output().unwrap());
    assert_ne!(ran.code, 0, "{}{}", ran.out, ran.err);
    until("nothing of it runs", || !crate::hostile::alive("4.09137"));
}

#[test]
fn nobody_answers_their_own_question() {
    let script = Script::by_function(|request| {
        let said = request["messages"].as_array().unwrap();
        match said.iter().any(|m| m["role"] == "tool") {
            false => Reply::call(
                "edit",
                json!({ "path": "sum.txt", "search": "total=2", "replace": "total=3" }),
            ),
            true => Reply::call("finish", json!({ "title": "Fix", "summary": "It was 2." })),
        }
    });
    let Some((scene, _server)) = ready(script) else {
        return;
    };
    scene.file(
        "atoll/config/policy/own.cedar",
        "@id(\"own.write\")\n@verdict(\"ask\")\n@why(\"each write\")\npermit (principal, action == Action::\"write\", resource);\n",
    );
    let one = mint(&scene, "--role operator --ttl 1h --name one");
    let (sibling, two) = (
        narrow(&scene, &one, "--name sibling"),
        mint(&scene, "--role operator --ttl 1h --name two"),
    );
    let child = narrow(&scene, &one, "--name child --role agent");
    let words = [
        "code",
        "make the test pass",
        "--repo",
        "shop",
        "--on-ask",
        "wait",
        "--detach",
    ];
    assert_eq!(with(&scene, &child, &words).code, 0);
    let gates = || scene.run(&["--json", "gate", "list"]).data();
    until("a gate", || {
        gates().as_array().is_some_and(|g| g.len() == 1)
    });
    for own in [&one, &sibling, &child] {
        refused(
            &with(&scene, own, &["gate", "answer", "g1", "once"]),
            3,
            "ATL-0323",
        );
    }
    assert_eq!(gates().as_array().unwrap().len(), 1, "it is open still");
    let reads = mint(&scene, "--role operator --ttl 1h --only read --name reads");
    refused(
        &with(&scene, &reads, &["gate", "answer", "g1", "once"]),
        3,
        "ATL-0323",
    );
    also_its_own(&scene, &two, &words);
    let ran = with(&scene, &two, &["gate", "answer", "g1", "once"]);
    assert_eq!(ran.code, 0, "another operator does: {}", ran.err);
    until("the turn ended", || {
        scene.run(&["--json", "session", "show", "s1"]).data()["state"] == "idle"
    });
    let log = scene.run(&["log", "tail", "--session", "s1"]);
    let answered = log
        .out
        .lines()
        .find(|l| l.contains("GateAnswered"))
        .unwrap();
    assert!(
        answered.contains("/c"),
        "who answered, and by which grant: {answered}"
    );
}

/// An answer for several gates is one for each of them: one's own among them makes it none.
fn also_its_own(scene: &Scene, token: &str, words: &[&str]) {
    assert_eq!(with(scene, token, words).code, 0);
    let gates = || scene.run(&["--json", "gate", "list"]).data();
    until("a gate of its own", || {
        gates().as_array().is_some_and(|g| g.len() == 2)
    });
    let list = gates();
    let id = |n: usize| list[n]["gate"].as_str().unwrap().parse().unwrap();
    let request = AnswerRequest {
        answer: GateAnswerKind::Once,
        why: String::new(),
        gate: id(1),
        also: vec![id(0)],
    };
    let socket = scene.path().join("atoll/run/node.sock");
    let client = Client::new(socket).with_token(Some(Token::new(token)));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let answered = client.gate_answer(&Caller::owner(0, ""), "g1".into(), request);
    let err = runtime.block_on(answered).unwrap_err();
    assert!(err.is(atoll_api::codes::TOKEN_ROLE), "{err:?}");
    assert_eq!(gates().as_array().unwrap().len(), 2, "both are open still");
    assert_eq!(scene.run(&["gate", "answer", "g2", "no"]).code, 0);
}
