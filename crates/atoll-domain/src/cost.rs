//! Money, tokens, seconds and runs: what an action may cost at most and what it did cost.

use serde::{Deserialize, Serialize};

/// A cost in four units. Money in millionths of a US dollar; time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Money, in millionths of a US dollar.
    #[serde(default)]
    pub micros: u64,
    /// Tokens, in and out.
    #[serde(default)]
    pub tokens: u64,
    /// Wall time, in milliseconds.
    #[serde(default)]
    pub ms: u64,
    /// Runs: jobs started or model calls made.
    #[serde(default)]
    pub runs: u64,
}

impl Cost {
    /// Nothing.
    pub const ZERO: Cost = Cost {
        micros: 0,
        tokens: 0,
        ms: 0,
        runs: 0,
    };

    /// Field by field, saturating.
    pub fn plus(self, o: Cost) -> Cost {
        Cost {
            micros: self.micros.saturating_add(o.micros),
            tokens: self.tokens.saturating_add(o.tokens),
            ms: self.ms.saturating_add(o.ms),
            runs: self.runs.saturating_add(o.runs),
        }
    }
    /// Field by field, stopping at zero.
    pub fn minus(self, o: Cost) -> Cost {
        Cost {
            micros: self.micros.saturating_sub(o.micros),
            tokens: self.tokens.saturating_sub(o.tokens),
            ms: self.ms.saturating_sub(o.ms),
            runs: self.runs.saturating_sub(o.runs),
        }
    }
    /// The larger of each field.
    pub fn max(self, o: Cost) -> Cost {
        Cost {
            micros: self.micros.max(o.micros),
            tokens: self.tokens.max(o.tokens),
            ms: self.ms.max(o.ms),
            runs: self.runs.max(o.runs),
        }
    }
}

/// A unit of cost, as it is named when a limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Money.
    Money,
    /// Tokens.
    Tokens,
    /// Seconds.
    Seconds,
    /// Runs.
    Runs,
}

/// Limits; `None` is no limit in that unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Money, in millionths of a US dollar.
    pub micros_max: Option<u64>,
    /// Tokens, in and out.
    pub tokens_max: Option<u64>,
    /// Wall time, in milliseconds.
    pub ms_max: Option<u64>,
    /// Runs.
    pub runs_max: Option<u64>,
}

/// A limit that would be passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("the {unit:?} budget is used up: {used} of {limit}")]
pub struct Exceeded {
    /// Of which unit.
    pub unit: Unit,
    /// The limit, in the unit of [`Cost`].
    pub limit: u64,
    /// What would be used and reserved with the action, in the same unit.
    pub used: u64,
}

impl Budget {
    /// `Err` names the first unit in which `used` passes its limit.
    pub fn check(&self, used: Cost) -> Result<(), Exceeded> {
        let rows = [
            (Unit::Money, self.micros_max, used.micros),
            (Unit::Tokens, self.tokens_max, used.tokens),
            (Unit::Seconds, self.ms_max, used.ms),
            (Unit::Runs, self.runs_max, used.runs),
        ];
        for (unit, limit, used) in rows {
            if let Some(limit) = limit
                && used > limit
            {
                return Err(Exceeded { unit, limit, used });
            }
        }
        Ok(())
    }
}
