//! A patch as a commit on a branch: what the commit says, and which branch it was.

use atoll_api::{Error, PatchView, codes};
use atoll_domain::action::AcceptTo;
use atoll_domain::{Body, PatchBranched, Shown};
use atoll_guard::Entry;
use atoll_ports::log::{Filter, PatchRow, SessionRow};

use crate::shared::{Origin, Shared, log_error};

const TITLE_CHARS_MAX: usize = 72;
const PAGE: usize = 500;

/// One line for people: the agent's title, else the task's first words, else the patch's name; then
/// where it comes from, as trailers.
pub(crate) fn message(patch: &PatchView, task: &str) -> String {
    let name = format!("Atoll patch {}", patch.ordinal);
    let title = [patch.title.as_str(), task, &name]
        .into_iter()
        .map(title)
        .find(|t| !t.is_empty())
        .unwrap_or_default();
    format!(
        "{title}\n\nAtoll-Patch: {} {}\nAtoll-Session: {} {}",
        patch.ordinal, patch.patch, patch.session_ordinal, patch.session
    )
}

/// The first line with words, with controls escaped, cut between words where it is long.
fn title(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|l| !l.is_empty());
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    let shown = Shown::line(&words.join(" ")).to_string();
    if shown.chars().count() <= TITLE_CHARS_MAX {
        return shown;
    }
    let cut: String = shown.chars().take(TITLE_CHARS_MAX - 1).collect();
    let end = cut.rfind(' ').filter(|at| *at > cut.len() / 2);
    format!("{}…", &cut[..end.unwrap_or(cut.len())])
}

impl Shared {
    /// The event that says which branch it is.
    pub(crate) fn branched_entry(
        &self,
        caller: &str,
        session: &SessionRow,
        patch: &PatchRow,
        name: &str,
        commit: &str,
    ) -> Entry {
        self.entry(|s| {
            let body = PatchBranched {
                id: patch.id,
                name: s.text(name),
                commit: s.text(commit),
            };
            (Origin::human(caller, Some(session.id)), body)
        })
    }

    /// Where an accepted patch went, by the log.
    pub(crate) fn went_to(&self, row: &PatchRow) -> Result<AcceptTo, Error> {
        let filter = Filter {
            session: Some(row.session),
            kinds: vec!["PatchAccepted".into(), "PatchBranched".into()],
            topic: None,
        };
        let (mut after, mut name) = (0, None);
        let mut branch = false;
        loop {
            let page = self.log.events(after, PAGE, &filter).map_err(log_error)?;
            let Some(last) = page.last() else {
                break;
            };
            after = last.seq;
            for event in page {
                match event.typed() {
                    Body::PatchAccepted(b) if b.id == row.id => (branch, name) = (b.branch, None),
                    Body::PatchBranched(b) if b.id == row.id => name = Some(self.words(&b.name)),
                    _ => {}
                }
            }
        }
        match (branch, name.filter(|n| !n.is_empty())) {
            (false, _) => Ok(AcceptTo::Files),
            (true, Some(name)) => Ok(AcceptTo::Branch(name)),
            (true, None) => Err(Error::new(
                codes::PATCH_BRANCH,
                "the log doesn't say which branch the patch was let out on",
            )
            .next("git branch -D NAME removes a branch")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::title;

    #[test]
    fn a_title_is_one_short_safe_line() {
        assert_eq!(title("\n  Fix the\tsum  \nand more"), "Fix the sum");
        assert_eq!(title(" \n"), "");
        assert_eq!(title("a\u{1b}[2J\u{202e}b"), "a\\e[2J\\u{202e}b");
        let long = title(&"word ".repeat(40));
        assert!(
            long.ends_with("word…") && long.chars().count() <= 72,
            "{long}"
        );
        let solid = title(&"ü".repeat(200));
        assert_eq!(solid.chars().count(), 72);
    }
}
