//! `atoll policy`.

use std::path::PathBuf;

use atoll_api::{Error, PolicyView};
use atoll_domain::Shown;
use clap::Subcommand;

use crate::app::App;
use crate::offline;
use crate::ui::{Style, table};

/// The rules.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// The rules in force, by what they do.
    #[command(after_help = "Examples:\n  atoll policy show\n  atoll policy show --profile open")]
    Show {
        /// Of this profile; the configured one if left out.
        #[arg(long, value_name = "NAME")]
        profile: Option<String>,
    },
    /// Check rule files; with line and column where something is wrong.
    #[command(after_help = "Examples:\n  atoll policy check\n  atoll policy check mine.cedar")]
    Check {
        /// The files; those of your configuration if left out.
        files: Vec<PathBuf>,
    },
}

pub async fn run(app: &App, policy: Policy) -> Result<u8, Error> {
    match policy {
        Policy::Check { files } => offline::policy::check(app, &files),
        Policy::Show { profile } => {
            let view = offline::policy::view(&app.paths, profile.as_deref())?;
            app.show_paged("policy", &view, |style| rules(style, &view))
        }
    }
}

fn rules(style: &Style, view: &PolicyView) -> String {
    let mut out = style.bold(&format!(
        "Profile {}, {} rules, {}",
        view.profile,
        view.rules.len(),
        view.hash.short()
    ));
    out.push('\n');
    let rows: Vec<Vec<String>> = view
        .rules
        .iter()
        .map(|r| {
            let why = Shown::line(&r.why).to_string();
            let place = Shown::line(&format!("{}:{}", r.file, r.line)).to_string();
            vec![
                r.verdict.clone(),
                Shown::line(&r.id).to_string(),
                place,
                why,
            ]
        })
        .collect();
    out.push_str(&table(style, &rows));
    out
}
