//! Answers: JSON, or an error with the status of its exit code. And bodies, read strictly.

use atoll_api::{Error, codes};
use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Error);

impl From<Error> for Failure {
    fn from(err: Error) -> Failure {
        Failure(err)
    }
}

/// What a handler gives.
pub(crate) type Answer<T> = Result<Json<T>, Failure>;

/// The HTTP status of an error.
pub(crate) fn status(err: &Error) -> StatusCode {
    match err.exit {
        _ if err.is(codes::NO_SUCH) => StatusCode::NOT_FOUND,
        2 => StatusCode::BAD_REQUEST,
        3 => StatusCode::FORBIDDEN,
        4 => StatusCode::PRECONDITION_REQUIRED,
        5 => StatusCode::TOO_MANY_REQUESTS,
        6 => StatusCode::BAD_GATEWAY,
        7 => StatusCode::CONFLICT,
        1 | 127 | 130 => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (status(&self.0), Json(self.0)).into_response()
    }
}

pub(crate) fn usage(message: impl Into<String>) -> Failure {
    Failure(Error::new(codes::USAGE, message).next("GET /v1/openapi.json describes each route"))
}

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Failure;
    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Failure> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Body(body)),
            Err(rejection) => Err(usage(rejection.body_text())),
        }
    }
}

/// The query string.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Query<T>, Failure> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(query)) => Ok(Query(query)),
            Err(rejection) => Err(usage(rejection.body_text())),
        }
    }
}

/// The name in the path: `s4`, `@`, a long id.
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Name, Failure> {
        match axum::extract::Path::<String>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(name)) => Ok(Name(name)),
            Err(rejection) => Err(usage(rejection.body_text())),
        }
    }
}

/// The two names in the path.
pub(crate) struct Names(pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Names {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Names, Failure> {
        match axum::extract::Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path((one, two))) => Ok(Names(one, two)),
            Err(rejection) => Err(usage(rejection.body_text())),
        }
    }
}

/// The header that makes a command happen once only.
pub(crate) struct Key(pub(crate) String);

/// Its name.
pub(crate) const KEY_HEADER: &str = "idempotency-key";
const KEY_BYTES_MAX: usize = 128;

/// The key of a request; `Err`: it is malformed.
pub(crate) fn key_of(headers: &axum::http::HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get(KEY_HEADER) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= KEY_BYTES_MAX => Ok(Some(key.to_owned())),
        _ => Err(usage(format!(
            "Idempotency-Key must be 1 to {KEY_BYTES_MAX} visible ASCII characters"
        ))),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Key, Failure> {
        let key = key_of(&parts.headers)?;
        key.map(Key).ok_or_else(|| {
            usage("this needs an Idempotency-Key header, so that a repeated request starts nothing twice")
        })
    }
}
