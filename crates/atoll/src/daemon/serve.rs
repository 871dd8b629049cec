//! Being the node.

use std::io::Write;
use std::sync::Arc;

use atoll_api::{Error, codes};
use atoll_node::Node;
use tokio::signal::unix::{SignalKind, signal};

use super::record::Record;
use crate::app::say;
use crate::commands::up::Args;
use crate::paths::Paths;
use crate::wiring;

/// Threads for the node's tasks: it waits far more than it works.
const WORKERS: usize = 2;
/// Threads for blocking file work.
const BLOCKING_MAX: usize = 16;

/// Runs the node until it is told to end; the exit code. Must be called before any thread is started:
/// the sandbox's spawner is made first.
pub fn run(paths: &Paths, args: &Args) -> u8 {
    let outcome = run_inner(paths, args);
    let Err(err) = outcome else { return 0 };
    if args.background {
        // Whoever started it reads this line.
        println!("{}", serde_json::to_string(&err).unwrap_or_default());
    } else {
        say(&crate::ui::error(&crate::ui::Style::PLAIN, &err));
    }
    err.exit
}

fn run_inner(paths: &Paths, args: &Args) -> Result<(), Error> {
    if args.background {
        let _ = rustix::process::setsid(); // a leader of its own already
    }
    words(paths, args.background)?;
    crate::private::no_dumps()?;
    let store = wiring::store(paths)?;
    let runner = wiring::runner(paths)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_MAX)
        .enable_all()
        .build()
        .map_err(|err| Error::new(codes::BUG, format!("no runtime: {err}")))?;
    let adapters = wiring::adapters(paths, store, runner)?;
    let done = runtime.block_on(serve(paths, args, adapters));
    runtime.shutdown_timeout(std::time::Duration::from_secs(3));
    done
}

async fn serve(paths: &Paths, args: &Args, adapters: atoll_node::Adapters) -> Result<(), Error> {
    let uid = rustix::process::getuid().as_raw();
    let listener = atoll_http::bind(&paths.run, uid).map_err(|err| {
        let code = match &err {
            atoll_http::BindError::Folder { .. } => codes::NODE_STRANGER,
            atoll_http::BindError::Taken(_) => codes::STORE_LOCKED,
            _ => codes::STORE_UNUSABLE,
        };
        Error::new(code, "the node's socket can't be made")
            .found(err.to_string())
            .next("atoll doctor")
    })?;
    let node = Node::start(adapters).await?;
    let door = tokio::spawn({
        let (commands, stop) = (Arc::new(node.clone()), node.downing());
        async move {
            atoll_http::serve(
                listener,
                commands,
                uid,
                async move { stop.cancelled().await },
            )
            .await
        }
    });
    up(paths, args);
    node.run(reason(args.foreground, args.lifeline)).await;
    let _ = door.await; // it was told to stop
    let _ = std::fs::metadata(paths.socket()).map(|_| remove_socket(paths));
    Ok(())
}

#[allow(
    clippy::disallowed_methods,
    reason = "the node's own socket, while it holds the data directory's lock"
)]
fn remove_socket(paths: &Paths) {
    let _ = std::fs::remove_file(paths.socket()); // a stale one is taken away by the next node
}

fn up(paths: &Paths, args: &Args) {
    if args.background {
        println!("ready");
        let _ = std::io::stdout().flush(); // whoever started it may be gone
    } else {
        say(&format!(
            "node up, pid {}, {}\n",
            std::process::id(),
            paths.socket().display()
        ));
    }
}

/// What it says goes to standard error by hand, else to its own bounded file.
fn words(paths: &Paths, background: bool) -> Result<(), Error> {
    use tracing_subscriber::EnvFilter;
    let wanted =
        crate::app::env("ATOLL_LOG").unwrap_or_else(|| "warn,atoll=info,atoll_node=info".into());
    let filter = EnvFilter::try_new(&wanted).map_err(|err| {
        Error::new(codes::CONFIG, "ATOLL_LOG can't be understood").found(format!("{wanted}: {err}"))
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false);
    if background {
        let path = paths.node_log();
        let record = Record::at(&path).map_err(|err| {
            Error::new(codes::STORE_UNUSABLE, format!("{}: {err}", path.display()))
                .next("atoll doctor")
        })?;
        builder.with_writer(move || record.clone()).init();
    } else {
        builder.with_writer(std::io::stderr).init();
    }
    Ok(())
}

/// Why it is to end: a signal, or its lifeline's end.
async fn reason(foreground: bool, lifeline: bool) -> &'static str {
    let watch = |kind| signal(kind).ok();
    let (mut term, mut int, mut hup) = (
        watch(SignalKind::terminate()),
        watch(SignalKind::interrupt()),
        watch(SignalKind::hangup()),
    );
    let ended = tokio::task::spawn_blocking(move || {
        if lifeline {
            let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        }
    });
    let lifeline_gone = async {
        match lifeline {
            true => drop(ended.await),
            false => std::future::pending().await,
        }
    };
    tokio::select! {
        () = seen(term.as_mut(), true) => "signal",
        () = seen(int.as_mut(), foreground) => "signal",
        () = seen(hup.as_mut(), foreground) => "signal",
        () = lifeline_gone => "idle",
    }
}

async fn seen(signal: Option<&mut tokio::signal::unix::Signal>, counts: bool) {
    if let Some(signal) = signal {
        loop {
            if signal.recv().await.is_none() || counts {
                return;
            }
        }
    }
    std::future::pending().await
}
