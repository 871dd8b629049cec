//! What a sandboxed `/bin/true` costs, all layers on, beside bare fork and exec and beside bubblewrap.
//! Prints one JSON object: medians in microseconds, taken in turns so that a busy machine is busy for all
//! three; then, of jobs one after another without a pause, the wall time and the CPU time of node, spawner
//! and boxes together, which counts the boxes made ahead.
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

    type Failure = Box<dyn std::error::Error>;

    const WRAP: [&str; 5] = ["--unshare-all", "--ro-bind", "/", "/", "/bin/true"];

    pub fn main() -> Result<(), Failure> {
        let mut args = std::env::args().skip(1);
        let exe = args.next().ok_or("the path of atoll-box is wanted")?;
        let rounds: usize = args.next().map_or(Ok(300), |n| n.parse())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let [boxed_us, bare_us, bwrap_us] = runtime.block_on(in_turns(&exe, rounds))?;
        let used = || cpu_us(libc::RUSAGE_CHILDREN) + cpu_us(libc::RUSAGE_SELF);
        let (before, began) = (used(), Instant::now());
        runtime.block_on(without_pause(&exe, rounds))?;
        // The spawner has ended with its runner, and its time holds that of all it reaped.
        let each_us = began.elapsed().as_micros() / rounds as u128;
        let cpu_us = (used() - before) / rounds as u64;
        let before = used();
        for _ in 0..rounds {
            let _ = time("bwrap", &WRAP);
        }
        let bwrap_cpu_us = (used() - before) / rounds as u64;
        println!(
            "{{\"boxed_us\":{boxed_us},\"bare_us\":{bare_us},\"bwrap_us\":{bwrap_us},\"of_bare\":{:.2},\
             \"of_bwrap\":{:.2},\"each_us\":{each_us},\"cpu_us\":{cpu_us},\
             \"bwrap_cpu_us\":{bwrap_cpu_us},\"rounds\":{rounds}}}",
            boxed_us as f64 / bare_us as f64,
            boxed_us as f64 / bwrap_us.max(1) as f64,
        );
        Ok(())
    }

    /// Medians of a box, of nothing, and of bubblewrap (0 where it is not installed).
    async fn in_turns(exe: &str, rounds: usize) -> Result<[u128; 3], Failure> {
        let runner = runner(exe)?;
        let (mut boxed, mut bare, mut bwrap) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            boxed.push(one(&runner).await?);
            bare.push(time("/bin/true", &[])?);
            bwrap.extend(time("bwrap", &WRAP));
        }
        let wrapped = if bwrap.is_empty() {
            0
        } else {
            median(&mut bwrap)
        };
        Ok([median(&mut boxed), median(&mut bare), wrapped])
    }

    async fn without_pause(exe: &str, rounds: usize) -> Result<(), Failure> {
        let runner = runner(exe)?;
        for _ in 0..rounds {
            one(&runner).await?;
        }
        Ok(())
    }

    fn runner(exe: &str) -> Result<ProcessRunner, Failure> {
        Ok(ProcessRunner::start(Options {
            exe: exe.into(),
            ..Options::default()
        })?)
    }

    /// From the permit to the end of the whole tree, with all output read.
    async fn one(runner: &ProcessRunner) -> Result<Duration, Failure> {
        let (guard, _) = permits::guard();
        let permit = permits::permit(&guard, job()).await;
        let began = Instant::now();
        let mut running = runner.start(permit, Tick(1)).await?;
        while running.output.next().await.is_some() {}
        let ended = running.end.await;
        let took = began.elapsed();
        running.live.finish(End::done());
        if ended.outcome.ok {
            Ok(took)
        } else {
            Err(format!("{:?}", ended.outcome).into())
        }
    }
}
