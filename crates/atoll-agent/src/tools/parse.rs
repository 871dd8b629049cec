//! From a model's call to a request: tolerant in form, strict in meaning.

use atoll_domain::Edit;
use atoll_domain::action::ReadOp;

use super::ToolRequest;
use super::args::{Args, check};
use super::json::{ARGUMENTS_BYTES_MAX, object};
use crate::config::SessionConfig;
use crate::prompt::one_line;

const PATH_BYTES_MAX: usize = 4096;
const PATTERN_BYTES_MAX: usize = 4096;
const COMMAND_BYTES_MAX: usize = 32 << 10;
const WORDS_MAX: usize = 512;
const TITLE_CHARS_MAX: usize = 120;
const SUMMARY_BYTES_MAX: usize = 16 << 10;

/// A call that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// What is asked.
    pub request: ToolRequest,
    /// What was tolerated, for the model.
    pub notes: Vec<String>,
}

const PATH: &[&str] = &[
    "path",
    "file",
    "file_path",
    "filepath",
    "filename",
    "target_file",
];
const SEARCH: &[&str] = &[
    "search",
    "old_string",
    "old_str",
    "old_text",
    "old",
    "find",
    "original",
];
const REPLACE: &[&str] = &[
    "replace",
    "new_string",
    "new_str",
    "new_text",
    "new",
    "replacement",
    "updated",
];
const CONTENT: &[&str] = &["content", "file_text", "contents", "new_content", "text"];
const DIFF: &[&str] = &["diff", "patch", "input"];

/// The tool that a name means; `None` if no tool has it.
pub(crate) fn known(name: &str) -> Option<&'static str> {
    let name = name.trim().to_ascii_lowercase();
    let name = name.rsplit(['.', ':', '/']).next().unwrap_or_default();
    Some(match name.replace('-', "_").as_str() {
        "read_file" | "read" | "open_file" | "open" | "view" | "view_file" | "cat" => "read_file",
        "list" | "ls" | "list_files" | "list_dir" | "list_directory" => "list",
        "search" | "grep" | "search_files" | "grep_search" | "search_code" => "search",
        "edit" | "edit_file" | "str_replace" | "replace" | "write" | "write_file"
        | "create_file" | "apply_patch" | "apply_diff" | "search_replace" | "replace_in_file" => {
            "edit"
        }
        "run" | "bash" | "shell" | "sh" | "exec" | "execute" | "run_command"
        | "execute_command" => "run",
        "extract" | "extract_value" => "extract",
        "test" | "tests" | "run_tests" | "run_test" => "test",
        "finish" | "submit" | "done" | "complete" | "final_answer" | "attempt_completion" => {
            "finish"
        }
        _ => return None,
    })
}

/// Understands a call, or says to the model why not. Never panics, whatever is in it.
pub fn parse_call(config: &SessionConfig, name: &str, arguments: &str) -> Result<Parsed, String> {
    let offered = super::specs(config);
    let names = || {
        let names: Vec<&str> = offered.iter().map(|t| t.name.as_str()).collect();
        names.join(", ")
    };
    let Some(tool) = known(name) else {
        return Err(format!(
            "there is no tool `{}`; the tools are: {}",
            one_line(name, 40),
            names()
        ));
    };
    if !offered.iter().any(|t| t.name == tool) {
        let why = match tool {
            "finish" if config.chats() => "to end the turn answer without calling a tool",
            "test" if !config.plan => "no test command is known: use `run`",
            _ => "a plan changes nothing",
        };
        return Err(format!(
            "`{tool}` is not on offer: {why}; the tools are: {}",
            names()
        ));
    }
    let (map, mended) =
        object(arguments).map_err(|why| format!("{why}, such as {}", example(tool)))?;
    let mut args = Args::new(map);
    let request = match tool {
        "read_file" => read_file(config, &mut args)?,
        "list" => ToolRequest::Read {
            what: ReadOp::List {
                path: folder(config, &mut args)?.unwrap_or_default(),
                depth: args.number(&["depth", "max_depth"], 1, 8)?,
            },
        },
        "search" => search(config, &mut args)?,
        "edit" => edit(config, &mut args)?,
        "run" => run(config, &mut args)?,
        "extract" => {
            let (from, question, form) = super::extract::parse(&mut args)?;
            let from = match from.contains(':') {
                true => from,
                false => relative(config, &from)?,
            };
            ToolRequest::Extract {
                from,
                question,
                form,
            }
        }
        "test" => ToolRequest::Test {
            cmd: config.test.clone().unwrap_or_default(),
        },
        _ => finish(&mut args)?,
    };
    let mut notes = args.notes();
    notes.extend(mended.map(str::to_owned));
    Ok(Parsed { request, notes })
}

/// A call's arguments as they should be.
fn example(tool: &str) -> &'static str {
    match tool {
        "read_file" => r#"{"path": "src/a.py", "start_line": 1}"#,
        "search" => r#"{"pattern": "fn total", "literal": true}"#,
        "edit" => r#"{"path": "src/a.py", "search": "x = 1", "replace": "x = 2"}"#,
        "run" => r#"{"command": "ls src"}"#,
        "extract" => {
            r#"{"from": "report.txt", "question": "How bad is it?", "as": {"enum": ["low", "high"]}}"#
        }
        "finish" => r#"{"title": "Fix rounding", "summary": "…"}"#,
        _ => "{}",
    }
}

/// Relative to the workspace: an absolute path below its root is taken as what it means. Whether a path
/// may be used is the workspace's to decide.
fn relative(config: &SessionConfig, path: &str) -> Result<String, String> {
    check("path", path, PATH_BYTES_MAX)?;
    let mut path = path.trim();
    let root = config.root.trim_end_matches('/');
    if !root.is_empty()
        && let Some(below) = path.strip_prefix(root)
        && (below.is_empty() || below.starts_with('/'))
    {
        path = below.trim_start_matches('/');
    }
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    Ok(if path == "." { "" } else { path }.to_owned())
}

fn path(config: &SessionConfig, args: &mut Args) -> Result<String, String> {
    let path = relative(config, &args.need(PATH)?)?;
    if path.is_empty() {
        return Err("`path` names the workspace itself: name a file".into());
    }
    Ok(path)
}

fn folder(config: &SessionConfig, args: &mut Args) -> Result<Option<String>, String> {
    let names = &["path", "dir", "directory", "folder", "file", "file_path"];
    let given = args.short(names, PATH_BYTES_MAX)?;
    let path = given.map(|p| relative(config, &p)).transpose()?;
    Ok(path.filter(|p| !p.is_empty()))
}

fn read_file(config: &SessionConfig, args: &mut Args) -> Result<ToolRequest, String> {
    const LINE_MAX: u64 = 10_000_000;
    let path = path(config, args)?;
    let start = args.number(
        &["start_line", "start", "line_start", "offset", "from"],
        1,
        LINE_MAX,
    )?;
    let end = args.number(&["end_line", "end", "line_end", "to"], 1, LINE_MAX)?;
    let lines = args.number(
        &["lines_max", "limit", "lines", "max_lines", "count"],
        1,
        LINE_MAX,
    )?;
    let by_end = end.map(|end| end.saturating_sub(start.unwrap_or(1)).saturating_add(1));
    Ok(ToolRequest::Read {
        what: ReadOp::Read {
            path,
            start_line: start,
            lines_max: lines.or(by_end),
        },
    })
}

fn search(config: &SessionConfig, args: &mut Args) -> Result<ToolRequest, String> {
    let names = &["pattern", "query", "regex", "text", "search"];
    let pattern = args.need(names)?;
    check("pattern", &pattern, PATTERN_BYTES_MAX)?;
    Ok(ToolRequest::Read {
        what: ReadOp::Search {
            pattern,
            literal: args.flag(&["literal", "fixed_string"])?.unwrap_or(false),
            path: folder(config, args)?,
            glob: args
                .short(&["glob", "include", "file_pattern"], PATTERN_BYTES_MAX)?
                .filter(|g| !g.trim().is_empty()),
            context: args.number(&["context", "context_lines"], 0, 20)?,
        },
    })
}

fn edit(config: &SessionConfig, args: &mut Args) -> Result<ToolRequest, String> {
    let limit = ARGUMENTS_BYTES_MAX;
    if args.take(&["edits", "changes"]).is_some() {
        return Err("one edit per call: give `path`, `search` and `replace`, and call `edit` again for the next".into());
    }
    let given = args.short(PATH, PATH_BYTES_MAX)?;
    let search = args.short(SEARCH, limit)?;
    let replace = args.short(REPLACE, limit)?;
    let content = args.short(CONTENT, limit)?;
    let diff = args.short(DIFF, limit)?;
    let all = args.flag(&["all", "replace_all"])?.unwrap_or(false);
    let delete = args.flag(&["delete", "remove"])?.unwrap_or(false);
    let path = match given.filter(|p| !p.trim().is_empty()) {
        Some(path) => path,
        None => diff
            .as_deref()
            .and_then(path_of_diff)
            .ok_or("`path` is missing")?,
    };
    let path = relative(config, &path)?;
    if path.is_empty() {
        return Err("`path` names the workspace itself: name a file".into());
    }
    let held = [&search, &replace, &content, &diff];
    if held
        .into_iter()
        .flatten()
        .any(|t| t.contains(crate::context::LEFT_OUT))
    {
        return Err(format!(
            "the text holds `{}`, which stands for text that was left out: read the file and write the real text",
            crate::context::LEFT_OUT
        ));
    }
    let search = search.filter(|s| !s.is_empty());
    let edit = match (
        search,
        replace,
        content,
        diff.filter(|d| !d.trim().is_empty()),
    ) {
        (Some(search), Some(replace), None, None) => Edit::Replace {
            search,
            replace,
            all,
        },
        (None, None, Some(content), None) => Edit::Whole { content },
        (None, None, None, Some(diff)) => from_diff(diff, all)?,
        (None, None, None, None) if delete => Edit::Delete,
        (Some(_), None, None, None) => {
            return Err("`replace` is missing: an empty text removes what `search` finds".into());
        }
        (None, Some(_), None, None) => {
            return Err(
                "`search` is missing or empty: to create or rewrite a file, give `content`".into(),
            );
        }
        (None, None, None, None) => {
            return Err(
                "nothing to do: give `search` and `replace`, or `content`, or `diff`".into(),
            );
        }
        _ => {
            return Err(
                "give `search` and `replace`, or `content`, or `diff`: one of the three".into(),
            );
        }
    };
    Ok(ToolRequest::Edit { path, edit })
}

/// The file that a diff names, without the prefixes of git.
fn path_of_diff(diff: &str) -> Option<String> {
    let named = |prefix: &str| {
        let line = diff.lines().find_map(|l| l.strip_prefix(prefix))?;
        let path = line.split('\t').next().unwrap_or(line).trim();
        (path != "/dev/null" && !path.is_empty()).then_some(path)
    };
    let path = named("+++ ").or_else(|| named("--- "))?;
    let path = path
        .strip_prefix("b/")
        .or_else(|| path.strip_prefix("a/"))
        .unwrap_or(path);
    Some(path.to_owned())
}

/// A diff, or one block in the form `<<<<<<< SEARCH … ======= … >>>>>>> REPLACE`.
fn from_diff(diff: String, all: bool) -> Result<Edit, String> {
    let blocks = diff.lines().filter(|l| l.starts_with("<<<<<<<")).count();
    if blocks == 0 || diff.contains("\n@@") {
        return Ok(Edit::Diff { diff });
    }
    if blocks > 1 {
        return Err("one search-and-replace block per call".into());
    }
    let (mut search, mut replace, mut part) = (String::new(), String::new(), 0);
    for line in diff.split_inclusive('\n') {
        match part {
            0 if line.starts_with("<<<<<<<") => part = 1,
            1 if line.starts_with("=======") => part = 2,
            2 if line.starts_with(">>>>>>>") => part = 3,
            1 => search.push_str(line),
            2 => replace.push_str(line),
            _ => {}
        }
    }
    if part != 3 || search.is_empty() {
        return Err(
            "the search-and-replace block is not complete: use `search` and `replace`".into(),
        );
    }
    Ok(Edit::Replace {
        search,
        replace,
        all,
    })
}

fn run(config: &SessionConfig, args: &mut Args) -> Result<ToolRequest, String> {
    let mut cmd = command(args)?;
    let cwd = args.short(&["cwd", "workdir", "working_directory"], PATH_BYTES_MAX)?;
    let cwd = cwd
        .map(|p| relative(config, &p))
        .transpose()?
        .filter(|p| !p.is_empty());
    let ttl_s = args.number(
        &["timeout_s", "timeout", "timeout_seconds", "ttl_s"],
        1,
        3600,
    )?;
    let same = |test: &Vec<String>| {
        // Through the shell or not, it is the same command line.
        *test == cmd || super::command_line(test) == super::command_line(&cmd)
    };
    if cwd.is_none() && config.test.as_ref().is_some_and(same) {
        let cmd = config.test.clone().unwrap_or_default();
        return Ok(ToolRequest::Test { cmd });
    }
    if let Some(cwd) = cwd {
        let mut inner = vec![
            "sh".to_owned(),
            "-c".into(),
            "cd -- \"$1\" && shift && exec \"$@\"".into(),
            "sh".into(),
            cwd,
        ];
        inner.append(&mut cmd);
        cmd = inner;
    }
    Ok(ToolRequest::Run { cmd, ttl_s })
}

fn command(args: &mut Args) -> Result<Vec<String>, String> {
    let names = &["command", "cmd", "argv", "script", "code"];
    let words = |items: &[serde_json::Value]| -> Result<Vec<String>, String> {
        let words: Option<Vec<String>> = items
            .iter()
            .map(|item| match item {
                serde_json::Value::String(s) => Some(s.clone()),
                serde_json::Value::Number(n) => Some(n.to_string()),
                _ => None,
            })
            .collect();
        words.ok_or_else(|| "`command` must be text, or a list of texts".into())
    };
    let mut cmd = match args.take(names) {
        Some(serde_json::Value::String(text)) => match serde_json::from_str(text.trim()) {
            Ok(serde_json::Value::Array(items)) if !items.is_empty() => words(&items)?,
            _ => vec!["sh".into(), "-c".into(), text],
        },
        Some(serde_json::Value::Array(items)) => words(&items)?,
        None => Vec::new(),
        Some(_) => return Err("`command` must be text, or a list of texts".into()),
    };
    match args.take(&["args", "arguments"]) {
        Some(serde_json::Value::Array(items)) => {
            let more = words(&items)?;
            // `command: "pytest", args: ["-q"]` is one command line.
            if cmd.first().is_some_and(|w| w == "sh") && cmd.len() == 3 && !more.is_empty() {
                cmd.drain(..2);
            }
            cmd.extend(more);
        }
        Some(serde_json::Value::String(more)) if cmd.len() == 3 && cmd[0] == "sh" => {
            cmd[2] = format!("{} {more}", cmd[2]);
        }
        _ => {}
    }
    let blank = |word: &String| word.trim().is_empty();
    let shell = cmd.len() == 3 && cmd[..2] == ["sh", "-c"];
    if cmd.iter().all(blank) || (shell && blank(&cmd[2])) {
        return Err("`command` is missing".into());
    }
    if cmd[0].trim().is_empty() {
        return Err("the program's name is empty".into());
    }
    if cmd.len() > WORDS_MAX {
        return Err(format!(
            "the command has {} words; at most {WORDS_MAX} are taken",
            cmd.len()
        ));
    }
    check("command", &cmd.join(" "), COMMAND_BYTES_MAX)?;
    Ok(cmd)
}

fn finish(args: &mut Args) -> Result<ToolRequest, String> {
    let summary = args.text(&[
        "summary",
        "answer",
        "result",
        "message",
        "text",
        "description",
    ])?;
    let title = args.text(&["title", "subject", "name"])?;
    let failed = args.flag(&["impossible", "failed"])?.unwrap_or(false);
    let solved = args.flag(&["solved", "success", "done"])?.unwrap_or(true) && !failed;
    let unrelated_failures = args.flag(&["unrelated_failures"])?.unwrap_or(false);
    let summary = crate::clip::cut_bytes(summary.unwrap_or_default().trim(), SUMMARY_BYTES_MAX);
    let title = title.filter(|t| !t.trim().is_empty());
    let title = title.unwrap_or_else(|| first_sentence(&summary).to_owned());
    if title.trim().is_empty() && summary.is_empty() {
        return Err("`summary` is missing".into());
    }
    Ok(ToolRequest::Finish {
        title: one_line(&title, TITLE_CHARS_MAX),
        summary,
        solved,
        unrelated_failures,
    })
}

/// The first line, to its first full stop.
pub(crate) fn first_sentence(text: &str) -> &str {
    let line = text
        .lines()
        .map(str::trim)
        .find(|l| !l.is_empty())
        .unwrap_or_default();
    line.split(". ")
        .next()
        .unwrap_or(line)
        .trim_end_matches('.')
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
