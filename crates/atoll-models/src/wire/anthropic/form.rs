//! A reply in a given form. This wire has no such thing that all its servers know, but the model can be made to
//! call a tool: the form becomes a tool, and what it is called with becomes the reply's text.

use atoll_domain::Form;
use serde_json::{Map, Value, json};

/// What the value is called where a schema isn't an object's: a tool takes objects alone.
const VALUE: &str = "value";

fn is_wrapped(form: &Form) -> bool {
    form.schema["type"] != "object"
}

/// The tool that stands for the form.
pub(super) fn tool(form: &Form) -> Value {
    let schema = match is_wrapped(form) {
        true => json!({"type": "object", "properties": {VALUE: form.schema}, "required": [VALUE]}),
        false => form.schema.clone(),
    };
    json!({"name": form.name, "description": "Gives the answer, in the form that is asked for.", "input_schema": schema})
}

/// The reply's text, of what the tool was called with. What is no JSON stays as it was written.
pub(super) fn text(form: &Form, arguments: String) -> String {
    if !is_wrapped(form) {
        return arguments;
    }
    match serde_json::from_str::<Map<String, Value>>(&arguments) {
        Ok(mut map) if map.contains_key(VALUE) => map.remove(VALUE).unwrap_or_default().to_string(),
        _ => arguments,
    }
}
