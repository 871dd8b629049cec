//! A shell's text as the commands in it, by tree-sitter's grammar of bash.

use tree_sitter::{Node, Parser, Tree};

/// Nodes that are looked at; a text of the longest has fewer.
const NODES_MAX: usize = 1 << 20;

/// The commands of a text, wherever they stand in it, each as its words.
pub(super) struct Found {
    pub(super) commands: Vec<Vec<Option<String>>>,
    /// Whether a piece of it can't be parsed.
    pub(super) unclear: bool,
}

/// `None`: it can't be parsed at all.
pub(super) fn commands(text: &str) -> Option<Found> {
    let tree = parsed(text)?;
    let mut found = Found {
        commands: Vec::new(),
        unclear: tree.root_node().has_error(),
    };
    // Not by recursion: the text says how deep it goes.
    let (mut waiting, mut seen) = (vec![tree.root_node()], 0);
    while let Some(node) = waiting.pop() {
        seen += 1;
        if seen > NODES_MAX {
            found.unclear = true;
            break;
        }
        if node.kind() == "command" {
            found.commands.push(words(node, text));
        }
        let mut cursor = node.walk();
        waiting.extend(node.named_children(&mut cursor));
    }
    Some(found)
}

fn parsed(text: &str) -> Option<Tree> {
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_bash::LANGUAGE.into())
        .ok()?;
    parser.parse(text, None)
}

/// The words of a command: its name and its arguments. What stands before the name are variables.
fn words(command: Node<'_>, text: &str) -> Vec<Option<String>> {
    let mut cursor = command.walk();
    let mut words = Vec::new();
    for child in command.named_children(&mut cursor) {
        match child.kind() {
            "variable_assignment" if words.is_empty() => {}
            "file_redirect" | "herestring_redirect" | "heredoc_redirect" | "comment" => {}
            "command_name" => {
                let name = child.named_child(0).and_then(|node| word(node, text));
                // Which file a pattern stands for is known only when it runs.
                words.push(name.filter(|name| !name.contains(['*', '?', '[', '{', '~'])));
            }
            _ => words.push(word(child, text)),
        }
    }
    words
}

/// A word's text as the program would get it; `None` if it is known only when it runs.
fn word(node: Node<'_>, text: &str) -> Option<String> {
    let raw = node.utf8_text(text.as_bytes()).ok()?;
    match node.kind() {
        "word" | "number" => Some(unescaped(raw)),
        "raw_string" => Some(raw.strip_prefix('\'')?.strip_suffix('\'')?.to_owned()),
        "string" => {
            let mut cursor = node.walk();
            let plain = node
                .named_children(&mut cursor)
                .all(|child| child.kind() == "string_content");
            let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
            plain.then(|| quoted(inner))
        }
        "concatenation" | "command_name" => {
            let mut cursor = node.walk();
            let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
            // A gap between the pieces would be text that no piece has.
            let whole = children
                .windows(2)
                .all(|p| p[0].end_byte() == p[1].start_byte());
            let pieces = children.into_iter().map(|child| word(child, text));
            whole.then(|| pieces.collect::<Option<String>>()).flatten()
        }
        // Expansions, `$'…'`, and whatever the grammar will know some day. A piece without a name is itself.
        _ if !node.is_named() && !raw.contains(['$', '`', '\\']) => Some(raw.to_owned()),
        _ => None,
    }
}

/// Without the backslashes that take a character's meaning away.
fn unescaped(raw: &str) -> String {
    let (mut out, mut chars) = (String::with_capacity(raw.len()), raw.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some(next) => out.push(next),
            },
            c => out.push(c),
        }
    }
    out
}

/// Inside double quotes a backslash stays before most characters.
fn quoted(inner: &str) -> String {
    let (mut out, mut chars) = (String::with_capacity(inner.len()), inner.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some(next @ ('$' | '`' | '"' | '\\')) => out.push(next),
                Some(next) => out.extend(['\\', next]),
            },
            c => out.push(c),
        }
    }
    out
}
