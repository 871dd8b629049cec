//! The three profiles, as text.

use std::fmt;
use std::str::FromStr;

/// A named set of rules to start from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// Looking alone.
    ReadOnly,
    /// What stays in the box needs no question; to widen it does.
    #[default]
    Careful,
    /// Everything the box can do.
    Open,
}

/// A profile's name that isn't one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such profile; there are read-only, careful and open")]
pub struct UnknownProfile;

impl Profile {
    /// All of them, the strictest first.
    pub const ALL: [Profile; 3] = [Profile::ReadOnly, Profile::Careful, Profile::Open];

    /// Its name in configuration and facts.
    pub fn name(self) -> &'static str {
        match self {
            Profile::ReadOnly => "read-only",
            Profile::Careful => "careful",
            Profile::Open => "open",
        }
    }

    /// Its rules, as Cedar text.
    pub fn text(self) -> &'static str {
        match self {
            Profile::ReadOnly => include_str!("../profiles/read-only.cedar"),
            Profile::Careful => include_str!("../profiles/careful.cedar"),
            Profile::Open => include_str!("../profiles/open.cedar"),
        }
    }

    /// What its file is called when rules are listed.
    pub fn file(self) -> String {
        format!("{}.cedar", self.name())
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;
    fn from_str(s: &str) -> Result<Profile, UnknownProfile> {
        Profile::ALL
            .into_iter()
            .find(|p| p.name() == s)
            .ok_or(UnknownProfile)
    }
}
