//! Calls of tools by a model of random numbers: whatever it would rather write, what comes is a whole call or words.

use atoll_ports::models::Delta;
use serde_json::{Value, json};
use testkit::gguf::model;

use crate::stand::{act, call, conversation, embedded, options, tool};

/// Schemas as tools have them, and odder ones.
fn schemas() -> Vec<Value> {
    let object = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required});
    vec![
        object(json!({}), json!([])),
        object(
            json!({"path": {"enum": ["a.py", "b.py"]}, "line": {"type": "integer"}}),
            json!(["path", "line"]),
        ),
        object(
            json!({"all": {"type": "boolean"}, "how": {"enum": ["add", "take \"away\"", 3, null]}}),
            json!([]),
        ),
        object(
            json!({"edits": {"type": "array", "minItems": 1, "maxItems": 3, "items":
                object(json!({"at": {"type": "number"}, "to": {"enum": ["é\n", "\\"]}}), json!(["at"]))}}),
            json!(["edits"]),
        ),
        object(
            json!({"either": {"anyOf": [{"type": "null"}, {"const": {"a": [1, "b"]}}]}}),
            json!(["either"]),
        ),
        object(json!({"words": {"type": "string"}}), json!(["words"])),
    ]
}

/// Whether a value is of a schema, as far as the schemas above go.
fn fits(schema: &Value, value: &Value) -> bool {
    if let Some(constant) = schema.get("const") {
        return constant == value;
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.contains(value);
    }
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        return choices.iter().any(|choice| fits(choice, value));
    }
    match schema["type"].as_str().unwrap() {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "null" => value.is_null(),
        "array" => value.as_array().is_some_and(|a| {
            (1..=3).contains(&a.len()) && a.iter().all(|v| fits(&schema["items"], v))
        }),
        _ => value.as_object().is_some_and(|members| {
            let known = |(name, v): (&String, &Value)| {
                let property = schema["properties"].get(name);
                property.is_some_and(|property| fits(property, v))
            };
            let required = schema["required"].as_array().unwrap();
            let there = |name: &Value| members.contains_key(name.as_str().unwrap());
            members.iter().all(known) && required.iter().all(there)
        }),
    }
}

#[tokio::test]
async fn even_a_model_of_noise_calls_tools_by_their_schemas_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    model().write(folder.path(), "tiny");
    let models = embedded(folder.path(), options());
    let schemas = schemas();
    let name = |i: usize| format!("tool_{i}\"é");
    let tools: Vec<_> = schemas
        .iter()
        .enumerate()
        .map(|(i, schema)| tool(&name(i), schema.clone()))
        .collect();
    let (mut calls, mut words) = (0, 0);
    for seed in 0..96u8 {
        let mut act = act(&models, conversation(&[&format!("fix {seed}")]), 200);
        // One tool at a time, so that each is tried, and its window holds the conversation.
        let i = usize::from(seed) % schemas.len();
        act.conversation.tools = vec![tools[i].clone()];
        let other = format!("tool{}", char::from(b'A' + seed % 26));
        // Words have a form as well: noise would hardly ever begin with a brace by itself.
        act.conversation.form = Some(atoll_domain::Form {
            name: "answer".into(),
            schema: json!({"const": { other.clone(): false }}),
            varied: false,
        });
        act.key = atoll_domain::ActionKey::derive(&[&[seed]]);
        let (deltas, end) = call(&models, act).await;
        let reply = end.unwrap();
        match reply.finish.as_str() {
            "tool_calls" => {
                calls += 1;
                let [call] = reply.message.tool_calls.as_slice() else {
                    panic!("{reply:?}")
                };
                assert_eq!(call.name, name(i));
                assert_eq!(deltas, [Delta::ToolNamed(name(i))]);
                let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
                assert!(
                    fits(&schemas[i], &arguments),
                    "{} for {}",
                    arguments,
                    schemas[i]
                );
            }
            "stop" => {
                words += 1;
                assert_eq!(
                    reply.message.joined_text(),
                    format!("{{\"{other}\":false}}")
                );
            }
            "length" => assert!(reply.message.tool_calls.is_empty(), "a cut call is none"),
            other => panic!("{other}: {reply:?}"),
        }
    }
    assert!(
        calls >= 10,
        "{calls} of 96 replies were calls, {words} words"
    );
}
