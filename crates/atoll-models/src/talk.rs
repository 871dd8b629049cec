//! One call from its first attempt to its end, as a stream of deltas.
//!
//! ```text
//!     Send ───answer──▶ Read ──whole──▶ Over
//!      ▲ └──fault──┐     └──fault──┐      ▲
//!      │           ▼               ▼      │
//!      │           └──▶ Failed ◀───┘      │
//!      │                 │ └── it can't pass, or a part was passed on: as an error
//!     Wait ◀─────────────┘ otherwise
//! ```
//!
//! All of it lives inside the stream: dropping it closes the connection, and nothing goes on elsewhere.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use atoll_domain::Entropy;
use atoll_ports::models::{Delta, Error, Failure, Key};
use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::Response;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use tokio::time::{Instant, timeout_at};

use crate::backoff;
use crate::client::{Clients, unsent};
use crate::config::{Retries, Timeouts, WireKind};
use crate::fault::Fault;
use crate::provider::Provider;
use crate::wire::{self, BodyKind, Decode, Outgoing, Sheet};

/// So much of a refusal is read.
const REFUSAL_LIMIT_BYTES: usize = 64 * 1024;
/// A provider that can't be reached at all is mostly not running, or misspelt: it is tried again for a moment
/// only, so that who waits is told soon.
const UNREACHABLE_ATTEMPTS_MAX: u32 = 3;
const UNREACHABLE_MS: u64 = 4_000;
/// So long is waited for the end of a body whose content is whole, so that its connection can be used again.
const CLOSE_MS: u64 = 100;

/// What a call needs.
pub(crate) struct Plan {
    pub(crate) provider: Arc<Provider>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) timeouts: Timeouts,
    pub(crate) retries: Retries,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) key: Option<Key>,
    pub(crate) outgoing: Outgoing,
    pub(crate) sheet: Sheet,
    /// Whether it costs money: then only what certainly wrote nothing is tried again.
    pub(crate) priced: bool,
    /// How long all of it may take, in milliseconds.
    pub(crate) ttl_ms: u64,
}

enum Phase {
    Send,
    Read(Response, Box<dyn Decode>),
    Wait(Duration),
    Failed(Fault),
    Over,
}

struct Talk {
    plan: Plan,
    phase: Phase,
    queue: VecDeque<Delta>,
    deadline: Instant,
    attempt: u32,
    started: Instant,
    /// Whether the caller has seen a part of the reply: then it isn't tried again behind its back.
    passed_on: bool,
    /// Whether the first byte of this attempt's reply came.
    begun: bool,
}

/// The deltas of a call. Nothing is sent before it is polled.
pub(crate) fn deltas(plan: Plan) -> BoxStream<'static, Result<Delta, Error>> {
    let talk = Talk {
        deadline: Instant::now() + Duration::from_millis(plan.ttl_ms),
        started: Instant::now(),
        plan,
        phase: Phase::Send,
        queue: VecDeque::new(),
        attempt: 0,
        passed_on: false,
        begun: false,
    };
    futures::stream::unfold(talk, |mut talk| async move {
        let item = talk.next().await?;
        Some((item, talk))
    })
    .boxed()
}

impl Talk {
    async fn next(&mut self) -> Option<Result<Delta, Error>> {
        loop {
            if let Some(delta) = self.queue.pop_front() {
                let part = !matches!(delta, Delta::Retrying { .. } | Delta::Done(_));
                self.passed_on |= part;
                return Some(Ok(delta));
            }
            let stepped = match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Over => return None,
                Phase::Send => self.send().await,
                Phase::Read(response, decode) => self.read(response, decode).await,
                Phase::Wait(wait) => {
                    tokio::time::sleep(wait).await;
                    Ok(Phase::Send)
                }
                Phase::Failed(fault) => match self.again(&fault) {
                    Some(phase) => Ok(phase),
                    None => {
                        return Some(Err(fault.error(self.plan.key.as_ref())));
                    }
                },
            };
            // What came before a fault is handed over first; having passed it on rules out another attempt.
            self.phase = stepped.unwrap_or_else(Phase::Failed);
        }
    }

    /// Whether and when it is tried again.
    fn again(&mut self, fault: &Fault) -> Option<Phase> {
        let retries = &self.plan.retries;
        let unreachable = fault.failure == Failure::Unreachable;
        let attempts_max = match unreachable {
            true => retries.attempts_max.min(UNREACHABLE_ATTEMPTS_MAX),
            false => retries.attempts_max,
        };
        let allowed = fault.passing
            && !self.passed_on
            && self.attempt < attempts_max
            && (fault.unspent || !self.plan.priced);
        if !allowed {
            return None;
        }
        let wait = backoff::wait(
            retries,
            self.attempt,
            fault.retry_after,
            &*self.plan.entropy,
        )?;
        // An attempt that could only run into the time limit is none.
        let patience = Duration::from_millis(UNREACHABLE_MS);
        let then = Instant::now() + wait;
        if then >= self.deadline || (unreachable && then >= self.started + patience) {
            return None;
        }
        tracing::debug!(
            provider = self.plan.provider.name,
            failure = fault.failure.name(),
            attempt = self.attempt,
            "retrying"
        );
        self.queue.push_back(Delta::Retrying {
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            reason: fault.failure,
            status: fault.status,
            asked: fault.retry_after.is_some_and(|asked| !asked.is_zero()),
            attempt: self.attempt + 1,
            attempts_max,
        });
        Some(Phase::Wait(wait))
    }

    async fn send(&mut self) -> Result<Phase, Fault> {
        self.attempt += 1;
        self.begun = false;
        let plan = &self.plan;
        let (provider, outgoing) = (&plan.provider, &plan.outgoing);
        let client = plan.clients.reaching(provider)?;
        let request = client
            .post(provider.endpoint.route(outgoing.path))
            .headers(provider.headers.clone())
            .headers(wire::headers(provider.wire, plan.key.as_ref())?)
            .header(CONTENT_TYPE, "application/json")
            .header(
                ACCEPT,
                "text/event-stream, application/x-ndjson, application/json",
            )
            .body(outgoing.body.clone());
        let sent = self.within(plan.timeouts.first_byte_ms, request.send());
        let response = sent
            .await?
            .map_err(|err| unsent(err, &provider.endpoint.authority))?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(self.refused(response).await);
        }
        let decode = wire::decoder(provider.wire, body_kind(&response)?, plan.sheet.clone());
        Ok(Phase::Read(response, decode))
    }

    async fn refused(&self, mut response: Response) -> Fault {
        let retry_after = backoff::retry_after(response.headers());
        let status = response.status().as_u16();
        let mut body = Vec::new();
        // A refusal whose words don't come is a refusal all the same.
        while let Ok(Ok(Some(bytes))) = self
            .within(self.plan.timeouts.idle_ms, response.chunk())
            .await
        {
            body.extend_from_slice(&bytes);
            if body.len() >= REFUSAL_LIMIT_BYTES {
                body.truncate(REFUSAL_LIMIT_BYTES);
                break;
            }
        }
        let mut fault = wire::refusal(status, &body);
        fault.retry_after = retry_after;
        if status == 404 && self.plan.provider.wire == WireKind::Ollama {
            fault.words = format!("{} (ollama pull {})", fault.words, self.plan.sheet.model);
        }
        if let Some(wait) = retry_after.filter(|_| fault.passing) {
            fault.words = format!("{} (it asks to wait {} s)", fault.words, wait.as_secs());
        }
        fault
    }

    async fn read(
        &mut self,
        mut response: Response,
        mut decode: Box<dyn Decode>,
    ) -> Result<Phase, Fault> {
        let timeouts = &self.plan.timeouts;
        let wait_ms = if self.begun {
            timeouts.idle_ms
        } else {
            timeouts.first_byte_ms
        };
        match self.within(wait_ms, response.chunk()).await? {
            Ok(Some(bytes)) => {
                self.begun |= !bytes.is_empty();
                if !decode.feed(&bytes, &mut self.queue)? {
                    return Ok(Phase::Read(response, decode));
                }
                let reply = decode.finish(&mut self.queue)?;
                let _ = self.within(CLOSE_MS, response.chunk()).await;
                self.queue.push_back(Delta::Done(Box::new(reply)));
            }
            Ok(None) => {
                let reply = decode.finish(&mut self.queue)?;
                self.queue.push_back(Delta::Done(Box::new(reply)));
            }
            // A reply that was whole is not lost with its connection.
            Err(_) => match decode.finish(&mut self.queue) {
                Ok(reply) => self.queue.push_back(Delta::Done(Box::new(reply))),
                Err(fault) if fault.failure == Failure::Server => return Err(fault),
                Err(_) => {
                    return Err(Fault::cut(
                        "the connection broke in the middle of the reply",
                    ));
                }
            },
        }
        Ok(Phase::Over)
    }

    /// Waits so long, and never past the call's own limit.
    async fn within<T>(&self, ms: u64, future: impl Future<Output = T>) -> Result<T, Fault> {
        let own = Instant::now() + Duration::from_millis(ms);
        timeout_at(own.min(self.deadline), future)
            .await
            .map_err(|_| {
                let authority = &self.plan.provider.endpoint.authority;
                let words = if self.deadline <= own {
                    format!(
                        "the call took longer than its {} s",
                        self.plan.ttl_ms.div_ceil(1000)
                    )
                } else {
                    format!("nothing came from {authority} for {} s", ms.div_ceil(1000))
                };
                Fault::lasting(Failure::Timeout, words)
            })
    }
}

/// By the content type; where it says nothing, a stream is what was asked for.
fn body_kind(response: &Response) -> Result<BodyKind, Fault> {
    let kind = response.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|k| k.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.to_ascii_lowercase().as_str() {
        "application/json" => Ok(BodyKind::Json),
        "text/html" => Err(Fault::garbage(
            "a web page came in place of a reply: is the address right?",
        )),
        _ => Ok(BodyKind::Events),
    }
}
