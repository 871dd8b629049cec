//! The node's memory: idle, and with many sessions at once.

use super::{Bench, Context, Error, Reach, Row, built};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const BENCH: Bench = Bench {
    name: "node",
    about: "the node's resident memory, idle and with 50 sessions at once",
    slow: false,
    measure,
};

const COMMAND: &str = "./dev bench node";
const SESSIONS: usize = 50;

/// A process that is ended when it goes.
pub struct Running(Child);

impl Running {
    /// What of it is in memory, in MB.
    pub fn rss_mb(&self) -> Result<f64, Error> {
        rss_mb(self.0.id())
    }
}

/// A node with that home.
pub fn start(atoll: &Path, home: &Path) -> Result<Running, Error> {
    let node = Command::new(atoll)
        .args(["up", "--foreground"])
        .env("ATOLL_HOME", home)
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Running(node))
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}

fn rss_mb(pid: u32) -> Result<f64, Error> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|l| l.starts_with("VmRSS:"))
        .ok_or("no VmRSS")?;
    let kb: f64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
    Ok(kb / 1024.0)
}

fn measure(context: &Context) -> Result<Vec<Row>, Error> {
    let release = built::release(context, &["-p", "testkit", "--examples"])?;
    let home = std::env::temp_dir().join(format!("atoll-bench-{}", std::process::id()));
    let done = with_home(&release, &home);
    let _ = std::fs::remove_dir_all(&home); // a temporary folder
    done
}

fn with_home(release: &Path, home: &Path) -> Result<Vec<Row>, Error> {
    let repo = home.join("repo");
    std::fs::create_dir_all(&repo)?;
    std::fs::write(repo.join("README.md"), "a small project\n")?;
    let (_server, url) = provider(release, home)?;
    std::fs::create_dir_all(home.join("config"))?;
    let config = format!(
        "[model]\ndefault = \"mine/scripted\"\n[providers.mine]\nbase_url = \"{url}\"\nmodels = [{{ name = \"scripted\" }}]\n"
    );
    std::fs::write(home.join("config/config.toml"), config)?;
    let node = start(&release.join("atoll"), home)?;
    std::thread::sleep(Duration::from_secs(10));
    let idle = rss_mb(node.0.id())?;
    let most = sessions(release, home, &repo, node.0.id())?;
    Ok(vec![
        Row::alone(
            "node, resident, idle after 10 s",
            idle,
            "MB",
            Reach::AtMost(30.0),
            COMMAND,
        ),
        Row::alone(
            &format!("node, resident, {SESSIONS} sessions of one turn at once"),
            most,
            "MB",
            Reach::AtMost(100.0),
            COMMAND,
        ),
    ])
}

/// A provider that answers everything with one text.
fn provider(release: &Path, home: &Path) -> Result<(Running, String), Error> {
    let script = home.join("replies.ndjson");
    std::fs::write(
        &script,
        "{\"content\":\"Nothing needs to change.\"}\n".repeat(SESSIONS * 4),
    )?;
    let mut child = Command::new(release.join("examples/scripted-server"))
        .arg(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().ok_or("no output")?;
    let server = Running(child);
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    let url = line
        .split_whitespace()
        .find(|w| w.starts_with("http://"))
        .ok_or("the server named no address")?;
    Ok((server, url.to_owned()))
}

/// The most memory while the sessions work.
fn sessions(release: &Path, home: &Path, repo: &Path, pid: u32) -> Result<f64, Error> {
    let start = |_| {
        Command::new(release.join("atoll"))
            .args(["code", "--plan", "--on-ask", "deny", "what is this?"])
            .current_dir(repo)
            .env("ATOLL_HOME", home)
            .env_remove("CI")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Running)
    };
    let mut running = (0..SESSIONS).map(start).collect::<Result<Vec<_>, _>>()?;
    let (mut most, began) = (0.0f64, Instant::now());
    while !running.is_empty() {
        most = most.max(rss_mb(pid)?);
        let mut failed = 0;
        running.retain_mut(|r| match r.0.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                failed += usize::from(!status.success());
                false
            }
            Err(_) => false,
        });
        if failed > 0 {
            return Err("a session failed, so the figure says nothing".into());
        }
        if began.elapsed() > Duration::from_secs(120) {
            return Err("the sessions did not end".into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(most)
}
