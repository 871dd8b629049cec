//! The log: synced appends against a bare synced commit of as many rows, and verification.

use super::example::{figure, figures};
use super::{Bench, Context, Error, Reach, Row};

pub const BENCH: Bench = Bench {
    name: "log",
    about: "appends, synced and not, and verification",
    slow: false,
    measure,
};

const COMMAND: &str = "./dev bench log";

fn measure(context: &Context) -> Result<Vec<Row>, Error> {
    let dir = context.root.join("target");
    std::fs::create_dir_all(&dir)?;
    let dir = dir.to_string_lossy().into_owned();
    let all = figures(context, "atoll-store", "log_figures", &[&dir, "3"])?;
    let get = |name: &str| figure(&all, name);
    let (synced, bare) = (get("synced_per_s")?, 16.0 * get("bare_commits_per_s")?);
    Ok(vec![
        Row::against(
            "16 closed-loop writers, synced; peer: 16 rows in one bare synced commit",
            (synced, bare),
            "events/s",
            Reach::AtLeast(0.8),
            COMMAND,
        ),
        Row::alone(
            "256 in flight, synced",
            get("in_flight_per_s")?,
            "events/s",
            Reach::AtLeast(10_000.0),
            COMMAND,
        ),
        Row::alone(
            "verify",
            get("verify_per_s")?,
            "events/s",
            Reach::AtLeast(200_000.0),
            COMMAND,
        ),
        Row::alone(
            "append without a sync: what a read waits for",
            get("unsynced_append_us")?,
            "us",
            Reach::AtMost(1000.0),
            COMMAND,
        ),
    ])
}
