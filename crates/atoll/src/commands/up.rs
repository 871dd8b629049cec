//! `atoll up`.

use atoll_api::{Commands, Error, codes};

use crate::app::App;
use crate::daemon;

/// Starts the node, if none runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  atoll up\n  atoll up --foreground")]
pub struct Args {
    /// Stay here and say what happens; Ctrl-C ends it.
    #[arg(long)]
    pub foreground: bool,
    /// Be the node that another command started.
    #[arg(long, hide = true, conflicts_with = "foreground")]
    pub background: bool,
    /// End when standard input does.
    #[arg(long, hide = true, requires = "background")]
    pub lifeline: bool,
}

pub async fn run(app: &App, args: Args) -> Result<u8, Error> {
    // `main` runs the node itself; here is only who wants one.
    debug_assert!(!args.foreground && !args.background);
    match app.running().await {
        Ok(_) => {}
        Err(err) if err.is(codes::NODE_UNREACHABLE) => {
            daemon::start(app).await?;
        }
        Err(err) => return Err(err),
    }
    said(app).await
}

/// Says that it is up.
pub async fn said(app: &App) -> Result<u8, Error> {
    let health = app.running().await?.health().await?;
    app.show("up", &health, |_| {
        format!(
            "The node is up: pid {}, {}\n",
            health.pid,
            app.socket().display()
        )
    })
}
