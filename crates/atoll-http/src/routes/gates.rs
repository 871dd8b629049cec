//! Gates.

use atoll_api::{AnswerRequest, Caller, GateView};
use atoll_domain::{GateAnswerKind, GateId, Ms};
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Extension, Json};
use serde::Deserialize;

use crate::answer::{Answer, Body, Name, Query};
use crate::route::{Door, Route};

pub(crate) fn routes() -> Vec<Route> {
    let example = AnswerRequest {
        answer: GateAnswerKind::No,
        why: "not this host".into(),
        gate: GateId::new(Ms(0), [0; 10]),
        also: Vec::new(),
    };
    vec![
        Route::get("/v1/gates", "Gates, the newest first", get(list)).query(&["open"]),
        Route::get("/v1/gates/{gate}", "One gate", get(one)),
        Route::post("/v1/gates/{gate}/answer", "Answers it", post(answer)).takes(example),
    ]
}

#[derive(Deserialize)]
struct Which {
    #[serde(default)]
    open: bool,
}

async fn list(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Query(which): Query<Which>,
) -> Answer<Vec<GateView>> {
    Ok(Json(door.commands.gates(&caller, which.open).await?))
}

async fn one(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(gate): Name,
) -> Answer<GateView> {
    Ok(Json(door.commands.gate(&caller, gate).await?))
}

async fn answer(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(gate): Name,
    Body(request): Body<AnswerRequest>,
) -> Answer<GateView> {
    Ok(Json(
        door.commands.gate_answer(&caller, gate, request).await?,
    ))
}
