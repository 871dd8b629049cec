//! The redaction on its labelled corpus, beside gitleaks on the same files.

use super::example::{figure, figures};
use super::{Bench, Context, Error, Reach, Row};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const BENCH: Bench = Bench {
    name: "redact",
    about: "what the redaction finds, and how fast; peer: gitleaks",
    slow: false,
    measure,
};

const COMMAND: &str = "./dev bench redact";
const PEER: &str = "github.com/zricethezav/gitleaks/v8@v8.30.1";
/// Below this there is no comparing times.
const PEER_SECONDS_MIN: f64 = 0.01;

fn measure(context: &Context) -> Result<Vec<Row>, Error> {
    let dir = context.root.join("target/redact");
    std::fs::create_dir_all(&dir)?;
    let texts = context.root.join("crates");
    let words = [dir.to_string_lossy(), texts.to_string_lossy()];
    let all = figures(
        context,
        "atoll-redact",
        "redact_figures",
        &[&words[0], &words[1]],
    )?;
    let mut rows = alone(&all)?;
    let peer = match peer(&dir) {
        Ok(peer) => Some(peer),
        Err(why) => {
            eprintln!("SKIPPED the peer of redact: {why}");
            None
        }
    };
    let theirs = |of: fn(&Peer) -> Tally| peer.as_ref().map(of);
    rows.extend(found(&all, "tuned", "tuned on", theirs(|peer| peer.tuned))?);
    rows.extend(found(
        &all,
        "held_out",
        "held out",
        theirs(|peer| peer.held_out),
    )?);
    if let Some(peer) = peer {
        rows.push(Row::against(
            "CPU time over the corpus; peer: gitleaks dir, its start not counted",
            (figure(&all, "corpus_seconds")?, peer.seconds),
            "s",
            Reach::AtMost(0.5),
            COMMAND,
        ));
    }
    Ok(rows)
}

/// What has no peer.
fn alone(all: &Value) -> Result<Vec<Row>, Error> {
    let at = |part: &str, name: &str| figure(&all[part], name);
    let row = |name: &str, ours: f64, unit: &str, reach: Reach| {
        Row::alone(&format!("redaction: {name}"), ours, unit, reach, COMMAND)
    };
    let (speed, recall, precision) = (
        Reach::AtLeast(100.0),
        Reach::AtLeast(98.0),
        Reach::AtLeast(90.0),
    );
    Ok(vec![
        row(
            "this project's sources, one core's time",
            figure(all, "texts_mb_per_s")?,
            "MB/s",
            speed,
        ),
        row(
            "hard negatives (lock files, minified code, …)",
            figure(all, "plain_mb_per_s")?,
            "MB/s",
            speed,
        ),
        row(
            "memory, after the first text",
            at("first_use", "mb")?,
            "MB",
            Reach::AtMost(8.0),
        ),
        row(
            "memory, after texts that met every rule",
            figure(all, "warm_mb")?,
            "MB",
            Reach::AtMost(64.0),
        ),
        row(
            "cards, IBANs, e-mail, phone: recall",
            100.0 * at("personal", "recall")?,
            "%",
            recall,
        ),
        row(
            "cards, IBANs, e-mail, phone: precision",
            100.0 * at("personal", "precision")?,
            "%",
            precision,
        ),
    ])
}

/// Recall and precision over a part of the corpus, alone and beside the peer's.
fn found(all: &Value, part: &str, said: &str, theirs: Option<Tally>) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for (what, least, their) in [
        ("recall", 98.0, theirs.map(Tally::recall)),
        ("precision", 90.0, theirs.map(Tally::precision)),
    ] {
        let ours = 100.0 * figure(&all[part], what)?;
        let name = format!("secrets, kinds and places {said}: {what}");
        rows.push(Row::alone(&name, ours, "%", Reach::AtLeast(least), COMMAND));
        if let Some(their) = their {
            let name = format!("{name}; peer: gitleaks");
            rows.push(Row::against(
                &name,
                (ours, 100.0 * their),
                "%",
                Reach::AtLeast(1.0),
                COMMAND,
            ));
        }
    }
    Ok(rows)
}

/// What gitleaks found in the corpus.
struct Peer {
    tuned: Tally,
    held_out: Tally,
    seconds: f64,
}

#[derive(Clone, Copy, Default)]
struct Tally {
    planted: usize,
    found: usize,
    finds: usize,
    right: usize,
}

impl Tally {
    fn recall(self) -> f64 {
        self.found as f64 / self.planted.max(1) as f64
    }

    fn precision(self) -> f64 {
        self.right as f64 / self.finds.max(1) as f64
    }
}

fn peer(dir: &Path) -> Result<Peer, Error> {
    let binary = installed(dir)?;
    let (empty, corpus, report) = (
        dir.join("empty"),
        dir.join("corpus"),
        dir.join("report.json"),
    );
    std::fs::create_dir_all(&empty)?;
    let start = run(&binary, &empty, &report)?;
    let whole = run(&binary, &corpus, &report)?;
    let finds: Vec<Value> = serde_json::from_slice(&std::fs::read(&report)?)?;
    let labels: Vec<Value> = serde_json::from_slice(&std::fs::read(dir.join("labels.json"))?)?;
    let (mut tuned, mut held_out) = (Tally::default(), Tally::default());
    for label in &labels {
        let path = label["path"].as_str().unwrap_or_default();
        let secrets: Vec<&str> = finds
            .iter()
            .filter(|f| {
                f["File"]
                    .as_str()
                    .is_some_and(|file| file.ends_with(&format!("/corpus/{path}")))
            })
            .filter_map(|f| f["Secret"].as_str())
            .collect();
        let held = label["held_out"].as_bool() == Some(true);
        tally(
            if held { &mut held_out } else { &mut tuned },
            label,
            &secrets,
        );
    }
    Ok(Peer {
        tuned,
        held_out,
        seconds: (whole - start).max(PEER_SECONDS_MIN),
    })
}

/// One file. The peer is scored kindly: half of a secret is a secret found, and one that several rules find counts once.
fn tally(tally: &mut Tally, label: &Value, secrets: &[&str]) {
    let planted = label["planted"].as_array().into_iter().flatten();
    let planted: Vec<&str> = planted.filter_map(|p| p["secret"].as_str()).collect();
    let meets = |find: &str, secret: &str| {
        find.contains(secret) || secret.contains(find) && find.len() * 2 >= secret.len()
    };
    tally.planted += planted.len();
    tally.found += planted
        .iter()
        .filter(|secret| secrets.iter().any(|find| meets(find, secret)))
        .count();
    let distinct: BTreeSet<&str> = secrets
        .iter()
        .map(|find| {
            planted
                .iter()
                .copied()
                .find(|secret| secret.contains(find) || find.contains(secret))
                .unwrap_or(find)
        })
        .collect();
    tally.finds += distinct.len();
    tally.right += distinct
        .iter()
        .filter(|find| planted.contains(find))
        .count();
}

/// Where the peer is: on PATH, or installed by Go into the target folder.
fn installed(dir: &Path) -> Result<PathBuf, Error> {
    let bin = dir.join("bin");
    let binary = bin.join("gitleaks");
    if !binary.exists() {
        std::fs::create_dir_all(&bin)?;
        let ran = Command::new("go")
            .args(["install", PEER])
            .env("GOBIN", &bin)
            .env("GOFLAGS", "")
            .output()
            .map_err(|e| format!("go, which builds gitleaks, did not start ({e}): install Go"))?;
        if !ran.status.success() {
            return Err(format!(
                "go install {PEER}: {}",
                String::from_utf8_lossy(&ran.stderr)
            )
            .into());
        }
    }
    Ok(binary)
}

/// Seconds of the processor's over a folder, the best of three runs.
fn run(binary: &Path, folder: &Path, report: &Path) -> Result<f64, Error> {
    let mut best = f64::MAX;
    for _ in 0..3 {
        // bash's `time` counts what the child spent; a folder is given whole, as people scan one.
        let ran = Command::new("bash")
            .args(["-c", "TIMEFORMAT='%U %S'; time \"$0\" dir \"$1\" --no-banner --log-level error --exit-code 0 -f json -r \"$2\""])
            .arg(binary)
            .args([folder, report])
            .output()?;
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        let times = said.lines().last().unwrap_or_default().split(' ');
        let times: Vec<f64> = times.filter_map(|word| word.parse().ok()).collect();
        if !ran.status.success() || times.len() != 2 {
            return Err(format!("gitleaks ended with {}: {said}", ran.status).into());
        }
        best = best.min(times.iter().sum());
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_counts_once_and_half_of_it_is_enough() {
        let label = json!({"planted": [{"secret": "abcdefgh"}, {"secret": "12345678"}]});
        let mut all = Tally::default();
        tally(
            &mut all,
            &label,
            &["abcdefgh", "key=abcdefgh", "1234", "123", "nothing"],
        );
        assert_eq!((all.planted, all.found, all.finds, all.right), (2, 2, 3, 2));
        assert!((all.recall() - 1.0).abs() < 1e-9 && all.precision() < 0.7);
    }
}
