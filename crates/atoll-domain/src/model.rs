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
    /// Of those read, written to the provider's cache, where it bills for that.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_written_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Whether the provider reported it; an estimate otherwise.
    pub reported: bool,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
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
    /// Per million tokens read and written to the cache; as any other token read where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_micros: Option<u64>,
    /// Per million tokens written.
    pub output_micros: u64,
}

impl Price {
    /// What `usage` costs, in millionths of a US dollar, rounded up.
    pub fn micros(&self, usage: &Usage) -> u64 {
        let cached = usage.cached_tokens.min(usage.input_tokens);
        let fresh = usage.input_tokens - cached;
        let kept = usage.cache_written_tokens.min(fresh);
        let write_micros = self.cache_write_micros.unwrap_or(self.input_micros);
        let sum = u128::from(fresh - kept) * u128::from(self.input_micros)
            + u128::from(kept) * u128::from(write_micros)
            + u128::from(cached) * u128::from(self.cached_micros)
            + u128::from(usage.output_tokens) * u128::from(self.output_micros);
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
            cache_write_micros: None,
            output_micros: 15_000_000,
        };
        let usage = Usage {
            input_tokens: 1000,
            cached_tokens: 400,
            cache_written_tokens: 0,
            output_tokens: 10,
            reported: true,
        };
        assert_eq!(price.micros(&usage), 1800 + 120 + 150);
        let keeps = Usage {
            cache_written_tokens: 500,
            ..usage
        };
        assert_eq!(price.micros(&keeps), price.micros(&usage));
        let dearer = Price {
            cache_write_micros: Some(3_750_000),
            ..price.clone()
        };
        assert_eq!(dearer.micros(&keeps), 300 + 1875 + 120 + 150);
        assert_eq!(
            price.micros(&Usage {
                input_tokens: 1,
                ..Usage::default()
            }),
            3
        );
    }
}
