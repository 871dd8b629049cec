//! The node itself.

use atoll_api::{Caller, Health, PolicyView, Status};
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Extension, Json};

use crate::answer::Answer;
use crate::route::{Door, Route};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/health",
            "Whether the node is there, as protocol 0.1 asks it",
            get(health),
        ),
        Route::get(
            "/v1/health",
            "Whether the node is there, and which",
            get(health),
        ),
        Route::get("/v1/status", "The node's state", get(status)),
        Route::post("/v1/down", "Goes down in order", post(down)),
        Route::post("/v1/reload", "Reads the configuration again", post(reload)),
        Route::get("/v1/policy", "The policy in force", get(policy)),
    ]
}

async fn health(State(door): State<Door>) -> Answer<Health> {
    Ok(Json(door.commands.health().await?))
}

async fn status(State(door): State<Door>, Extension(caller): Extension<Caller>) -> Answer<Status> {
    Ok(Json(door.commands.status(&caller).await?))
}

async fn down(State(door): State<Door>, Extension(caller): Extension<Caller>) -> Answer<()> {
    Ok(Json(door.commands.down(&caller).await?))
}

async fn reload(State(door): State<Door>, Extension(caller): Extension<Caller>) -> Answer<()> {
    Ok(Json(door.commands.reload(&caller).await?))
}

async fn policy(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
) -> Answer<PolicyView> {
    Ok(Json(door.commands.policy(&caller).await?))
}
