//! What the tests stand on: embedded models in a folder of their own, and calls of them.

use std::path::Path;
use std::time::Duration;

use atoll_domain::action::ModelCall;
use atoll_domain::{ActionKey, Conversation, Message, Speaker, Tick};
use atoll_guard::End;
use atoll_llama::{Embedded, Options};
use atoll_ports::models::{Calling, Delta, Error, Failure, Reply};
use futures::StreamExt;
use testkit::permits::{guard, permit};

/// Longer than anything here takes, so that a busy machine fails no test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How the tests start engines: with few tokens, and nothing left to others.
pub fn options() -> Options {
    Options {
        exe: env!("CARGO_BIN_EXE_atoll-engine").into(),
        args: Vec::new(),
        context_tokens: 512,
        threads: Some(1),
        spare_bytes: 0,
        ..Options::default()
    }
}

/// An engine that is a shell script. It reads its first line, the load, into `$load`.
pub fn script(body: &str) -> Options {
    let loaded =
        r#"{"answer":"loaded","context_tokens":512,"sequences":2,"template":true,"fences":[]}"#;
    let whole = format!("loaded='{loaded}'; read -r load; {body}");
    Options {
        exe: "/bin/sh".into(),
        args: vec!["-c".into(), whole.into()],
        ..options()
    }
}

pub fn conversation(texts: &[&str]) -> Conversation {
    let role = |i| {
        if i % 2 == 0 {
            Speaker::User
        } else {
            Speaker::Assistant
        }
    };
    let messages = texts
        .iter()
        .enumerate()
        .map(|(i, text)| Message::text(role(i), *text));
    Conversation {
        messages: messages.collect(),
        tools: Vec::new(),
        form: None,
    }
}

#[cfg(feature = "engine")]
pub fn tool(name: &str, parameters: serde_json::Value) -> atoll_domain::ToolSpec {
    atoll_domain::ToolSpec {
        name: name.into(),
        description: "does it".into(),
        parameters,
    }
}

pub fn act(models: &Embedded, conversation: Conversation, output_tokens_max: u64) -> ModelCall {
    let choice = models.resolve("embedded").expect("one model lies there");
    ModelCall {
        session: None,
        key: ActionKey::derive(&[b"call"]),
        model: choice.model,
        endpoint: choice.endpoint,
        remote: choice.remote,
        conversation,
        output_tokens_max,
        input_tokens_estimate: 100,
        price: choice.price,
        ttl_s: PATIENCE.as_secs(),
    }
}

pub async fn begin(models: &Embedded, act: ModelCall) -> Calling {
    let (guard, _) = guard();
    models.call(permit(&guard, act).await, Tick(0)).unwrap()
}

/// What came of a call.
pub type Heard = (Vec<Delta>, Result<Reply, Error>);

pub async fn hear(calling: Calling) -> Heard {
    let Calling { live, mut deltas } = calling;
    let (mut heard, mut end) = (Vec::new(), None);
    let all = async {
        while let Some(next) = deltas.next().await {
            assert!(end.is_none(), "something came after the end: {next:?}");
            match next {
                Ok(Delta::Done(reply)) => end = Some(Ok(*reply)),
                Ok(delta) => heard.push(delta),
                Err(err) => end = Some(Err(err)),
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
    live.finish(End::done());
    (heard, end.expect("a call ends with a reply or an error"))
}

pub async fn call(models: &Embedded, act: ModelCall) -> Heard {
    hear(begin(models, act).await).await
}

/// Calls once and gives how it failed.
pub async fn failure(models: &Embedded) -> (Failure, String) {
    let act = act(models, conversation(&["hi"]), 8);
    let err = call(models, act).await.1.unwrap_err();
    (err.failure, err.words)
}

pub fn embedded(folder: &Path, options: Options) -> Embedded {
    Embedded::new(folder.into(), options)
}

/// Whether a process is there; one that nobody buried counts as gone.
pub fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
