//! What a refusal means: by status, code and words, since providers agree on none of them.

use atoll_ports::models::Failure;
use serde_json::Value;

use crate::fault::Fault;

/// What the providers say when a conversation doesn't fit, in lowercase.
const CONTEXT_WORDS: [&str; 10] = [
    "context_length_exceeded",
    "exceed_context_size",
    "maximum context length",
    "context length",
    "context window",
    "context size",
    "prompt is too long",
    "input is too long",
    "exceed context limit",
    "too many tokens",
];

/// Fields that a server may not know, and what to configure then.
const HINTS: [(&str, &str); 4] = [
    (
        "stream_options",
        "set usage_in_stream = false for this provider",
    ),
    (
        "max_completion_tokens",
        "set output_limit for this provider",
    ),
    (
        "does not support tools",
        "the agent works by tools: choose another model",
    ),
    (
        "thinking.type.enabled",
        "set thinking = \"adaptive\" for this model",
    ),
];

/// What Anthropic's kinds of errors are as a status: <https://docs.anthropic.com/en/api/errors>.
const KINDS: [(&str, u16); 10] = [
    ("invalid_request_error", 400),
    ("authentication_error", 401),
    ("billing_error", 402),
    ("permission_error", 403),
    ("not_found_error", 404),
    ("request_too_large", 413),
    ("rate_limit_error", 429),
    ("api_error", 500),
    ("timeout_error", 504),
    ("overloaded_error", 529),
];

/// The error object of a body, or the body's own words.
struct Said {
    words: String,
    code: String,
    kind: String,
}

impl Said {
    fn of(error: &Value) -> Said {
        let text = |v: &Value| match v {
            Value::String(text) => text.clone(),
            Value::Number(n) => n.to_string(),
            _ => String::new(),
        };
        let words = [error, &error["message"], &error["detail"], &error["error"]]
            .into_iter()
            .find_map(Value::as_str);
        Said {
            words: words.unwrap_or_default().into(),
            code: text(&error["code"]).to_lowercase(),
            kind: text(&error["type"]).to_lowercase(),
        }
    }
    fn body(bytes: &[u8]) -> Said {
        match serde_json::from_slice::<Value>(bytes) {
            Ok(value) if value["error"].is_object() => Said::of(&value["error"]),
            Ok(value) => Said::of(&value),
            // A proxy's page or plain text: its beginning says most.
            Err(_) => Said {
                words: String::from_utf8_lossy(bytes).into_owned(),
                code: String::new(),
                kind: String::new(),
            },
        }
    }
    fn is_context(&self) -> bool {
        let words = self.words.to_lowercase();
        CONTEXT_WORDS
            .iter()
            .any(|w| words.contains(w) || self.code.contains(w) || self.kind.contains(w))
    }
    /// No credit is left: waiting doesn't bring it back.
    fn is_quota(&self) -> bool {
        ["insufficient_quota", "billing"]
            .iter()
            .any(|w| self.code.contains(w) || self.kind.contains(w))
            || self.words.contains("credit balance is too low")
    }
    fn tell(&self, plain: &str) -> String {
        // Cut to length at the very end, behind redaction, so that no half of a key stays.
        let words = self.words.trim();
        if words.is_empty() {
            return plain.into();
        }
        let hint = HINTS.iter().find(|(field, _)| words.contains(field));
        match hint {
            Some((_, hint)) => format!("{plain} ({hint}): {words}"),
            None => format!("{plain}: {words}"),
        }
    }
}

/// An answer whose status isn't 200.
pub(super) fn refusal(status: u16, body: &[u8]) -> Fault {
    let fault = classify(status, &Said::body(body));
    Fault {
        status: Some(status),
        ..fault
    }
}

fn classify(status: u16, said: &Said) -> Fault {
    let fault = |failure, plain: &str| Fault::lasting(failure, said.tell(plain)).unspent();
    let passing = |failure, plain: &str| Fault::passing(failure, said.tell(plain)).unspent();
    match status {
        401 => fault(Failure::Auth, "the key is missing or wrong"),
        403 => fault(Failure::Auth, "the key may not do this"),
        400 | 413 | 422 if said.is_context() || status == 413 => fault(
            Failure::Context,
            "the conversation is too long for this model",
        ),
        400 if said.is_quota() => fault(Failure::Refused, "the account has no credit"),
        404 => fault(
            Failure::Refused,
            "there is no such model, or the address is wrong",
        ),
        402 => fault(Failure::Refused, "the account has no credit"),
        429 if said.is_quota() => fault(Failure::Refused, "the account's quota is used up"),
        429 => passing(Failure::RateLimited, "too many requests"),
        // A gateway that gave up waiting: what is behind it may have written, and billed.
        408 | 504 | 524 => Fault::passing(
            Failure::Server,
            said.tell(&format!("the provider took too long (status {status})")),
        ),
        // Some servers answer 500 to what doesn't fit.
        500..=599 if said.is_context() => fault(
            Failure::Context,
            "the conversation is too long for this model",
        ),
        529 => passing(Failure::Server, "the provider is overloaded (status 529)"),
        500..=599 => passing(
            Failure::Server,
            &format!("the provider failed (status {status})"),
        ),
        300..=399 => fault(
            Failure::Refused,
            &format!(
                "the address redirects (status {status}), and a key never follows one: configure the address that it leads to"
            ),
        ),
        _ => fault(
            Failure::Refused,
            &format!("the provider refuses the request (status {status})"),
        ),
    }
}

/// An error in place of an event: the status was 200, so all depends on code and words. What was written before
/// may be billed.
pub(super) fn in_stream(error: &Value) -> Fault {
    let said = Said::of(error);
    let status = said.code.parse().ok().filter(|s| (400..600).contains(s));
    let by_kind = KINDS.iter().find(|(kind, _)| *kind == said.kind);
    // `api_error` in the middle is a failure in the middle.
    let by_kind = by_kind.map(|(_, status)| *status).filter(|s| *s != 500);
    let status = status.or(by_kind);
    let mut fault = match status {
        Some(status) => classify(status, &said),
        None if said.is_context() => classify(400, &said),
        None if said.is_quota() => classify(429, &said),
        None if said.code.contains("rate_limit") || said.kind.contains("rate_limit") => {
            classify(429, &said)
        }
        None => Fault::passing(
            Failure::Server,
            said.tell("the provider failed in the middle of its reply"),
        ),
    };
    fault.unspent = false;
    fault
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(status: u16, body: &str) -> (Failure, bool, bool) {
        let fault = refusal(status, body.as_bytes());
        (fault.failure, fault.passing, fault.unspent)
    }

    #[test]
    fn by_status() {
        for (status, failure, passing, unspent) in [
            (400, Failure::Refused, false, true),
            (401, Failure::Auth, false, true),
            (402, Failure::Refused, false, true),
            (403, Failure::Auth, false, true),
            (404, Failure::Refused, false, true),
            (408, Failure::Server, true, false),
            (413, Failure::Context, false, true),
            (418, Failure::Refused, false, true),
            (429, Failure::RateLimited, true, true),
            (500, Failure::Server, true, true),
            (503, Failure::Server, true, true),
            (504, Failure::Server, true, false),
            (529, Failure::Server, true, true),
            (307, Failure::Refused, false, true),
        ] {
            assert_eq!(of(status, ""), (failure, passing, unspent), "{status}");
        }
    }

    #[test]
    fn by_code_and_words_as_providers_write_them() {
        for (status, body, failure) in [
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 128000 tokens.","code":"context_length_exceeded"}}"#,
                Failure::Context,
            ),
            (
                400,
                r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}"#,
                Failure::Context,
            ),
            (500, r#"{"error":"input is too long"}"#, Failure::Context),
            (
                429,
                r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
                Failure::Refused,
            ),
            (
                404,
                r#"{"error":{"message":"model \"x\" not found, try pulling it first"}}"#,
                Failure::Refused,
            ),
            (500, r#"{"detail":"boom"}"#, Failure::Server),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
                Failure::Context,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000"}}"#,
                Failure::Context,
            ),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
                Failure::Refused,
            ),
            (
                400,
                r#"{"error":"the input length exceeds the context length"}"#,
                Failure::Context,
            ),
        ] {
            assert_eq!(of(status, body).0, failure, "{body}");
        }
    }

    #[test]
    fn the_providers_words_are_kept() {
        let words = |body: &str| refusal(500, body.as_bytes()).words;
        assert!(words(r#"{"error":{"message":"GPU on fire"}}"#).ends_with(": GPU on fire"));
        assert!(words(r#"{"error":"GPU on fire"}"#).ends_with(": GPU on fire"));
        assert!(words("<html>Bad gateway</html>").contains("Bad gateway"));
        assert_eq!(words("{\"error\":[]}"), "the provider failed (status 500)");
        let unknown = refusal(
            400,
            br#"{"error":{"message":"Use 'max_completion_tokens' instead."}}"#,
        );
        assert!(
            unknown.words.contains("set output_limit"),
            "{}",
            unknown.words
        );
    }

    #[test]
    fn in_a_stream_nothing_is_known_to_be_unspent() {
        let fault = in_stream(&json!({"message": "slow down", "type": "rate_limit_error"}));
        assert_eq!(
            (fault.failure, fault.passing, fault.unspent),
            (Failure::RateLimited, true, false)
        );
        assert_eq!(
            in_stream(&json!({"message": "no", "type": "invalid_request_error"})).failure,
            Failure::Refused
        );
        assert_eq!(in_stream(&json!(null)).failure, Failure::Server);
        let fault = in_stream(&json!({"type": "overloaded_error", "message": "Overloaded"}));
        assert_eq!((fault.failure, fault.passing), (Failure::Server, true));
        assert!(fault.words.contains("overloaded (status 529): Overloaded"));
        for (kind, failure) in [
            ("authentication_error", Failure::Auth),
            ("permission_error", Failure::Auth),
            ("billing_error", Failure::Refused),
            ("request_too_large", Failure::Context),
            ("api_error", Failure::Server),
        ] {
            assert_eq!(in_stream(&json!({"type": kind})).failure, failure, "{kind}");
        }
    }
}
