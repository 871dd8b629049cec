//! The model, asked: what it answered, or why it did not, becomes an event.

use std::time::Duration;

use atoll_agent::Effect;
use atoll_api::{Error, Progress};
use atoll_domain::{ModelAsked, ReplyFailed, ReplyReceived, Sealer, Step};
use atoll_guard::Stop;
use atoll_ports::models::{Delta, Failure};

use crate::labels::Source;
use crate::redaction::Pieces;
use crate::refused::Refused;
use crate::session::call::{Answered, Call, CallFailed, model_error};
use crate::session::drive::{Drive, Go};

/// What is said of a call whose end nobody saw.
pub(crate) const PAID: &str =
    "the node stopped during a call that costs money; it may have been answered";

impl Drive {
    /// Asks the model and logs what it answered, or why it did not.
    pub(crate) async fn call(&mut self, effect: Effect) -> Go {
        let digest = effect.digest();
        let Effect::CallModel {
            step,
            wait_ms,
            conversation,
            output_tokens_max,
            ..
        } = effect
        else {
            return Go::On;
        };
        let provider = self.choice.model.provider.clone();
        let provider_now = provider.clone();
        let asked = |s: &mut Sealer<'_>| ModelAsked {
            step,
            provider,
            effect: s.text(&digest.to_string()),
        };
        if let Err(err) = self.append(false, asked).await {
            return Go::Broken(err);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
            () = self.cancel.cancelled() => return Go::On,
        }
        let conversation = self.shared.redact(&self.context, conversation);
        if conversation.hits() > 0
            && let Err(err) = self.gain(vec![Source::redaction(&provider_now)]).await
        {
            return Go::Broken(err);
        }
        let call = Call {
            choice: &self.choice,
            keys: &self.keys,
            conversation,
            output_tokens_max,
            step: Some(step),
            granted_spend: false,
        };
        let (shared, session) = (&self.shared, self.session);
        let mut pieces = Pieces::default();
        let send = |progress| shared.hub.send(session, shared.clock.wall(), progress);
        let seen = |delta: &Delta| match delta {
            Delta::Text(text) => send(Progress::Text {
                text: pieces.push(shared, session, text),
            }),
            other => {
                let held = pieces.rest();
                if !held.is_empty() {
                    send(Progress::Text { text: held });
                }
                if let Some(progress) = progress(other) {
                    send(progress);
                }
            }
        };
        let answered = self
            .shared
            .call_model(&self.context, call, None, &self.cancel, seen)
            .await;
        let answered = match answered {
            Ok(answered) => Ok(answered),
            Err(failed) => match self.reply_failed(failed) {
                Ok(why) => Err(why),
                Err(stop) => return stop,
            },
        };
        self.answered(step, answered)
            .await
            .map_or_else(Go::Broken, |()| Go::On)
    }

    /// Logs the reply, or the reason and words of its failure.
    async fn answered(
        &mut self,
        step: Step,
        answered: Result<Answered, (String, String)>,
    ) -> Result<(), Error> {
        let answered = match answered {
            Ok(answered) => answered,
            Err((reason, words)) => {
                let failed = |s: &mut Sealer<'_>| ReplyFailed {
                    step,
                    reason,
                    words: s.text(&words),
                };
                return self.append(true, failed).await;
            }
        };
        let Answered { reply, micros } = answered;
        let provider = self.choice.model.provider.clone();
        // It has the context now: what goes on there is no new way out.
        if !self.context.known.contains(&self.choice.model) {
            self.context.known.push(self.choice.model.clone());
        }
        self.append(true, |s| ReplyReceived {
            step,
            provider,
            model: s.text(&reply.model),
            usage: reply.usage,
            micros,
            finish: s.text(&reply.finish),
            message: s.json(&reply.message),
        })
        .await
    }

    /// The reason and words of a call without a reply, or how the drive stops.
    fn reply_failed(&self, failed: CallFailed) -> Result<(String, String), Go> {
        let down = self.shared.down.is_cancelled();
        match failed {
            CallFailed::Failed(err) if down && err.failure == Failure::Cancelled => {
                // The node's own end is nobody's wish: it is called again, and what may be paid is said.
                match self.choice.price {
                    Some(_) => Ok(("lost".into(), PAID.into())),
                    None => Err(self.park()),
                }
            }
            CallFailed::Failed(err) => {
                let error = model_error(&err, &self.choice);
                // A reply that began well and ended in the provider's error broke in its middle.
                let broke = err.failure == Failure::Server && err.status.is_none();
                let failure = if broke { Failure::Cut } else { err.failure };
                Ok((failure.name().into(), error.message))
            }
            CallFailed::Refused(Refused::Park) => Err(self.park()),
            CallFailed::Refused(Refused::Cancelled) => Err(Go::On),
            CallFailed::Refused(Refused::NeedsPerson { why, .. }) => {
                Ok(("needs_person".into(), why))
            }
            CallFailed::Refused(Refused::Stop(stop @ Stop::Budget(_))) => {
                Ok(("limit".into(), stop.to_string()))
            }
            CallFailed::Refused(refused @ Refused::Provider { .. }) => {
                Ok(("limit".into(), refused.error().message))
            }
            CallFailed::Refused(refused) => Ok(("denied".into(), refused.error().message)),
        }
    }
}

/// What a watcher sees of a reply as it comes.
fn progress(delta: &Delta) -> Option<Progress> {
    Some(match delta {
        Delta::Reasoning(text) => Progress::Reasoning { text: text.clone() },
        Delta::Retrying {
            wait_ms,
            reason,
            status,
            asked,
            attempt,
            attempts_max,
        } => Progress::Retrying {
            wait_ms: *wait_ms,
            reason: reason.name().into(),
            status: *status,
            asked: *asked,
            attempt: *attempt,
            attempts_max: *attempts_max,
        },
        Delta::Text(_) | Delta::ToolNamed(_) | Delta::Done(_) => return None,
    })
}
