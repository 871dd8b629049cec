//! A process that holds secrets leaves none behind when it dies.

use atoll_api::{Error, codes};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No core dump of this process, by either way there is: no file, and none through a pipe to a collector, which the
/// limit alone would not hold back. Other processes of the same user may no longer look into its memory and environment.
/// Lasts until it becomes another program; children that do are dumpable again, and keep the limit.
pub fn no_dumps() -> Result<(), Error> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let failed = |err: rustix::io::Errno| {
        Error::new(codes::BUG, "core dumps can't be turned off").found(err.to_string())
    };
    setrlimit(Resource::Core, none).map_err(failed)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed)
}
