//! The node as a process: started when it is needed, found by its socket, ended in order.

mod build;
mod record;
mod redaction;
mod serve;
pub mod service;
mod spawn;
mod unit;

use std::process::Child;
use std::sync::{Mutex, PoisonError};

use atoll_api::{Commands, Error, codes};
use atoll_client::Client;

use crate::app::{App, say};

pub use build::build;
pub use redaction::redaction_key;
pub use serve::run;

/// How long a node may take to come up or to go down, in steps of [`LOOK_MS`].
const LOOKS_MAX: u32 = 1500;
const LOOK_MS: u64 = 20;

/// A node that ends with this command: its life hangs on a pipe that this process holds.
#[derive(Debug, Default)]
pub struct Own(Mutex<Option<Child>>);

impl Own {
    /// Whether there is one.
    pub fn holds(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }
    fn keep(&self, child: Child) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    }
    /// Lets go of the pipe and waits for the node's orderly end.
    pub fn end(&self) {
        let child = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = child {
            drop(child.stdin.take());
            let _ = child.wait(); // it may have ended before
        }
    }
}

/// The node that answers, or a newer one in its stead if it is of an older build and has nothing to do.
pub async fn renew(app: &App, client: Client) -> Result<Client, Error> {
    let health = client.health().await?;
    if !build::newer(&build(), &health.build) || crate::app::env("ATOLL_NODE").is_some() {
        return Ok(client);
    }
    // A service would come back as it was: its binary is another one.
    if service::owns(app) && !service::runs_this(app) {
        return Ok(client);
    }
    let idle = client
        .status(&app.caller())
        .await
        .is_ok_and(|s| s.running.is_empty());
    if !idle {
        say("note    the node is of an older build and is busy: atoll restart, later\n");
        return Ok(client);
    }
    stop(app, &client).await?;
    start(app).await
}

/// Starts a node, as a service where it is one, and waits until it answers. With `CI` set it ends with this
/// command.
pub async fn start(app: &App) -> Result<Client, Error> {
    let own = crate::app::env("CI").is_some_and(|v| v != "0" && v != "false");
    if !own && service::owns(app) {
        service::start()?;
        return up(app).await;
    }
    let (child, ready) = spawn::node(app, own)?;
    let said = tokio::task::spawn_blocking(move || spawn::first_line(ready)).await;
    let said = said.map_err(|err| Error::new(codes::BUG, err.to_string()))?;
    match said {
        Ok(()) => {}
        // Another command was quicker: its node will answer.
        Err(err) if err.is(codes::STORE_LOCKED) => {}
        Err(err) => return Err(err),
    }
    if own {
        app.own.keep(child);
    }
    up(app).await
}

/// Waits until a node answers.
pub async fn up(app: &App) -> Result<Client, Error> {
    for _ in 0..LOOKS_MAX {
        match app.running().await {
            Err(err) if err.is(codes::NODE_UNREACHABLE) => {
                tokio::time::sleep(std::time::Duration::from_millis(LOOK_MS)).await;
            }
            other => return other,
        }
    }
    Err(
        Error::new(codes::NODE_UNREACHABLE, "the node did not come up in time")
            .found(format!(
                "its own words are in {}",
                app.paths.node_log().display()
            ))
            .next("atoll up --foreground"),
    )
}

/// Tells a node to go down and waits until its socket is silent.
pub async fn stop(app: &App, client: &Client) -> Result<(), Error> {
    client.down(&app.caller()).await?;
    for _ in 0..LOOKS_MAX {
        if client.health().await.is_err() && !spawn::locked(&app.paths) {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(LOOK_MS)).await;
    }
    Err(Error::new(codes::NODE_BUSY, "the node did not go down in time").next("atoll status"))
}
