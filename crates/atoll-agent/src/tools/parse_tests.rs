use super::*;
use proptest::prelude::*;

fn config() -> SessionConfig {
    SessionConfig {
        root: "/home/u/till".into(),
        test: Some(vec!["pytest".into(), "-q".into()]),
        ..SessionConfig::default()
    }
}

fn ok(name: &str, arguments: &str) -> ToolRequest {
    parse_call(&config(), name, arguments).unwrap().request
}

fn err(name: &str, arguments: &str) -> String {
    parse_call(&config(), name, arguments).unwrap_err()
}

#[test]
fn reading_in_many_dialects() {
    let want = ToolRequest::Read {
        what: ReadOp::Read {
            path: "src/a.py".into(),
            start_line: Some(10),
            lines_max: Some(11),
        },
    };
    for (name, arguments) in [
        (
            "read_file",
            r#"{"path": "src/a.py", "start_line": 10, "lines_max": 11}"#,
        ),
        (
            "Read",
            r#"{"file_path": "./src/a.py", "offset": "10", "limit": "11"}"#,
        ),
        (
            "functions.read_file",
            r#"{"file": "/home/u/till/src/a.py", "start_line": 10, "end_line": 20}"#,
        ),
    ] {
        assert_eq!(ok(name, arguments), want, "{name} {arguments}");
    }
    let list = ok("ls", "");
    assert!(
        matches!(list, ToolRequest::Read { what: ReadOp::List { ref path, depth: None } } if path.is_empty())
    );
    let found = ok(
        "grep",
        r#"{"query": "def total", "include": "*.py", "path": "."}"#,
    );
    assert!(matches!(
        found,
        ToolRequest::Read {
            what: ReadOp::Search {
                path: None,
                glob: Some(_),
                literal: false,
                ..
            }
        }
    ));
    // Outside paths are passed on as they are: the workspace refuses them and says why.
    let outside = ok("read_file", r#"{"path": "/home/u/tillx/../.ssh/id"}"#);
    assert_eq!(outside.target(), "/home/u/tillx/../.ssh/id");
}

#[test]
fn edits_in_three_forms() {
    let replace = |search: &str, replace: &str| ToolRequest::Edit {
        path: "a.py".into(),
        edit: Edit::Replace {
            search: search.into(),
            replace: replace.into(),
            all: false,
        },
    };
    assert_eq!(
        ok("edit", r#"{"path":"a.py","search":"x","replace":"y"}"#),
        replace("x", "y")
    );
    assert_eq!(
        ok(
            "str_replace",
            r#"{"path":"a.py","old_str":"x","new_str":""}"#
        ),
        replace("x", "")
    );
    assert_eq!(
        ok(
            "edit",
            r#"{"path":"a.py","diff":"<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE"}"#
        ),
        replace("x\n", "y\n")
    );
    let whole = ok(
        "write_file",
        r#"{"filename": "b.py", "content": "print(1)\n"}"#,
    );
    assert!(matches!(
        whole,
        ToolRequest::Edit {
            edit: Edit::Whole { .. },
            ..
        }
    ));
    let diff = "--- a/src/a.py\n+++ b/src/a.py\n@@ -1 +1 @@\n-x\n+y\n";
    let patch = ok(
        "apply_patch",
        &serde_json::json!({ "patch": diff }).to_string(),
    );
    assert_eq!(patch.target(), "src/a.py");
    let gone = ok("edit", r#"{"path":"a.py","delete":true}"#);
    assert!(matches!(
        gone,
        ToolRequest::Edit {
            edit: Edit::Delete,
            ..
        }
    ));
}

#[test]
fn edits_that_could_mean_two_things_are_refused() {
    for (arguments, says) in [
        (r#"{"path":"a.py"}"#, "nothing to do"),
        (r#"{"path":"a.py","search":"x"}"#, "`replace` is missing"),
        (
            r#"{"path":"a.py","search":"","replace":"y"}"#,
            "give `content`",
        ),
        (
            r#"{"path":"a.py","search":"x","replace":"y","content":"z"}"#,
            "one of the three",
        ),
        (r#"{"search":"x","replace":"y"}"#, "`path` is missing"),
        (r#"{"path":".","content":"y"}"#, "name a file"),
        (
            r#"{"path":"a.py","edits":[{"search":"x","replace":"y"}]}"#,
            "one edit per call",
        ),
        (r#"{"path":"a\u0000.py","content":"y"}"#, "NUL"),
        (r#"{"path":"a.py","content":{"x":1}}"#, "must be text"),
    ] {
        assert!(
            err("edit", arguments).contains(says),
            "{arguments}: {}",
            err("edit", arguments)
        );
    }
    let copied = serde_json::json!({ "path": "a", "content": crate::context::LEFT_OUT });
    assert!(err("edit", &copied.to_string()).contains("real text"));
}

#[test]
fn commands_as_text_or_words() {
    let run = |arguments: &str| match ok("run", arguments) {
        ToolRequest::Run { cmd, ttl_s } => (cmd, ttl_s),
        other => panic!("not a run: {other:?}"),
    };
    assert_eq!(
        run(r#"{"command":"ls -l | wc"}"#).0,
        ["sh", "-c", "ls -l | wc"]
    );
    assert_eq!(
        run(r#"{"cmd":["ls","-l"],"timeout":"99999"}"#),
        (vec!["ls".into(), "-l".into()], Some(3600))
    );
    assert_eq!(run(r#"{"command":"[\"ls\", \"-l\"]"}"#).0, ["ls", "-l"]);
    assert_eq!(run(r#"{"command":"ls","args":["-l"]}"#).0, ["ls", "-l"]);
    let inside = run(r#"{"command":"make","cwd":"sub dir"}"#).0;
    assert_eq!(inside[3..], ["sh", "sub dir", "sh", "-c", "make"]);
    for same in [r#"{"command":"pytest -q"}"#, r#"{"cmd":["pytest","-q"]}"#] {
        assert!(
            matches!(ok("bash", same), ToolRequest::Test { .. }),
            "{same}"
        );
    }
    for bad in [
        "{}",
        r#"{"command":""}"#,
        r#"{"command":[]}"#,
        r#"{"command":{"a":1}}"#,
        r#"{"command":["","x"]}"#,
        r#"{"command":"a\u0000b"}"#,
    ] {
        assert!(parse_call(&config(), "run", bad).is_err(), "{bad}");
    }
}

#[test]
fn finish_takes_what_is_there() {
    let ToolRequest::Finish {
        title,
        summary,
        solved,
        ..
    } = ok(
        "finish",
        r#"{"summary": "Rounding was cut off. Now it rounds."}"#,
    )
    else {
        panic!("not a finish")
    };
    assert_eq!(title, "Rounding was cut off");
    assert!(solved && summary.ends_with("rounds."));
    assert!(matches!(
        ok("done", r#"{"title":"x","solved":"false"}"#),
        ToolRequest::Finish { solved: false, .. }
    ));
    assert!(err("finish", "{}").contains("`summary` is missing"));
}

#[test]
fn unknown_tools_and_arguments_are_said() {
    assert!(
        err("launch_missiles", "{}")
            .contains("read_file, list, search, extract, edit, run, test, finish")
    );
    assert!(err(&"x".repeat(100_000), "{}").len() < 400);
    let noted = parse_call(&config(), "list", r#"{"path":"src","recursive":true}"#).unwrap();
    assert_eq!(noted.notes, ["unknown arguments were ignored: `recursive`"]);
    let plan = SessionConfig {
        plan: true,
        ..config()
    };
    assert!(
        parse_call(&plan, "edit", "{}")
            .unwrap_err()
            .contains("changes nothing")
    );
    let untested = SessionConfig {
        test: None,
        ..config()
    };
    assert!(
        parse_call(&untested, "test", "{}")
            .unwrap_err()
            .contains("use `run`")
    );
}

const NAMES: &str = "read_file|extract|list|search|edit|run|test|finish|bash|[a-z_./]{0,12}";
const KEYS: &str = "path|file|search|replace|content|diff|command|args|cwd|pattern|title|summary|start_line|depth|all|[a-z]{1,5}";

fn value() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        any::<String>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<bool>().prop_map(Into::into),
        proptest::collection::vec(any::<String>(), 0..4).prop_map(Into::into),
        Just(serde_json::Value::Null),
        Just(serde_json::json!({"a": [1]})),
    ]
}

proptest! {
    #[test]
    fn arbitrary_calls_never_panic(name in any::<String>(), known in NAMES, arguments in any::<String>()) {
        let _ = parse_call(&config(), &name, &arguments);
        let _ = parse_call(&config(), &known, &arguments);
    }

    #[test]
    fn arbitrary_objects_give_a_request_or_words(
        name in NAMES,
        map in proptest::collection::hash_map(KEYS, value(), 0..6),
    ) {
        let arguments = serde_json::to_string(&map).unwrap();
        match parse_call(&config(), &name, &arguments) {
            Err(why) => prop_assert!(!why.is_empty() && why.len() < 2000),
            Ok(parsed) => {
                prop_assert!(atoll_domain::canonical_json(&parsed.request).is_ok());
                prop_assert!(!parsed.request.target().contains('\0') || parsed.request.name() == "finish");
            }
        }
    }
}
