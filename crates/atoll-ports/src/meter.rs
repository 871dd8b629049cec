//! What a call costs while it runs: estimated as text comes, settled by the reply's usage.

use atoll_domain::action::ModelCall;
use atoll_domain::{Cost, Tick, Usage};
use atoll_guard::{Live, Stop};

use crate::models::Delta;

/// The rule of thumb for what is still coming.
const BYTES_PER_TOKEN: u64 = 4;

/// What a usage costs under a call's price.
pub fn cost(call: &ModelCall, usage: &Usage) -> Cost {
    Cost {
        micros: call.price.as_ref().map_or(0, |p| p.micros(usage)),
        tokens: usage.input_tokens.saturating_add(usage.output_tokens),
        ms: 0,
        runs: 1,
    }
}

/// Charges one call's permit, delta by delta. Its run is charged by the adapter as the call begins; its input with
/// the first part of the reply, which proves that it was read; arguments of tool calls with the whole reply.
#[derive(Debug)]
pub struct Meter {
    written_bytes: u64,
    charged: Cost,
}

impl Default for Meter {
    fn default() -> Meter {
        Meter {
            written_bytes: 0,
            charged: Cost {
                runs: 1,
                ..Cost::ZERO
            },
        }
    }
}

impl Meter {
    /// Charges what a delta shows. `Err`: stop now, and drop the deltas.
    pub fn charge(
        &mut self,
        live: &mut Live<ModelCall>,
        delta: &Delta,
        now: Tick,
    ) -> Result<(), Stop> {
        let usage = match delta {
            Delta::Retrying { .. } => return live.charge(Cost::ZERO, now),
            Delta::Done(reply) => reply.usage,
            Delta::Text(text) | Delta::Reasoning(text) | Delta::ToolNamed(text) => {
                self.written_bytes = self.written_bytes.saturating_add(text.len() as u64);
                Usage {
                    input_tokens: live.act().input_tokens_estimate,
                    output_tokens: self.written_bytes.div_ceil(BYTES_PER_TOKEN),
                    ..Usage::default()
                }
            }
        };
        // What was charged too high on the way is put right by the cost that the call is finished with.
        let more = cost(live.act(), &usage).minus(self.charged);
        self.charged = self.charged.plus(more);
        live.charge(more, now)
    }
}
