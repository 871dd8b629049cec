//! The two routes, and what a connection sees of a reply.

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

use super::chunks::{Step, Writer};
use super::script::{Fault, Reply};
use super::server::Desk;

/// A request that is larger is refused.
const REQUEST_LIMIT_BYTES: usize = 64 * 1024 * 1024;

pub(crate) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(chat))
        .fallback(lost)
        .layer(DefaultBodyLimit::max(REQUEST_LIMIT_BYTES))
        .with_state(desk)
}

fn refuse(status: u16, kind: &str, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({"error": {"message": message, "type": kind, "code": null, "param": null}});
    (status, axum::Json(body)).into_response()
}

async fn lost(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    desk.record("OTHER", &path, request.headers(), b"");
    refuse(404, "not_found", &format!("there is no {path} here"))
}

async fn models(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    desk.record("GET", "/v1/models", &headers, b"");
    if let Some(refusal) = locked(&desk, &headers) {
        return refusal;
    }
    let rows: Vec<Value> = desk
        .options
        .models
        .iter()
        .map(|m| json!({"id": m, "object": "model", "created": 0, "owned_by": "script"}))
        .collect();
    axum::Json(json!({"object": "list", "data": rows})).into_response()
}

fn locked(desk: &Desk, headers: &HeaderMap) -> Option<Response> {
    let key = desk.options.key.as_ref()?;
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok());
    if given.and_then(|v| v.strip_prefix("Bearer ")) == Some(key) {
        return None;
    }
    // Real providers quote the wrong key in their answer, and so does this one.
    let shown = given.unwrap_or("none");
    Some(refuse(
        401,
        "invalid_request_error",
        &format!("Incorrect API key provided: {shown}"),
    ))
}

async fn chat(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    let number = desk.record("POST", "/v1/chat/completions", &headers, &body);
    if let Some(refusal) = locked(&desk, &headers) {
        return refusal;
    }
    let request: Value = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(err) => return refuse(400, "invalid_request_error", &err.to_string()),
    };
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
        request: &request,
        reply: &reply,
        number,
    };
    if let Some(plain) = unstreamed(&writer, &reply, &request) {
        presence.served = true;
        return plain;
    }
    streamed(writer.steps(), presence)
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
    let whole = request["stream"] != json!(true) || reply.has(&Fault::NotStreamed);
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

fn streamed(steps: Vec<Step>, presence: Presence) -> Response {
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
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(stream),
    )
        .into_response()
}
