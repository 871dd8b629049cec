//! Patches.

use atoll_api::{AcceptRequest, Caller, EditBegun, EditRequest, PatchDetail, PatchView};
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Body, Key, Name};
use crate::route::{Door, Route};

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/patches", "Patches, the newest first", get(list)),
        Route::get("/v1/patches/{patch}", "One patch with its diff", get(one)),
        Route::post("/v1/patches/{patch}/accept", "Lets it out", post(accept))
            .takes(AcceptRequest::default()),
        Route::post(
            "/v1/patches/{patch}/edit",
            "Begins to edit it in a private copy",
            post(edit),
        )
        .keyed(),
        Route::post(
            "/v1/patches/{patch}/edited",
            "Ends an edit: a new patch in its place",
            post(edited),
        )
        .takes(EditRequest {
            edit: atoll_domain::SessionId::new(atoll_domain::Ms(1), [0; 10]),
            abandon: false,
        }),
        Route::post("/v1/patches/{patch}/reject", "Turns it down", post(reject))
            .takes(Why::default()),
        Route::post(
            "/v1/patches/{patch}/undo",
            "Takes an accepted one back",
            post(undo),
        ),
    ]
}

async fn list(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
) -> Answer<Vec<PatchView>> {
    Ok(Json(door.commands.patches(&caller).await?))
}

async fn one(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(patch): Name,
) -> Answer<PatchDetail> {
    Ok(Json(door.commands.patch(&caller, patch).await?))
}

async fn accept(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(patch): Name,
    Body(request): Body<AcceptRequest>,
) -> Answer<PatchDetail> {
    Ok(Json(
        door.commands.patch_accept(&caller, patch, request).await?,
    ))
}

async fn edit(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(patch): Name,
    Key(key): Key,
) -> Answer<EditBegun> {
    Ok(Json(door.commands.patch_edit(&caller, key, patch).await?))
}

async fn edited(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(patch): Name,
    Body(request): Body<EditRequest>,
) -> Answer<PatchDetail> {
    Ok(Json(
        door.commands.patch_edited(&caller, patch, request).await?,
    ))
}

#[derive(Default, Serialize, Deserialize)]
struct Why {
    #[serde(default)]
    why: String,
}

async fn reject(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(patch): Name,
    Body(request): Body<Why>,
) -> Answer<PatchView> {
    Ok(Json(
        door.commands
            .patch_reject(&caller, patch, request.why)
            .await?,
    ))
}

async fn undo(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(patch): Name,
) -> Answer<PatchView> {
    Ok(Json(door.commands.patch_undo(&caller, patch).await?))
}
