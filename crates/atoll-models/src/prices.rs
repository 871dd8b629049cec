//! The embedded price file: dated, by the host that bills.

use std::sync::LazyLock;

use atoll_domain::Price;
use serde::Deserialize;

use crate::config::PriceConfig;

const FILE: &str = include_str!("../prices/2026-11.toml");

/// A million tokens never cost more than this, in US dollars: above it, the figure has the wrong unit.
const USD_MAX: f64 = 100_000.0;

/// What is known of a model by its name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    host: String,
    model: String,
    dated: String,
    input_usd: f64,
    cached_usd: f64,
    #[serde(default)]
    cache_write_usd: Option<f64>,
    output_usd: f64,
    pub(crate) context_tokens: u64,
    pub(crate) output_tokens_max: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    price: Vec<Row>,
}

// The file is part of the program, and a test reads it: an unreadable one prices nothing.
static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    toml::from_str::<File>(FILE)
        .map(|f| f.price)
        .unwrap_or_default()
});

impl Row {
    pub(crate) fn price(&self) -> Option<Price> {
        price(&PriceConfig {
            input_usd: self.input_usd,
            cached_usd: Some(self.cached_usd),
            cache_write_usd: self.cache_write_usd,
            output_usd: self.output_usd,
            dated: self.dated.clone(),
        })
    }
}

/// The row of a model at a host, also by the name of its dated version (`gpt-4o-2024-08-06`, `…-20250929`).
pub(crate) fn find(host: &str, model: &str) -> Option<&'static Row> {
    let plain = undated(model);
    ROWS.iter()
        .find(|r| r.host == host && (r.model == model || r.model == plain))
}

fn undated(model: &str) -> &str {
    let is_date = |text: &str| match text.len() {
        8 => text.bytes().all(|b| b.is_ascii_digit()),
        10 => text.bytes().enumerate().all(|(n, b)| match n {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        }),
        _ => false,
    };
    for dashes in [1, 3] {
        if let Some((at, _)) = model.rmatch_indices('-').nth(dashes - 1)
            && is_date(&model[at + 1..])
        {
            return &model[..at];
        }
    }
    model
}

/// A configured price in whole millionths; `None` if a figure is negative, no number, or absurd.
pub(crate) fn price(config: &PriceConfig) -> Option<Price> {
    let micros = |usd: f64| {
        // The range keeps the cast exact.
        (0.0..=USD_MAX)
            .contains(&usd)
            .then_some((usd * 1_000_000.0).round() as u64)
    };
    Some(Price {
        dated: config.dated.clone(),
        input_micros: micros(config.input_usd)?,
        cached_micros: micros(config.cached_usd.unwrap_or(config.input_usd))?,
        cache_write_micros: match config.cache_write_usd {
            Some(usd) => Some(micros(usd)?),
            None => None,
        },
        output_micros: micros(config.output_usd)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_file_is_read_and_plausible() {
        let file: File = toml::from_str(FILE).unwrap();
        assert!(file.price.len() >= 5);
        for row in &file.price {
            let price = row.price().unwrap();
            assert!(price.cached_micros <= price.input_micros, "{}", row.model);
            assert!(price.input_micros <= price.output_micros, "{}", row.model);
            assert!(
                price
                    .cache_write_micros
                    .is_none_or(|w| w >= price.input_micros)
            );
            assert!(row.output_tokens_max < row.context_tokens, "{}", row.model);
            let same = file
                .price
                .iter()
                .filter(|r| r.host == row.host && r.model == row.model);
            assert_eq!(same.count(), 1, "{}", row.model);
            assert!(
                row.dated.len() == 10 && row.dated.as_str() <= "2026-11-30",
                "{}",
                row.dated
            );
        }
    }

    #[test]
    fn a_dated_version_has_its_models_price_and_a_likeness_has_none() {
        assert!(find("api.openai.com", "gpt-4o").is_some());
        assert!(find("api.openai.com", "gpt-4o-2024-08-06").is_some());
        for (host, model) in [
            ("api.openai.com", "gpt-4o-audio"),
            ("api.openai.com", "gpt-4o-2024x08-06"),
            ("api.openai.com", "2024-08-06"),
            ("api.openai.com", "-2024-08-06"),
            ("api.openai.com", "gpt-4o-2024"),
            ("api.openai.com", "gpt-4o-202408060"),
            ("api.openai.com", "é-2024-08-06"),
            ("evil.example", "gpt-4o"),
        ] {
            assert!(find(host, model).is_none(), "{host} {model}");
        }
    }

    #[test]
    fn odd_figures_are_no_price() {
        let of = |usd| PriceConfig {
            input_usd: usd,
            cached_usd: None,
            cache_write_usd: None,
            output_usd: 1.0,
            dated: String::new(),
        };
        assert_eq!(
            price(&of(2.5)).map(|p| (p.input_micros, p.cached_micros)),
            Some((2_500_000, 2_500_000))
        );
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(price(&of(bad)).is_none(), "{bad}");
        }
    }
}
