//! The grammar of a reply (GBNF, as llama.cpp reads it), made from tools' JSON schemas: with it a model can't
//! write a call that is no JSON, names no tool, or lacks an argument.
//!
//! A reply is text that doesn't start with `{` (or, where a form was asked for, an object of that form), or one call: `{"tool": NAME, "arguments": {…}}`. What a schema says
//! beyond types, properties, enumerations and lists isn't forced; what isn't understood becomes any JSON value, so
//! that every tool can be called.

#[cfg(test)]
mod judge;
mod schema;
#[cfg(test)]
mod tests;

use atoll_domain::ToolSpec;
use serde_json::Value;

/// A grammar is no larger than this, in bytes: schemas that make more of it are forced as any JSON object.
const GRAMMAR_LIMIT_BYTES: usize = 256 << 10;

/// What every grammar has: JSON, with at most one space where spaces may be, so that no model writes them
/// without end, and no number that a reader finds too large. Values nest as deep as the rules that are called.
const JSON: &str = r#"sp ::= " "?
value ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" sp ( string ":" sp value ( "," sp string ":" sp value )* )? "}"
array ::= "[" sp ( value ( "," sp value )* )? "]"
string ::= "\"" char* "\""
char ::= [^"\\\x00-\x1F\x7F] | escape
escape ::= "\\" ( ["\\/bfnrt] | "u" ( [0-9a-cA-CeEfF] [0-9a-fA-F] | [dD] [0-7] ) [0-9a-fA-F] [0-9a-fA-F] )
integer ::= "-"? ( "0" | [1-9] [0-9]{0,15} )
number ::= integer ( "." [0-9]{1,16} )? ( [eE] [-+]? [0-9]{1,2} )?
boolean ::= "true" | "false"
null ::= "null"
"#;

/// The grammar of a reply with these tools on offer, and its words in that form; `None` without either, where
/// anything may be written.
pub fn reply(tools: &[ToolSpec], form: Option<&Value>) -> Option<String> {
    if tools.is_empty() && form.is_none() {
        return None;
    }
    let mut rules = schema::Rules::new(GRAMMAR_LIMIT_BYTES);
    let mut calls = Vec::new();
    for (i, tool) in tools.iter().enumerate() {
        let arguments = rules.arguments(&tool.parameters);
        let head = literal(&format!(
            "{{\"tool\": {}, \"arguments\": ",
            Value::from(tool.name.as_str())
        ));
        rules.push(&format!("call{i}"), &format!("{head} {arguments} \"}}\""));
        calls.push(format!("call{i}"));
    }
    // Nothing follows a call, and text can't become one halfway.
    let text = match form {
        Some(schema) => rules.form(schema),
        None => "[^{ \\t\\r\\n] [^\\x00]*".into(),
    };
    calls.insert(0, "text".into());
    let root = format!("root ::= {}\ntext ::= {text}\n", calls.join(" | "));
    Some(format!("{root}{}{JSON}", rules.text()))
}

/// A text as the grammar's literal.
fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                out.push_str(&format!("\\x{:02X}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
