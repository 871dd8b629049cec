//! What `atoll exec` is told, and what it asks the node for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use atoll_api::{Error, ExecRequest, codes};
use atoll_domain::{HostPort, JobSecret, Tty};

use super::code::{Ask, on_ask, root, seconds};
use crate::app::{App, env, say};

/// A Python program's length, in bytes.
const PYTHON_BYTES_MAX: u64 = 100 << 10;
/// Runs a command in the sandbox, on a private copy of the folder. Its output streams, its exit code is
/// passed on (125 to 127 are Atoll's own), and only the artifacts that are named survive.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  atoll exec -- make test\n  atoll exec --fetch -- cargo test\n  atoll exec --artifact 'dist/*.whl' --save out -- python3 -m build\n  atoll exec --net example.org:443 -- curl -sS https://example.org\n  atoll exec --secret npm.token -- npm publish --dry-run\n  atoll exec --python report.py -- --month 11"
)]
pub struct Args {
    /// The command and its arguments, after --.
    #[arg(last = true, value_name = "CMD")]
    pub(super) cmd: Vec<String>,
    /// The workspace; its copy is what the command sees.
    #[arg(long, value_name = "DIR", default_value = ".")]
    repo: PathBuf,
    /// Run this Python program; what stands after -- are its arguments.
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// First fetch what a lock file names and this machine lacks; asks first.
    #[arg(long)]
    fetch: bool,
    /// A host that it may reach, host:port; asks first.
    #[arg(long = "net", value_name = "HOST:PORT", value_parser = host)]
    net: Vec<HostPort>,
    /// Files to keep, as a glob relative to the folder.
    #[arg(long = "artifact", value_name = "GLOB")]
    artifacts: Vec<String>,
    /// Write the kept files below this folder.
    #[arg(long, value_name = "DIR", requires = "artifacts")]
    pub(super) save: Option<PathBuf>,
    /// A variable of its environment; without a value, yours.
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    vars: Vec<(String, Option<String>)>,
    /// A secret of the vault, and the variable that holds it there: npm.token is in NPM_TOKEN, or in the one you name.
    #[arg(long = "secret", value_name = "NAME[=VARIABLE]", value_parser = secret)]
    pub(super) secrets: Vec<JobSecret>,
    /// Wall time at most: 90s, 10m, 2h.
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    time: Option<u64>,
    /// Memory at most, in MiB.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(16..=1 << 20))]
    memory: Option<u64>,
    /// Give it a terminal; by itself if this is one.
    #[arg(short, long)]
    tty: bool,
    /// Give it no terminal.
    #[arg(short = 'T', long, conflicts_with = "tty")]
    no_tty: bool,
    /// What a question becomes: wait on a terminal, else deny.
    #[arg(long, value_enum, env = "ATOLL_ON_ASK", value_name = "WHAT")]
    on_ask: Option<Ask>,
}

fn host(text: &str) -> Result<HostPort, String> {
    text.parse().map_err(|why: &str| why.to_owned())
}

fn secret(text: &str) -> Result<JobSecret, String> {
    text.parse().map_err(|why: &str| why.to_owned())
}

fn variable(text: &str) -> Result<(String, Option<String>), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(fine) {
        return Err("write NAME=VALUE, or NAME; a name has letters, digits and _".into());
    }
    if value.as_ref().is_some_and(|v| v.contains('\0')) {
        return Err("a value holds no NUL".into());
    }
    Ok((name.to_owned(), value))
}

/// The variables that were named. Nothing else of the caller's environment goes into the box.
fn variables(
    named: &[(String, Option<String>)],
    env: &dyn Fn(&str) -> Option<std::ffi::OsString>,
) -> Result<BTreeMap<String, String>, Error> {
    let mut vars = BTreeMap::new();
    for (name, value) in named {
        let value = match value {
            Some(value) => value.clone(),
            None => {
                let bad = |why: &str| {
                    Error::new(codes::USAGE, format!("--env {name}: {why}"))
                        .next(format!("--env {name}=VALUE"))
                };
                let value = env(name).ok_or_else(|| bad("it is not set here"))?;
                value
                    .into_string()
                    .map_err(|_| bad("its value is no UTF-8"))?
            }
        };
        vars.insert(name.clone(), value);
    }
    Ok(vars)
}

/// Whether a name is one that secrets go by.
pub(super) fn secretive(name: &str) -> bool {
    const WHOLE: [&str; 5] = ["AUTH", "CREDENTIAL", "CREDENTIALS", "KEY", "PASS"];
    const ENDS: [&str; 4] = ["PASSWD", "PASSWORD", "SECRET", "TOKEN"];
    let name = name.to_ascii_uppercase();
    name.split('_')
        .any(|word| WHOLE.contains(&word) || ENDS.iter().any(|end| word.ends_with(end)))
}

/// A command, or the words for a program that is handed over: its name and text.
type Words = (Vec<String>, Option<(String, String)>);

/// A program in the workspace is run where it lies; another is handed over.
fn python(args: &Args, root: &str) -> Result<Words, Error> {
    let Some(file) = &args.python else {
        return Ok((args.cmd.clone(), None));
    };
    let bad = |why: String| {
        Error::new(codes::USAGE, "the program can't be read")
            .found(format!("{}: {why}", file.display()))
    };
    let path = file.canonicalize().map_err(|err| bad(err.to_string()))?;
    if let Some(text) = path.to_str()
        && path.starts_with(root)
    {
        let cmd = ["python3".to_owned(), text.to_owned()];
        return Ok((
            cmd.into_iter().chain(args.cmd.iter().cloned()).collect(),
            None,
        ));
    }
    let length = std::fs::metadata(&path)
        .map_err(|err| bad(err.to_string()))?
        .len();
    if length > PYTHON_BYTES_MAX {
        return Err(bad(format!(
            "it has more than {PYTHON_BYTES_MAX} bytes; put it into the workspace"
        )));
    }
    let code = std::fs::read_to_string(&path).map_err(|err| bad(err.to_string()))?;
    Ok((args.cmd.clone(), Some((file.display().to_string(), code))))
}

/// What the node is asked for.
pub(super) fn request(app: &App, args: &Args) -> Result<ExecRequest, Error> {
    let root = root(&args.repo)?;
    let (cmd, python) = python(args, &root)?;
    if cmd.is_empty() && python.is_none() {
        return Err(
            Error::new(codes::USAGE, "there is no command to run").next("atoll exec -- make test")
        );
    }
    let here = std::env::current_dir()
        .ok()
        .and_then(|d| d.canonicalize().ok());
    let cwd = here
        .and_then(|d| d.to_str().map(str::to_owned))
        .unwrap_or_else(|| root.clone());
    let terminal = app.terminal.stdin && app.terminal.stdout && !app.json;
    let tty = (args.tty || (terminal && !args.no_tty)).then_some(Tty {
        cols: app.terminal.size.0,
        rows: app.terminal.size.1,
    });
    let mut vars = variables(&args.vars, &|name| std::env::var_os(name))?;
    for name in vars.keys().filter(|name| secretive(name)) {
        say(&format!(
            "note    {name} looks like a secret: it is part of what is asked and allowed, so the log keeps it (--secret gives one that it doesn't)\n"
        ));
    }
    if tty.is_some() {
        vars.entry("TERM".into())
            .or_insert_with(|| env("TERM").unwrap_or_else(|| "xterm".into()));
    }
    Ok(ExecRequest {
        root,
        cwd,
        cmd,
        python,
        stdin: true,
        tty,
        fetch: args.fetch,
        net: args.net.clone(),
        artifacts: args.artifacts.clone(),
        env: vars,
        secrets: args.secrets.clone(),
        ttl_s: args.time,
        memory_bytes: args.memory.map(|mib| mib << 20),
        // Without a host nothing is asked by the profiles: then it need not be said either.
        on_ask: match (
            args.on_ask,
            args.net.is_empty() && !args.fetch && !(app.terminal.stdin && app.terminal.stderr),
        ) {
            (None, true) => atoll_api::OnAsk::Deny,
            (given, _) => on_ask(app, given),
        },
        home: app.paths.home.display().to_string(),
        path: env("PATH").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_hosts_are_checked() {
        assert_eq!(variable("A=b=c"), Ok(("A".into(), Some("b=c".into()))));
        assert_eq!(variable("A"), Ok(("A".into(), None)));
        for bad in ["", "=b", "A B=c", "A B", "A=\0"] {
            assert!(variable(bad).is_err(), "{bad}");
        }
        let named = [("A".into(), None), ("B".into(), Some("x".into()))];
        let env = |name: &str| (name == "A").then(|| "mine".into());
        let vars = variables(&named, &env).unwrap();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(vars, BTreeMap::from([pair("A", "mine"), pair("B", "x")]));
        assert!(variables(&[("C".into(), None)], &env).is_err());
        let names = ["FOO_TOKEN", "aws_secret_access_key", "PGPASSWORD", "MONKEY"];
        assert_eq!(names.map(secretive), [true, true, true, false]);
        assert!(host("example.org").is_err());
    }
}
