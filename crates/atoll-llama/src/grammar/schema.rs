//! Rules from a JSON schema.

use serde_json::{Map, Value};

use super::literal;

const DEPTH_MAX: usize = 12;
const OPTIONAL_MAX: usize = 32;
const CHOICES_MAX: usize = 256;
const ITEMS_MAX: u64 = 64;
/// Texts that may not be written, and how long each may be, in bytes: longer ones aren't kept out.
const BARRED_MAX: usize = 64;
const BARRED_BYTES_MAX: usize = 80;

/// Rules that were made so far.
pub(super) struct Rules {
    text: String,
    count: usize,
    limit_bytes: usize,
}

impl Rules {
    pub(super) fn new(limit_bytes: usize) -> Rules {
        Rules {
            text: String::new(),
            count: 0,
            limit_bytes,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn push(&mut self, name: &str, body: &str) {
        self.text.push_str(&format!("{name} ::= {body}\n"));
    }

    /// A rule for a tool's arguments, which are always an object.
    pub(super) fn arguments(&mut self, schema: &Value) -> String {
        match schema.as_object() {
            Some(map) => self.bounded("object", |rules| rules.object(map, 0)),
            None => "object".into(),
        }
    }

    /// A rule for a reply in a form: one value of any kind.
    pub(super) fn form(&mut self, schema: &Value) -> String {
        self.bounded("value", |rules| rules.of(schema, 0))
    }

    /// What `make` makes, or `plain` where it makes too much.
    fn bounded(&mut self, plain: &str, make: impl FnOnce(&mut Rules) -> String) -> String {
        let mark = (self.text.len(), self.count);
        let name = make(self);
        if self.text.len() <= self.limit_bytes {
            return name;
        }
        self.text.truncate(mark.0);
        self.count = mark.1;
        plain.into()
    }

    fn rule(&mut self, body: &str) -> String {
        let name = format!("r{}", self.count);
        self.count += 1;
        self.push(&name, body);
        name
    }

    /// The name of a rule for a schema.
    fn of(&mut self, schema: &Value, depth: usize) -> String {
        let any = || "value".to_owned();
        let Some(map) = schema.as_object() else {
            return any();
        };
        if depth >= DEPTH_MAX || self.text.len() > self.limit_bytes {
            return any();
        }
        if let Some(value) = map.get("const") {
            return self.rule(&literal(&value.to_string()));
        }
        if let Some(values) = map.get("enum").and_then(Value::as_array)
            && !values.is_empty()
            && values.len() <= CHOICES_MAX
        {
            let all: Vec<String> = values.iter().map(|v| literal(&v.to_string())).collect();
            return self.rule(&all.join(" | "));
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(choices) = map.get(key).and_then(Value::as_array)
                && !choices.is_empty()
                && choices.len() <= CHOICES_MAX
            {
                let all: Vec<String> = choices.iter().map(|c| self.of(c, depth + 1)).collect();
                return self.rule(&all.join(" | "));
            }
        }
        match map.get("type") {
            Some(Value::String(kind)) => self.kind(kind, map, depth),
            Some(Value::Array(kinds)) if !kinds.is_empty() && kinds.len() <= 7 => {
                let kinds = kinds.iter().map(|k| k.as_str().unwrap_or_default());
                let all: Vec<String> = kinds.map(|k| self.kind(k, map, depth)).collect();
                self.rule(&all.join(" | "))
            }
            None if map.contains_key("properties") => self.object(map, depth),
            _ => any(),
        }
    }

    fn kind(&mut self, kind: &str, map: &Map<String, Value>, depth: usize) -> String {
        match kind {
            "string" => self.string(map),
            "integer" => "integer".into(),
            "number" => "number".into(),
            "boolean" => "boolean".into(),
            "null" => "null".into(),
            "array" => self.array(map, depth),
            "object" => self.object(map, depth),
            _ => "value".into(),
        }
    }

    /// A text; where `not` names some, none of those.
    fn string(&mut self, map: &Map<String, Value>) -> String {
        let named = map.get("not").and_then(|not| not.get("enum"));
        let named = named.and_then(Value::as_array).into_iter().flatten();
        let plain = |text: &&str| {
            let odd = |c: char| c.is_control() || "\"\\[]^-".contains(c);
            text.len() <= BARRED_BYTES_MAX && !text.contains(odd)
        };
        let barred: Vec<&str> = named
            .filter_map(Value::as_str)
            .filter(plain)
            .take(BARRED_MAX)
            .collect();
        if barred.is_empty() {
            return "string".into();
        }
        let rest = self.barred(&barred);
        self.rule(&format!("\"\\\"\" {rest}"))
    }

    /// The rest of a text, which isn't one of these: it ends elsewhere, or leaves them at some character.
    fn barred(&mut self, barred: &[&str]) -> String {
        let mut firsts: Vec<char> = barred
            .iter()
            .filter_map(|text| text.chars().next())
            .collect();
        firsts.sort_unstable();
        firsts.dedup();
        let others: String = firsts.iter().collect();
        let mut ways = vec![
            format!("[^\"\\\\\\x00-\\x1F\\x7F{others}] char* \"\\\"\""),
            "escape char* \"\\\"\"".to_owned(),
        ];
        if !barred.contains(&"") {
            ways.push("\"\\\"\"".into());
        }
        for first in firsts {
            let after: Vec<&str> = barred
                .iter()
                .filter_map(|t| t.strip_prefix(first))
                .collect();
            let rest = self.barred(&after);
            ways.push(format!("{} {rest}", literal(&first.to_string())));
        }
        self.rule(&ways.join(" | "))
    }

    fn array(&mut self, map: &Map<String, Value>, depth: usize) -> String {
        let item = match map.get("items") {
            Some(items) => self.of(items, depth + 1),
            None => "value".into(),
        };
        let bound = |key: &str| map.get(key).and_then(Value::as_u64);
        let min = bound("minItems").unwrap_or(0).min(ITEMS_MAX);
        let max = bound("maxItems").filter(|max| *max <= ITEMS_MAX && *max >= min);
        let more = |from: u64| match max {
            Some(max) => format!("( \",\" sp {item} ){{{from},{}}}", max.max(1) - 1),
            None => format!("( \",\" sp {item} ){{{from},}}"),
        };
        let body = match (min, max) {
            (_, Some(0)) => "\"[\" \"]\"".into(),
            (0, _) => format!("\"[\" sp ( {item} {} )? \"]\"", more(0)),
            _ => format!("\"[\" sp {item} {} \"]\"", more(min - 1)),
        };
        self.rule(&body)
    }

    /// An object: what is required in the schema's order, then what isn't, in any number but in order.
    fn object(&mut self, map: &Map<String, Value>, depth: usize) -> String {
        let Some(properties) = map.get("properties").and_then(Value::as_object) else {
            return "object".into();
        };
        let listed = map.get("required").and_then(Value::as_array);
        let listed = listed.into_iter().flatten().filter_map(Value::as_str);
        let mut required: Vec<&str> = Vec::new();
        for name in listed {
            if properties.contains_key(name) && !required.contains(&name) {
                required.push(name);
            }
        }
        let optional: Vec<&String> = properties
            .keys()
            .filter(|name| !required.contains(&name.as_str()))
            .take(OPTIONAL_MAX)
            .collect();
        let pair = |rules: &mut Rules, name: &str| {
            let value = rules.of(&properties[name], depth + 1);
            format!("{} sp {value}", literal(&format!("{}:", Value::from(name))))
        };
        let needed: Vec<String> = required.iter().map(|name| pair(self, name)).collect();
        let others: Vec<String> = optional.iter().map(|name| pair(self, name)).collect();
        let mut body = String::from("\"{\" sp ");
        if needed.is_empty() {
            // The first that is there has no comma before it.
            let mut firsts = Vec::new();
            for i in 0..others.len() {
                let rest: String = others[i + 1..].iter().map(|p| after_comma(p)).collect();
                firsts.push(format!("{}{rest}", others[i]));
            }
            if !firsts.is_empty() {
                body.push_str(&format!("( {} )? ", firsts.join(" | ")));
            }
        } else {
            body.push_str(&needed.join(" \",\" sp "));
            body.extend(others.iter().map(|p| after_comma(p)));
            body.push(' ');
        }
        body.push_str("\"}\"");
        self.rule(&body)
    }
}

fn after_comma(pair: &str) -> String {
    format!(" ( \",\" sp {pair} )?")
}
