//! `atoll down` and `atoll restart`.

use atoll_api::{Error, codes};
use serde_json::json;

use crate::app::{App, say};
use crate::daemon::{self, service};

/// Stops the node, in order.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  atoll down\n  atoll down --service    and take the service away that `atoll up --service` made"
)]
pub struct Args {
    /// Take the service away.
    #[arg(long)]
    service: bool,
}

/// Stops the node that runs; whether there was one.
async fn stop(app: &App) -> Result<bool, Error> {
    let client = match app.running().await {
        Ok(client) => client,
        Err(err) if err.is(codes::NODE_UNREACHABLE) => return Ok(false),
        // Also a node of another version goes down.
        Err(err) if err.is(codes::NODE_VERSION) => {
            atoll_client::Client::new(app.socket()).with_token(app.token.clone())
        }
        Err(err) => return Err(err),
    };
    daemon::stop(app, &client).await?;
    Ok(true)
}

pub async fn down(app: &App, args: Args) -> Result<u8, Error> {
    let was = stop(app).await?;
    let removed = args.service && service::remove(app)?;
    let mut words = match was {
        true => "The node is down.\n".to_owned(),
        false => "No node runs.\n".to_owned(),
    };
    if removed {
        words.push_str("The service is gone.\n");
    } else if args.service {
        words.push_str("There was no service.\n");
    } else if service::owns(app) {
        words.push_str("It is a service and starts again when you log in: atoll down --service takes that back\n");
    }
    let data = json!({ "was_up": was, "service_removed": removed });
    app.show("down", &data, |_| words)
}

pub async fn restart(app: &App) -> Result<u8, Error> {
    if !stop(app).await? {
        say("No node ran.\n");
    }
    daemon::start(app).await?;
    super::up::said(app).await
}
