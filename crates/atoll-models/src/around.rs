//! What runs on this machine though nobody wrote it down: the models of an Ollama that answers now. It is asked
//! each time, and nothing is kept: it comes and goes as it likes.

use std::sync::Arc;
use std::time::Duration;

use atoll_ports::models::ModelChoice;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};

use crate::client::{Clients, unsent};
use crate::config::WireKind;
use crate::fault::Fault;
use crate::provider::Provider;
use crate::wire::{self, Shown};

/// Loopback answers at once, or not at all. So long for the list and as long for what is told of its models.
const PATIENCE: Duration = Duration::from_millis(500);
const MODELS_MAX: usize = 64;
const ASKED_AT_ONCE: usize = 8;
const BODY_LIMIT_BYTES: usize = 8 * 1024 * 1024;

/// The models of `providers` that answer on this machine and aren't configured. What doesn't answer in time, or
/// answers with anything else, has none: this is a look around and no error of anyone's.
pub(crate) async fn look(providers: &[Arc<Provider>], clients: &Clients) -> Vec<ModelChoice> {
    let mut found = Vec::new();
    for provider in providers {
        if provider.wire != WireKind::Ollama || provider.remote {
            continue;
        }
        let listed = tokio::time::timeout(PATIENCE, names(provider, clients)).await;
        let Ok(Ok(names)) = listed else { continue };
        let known: Vec<&str> = provider.model_names().collect();
        let fresh = names.into_iter().filter(|n| !known.contains(&n.as_str()));
        let mut choices: Vec<ModelChoice> = fresh
            .take(MODELS_MAX)
            .filter_map(|name| provider.choice(&name, false))
            .collect();
        // Too slow: the models are there all the same, with figures that are assumed.
        let _ = tokio::time::timeout(PATIENCE, told(provider, clients, &mut choices)).await;
        found.append(&mut choices);
    }
    found
}

async fn names(provider: &Provider, clients: &Clients) -> Result<Vec<String>, Fault> {
    let (path, read) = wire::listing(provider.wire);
    let request = clients
        .reaching(provider)?
        .get(provider.endpoint.route(path));
    read(&body(provider, request).await?)
}

/// What serves a provider's models, as it names itself: `Ollama 0.12.6`. `None`: it doesn't, or not in time.
pub(crate) async fn server(provider: &Provider, clients: &Clients) -> Option<String> {
    if provider.wire != WireKind::Ollama {
        return None;
    }
    let client = clients.reaching(provider).ok()?;
    let request = client.get(provider.endpoint.route(wire::VERSION.0));
    let body = tokio::time::timeout(PATIENCE, body(provider, request)).await;
    wire::VERSION.1(&body.ok()?.ok()?)
}

/// Fills in what the server tells of each model.
async fn told(provider: &Provider, clients: &Clients, choices: &mut [ModelChoice]) {
    let all: Vec<BoxFuture<'_, ()>> = choices
        .iter_mut()
        .map(|choice| of_one(provider, clients, choice).boxed())
        .collect();
    futures::stream::iter(all)
        .buffer_unordered(ASKED_AT_ONCE)
        .collect::<()>()
        .await;
}

async fn of_one(provider: &Provider, clients: &Clients, choice: &mut ModelChoice) {
    let Ok(shown) = shown(provider, clients, &choice.model.model).await else {
        return;
    };
    let context_tokens = shown.context_tokens.unwrap_or(choice.context_tokens);
    choice.context_tokens = choice.context_tokens.min(context_tokens);
    choice.images = shown.images.unwrap_or(choice.images);
    choice.tools = shown.tools;
    choice.chats = shown.chats;
    choice.remote |= shown.elsewhere;
}

async fn shown(provider: &Provider, clients: &Clients, model: &str) -> Result<Shown, Fault> {
    let (path, read) = wire::SHOW;
    let json = serde_json::json!({ "model": model }).to_string();
    let client = clients.reaching(provider)?;
    let request = client.post(provider.endpoint.route(path)).body(json);
    read(&body(provider, request).await?)
}

async fn body(provider: &Provider, request: reqwest::RequestBuilder) -> Result<Vec<u8>, Fault> {
    let authority = &provider.endpoint.authority;
    let mut response = request
        .headers(provider.headers.clone())
        .send()
        .await
        .map_err(|err| unsent(err, authority))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(bytes) = response
        .chunk()
        .await
        .map_err(|err| unsent(err, authority))?
    {
        body.extend_from_slice(&bytes);
        if body.len() > BODY_LIMIT_BYTES {
            return Err(Fault::garbage(format!(
                "the answer passes {BODY_LIMIT_BYTES} bytes"
            )));
        }
    }
    match status {
        200 => Ok(body),
        _ => Err(wire::refusal(status, &body)),
    }
}
