use atoll_domain::ToolSpec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::judge::Judge;
use super::{GRAMMAR_LIMIT_BYTES, reply};

fn tool(name: &str, parameters: Value) -> ToolSpec {
    ToolSpec {
        name: name.into(),
        description: String::new(),
        parameters,
    }
}

fn judge(tools: &[ToolSpec]) -> Judge {
    Judge::of(&reply(tools, None).unwrap())
}

fn edit() -> ToolSpec {
    tool(
        "edit",
        json!({"type": "object", "required": ["path", "lines"], "properties": {
            "path": {"type": "string"},
            "lines": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
            "how": {"enum": ["add", "take \"away\"", 3]},
            "all": {"type": "boolean"},
        }}),
    )
}

#[test]
fn without_tools_nothing_is_forced() {
    assert_eq!(reply(&[], None), None);
}

#[test]
fn a_text_can_be_kept_out() {
    let form = json!({"type": "object", "required": ["by"], "properties": {
        "by": {"type": "string", "not": {"enum": ["", "1", "10", "a b", "odd\"one"]}},
    }});
    let judge = Judge::of(&reply(&[], Some(&form)).unwrap());
    for good in [
        "2",
        "100",
        "11",
        "a",
        "a bc",
        " 1",
        "\\n",
        "é",
        "odd\\\"one",
    ] {
        assert!(judge.accepts(&format!("{{\"by\": \"{good}\"}}")), "{good}");
    }
    for bad in ["", "1", "10", "a b"] {
        assert!(!judge.accepts(&format!("{{\"by\": \"{bad}\"}}")), "{bad}");
    }
}

#[test]
fn a_reply_is_words_or_one_whole_call() {
    let judge = judge(&[
        edit(),
        tool("done", json!({"type": "object", "properties": {}})),
    ]);
    for good in [
        "All done.",
        "Words that hold {\"tool\": 1} later.",
        r#"{"tool": "done", "arguments": {}}"#,
        r#"{"tool": "edit", "arguments": {"path": "a b\n\"c\" é \u00e9", "lines": [1]}}"#,
        r#"{"tool": "edit", "arguments": {"path":"","lines":[-1,20, 3],"how":"take \"away\""}}"#,
        r#"{"tool": "edit", "arguments": {"path": "", "lines": [0], "how": 3, "all": true}}"#,
    ] {
        let call: Result<Value, _> = serde_json::from_str(good);
        // What isn't required comes in the schema's order.
        assert!(judge.accepts(good), "{good} ({call:?})");
    }
    for bad in [
        "",
        " {",
        "{",
        r#"{"tool": "remove", "arguments": {}}"#,
        r#"{"tool": "done", "arguments": {}} and more"#,
        r#"{"tool": "done", "arguments": {"x": 1}}"#,
        r#"{"tool": "done"}"#,
        r#"{"tool": "edit", "arguments": {}}"#,
        r#"{"tool": "edit", "arguments": {"path": "a"}}"#,
        r#"{"tool": "edit", "arguments": {"path": 3, "lines": [1]}}"#,
        r#"{"tool": "edit", "arguments": {"path": "a", "lines": []}}"#,
        r#"{"tool": "edit", "arguments": {"path": "a", "lines": [1,2,3,4]}}"#,
        r#"{"tool": "edit", "arguments": {"path": "a", "lines": [01]}}"#,
        r#"{"tool": "edit", "arguments": {"path": "a", "lines": [1.5]}}"#,
        r#"{"tool": "edit", "arguments": {"path": "a", "lines": [1], "how": "other"}}"#,
        r#"{"tool": "edit", "arguments": {"path": "a", "lines": [1],}}"#,
        r#"{"tool": "edit", "arguments": {"path": "\ud800", "lines": [1]}}"#,
        "{\"tool\": \"edit\", \"arguments\": {\"path\": \"a\nb\", \"lines\": [1]}}",
    ] {
        assert!(!judge.accepts(bad), "{bad}");
    }
}

#[test]
fn words_in_a_form_are_of_that_form_and_calls_stay_calls() {
    let form =
        json!({"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}});
    let alone = Judge::of(&reply(&[], Some(&form)).unwrap());
    let beside = Judge::of(&reply(&[edit()], Some(&form)).unwrap());
    for judge in [&alone, &beside] {
        assert!(judge.accepts(r#"{"ok": true}"#) && judge.accepts(r#"{"ok":false}"#));
        for bad in ["yes", "{}", r#"{"ok": 1}"#, r#"{"ok": true} "#] {
            assert!(!judge.accepts(bad), "{bad}");
        }
    }
    let list = json!({"type": "array", "items": {"type": "integer"}});
    let list = Judge::of(&reply(&[], Some(&list)).unwrap());
    assert!(list.accepts("[1, 2]") && !list.accepts("{}") && !list.accepts("[true]"));
    let call = r#"{"tool": "edit", "arguments": {"path": "a", "lines": [1]}}"#;
    assert!(beside.accepts(call) && !alone.accepts(call));
}

#[test]
fn whatever_the_schema_a_tool_can_be_called() {
    let deep = (0..200).fold(
        json!({"type": "string"}),
        |inner, _| json!({"type": "object", "properties": {"a": inner}}),
    );
    let wide: Map<String, Value> = (0..5000)
        .map(|i| (format!("property number {i}"), json!({"type": "string"})))
        .collect();
    for schema in [
        Value::Null,
        json!(true),
        json!({}),
        json!({"$ref": "#/x"}),
        json!({"type": "object", "properties": 3}),
        json!({"type": "object", "properties": {"a": {"type": ["string", "nothing"]}}}),
        json!({"type": "object", "properties": {"a": {"enum": []}, "b": {"anyOf": [{}]}}}),
        json!({"type": "object", "required": ["a", "a", "b"], "properties": {"c": {}}}),
        deep,
        json!({"type": "object", "properties": wide.clone()}),
        json!({"type": "object", "required": wide.keys().collect::<Vec<_>>(), "properties": wide}),
    ] {
        let grammar = reply(&[tool("t", schema.clone())], None).unwrap();
        assert!(
            grammar.len() < GRAMMAR_LIMIT_BYTES + 2048,
            "{}",
            grammar.len()
        );
        let judge = Judge::of(&grammar);
        let simple = judge.accepts(r#"{"tool": "t", "arguments": {}}"#);
        let asked = schema["required"].as_array().is_some_and(|r| r.len() > 3);
        assert!(simple || asked, "{schema}");
    }
    let odd = tool("o\"\\\n\u{7f}]é", json!({}));
    let call = json!({"tool": odd.name, "arguments": {}});
    let text = format!("{{\"tool\": {}, \"arguments\": {{}}}}", call["tool"]);
    assert!(judge(&[odd]).accepts(&text));
}

/// A schema and a value that it allows.
fn schemas() -> impl Strategy<Value = (Value, Value)> {
    let leaf = prop_oneof![
        "\\PC{0,6}".prop_map(|s| (json!({"type": "string"}), json!(s))),
        any::<i32>().prop_map(|n| (json!({"type": "integer"}), json!(n))),
        any::<bool>().prop_map(|b| (json!({"type": "boolean"}), json!(b))),
        Just((json!({"type": "null"}), Value::Null)),
        (-1.0e6..1.0e6f64)
            .prop_map(|n| (json!({"type": "number"}), json!((n * 8.0).round() / 8.0))),
        "[a-z\"\\\\]{1,4}".prop_map(|s| (json!({"enum": ["other", s]}), json!(s))),
        "[a-z]{1,4}".prop_map(|s| (json!({}), json!({ s: [1, "two", null] }))),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 1..4).prop_map(|items| {
            let schema = json!({"type": "array", "items": {"anyOf": items.iter().map(|i| &i.0).collect::<Vec<_>>()}});
            (schema, Value::Array(items.into_iter().map(|i| i.1).collect()))
        });
        let member = ("[a-z\"é]{1,4}", inner, 0..3u8);
        let object = prop::collection::vec(member, 0..5).prop_map(|members| {
            let (mut properties, mut required, mut value) = (Map::new(), Vec::new(), Map::new());
            for (name, (schema, held), stands) in members {
                if properties.contains_key(&name) {
                    continue;
                }
                properties.insert(name.clone(), schema);
                if stands == 0 {
                    required.push(name.clone());
                }
                if stands < 2 {
                    value.insert(name, held);
                }
            }
            required.sort();
            (json!({"type": "object", "properties": properties, "required": required}), Value::Object(value))
        });
        prop_oneof![list, object]
    })
}

/// A value as the grammar orders it: what is required first.
fn written(schema: &Value, value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let any = schema["items"]["anyOf"].as_array();
            let part = |(i, v): (usize, &Value)| {
                written(any.and_then(|a| a.get(i)).unwrap_or(&Value::Null), v)
            };
            let parts: Vec<String> = items.iter().enumerate().map(part).collect();
            format!("[{}]", parts.join(","))
        }
        Value::Object(members) => {
            let required = schema["required"].as_array();
            let place = |name: &str| required?.iter().position(|v| v == name);
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_by_key(|name| place(name).unwrap_or(usize::MAX));
            let part = |name: &&String| {
                let inner = written(
                    &schema["properties"][name.as_str()],
                    &members[name.as_str()],
                );
                format!("{}: {inner}", Value::from(name.as_str()))
            };
            let parts: Vec<String> = names.iter().map(part).collect();
            format!("{{{}}}", parts.join(", "))
        }
        plain => plain.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_a_schema_allows_the_grammar_allows(members in prop::collection::vec(("[a-z]{1,5}", schemas()), 1..4)) {
        let (mut properties, mut value) = (Map::new(), Map::new());
        for (name, (schema, held)) in members {
            properties.insert(name.clone(), schema);
            value.insert(name, held);
        }
        let required: Vec<&String> = properties.keys().collect();
        let schema = json!({"type": "object", "required": required, "properties": properties});
        let text = written(&schema, &Value::Object(value.clone()));
        prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &Value::Object(value));
        let call = format!("{{\"tool\": \"t\", \"arguments\": {text}}}");
        let judge = judge(&[tool("t", schema.clone())]);
        prop_assert!(judge.accepts(&call), "{} {}", schema, call);
        // A call that is cut anywhere is none.
        for (cut, _) in call.char_indices().step_by(5) {
            prop_assert!(!judge.accepts(&call[..cut]));
        }
    }
}
