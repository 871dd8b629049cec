//! Verdicts: with a hundred rules, and of the past, judged again and explained.

use super::example::{figure, figures, figures_with};
use super::{Bench, Context, Error, Reach, Row, built};

pub const BENCH: Bench = Bench {
    name: "policy",
    about: "verdicts with a hundred rules, and past ones judged again",
    slow: false,
    measure,
};

const COMMAND: &str = "./dev bench policy";

fn measure(context: &Context) -> Result<Vec<Row>, Error> {
    let decided = figures(context, "atoll-policy", "decide_figures", &["2000"])?;
    if figure(&decided, "equal")? < 1.0 {
        return Err("the slices gave another verdict than all rules".into());
    }
    let atoll = built::release(context, &[])?.join("atoll");
    let atoll = atoll
        .to_str()
        .ok_or("the target folder's name is no text")?;
    let args = [atoll, "50000"];
    let past = figures_with(context, "atoll", &built::FEATURES, "verdicts", &args)?;
    if figure(&past, "differ")? < 1.0 {
        return Err("nothing differed, where a tenth must".into());
    }
    let per_s = |name: &str, what: &str| -> Result<Row, Error> {
        let reach = Reach::AtLeast(10_000.0);
        Ok(Row::alone(
            what,
            figure(&past, name)?,
            "verdicts/s",
            reach,
            COMMAND,
        ))
    };
    Ok(vec![
        Row::against(
            "a verdict with 100 rules, all kinds of actions; peer: Cedar over all 100",
            (
                figure(&decided, "sliced_us")?,
                figure(&decided, "whole_us")?,
            ),
            "us",
            Reach::AtMost(0.6),
            COMMAND,
        ),
        per_s(
            "simulate_per_s",
            "policy simulate, the whole command, 100 rules",
        )?,
        per_s(
            "why_per_s",
            "policy why of a session, the whole command, with every fact",
        )?,
    ])
}
