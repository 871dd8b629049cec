//! Models.

use std::collections::BTreeMap;

use atoll_api::{Caller, ModelTest, ModelView};
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Body};
use crate::route::{Door, Route};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/v1/atoll/models",
            "Models, as the node knows them",
            get(list),
        ),
        Route::post(
            "/v1/atoll/models/test",
            "Tries one with a short question",
            post(test),
        )
        .takes(Try::default()),
    ]
}

async fn list(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
) -> Answer<Vec<ModelView>> {
    Ok(Json(door.commands.models(&caller).await?))
}

#[derive(Default, Serialize, Deserialize)]
struct Try {
    #[serde(default)]
    name: Option<String>,
    /// Provider keys of the caller's environment, by variable. Never logged.
    #[serde(default)]
    keys: BTreeMap<String, String>,
}

async fn test(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<Try>,
) -> Answer<ModelTest> {
    Ok(Json(
        door.commands
            .model_test(&caller, request.name, request.keys)
            .await?,
    ))
}
