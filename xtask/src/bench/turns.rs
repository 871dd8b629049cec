//! Whole turns through the real node: what the guarded path of a tool call takes, and memory over many turns.

use super::example::figure;
use super::{Bench, Context, Error, Reach, Row, built, example};

pub const PATH: Bench = Bench {
    name: "path",
    about: "the guarded path of a tool call, from its event to its result's",
    slow: false,
    measure: path,
};

pub const SOAK: Bench = Bench {
    name: "soak",
    about: "the node's resident memory over 10,000 turns, 50 at once",
    slow: true,
    measure: soak,
};

fn figures(context: &Context, args: &[&str]) -> Result<serde_json::Value, Error> {
    let atoll = built::release(context, &[])?.join("atoll");
    let atoll = atoll
        .to_str()
        .ok_or("the target folder's name is no text")?;
    let args: Vec<&str> = [&[atoll], args].concat();
    example::figures_with(context, "atoll", &built::FEATURES, "turns", &args)
}

fn path(context: &Context) -> Result<Vec<Row>, Error> {
    // The effect is a read of some tens of microseconds, which the figures hold too.
    let alone = figures(context, &["200", "1", "read", "unwatched"])?;
    let watched = figures(context, &["200", "1", "read"])?;
    let name =
        "a tool call that reads a file, whole: logged, judged, granted, done, closed, logged";
    let row = |name: &str, figures: &serde_json::Value| -> Result<Row, Error> {
        let reach = Reach::AtMost(1000.0);
        let us = figure(figures, "call_us")?;
        Ok(Row::alone(name, us, "us", reach, "./dev bench path"))
    };
    Ok(vec![
        row(name, &alone)?,
        row(
            "the same while somebody watches each step, on the same cores",
            &watched,
        )?,
    ])
}

fn soak(context: &Context) -> Result<Vec<Row>, Error> {
    let soaked = figures(context, &["10000", "50", "read"])?;
    let command = "./dev bench soak";
    let (early, late) = (figure(&soaked, "early_mb")?, figure(&soaked, "late_mb")?);
    Ok(vec![
        Row::against(
            "node, resident, turns 9,001 to 10,000; peer: turns 1,001 to 2,000",
            (late, early),
            "MB",
            Reach::AtMost(1.05),
            command,
        ),
        Row::alone(
            "the most it was in 10,000 turns, 50 at once",
            figure(&soaked, "most_mb")?,
            "MB",
            Reach::AtMost(100.0),
            command,
        ),
    ])
}
