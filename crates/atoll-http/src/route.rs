//! What a route is: one entry makes the router's and the OpenAPI document's line.

use std::sync::Arc;

use atoll_api::{Caller, Commands};
use axum::http::Method;
use axum::routing::MethodRouter;
use serde_json::Value;

use crate::once::Once;

/// The longest request body, in bytes.
pub const BODY_BYTES_MAX: usize = 4 << 20;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) commands: Arc<dyn Commands>,
    pub(crate) owner: Arc<Caller>,
    pub(crate) once: Arc<Once>,
}

/// What a route answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gives {
    /// One JSON value.
    Json,
    /// JSON lines as they come, or server-sent events where the client accepts those.
    Lines,
    /// Bytes.
    Bytes,
}

/// One route.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) summary: &'static str,
    /// Query parameters.
    pub(crate) query: &'static [&'static str],
    /// An example of the body.
    pub(crate) takes: Option<Value>,
    pub(crate) gives: Gives,
    /// Whether it wants an `Idempotency-Key`.
    pub(crate) keyed: bool,
    pub(crate) handler: MethodRouter<Door>,
}

impl Route {
    pub(crate) fn get(
        path: &'static str,
        summary: &'static str,
        handler: MethodRouter<Door>,
    ) -> Route {
        Route {
            method: Method::GET,
            path,
            summary,
            query: &[],
            takes: None,
            gives: Gives::Json,
            keyed: false,
            handler,
        }
    }
    pub(crate) fn post(
        path: &'static str,
        summary: &'static str,
        handler: MethodRouter<Door>,
    ) -> Route {
        Route {
            method: Method::POST,
            ..Route::get(path, summary, handler)
        }
    }
    pub(crate) fn delete(
        path: &'static str,
        summary: &'static str,
        handler: MethodRouter<Door>,
    ) -> Route {
        Route {
            method: Method::DELETE,
            ..Route::get(path, summary, handler)
        }
    }
    pub(crate) fn query(self, query: &'static [&'static str]) -> Route {
        Route { query, ..self }
    }
    /// `example` is made of the very type that the handler reads, so that it can't go out of date.
    pub(crate) fn takes(self, example: impl serde::Serialize) -> Route {
        let takes = serde_json::to_value(example).ok();
        Route { takes, ..self }
    }
    pub(crate) fn gives(self, gives: Gives) -> Route {
        Route { gives, ..self }
    }
    pub(crate) fn keyed(self) -> Route {
        Route {
            keyed: true,
            ..self
        }
    }
}
