//! The routes, and what a connection sees of a reply.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::script::{Fault, Reply};
use super::server::Desk;
use super::writer::{Dialect, Step, Writer};
use super::{messages, ollama};

/// A request that is larger is refused.
const REQUEST_LIMIT_BYTES: usize = 64 * 1024 * 1024;

pub(crate) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(chat))
        .route("/v1/messages", post(messages_route))
        .route("/", get(|| async { "Ollama is running" }))
        .route("/api/chat", post(ollama_chat))
        .route("/api/tags", get(tags))
        .route("/api/show", post(show))
        .route("/api/version", get(version))
        .fallback(lost)
        .layer(DefaultBodyLimit::max(REQUEST_LIMIT_BYTES))
        .with_state(desk)
}

fn refuse(dialect: Dialect, status: u16, kind: &str, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = match dialect {
        Dialect::Chat => {
            json!({"error": {"message": message, "type": kind, "code": null, "param": null}})
        }
        Dialect::Messages => messages::refusal(kind, message),
        Dialect::Ollama => json!({"error": message}),
    };
    (status, axum::Json(body)).into_response()
}

async fn lost(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    desk.record("OTHER", &path, request.headers(), b"");
    let words = format!("there is no {path} here");
    refuse(Dialect::Chat, 404, "not_found", &words)
}

/// Two wires list their models at the same place: the version header tells them apart.
async fn models(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    desk.record("GET", "/v1/models", &headers, b"");
    let dialect = match headers.contains_key("anthropic-version") {
        true => Dialect::Messages,
        false => Dialect::Chat,
    };
    if let Some(refusal) = locked(&desk, dialect, &headers) {
        return refusal;
    }
    let rows = desk.options.models.iter().map(|m| match dialect {
        Dialect::Messages => {
            json!({"type": "model", "id": m, "display_name": m, "created_at": "2026-01-01T00:00:00Z"})
        }
        _ => json!({"id": m, "object": "model", "created": 0, "owned_by": "script"}),
    });
    let rows: Vec<Value> = rows.collect();
    let list = match dialect {
        Dialect::Messages => {
            let id = |row: Option<&Value>| row.map(|r| r["id"].clone());
            json!({"data": rows, "has_more": false, "first_id": id(rows.first()), "last_id": id(rows.last())})
        }
        _ => json!({"object": "list", "data": rows}),
    };
    axum::Json(list).into_response()
}

async fn tags(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    desk.record("GET", "/api/tags", &headers, b"");
    let locked = locked(&desk, Dialect::Ollama, &headers);
    locked.unwrap_or_else(|| axum::Json(ollama::tags(&desk.options.models)).into_response())
}

async fn show(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    desk.record("POST", "/api/show", &headers, &body);
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let model = request["model"].as_str().unwrap_or_default();
    if !desk.options.models.iter().any(|m| m == model) {
        let words = format!("model '{model}' not found");
        return refuse(Dialect::Ollama, 404, "", &words);
    }
    axum::Json(ollama::show()).into_response()
}

async fn version(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    desk.record("GET", "/api/version", &headers, b"");
    axum::Json(json!({"version": ollama::VERSION})).into_response()
}

fn locked(desk: &Desk, dialect: Dialect, headers: &HeaderMap) -> Option<Response> {
    let key = desk.options.key.as_ref()?;
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let bearer = header("authorization").and_then(|v| v.strip_prefix("Bearer "));
    let (given, kind) = match dialect {
        // Its newer clients send a key as a bearer's token.
        Dialect::Messages => (header("x-api-key").or(bearer), "authentication_error"),
        _ => (bearer, "invalid_request_error"),
    };
    if given == Some(key) {
        return None;
    }
    // Real providers quote the wrong key in their answer, and so does this one.
    let words = format!("Incorrect API key provided: {}", given.unwrap_or("none"));
    Some(refuse(dialect, 401, kind, &words))
}

async fn chat(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    serve(desk, Dialect::Chat, "/v1/chat/completions", &headers, &body).await
}

async fn messages_route(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    serve(desk, Dialect::Messages, "/v1/messages", &headers, &body).await
}

async fn ollama_chat(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    serve(desk, Dialect::Ollama, "/api/chat", &headers, &body).await
}

async fn serve(
    desk: Arc<Desk>,
    dialect: Dialect,
    path: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    let number = desk.record("POST", path, headers, body);
    if let Some(refusal) = locked(&desk, dialect, headers) {
        return refusal;
    }
    let request: Value = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(err) => return refuse(dialect, 400, "invalid_request_error", &err.to_string()),
    };
    let wrong = match dialect {
        Dialect::Chat => None,
        Dialect::Messages if !headers.contains_key("anthropic-version") => {
            Some("anthropic-version: header is required".into())
        }
        Dialect::Messages => messages::wrong(&request),
        Dialect::Ollama => ollama::wrong(&request),
    };
    if let Some(wrong) = wrong {
        return refuse(dialect, 400, "invalid_request_error", &wrong);
    }
    let mut presence = Presence {
        desk: desk.clone(),
        served: false,
    };
    let reply = desk.script.answer(&request);
    if let Some(ms) = reply.delay_ms {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    if reply.has(&Fault::Hang) {
        std::future::pending::<Infallible>().await;
    }
    let writer = Writer {
        dialect,
        request: &request,
        reply: &reply,
        number,
    };
    if let Some(plain) = unstreamed(&writer, &reply, &request) {
        presence.served = true;
        return plain;
    }
    streamed(dialect, writer.steps(), presence)
}

/// The reply, where it isn't a stream.
fn unstreamed(writer: &Writer<'_>, reply: &Reply, request: &Value) -> Option<Response> {
    let json_type = [(header::CONTENT_TYPE, "application/json")];
    for fault in &reply.faults {
        match fault {
            Fault::Redirect(to) => {
                return Some(
                    (
                        StatusCode::TEMPORARY_REDIRECT,
                        [(header::LOCATION, to.as_str())],
                    )
                        .into_response(),
                );
            }
            Fault::GarbageBody => return Some((json_type, "%PDF-1.7 \u{0}\u{1}").into_response()),
            Fault::WebPage => {
                let page = "<!doctype html><title>Sign in to the hotel's network</title>";
                return Some(([(header::CONTENT_TYPE, "text/html")], page).into_response());
            }
            _ => {}
        }
    }
    if !reply.has(&Fault::ErrorInStream) && (reply.error.is_some() || reply.status.is_some()) {
        let status = StatusCode::from_u16(reply.status.unwrap_or(500))
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(writer.error())).into_response();
        if let Some(value) = &reply.retry_after
            && let Ok(value) = value.parse()
        {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        return Some(response);
    }
    // Ollama streams unless it is told not to.
    let streams = match writer.dialect {
        Dialect::Ollama => request["stream"] != json!(false),
        _ => request["stream"] == json!(true),
    };
    let whole = !streams || reply.has(&Fault::NotStreamed);
    whole.then(|| axum::Json(writer.whole()).into_response())
}

/// Notices a caller who hangs up before the reply's end.
struct Presence {
    desk: Arc<Desk>,
    served: bool,
}

impl Drop for Presence {
    fn drop(&mut self) {
        if !self.served {
            self.desk.hung_up();
        }
    }
}

fn streamed(dialect: Dialect, steps: Vec<Step>, presence: Presence) -> Response {
    let kind = match dialect {
        Dialect::Ollama => "application/x-ndjson",
        _ => "text/event-stream",
    };
    let state = (VecDeque::from(steps), presence);
    let stream = futures::stream::unfold(state, |(mut steps, mut presence)| async move {
        loop {
            match steps.pop_front() {
                None => {
                    presence.served = true;
                    drop(presence);
                    return None;
                }
                Some(Step::Send(bytes)) => {
                    // Without a pause the pieces would be joined into one write.
                    tokio::task::yield_now().await;
                    return Some((Ok(Bytes::from(bytes)), (steps, presence)));
                }
                Some(Step::Sleep(ms)) => tokio::time::sleep(Duration::from_millis(ms)).await,
                Some(Step::Hang) => {
                    std::future::pending::<Infallible>().await;
                }
                Some(Step::Break) => {
                    // What was sent must arrive before the connection breaks.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    presence.served = true;
                    steps.clear();
                    return Some((
                        Err(std::io::Error::other("the script breaks it")),
                        (steps, presence),
                    ));
                }
            }
        }
    });
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(stream)).into_response()
}
