//! Tokens, through the binary: what each role may, what ends one, what is refused, and that nothing of one is kept.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

use serde_json::{Value, json};

use crate::hostile::until;
use crate::scene::{Ran, Scene};

/// A token of the scene's node, which is started if it isn't there.
pub fn mint(scene: &Scene, words: &str) -> String {
    let all: Vec<&str> = ["grant", "mint"]
        .into_iter()
        .chain(words.split(' '))
        .collect();
    let ran = Ran::of(scene.with_node(&all).output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let token = ran.out.trim().to_owned();
    assert!(
        token.starts_with("atoll-token-"),
        "standard output has the token alone: {}",
        ran.out
    );
    assert!(!ran.err.contains(&token), "{}", ran.err);
    token
}

pub fn with(scene: &Scene, token: &str, words: &[&str]) -> Ran {
    Ran::of(
        scene
            .atoll(words)
            .env("ATOLL_TOKEN", token)
            .output()
            .unwrap(),
    )
}

pub fn narrow(scene: &Scene, token: &str, words: &str) -> String {
    let all: Vec<&str> = ["grant", "attenuate"]
        .into_iter()
        .chain(words.split(' '))
        .collect();
    let ran = with(scene, token, &all);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    ran.out.trim().to_owned()
}

#[track_caller]
pub fn refused(ran: &Ran, exit: i32, code: &str) {
    assert!(
        ran.code == exit && ran.err.contains(code),
        "{}: {}{}",
        ran.code,
        ran.out,
        ran.err
    );
}

pub fn grant(scene: &Scene, name: &str) -> Value {
    let list = scene.run(&["--json", "grant", "list"]).data();
    let found = list.as_array().unwrap().iter().find(|g| g["name"] == name);
    found.unwrap_or_else(|| panic!("{name}: {list}")).clone()
}

/// One request, as it stands; status and body.
fn request(scene: &Scene, head: &str, body: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(scene.path().join("atoll/run/node.sock")).unwrap();
    let length = body.len();
    let text = format!(
        "{head}host: atoll\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let _ = stream.write_all(text.as_bytes()); // who refuses early doesn't read to the end
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    (
        status.unwrap_or_else(|| panic!("{answer:?}")),
        body.to_owned(),
    )
}

/// Method, path and an example of the body of each route.
fn routes(scene: &Scene) -> Vec<(String, String, String)> {
    let (status, body) = request(scene, "GET /v1/openapi.json HTTP/1.1\r\n", "");
    assert_eq!(status, 200);
    let document: Value = serde_json::from_str(
        body.trim_start_matches(|c| c != '{')
            .trim_end_matches(|c| c != '}'),
    )
    .unwrap();
    let mut out = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, route) in methods.as_object().unwrap() {
            let example = &route["requestBody"]["content"]["application/json"]["example"];
            let body = if example.is_null() {
                String::new()
            } else {
                example.to_string()
            };
            out.push((method.to_uppercase(), path.clone(), body));
        }
    }
    out
}

#[test]
fn a_viewer_changes_nothing_by_any_route_and_no_other_role_more_than_the_table_says() {
    let scene = Scene::new();
    let roles = ["viewer", "worker", "agent", "operator"];
    let tokens = roles.map(|role| mint(&scene, &format!("--role {role} --ttl 1h")));
    let routes = routes(&scene);
    let mut changing = 0;
    let refused = |role: usize, (method, path, body): &(String, String, String)| {
        let path = path
            .replace("{session}", "s1")
            .replace("{job}", "j1")
            .replace("{gate}", "g1");
        let path = path
            .replace("{patch}", "p1")
            .replace("{grant}", "c1")
            .replace("{turn}", "1");
        let key = path.replace('/', "-");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nauthorization: Bearer {}\r\nidempotency-key: {role}{method}{key}\r\n",
            tokens[role]
        );
        let (status, body) = request(&scene, &head, body);
        assert_ne!(status, 500, "{path}: {body}");
        status == 403 && body.contains("ATL-0323")
    };
    let looks = ["/v1/openapi.json"];
    for route in routes
        .iter()
        .filter(|(method, path, _)| method != "GET" && !looks.contains(&path.as_str()))
    {
        changing += 1;
        assert!(refused(0, route), "a viewer: {} {}", route.0, route.1);
        let jobs = route.1.starts_with("/v1/jobs");
        assert_eq!(
            refused(1, route),
            !jobs,
            "a worker: {} {}",
            route.0,
            route.1
        );
    }
    assert!(changing >= 25, "{changing}: {routes:?}");
    let owners = [
        "/v1/down",
        "/v1/reload",
        "/v1/log/rebuild",
        "/v1/log/erase",
        "/v1/log/archive",
        "/v1/vault",
        "/v1/vault/unlock",
        "/v1/vault/lock",
        "/v1/secrets",
        "/v1/sessions/{session}/declassify",
        "/v1/grants",
        "/v1/grants/{grant}/revoke",
    ];
    for route in routes
        .iter()
        .filter(|(method, path, _)| method == "POST" && owners.contains(&path.as_str()))
    {
        for (role, name) in roles.iter().enumerate() {
            assert!(refused(role, route), "{name}: {}", route.1);
        }
    }
    let decide: Vec<_> = routes
        .iter()
        .filter(|(m, path, _)| {
            m == "POST" && (path.contains("/answer") || path.contains("/patches/"))
        })
        .collect();
    assert!(decide.len() >= 5);
    for route in decide {
        assert!(refused(2, route), "an agent decides nothing: {}", route.1);
        assert!(!refused(3, route), "an operator does: {}", route.1);
    }
    assert_eq!(
        scene.run(&["status"]).code,
        0,
        "the node is up all the same"
    );
}

#[test]
fn each_bad_token_is_refused_with_its_reason_and_never_taken_for_none() {
    let (scene, other) = (Scene::new(), Scene::new());
    let token = mint(&scene, "--role owner --ttl 1h --name all");
    assert_eq!(with(&scene, &token, &["status"]).code, 0);
    let foreign = mint(&other, "--role owner --ttl 1h");
    let mut changed = token.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    let long = format!("atoll-token-{}", "A".repeat(100_000));
    for bad in [
        &foreign,
        &changed,
        &token[..60].to_owned(),
        &"hunter2".to_owned(),
        &long,
    ] {
        let ran = with(&scene, bad, &["status"]);
        refused(&ran, 3, "ATL-0321");
        assert!(
            !ran.err.contains(bad.as_str()),
            "it is not said again: {}",
            ran.err
        );
    }
    for header in ["Basic eDp5", "Bearer", "bearer x", "Bearer \u{7f}", ""] {
        let (status, body) = request(
            &scene,
            &format!("GET /v1/status HTTP/1.1\r\nauthorization: {header}\r\n"),
            "",
        );
        assert!(
            status == 403 && body.contains("ATL-0321") || status == 400,
            "{header:?}: {status} {body}"
        );
    }
    let twice = format!(
        "GET /v1/status HTTP/1.1\r\nauthorization: Bearer {token}\r\nauthorization: Bearer {token}\r\n"
    );
    assert_eq!(request(&scene, &twice, "").0, 403);
    // A megabyte: by the face's own bound, before it is a token at all.
    let head = format!(
        "GET /v1/status HTTP/1.1\r\nauthorization: Bearer {}\r\n",
        "A".repeat(1 << 20)
    );
    assert_eq!(request(&scene, &head, "").0, 431);
    assert_eq!(scene.run(&["status"]).code, 0);
    // In the command line: whatever the command is.
    for words in [
        &["grant", "attenuate", token.as_str()][..],
        &["status", "--token-file", token.as_str()],
        &["code", token.as_str()],
    ] {
        let ran = scene.run(words);
        refused(&ran, 2, "ATL-0325");
        assert!(!ran.err.contains(&token), "{}", ran.err);
    }
}

#[test]
fn a_token_file_is_its_users_alone() {
    let scene = Scene::new();
    let path = scene.path().join("token");
    let file = path.to_str().unwrap();
    let words = [
        "grant", "mint", "--role", "viewer", "--ttl", "1h", "--out", file,
    ];
    let ran = Ran::of(scene.with_node(&words).output().unwrap());
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        scene.run(&["--token-file", file, "session", "list"]).code,
        0
    );
    refused(&scene.run(&["--token-file", file, "down"]), 3, "ATL-0323");
    for open in [0o640, 0o604, 0o620, 0o666] {
        mode(open);
        refused(
            &scene.run(&["--token-file", file, "session", "list"]),
            2,
            "ATL-0325",
        );
    }
    refused(
        &scene.run(&["--token-file", "/nonexistent", "status"]),
        2,
        "ATL-0325",
    );
    refused(
        &scene.run(&["--token-file", "/dev/null", "status"]),
        2,
        "ATL-0325",
    );
    // It is not written over.
    mode(0o600);
    refused(&scene.run(&words), 2, "ATL-0325");
}

#[test]
fn nothing_of_a_token_is_kept_and_a_rebuild_finds_the_same_grants() {
    let scene = Scene::new();
    scene.file("shop/a.txt", "a\n");
    let token = mint(
        &scene,
        "--role operator --ttl 1h --name secret-name --workspace shop",
    );
    let child = narrow(&scene, &token, "--role viewer --name child");
    assert_eq!(with(&scene, &child, &["session", "list"]).code, 0);
    let before = scene.run(&["--json", "grant", "list"]).data();
    assert_eq!(scene.run(&["log", "rebuild"]).code, 0);
    let after = scene.run(&["--json", "grant", "list"]).data();
    assert_eq!(after, before);
    let (parent, own) = (&before[0], &before[1]);
    assert_eq!(
        (&own["parent"], &own["depth"], &own["name"]),
        (&parent["ordinal"], &json!(1), &json!("child"))
    );
    assert_eq!(scene.run(&["down"]).code, 0);
    assert_eq!(scene.run(&["log", "verify"]).code, 0);
    let secret = |text: &str| text.trim_start_matches("atoll-token-").as_bytes()[..40].to_vec();
    for secret in [secret(&token), secret(&child)] {
        let found = Command::new("grep")
            .arg("-rlF")
            .arg(String::from_utf8(secret).unwrap())
            .arg(scene.path().join("atoll"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(found.stdout).unwrap(), "");
    }
    let events = scene.path().join("events");
    let events = events.to_str().unwrap();
    let exported = Ran::of(scene.with_node(&["log", "export"]).output().unwrap());
    assert!(
        exported.out.contains("GrantMinted") && exported.out.contains("GrantKeyMade"),
        "{events}"
    );
    assert!(
        !exported.out.contains("secret-name") && !exported.out.contains("/shop"),
        "names and paths are commitments"
    );
}

#[test]
fn what_was_revoked_or_ran_out_ends_at_once_with_all_that_was_made_of_it() {
    let scene = Scene::new();
    let root = mint(&scene, "--role operator --ttl 1h --name root");
    let child = narrow(&scene, &root, "--name child");
    let grandchild = narrow(&scene, &child, "--name grandchild --role viewer");
    let unseen = with(
        &scene,
        &root,
        &["--json", "grant", "attenuate", "--name", "unseen"],
    )
    .data();
    assert_eq!(with(&scene, &grandchild, &["status"]).code, 0);
    assert_eq!(scene.run(&["grant", "revoke", "child"]).code, 0);
    refused(&with(&scene, &grandchild, &["status"]), 3, "ATL-0322");
    // A child that is used again after it, and one made of it since.
    refused(&with(&scene, &child, &["status"]), 3, "ATL-0322");
    refused(
        &with(&scene, &narrow(&scene, &child, "--name late"), &["status"]),
        3,
        "ATL-0322",
    );
    assert_eq!(
        with(&scene, &root, &["status"]).code,
        0,
        "its parent goes on"
    );
    // One that the node never saw, by its id.
    assert_eq!(
        scene
            .run(&["grant", "revoke", unseen["id"].as_str().unwrap()])
            .code,
        0
    );
    refused(
        &with(&scene, unseen["token"].as_str().unwrap(), &["status"]),
        3,
        "ATL-0322",
    );
    refused(&scene.run(&["grant", "revoke", "child"]), 2, "ATL-0102");
    // It stays so after a restart and a rebuild.
    assert_eq!(scene.run(&["log", "rebuild"]).code, 0);
    assert_eq!(scene.run(&["down"]).code, 0);
    assert_eq!(Ran::of(scene.with_node(&["up"]).output().unwrap()).code, 0);
    refused(&with(&scene, &grandchild, &["status"]), 3, "ATL-0322");
    refused(
        &with(&scene, unseen["token"].as_str().unwrap(), &["status"]),
        3,
        "ATL-0322",
    );
    let short = mint(&scene, "--role viewer --ttl 1s");
    until("it ran out", || {
        with(&scene, &short, &["status"]).err.contains("ATL-0322")
    });
}

#[test]
fn a_clock_that_is_set_back_makes_no_token_good_again() {
    let scene = Scene::new();
    let token = mint(&scene, "--role viewer --ttl 1h");
    assert_eq!(with(&scene, &token, &["status"]).code, 0);
    assert_eq!(scene.run(&["down"]).code, 0);
    // The log was written two hours from now: the clock was set back since.
    let db = rusqlite::Connection::open(scene.path().join("atoll/data/log.db")).unwrap();
    db.execute("UPDATE log SET ts = ts + 7200000", []).unwrap();
    drop(db);
    assert_eq!(Ran::of(scene.with_node(&["up"]).output().unwrap()).code, 0);
    refused(&with(&scene, &token, &["status"]), 3, "ATL-0322");
    assert_eq!(grant(&scene, "viewer-1")["state"], "expired");
}

#[test]
fn requests_and_sizes_are_bounded_for_each_token_and_its_parents() {
    let scene = Scene::new();
    let root = mint(&scene, "--role operator --ttl 1h --rate 9 --body 200");
    let head = |token: &str, method: &str, path: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nauthorization: Bearer {token}\r\nidempotency-key: a\r\n"
        )
    };
    let long = json!({ "prompt": "x".repeat(300), "root": "/" }).to_string();
    let (status, body) = request(&scene, &head(&root, "POST", "/v1/sessions"), &long);
    assert!(
        status == 429 && body.contains("ATL-0324") && body.contains("200 bytes"),
        "{status} {body}"
    );
    let child = narrow(&scene, &root, "--rate 3 --name child");
    let tries = |token: &str, n: usize| {
        (0..n)
            .filter(|_| request(&scene, &head(token, "GET", "/v1/policy"), "").0 == 200)
            .count()
    };
    assert_eq!(tries(&child, 5), 3);
    let (status, body) = request(&scene, &head(&child, "GET", "/v1/policy"), "");
    assert!(
        status == 429 && body.contains("ATL-0324") && body.contains("wait "),
        "{status} {body}"
    );
    assert_eq!(
        tries(&root, 9),
        5,
        "what its child used it has used, and the one that was too long"
    );
    refused(&with(&scene, &root, &["status"]), 5, "ATL-0324");
    assert_eq!(
        scene.run(&["status"]).code,
        0,
        "the owner is not bounded by it"
    );
}

#[test]
fn what_works_with_this_machines_files_is_not_for_a_token() {
    let scene = Scene::new();
    let token = mint(&scene, "--role owner --ttl 1h");
    for words in [
        &["config", "set", "policy.profile", "open"][..],
        &["config", "show"],
        &["policy", "init"],
        &["policy", "why", "1"],
        &["model", "use", "a/b"],
        &["up"],
        &["restart"],
    ] {
        refused(&with(&scene, &token, words), 3, "ATL-0323");
    }
    assert_eq!(with(&scene, &token, &["explain", "ATL-0323"]).code, 0);
    assert_eq!(with(&scene, &token, &["policy", "show"]).code, 0);
    assert_eq!(
        with(&scene, &token, &["down"]).code,
        0,
        "an owner's token ends the node"
    );
    refused(&with(&scene, &token, &["status"]), 6, "ATL-0701");
}
