//! `atoll grant`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use atoll_api::{Commands, Error, GrantView, MintRequest, Minted, Token, codes};
use atoll_domain::{Kind, Ms, Role, Terms};
use atoll_ports::grants::TOKEN_BYTES_MAX;
use clap::{Subcommand, ValueEnum};

use super::code::usd;
use crate::app::{App, env, now, out, say};
use crate::{term, token, ui};

/// Tokens: what others may do here, until when, up to how much.
#[derive(Debug, Subcommand)]
pub enum Grant {
    /// Make a token; it is told this once.
    #[command(
        after_help = "Examples:\n  atoll grant mint --role viewer --ttl 8h\n  atoll grant mint --role agent --ttl 30d --name ci --workspace . --only read,write,run,call --max-cost 2 --out ~/.ci-token\n  ATOLL_TOKEN=$(atoll grant mint --role worker --ttl 1h) ./nightly.sh"
    )]
    Mint(Mint),
    /// Grants: what each is for, what is left of it, when it was used.
    #[command(after_help = "Examples:\n  atoll grant list\n  atoll grant list --json")]
    List,
    /// Make a narrower token of the one in ATOLL_TOKEN, --token-file or on standard input; no node is needed.
    #[command(
        after_help = "Examples:\n  atoll grant attenuate --token-file ~/.ci-token --role viewer --ttl 10m\n  ATOLL_TOKEN=$(atoll grant attenuate --only read --max-cost 0.10) ./report.sh"
    )]
    Attenuate(Attenuate),
    /// End a grant and all that was made of it, at once.
    #[command(
        after_help = "Examples:\n  atoll grant revoke ci\n  atoll grant revoke c3 --why \"left in a log\""
    )]
    Revoke {
        /// Its name, c3, or its id.
        grant: String,
        /// A reason, for the log.
        #[arg(long, default_value = "")]
        why: String,
    },
}

/// What a grant may be limited to.
#[derive(Debug, clap::Args)]
pub struct Limits {
    /// Work in this folder and below alone; more than once for more.
    #[arg(long, value_name = "DIR")]
    workspace: Vec<PathBuf>,
    /// Kinds of actions alone: read, write, run, call, accept, undo.
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    only: Vec<String>,
    /// Reach this host alone, with or without a port; more than once for more.
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// Money at most, in US dollars; also the leave to spend it on model calls.
    #[arg(long, value_name = "USD", value_parser = usd)]
    max_cost: Option<u64>,
    /// Tokens at most, in and out.
    #[arg(long, value_name = "N")]
    max_tokens: Option<u64>,
    /// Jobs and model calls at most.
    #[arg(long, value_name = "N")]
    max_runs: Option<u64>,
    /// Requests within a minute, at most.
    #[arg(long, value_name = "N")]
    rate: Option<u64>,
    /// The longest body of a request, in bytes.
    #[arg(long, value_name = "BYTES")]
    body: Option<u64>,
    /// What it is called.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Write the token into this new file, which you alone can read.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A grant to be minted.
#[derive(Debug, clap::Args)]
pub struct Mint {
    /// What its holder is: owner, operator, agent, viewer, worker.
    #[arg(long, value_enum)]
    role: As,
    /// How long it is good: 90s, 10m, 8h, 30d.
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    ttl: u64,
    #[command(flatten)]
    limits: Limits,
}

/// A narrower one.
#[derive(Debug, clap::Args)]
pub struct Attenuate {
    /// What its holder is; as before if left out.
    #[arg(long, value_enum)]
    role: Option<As>,
    /// How long it is good from now; as before if left out.
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    ttl: Option<u64>,
    #[command(flatten)]
    limits: Limits,
}

/// A role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum As {
    /// All that you may.
    Owner,
    /// Starts, answers, accepts.
    Operator,
    /// Starts agents and jobs.
    Agent,
    /// Looks.
    Viewer,
    /// Runs jobs.
    Worker,
}

impl As {
    fn role(self) -> Role {
        match self {
            As::Owner => Role::Owner,
            As::Operator => Role::Operator,
            As::Agent => Role::Agent,
            As::Viewer => Role::Viewer,
            As::Worker => Role::Worker,
        }
    }
}

/// `90s`, `10m`, `8h`, `30d`, in seconds.
fn ttl(text: &str) -> Result<u64, String> {
    let want = || format!("{text} is no time; write 90s, 10m, 8h or 30d, at most 366d");
    let (at, unit) = text.char_indices().next_back().ok_or_else(want)?;
    let unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(want()),
    };
    let n: u64 = text[..at].parse().map_err(|_| want())?;
    let seconds = n.checked_mul(unit);
    seconds
        .filter(|s| (1..=366 * 86_400).contains(s))
        .ok_or_else(want)
}

fn bad(why: impl Into<String>) -> Error {
    Error::new(codes::GRANT_BAD, why).next("atoll grant attenuate --help")
}

impl Limits {
    /// Folders as they really are: what a link leads to may change.
    fn folders(&self) -> Result<Option<Vec<String>>, Error> {
        let folder = |path: &PathBuf| {
            let real = path
                .canonicalize()
                .map_err(|err| bad(format!("{}: {err}", path.display())))?;
            let text = real.to_str().map(str::to_owned);
            text.ok_or_else(|| bad(format!("{} is no text (UTF-8)", real.display())))
        };
        some(&self.workspace)
            .map(|all| all.iter().map(folder).collect())
            .transpose()
    }
    fn hosts(&self) -> Option<Vec<String>> {
        some(&self.host).map(|all| all.iter().map(|h| h.to_ascii_lowercase()).collect())
    }
}

fn some<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}

pub async fn run(app: &App, grant: Grant) -> Result<u8, Error> {
    let caller = app.caller();
    match grant {
        Grant::Mint(args) => mint(app, args).await,
        Grant::Attenuate(args) => attenuate(app, args),
        Grant::List => {
            let grants = app.node().await?.grants(&caller).await?;
            app.show("grants", &grants, |style| ui::grants(style, &grants, now()))
        }
        Grant::Revoke { grant, why } => {
            app.node()
                .await?
                .grant_revoke(&caller, grant.clone(), why)
                .await?;
            app.show("revoked", &grant, |_| {
                format!(
                    "{} is revoked, with all that was made of it.\n",
                    atoll_domain::Shown::line(&grant)
                )
            })
        }
    }
}

async fn mint(app: &App, args: Mint) -> Result<u8, Error> {
    let limits = &args.limits;
    let request = MintRequest {
        name: limits.name.clone(),
        role: args.role.role(),
        ttl_s: args.ttl,
        kinds: some(&limits.only).map(<[String]>::to_vec),
        workspaces: limits.folders()?,
        hosts: limits.hosts(),
        budget: atoll_domain::Budget {
            micros_max: limits.max_cost,
            tokens_max: limits.max_tokens,
            runs_max: limits.max_runs,
            ..Default::default()
        },
        requests_per_min: limits.rate,
        body_limit_bytes: limits.body,
    };
    let minted = app.node().await?.grant_mint(&app.caller(), request).await?;
    tell(app, &minted.token, limits.out.as_deref(), |app| {
        if app.json {
            return Some(crate::app::json_line(
                "token",
                &told(&minted, limits.out.is_some()),
            ));
        }
        say(&ui::minted(&app.err, &minted.grant));
        None
    })
}

/// What `--json` says: without the token where a file holds it.
fn told(minted: &Minted, kept: bool) -> serde_json::Value {
    let grant: &GrantView = &minted.grant;
    match kept {
        true => serde_json::json!({ "grant": grant }),
        false => serde_json::json!({ "token": minted.token, "grant": grant }),
    }
}

/// Hands a token out: into a file, or alone on standard output.
fn tell(
    app: &App,
    secret: &Token,
    file: Option<&std::path::Path>,
    also: impl FnOnce(&App) -> Option<String>,
) -> Result<u8, Error> {
    if let Some(path) = file {
        token::write(path, secret)?;
    }
    match (also(app), file) {
        (Some(json), _) => out(json.as_bytes()),
        (None, Some(path)) => say(&format!("The token is in {}.\n", path.display())),
        (None, None) => out(format!("{}\n", secret.reveal()).as_bytes()),
    }
    Ok(0)
}

/// The token to narrow: of this command, else on standard input.
fn given(app: &App) -> Result<Token, Error> {
    if let Some(token) = &app.token {
        return Ok(token.clone());
    }
    let none = || {
        bad(
            "there is no token to narrow: set ATOLL_TOKEN, name --token-file, or give it on standard input",
        )
    };
    if app.terminal.stdin {
        return Err(none());
    }
    let text = term::all_input(TOKEN_BYTES_MAX as u64 + 2).ok_or_else(none)?;
    token::checked(&text)
}

fn attenuate(app: &App, args: Attenuate) -> Result<u8, Error> {
    let given = given(app)?;
    let refused = |err: atoll_ports::grants::Error| match err {
        atoll_ports::grants::Error::Wider(wider) => {
            bad(format!("a token can only be narrowed: {wider}"))
        }
        err => Error::new(codes::TOKEN_BAD, err.to_string()).next("atoll grant mint --help"),
    };
    let blocks = atoll_grant::peek(given.reveal()).map_err(refused)?;
    let last = blocks
        .last()
        .ok_or_else(|| bad("a token without a grant"))?;
    let terms = narrowed(&last.terms, &args)?;
    let name = args
        .limits
        .name
        .clone()
        .unwrap_or_else(|| last.name.clone());
    let (id, text) = atoll_grant::attenuate(given.reveal(), &terms, &name).map_err(refused)?;
    let narrow = Token::new(text);
    tell(app, &narrow, args.limits.out.as_deref(), |app| {
        if app.json {
            let mut json = serde_json::json!({ "id": id, "name": name, "terms": terms });
            if args.limits.out.is_none() {
                json["token"] = narrow.reveal().into();
            }
            return Some(crate::app::json_line("token", &json));
        }
        say(&format!("{name}: {}, id {id}\n", ui::terms(&terms, now())));
        None
    })
}

fn narrowed(from: &Terms, args: &Attenuate) -> Result<Terms, Error> {
    let limits = &args.limits;
    let set = |given: Option<Vec<String>>, before: &Option<BTreeSet<String>>| {
        given
            .map(|g| g.into_iter().collect())
            .or_else(|| before.clone())
    };
    let kind = |name: &String| {
        let found = Kind::ALL.into_iter().find(|k| k.name() == name.as_str());
        found.ok_or_else(|| bad(format!("there is no kind of action {name:?}")))
    };
    let kinds: Option<BTreeSet<Kind>> = some(&limits.only)
        .map(|all| all.iter().map(kind).collect())
        .transpose()?;
    let until = |ttl_s| Ms(now().plus_s(ttl_s).0 / 1000 * 1000);
    Ok(Terms {
        role: args.role.map_or(from.role, As::role),
        expires: args.ttl.map_or(from.expires, until),
        kinds: kinds.or_else(|| from.kinds.clone()),
        workspaces: set(limits.folders()?, &from.workspaces),
        hosts: set(limits.hosts(), &from.hosts),
        budget: atoll_domain::Budget {
            micros_max: limits.max_cost.or(from.budget.micros_max),
            tokens_max: limits.max_tokens.or(from.budget.tokens_max),
            ms_max: from.budget.ms_max,
            runs_max: limits.max_runs.or(from.budget.runs_max),
        },
        requests_per_min: limits.rate.unwrap_or(from.requests_per_min),
        body_limit_bytes: limits.body.unwrap_or(from.body_limit_bytes),
    })
}

/// What is done without the node, with the files of whoever types it: not for the bearer of a token, who has that one's
/// rights alone. `None`: nothing of the kind.
pub fn beyond(command: &crate::cli::Command) -> Option<&'static str> {
    use crate::cli::Command as C;
    use crate::commands::{model::Model, policy::Policy};
    match command {
        C::Up(_) | C::Restart => Some("starting a node"),
        C::Config(_) => Some("settings"),
        C::Policy(Policy::Show { .. }) => None,
        C::Policy(_) => Some("the rules and their files"),
        C::Model(Model::List | Model::Test { .. }) => None,
        C::Model(_) => Some("models on this machine"),
        C::Try(_) => Some("trying a model"),
        _ => None,
    }
}

/// Refuses what a token is not for.
pub fn within(app: &App, command: Option<&crate::cli::Command>) -> Result<(), Error> {
    match command.filter(|_| app.token.is_some()).and_then(beyond) {
        None => Ok(()),
        Some(what) => {
            let from = if env("ATOLL_TOKEN").is_some() {
                "ATOLL_TOKEN"
            } else {
                "--token-file"
            };
            Err(
                Error::new(codes::TOKEN_ROLE, format!("a token is not for {what}"))
                    .next(format!("without {from} it is your own command")),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_and_an_end() {
        assert_eq!(ttl("90s"), Ok(90));
        assert_eq!(ttl("8h"), Ok(28_800));
        assert_eq!(ttl("366d"), Ok(366 * 86_400));
        for bad in [
            "",
            "8",
            "0s",
            "367d",
            "h",
            "-1h",
            "1w",
            "99999999999999999999d",
        ] {
            assert!(ttl(bad).is_err(), "{bad}");
        }
    }
}
