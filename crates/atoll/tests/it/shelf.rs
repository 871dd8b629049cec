//! Models on disk, by command: added, listed, called where the engine is built in, removed.

use testkit::gguf::model;

use crate::scene::{Ran, Scene};

#[test]
fn a_file_is_added_listed_tried_and_removed() {
    let scene = Scene::new();
    let own = model().write(scene.path(), "Own");
    let own = own.to_str().unwrap();
    let added = scene.run(&["--json", "model", "add", own]).data();
    assert_eq!(added["model"], "embedded/own");
    assert_eq!(added["context_tokens"], 512);
    let again = scene.run(&["model", "add", own]);
    assert_eq!(again.code, 2, "{}", again.err);

    let node = |words: &[&str]| Ran::of(scene.with_node(words).output().unwrap());
    let listed = node(&["--json", "model", "list"]).data();
    assert_eq!(listed[0]["name"], "embedded/own");
    assert_eq!(listed[0]["price"], "$0");
    assert_eq!(listed[0]["file"]["fits"], true);
    let shown = node(&["model", "list"]);
    for words in [
        "On disk\n",
        "own",
        "To pull",
        "qwen2.5-coder-0.5b",
        "smollm2-135m",
    ] {
        assert!(shown.out.contains(words), "{words}: {}", shown.out);
    }
    let used = node(&["model", "use", "own"]);
    assert!(
        used.out.contains("The default model is embedded/own."),
        "{}",
        used.err
    );

    let tried = node(&["model", "test"]);
    if cfg!(feature = "embedded") {
        // A model of noise: that it answers is all that can be asked of it.
        assert!(
            tried.out.contains("embedded/own answers."),
            "{}{}",
            tried.out,
            tried.err
        );
    } else {
        assert_ne!(tried.code, 0);
        assert!(
            tried.err.contains("built without the engine"),
            "{}",
            tried.err
        );
    }
    let removed = node(&["--json", "model", "remove", "embedded/own"]).data();
    assert_eq!(removed["freed_bytes"], model().bytes().len());
    assert_eq!(node(&["model", "remove", "own"]).code, 2);
}

#[test]
fn what_is_no_model_or_has_no_such_name_is_said() {
    let scene = Scene::new();
    let text = scene.file("text.gguf", "hello");
    let ran = scene.run(&["model", "add", text.to_str().unwrap()]);
    assert_eq!(ran.code, 8);
    assert!(
        ran.err.contains("ATL-0210") && ran.err.contains("no GGUF file"),
        "{}",
        ran.err
    );
    let ran = scene.run(&["model", "pull", "nothing"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("qwen2.5-coder-0.5b, smollm2-135m"),
        "{}",
        ran.err
    );
    let ran = scene.run(&["model", "use", "embedded/nothing"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("none is on disk"), "{}", ran.err);
}
