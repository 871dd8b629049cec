//! Figures of a workspace of many files: `cargo run --release -p atoll-workspace
//! --example workspace_figures [FILES]`. One line per step, in milliseconds.
#![allow(
    clippy::disallowed_methods,
    reason = "a measuring program, never shipped"
)]

use std::error::Error;
use std::time::Instant;

use atoll_domain::action::Snap;
use atoll_domain::{SessionId, Tick};
use atoll_ports::Workspaces as _;
use atoll_workspace::{Options, Workspaces};
use testkit::permits::{guard, permit};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let files: usize = std::env::args().nth(1).map_or(Ok(5000), |n| n.parse())?;
    let t = tempfile::tempdir()?;
    let root = t.path().join("w");
    for n in 0..files {
        let folder = root.join(format!("d{}/e{}", n % 50, n % 7));
        std::fs::create_dir_all(&folder)?;
        let line = format!("line of file {n}, some text to compress\n");
        std::fs::write(folder.join(format!("f{n}.rs")), line.repeat(20 + n % 200))?;
    }
    // Past the window in which a fresh file's stat is not trusted.
    std::thread::sleep(std::time::Duration::from_millis(100));
    let workspaces = Workspaces::open(Options::new(t.path().join("data")))?;
    let (guard, _) = guard();
    let found = workspaces.identify(&root)?;
    let (workspace, root) = (found.workspace, found.root);
    let session = SessionId::derive(&[b"figures"]);
    let mut tree = None;
    for step in [
        "snapshot, first",
        "snapshot, unchanged",
        "snapshot, unchanged",
    ] {
        let act = Snap {
            workspace,
            root: root.clone(),
        };
        let permit = permit(&guard, act).await;
        let start = Instant::now();
        let (live, taken) = workspaces.snapshot(permit, Tick(1)).await?;
        println!("{step}: {:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
        drop(live.finish(atoll_guard::End::done()));
        tree = Some(taken?.tree);
    }
    let tree = tree.ok_or("no snapshot")?;
    let start = Instant::now();
    let copy = workspaces
        .checkout(session, workspace, &root, &tree, None)
        .await?;
    println!(
        "copy with its .git: {:.1} ms",
        start.elapsed().as_secs_f64() * 1000.0
    );
    for step in ["capture, first", "capture, unchanged"] {
        let start = Instant::now();
        workspaces.capture(session).await?;
        println!("{step}: {:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
    }
    std::fs::write(format!("{}/d1/e1/f1.rs", copy.host), "changed")?;
    let start = Instant::now();
    workspaces.capture(session).await?;
    println!(
        "capture, one file changed: {:.1} ms",
        start.elapsed().as_secs_f64() * 1000.0
    );
    let start = Instant::now();
    workspaces
        .checkout(session, workspace, &root, &tree, None)
        .await?;
    println!(
        "brought back: {:.1} ms",
        start.elapsed().as_secs_f64() * 1000.0
    );
    let start = Instant::now();
    workspaces.remove(session)?;
    println!("removed: {:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
    Ok(())
}
