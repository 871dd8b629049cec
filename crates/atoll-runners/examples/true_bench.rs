//! What a sandboxed `/bin/true` costs, all layers on, beside bare fork and exec and beside bubblewrap.
//! Prints one JSON object: medians in microseconds, and the CPU time of node, spawner and boxes together,
//! which counts the boxes made ahead.
//!
//! `cargo run --release -p atoll-runners --example true_bench -- PATH_OF_ATOLL_BOX [ROUNDS]`
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark"
)]

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use atoll_domain::action::Job;
    use atoll_domain::{JobId, JobSpec, Limits, Ms, Network, Purpose, RunnerKind, Tick};
    use atoll_guard::End;
    use atoll_ports::Runner;
    use atoll_runners::{Options, ProcessRunner};
    use futures::StreamExt;
    use testkit::permits;

    fn job() -> Job {
        Job {
            spec: JobSpec {
                id: JobId::new(Ms(1), [7; 10]),
                runner: RunnerKind::Process,
                language: None,
                image: None,
                cmd: vec!["/bin/true".into()],
                stdin: false,
                tty: None,
                env: BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())]),
                workdir: "/tmp".into(),
                mounts: Vec::new(),
                limits: Limits::default(),
                ttl_s: 60,
                network: Network::None,
                secrets: Vec::new(),
                artifacts: Vec::new(),
                snapshot: None,
            },
            purpose: Purpose::Run,
            session: None,
            copy: None,
            exe: None,
        }
    }

    fn median(times: &mut [Duration]) -> u128 {
        times.sort_unstable();
        times[times.len() / 2].as_micros()
    }

    fn time(command: &str, args: &[&str]) -> std::io::Result<Duration> {
        let began = Instant::now();
        let status = Command::new(command)
            .args(args)
            .stdin(Stdio::null())
            .status()?;
        if !status.success() {
            return Err(std::io::Error::other(format!("{command}: {status}")));
        }
        Ok(began.elapsed())
    }

    /// CPU time of this process and of the children it has waited for, in microseconds.
    fn cpu_us(who: libc::c_int) -> u64 {
        // SAFETY: an all-zero rusage is valid, and it lives over the call.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(who, &raw mut usage);
            usage
        };
        let us = |t: libc::timeval| t.tv_sec as u64 * 1_000_000 + t.tv_usec as u64;
        us(usage.ru_utime) + us(usage.ru_stime)
    }

    pub fn main() -> Result<(), Box<dyn std::error::Error>> {
        let mut args = std::env::args().skip(1);
        let exe = args.next().ok_or("the path of atoll-box is wanted")?;
        let rounds: usize = args.next().map_or(Ok(300), |n| n.parse())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let before = cpu_us(libc::RUSAGE_CHILDREN) + cpu_us(libc::RUSAGE_SELF);
        let began = Instant::now();
        let mut boxed = runtime.block_on(boxed(&exe, rounds))?;
        let spent = began.elapsed();
        // The spawner has ended with the runner, and its time holds all that it reaped.
        let cpu = cpu_us(libc::RUSAGE_CHILDREN) + cpu_us(libc::RUSAGE_SELF) - before;
        let mut bare = Vec::new();
        let mut bwrap = Vec::new();
        let wrap = ["--unshare-all", "--ro-bind", "/", "/", "/bin/true"];
        let before = cpu_us(libc::RUSAGE_CHILDREN);
        for _ in 0..rounds {
            bwrap.extend(time("bwrap", &wrap));
        }
        let bwrap_cpu = cpu_us(libc::RUSAGE_CHILDREN) - before;
        for _ in 0..rounds {
            bare.push(time("/bin/true", &[])?);
        }
        let bwrap_us = if bwrap.is_empty() {
            0
        } else {
            median(&mut bwrap)
        };
        let (boxed_us, bare_us) = (median(&mut boxed), median(&mut bare));
        println!(
            "{{\"boxed_us\":{boxed_us},\"bare_us\":{bare_us},\"bwrap_us\":{bwrap_us},\
             \"of_bare\":{:.2},\"of_bwrap\":{:.2},\"cpu_us\":{},\"bwrap_cpu_us\":{},\"rounds\":{rounds},\
             \"each_us\":{}}}",
            boxed_us as f64 / bare_us as f64,
            boxed_us as f64 / bwrap_us.max(1) as f64,
            cpu / rounds as u64,
            bwrap_cpu / rounds as u64,
            spent.as_micros() / rounds as u128,
        );
        Ok(())
    }

    async fn boxed(exe: &str, rounds: usize) -> Result<Vec<Duration>, Box<dyn std::error::Error>> {
        let runner = ProcessRunner::start(Options {
            exe: exe.into(),
            ..Options::default()
        })?;
        let (guard, _) = permits::guard();
        let mut times = Vec::new();
        for _ in 0..rounds {
            let permit = permits::permit(&guard, job()).await;
            let began = Instant::now();
            let mut running = runner.start(permit, Tick(1)).await?;
            while running.output.next().await.is_some() {}
            let ended = running.end.await;
            times.push(began.elapsed());
            running.live.finish(End::done());
            if !ended.outcome.ok {
                return Err(format!("{:?}", ended.outcome).into());
            }
            // As jobs come in life: one after another, not in one breath.
            if let Some(ms) = std::env::var("PAUSE_MS")
                .ok()
                .and_then(|ms| ms.parse().ok())
            {
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
        }
        Ok(times)
    }
}
