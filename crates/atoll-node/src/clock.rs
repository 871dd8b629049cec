//! The node's clocks. Tests hand in one that they move by hand.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use atoll_domain::{Ms, Tick};

/// Both clocks.
pub trait Clock: Send + Sync {
    /// Monotonic, since the node started.
    fn now(&self) -> Tick;
    /// The wall's.
    fn wall(&self) -> Ms;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct Machine {
    start: Instant,
}

impl Default for Machine {
    fn default() -> Machine {
        Machine {
            start: Instant::now(),
        }
    }
}

impl Clock for Machine {
    fn now(&self) -> Tick {
        Tick(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
    fn wall(&self) -> Ms {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The system's randomness.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl atoll_domain::Entropy for SystemEntropy {
    fn fill(&self, out: &mut [u8]) {
        // Without randomness no salt and no id can be made: there is no way on.
        getrandom::fill(out).unwrap_or_else(|err| {
            eprintln!("atoll: the system gives no randomness: {err}");
            std::process::abort()
        });
    }
}

/// Days since the Unix epoch, UTC: the day's budget is kept by it.
pub fn day_of(wall: Ms) -> u64 {
    wall.0 / 86_400_000
}
