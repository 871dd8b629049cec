//! Arguments by name, with the aliases and slips that models are known for.

use serde_json::{Map, Value};

/// The arguments that are not yet taken.
pub(crate) struct Args {
    map: Map<String, Value>,
    notes: Vec<String>,
}

impl Args {
    pub(crate) fn new(map: Map<String, Value>) -> Args {
        Args {
            map,
            notes: Vec::new(),
        }
    }

    /// The first of `names` that is given and not null; the first name is the right one.
    pub(crate) fn take(&mut self, names: &[&str]) -> Option<Value> {
        let mut found = None;
        for name in names {
            // Taken even when it isn't needed: two aliases of one argument are no unknown argument.
            if let Some(value) = self.map.remove(*name)
                && found.is_none()
                && !value.is_null()
            {
                found = Some(value);
            }
        }
        found
    }

    /// A text. A number or truth is taken as its text; a list of lines is joined.
    pub(crate) fn text(&mut self, names: &[&str]) -> Result<Option<String>, String> {
        match self.take(names) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(n)) => Ok(Some(n.to_string())),
            Some(Value::Bool(b)) => Ok(Some(b.to_string())),
            Some(Value::Array(items))
                if !items.is_empty() && items.iter().all(Value::is_string) =>
            {
                let lines: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                Ok(Some(lines.join("\n")))
            }
            Some(_) => Err(format!("`{}` must be text", names[0])),
        }
    }

    /// A text that must be there and not be empty.
    pub(crate) fn need(&mut self, names: &[&str]) -> Result<String, String> {
        match self.text(names)? {
            Some(text) if !text.trim().is_empty() => Ok(text),
            _ => Err(format!("`{}` is missing", names[0])),
        }
    }

    /// A text without NUL, of at most `limit_bytes`.
    pub(crate) fn short(
        &mut self,
        names: &[&str],
        limit_bytes: usize,
    ) -> Result<Option<String>, String> {
        let Some(text) = self.text(names)? else {
            return Ok(None);
        };
        check(names[0], &text, limit_bytes)?;
        Ok(Some(text))
    }

    /// A whole number from `min` to `max`: `"10"` and `10.0` count as 10; beyond the bounds the nearest is taken.
    pub(crate) fn number(
        &mut self,
        names: &[&str],
        min: u64,
        max: u64,
    ) -> Result<Option<u64>, String> {
        let want = || format!("`{}` must be a whole number", names[0]);
        let given = match self.take(names) {
            None => return Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Value::String(text)) => text.trim().parse::<f64>().map_err(|_| want())?,
            Some(Value::Number(n)) => n.as_f64().ok_or_else(want)?,
            Some(_) => return Err(want()),
        };
        if !given.is_finite() || given.fract() != 0.0 {
            return Err(want());
        }
        // A float's conversion saturates; the bounds are far below 2^53, so it is exact between them.
        let near = (given as i64).clamp(
            i64::try_from(min).unwrap_or(i64::MAX),
            i64::try_from(max).unwrap_or(i64::MAX),
        );
        let near = u64::try_from(near).unwrap_or(min);
        if near as f64 != given {
            self.notes
                .push(format!("`{}` was taken as {near}", names[0]));
        }
        Ok(Some(near))
    }

    /// Yes or no: `"true"`, `1` and `"yes"` count.
    pub(crate) fn flag(&mut self, names: &[&str]) -> Result<Option<bool>, String> {
        let word = match self.take(names) {
            None => return Ok(None),
            Some(Value::Bool(b)) => return Ok(Some(b)),
            Some(Value::String(text)) => text.trim().to_ascii_lowercase(),
            Some(Value::Number(n)) => n.to_string(),
            Some(_) => String::new(),
        };
        match word.as_str() {
            "true" | "yes" | "1" => Ok(Some(true)),
            "false" | "no" | "0" | "" => Ok(Some(false)),
            _ => Err(format!("`{}` must be true or false", names[0])),
        }
    }

    /// What was tolerated, and which arguments nobody knows.
    pub(crate) fn notes(mut self) -> Vec<String> {
        const UNKNOWN_MAX: usize = 5;
        let unknown: Vec<String> = self
            .map
            .keys()
            .take(UNKNOWN_MAX)
            .map(|key| format!("`{}`", crate::prompt::one_line(key, 40)))
            .collect();
        if !unknown.is_empty() {
            let more = self.map.len() - unknown.len();
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            self.notes.push(format!(
                "unknown arguments were ignored: {}{more}",
                unknown.join(", ")
            ));
        }
        self.notes
    }
}

/// Refuses NUL and what is too long.
pub(crate) fn check(name: &str, text: &str, limit_bytes: usize) -> Result<(), String> {
    if text.contains('\0') {
        return Err(format!("`{name}` holds a NUL byte"));
    }
    if text.len() > limit_bytes {
        return Err(format!(
            "`{name}` is {} bytes long; at most {limit_bytes} are taken",
            text.len()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn args(value: Value) -> Args {
        let Value::Object(map) = value else {
            unreachable!("tests give objects")
        };
        Args::new(map)
    }

    #[test]
    fn wrong_types_are_read_where_they_are_clear() {
        let mut a = args(
            json!({"n": "10", "m": 3.0, "big": 1e300, "neg": -4, "t": "yes", "l": ["a", "b"]}),
        );
        assert_eq!(a.number(&["n"], 1, 100), Ok(Some(10)));
        assert_eq!(a.number(&["m"], 1, 100), Ok(Some(3)));
        assert_eq!(a.number(&["big"], 1, 100), Ok(Some(100)));
        assert_eq!(a.number(&["neg"], 1, 100), Ok(Some(1)));
        assert_eq!(a.flag(&["t"]), Ok(Some(true)));
        assert_eq!(a.text(&["l"]), Ok(Some("a\nb".into())));
        assert_eq!(a.notes().len(), 2);
        let mut a = args(json!({"n": 1.5, "t": "maybe", "x": {"y": 1}}));
        assert!(a.number(&["n"], 1, 9).is_err());
        assert!(a.flag(&["t"]).is_err());
        assert!(a.text(&["x"]).is_err());
    }

    #[test]
    fn aliases_are_taken_and_the_unknown_is_said() {
        let mut a = args(json!({"file": "a.py", "path": null, "mood": 1}));
        assert_eq!(a.need(&["path", "file"]), Ok("a.py".into()));
        assert_eq!(a.notes(), ["unknown arguments were ignored: `mood`"]);
    }
}
