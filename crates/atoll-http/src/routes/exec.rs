//! Jobs.

use atoll_api::{Caller, ExecRequest, ExecStarted};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Body, Failure, Key, Name, Query};
use crate::route::{Door, Gives, Route};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::post("/v1/jobs", "Starts a job in the sandbox", post(exec))
            .takes(ExecRequest::default())
            .keyed(),
        Route::post(
            "/v1/jobs/{job}/stdin",
            "Feeds its standard input; an empty body closes it",
            post(stdin),
        ),
        Route::post(
            "/v1/jobs/{job}/resize",
            "Changes its terminal's size",
            post(resize),
        )
        .takes(Size { cols: 80, rows: 24 }),
        Route::post("/v1/jobs/{job}/stop", "Ends it", post(stop)),
        Route::get("/v1/jobs/{job}/artifact", "A kept file", get(artifact))
            .query(&["path"])
            .gives(Gives::Bytes),
    ]
}

async fn exec(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Key(key): Key,
    Body(request): Body<ExecRequest>,
) -> Answer<ExecStarted> {
    Ok(Json(door.commands.exec(&caller, key, request).await?))
}

async fn stdin(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(job): Name,
    bytes: Bytes,
) -> Answer<()> {
    Ok(Json(
        door.commands
            .exec_stdin(&caller, job, bytes.to_vec())
            .await?,
    ))
}

#[derive(Serialize, Deserialize)]
struct Size {
    cols: u16,
    rows: u16,
}

async fn resize(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(job): Name,
    Body(size): Body<Size>,
) -> Answer<()> {
    Ok(Json(
        door.commands
            .exec_resize(&caller, job, size.cols, size.rows)
            .await?,
    ))
}

async fn stop(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(job): Name,
) -> Answer<()> {
    Ok(Json(door.commands.exec_stop(&caller, job).await?))
}

#[derive(Deserialize)]
struct Which {
    path: String,
}

async fn artifact(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(job): Name,
    Query(which): Query<Which>,
) -> Result<Response, Failure> {
    let bytes = door.commands.artifact(&caller, job, which.path).await?;
    // Never shown by whatever fetches it: a job wrote it.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, bytes).into_response())
}
