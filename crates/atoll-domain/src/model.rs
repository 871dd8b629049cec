//! Models and providers, by name.

use serde::{Deserialize, Serialize};

/// A model and what serves it: `provider/model`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelRef {
    /// The provider's configured name.
    pub provider: String,
    /// The model's name at the provider.
    pub model: String,
}

impl std::fmt::Display for ModelRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

/// What a model call used, as the provider reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: u64,
    /// Of those, read from the provider's cache.
    pub cached_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Whether the provider reported it; an estimate otherwise.
    pub reported: bool,
}

/// A price, in millionths of a US dollar per million tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// The price list's date, `YYYY-MM-DD`.
    pub dated: String,
    /// Per million tokens read.
    pub input_micros: u64,
    /// Per million tokens read from the cache.
    pub cached_micros: u64,
    /// Per million tokens written.
    pub output_micros: u64,
}

impl Price {
    /// What `usage` costs, in millionths of a US dollar, rounded up.
    pub fn micros(&self, usage: &Usage) -> u64 {
        let fresh = usage.input_tokens.saturating_sub(usage.cached_tokens) as u128;
        let cached = usage.cached_tokens.min(usage.input_tokens) as u128;
        let sum = fresh * self.input_micros as u128
            + cached * self.cached_micros as u128
            + usage.output_tokens as u128 * self.output_micros as u128;
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_rounds_up_and_counts_the_cache_apart() {
        let price = Price {
            dated: "2026-11-01".into(),
            input_micros: 3_000_000,
            cached_micros: 300_000,
            output_micros: 15_000_000,
        };
        let usage = Usage {
            input_tokens: 1000,
            cached_tokens: 400,
            output_tokens: 10,
            reported: true,
        };
        assert_eq!(price.micros(&usage), 1800 + 120 + 150);
        assert_eq!(
            price.micros(&Usage {
                input_tokens: 1,
                ..Usage::default()
            }),
            3
        );
    }
}
