//! `atoll up`.

use atoll_api::{Commands, Error, codes};
use serde_json::json;

use crate::app::App;
use crate::daemon::{self, service};

/// Starts the node, if none runs.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  atoll up\n  atoll up --foreground\n  atoll up --service            start it now and at each login, by systemd\n  atoll up --service --print    the unit, without putting it in place"
)]
pub struct Args {
    /// Stay here and say what happens; Ctrl-C ends it.
    #[arg(long)]
    pub foreground: bool,
    /// Make it a service of your user's systemd.
    #[arg(long, conflicts_with = "foreground")]
    pub service: bool,
    /// Show the unit and change nothing.
    #[arg(long, requires = "service")]
    pub print: bool,
    /// Be the node that another command started.
    #[arg(long, hide = true, conflicts_with_all = ["foreground", "service"])]
    pub background: bool,
    /// End when standard input does.
    #[arg(long, hide = true, requires = "background")]
    pub lifeline: bool,
}

pub async fn run(app: &App, args: Args) -> Result<u8, Error> {
    // `main` runs the node itself; here is only who wants one.
    debug_assert!(!args.foreground && !args.background);
    if args.print {
        let unit = service::text()?;
        return app.show("unit", &json!({ "text": unit }), |_| unit.clone());
    }
    if args.service {
        return serve(app).await;
    }
    match app.running().await {
        Ok(_) => {}
        Err(err) if err.is(codes::NODE_UNREACHABLE) => {
            daemon::start(app).await?;
        }
        Err(err) => return Err(err),
    }
    said(app).await
}

/// Hands the node to systemd.
async fn serve(app: &App) -> Result<u8, Error> {
    service::usable()?;
    if let Ok(client) = app.running().await {
        let status = client.status(&app.caller()).await?;
        if !status.running.is_empty() {
            let words = "the node that runs has work, and would have to end first";
            return Err(Error::new(codes::NODE_BUSY, words)
                .next("atoll status")
                .next("atoll down, then atoll up --service"));
        }
        daemon::stop(app, &client).await?;
    }
    let unit = service::install(app)?;
    let health = daemon::up(app).await?.health().await?;
    let lingers = service::lingers();
    let data =
        json!({ "unit": unit, "pid": health.pid, "socket": app.socket(), "lingers": lingers });
    app.show("service", &data, |_| {
        let until = match lingers {
            Some(true) => "It starts with the machine and stays when you log out.",
            Some(false) => {
                "It starts when you log in and ends when you log out. To keep it running:\n  loginctl enable-linger"
            }
            None => "It starts when you log in; whether it stays when you log out could not be found out.",
        };
        format!(
            "The node is a service now: pid {}, {}\nunit    {}\n{until}\n\nUndo  atoll down --service\n",
            health.pid,
            app.socket().display(),
            unit.display(),
        )
    })
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
