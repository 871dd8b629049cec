//! The engine through the whole binary: killed in mid-decode, a model that doesn't fit, one that is none.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use testkit::gguf::{Made, model};

use crate::hostile::until;
use crate::scene::{Ran, Scene};

/// A scene with a model of noise as its default, and a folder to speak about.
fn noisy(spoil: impl FnOnce(&mut Made)) -> Scene {
    let scene = Scene::new();
    scene.file("shop/sum.txt", "total=2\n");
    let mut made = model();
    made.whole("llama.context_length", 8192);
    spoil(&mut made);
    let file = made.write(scene.path(), "noise");
    for words in [
        &["model", "add", file.to_str().unwrap()][..],
        &["config", "set", "model.default", "embedded/noise"],
        &["config", "set", "engine.threads", "1"],
    ] {
        let ran = scene.run(words);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.err);
    }
    scene
}

fn node(scene: &Scene, words: &[&str]) -> Ran {
    Ran::of(scene.with_node(words).output().unwrap())
}

/// The engines of the scene's node.
fn engines(scene: &Scene) -> Vec<u32> {
    let lock = scene.path().join("atoll/data/node.lock");
    let node = std::fs::read_to_string(lock).unwrap_or_default();
    let of = |pid: u32| {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
        let parent = read("stat")?
            .rsplit(") ")
            .next()?
            .split(' ')
            .nth(1)?
            .to_owned();
        let engine = read("cmdline")?.ends_with("\0--engine\0");
        (engine && parent == node.trim()).then_some(pid)
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(of)
        .collect()
}

/// Speaks, and kills the engine at the first words that it writes; how that ended.
fn killed_in_mid_decode(scene: &Scene, n: usize) -> Ran {
    let prompt = format!("Say something, number {n}.");
    let words = ["--json", "chat", "--repo", "shop", &prompt];
    let mut chat = scene.with_node(&words);
    let mut child = chat
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut heard = String::new();
    while !heard.contains("\"text\"") && out.read_line(&mut heard).unwrap() > 0 {}
    for pid in engines(scene) {
        let pid = pid.to_string();
        let _ = Command::new("/bin/kill").args(["-9", &pid]).status(); // it may be done
    }
    while out.read_line(&mut heard).unwrap() > 0 {}
    let mut ran = Ran::of(child.wait_with_output().unwrap());
    ran.out = heard;
    ran
}

#[test]
fn an_engine_killed_in_mid_decode_costs_its_call_and_the_next_call_starts_another() {
    let scene = noisy(|_| {});
    // A reply may be over before the signal comes.
    let ran = (0..20)
        .map(|n| killed_in_mid_decode(&scene, n))
        .find(|ran| ran.out.contains("reply_failed"))
        .expect("one of them is killed in time");
    assert!(
        ran.out.contains("the engine ended by signal 9"),
        "{}",
        ran.out
    );
    // The turn asked again, of another engine, and came to its end.
    assert!(ran.out.contains("\"kind\":\"result\""), "{}", ran.out);
    let tested = node(&scene, &["model", "test"]);
    assert!(
        tested.out.contains("embedded/noise answers."),
        "{}{}",
        tested.out,
        tested.err
    );
    assert_eq!(
        engines(&scene).len(),
        1,
        "and one that rests, for the next call"
    );
    assert_eq!(node(&scene, &["status"]).code, 0);
}

#[test]
fn a_model_that_does_not_fit_is_said_with_what_to_do() {
    let scene = noisy(|_| {});
    let set = scene.run(&["config", "set", "engine.spare_mib", "1073741824"]);
    assert_eq!(set.code, 0, "{}", set.err);
    let listed = node(&scene, &["--json", "model", "list"]).data();
    assert_eq!(listed[0]["file"]["fits"], false);
    let ran = node(&scene, &["model", "test"]);
    assert_ne!(ran.code, 0);
    let said = format!("{}{}", ran.out, ran.err);
    for words in [
        "doesn't fit into memory",
        "0 MiB are free",
        "atoll model list",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    until("the engine that judged it is gone", || {
        engines(&scene).is_empty()
    });
    assert_eq!(node(&scene, &["status"]).code, 0);
}

#[test]
fn a_file_that_passes_its_header_and_is_no_model_fails_with_words_and_the_node_lives() {
    let scene = noisy(|made| made.tensors.retain(|t| t.name != "blk.0.attn_q.weight"));
    let ran = node(&scene, &["model", "test"]);
    assert_ne!(ran.code, 0);
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains("the model's file can't be used"), "{said}");
    assert_eq!(node(&scene, &["status"]).code, 0);
}
