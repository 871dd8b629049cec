//! Replaying a session: fold what was recorded, do nothing, and compare each effect that would be
//! proposed with the one that was.

use atoll_domain::{SessionEnd, Step};

use crate::effect::Effect;
use crate::input::Input;
use crate::state::{State, fold, next};

/// A replay that found no divergence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Inputs folded.
    pub inputs: u64,
    /// Effects compared.
    pub compared: u64,
    /// The last step.
    pub steps: u64,
}

/// The first place where the agent would do something else than was recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("input {input}, step {}: recorded {got}, but this agent would {expected}", step.0)]
pub struct Divergence {
    /// Which input, from 1.
    pub input: u64,
    /// The recorded step.
    pub step: Step,
    /// What this agent would do, in words, with its digest.
    pub expected: String,
    /// What was recorded.
    pub got: String,
}

/// Replays a session's inputs.
pub fn replay<'a>(inputs: impl IntoIterator<Item = &'a Input>) -> Result<Replay, Box<Divergence>> {
    let mut state = State::default();
    let mut done = Replay {
        inputs: 0,
        compared: 0,
        steps: 0,
    };
    for input in inputs {
        done.inputs += 1;
        if let Some(compared) = compare(&state, input) {
            compared.map_err(|(step, expected, got)| {
                Box::new(Divergence {
                    input: done.inputs,
                    step,
                    expected,
                    got,
                })
            })?;
            done.compared += 1;
        }
        state = fold(state, input);
    }
    done.steps = state.step().0;
    Ok(done)
}

type Differs = (Step, String, String);

/// `None` if the input follows from no effect.
fn compare(state: &State, input: &Input) -> Option<Result<(), Differs>> {
    let proposed = next(state).into_iter().next();
    match input {
        Input::Started { step, effect } => {
            let got = match effect {
                Some(hash) => format!("the effect {hash}"),
                None => format!("an effect at step {}", step.0),
            };
            Some(match proposed {
                Some(own) if own.step() == *step && effect.is_none_or(|h| h == own.digest()) => {
                    Ok(())
                }
                Some(own) => Err((*step, told(&own), got)),
                None => Err((*step, "do nothing".into(), got)),
            })
        }
        Input::Compacted { upto, summary } => Some(match &proposed {
            Some(Effect::Compact {
                upto: own,
                summary: text,
                ..
            }) if own == upto && text == summary => Ok(()),
            other => Err((
                *upto,
                told_maybe(other),
                format!("a summary up to step {}", upto.0),
            )),
        }),
        Input::TurnEnded { end, words, .. } => {
            // The node's own failures end a turn from outside.
            if *end == SessionEnd::Error {
                return None;
            }
            // A patch whose tree is the base again is no patch: the node, which has the trees, says so.
            let same = |own: SessionEnd| {
                own == *end || (own == SessionEnd::Patch && *end == SessionEnd::Answer)
            };
            Some(match &proposed {
                Some(Effect::FinishTurn {
                    end: own,
                    words: text,
                    ..
                }) if same(*own) && text == words => Ok(()),
                other => Err((
                    state.step(),
                    told_maybe(other),
                    format!("the turn's end: {end:?}"),
                )),
            })
        }
        _ => None,
    }
}

fn told(effect: &Effect) -> String {
    format!(
        "{} at step {} ({})",
        effect.describe(),
        effect.step().0,
        effect.digest()
    )
}

fn told_maybe(effect: &Option<Effect>) -> String {
    effect.as_ref().map_or_else(|| "do nothing".into(), told)
}
