//! `atoll doctor`.

use atoll_api::Error;
use atoll_domain::Shown;

use crate::app::App;
use crate::offline;

/// What this machine can do, and what is missing. Looks by itself; no node is needed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  atoll doctor\n  sudo atoll doctor --fix sandbox\n  atoll doctor --fix sandbox --print\n  atoll doctor --json"
)]
pub struct Args {
    /// Mend it: `sandbox` writes an AppArmor profile that lets atoll alone make user namespaces.
    #[arg(long, value_name = "WHAT", value_parser = ["sandbox"])]
    fix: Option<String>,
    /// Only print what would be written.
    #[arg(long, requires = "fix")]
    print: bool,
}

pub async fn run(app: &App, args: Args) -> Result<u8, Error> {
    if args.fix.is_some() {
        return offline::doctor::fix_sandbox(app, args.print);
    }
    let checks = offline::doctor::look(app).await;
    // How hard a limit is kept is advice: each outcome says it, and a policy may insist.
    let fine = checks
        .iter()
        .all(|c| c.ok || c.name.starts_with("limit of"));
    app.show("doctor", &checks, |style| {
        let width = checks.iter().map(|c| c.name.len()).max().unwrap_or(0) + 2;
        let mut text = String::new();
        for check in &checks {
            let verdict = if check.ok {
                style.green("ok")
            } else {
                style.red("no")
            };
            let found = style.row(0, "", width + 4, Shown::line(&check.found).as_str());
            // The row's empty label makes room for the name and its verdict.
            text.push_str(&format!(
                "{:<width$}{verdict}  {}",
                check.name,
                found.trim_start()
            ));
            if let Some(fix) = check.fix.as_ref().filter(|_| !check.ok) {
                text.push_str(&style.row(0, "", width + 4, &format!("-> {}", Shown::line(fix))));
            }
        }
        text
    })?;
    Ok(u8::from(!fine))
}
