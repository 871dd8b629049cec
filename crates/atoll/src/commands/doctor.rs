//! `atoll doctor`.

use atoll_api::Error;

use crate::app::App;
use crate::offline;

/// What this machine can do, and what is missing. Looks by itself; no node is needed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  atoll doctor\n  sudo atoll doctor --fix sandbox\n  atoll doctor --json")]
pub struct Args {
    /// Mend it: `sandbox` writes an AppArmor profile that lets atoll alone make user namespaces.
    #[arg(long, value_name = "WHAT", value_parser = ["sandbox"])]
    fix: Option<String>,
}

pub async fn run(app: &App, args: Args) -> Result<u8, Error> {
    if args.fix.is_some() {
        return offline::doctor::fix_sandbox(app);
    }
    let checks = offline::doctor::look(app);
    let fine = checks.iter().all(|c| c.ok);
    app.show("doctor", &checks, |style| {
        let mut text = String::new();
        for check in &checks {
            let name = style.bold(&format!("{:<12}", check.name));
            let verdict = if check.ok { style.green("ok") } else { style.red("no") };
            text.push_str(&format!("{name} {verdict:<2}  {}\n", atoll_domain::Shown::line(&check.found)));
            if let Some(fix) = check.fix.as_ref().filter(|_| !check.ok) {
                text.push_str(&format!("{:<12}     {}\n", "", atoll_domain::Shown::line(fix)));
            }
        }
        text
    })?;
    Ok(u8::from(!fine))
}
