//! The vault and its secrets. A value goes in and never comes out here.

use atoll_api::{Caller, Hidden, SecretPut, SecretsView, VaultMake, VaultUnlock, VaultView};
use axum::extract::State;
use axum::routing::{delete, get, post};
use axum::{Extension, Json};
use serde_json::json;

use crate::answer::{Answer, Body, Name};
use crate::route::{Door, Route};

pub(crate) fn routes() -> Vec<Route> {
    let passphrase = || Some(Hidden(String::from("…").into()));
    let make = VaultMake {
        keeper: "passphrase".into(),
        passphrase: passphrase(),
    };
    vec![
        Route::get("/v1/vault", "How the vault stands", get(vault)),
        Route::post("/v1/vault", "Makes a vault", post(make_vault)).takes(make),
        Route::post(
            "/v1/vault/unlock",
            "Unlocks it, until the node ends",
            post(unlock),
        )
        .takes(VaultUnlock {
            passphrase: passphrase().unwrap_or_default(),
        }),
        Route::post("/v1/vault/lock", "Forgets its key", post(lock)),
        Route::get("/v1/secrets", "Secrets by name, never a value", get(list)),
        Route::post("/v1/secrets", "Puts a value in", post(put))
            .takes(json!({ "name": "npm.token", "value": "…", "rotate": false })),
        Route::delete(
            "/v1/secrets/{secret}",
            "Takes a secret out for good",
            delete(remove),
        ),
    ]
}

async fn vault(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
) -> Answer<VaultView> {
    Ok(Json(door.commands.vault(&caller).await?))
}

async fn make_vault(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<VaultMake>,
) -> Answer<VaultView> {
    Ok(Json(door.commands.vault_make(&caller, request).await?))
}

async fn unlock(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<VaultUnlock>,
) -> Answer<VaultView> {
    Ok(Json(door.commands.vault_unlock(&caller, request).await?))
}

async fn lock(State(door): State<Door>, Extension(caller): Extension<Caller>) -> Answer<VaultView> {
    Ok(Json(door.commands.vault_lock(&caller).await?))
}

async fn list(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
) -> Answer<SecretsView> {
    Ok(Json(door.commands.secrets(&caller).await?))
}

async fn put(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<SecretPut>,
) -> Answer<()> {
    Ok(Json(door.commands.secret_put(&caller, request).await?))
}

async fn remove(
    State(door): State<Door>,
    Extension(caller): Extension<Caller>,
    Name(name): Name,
) -> Answer<()> {
    Ok(Json(door.commands.secret_remove(&caller, name).await?))
}
