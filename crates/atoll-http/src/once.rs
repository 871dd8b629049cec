//! Mutations happen once per `Idempotency-Key`, and to their end even if the caller goes away.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use atoll_api::{Caller, Error, codes};
use atoll_domain::Hash;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::answer::{Failure, key_of, usage};
use crate::route::{BODY_BYTES_MAX, Door};

/// Keys that are remembered; the oldest goes first.
const KEYS_MAX: usize = 1024;
/// An answer longer than this is not kept, in bytes: the command is told so and is asked for again by name.
const KEPT_BYTES_MAX: usize = 1 << 20;

type Cell = Arc<OnceCell<Kept>>;

#[derive(Clone)]
struct Kept {
    status: StatusCode,
    kind: Option<HeaderValue>,
    body: Bytes,
}

/// What was answered to which key.
#[derive(Default)]
pub(crate) struct Once {
    entries: Mutex<VecDeque<(String, Hash, Cell)>>,
}

impl Once {
    /// The cell of `key`; `None`: the key was used for another request.
    fn cell(&self, key: &str, request: Hash) -> Option<Cell> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, before, cell)) = entries.iter().find(|(k, _, _)| k == key) {
            return (*before == request).then(|| cell.clone());
        }
        if entries.len() >= KEYS_MAX {
            entries.pop_front();
        }
        let cell = Cell::default();
        entries.push_back((key.to_owned(), request, cell.clone()));
        Some(cell)
    }
}

/// The layer.
pub(crate) async fn layer(State(door): State<Door>, request: Request, next: Next) -> Response {
    if request.method() == Method::GET {
        return next.run(request).await;
    }
    let key = match key_of(request.headers()) {
        Ok(key) => key,
        Err(failure) => return failure.into_response(),
    };
    // A task of its own: what was begun is not cut off when the caller's connection ends.
    let task = match key {
        None => tokio::spawn(next.run(request)),
        Some(key) => tokio::spawn(keyed(door, key, request, next)),
    };
    task.await.unwrap_or_else(|err| {
        tracing::error!("a request panicked: {err}");
        Failure(Error::new(
            codes::BUG,
            "the request ended by a bug; the node goes on",
        ))
        .into_response()
    })
}

async fn keyed(door: Door, key: String, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return usage(format!("a body is {BODY_BYTES_MAX} bytes at most")).into_response();
    };
    // A key means something to who chose it alone.
    let grant = parts
        .extensions
        .get::<Caller>()
        .and_then(|caller| caller.grant);
    let key = grant.map_or(key.clone(), |grant| format!("{grant} {key}"));
    let path = parts.uri.path_and_query().map_or("", |p| p.as_str());
    let hash = Hash::of_parts(&[
        parts.method.as_str().as_bytes(),
        b" ",
        path.as_bytes(),
        b"\n",
        &body,
    ]);
    let Some(cell) = door.once.cell(&key, hash) else {
        return usage("this Idempotency-Key was used for another request").into_response();
    };
    let run = async {
        let request = Request::from_parts(parts, Body::from(body));
        keep(next.run(request).await).await
    };
    // Only what succeeded is kept: after a failure the same key may try again.
    match cell.get_or_try_init(|| run).await {
        Ok(kept) => {
            let mut response = (kept.status, kept.body.clone()).into_response();
            if let Some(kind) = &kept.kind {
                response
                    .headers_mut()
                    .insert(header::CONTENT_TYPE, kind.clone());
            }
            response
        }
        Err(failed) => failed,
    }
}

async fn keep(response: Response) -> Result<Kept, Response> {
    if !response.status().is_success() {
        return Err(response);
    }
    let (parts, body) = response.into_parts();
    match axum::body::to_bytes(body, KEPT_BYTES_MAX).await {
        Ok(body) => Ok(Kept {
            status: parts.status,
            kind: parts.headers.get(header::CONTENT_TYPE).cloned(),
            body,
        }),
        Err(_) => {
            let err = Error::new(
                codes::BUG,
                "the command was done, but its answer is too long to be sent",
            );
            Err(Failure(err).into_response())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_bound_to_its_request_and_old_ones_go() {
        let once = Once::default();
        assert!(once.cell("a", Hash::of(b"1")).is_some());
        assert!(once.cell("a", Hash::of(b"1")).is_some());
        assert!(once.cell("a", Hash::of(b"2")).is_none());
        for i in 0..KEYS_MAX {
            once.cell(&format!("k{i}"), Hash::of(b"1"));
        }
        assert!(
            once.cell("a", Hash::of(b"2")).is_some(),
            "the oldest was forgotten"
        );
    }
}
