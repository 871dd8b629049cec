//! What people and scripts type wrongly: a typed error each, and nothing is begun.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use testkit::provider::{Reply, Script};

use crate::hostile::ready;
use crate::kit::plain;
use crate::scene::{Ran, Scene};

/// That no session was made: no node was even needed.
#[track_caller]
fn nothing_began(scene: &Scene) {
    let data = scene.path().join("atoll/data");
    assert!(!data.exists(), "something was begun");
}

#[track_caller]
fn refused(scene: &Scene, words: &[&OsStr], code: i32, number: &str) -> Ran {
    let ran = Ran::of(scene.with_node(&[]).args(words).output().unwrap());
    let said = format!("{words:?} {}: {}{}", ran.code, ran.out, ran.err);
    assert_eq!(ran.code, code, "{said}");
    assert!(
        ran.err.contains(number)
            && ran.err.contains("changed  nothing")
            && !ran.err.contains("panicked"),
        "{said}"
    );
    plain("an error", &ran.err);
    plain("an error", &ran.out);
    ran
}

#[test]
fn flags_and_values_that_mean_nothing_begin_nothing() {
    let scene = Scene::new();
    scene.file("shop/a.txt", "a\n");
    for words in [
        "code --no-such-flag x",
        "code x --max-steps 0",
        "code x --max-steps -1",
        "code x --max-steps 1001",
        "code x --max-steps 99999999999999999999999",
        "code x --max-steps 1e3",
        "code x --max-cost -1",
        "code x --max-cost NaN",
        "code x --max-cost inf",
        "code x --max-cost 0.00000001",
        "code x --max-cost 99999999999999999999",
        "code x --max-tokens 0",
        "code x --max-tokens -5",
        "code x --time 0",
        "code x --time -5s",
        "code x --time soon",
        "code x --time 1.5h",
        "code x --time 9999999999h",
        "code x --on-ask maybe",
        "code x --profile all",
        "code x y z",
        "session list -n -1",
        "session resume",
        "log tail -n many",
        "gate answer g1 perhaps",
        "frobnicate",
        "--json=yes",
    ] {
        let words: Vec<&OsStr> = words.split(' ').map(OsStr::new).collect();
        refused(&scene, &words, 2, "ATL-0101");
    }
    for words in [
        "exec --time never -- true",
        "exec --memory 0 -- true",
        "exec --memory -1 -- true",
        "exec --memory 99999999999 -- true",
        "exec --net example.org -- true",
        "exec --net example.org:0 -- true",
        "exec --net example.org:99999 -- true",
        "exec --env =x -- true",
        "exec --no-such -- true",
        "exec --save out -- true",
        "exec",
    ] {
        let words: Vec<&OsStr> = words.split(' ').map(OsStr::new).collect();
        refused(&scene, &words, 125, "ATL-0101");
    }
    nothing_began(&scene);
}

#[test]
fn words_that_are_no_text_are_an_error_like_any_other() {
    let scene = Scene::new();
    let bad = OsStr::from_bytes(b"fix\xff\xfe\x1b[2J");
    let word = OsStr::new;
    refused(&scene, &[bad], 2, "ATL-0101");
    refused(&scene, &[word("code"), bad], 2, "ATL-0101");
    refused(&scene, &[bad, word("code")], 2, "ATL-0101");
    refused(&scene, &[word("session"), word("show"), bad], 2, "ATL-0101");
    let exec = [word("exec"), word("--"), word("cat"), bad];
    refused(&scene, &exec, 125, "ATL-0101");
    // A folder's name may be any bytes; only a workspace's may not.
    let mut folder = scene.path().as_os_str().to_owned();
    folder.push(OsStr::from_bytes(b"/shop\xff"));
    std::fs::create_dir(&folder).unwrap();
    let code = [word("code"), word("x"), word("--repo"), &folder];
    refused(&scene, &code, 2, "ATL-0501");
    let json = Ran::of(scene.with_node(&["--json"]).arg(bad).output().unwrap());
    assert_eq!(json.code, 2, "{}{}", json.out, json.err);
    assert_eq!(json.data()["code"], "ATL-0101");
    // Variables of the environment, too.
    for name in ["ATOLL_ON_ASK", "ATOLL_HOME", "ATOLL_NODE"] {
        let mut command = scene.atoll(&["session", "list"]);
        let ran = Ran::of(command.env(name, bad).output().unwrap());
        assert!(
            ran.code == 2 && ran.err.contains(name) && !ran.err.contains("panicked"),
            "{name} {}: {}",
            ran.code,
            ran.err
        );
    }
    nothing_began(&scene);
}

#[test]
fn a_long_prompt_is_taken_and_what_is_left_out_is_said() {
    let script = Script::by_function(|_| Reply::text("There is nothing to do."));
    let Some((scene, server)) = ready(script) else {
        return;
    };
    let words = format!("begin {} the end", "x".repeat(200 << 10));
    let task = ["code", "-", "--repo", "shop", "--on-ask", "deny"];
    let ran = typed(&scene, &task, words.as_bytes());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let said = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("the words have 204814 bytes"), "{said}");
    let sent = &server.requests()[0].text;
    assert!(sent.contains("begin x") && sent.contains("x the end"));
    assert!(sent.len() < 160 << 10, "{} bytes are sent", sent.len());
}

/// `atoll code -` with this on its standard input.
fn typed(scene: &Scene, words: &[&str], bytes: &[u8]) -> Ran {
    let mut command = scene.with_node(words);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may stop reading in the middle: then it has seen enough.
    let _ = stdin.write_all(bytes);
    drop(stdin);
    Ran::of(child.wait_with_output().unwrap())
}

#[test]
fn words_on_standard_input_are_bounded_and_must_be_text() {
    let scene = Scene::new();
    scene.file("shop/a.txt", "a\n");
    let million = vec![b'x'; 1 << 20];
    for (bytes, number) in [
        (&b""[..], "ATL-0105"),
        (b" \n\t\n", "ATL-0105"),
        (b"fix \xff it", "ATL-0101"),
        (&million, "ATL-0101"),
    ] {
        for words in [
            &["code", "-", "--repo", "shop"][..],
            &["code", "--repo", "shop"],
        ] {
            let ran = typed(&scene, words, bytes);
            assert!(
                ran.code == 2 && ran.err.contains(number) && !ran.err.contains("panicked"),
                "{words:?} {}: {}",
                ran.code,
                ran.err
            );
        }
    }
    nothing_began(&scene);
}
