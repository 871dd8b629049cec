//! The routes, one file per noun.

mod exec;
mod gates;
mod grants;
mod log;
mod models;
mod node;
mod patches;
mod secrets;
mod sessions;

use std::sync::Arc;

use atoll_api::{Commands, Error, codes};
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use crate::answer::Failure;
use crate::once::Once;
use crate::route::{BODY_BYTES_MAX, Door, Route};
use crate::{once, openapi, owner};

/// Every route but the document itself.
fn all() -> Vec<Route> {
    let mut routes = node::routes();
    routes.extend(sessions::routes());
    routes.extend(exec::routes());
    routes.extend(gates::routes());
    routes.extend(grants::routes());
    routes.extend(patches::routes());
    routes.extend(log::routes());
    routes.extend(secrets::routes());
    routes.extend(models::routes());
    routes
}

/// Method and path of every route that the router serves.
pub fn listed() -> Vec<(String, String)> {
    let routes = all();
    let listed = routes
        .iter()
        .map(|r| (r.method.to_string(), r.path.to_owned()));
    listed
        .chain([("GET".into(), "/v1/openapi.json".into())])
        .collect()
}

/// The router over `commands`, for callers of `owner_uid` alone. Without `serve` around it nobody is
/// known to be the owner, and every request is refused.
pub fn router(commands: Arc<dyn Commands>, owner_uid: u32) -> Router {
    let door = Door {
        commands,
        owner: Arc::new(owner::caller(owner_uid)),
        once: Arc::new(Once::default()),
    };
    let mut routes = all();
    routes.push(Route::get(
        "/v1/openapi.json",
        "This document",
        get(|| async { Json(openapi::document(&with_document())) }),
    ));
    let mut router = Router::new();
    for route in routes {
        router = router.route(route.path, route.handler);
    }
    router
        .fallback(missing)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(door.clone(), once::layer))
        .layer(from_fn_with_state(door.clone(), owner::only))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(door)
}

fn with_document() -> Vec<Route> {
    let mut routes = all();
    routes.push(Route::get(
        "/v1/openapi.json",
        "This document",
        get(|| async {}),
    ));
    routes
}

async fn missing(uri: Uri) -> Failure {
    let err = Error::new(codes::NO_SUCH, format!("there is no route {}", uri.path()));
    Failure(err.next("GET /v1/openapi.json lists them"))
}

async fn wrong_method(uri: Uri) -> Response {
    let err = Error::new(
        codes::USAGE,
        format!("{} doesn't take this method", uri.path()),
    );
    (StatusCode::METHOD_NOT_ALLOWED, Json(err)).into_response()
}
