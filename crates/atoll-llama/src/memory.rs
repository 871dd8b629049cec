//! How much memory a model takes, and how much there is.

use crate::gguf::Header;

/// Tokens that are computed at once while a conversation is read.
pub const CHUNK_TOKENS: u32 = 256;
/// What the engine takes beside weights, cache and scores, in bytes.
const REST_BYTES: u64 = 96 << 20;
/// A window smaller than this holds no task.
const CONTEXT_TOKENS_MIN: u32 = 2_048;

/// What a model takes with a window, in bytes: the file, keys and values of each token (16 bits each), and the
/// scores of a chunk.
pub fn needed_bytes(header: &Header, context_tokens: u32, sequences: u32) -> u64 {
    let tokens = u64::from(context_tokens).saturating_mul(sequences.into());
    let cache = header.cache_bytes_per_token().saturating_mul(tokens);
    let scores = header
        .vocabulary
        .saturating_mul(4 * u64::from(CHUNK_TOKENS));
    [header.file_bytes, cache, scores, REST_BYTES]
        .into_iter()
        .fold(0, u64::saturating_add)
}

/// A window and a number of conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// The window of each, in tokens.
    pub context_tokens: u32,
    /// Conversations at once.
    pub sequences: u32,
}

/// The largest window and number of conversations, up to what is wanted, that fit into `free_bytes`; fewer
/// conversations before a smaller window. `None`: nothing useful fits.
pub fn fit(header: &Header, wanted: Fit, free_bytes: u64) -> Option<Fit> {
    let trained = u32::try_from(header.context_tokens).unwrap_or(u32::MAX);
    let mut context_tokens = wanted.context_tokens.min(trained).max(1);
    loop {
        let mut sequences = wanted.sequences.max(1);
        while sequences > 0 {
            if needed_bytes(header, context_tokens, sequences) <= free_bytes {
                return Some(Fit {
                    context_tokens,
                    sequences,
                });
            }
            sequences /= 2;
        }
        if context_tokens / 2 < CONTEXT_TOKENS_MIN {
            return None;
        }
        context_tokens /= 2;
    }
}

/// Memory that can be taken now, in bytes: what the kernel says is available, and no more than the control
/// group (its `memory.max` and `memory.current`) leaves. `None`: unknown.
pub fn available(meminfo: &str, group: Option<(&str, &str)>) -> Option<u64> {
    let kib = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|n| n.parse::<u64>().ok())?;
    let machine = kib.saturating_mul(1024);
    let group = group.and_then(|(max, current)| {
        let max: u64 = max.trim().parse().ok()?; // `max` stands for none
        Some(max.saturating_sub(current.trim().parse().ok()?))
    });
    Some(group.map_or(machine, |left| left.min(machine)))
}

/// As [`available`], of this machine.
pub fn available_here() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let group = std::fs::read_to_string("/proc/self/cgroup").ok();
    let dir = group.as_deref().and_then(|text| {
        let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
        Some(std::path::Path::new("/sys/fs/cgroup").join(path))
    });
    let read = |name: &str| std::fs::read_to_string(dir.as_ref()?.join(name)).ok();
    let limits = read("memory.max").zip(read("memory.current"));
    available(
        &meminfo,
        limits.as_ref().map(|(m, c)| (m.as_str(), c.as_str())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            context_tokens: 8192,
            layers: 30,
            cache_width: 384,
            vocabulary: 49152,
            file_bytes: 98 << 20,
            ..Header::default()
        }
    }

    #[test]
    fn less_memory_means_fewer_conversations_then_a_smaller_window_then_none() {
        let wanted = Fit {
            context_tokens: 16_384,
            sequences: 2,
        };
        let at =
            |mib: u64| fit(&header(), wanted, mib << 20).map(|f| (f.context_tokens, f.sequences));
        assert_eq!(at(4096), Some((8192, 2)), "no more than it was trained on");
        let one = needed_bytes(&header(), 8192, 1) >> 20;
        assert_eq!(at(one + 1), Some((8192, 1)));
        assert_eq!(at(one - 1), Some((4096, 1)));
        assert_eq!(at(100), None);
        assert_eq!(at(0), None);
    }

    #[test]
    fn the_smaller_of_machine_and_group_counts() {
        let meminfo = "MemTotal: 100 kB\nMemAvailable:    2048 kB\n";
        assert_eq!(available(meminfo, None), Some(2 << 20));
        assert_eq!(available(meminfo, Some(("max\n", "5"))), Some(2 << 20));
        assert_eq!(available(meminfo, Some(("1000\n", "400\n"))), Some(600));
        assert_eq!(available(meminfo, Some(("400", "1000"))), Some(0));
        assert_eq!(available("", Some(("1", "1"))), None);
        assert!(available_here().is_none_or(|bytes| bytes > 0));
    }

    #[test]
    fn figures_that_overflow_are_merely_too_large() {
        let lying = Header {
            layers: u64::MAX,
            cache_width: u64::MAX,
            vocabulary: u64::MAX,
            ..header()
        };
        assert_eq!(needed_bytes(&lying, u32::MAX, u32::MAX), u64::MAX);
    }
}
