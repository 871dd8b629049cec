//! Programs that start others: where in their arguments the next one stands.

use super::Parts;

type Word = Option<String>;

/// Short options with a value of their own, by program; what follows the options is a command line.
const STARTERS: [(&str, &str, usize); 24] = [
    // (program, options with a value, operands before the command)
    ("builtin", "", 0),
    ("chroot", "", 1),
    ("chrt", "TPD", 1),
    ("command", "", 0),
    ("coproc", "", 0),
    ("doas", "uC", 0),
    ("exec", "a", 0),
    ("flock", "wE", 1),
    ("ionice", "cnpPu", 0),
    ("ltrace", "aeolnpsu", 0),
    ("nice", "n", 0),
    ("nohup", "", 0),
    ("parallel", "jnNILaS", 0),
    ("prlimit", "", 0),
    ("setsid", "", 0),
    ("stdbuf", "ioe", 0),
    ("strace", "aeoOpPsSuUX", 0),
    ("sudo", "ugCDhprtTR", 0),
    ("taskset", "", 1),
    ("time", "fo", 0),
    ("timeout", "sk", 1),
    ("unshare", "SGRw", 0),
    ("watch", "nq", 0),
    ("xargs", "InPLdasE", 0),
];

const SHELLS: [&str; 8] = ["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "rbash"];

/// Looks through `program`, if it is one that starts others.
pub(super) fn through(parts: &mut Parts, program: &str, args: &[Word], depth: usize) {
    match program {
        _ if SHELLS.contains(&program) => shell(parts, args, depth),
        "su" | "script" => shell_option(parts, args, depth),
        "eval" => joined(parts, args, depth),
        "ssh" => parts.unclear = true,
        // What is typed later may mean something else than it says.
        "alias" => parts.unclear |= !args.is_empty(),
        "trap" => match args.iter().find(|arg| arg.as_deref() != Some("--")) {
            Some(Some(action)) => parts.script(action, depth),
            Some(None) => parts.unclear = true,
            None => {}
        },
        "env" => env(parts, args, depth),
        "find" | "fd" => find(parts, args, depth),
        "busybox" | "toybox" => parts.command(args.to_vec(), depth + 1),
        _ => {
            let Some((_, takes, operands)) = STARTERS.iter().find(|(name, ..)| *name == program)
            else {
                return;
            };
            for begin in begins(args, takes, *operands) {
                parts.command(args[begin..].to_vec(), depth + 1);
            }
            if program == "watch" || program == "flock" {
                shell_option(parts, args, depth);
                operands_joined(parts, args, takes, depth);
            }
        }
    }
}

/// Where the command may begin behind options and operands. More than one place where a long option's value can't be
/// told from an operand: each is looked at.
fn begins(args: &[Word], takes: &str, operands: usize) -> Vec<usize> {
    let (mut at, mut maybe) = (0, false);
    while let Some(Some(arg)) = args.get(at) {
        if arg == "--" {
            at += 1;
            break;
        }
        let Some(flags) = arg.strip_prefix('-').filter(|flags| !flags.is_empty()) else {
            break;
        };
        if let Some(long) = flags.strip_prefix('-') {
            maybe |= !long.contains('=');
            at += 1;
            continue;
        }
        // The value is the rest of the word, or the next one.
        let value = flags.char_indices().find(|(_, c)| takes.contains(*c));
        at += match value {
            Some((place, c)) if place + c.len_utf8() == flags.len() => 2,
            _ => 1,
        };
    }
    let at = at + operands;
    let places = at..=at + usize::from(maybe);
    places.filter(|at| *at < args.len()).collect()
}

/// `sh -c TEXT`; a script's file is a program as any; without either it reads its standard input.
fn shell(parts: &mut Parts, args: &[Word], depth: usize) {
    let mut text = false;
    for arg in args {
        let Some(arg) = arg else {
            parts.unclear = true;
            return;
        };
        match arg.strip_prefix('-').or_else(|| arg.strip_prefix('+')) {
            Some("-" | "") if !text => continue,
            Some(long) if long.starts_with('-') => continue,
            Some(flags) if !text || flags.chars().all(char::is_alphabetic) => {
                text |= flags.contains('c');
                parts.unclear |= flags.contains('s') && !text;
            }
            _ if text => return parts.script(arg, depth),
            _ => return, // a file
        }
    }
    parts.unclear = true;
}

/// `su -c TEXT`, `flock FILE -c TEXT`.
fn shell_option(parts: &mut Parts, args: &[Word], depth: usize) {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_deref() {
            Some("-c" | "--command") => match args.next() {
                Some(Some(text)) => parts.script(text, depth),
                _ => parts.unclear = true,
            },
            _ => continue,
        }
    }
}

/// Arguments that become one text.
fn joined(parts: &mut Parts, args: &[Word], depth: usize) {
    match args.iter().cloned().collect::<Option<Vec<String>>>() {
        Some(words) => parts.script(&words.join(" "), depth),
        None => parts.unclear = true,
    }
}

/// The operands of `watch` become one text.
fn operands_joined(parts: &mut Parts, args: &[Word], takes: &str, depth: usize) {
    for begin in begins(args, takes, 0) {
        joined(parts, &args[begin..], depth);
    }
}

fn env(parts: &mut Parts, args: &[Word], depth: usize) {
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        let Some(arg) = arg else {
            parts.unclear = true;
            return;
        };
        let split = arg
            .strip_prefix("-S")
            .or_else(|| arg.strip_prefix("--split-string="));
        if let Some(text) = split.or_else(|| (arg == "--split-string").then_some("")) {
            let rest = match text {
                "" => args[at + 1..].to_vec(),
                text => [&[Some(text.to_owned())], &args[at + 1..]].concat(),
            };
            return joined(parts, &rest, depth);
        }
        at += match arg.as_str() {
            "-u" | "-C" | "--unset" | "--chdir" => 2,
            option if option.starts_with('-') => 1,
            variable if variable.contains('=') => 1,
            _ => break,
        };
    }
    if at < args.len() {
        parts.command(args[at..].to_vec(), depth + 1);
    }
}

/// `-exec PROGRAM … ;` and its like.
fn find(parts: &mut Parts, args: &[Word], depth: usize) {
    const EXECS: [&str; 8] = [
        "-exec",
        "-execdir",
        "-ok",
        "-okdir",
        "-x",
        "--exec",
        "-X",
        "--exec-batch",
    ];
    for (at, arg) in args.iter().enumerate() {
        if arg.as_deref().is_some_and(|arg| EXECS.contains(&arg)) {
            let rest = &args[at + 1..];
            let end = rest
                .iter()
                .position(|arg| arg.as_deref().is_some_and(|arg| matches!(arg, ";" | "+")));
            parts.command(rest[..end.unwrap_or(rest.len())].to_vec(), depth + 1);
        }
    }
}
