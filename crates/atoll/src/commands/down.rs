//! `atoll down` and `atoll restart`.

use atoll_api::{Error, codes};

use crate::app::{App, say};
use crate::daemon;

pub async fn down(app: &App) -> Result<u8, Error> {
    let was = match app.running().await {
        Ok(client) => {
            daemon::stop(app, &client).await?;
            true
        }
        Err(err) if err.is(codes::NODE_UNREACHABLE) => false,
        // Also a node of another version goes down.
        Err(err) if err.is(codes::NODE_VERSION) => {
            daemon::stop(app, &atoll_client::Client::new(app.socket())).await?;
            true
        }
        Err(err) => return Err(err),
    };
    let words = if was {
        "The node is down.\n"
    } else {
        "No node runs.\n"
    };
    app.show("down", &serde_json::json!({ "was_up": was }), |_| {
        words.into()
    })
}

pub async fn restart(app: &App) -> Result<u8, Error> {
    match app.running().await {
        Ok(client) => daemon::stop(app, &client).await?,
        Err(err) if err.is(codes::NODE_UNREACHABLE) => say("No node ran.\n"),
        Err(err) if err.is(codes::NODE_VERSION) => {
            daemon::stop(app, &atoll_client::Client::new(app.socket())).await?;
        }
        Err(err) => return Err(err),
    }
    daemon::start(app).await?;
    super::up::said(app).await
}
