//! `atoll patch`.

use atoll_api::{AcceptRequest, Commands, Error};
use atoll_domain::Shown;
use clap::Subcommand;

use crate::app::{App, now};
use crate::ui;

/// Proposed changes.
#[derive(Debug, Subcommand)]
pub enum Patch {
    /// Patches, the newest first.
    #[command(after_help = "Examples:\n  atoll patch list")]
    List,
    /// One patch with its tests, cost and diff.
    #[command(after_help = "Examples:\n  atoll patch show p7\n  atoll patch show @ | less")]
    Show {
        /// p7, or @ for the latest.
        #[arg(default_value = "@")]
        patch: String,
    },
    /// Write it into your files, unstaged, or onto a branch.
    #[command(
        after_help = "Examples:\n  atoll patch accept p7\n  atoll patch accept p7 --branch fix-rounding\n  atoll patch accept p7 --confirm-runs-outside"
    )]
    Accept {
        /// p7, or @ for the latest.
        patch: String,
        /// Onto a new branch of this name; your files stay as they are.
        #[arg(long, value_name = "NAME")]
        branch: Option<String>,
        /// You looked at the files that something outside the box runs by itself, and want them too.
        #[arg(long)]
        confirm_runs_outside: bool,
    },
    /// Turn it down.
    #[command(
        after_help = "Examples:\n  atoll patch reject p7 --why \"the fix belongs in parse()\""
    )]
    Reject {
        /// p7, or @ for the latest.
        patch: String,
        /// A reason, for the log.
        #[arg(long, default_value = "")]
        why: String,
    },
    /// Take an accepted patch back out of your files, or remove its branch.
    #[command(after_help = "Examples:\n  atoll patch undo p7")]
    Undo {
        /// p7, or @ for the latest.
        patch: String,
    },
}

pub async fn run(app: &App, patch: Patch) -> Result<u8, Error> {
    let caller = app.caller();
    let client = app.node().await?;
    match patch {
        Patch::List => {
            let patches = client.patches(&caller).await?;
            app.show("patches", &patches, |style| {
                ui::patches(style, &patches, now())
            })
        }
        Patch::Show { patch } => {
            let detail = client.patch(&caller, patch).await?;
            app.show_paged("patch", &detail, |style| ui::patch(style, &detail))
        }
        Patch::Accept {
            patch,
            branch,
            confirm_runs_outside,
        } => {
            let request = AcceptRequest {
                branch: branch.clone(),
                confirm_runs_outside,
            };
            let detail = client.patch_accept(&caller, patch, request).await?;
            app.show("patch", &detail, |style| {
                ui::accepted(style, &detail, branch.as_deref())
            })
        }
        Patch::Reject { patch, why } => {
            let view = client.patch_reject(&caller, patch, why).await?;
            app.show("patch", &view, |_| {
                format!(
                    "Patch {} rejected; your files are unchanged.\n",
                    view.ordinal
                )
            })
        }
        Patch::Undo { patch } => {
            let view = client.patch_undo(&caller, patch).await?;
            app.show("patch", &view, |_| match &view.branch {
                Some(name) => format!(
                    "Patch {} is taken back: branch {} is removed.\n",
                    view.ordinal,
                    Shown::line(name)
                ),
                None => format!("Patch {} is taken back out of your files.\n", view.ordinal),
            })
        }
    }
}
