//! How many threads may compute.

/// Threads for the engine: the cores that this process may use, less those that others keep busy now, and at
/// least one. `loadavg` is the content of `/proc/loadavg`.
pub fn free(cores: usize, loadavg: &str) -> u32 {
    // Its fourth field is `runnable/all`; the one who reads is runnable itself.
    let running = loadavg
        .split_whitespace()
        .nth(3)
        .and_then(|f| f.split('/').next())
        .and_then(|n| n.parse::<usize>().ok())
        .unwrap_or(1);
    let others = running.saturating_sub(1).min(cores / 2);
    u32::try_from((cores - others).max(1)).unwrap_or(1)
}

/// As [`free`], of this machine. The count minds affinity and the control group's quota.
pub fn free_here() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let loadavg = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    free(cores, &loadavg)
}

#[cfg(test)]
mod tests {
    use super::free;

    #[test]
    fn busy_cores_are_left_to_whoever_has_them_but_never_more_than_half() {
        assert_eq!(free(8, "0.1 0.2 0.3 1/400 77"), 8);
        assert_eq!(free(8, "3.1 0.2 0.3 4/400 77"), 5);
        assert_eq!(free(8, "99 99 99 64/400 77"), 4);
        assert_eq!(free(1, "2 2 2 3/9 1"), 1);
        assert_eq!(free(2, "nonsense"), 2);
        assert_eq!(free(4, "0 0 0 0/1 1"), 4);
    }
}
