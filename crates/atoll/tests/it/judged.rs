//! Past verdicts, read off the log: why they were so, and what other rules would have said.

use serde_json::{Value, json};
use testkit::provider::{Reply, Script};

use crate::hostile::ready;
use crate::kit::plain;
use crate::scene::{Ran, Scene};

const NO_SUMS: &str = r#"@id("my.no-sums")
@why("sums are made by hand")
forbid (principal, action == Action::"write", resource)
when { context.path == "sum.txt" };
"#;

/// A session that reads, writes, runs the test and asks for the network, which nobody is there to answer.
fn worked() -> Option<Scene> {
    let script = Script::list([
        Reply::call("read_file", json!({ "path": "sum.txt" })),
        Reply::call(
            "edit",
            json!({ "path": "sum.txt", "search": "total=2", "replace": "total=3" }),
        ),
        Reply::call("test", json!({})),
        Reply::call(
            "finish",
            json!({ "title": "Fix the sum", "summary": "It was 2." }),
        ),
    ]);
    let (scene, _server) = ready(script)?;
    let words = [
        "code",
        "make the test pass",
        "--repo",
        "shop",
        "--on-ask",
        "deny",
    ];
    let ran = Ran::of(scene.with_node(&words).output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let net = [
        "exec",
        "--repo",
        "shop",
        "--net",
        "example.org:443",
        "--",
        "true",
    ];
    assert_eq!(Ran::of(scene.with_node(&net).output().unwrap()).code, 126);
    Some(scene)
}

fn events(scene: &Scene, kind: &str) -> Vec<Value> {
    let all = scene.run(&["--json", "log", "tail", "-n", "1000"]).data();
    let all = all.as_array().unwrap().iter();
    all.filter(|e| e["type"] == kind).cloned().collect()
}

fn why(scene: &Scene, what: &str) -> Vec<Value> {
    let ran = scene.run(&["--json", "policy", "why", what]);
    assert_eq!(ran.code, 0, "{what}: {}{}", ran.out, ran.err);
    plain(what, &ran.out);
    ran.data().as_array().unwrap().clone()
}

fn write_of(scene: &Scene) -> u64 {
    let granted = events(scene, "Granted");
    let write = granted.iter().find(|e| e["body"]["kind"] == "write");
    write.unwrap()["seq"].as_u64().unwrap()
}

#[test]
fn a_verdict_tells_its_rules_and_the_facts_they_saw() {
    let Some(scene) = worked() else { return };
    let write = write_of(&scene);
    let ran = scene.run(&["policy", "why", &write.to_string()]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for line in [
        &format!("Event {write}: allow")[..],
        "write sum.txt",
        "careful.write",
        "careful.cedar:",
        "the rules in force",
        "context.path = \"sum.txt\"",
        "principal.kind = Kind::\"ai\"",
    ] {
        assert!(ran.out.contains(line), "{line}: {}", ran.out);
    }

    // What was refused for want of a person; the same by the event, and in the list of all.
    let denied = &events(&scene, "PolicyDenied")[0];
    let denied = why(&scene, &denied["seq"].to_string());
    assert_eq!(denied.len(), 1);
    assert_eq!(denied[0]["verdict"], "ask", "{}", denied[0]);
    assert_eq!(denied[0]["rules"][0]["id"], "careful.network");
    let reads = &denied[0]["rules"][0]["reads"];
    assert_eq!(*reads, json!({ "context.network": true }));
    let hosts = &denied[0]["facts"]["context.hosts"];
    assert_eq!(*hosts, json!(["example.org:443"]));

    // What rests on a verdict leads to it: a job, its permit's end, the step that wanted it.
    let run = why(&scene, "j1");
    assert_eq!(run[0]["kind"], "run");
    let closed = events(&scene, "Closed");
    let of_write = closed
        .iter()
        .find(|e| e["body"]["kind"] == "write")
        .unwrap();
    assert_eq!(why(&scene, &of_write["seq"].to_string())[0]["event"], write);
    let edit = events(&scene, "ToolCall");
    let edit = edit.iter().find(|e| e["body"]["tool"] == "edit").unwrap();
    let of_step = why(&scene, &edit["seq"].to_string());
    assert!(of_step.iter().any(|e| e["event"] == write), "{of_step:?}");
    let all = why(&scene, "s1");
    assert!(all.len() > 4 && all.iter().any(|e| e["event"] == write));

    assert_eq!(scene.run(&["patch", "accept", "p1"]).code, 0);
    let accepted = why(&scene, "p1");
    assert_eq!(
        (accepted.len(), &accepted[0]["kind"]),
        (1, &json!("accept"))
    );
    assert_eq!(accepted[0]["what"], "sum.txt");

    for what in ["0", "99999", "1", "g9", "p9", "x", "../x", "g0"] {
        let ran = scene.run(&["policy", "why", what]);
        assert_eq!(ran.code, 2, "{what}: {}{}", ran.out, ran.err);
        assert!(
            ran.err.contains("ATL-0102") && ran.err.contains("next"),
            "{}",
            ran.err
        );
    }
}

#[test]
fn changed_rules_are_tried_on_what_happened() {
    let Some(scene) = worked() else { return };
    let new = scene.file("no-sums.cedar", NO_SUMS);
    let new = new.to_str().unwrap();
    let same = scene
        .run(&["--json", "policy", "simulate", "--since", "all"])
        .data();
    let found = &same["found"];
    assert!(found["judged"].as_u64().unwrap() > 5, "{found}");
    assert_eq!(
        found["differ"], 0,
        "what was judged is judged the same again: {found}"
    );

    let changed = scene.run(&["--json", "policy", "simulate", new]).data();
    let found = &changed["found"];
    assert_eq!(found["differ"], 1, "{found}");
    let group = &found["groups"][0];
    assert_eq!(
        (&group["then"], &group["now"], &group["rules_now"]),
        (&json!("allow"), &json!("deny"), &json!(["my.no-sums"]))
    );
    let write = write_of(&scene);
    assert_eq!(
        group["examples"],
        json!([{ "event": write, "what": "sum.txt" }])
    );
    let ran = scene.run(&["policy", "simulate", new]);
    assert_eq!(ran.code, 0, "differences are a result: {}", ran.err);
    assert!(
        ran.out.contains("1 would differ") && ran.out.contains("1 write: allow -> deny"),
        "{}",
        ran.out
    );

    // Under another profile the question for the network would have been none.
    let open = scene
        .run(&["--json", "policy", "simulate", "--profile", "open"])
        .data();
    let groups = open["found"]["groups"].as_array().unwrap();
    assert!(
        groups
            .iter()
            .any(|g| g["then"] == "ask" && g["now"] == "allow" && g["kind"] == "run"),
        "{groups:?}"
    );
    // The file of that name is replaced, not added to.
    scene.file("atoll/config/policy/no-sums.cedar", NO_SUMS);
    let empty = scene.file("other/no-sums.cedar", "");
    let words = ["--json", "policy", "simulate", empty.to_str().unwrap()];
    assert_eq!(scene.run(&words).data()["found"]["differ"], 0);
    let why = why(&scene, &write.to_string());
    assert_eq!(
        (&why[0]["in_force"], &why[0]["now"]["verdict"]),
        (&json!(false), &json!("deny"))
    );

    for (words, code) in [
        (&["policy", "simulate", "--since", "soon"][..], 2),
        (&["policy", "simulate", "--profile", "careless"], 2),
        (&["policy", "simulate", "nowhere.cedar"], 2),
    ] {
        let ran = scene.run(words);
        assert_eq!(ran.code, code, "{words:?}: {}{}", ran.out, ran.err);
    }
    let bad = scene.file("bad.cedar", "permit (principal, action, resource) when {");
    let ran = scene.run(&["policy", "simulate", bad.to_str().unwrap()]);
    assert!(
        ran.code == 2 && ran.err.contains("bad.cedar:1:"),
        "{}",
        ran.err
    );
}

#[test]
fn what_was_erased_is_counted_and_said() {
    let Some(scene) = worked() else { return };
    let write = write_of(&scene);
    let erased = scene.run(&["log", "erase", &write.to_string(), "--why", "x", "--yes"]);
    assert_eq!(erased.code, 0, "{}", erased.err);
    assert_eq!(scene.run(&["down"]).code, 0);
    // Without a node, too.
    let ran = scene.run(&["policy", "why", &write.to_string()]);
    assert!(
        ran.code == 0 && ran.out.contains("erased") && ran.out.contains("careful.write"),
        "{}{}",
        ran.out,
        ran.err
    );
    assert!(!ran.out.contains("sum.txt"), "{}", ran.out);
    let new = scene.file("no-sums.cedar", NO_SUMS);
    let words = ["--json", "policy", "simulate", new.to_str().unwrap()];
    let found = scene.run(&words).data()["found"].clone();
    assert_eq!((&found["differ"], &found["erased"]), (&json!(0), &json!(1)));
    let other = Scene::new();
    let ran = other.run(&["policy", "simulate"]);
    assert!(
        ran.code == 2 && ran.err.contains("no log"),
        "{}{}",
        ran.out,
        ran.err
    );
}

#[test]
fn a_program_is_denied_wherever_it_hides() {
    let scene = Scene::new();
    if !scene.sandboxed() {
        return;
    }
    scene.file("w/a.txt", "a\n");
    let rule = r#"@id("my.no-touch") @why("nothing is touched") forbid (principal, action == Action::"run", resource)
        when { context.programs.contains("touch") };"#;
    scene.file("atoll/config/policy/no-touch.cedar", rule);
    let exec = |line: &str| {
        let words = ["exec", "--repo", "w", "--", "sh", "-c", line];
        Ran::of(scene.with_node(&words).output().unwrap())
    };
    for line in [
        "touch b",
        "ls | xargs touch",
        "echo $(touch b)",
        "env X=1 sh -c 'touch b'",
        "t=touch; $t b",
        "echo touch b | sh",
    ] {
        let ran = exec(line);
        assert!(
            ran.code == 126 && ran.err.contains("nothing is touched"),
            "{line}: {} {}{}",
            ran.code,
            ran.out,
            ran.err
        );
    }
    assert_eq!(exec("ls | grep a.txt && echo touch").out, "a.txt\ntouch\n");
    let told = why(
        &scene,
        &events(&scene, "PolicyDenied")[1]["seq"].to_string(),
    );
    let programs = &told[0]["rules"][0]["reads"];
    assert_eq!(
        *programs,
        json!({ "context.programs": ["ls", "sh", "touch", "xargs"] })
    );
}
