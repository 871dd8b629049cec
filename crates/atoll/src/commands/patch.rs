//! `atoll patch`.

use std::path::{Path, PathBuf};

use atoll_api::{AcceptRequest, Commands, EditBegun, EditRequest, Error, codes};
use atoll_client::Client;
use atoll_domain::Shown;
use clap::Subcommand;

use crate::app::{App, now};
use crate::{term, ui};

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
    /// Change it in your editor ($VISUAL, $EDITOR): a new patch takes its place, whose tests were not run.
    #[command(
        after_help = "Examples:\n  atoll patch edit p7\n  EDITOR=\"code --wait\" atoll patch edit p7"
    )]
    Edit {
        /// p7, or @ for the latest.
        patch: String,
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
        Patch::Edit { patch } => edit(app, &client, patch).await,
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

/// The patch's files that an editor may open: plain files of the copy. A link in it could lead anywhere.
fn plain_files(begun: &EditBegun) -> Vec<PathBuf> {
    let folder = Path::new(&begun.folder);
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.into());
    let plain = |path: &PathBuf| {
        path.symlink_metadata().is_ok_and(|m| m.is_file())
            && path.canonicalize().is_ok_and(|p| p.starts_with(&whole))
    };
    let files = begun.files.iter().map(|file| folder.join(file));
    files.filter(plain).collect()
}

/// Opens the editor on the patch's files, and makes a new patch of what it leaves.
async fn edit(app: &App, client: &Client, patch: String) -> Result<u8, Error> {
    let caller = app.caller();
    let key = Client::fresh_key()?;
    let begun = client.patch_edit(&caller, key, patch.clone()).await?;
    let files = plain_files(&begun);
    let edited = match files.is_empty() {
        true => Err("the patch has no plain file that could be edited".to_owned()),
        false => match term::edit(&files) {
            Ok(true) => Ok(()),
            Ok(false) => Err("the editor ended with an error".to_owned()),
            Err(why) => Err(why),
        },
    };
    let abandon = edited.is_err();
    let edit = begun.edit;
    let request = EditRequest { edit, abandon };
    let before = client.patch(&caller, patch.clone()).await?;
    let ended = client.patch_edited(&caller, patch, request).await;
    if let Err(why) = edited {
        ended?;
        let err = Error::new(codes::USAGE, "the patch was not edited").found(why);
        let ordinal = before.view.ordinal;
        return Err(err.next(format!("EDITOR=nano atoll patch edit {ordinal}")));
    }
    let detail = ended.map_err(|err| err.found(format!("your edits are in {}", begun.folder)))?;
    app.show("patch", &detail, |style| {
        match detail.view.patch == before.view.patch {
            true => format!("Nothing was changed; {} stays.\n", detail.view.ordinal),
            false => format!(
                "{}Patch {} is superseded.\n",
                ui::ready(style, &detail),
                before.view.ordinal
            ),
        }
    })
}
