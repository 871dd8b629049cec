//! A sandboxed `/bin/true`, all layers on, against bubblewrap and a bare fork and exec.

use super::example::{figure, figures};
use super::{Bench, Context, Error, Reach, Row};
use std::process::Command;

pub const BENCH: Bench = Bench {
    name: "sandbox",
    about: "/bin/true in the box, against bwrap and bare fork/exec",
    slow: false,
    measure,
};

const COMMAND: &str = "./dev bench sandbox";

fn measure(context: &Context) -> Result<Vec<Row>, Error> {
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--release",
            "-p",
            "atoll-runners",
            "--bin",
            "atoll-box",
        ])
        .current_dir(&context.root)
        .status()?;
    if !built.success() {
        return Err("atoll-box could not be built".into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| context.root.join("target"), Into::into);
    let exe = target
        .join("release/atoll-box")
        .to_string_lossy()
        .into_owned();
    let all = figures(context, "atoll-runners", "true_bench", &[&exe, "300"])?;
    let get = |name: &str| figure(&all, name);
    let boxed = get("boxed_us")?;
    let mut rows = vec![Row::against(
        "sandboxed /bin/true, p50; peer: bare fork/exec",
        (boxed, get("bare_us")?),
        "us",
        Reach::AtMost(5.0),
        COMMAND,
    )];
    let bwrap = get("bwrap_us")?;
    if bwrap > 0.0 {
        rows.push(Row::against(
            "sandboxed /bin/true, p50; peer: bwrap --unshare-all",
            (boxed, bwrap),
            "us",
            Reach::AtMost(0.5),
            COMMAND,
        ));
        rows.push(Row::against(
            "the same in CPU time, boxes made ahead counted; peer: bwrap's",
            (get("cpu_us")?, get("bwrap_cpu_us")?),
            "us",
            Reach::AtMost(1.0),
            COMMAND,
        ));
    } else {
        eprintln!("bench   bwrap is not installed: apt install bubblewrap");
    }
    Ok(rows)
}
