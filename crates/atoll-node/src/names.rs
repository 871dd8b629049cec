//! What people type, resolved: `s4`, `@`, or a long id.

use atoll_api::Error;
use atoll_domain::{JobId, SessionId};
use atoll_ports::log::{GateRow, JobRow, PatchRow, SessionRow};

use crate::shared::{Shared, log_error, no_such};

/// `s4` is 4, `@` is 0 (the latest); `None` for anything else.
fn ordinal(prefix: char, name: &str) -> Option<u64> {
    if name == "@" {
        return Some(0);
    }
    let digits = name.strip_prefix(prefix)?;
    digits.parse().ok().filter(|n| *n > 0)
}

impl Shared {
    pub(crate) fn find_session(&self, name: &str) -> Result<SessionRow, Error> {
        let row = match (ordinal('s', name), name.parse::<SessionId>()) {
            (Some(n), _) => self.log.session_by_ordinal(n),
            (None, Ok(id)) => self.log.session(&id),
            _ => Ok(None),
        };
        row.map_err(log_error)?
            .ok_or_else(|| no_such("session", name, "atoll session list"))
    }

    pub(crate) fn find_gate(&self, name: &str) -> Result<GateRow, Error> {
        let row = match (ordinal('g', name), name.parse()) {
            // `@` is the latest that is open: it is what a person means to answer.
            (Some(0), _) => self
                .log
                .gates(true, 1)
                .map(|gates| gates.into_iter().next()),
            (Some(n), _) => self.log.gate_by_ordinal(n),
            (None, Ok(id)) => self.log.gate(&id),
            _ => Ok(None),
        };
        row.map_err(log_error)?
            .ok_or_else(|| no_such("gate", name, "atoll gate list"))
    }

    pub(crate) fn find_patch(&self, name: &str) -> Result<PatchRow, Error> {
        let row = match (ordinal('p', name), name.parse::<atoll_domain::PatchId>()) {
            (Some(n), _) => self.log.patch_by_ordinal(n),
            (None, Ok(id)) => self.log.patch(&id),
            _ => Ok(None),
        };
        row.map_err(log_error)?
            .ok_or_else(|| no_such("patch", name, "atoll patch list"))
    }

    pub(crate) fn find_job(&self, name: &str) -> Result<JobRow, Error> {
        let row = match (ordinal('j', name), name.parse::<JobId>()) {
            (Some(n), _) => self.log.job_by_ordinal(n),
            (None, Ok(id)) => self.log.job(&id),
            _ => Ok(None),
        };
        row.map_err(log_error)?
            .ok_or_else(|| no_such("job", name, "atoll session show @"))
    }
}

#[cfg(test)]
mod tests {
    use super::ordinal;

    #[test]
    fn ordinals_are_strict() {
        assert_eq!(ordinal('s', "s4"), Some(4));
        assert_eq!(ordinal('s', "@"), Some(0));
        for bad in ["s0", "s", "4", "s-1", "s4 ", "g4"] {
            assert_eq!(ordinal('s', bad), None, "{bad}");
        }
    }
}
