//! Without a node: help, errors, settings, rules, exports.

use crate::scene::Scene;

fn leaves(scene: &Scene, path: &[String], found: &mut Vec<Vec<String>>) {
    let mut words: Vec<&str> = path.iter().map(String::as_str).collect();
    words.push("--help");
    let ran = scene.run(&words);
    assert_eq!(ran.code, 0, "{path:?}: {}", ran.err);
    let subs: Vec<String> = ran
        .out
        .lines()
        .skip_while(|l| !l.starts_with("Commands:"))
        .skip(1)
        .take_while(|l| l.starts_with("  "))
        // What is indented further goes on with the line above.
        .filter(|l| !l.starts_with("   "))
        .filter_map(|l| l.split_whitespace().next().map(str::to_owned))
        .collect();
    for sub in subs {
        let mut deeper = path.to_vec();
        deeper.push(sub);
        found.push(deeper.clone());
        leaves(scene, &deeper, found);
    }
    if !path.is_empty() {
        let sub = ran.out.contains("Commands:");
        assert!(
            sub || ran
                .out
                .contains(&format!("Examples:\n  atoll {}", path.join(" ")))
                || ran.out.contains("Examples:"),
            "{path:?}"
        );
        assert!(
            ran.out.lines().all(|l| l.chars().count() <= 100),
            "{path:?} is wider than 100 columns"
        );
    }
}

#[test]
fn each_page_of_the_help_prints_without_a_node() {
    let scene = Scene::new();
    let mut found = Vec::new();
    for noun in [
        "code",
        "chat",
        "exec",
        "try",
        "gate",
        "patch",
        "session",
        "log",
        "policy",
        "grant",
        "model",
        "up",
        "down",
        "restart",
        "status",
        "doctor",
        "config",
        "explain",
        "completion",
    ] {
        let path = vec![noun.to_owned()];
        found.push(path.clone());
        leaves(&scene, &path, &mut found);
    }
    assert!(found.len() >= 40, "{found:?}");
    assert!(
        !scene.path().join("atoll").exists(),
        "a page changes nothing on disk"
    );
}

#[test]
fn a_slip_is_an_error_with_a_code_and_json_says_it_too() {
    let scene = Scene::new();
    let ran = scene.run(&["patch", "acept", "p1"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(
        ran.err.starts_with("error ATL-0101: ") && ran.err.contains("'accept'"),
        "{}",
        ran.err
    );
    let ran = scene.run(&["--json", "patch", "acept", "p1"]);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (ran.code, &json["kind"], &json["data"]["code"]),
        (2, &"error".into(), &"ATL-0101".into())
    );
    let ran = scene.run(&["exec", "--nonsense", "--", "true"]);
    assert_eq!(
        ran.code, 125,
        "exec's own failures lie above the command's codes"
    );
    let ran = scene.run(&["exec", "--", "true"]);
    assert_eq!(ran.code, 125, "{}", ran.err);
}

#[test]
fn without_a_node_and_leave_to_start_one_it_says_what_to_do() {
    let scene = Scene::new();
    for words in [
        &["status"][..],
        &["session", "list"],
        &["patch", "accept", "p1"],
        &[],
    ] {
        let ran = scene.run(words);
        assert_eq!(ran.code, 6, "{words:?}");
        assert!(
            ran.err.contains("ATL-0701") && ran.err.contains("atoll up"),
            "{}",
            ran.err
        );
    }
    let ran = scene.run(&["down"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "No node runs.\n"));
}

#[test]
fn code_wants_words_and_a_folder() {
    let scene = Scene::new();
    let ran = scene.run(&["code"]);
    assert!(ran.code == 2 && ran.err.contains("ATL-0105"), "{}", ran.err);
    let ran = scene.run(&["code", "mend", "--repo", "nowhere"]);
    assert!(ran.code == 2 && ran.err.contains("ATL-0501"), "{}", ran.err);
    let ran = scene.run(&["code", "mend", "--max-cost", "lots"]);
    assert!(ran.code == 2 && ran.err.contains("ATL-0101"), "{}", ran.err);
}

#[test]
fn a_wrong_configuration_stops_what_needs_it_and_nothing_else() {
    let scene = Scene::new();
    scene.file("atoll/config/config.toml", "[polcy]\nprofile = \"open\"\n");
    let ran = scene.run(&["config", "show"]);
    assert!(
        ran.code == 2 && ran.err.contains("policy.profile"),
        "{}",
        ran.err
    );
    assert_eq!(scene.run(&["explain", "104"]).code, 0);
    scene.file(
        "atoll/config/config.toml",
        "[providers.mine]\nbase_url = \"ftp://x\"\n",
    );
    let ran = scene.run(&["code", "mend"]);
    assert!(ran.code == 2 && ran.err.contains("ATL-0103"), "{}", ran.err);
}

#[test]
fn wrong_rules_are_named_to_the_line() {
    let scene = Scene::new();
    let file = scene.file(
        "mine.cedar",
        "@id(\"mine.x\")\npermit (principal, action, resouce);\n",
    );
    let ran = scene.run(&["policy", "check", file.to_str().unwrap()]);
    assert!(
        ran.code == 2 && ran.err.contains("ATL-0305") && ran.err.contains("mine.cedar:2:"),
        "{}",
        ran.err
    );
    scene.file("atoll/config/policy/mine.cedar", "permit (");
    let ran = scene.run(&["policy", "show"]);
    assert!(
        ran.code == 2 && ran.err.contains("policy/mine.cedar:1:"),
        "{}",
        ran.err
    );
}

#[test]
fn an_export_that_is_none_is_told_from_an_intact_one() {
    let scene = Scene::new();
    let file = scene.file("x.ndjson", "{\"a\":1}\n");
    let ran = scene.run(&["log", "verify", file.to_str().unwrap()]);
    assert!(
        ran.code == 8 && ran.out.contains("NOT intact: first at line 1"),
        "{}{}",
        ran.out,
        ran.err
    );
    let ran = scene.run(&["log", "verify", "nowhere.ndjson"]);
    assert!(ran.code == 1 && ran.err.contains("ATL-0506"), "{}", ran.err);
}

#[test]
fn completion_knows_the_commands() {
    let scene = Scene::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = scene.run(&["completion", shell]);
        assert!(
            ran.code == 0 && ran.out.contains("confirm-runs-outside"),
            "{shell}"
        );
        assert!(
            !ran.out.contains("--lifeline"),
            "{shell} offers what is hidden"
        );
    }
}

#[test]
fn trust_is_bound_to_what_is_there_now() {
    let scene = Scene::new();
    scene.file(
        "shop/.atoll/workspace.toml",
        "test = [\"make\", \"check\"]\n",
    );
    let data = scene.run(&["--json", "config", "trust", "shop"]).data();
    assert!(
        data["holds"].as_str().unwrap().contains("make check"),
        "{data}"
    );
    let ran = scene.run(&["config", "show"]);
    assert!(ran.out.contains("trust "), "{}", ran.out);
    assert_eq!(scene.run(&["config", "trust", "shop", "--remove"]).code, 0);
    assert!(!scene.run(&["config", "show"]).out.contains("trust "));
}
