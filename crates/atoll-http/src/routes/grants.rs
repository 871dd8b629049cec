//! Grants.

use atoll_api::{Caller, GrantView, MintRequest, Minted};
use atoll_domain::{Budget, Role};
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Body, Name};
use crate::route::{Door, Route};

pub(crate) fn routes() -> Vec<Route> {
    let example = MintRequest {
        name: Some("ci".into()),
        role: Role::Viewer,
        ttl_s: 28_800,
        kinds: Some(vec!["read".into()]),
        workspaces: Some(vec!["/home/u/till".into()]),
        hosts: None,
        budget: Budget::default(),
        requests_per_min: None,
        body_limit_bytes: None,
    };
    vec![
        Route::get(
            "/v1/grants",
            "Grants, each after the one that it comes from",
            get(list),
        ),
        Route::post(
            "/v1/grants",
            "Mints one; its token is told this once",
            post(mint),
        )
        .takes(example),
        Route::post(
            "/v1/grants/{grant}/revoke",
            "Revokes one and all that comes from it",
            post(revoke),
        )
        .takes(Why { why: "lost".into() }),
    ]
}

#[derive(Serialize, Deserialize)]
struct Why {
    #[serde(default)]
    why: String,
}

async fn list(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
) -> Answer<Vec<GrantView>> {
    Ok(Json(door.commands.grants(&caller).await?))
}

async fn mint(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<MintRequest>,
) -> Answer<Minted> {
    Ok(Json(door.commands.grant_mint(&caller, request).await?))
}

async fn revoke(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(grant): Name,
    Body(body): Body<Why>,
) -> Answer<()> {
    Ok(Json(
        door.commands.grant_revoke(&caller, grant, body.why).await?,
    ))
}
