//! What the tests stand on: a registry, a scripted provider, a guard that admits everything.

use std::sync::Arc;
use std::time::Duration;

use atoll_domain::action::ModelCall;
use atoll_domain::{ActionKey, Conversation, Message, Speaker, Tick, ToolSpec};
use atoll_guard::{End, Stop};
use atoll_models::{
    Config, ModelConfig, PriceConfig, ProviderConfig, Registry, Retries, Timeouts, WireKind,
};
use atoll_ports::Models;
use atoll_ports::models::{Calling, Delta, Error, Failure, Key, Reply};
use futures::StreamExt;
use serde_json::json;
use testkit::permits::{Counting, guard, permit};
use testkit::provider::{Script, Server};

/// Longer than anything here takes, so that a busy machine fails no test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A provider `p` with a model `m`, quick to retry and slow to give up.
pub fn config(wire: WireKind, base_url: &str) -> Config {
    let provider = ProviderConfig {
        name: "p".into(),
        wire: Some(wire),
        base_url: Some(base_url.into()),
        models: vec![ModelConfig {
            name: "m".into(),
            ..ModelConfig::default()
        }],
        ..ProviderConfig::default()
    };
    Config {
        providers: vec![provider],
        timeouts: Timeouts {
            connect_ms: 30_000,
            first_byte_ms: 30_000,
            idle_ms: 30_000,
        },
        retries: Retries {
            attempts_max: 3,
            wait_ms_min: 1,
            wait_ms_max: 5_000,
        },
        ..Config::default()
    }
}

pub fn registry(config: Config) -> Registry {
    Registry::new(config, None, Arc::new(Counting::default())).unwrap()
}

/// What came of a call.
#[derive(Debug)]
pub struct Heard {
    pub deltas: Vec<Delta>,
    pub end: Result<Reply, Error>,
}

impl Heard {
    /// The text that was passed on, piece by piece.
    pub fn text(&self) -> String {
        let texts = self.deltas.iter().filter_map(|d| match d {
            Delta::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }
    /// Why it was tried again, each time.
    pub fn retries(&self) -> Vec<Failure> {
        let reasons = self.deltas.iter().filter_map(|d| match d {
            Delta::Retrying { reason, .. } => Some(*reason),
            _ => None,
        });
        reasons.collect()
    }
    pub fn reply(&self) -> &Reply {
        self.end.as_ref().unwrap()
    }
    pub fn failure(&self) -> Failure {
        self.end.as_ref().unwrap_err().failure
    }
}

/// A registry with one scripted provider.
pub struct Stand {
    pub server: Server,
    pub models: Registry,
    pub key: Option<Key>,
}

impl Stand {
    pub fn new(wire: WireKind, script: Script) -> Stand {
        Stand::with(wire, script, |_| {})
    }
    /// With another configuration than the usual.
    pub fn with(wire: WireKind, script: Script, change: impl FnOnce(&mut Config)) -> Stand {
        let server = Server::start(script);
        let mut config = config(wire, &server.base_url());
        change(&mut config);
        Stand {
            models: registry(config),
            server,
            key: None,
        }
    }

    /// A call of `p/m` with one question and one tool.
    pub fn act(&self) -> ModelCall {
        let choice = self.models.resolve("p/m").unwrap();
        let spec = ToolSpec {
            name: "read_file".into(),
            description: "Reads a file.".into(),
            parameters: json!({"type": "object"}),
        };
        ModelCall {
            session: None,
            key: ActionKey::derive(&[b"call"]),
            model: choice.model,
            endpoint: choice.endpoint,
            remote: choice.remote,
            conversation: Conversation {
                messages: vec![Message::text(Speaker::User, "What is in the file?")],
                tools: vec![spec],
                form: None,
            },
            output_tokens_max: 1_000,
            input_tokens_estimate: 100,
            price: choice.price,
            ttl_s: PATIENCE.as_secs(),
        }
    }

    pub async fn begin(&self, act: ModelCall) -> Result<Calling, Stop> {
        let (guard, _) = guard();
        let permit = permit(&guard, act).await;
        self.models.call(permit, self.key.clone(), Tick(0)).await
    }

    /// Makes the usual call and hears it to its end.
    pub async fn call(&self) -> Heard {
        self.call_of(self.act()).await
    }

    pub async fn call_of(&self, act: ModelCall) -> Heard {
        let calling = self.begin(act).await.unwrap();
        tokio::time::timeout(PATIENCE, hear(calling)).await.unwrap()
    }
}

/// Hears a call to its end. After `Done` or an error nothing more may come.
pub async fn hear(calling: Calling) -> Heard {
    let Calling { live, mut deltas } = calling;
    let mut heard = Vec::new();
    let mut end = None;
    while let Some(next) = deltas.next().await {
        assert!(end.is_none(), "something came after the end: {next:?}");
        match next {
            Ok(Delta::Done(reply)) => end = Some(Ok(*reply)),
            Ok(delta) => heard.push(delta),
            Err(err) => end = Some(Err(err)),
        }
    }
    live.finish(End::done());
    Heard {
        deltas: heard,
        end: end.expect("a call ends with a reply or an error"),
    }
}

/// The price that makes a call of `p/m` cost money.
pub fn priced(config: &mut Config) {
    config.providers[0].models[0].price = Some(PriceConfig {
        input_usd: 1.0,
        cached_usd: None,
        cache_write_usd: None,
        output_usd: 2.0,
        dated: "2026-11-01".into(),
    });
}
