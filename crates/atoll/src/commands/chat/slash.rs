//! Commands within a conversation.

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slash {
    Help,
    Quit,
    Cost,
    /// Back to the end of this turn; without one the last turn is taken back.
    Undo(Option<u64>),
    /// Switches planning, or plans with these words.
    Plan(Option<String>),
    Model(Option<String>),
    /// The patch with this name, or the latest: shown, written into the files, turned down.
    Patch(Option<String>),
    Accept(Option<String>),
    Reject(Option<String>),
    /// Asks again what was left open.
    Gate,
    /// The next words begin another conversation.
    New,
    /// No command has this name, or what stands behind it is wrong.
    Wrong(String),
}

/// Their names, for completion.
pub const NAMES: [&str; 11] = [
    "/accept", "/cost", "/gate", "/help", "/model", "/new", "/patch", "/plan", "/quit", "/reject",
    "/undo",
];

/// What `/help` says.
pub const HELP: &str = "\
/model [NAME]   the models there are, or the one that answers from now on
/patch [p7]     what was changed: the latest patch of this conversation
/accept [p7]    write it into your files, unstaged
/reject [WHY]   turn it down
/undo [TURN]    take the last turn's changes of the copy back, or all after TURN
/plan [WORDS]   only plan from now on, or again do what is asked
/gate           answer a question that was left open
/cost           what the conversation cost
/new            the next words begin another conversation
/help           this list
/quit           end; atoll chat -c goes on with it
@path           in your words: a file of the folder, read with them
Tab             completes commands, models and @path
Alt-Enter       another line, as \\ at a line's end; a paste of several is one
While it works  type to steer, Esc stops the turn, Ctrl-C twice ends it all
";

/// What the words command; `None`: they are for the model. A path at the beginning is no command.
pub fn parse(text: &str) -> Option<Slash> {
    let text = text.trim();
    let (name, rest) = match text.split_once(char::is_whitespace) {
        Some((name, rest)) => (name, Some(rest.trim())),
        None => (text, None),
    };
    let name = name.strip_prefix('/')?;
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase()) {
        return None;
    }
    let rest = rest.filter(|rest| !rest.is_empty());
    Some(match (name, rest) {
        ("help", None) => Slash::Help,
        ("quit" | "exit", None) => Slash::Quit,
        ("cost", None) => Slash::Cost,
        ("undo", None) => Slash::Undo(None),
        ("undo", Some(turn)) => match turn.parse() {
            Ok(turn) => Slash::Undo(Some(turn)),
            Err(_) => Slash::Wrong("/undo takes the number of a turn; 0 is the beginning".into()),
        },
        ("plan", words) => Slash::Plan(words.map(str::to_owned)),
        ("model", name) => Slash::Model(name.map(str::to_owned)),
        ("patch" | "diff", name) => Slash::Patch(name.map(str::to_owned)),
        ("accept", name) => Slash::Accept(name.map(str::to_owned)),
        ("reject", why) => Slash::Reject(why.map(str::to_owned)),
        ("gate", None) => Slash::Gate,
        ("new" | "clear", None) => Slash::New,
        ("help" | "quit" | "exit" | "cost" | "gate" | "new" | "clear", Some(_)) => {
            Slash::Wrong(format!("/{name} stands alone"))
        }
        _ => Slash::Wrong(format!("there is no /{name}; /help lists what there is")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_words() {
        assert_eq!(parse(" /quit "), Some(Slash::Quit));
        assert_eq!(parse("/undo 2"), Some(Slash::Undo(Some(2))));
        assert_eq!(
            parse("/plan mend it"),
            Some(Slash::Plan(Some("mend it".into())))
        );
        assert_eq!(parse("/model"), Some(Slash::Model(None)));
        for words in [
            "why?",
            "/etc/hosts says",
            "/ a",
            "/2",
            "a /quit",
            "//",
            "/Users are",
        ] {
            assert_eq!(parse(words), None, "{words}");
        }
        for wrong in ["/quti", "/undo all", "/cost now"] {
            assert!(matches!(parse(wrong), Some(Slash::Wrong(_))), "{wrong}");
        }
        assert_eq!(
            parse("/reject too dear"),
            Some(Slash::Reject(Some("too dear".into())))
        );
        for name in NAMES {
            assert!(HELP.contains(name), "{name}");
            assert!(
                !matches!(parse(name), None | Some(Slash::Wrong(_))),
                "{name}"
            );
        }
        assert!(HELP.lines().all(|line| line.len() <= 80));
    }
}
