//! `atoll model`.

use atoll_api::{Commands, Error};
use clap::Subcommand;

use super::{code, pick, shelf};
use crate::app::{App, say};
use crate::config;
use crate::offline;
use crate::ui;

/// Language models.
#[derive(Debug, Subcommand)]
pub enum Model {
    /// What is configured, what lies on disk and what can be pulled; the default is marked.
    #[command(after_help = "Examples:\n  atoll model list")]
    List,
    /// Make a model the default.
    #[command(
        after_help = "Examples:\n  atoll model use\n  atoll model use ollama/qwen2.5-coder:7b\n  atoll model use openai/gpt-5-mini"
    )]
    Use {
        /// provider/model; picked from a list on a terminal if left out.
        name: Option<String>,
    },
    /// Fetch a model that runs here.
    #[command(after_help = "Examples:\n  atoll model pull\n  atoll model pull smollm2-135m")]
    Pull {
        /// Its name in `model list`; the default of those that run here if left out.
        name: Option<String>,
    },
    /// Copy a GGUF file of yours to where models lie.
    #[command(after_help = "Examples:\n  atoll model add ~/mine.gguf --name mine")]
    Add {
        /// The file.
        file: std::path::PathBuf,
        /// What to call it; the file's own name if left out.
        #[arg(long)]
        name: Option<String>,
    },
    /// Take a model off the disk.
    #[command(after_help = "Examples:\n  atoll model remove smollm2-135m")]
    Remove {
        /// Its name in `model list`.
        name: String,
    },
    /// Try a model with a short question and a tool call.
    #[command(
        after_help = "Examples:\n  atoll model test\n  atoll model test ollama/qwen2.5-coder:7b"
    )]
    Test {
        /// provider/model; the default if left out.
        #[arg(env = "ATOLL_MODEL")]
        name: Option<String>,
    },
}

pub async fn run(app: &App, model: Model) -> Result<u8, Error> {
    let caller = app.caller();
    match model {
        Model::List => {
            let models = app.node().await?.models(&caller).await?;
            let listed = shelf::listed(app, models.clone())?;
            let to_pull = shelf::to_pull(app);
            app.show("models", &listed, |style| {
                ui::models(style, &models) + &ui::shelf(style, &listed, &to_pull)
            })
        }
        Model::Pull { name } => shelf::pull(app, name).await,
        Model::Add { file, name } => {
            let done = shelf::add(app, &file, name.as_deref())?;
            super::config::reload(app).await;
            Ok(done)
        }
        Model::Remove { name } => shelf::remove(app, &name),
        Model::Use { name } => {
            let name = match name {
                Some(name) => name,
                None => pick::model(app).await?,
            };
            let choice = offline::models::resolve(&app.paths, &name)?;
            let full = choice.model.to_string();
            config::set(&app.paths.config_file(), "model.default", &full)?;
            super::config::reload(app).await;
            if choice.remote {
                say(&format!(
                    "note    {} is another machine: code is sent there, within the policy\n",
                    choice.endpoint
                ));
            }
            let data = serde_json::json!({ "model": full, "remote": choice.remote });
            app.show("model", &data, |_| {
                format!("The default model is {full}.\n")
            })
        }
        Model::Test { name } => {
            let keys = code::keys(app, name.as_deref())?;
            let client = app.node().await?;
            super::secret::ready(app, &client, false).await?;
            let tested = client.model_test(&caller, name, keys).await?;
            app.show("model_test", &tested, |style| ui::tested(style, &tested))?;
            Ok(if tested.answered { 0 } else { 1 })
        }
    }
}
