//! The vault and its secrets, by name.

use atoll_api::{SecretsView, VaultView};
use atoll_domain::{Ms, Shown};

use crate::ui::words::{plural, span};
use crate::ui::{Page, Style, table};

/// The vault in a line or two.
pub fn vault(style: &Style, v: &VaultView) -> String {
    let mut page = Page::new(style, 0, 7);
    page.row("vault", words(v));
    page.row("place", &v.place);
    page.end()
}

/// How strong it is, and what is to be done.
pub fn words(v: &VaultView) -> String {
    let state = match (&v.problem, v.locked, v.keeper.is_some()) {
        (Some(problem), ..) => format!("; {problem}"),
        (None, true, _) => "; locked: atoll secret unlock".into(),
        (None, false, true) => String::new(),
        (None, false, false) => "none yet: atoll secret set NAME makes one".into(),
    };
    format!("{}{state}", v.strength)
}

/// Everything in it.
pub fn secrets(style: &Style, all: &SecretsView, now: Ms) -> String {
    let ago = |at: Ms| format!("{} ago", span(now.since(at)));
    let rows: Vec<Vec<String>> = all
        .secrets
        .iter()
        .map(|s| {
            vec![
                s.name.to_string(),
                format!("set {}", ago(s.set)),
                s.rotated
                    .map_or(String::new(), |at| format!("rotated {}", ago(at))),
                match (s.used, &s.used_by) {
                    (Some(at), Some(by)) => {
                        let by = Shown::line(by).cut(40);
                        format!("used {} ({}): {by}", ago(at), plural(s.uses, "use"))
                    }
                    _ => "never used".into(),
                },
            ]
        })
        .collect();
    let list = match (rows.is_empty(), all.vault.keeper.is_some()) {
        (true, true) => "The vault is empty.\n".into(),
        (true, false) => String::new(),
        (false, _) => table(style, &rows),
    };
    list + &vault(style, &all.vault)
}
