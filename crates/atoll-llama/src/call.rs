//! One call from its start to its end, as a stream of deltas. Dropping it stops the engine's work on it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atoll_domain::{ActionKey, Usage};
use atoll_ports::models::{Delta, Error, Failure, Reply};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::time::{Instant, timeout_at};

use crate::engine::Engines;
use crate::reply::Written;
use crate::supervise::{Stage, Talk};
use crate::wire::{Answer, Chat, Code, Finish, Loaded};

/// An engine that went to rest just now is started again, so often.
const STARTS_MAX: u32 = 3;

/// What a call needs.
pub(crate) struct Plan {
    pub(crate) engines: Arc<Engines>,
    pub(crate) path: PathBuf,
    pub(crate) model: String,
    pub(crate) key: ActionKey,
    pub(crate) tools: bool,
    pub(crate) chat: Chat,
    /// How long all of it may take, in milliseconds.
    pub(crate) ttl_ms: u64,
}

enum Phase {
    Begin,
    Read(Talk, Written),
    Over,
}

type Item = Result<Delta, Error>;

/// The deltas of a call. Nothing is started before they are polled.
pub(crate) fn deltas(plan: Plan) -> BoxStream<'static, Item> {
    let deadline = Instant::now() + Duration::from_millis(plan.ttl_ms);
    let begin = (plan, Phase::Begin, deadline);
    futures::stream::unfold(begin, |(plan, mut phase, deadline)| async move {
        let stepped = timeout_at(deadline, step(&plan, &mut phase)).await;
        let item = stepped.unwrap_or_else(|_| {
            phase = Phase::Over;
            Some(Err(error(Failure::Timeout, "the reply took too long")))
        })?;
        if item.is_err() || matches!(item, Ok(Delta::Done(_))) {
            phase = Phase::Over;
        }
        Some((item, (plan, phase, deadline)))
    })
    .boxed()
}

async fn step(plan: &Plan, phase: &mut Phase) -> Option<Item> {
    if let Phase::Begin = phase {
        match begin(plan).await {
            Ok(talk) => *phase = Phase::Read(talk, Written::new(plan.tools)),
            Err(err) => return Some(Err(err)),
        }
    }
    let Phase::Read(talk, written) = phase else {
        return None;
    };
    loop {
        let done = match talk.next().await {
            Some(Answer::Piece { text, .. }) => match written.push(&text) {
                Some(delta) => return Some(Ok(delta)),
                None => continue,
            },
            Some(Answer::Done(done)) => done,
            Some(Answer::Failed { code, words, .. }) => return Some(Err(failed(code, words))),
            Some(Answer::Loaded(_)) | None => {
                return Some(Err(error(Failure::Cut, "the engine ended in the middle")));
            }
        };
        let finish = match done.finish {
            Finish::Stop => "stop",
            Finish::Length => "length",
            Finish::Cancelled => return Some(Err(error(Failure::Cancelled, "it was stopped"))),
        };
        let written = std::mem::replace(written, Written::new(false));
        let (message, finish) = written.finish(&plan.key, finish);
        return Some(Ok(Delta::Done(Box::new(Reply {
            message,
            model: plan.model.clone(),
            finish,
            usage: Usage {
                input_tokens: done.input_tokens.into(),
                cached_tokens: done.cached_tokens.min(done.input_tokens).into(),
                output_tokens: done.output_tokens.into(),
                cache_written_tokens: 0,
                reported: true,
            },
        }))));
    }
}

/// Has the model loaded and the chat begun.
async fn begin(plan: &Plan) -> Result<Talk, Error> {
    for _ in 0..STARTS_MAX {
        let refused = |words: String| error(Failure::Refused, words);
        let child = plan.engines.of(&plan.path).map_err(refused)?;
        loaded(child.stage()).await?;
        if let Some(talk) = child.chat(plan.chat.clone()) {
            return Ok(talk);
        }
    }
    Err(error(
        Failure::Server,
        "the engine ends as soon as it is started",
    ))
}

async fn loaded(mut stage: tokio::sync::watch::Receiver<Stage>) -> Result<Loaded, Error> {
    let gone = || error(Failure::Server, "the engine is gone");
    let now = stage.wait_for(|stage| *stage != Stage::Loading).await;
    match &*now.map_err(|_| gone())? {
        Stage::Loaded(loaded) => Ok(loaded.clone()),
        Stage::Ended(code, words) => Err(failed(*code, words.clone())),
        Stage::Loading => Err(gone()),
    }
}

/// An engine's failure, in the port's words.
fn failed(code: Code, words: String) -> Error {
    match code {
        Code::File => error(
            Failure::Refused,
            format!("the model's file can't be used: {words}"),
        ),
        Code::Memory => error(
            Failure::Refused,
            format!(
                "the model doesn't fit into memory: {words}; a smaller one may: `atoll model list`"
            ),
        ),
        Code::Unable | Code::Grammar => error(Failure::Refused, words),
        Code::Context => error(Failure::Context, words),
        Code::Engine => error(Failure::Server, words),
    }
}

pub(crate) fn error(failure: Failure, words: impl Into<String>) -> Error {
    Error {
        failure,
        words: words.into(),
        status: None,
    }
}
