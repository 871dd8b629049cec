//! What a call used: the provider's figures where they can be true, an estimate where they can't.
//!
//! A provider's report is taken inside what is possible and clamped to its edge outside. Too low a figure would
//! let a token budget be passed unseen, too high a one would use a budget up in one call; and inside the bounds
//! the provider's own figure is what it bills. A figure that had to be moved counts as an estimate.

use atoll_domain::Usage;
use serde_json::Value;

/// Four bytes a token: the usual rule of thumb for English and code.
const BYTES_PER_TOKEN: u64 = 4;
/// No tokenizer packs ordinary text tighter than this.
const BYTES_PER_TOKEN_MAX: u64 = 32;
/// What a chat template may add to a message, and to the whole.
const TEMPLATE_TOKENS_PER_MESSAGE: u64 = 64;
const TEMPLATE_TOKENS: u64 = 2_048;
/// An image costs at most about this.
const TOKENS_PER_IMAGE_MAX: u64 = 8_192;
const TOKENS_PER_IMAGE: u64 = 1_024;

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Text, in bytes, with tools and markup.
    pub(crate) text_bytes: u64,
    pub(crate) messages: u64,
    pub(crate) images: u64,
}

impl Sent {
    fn estimate(&self) -> u64 {
        tokens(self.text_bytes).saturating_add(self.images.saturating_mul(TOKENS_PER_IMAGE))
    }
    /// No token is shorter than a byte.
    fn most(&self) -> u64 {
        self.text_bytes
            .saturating_add(TEMPLATE_TOKENS)
            .saturating_add(self.messages.saturating_mul(TEMPLATE_TOKENS_PER_MESSAGE))
            .saturating_add(self.images.saturating_mul(TOKENS_PER_IMAGE_MAX))
    }
}

/// Tokens of so many bytes, by the rule of thumb, rounded up.
pub(crate) fn tokens(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// The figures of a report. `None`: missing, negative, fractional or too large to be a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// All that was read, with what came from and went into the cache.
    pub(crate) input: Option<u64>,
    pub(crate) cached: Option<u64>,
    pub(crate) cache_written: Option<u64>,
    pub(crate) output: Option<u64>,
}

impl Report {
    /// Reads a chat completions `usage` object; `None` if it is none.
    pub(crate) fn of_chat(usage: &Value) -> Option<Report> {
        usage.as_object()?;
        let details = &usage["prompt_tokens_details"]["cached_tokens"];
        Some(Report {
            input: usage["prompt_tokens"].as_u64(),
            // DeepSeek has a field of its own.
            cached: details
                .as_u64()
                .or(usage["prompt_cache_hit_tokens"].as_u64()),
            cache_written: None,
            output: usage["completion_tokens"].as_u64(),
        })
    }
}

/// The usage of a call that sent `sent`, wrote `written_bytes` that could be seen, and was allowed to write
/// `output_tokens_max`, thoughts that the provider hides included.
pub(crate) fn settle(
    report: Option<Report>,
    sent: Sent,
    written_bytes: u64,
    output_tokens_max: u64,
) -> Usage {
    let report = report.unwrap_or_default();
    let input = bounded(
        report.input,
        sent.text_bytes / BYTES_PER_TOKEN_MAX,
        sent.estimate(),
        sent.most(),
    );
    let output = bounded(
        report.output,
        written_bytes.div_ceil(BYTES_PER_TOKEN_MAX),
        tokens(written_bytes),
        output_tokens_max.max(written_bytes),
    );
    let cached_tokens = report.cached.unwrap_or(0).min(input.0);
    Usage {
        input_tokens: input.0,
        cached_tokens,
        cache_written_tokens: report
            .cache_written
            .unwrap_or(0)
            .min(input.0 - cached_tokens),
        output_tokens: output.0,
        reported: input.1 && output.1,
    }
}

fn bounded(report: Option<u64>, least: u64, estimate: u64, most: u64) -> (u64, bool) {
    match report {
        None => (estimate, false),
        Some(n) => (n.clamp(least, most.max(least)), (least..=most).contains(&n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const SENT: Sent = Sent {
        text_bytes: 4_000,
        messages: 3,
        images: 0,
    };

    fn of(usage: Value) -> Usage {
        settle(Report::of_chat(&usage), SENT, 400, 1_000)
    }

    #[test]
    fn a_plausible_report_is_taken_as_it_is() {
        let usage = of(
            json!({"prompt_tokens": 1100, "completion_tokens": 900, "prompt_tokens_details": {"cached_tokens": 1000}}),
        );
        assert_eq!(
            usage,
            Usage {
                input_tokens: 1100,
                cached_tokens: 1000,
                cache_written_tokens: 0,
                output_tokens: 900,
                reported: true
            }
        );
        assert_eq!(of(json!({"prompt_tokens": 1100, "prompt_cache_hit_tokens": 7, "completion_tokens": 90})).cached_tokens, 7);
    }

    #[test]
    fn no_report_is_four_bytes_a_token() {
        let wanted = Usage {
            input_tokens: 1000,
            cached_tokens: 0,
            cache_written_tokens: 0,
            output_tokens: 100,
            reported: false,
        };
        assert_eq!(settle(None, SENT, 400, 1_000), wanted);
        for odd in [
            json!(null),
            json!(3),
            json!({}),
            json!({"prompt_tokens": -5, "completion_tokens": 1.5}),
            json!({"prompt_tokens": "12", "completion_tokens": null}),
        ] {
            assert_eq!(of(odd.clone()), wanted, "{odd}");
        }
    }

    #[test]
    fn lies_are_moved_to_the_edge_of_the_possible() {
        let high = of(
            json!({"prompt_tokens": u64::MAX, "completion_tokens": u64::MAX, "prompt_tokens_details": {"cached_tokens": u64::MAX}}),
        );
        assert_eq!(
            high,
            Usage {
                input_tokens: 4_000 + 2_048 + 192,
                cached_tokens: 6_240,
                cache_written_tokens: 0,
                output_tokens: 1_000,
                reported: false
            }
        );
        let low = of(json!({"prompt_tokens": 0, "completion_tokens": 0}));
        assert_eq!(
            low,
            Usage {
                input_tokens: 125,
                cached_tokens: 0,
                cache_written_tokens: 0,
                output_tokens: 13,
                reported: false
            }
        );
    }

    proptest! {
        #[test]
        fn whatever_is_reported_stays_within_what_was_sent_and_allowed(
            input in any::<u64>(), output in any::<u64>(), cached in any::<u64>(),
            text_bytes in any::<u64>(), written in any::<u64>(), max in any::<u64>(),
        ) {
            let sent = Sent { text_bytes, messages: 9, images: 2 };
            let report = Report::of_chat(&json!({"prompt_tokens": input, "completion_tokens": output, "prompt_cache_hit_tokens": cached}));
            let report = report.map(|r| Report { cache_written: Some(output), ..r });
            let usage = settle(report, sent, written, max);
            prop_assert!(usage.input_tokens <= sent.most());
            prop_assert!(usage.cached_tokens + usage.cache_written_tokens <= usage.input_tokens);
            prop_assert!(usage.output_tokens <= max.max(written));
            prop_assert!(usage.output_tokens >= written / BYTES_PER_TOKEN_MAX);
        }
    }
}
