//! A local Ollama that comes and goes.

use atoll_models::{Config, ModelConfig, ProviderConfig, WireKind};
use atoll_ports::Models;
use testkit::provider::{Options, Reply, Script, Server};

use crate::stand::{Stand, config, registry};

fn server(port: u16) -> Server {
    let options = Options {
        port,
        models: vec!["qwen2.5-coder:7b".into(), "mine".into()],
        ..Options::default()
    };
    Server::with(Script::list([]), options).unwrap()
}

#[tokio::test]
async fn its_models_are_there_while_it_answers_and_gone_when_it_is() {
    let first = server(0);
    let port = first.address().port();
    let mut config = config(WireKind::Ollama, &first.base_url());
    config.providers[0].models = vec![ModelConfig {
        name: "mine".into(),
        ..ModelConfig::default()
    }];
    let models = registry(config);
    let found = models.around().await;
    let names: Vec<String> = found.iter().map(|m| m.model.to_string()).collect();
    // What is configured is listed already.
    assert_eq!(names, ["p/qwen2.5-coder:7b"]);
    assert_eq!((found[0].tools, found[0].images), (Some(true), false));
    assert!(found[0].priced && !found[0].remote && found[0].key_env.is_none());
    assert_eq!(found[0].context_tokens, 32_768);
    let paths: Vec<String> = first.requests().into_iter().map(|r| r.path).collect();
    assert_eq!(paths, ["/api/tags", "/api/show"]);
    assert_eq!(models.server("p").await.as_deref(), Some("Ollama 0.12.6"));
    drop(first);
    assert_eq!(models.server("p").await, None);
    assert!(models.around().await.is_empty());
    let _again = server(port);
    assert_eq!(models.around().await.len(), 1);
}

#[tokio::test]
async fn a_model_that_is_not_there_can_be_pulled() {
    let script = Script::list([Reply::refusal(404, "model 'm' not found")]);
    let heard = Stand::new(WireKind::Ollama, script).call().await;
    let words = heard.end.unwrap_err().words;
    assert!(
        words.contains("not found") && words.contains("ollama pull m"),
        "{words}"
    );
}

#[tokio::test]
async fn nobody_else_is_looked_for() {
    let server = server(0);
    let provider = |wire, remote| ProviderConfig {
        name: "p".into(),
        wire: Some(wire),
        remote,
        base_url: Some(server.base_url()),
        ..ProviderConfig::default()
    };
    for provider in [
        provider(WireKind::ChatCompletions, false),
        provider(WireKind::Ollama, true),
    ] {
        let config = Config {
            providers: vec![provider],
            ..Config::default()
        };
        assert!(registry(config).around().await.is_empty());
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn what_answers_with_something_else_has_no_models() {
    // Another program at the same port: chat completions alone, behind a key.
    let options = Options {
        key: Some("k".into()),
        ..Options::default()
    };
    let server = Server::with(Script::list([]), options).unwrap();
    let models = registry(config(WireKind::Ollama, &server.base_url()));
    assert!(models.around().await.is_empty());
    assert_eq!(server.requests().len(), 1);
}
