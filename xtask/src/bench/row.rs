//! One figure: ours, the peer's, their ratio, and whether that is good enough.

/// What a ratio, or a figure without a peer, must come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reach {
    AtMost(f64),
    AtLeast(f64),
}

/// A line of the table. Figures carry their unit; the ratio has none.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub name: String,
    pub ours: String,
    /// What ours is measured against, or a dash.
    pub peer: String,
    pub ratio: String,
    pub reach: String,
    pub verdict: &'static str,
    /// What somebody else types to get the same row.
    pub command: String,
}

pub const REACHED: &str = "reached";
pub const MISSED: &str = "missed";

impl Reach {
    fn holds(self, value: f64) -> bool {
        // A figure that is no number reaches nothing.
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    fn said(self, unit: &str) -> String {
        let (sign, limit) = match self {
            Self::AtMost(limit) => ("≤", limit),
            Self::AtLeast(limit) => ("≥", limit),
        };
        let unit = if unit.is_empty() { "×" } else { unit };
        format!("{sign} {} {unit}", figure(limit))
    }
}

impl Row {
    /// Ours against a peer's, both in `unit`, measured in this run.
    pub fn against(
        name: &str,
        (ours, peer): (f64, f64),
        unit: &str,
        reach: Reach,
        command: &str,
    ) -> Self {
        let ratio = ours / peer;
        Self {
            peer: format!("{} {unit}", figure(peer)),
            ratio: figure(ratio),
            reach: reach.said(""),
            ..Self::with_verdict(name, ours, unit, reach.holds(ratio), command)
        }
    }

    /// A figure with a limit of its own and no peer.
    pub fn alone(name: &str, ours: f64, unit: &str, reach: Reach, command: &str) -> Self {
        Self {
            reach: reach.said(unit),
            ..Self::with_verdict(name, ours, unit, reach.holds(ours), command)
        }
    }

    fn with_verdict(name: &str, ours: f64, unit: &str, reached: bool, command: &str) -> Self {
        Self {
            name: name.to_owned(),
            ours: format!("{} {unit}", figure(ours)),
            peer: "-".to_owned(),
            ratio: "-".to_owned(),
            reach: String::new(),
            verdict: if reached { REACHED } else { MISSED },
            command: command.to_owned(),
        }
    }

    pub fn reached(&self) -> bool {
        self.verdict == REACHED
    }
}

/// Three digits that mean something, and no more.
fn figure(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_decides_where_there_is_a_peer() {
        let row = Row::against("spawn", (2.0, 5.0), "ms", Reach::AtMost(0.5), "x");
        assert_eq!(
            (row.ratio.as_str(), row.reach.as_str()),
            ("0.40", "≤ 0.50 ×")
        );
        assert!(row.reached());
        assert!(!Row::against("spawn", (3.0, 5.0), "ms", Reach::AtMost(0.5), "x").reached());
        assert!(!Row::against("log", (3.0, 5.0), "ev/s", Reach::AtLeast(0.8), "x").reached());
    }

    #[test]
    fn the_figure_decides_where_there_is_none() {
        let row = Row::alone("idle", 24.3, "MB", Reach::AtMost(30.0), "x");
        assert_eq!(
            (row.ours.as_str(), row.reach.as_str()),
            ("24.3 MB", "≤ 30.0 MB")
        );
        assert!(row.reached());
        assert!(!Row::alone("idle", 30.1, "MB", Reach::AtMost(30.0), "x").reached());
    }

    #[test]
    fn no_number_reaches_nothing() {
        assert!(!Row::against("x", (0.0, 0.0), "ms", Reach::AtMost(1.0), "x").reached());
        assert!(!Row::alone("x", f64::NAN, "ms", Reach::AtLeast(0.0), "x").reached());
    }
}
