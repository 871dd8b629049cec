//! Errors: a code, a sentence, what was found and changed, what to do next.

use atoll_api::Error;
use atoll_domain::Shown;

use crate::ui::Style;

const LABEL: usize = 9;

/// The block.
pub fn error(style: &Style, err: &Error) -> String {
    let head = style.red(&format!("error {}", err.code));
    let mut out = format!("{head}: {}\n", Shown::line(&err.message));
    if let Some(found) = &err.found {
        out.push_str(&style.row(2, "found", LABEL, Shown::text(found).as_str()));
    }
    let changed = err.changed.as_deref().unwrap_or("nothing");
    out.push_str(&style.row(2, "changed", LABEL, Shown::text(changed).as_str()));
    for (i, next) in err.next.iter().enumerate() {
        let label = match (i, err.next.len()) {
            (0, 1) => "next",
            (0, _) => "either",
            _ => "or",
        };
        out.push_str(&style.row(2, label, LABEL, Shown::line(next).as_str()));
    }
    out.push_str(&style.row(2, "more", LABEL, &format!("atoll explain {}", err.code)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_api::codes;

    #[test]
    fn an_error_says_what_to_do_and_shows_no_raw_control() {
        let err = Error::new(
            codes::SANDBOX_WEAK,
            "the sandbox here is weaker\u{1b}[2J than your policy accepts",
        )
        .found("this system forbids user namespaces to ordinary users (AppArmor)")
        .next("sudo atoll doctor --fix sandbox")
        .next("atoll config set sandbox.floor landlock");
        assert_eq!(
            error(&Style::PLAIN, &err),
            "error ATL-0412: the sandbox here is weaker\\e[2J than your policy accepts\n\
             \x20 found    this system forbids user namespaces to ordinary users (AppArmor)\n\
             \x20 changed  nothing\n\
             \x20 either   sudo atoll doctor --fix sandbox\n\
             \x20 or       atoll config set sandbox.floor landlock\n\
             \x20 more     atoll explain ATL-0412\n"
        );
    }
}
