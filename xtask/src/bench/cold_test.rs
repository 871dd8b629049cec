//! How long somebody waits who clones the project and runs its tests.

use super::{Bench, Context, Error, Reach, Row};
use std::process::Command;
use std::time::Instant;

pub const BENCH: Bench = Bench {
    name: "cold-test",
    about: "./dev test into an empty target folder, no compiler cache",
    slow: true,
    measure,
};

const MINUTES_MAX: f64 = 25.0;

fn measure(context: &Context) -> Result<Vec<Row>, Error> {
    let target = std::env::temp_dir().join(format!("atoll-cold-{}", std::process::id()));
    let started = Instant::now();
    let ended = Command::new(context.root.join("dev"))
        .arg("test")
        .current_dir(&context.root)
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUSTC_WRAPPER")
        .status();
    let minutes = started.elapsed().as_secs_f64() / 60.0;
    if target.exists() {
        std::fs::remove_dir_all(&target)?;
    }
    if !ended?.success() {
        return Err("the tests failed, so their time says nothing".into());
    }
    let cores = std::thread::available_parallelism()?;
    let name = format!("cold ./dev test on {cores} cores");
    let reach = Reach::AtMost(MINUTES_MAX);
    Ok(vec![Row::alone(
        &name,
        minutes,
        "min",
        reach,
        "./dev bench cold-test",
    )])
}
