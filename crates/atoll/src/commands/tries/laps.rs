//! Where the time goes, where `ATOLL_TIMES` asks for it: each part in seconds, those of `./dev run` before it first.

use std::time::Instant;

use atoll_domain::Shown;

use crate::app::{env, say};

/// The parts so far.
pub struct Laps {
    /// What was measured before, as `name=seconds name=seconds`; `None`: nobody asks.
    before: Option<String>,
    since: Instant,
    parts: Vec<(&'static str, f64)>,
}

impl Laps {
    pub fn new() -> Laps {
        Laps {
            before: env("ATOLL_TIMES"),
            since: Instant::now(),
            parts: Vec::new(),
        }
    }

    /// A part ended.
    pub fn lap(&mut self, name: &'static str) {
        let now = Instant::now();
        let spent = now.duration_since(self.since);
        self.since = now;
        self.parts.push((name, spent.as_secs_f64()));
    }

    pub fn tell(&self) {
        let Some(before) = &self.before else { return };
        let before = before.split_whitespace().filter(|part| part.contains('='));
        let mut parts: Vec<String> = before.map(|p| Shown::line(p).to_string()).collect();
        parts.extend(self.parts.iter().map(|(name, s)| format!("{name}={s:.1}")));
        say(&format!("times   {}, in seconds\n", parts.join(" ")));
    }
}
