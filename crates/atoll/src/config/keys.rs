//! Every setting there is: its name, what it takes, what it is.

/// One setting.
pub struct Setting {
    /// `budget.day.usd`; `*` stands for a name that its owner gives.
    pub key: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// Its default, as it would be written; empty: none.
    pub default: &'static str,
    /// What it is.
    pub about: &'static str,
}

/// What a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A text.
    Text,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A whole number, from and to.
    Whole(u64, u64),
    /// US dollars.
    Dollars,
    /// `true` or `false`.
    Bool,
    /// `secret:NAME`, and never a secret itself.
    Secret,
    /// Written in the file alone: tables and lists.
    File,
}

use Takes::{Bool, Dollars, File, OneOf, Secret, Text, Whole};

const fn of(
    key: &'static str,
    takes: Takes,
    default: &'static str,
    about: &'static str,
) -> Setting {
    Setting {
        key,
        takes,
        default,
        about,
    }
}

/// All of them.
pub const KEYS: &[Setting] = &[
    of(
        "model.default",
        Text,
        "",
        "the model that works: provider/model",
    ),
    of(
        "model.notice",
        Bool,
        "true",
        "look for an Ollama on this machine when models are listed",
    ),
    of(
        "policy.profile",
        OneOf(&["read-only", "careful", "open"]),
        "careful",
        "the rules to start from",
    ),
    of(
        "sandbox.floor",
        OneOf(&["full", "none"]),
        "full",
        "the weakest sandbox that is accepted; none: nothing is run",
    ),
    of(
        "budget.day.usd",
        Dollars,
        "5.00",
        "a day's money over all sessions",
    ),
    of(
        "budget.day.tokens",
        Whole(1, 1 << 50),
        "",
        "a day's tokens over all sessions",
    ),
    of("budget.session.usd", Dollars, "2.00", "a session's money"),
    of(
        "budget.session.tokens",
        Whole(1, 1 << 50),
        "",
        "a session's tokens",
    ),
    of(
        "budget.session.time_s",
        Whole(1, 7 * 86_400),
        "3600",
        "a session's wall time, in seconds",
    ),
    of(
        "limits.steps",
        Whole(1, 10_000),
        "60",
        "model calls in a turn",
    ),
    of(
        "redact.cards",
        Bool,
        "true",
        "take payment cards out of what is sent",
    ),
    of(
        "redact.ibans",
        Bool,
        "true",
        "take bank accounts out of what is sent",
    ),
    of(
        "redact.emails",
        Bool,
        "false",
        "take e-mail addresses out of what is sent",
    ),
    of(
        "redact.phones",
        Bool,
        "false",
        "take phone numbers out of what is sent",
    ),
    of(
        "limits.gate_ttl_s",
        Whole(10, 30 * 86_400),
        "86400",
        "how long a gate waits, in seconds",
    ),
    of(
        "limits.gates_per_hour",
        Whole(1, 1000),
        "20",
        "gates that one session may open in an hour",
    ),
    of(
        "limits.job_ttl_s",
        Whole(1, 86_400),
        "600",
        "how long a test or run may take, in seconds",
    ),
    of(
        "limits.call_ttl_s",
        Whole(1, 86_400),
        "600",
        "how long a model call may take, in seconds",
    ),
    of(
        "limits.sessions",
        Whole(1, 1000),
        "64",
        "sessions at work at once",
    ),
    of(
        "limits.calls",
        Whole(1, 1000),
        "64",
        "calls to one provider at once",
    ),
    of("limits.jobs", Whole(1, 256), "4", "jobs at once"),
    of(
        "limits.deps_mib",
        Whole(0, 1 << 30),
        "4096",
        "disk for fetched dependencies, in MiB; what was used longest ago goes first",
    ),
    of(
        "limits.copy_ttl_s",
        Whole(0, 10 * 365 * 86_400),
        "604800",
        "how long the copy of a session that rests is kept, in seconds; it can be made again",
    ),
    of(
        "limits.sweep_s",
        Whole(1, 30 * 86_400),
        "3600",
        "how often what nobody needs is taken away while nothing runs, in seconds",
    ),
    of(
        "engine.context_tokens",
        Whole(512, 1 << 20),
        "16384",
        "the window of a model that runs here, in tokens; from the node's next start",
    ),
    of(
        "engine.threads",
        Whole(1, 512),
        "",
        "threads of a model that runs here; as many as cores are free; from the node's next start",
    ),
    of(
        "engine.idle_s",
        Whole(1, 30 * 86_400),
        "300",
        "how long a model that runs here stays in memory unused, in seconds; from the node's next start",
    ),
    of(
        "engine.spare_mib",
        Whole(0, 1 << 30),
        "256",
        "memory that a model that runs here must leave to others, in MiB; from the node's next start",
    ),
    of(
        "timeouts.connect_ms",
        Whole(1, 3_600_000),
        "10000",
        "for a connection to a provider",
    ),
    of(
        "timeouts.first_byte_ms",
        Whole(1, 86_400_000),
        "300000",
        "for the first byte of a reply",
    ),
    of(
        "timeouts.idle_ms",
        Whole(1, 86_400_000),
        "120000",
        "between two pieces of a reply",
    ),
    of(
        "retries.attempts_max",
        Whole(1, 20),
        "5",
        "attempts of a model call in all",
    ),
    of(
        "retries.wait_ms_min",
        Whole(1, 3_600_000),
        "500",
        "the first wait between attempts",
    ),
    of(
        "retries.wait_ms_max",
        Whole(1, 3_600_000),
        "60000",
        "the longest wait between attempts",
    ),
    of(
        "providers.*.preset",
        Text,
        "",
        "the well-known provider that fills in what is left out",
    ),
    of(
        "providers.*.wire",
        OneOf(&["chat-completions", "anthropic-messages", "ollama"]),
        "",
        "what it speaks",
    ),
    of(
        "providers.*.base_url",
        Text,
        "",
        "where it is: http://127.0.0.1:11434/v1",
    ),
    of(
        "providers.*.key",
        Secret,
        "",
        "its key, by its name in the vault: secret:NAME",
    ),
    of(
        "providers.*.key_env",
        Text,
        "",
        "the environment variable that holds its key",
    ),
    of(
        "providers.*.default_model",
        Text,
        "",
        "the model that its name alone stands for",
    ),
    of(
        "providers.*.insecure",
        Bool,
        "false",
        "accept plain HTTP to another machine",
    ),
    of(
        "providers.*.remote",
        Bool,
        "false",
        "what answers here is a gateway to another machine",
    ),
    of("providers.*.proxy", Text, "", "an HTTP proxy"),
    of(
        "providers.*.output_limit",
        OneOf(&["max_tokens", "max_completion_tokens"]),
        "",
        "the field for the most tokens to write",
    ),
    of(
        "providers.*.usage_in_stream",
        Bool,
        "",
        "ask for usage in streams",
    ),
    of(
        "providers.*.reasoning_back",
        Bool,
        "",
        "send a model's earlier thoughts back (chat completions)",
    ),
    of(
        "providers.*.budget_usd_per_day",
        Dollars,
        "",
        "a day's money with it, over all sessions",
    ),
    of("providers.*.headers", File, "", "headers to send along"),
    of(
        "providers.*.models",
        File,
        "",
        "its models: name, context_tokens, output_tokens_max, price, images, thinking, small",
    ),
    of(
        "log.witness",
        Text,
        "",
        "a file elsewhere (another disk, a stick, a share) that each checkpoint of the log is appended to",
    ),
    of(
        "log.mirror",
        Text,
        "",
        "a file that each event of the log is appended to, for a tool of yours to follow; contents stay here",
    ),
    of(
        "log.archive",
        Text,
        "",
        "a folder elsewhere that old events are put into as segments; contents stay here",
    ),
    of(
        "log.archive_after_days",
        Whole(0, 36_500),
        "30",
        "how old they are by then, in days",
    ),
    of(
        "trust",
        File,
        "",
        "workspaces you vouch for; `atoll config trust` writes them",
    ),
];

/// The setting of a key that somebody typed.
pub fn find(key: &str) -> Option<&'static Setting> {
    KEYS.iter().find(|s| fits(s.key, key))
}

fn fits(pattern: &str, key: &str) -> bool {
    let (mut p, mut k) = (pattern.split('.'), key.split('.'));
    loop {
        match (p.next(), k.next()) {
            (None, None) => return true,
            (Some("*"), Some(name)) if !name.is_empty() => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

/// The known key that is most like `key`.
pub fn nearest(key: &str) -> Option<String> {
    let candidate = |s: &Setting| {
        // A name that its owner gave stays as it is.
        let given = key.split('.').nth(1).unwrap_or("NAME");
        s.key.replace('*', given)
    };
    // What is only unfinished is nearer than what is misspelt.
    let score = |name: &str| {
        if name.starts_with(key) {
            1
        } else {
            distance(name, key)
        }
    };
    let scored = KEYS.iter().map(|s| (score(&candidate(s)), candidate(s)));
    let best = scored.min_by_key(|(d, _)| *d)?;
    // More than half of it wrong is another word, not a slip.
    (best.0 * 2 <= key.chars().count().max(4)).then_some(best.1)
}

/// Edits from one text to the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(100).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(100).enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = before + usize::from(ca != *cb);
            before = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_key_and_another_word_finds_none() {
        assert_eq!(nearest("budget.day.usb").as_deref(), Some("budget.day.usd"));
        assert_eq!(
            nearest("providers.mine.base_ulr").as_deref(),
            Some("providers.mine.base_url")
        );
        assert_eq!(nearest("sandbox.flour").as_deref(), Some("sandbox.floor"));
        assert_eq!(nearest("completely.else"), None);
        assert!(find("providers.mine.key_env").is_some());
        assert!(find("providers..key_env").is_none());
        assert!(find("providers.*").is_none());
    }
}
