//! The grammar of a reply (GBNF, as llama.cpp reads it), made from tools' JSON schemas: with it a model can't
//! write a call that is no JSON, names no tool, or lacks an argument.
//!
//! A reply is text that doesn't start with `{`, or one call: `{"tool": NAME, "arguments": {…}}`. What a schema says
//! beyond types, properties, enumerations and lists isn't forced; what isn't understood becomes any JSON value, so
//! that every tool can be called.

#[cfg(test)]
mod judge;
mod schema;
#[cfg(test)]
mod tests;

use atoll_domain::ToolSpec;

/// A grammar is no larger than this, in bytes: schemas that make more of it are forced as any JSON object.
const GRAMMAR_LIMIT_BYTES: usize = 256 << 10;

/// What every grammar has: JSON, with at most one space where spaces may be, so that no model writes them
/// without end. Values nest as deep as the rules that are called.
const JSON: &str = r#"sp ::= " "?
value ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" sp ( string ":" sp value ( "," sp string ":" sp value )* )? "}"
array ::= "[" sp ( value ( "," sp value )* )? "]"
string ::= "\"" char* "\""
char ::= [^"\\\x00-\x1F\x7F] | "\\" ( ["\\/bfnrt] | "u" [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] )
integer ::= "-"? ( "0" | [1-9] [0-9]{0,15} )
number ::= integer ( "." [0-9]{1,16} )? ( [eE] [-+]? [0-9]{1,3} )?
boolean ::= "true" | "false"
null ::= "null"
"#;

/// The grammar of a reply with these tools on offer; `None` without tools, where anything may be written.
pub fn reply(tools: &[ToolSpec]) -> Option<String> {
    if tools.is_empty() {
        return None;
    }
    let mut rules = schema::Rules::new(GRAMMAR_LIMIT_BYTES);
    let mut calls = Vec::new();
    for (i, tool) in tools.iter().enumerate() {
        let arguments = rules.arguments(&tool.parameters);
        let head = literal(&format!(
            "{{\"tool\": {}, \"arguments\": ",
            serde_json::Value::from(tool.name.as_str())
        ));
        rules.push(&format!("call{i}"), &format!("{head} {arguments} \"}}\""));
        calls.push(format!("call{i}"));
    }
    // Nothing follows a call, and text can't become one halfway.
    let text = "text ::= [^{ \\t\\r\\n] [^\\x00]*\n";
    let root = format!("root ::= text | {}\n", calls.join(" | "));
    Some(format!("{root}{text}{}{JSON}", rules.text()))
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
