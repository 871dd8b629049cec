//! The spawner as a program, for tests and benchmarks of the runner.

fn main() {
    #[cfg(target_os = "linux")]
    match std::env::args().nth(1).as_deref() {
        Some("--spawner") => std::process::exit(atoll_runners::spawner_main()),
        _ => {
            eprintln!("atoll-box is started by a node, not by hand");
            std::process::exit(2);
        }
    }
}
