//! The log.

use atoll_api::{
    ArchiveRequest, Archived, Caller, EraseRequest, Erasure, EventView, ExportRequest,
    KeptCheckpoint, Replayed, Tail, Verification,
};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Json};
use serde::Deserialize;

use crate::answer::{Answer, Body, Failure, Name, Query};
use crate::route::{Door, Gives, Route};
use crate::stream;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/events", "Events", get(events))
            .query(&["after", "last", "session", "limit"]),
        Route::get("/v1/events/follow", "Events as they come", get(follow))
            .query(&["after", "session"])
            .gives(Gives::Lines),
        Route::get("/v1/log/verify", "Checks the log", get(verify)),
        Route::post(
            "/v1/log/checkpoint",
            "Makes a checkpoint if anything is new",
            post(checkpoint),
        ),
        Route::post(
            "/v1/log/archive",
            "Puts the next segment of old events away",
            post(archive),
        )
        .takes(ArchiveRequest {
            older_s: Some(30 * 86_400),
        }),
        Route::get("/v1/log/export", "The log's exact lines", get(export))
            .query(&["session", "contents"])
            .gives(Gives::Lines),
        Route::post(
            "/v1/log/rebuild",
            "Makes all projections again",
            post(rebuild),
        ),
        Route::post("/v1/log/erase", "Erases contents", post(erase)).takes(EraseRequest {
            what: "s4".into(),
            why: "asked to".into(),
            ..EraseRequest::default()
        }),
        Route::get(
            "/v1/sessions/{session}/replay",
            "Replays a session's recorded inputs",
            get(replay),
        ),
    ]
}

async fn events(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Query(tail): Query<Tail>,
) -> Answer<Vec<EventView>> {
    Ok(Json(door.commands.events(&caller, tail).await?))
}

#[derive(Deserialize)]
struct From {
    #[serde(default)]
    after: u64,
    session: Option<String>,
}

async fn follow(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let events = door
        .commands
        .follow(&caller, from.after, from.session)
        .await?;
    Ok(stream::items(&headers, events, |view| Some(view.event.seq)))
}

async fn verify(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
) -> Answer<Verification> {
    Ok(Json(door.commands.verify(&caller).await?))
}

async fn replay(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(session): Name,
) -> Answer<Replayed> {
    Ok(Json(door.commands.replay(&caller, session).await?))
}

async fn checkpoint(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
) -> Answer<KeptCheckpoint> {
    Ok(Json(door.commands.checkpoint(&caller).await?))
}

async fn archive(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<ArchiveRequest>,
) -> Answer<Archived> {
    Ok(Json(door.commands.archive(&caller, request).await?))
}

async fn export(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Query(request): Query<ExportRequest>,
) -> Result<Response, Failure> {
    Ok(stream::lines(door.commands.export(&caller, request).await?))
}

async fn erase(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<EraseRequest>,
) -> Answer<Erasure> {
    Ok(Json(door.commands.erase(&caller, request).await?))
}

async fn rebuild(State(door): State<Door>, Extension(caller): Extension<Caller>) -> Answer<u64> {
    Ok(Json(door.commands.rebuild(&caller).await?))
}
