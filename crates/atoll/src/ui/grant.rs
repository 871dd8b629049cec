//! Grants.

use atoll_api::GrantView;
use atoll_domain::{Budget, Ms, Shown, Terms};

use crate::ui::words::{count, dollars, span};
use crate::ui::{Style, table};

/// `8 h left`, `revoked`, `expired`.
fn time(state: &str, expires: Ms, now: Ms) -> String {
    match state {
        "good" => format!("{} left", span(expires.since(now))),
        other => other.to_owned(),
    }
}

/// `read, run in /srv/shop; packages.example alone`, or `all`.
fn scope(kinds: Option<&[String]>, folders: Option<&[String]>, hosts: Option<&[String]>) -> String {
    let mut parts = Vec::new();
    let list = |names: &[String]| {
        if names.is_empty() {
            "nothing".into()
        } else {
            names.join(", ")
        }
    };
    parts.extend(kinds.map(list));
    parts.extend(folders.map(|f| format!("in {}", list(f))));
    parts.extend(hosts.map(|h| format!("reaches {}", list(h))));
    match parts.is_empty() {
        true => "all".into(),
        false => Shown::line(&parts.join("; ")).to_string(),
    }
}

/// `$1.20 of $2.00 left, 3 of 10 runs left`; empty without a budget.
pub fn left(left: &Budget, of: &Budget) -> String {
    let mut parts = Vec::new();
    if let (Some(left), Some(of)) = (left.micros_max, of.micros_max) {
        parts.push(format!("{} of {} left", dollars(left), dollars(of)));
    } else if let Some(left) = left.micros_max {
        parts.push(format!("{} left", dollars(left)));
    }
    let units = [
        ("tokens", left.tokens_max, of.tokens_max),
        ("runs", left.runs_max, of.runs_max),
    ];
    for (unit, left, of) in units {
        match (left, of) {
            (Some(left), Some(of)) => {
                parts.push(format!("{} of {} {unit} left", count(left), count(of)))
            }
            (Some(left), None) => parts.push(format!("{} {unit} left", count(left))),
            _ => {}
        }
    }
    parts.join(", ")
}

/// A list of grants, each after the one that it comes from.
pub fn grants(style: &Style, grants: &[GrantView], now: Ms) -> String {
    if grants.is_empty() {
        return "No grant yet: atoll grant mint --role viewer --ttl 8h makes one.\n".into();
    }
    let rows: Vec<Vec<String>> = grants
        .iter()
        .map(|g| {
            let indent = usize::try_from(g.depth).unwrap_or(0).min(8);
            let used = g.used.map_or("never used".into(), |at| {
                format!("used {} ago", span(now.since(at)))
            });
            vec![
                format!("{}{}", "  ".repeat(indent), g.ordinal),
                Shown::line(&g.name).to_string(),
                g.role.name().into(),
                time(&g.state, g.expires, now),
                left(&g.left, &g.budget),
                used,
                scope(
                    g.kinds.as_deref(),
                    g.workspaces.as_deref(),
                    g.hosts.as_deref(),
                ),
            ]
        })
        .collect();
    table(style, &rows)
}

/// What was minted, beside the token itself.
pub fn minted(style: &Style, g: &GrantView) -> String {
    let what = scope(
        g.kinds.as_deref(),
        g.workspaces.as_deref(),
        g.hosts.as_deref(),
    );
    let left = left(&g.left, &g.budget);
    let left = if left.is_empty() {
        left
    } else {
        format!(", {left}")
    };
    let mut page = crate::ui::Page::new(style, 0, 8);
    page.row(
        "grant",
        format!(
            "{} {}: {}{left}",
            g.ordinal,
            Shown::line(&g.name),
            g.role.name()
        ),
    );
    page.row(
        "good",
        format!(
            "for {}; its token is told this once",
            span(g.expires.since(g.minted))
        ),
    );
    page.row("for", what);
    page.end()
}

/// Terms in one line.
pub fn terms(terms: &Terms, now: Ms) -> String {
    let names = |set: &Option<std::collections::BTreeSet<String>>| {
        set.as_ref().map(|s| s.iter().cloned().collect::<Vec<_>>())
    };
    let kinds: Option<Vec<String>> = terms
        .kinds
        .as_ref()
        .map(|k| k.iter().map(|k| k.name().to_owned()).collect());
    let what = scope(
        kinds.as_deref(),
        names(&terms.workspaces).as_deref(),
        names(&terms.hosts).as_deref(),
    );
    format!(
        "{}, {what}, good for {}",
        terms.role.name(),
        span(terms.expires.since(now).saturating_add(999))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_names_each_unit_that_has_a_limit() {
        let of = Budget {
            micros_max: Some(2_000_000),
            runs_max: Some(10),
            ..Budget::default()
        };
        let rest = Budget {
            micros_max: Some(1_200_000),
            runs_max: Some(3),
            ..Budget::default()
        };
        assert_eq!(left(&rest, &of), "$1.20 of $2.00 left, 3 of 10 runs left");
        assert_eq!(left(&Budget::default(), &Budget::default()), "");
        // A child without a limit of its own has its parent's.
        assert_eq!(left(&rest, &Budget::default()), "$1.20 left, 3 runs left");
    }
}
