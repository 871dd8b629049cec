//! Calling a model: permit, stream, charge, end.

use std::collections::BTreeMap;

use atoll_api::{Error, codes};
use atoll_domain::action::ModelCall;
use atoll_domain::{ActionKey, Conversation, Cost, EventId, Part, PriceUsed, Step};
use atoll_guard::{End, Permit, Stop};
use atoll_ports::meter::{self, Meter};
use atoll_ports::models::{Calling, Delta, Failure, Key, ModelChoice, Reply};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::egress::Way;
use crate::facts::{Context, dollars};
use crate::gate::Ask;
use crate::redaction::Clean;
use crate::refused::Refused;
use crate::secrets::NotGiven;
use crate::shared::Shared;

/// A call to be made.
pub(crate) struct Call<'a> {
    pub(crate) choice: &'a ModelChoice,
    pub(crate) keys: &'a BTreeMap<String, String>,
    pub(crate) conversation: Clean,
    pub(crate) output_tokens_max: u64,
    /// The session's step; `None` outside sessions.
    pub(crate) step: Option<Step>,
    /// The person typed the very command that spends: that is their grant.
    pub(crate) granted_spend: bool,
}

/// A reply, and what it cost in millionths of a US dollar.
pub(crate) struct Answered {
    pub(crate) reply: Reply,
    pub(crate) micros: u64,
}

/// Why there is no reply.
pub(crate) enum CallFailed {
    Refused(Refused),
    Failed(atoll_ports::models::Error),
}

impl Shared {
    /// Calls a model.
    pub(crate) async fn call_model(
        &self,
        context: &Context,
        call: Call<'_>,
        cause: Option<EventId>,
        cancel: &CancellationToken,
        mut seen: impl FnMut(&Delta),
    ) -> Result<Answered, CallFailed> {
        let Call {
            choice,
            keys,
            conversation,
            output_tokens_max,
            step,
            granted_spend,
        } = call;
        let conversation = conversation.conversation();
        let key = match (context.session, step) {
            (Some(session), Some(step)) => ActionKey::of(&session, step),
            _ => ActionKey::new(self.clock.wall(), self.entropy.ten()),
        };
        let input_tokens_estimate = estimate_tokens(&conversation);
        let act = ModelCall {
            session: context.session,
            key,
            model: choice.model.clone(),
            endpoint: choice.endpoint.clone(),
            remote: choice.remote,
            conversation,
            output_tokens_max,
            input_tokens_estimate,
            price: choice.price.clone(),
            ttl_s: self.current().options.call_ttl_s,
        };
        let slots = self.calls_of(&choice.model.provider);
        let slot = tokio::select! {
            slot = slots.acquire() => slot.map_err(|_| CallFailed::Refused(Refused::Cancelled))?,
            () = cancel.cancelled() => return Err(CallFailed::Refused(Refused::Cancelled)),
        };
        let ask = self.call_ask(context, act, choice, key, cause, granted_spend, cancel);
        // Whose budget it was is worth knowing.
        let provider = &choice.model.provider;
        let named = |refused| match refused {
            Refused::Stop(Stop::Budget(exceeded)) if self.is_providers(provider, &exceeded) => {
                let provider = provider.clone();
                Refused::Provider { provider, exceeded }
            }
            other => other,
        };
        let admitted = self.admit(ask).await;
        let permit = admitted.map_err(|refused| CallFailed::Refused(named(refused)))?;
        let key = self.key_of(context, choice, keys, cause, cancel).await;
        let secret = key.map_err(not_given)?;
        let done = self.stream(permit, secret, cancel, &mut seen).await;
        drop(slot);
        done.map(|(reply, micros)| Answered { reply, micros })
    }

    /// The provider's key: the vault's where it is configured so, else the one that the caller brought.
    async fn key_of(
        &self,
        context: &Context,
        choice: &ModelChoice,
        keys: &BTreeMap<String, String>,
        cause: Option<EventId>,
        cancel: &CancellationToken,
    ) -> Result<Option<Key>, NotGiven> {
        let Some(name) = &choice.key_secret else {
            let brought = choice.key_env.as_ref().and_then(|env| keys.get(env));
            return Ok(brought.map(Key::new));
        };
        let provider = &choice.model.provider;
        let value = self.provider_key(context, name, provider, cause, cancel);
        Ok(Some(Key::new(value.await?.expose())))
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one question")]
    fn call_ask<'a>(
        &self,
        context: &'a Context,
        act: ModelCall,
        choice: &ModelChoice,
        key: ActionKey,
        cause: Option<EventId>,
        granted_spend: bool,
        cancel: &'a CancellationToken,
    ) -> Ask<'a, ModelCall> {
        let mut facts = context.facts(self);
        facts.in_box = false;
        Way::of_call(choice, &context.known).set(&mut facts);
        facts.price = choice.price.clone().map(|price| PriceUsed {
            model: choice.model.to_string(),
            price,
        });
        facts.provider_granted = granted_spend
            || self.grant_pays(context.grant)
            || self.spend_is_granted(context, &choice.model.provider);
        let ceiling = atoll_domain::Act::ceiling(&act);
        let question = atoll_api::Question {
            what: format!("call {}", choice.model),
            place: format!(
                "{}; the conversation goes there, {} tokens",
                choice.endpoint, act.input_tokens_estimate
            ),
            detail: format!(
                "up to {} for this call ({} tokens in, {} out at most)\n{} messages",
                if choice.priced {
                    dollars(ceiling.micros)
                } else {
                    "an unknown price".into()
                },
                act.input_tokens_estimate,
                act.output_tokens_max,
                act.conversation.messages.len()
            ),
            ..Default::default()
        };
        let same = format!("call {}", choice.model);
        Ask {
            context,
            act,
            facts,
            key: Some(key),
            cause,
            question,
            same,
            cancel,
        }
    }

    fn spend_is_granted(&self, context: &Context, provider: &str) -> bool {
        let Some((workspace, _)) = &context.workspace else {
            return false;
        };
        self.log
            .spend_granted(workspace, provider)
            .ok()
            .flatten()
            .is_some_and(|micros| micros > 0)
    }

    async fn stream(
        &self,
        permit: Permit<ModelCall>,
        secret: Option<Key>,
        cancel: &CancellationToken,
        seen: &mut impl FnMut(&Delta),
    ) -> Result<(Reply, u64), CallFailed> {
        let models = self.current().models.clone();
        let calling = models.call(permit, secret, self.clock.now()).await;
        let Calling {
            mut live,
            mut deltas,
        } = calling.map_err(|stop| CallFailed::Refused(Refused::Stop(stop)))?;
        let deadline = tokio::time::sleep(std::time::Duration::from_secs(live.act().ttl_s));
        let mut deadline = std::pin::pin!(deadline);
        let mut meter = Meter::default();
        loop {
            let next = tokio::select! {
                next = deltas.next() => next,
                () = cancel.cancelled() => Some(Err(failed(Failure::Cancelled, "it was stopped"))),
                () = &mut deadline => Some(Err(failed(Failure::Timeout, "the reply took too long"))),
            };
            match next {
                Some(Ok(Delta::Done(reply))) => {
                    let cost = meter::cost(live.act(), &reply.usage);
                    let micros = cost.micros;
                    live.finish(End::done().cost(cost));
                    return Ok((*reply, micros));
                }
                Some(Ok(delta)) => {
                    if let Err(stop) = meter.charge(&mut live, &delta, self.clock.now()) {
                        live.finish(End::failed(None)); // dropping the deltas ends the call
                        return Err(CallFailed::Refused(Refused::Stop(stop)));
                    }
                    seen(&delta);
                }
                Some(Err(err)) => {
                    // What was sent may have been read and answered: a priced call that broke costs what was
                    // charged, or its input at least once the provider had it.
                    let charged = live.charged();
                    let sent = !matches!(
                        err.failure,
                        Failure::Unreachable | Failure::Auth | Failure::RateLimited
                    );
                    let least = if sent && err.status.is_none() {
                        self.input_cost(live.act())
                    } else {
                        Cost::ZERO
                    };
                    let cost = Cost {
                        runs: 1,
                        ..charged.max(least)
                    };
                    live.finish(End::failed(None).cost(cost));
                    return Err(CallFailed::Failed(err));
                }
                None => {
                    let _ = live.charge(Cost::ZERO, self.clock.now());
                    live.finish(End::failed(None));
                    return Err(CallFailed::Failed(failed(
                        Failure::Cut,
                        "the reply ended in the middle",
                    )));
                }
            }
        }
    }

    fn input_cost(&self, act: &ModelCall) -> Cost {
        let usage = atoll_domain::Usage {
            input_tokens: act.input_tokens_estimate,
            ..Default::default()
        };
        Cost {
            micros: act.price.as_ref().map_or(0, |p| p.micros(&usage)),
            tokens: act.input_tokens_estimate,
            ..Cost::ZERO
        }
    }
}

fn failed(failure: Failure, words: &str) -> atoll_ports::models::Error {
    atoll_ports::models::Error {
        failure,
        words: words.into(),
        status: None,
    }
}

fn not_given(why: NotGiven) -> CallFailed {
    match why {
        NotGiven::Refused(refused) => CallFailed::Refused(refused),
        NotGiven::Vault(err) => CallFailed::Failed(failed(Failure::Auth, &err.to_string())),
    }
}

/// No provider counts more for one picture.
const PICTURE_TOKENS_MAX: u64 = 8_192;

/// Tokens of a conversation, estimated from above: three bytes a token, and so many a picture.
fn estimate_tokens(conversation: &Conversation) -> u64 {
    let bytes = serde_json::to_vec(conversation).map_or(0, |json| json.len() as u64);
    let parts = conversation.messages.iter().flat_map(|m| &m.content);
    let pictures: Vec<u64> = parts
        .filter_map(|part| match part {
            Part::Image { data, .. } => Some(data.len() as u64),
            _ => None,
        })
        .collect();
    let text = bytes.saturating_sub(pictures.iter().sum());
    text.div_ceil(3) + pictures.len() as u64 * PICTURE_TOKENS_MAX
}

/// A failed call, as people read it.
pub(crate) fn model_error(err: &atoll_ports::models::Error, choice: &ModelChoice) -> Error {
    let words = format!("{}: {}", choice.model, err.words);
    let at = format!("{} at {}", choice.wire, choice.endpoint);
    let error = |code| Error::new(code, words.clone()).found(at.clone());
    match err.failure {
        Failure::Auth if let Some(name) = &choice.key_secret => {
            let words = format!("{}, key secret:{name}: {}", choice.model, err.words);
            Error::new(codes::MODEL_KEY, words)
                .found(at)
                .next("atoll secret list")
                .next(format!("atoll secret rotate {name}"))
                .next("atoll model test")
        }
        Failure::Auth => {
            let env = choice.key_env.as_deref().unwrap_or("its key variable");
            // Before the provider's own words, which may be long: this is what to mend.
            let words = format!("{}, key {env}: {}", choice.model, err.words);
            Error::new(codes::MODEL_KEY, words)
                .found(at)
                .next(format!("export {env}=…"))
                .next("atoll model test")
        }
        Failure::RateLimited => {
            error(codes::MODEL_LIMITED).next("wait a while, then: atoll session resume @")
        }
        Failure::Server | Failure::Cut | Failure::Refused => {
            error(codes::MODEL_FAILED).next("atoll session resume @")
        }
        Failure::Garbage => error(codes::MODEL_GARBAGE).next("atoll model test"),
        Failure::Context => error(codes::MODEL_CONTEXT).next("atoll model list"),
        Failure::Timeout | Failure::Unreachable => error(codes::MODEL_UNREACHABLE)
            .next(format!("is something listening at {}?", choice.endpoint)),
        Failure::Cancelled => error(codes::CANCELLED),
    }
}
