//! What a grant (a capability in a token) allows, and what makes one narrower than another.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Budget, Cost, GrantId, Kind, Ms, Role};

/// Blocks of a token at most: the one that was minted, and seven attenuations.
pub const GRANT_DEPTH_MAX: usize = 8;
/// Workspaces, and hosts, that one grant may name.
pub const GRANT_NAMES_MAX: usize = 32;

impl Role {
    /// Whether who has this role may hand on `other`: no more than it has itself.
    pub fn covers(self, other: Role) -> bool {
        match self {
            Role::Owner => true,
            Role::Operator => other != Role::Owner,
            Role::Agent => matches!(other, Role::Agent | Role::Viewer | Role::Worker),
            Role::Viewer | Role::Worker => self == other,
        }
    }
}

/// The terms of one grant. `None` is no limit of that kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What its holder is on the node.
    pub role: Role,
    /// Until when, by the wall clock; whole seconds.
    pub expires: Ms,
    /// The kinds of actions.
    pub kinds: Option<BTreeSet<Kind>>,
    /// Absolute paths of folders: work in them and below alone.
    pub workspaces: Option<BTreeSet<String>>,
    /// `host` or `host:port`, lowercase.
    pub hosts: Option<BTreeSet<String>>,
    /// What may be spent under it, by all its holders and children together.
    pub budget: Budget,
    /// Requests within a minute.
    pub requests_per_min: u64,
    /// The longest body of a request, in bytes.
    pub body_limit_bytes: u64,
}

/// In what one grant asks for more than the one that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wider {
    /// The role.
    #[error("its role would be wider")]
    Role,
    /// The time.
    #[error("it would last longer")]
    Expires,
    /// The kinds of actions.
    #[error("it would allow more kinds of actions")]
    Kinds,
    /// The workspaces.
    #[error("it would reach more folders")]
    Workspaces,
    /// The hosts.
    #[error("it would reach more hosts")]
    Hosts,
    /// The budget.
    #[error("its budget would be larger")]
    Budget,
    /// Requests or sizes.
    #[error("its limits of requests would be larger")]
    Requests,
}

/// Whether `path` is `folder` or below it, by whole names.
pub fn path_is_within(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
    path.strip_prefix(folder).is_some_and(below) && !path.split('/').any(|part| part == "..")
}

/// Whether `host:port` is one that `allowed` (`host` or `host:port`) names.
fn host_is(host: &str, allowed: &str) -> bool {
    host == allowed
        || (!allowed.contains(':')
            && host
                .rsplit_once(':')
                .is_some_and(|(name, _)| name == allowed))
}

impl Terms {
    /// `Err` names the first thing in which these are wider than `parent`.
    pub fn check_within(&self, parent: &Terms) -> Result<(), Wider> {
        let sets = |mine: &Option<BTreeSet<String>>,
                    theirs: &Option<BTreeSet<String>>,
                    fits: fn(&str, &str) -> bool| {
            match (mine, theirs) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(mine), Some(theirs)) => {
                    mine.iter().all(|m| theirs.iter().any(|t| fits(m, t)))
                }
            }
        };
        let kinds = match (&self.kinds, &parent.kinds) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(mine), Some(theirs)) => mine.is_subset(theirs),
        };
        let rows = [
            (parent.role.covers(self.role), Wider::Role),
            (self.expires <= parent.expires, Wider::Expires),
            (kinds, Wider::Kinds),
            (
                sets(&self.workspaces, &parent.workspaces, path_is_within),
                Wider::Workspaces,
            ),
            (sets(&self.hosts, &parent.hosts, host_is), Wider::Hosts),
            (budget_within(&self.budget, &parent.budget), Wider::Budget),
            (
                self.requests_per_min <= parent.requests_per_min
                    && self.body_limit_bytes <= parent.body_limit_bytes,
                Wider::Requests,
            ),
        ];
        rows.into_iter()
            .find(|(ok, _)| !ok)
            .map_or(Ok(()), |(_, wider)| Err(wider))
    }

    /// Whether work in `workspace` is within them; `None`: outside of any.
    pub fn allows_workspace(&self, workspace: Option<&str>) -> bool {
        self.workspaces.as_ref().is_none_or(|allowed| {
            workspace.is_some_and(|path| allowed.iter().any(|folder| path_is_within(path, folder)))
        })
    }

    /// Whether `host:port` is within them.
    pub fn allows_host(&self, host: &str) -> bool {
        self.hosts
            .as_ref()
            .is_none_or(|allowed| allowed.iter().any(|a| host_is(host, a)))
    }

    /// Whether an action of this kind is within them. A snapshot comes with any work; input comes with its job.
    pub fn allows_kind(&self, kind: Kind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| match kind {
            Kind::Snapshot => true,
            Kind::Stdin => kinds.contains(&Kind::Run) || kinds.contains(&kind),
            kind => kinds.contains(&kind),
        })
    }
}

fn budget_within(mine: &Budget, parent: &Budget) -> bool {
    let rows = [
        (mine.micros_max, parent.micros_max),
        (mine.tokens_max, parent.tokens_max),
        (mine.ms_max, parent.ms_max),
        (mine.runs_max, parent.runs_max),
    ];
    rows.into_iter().all(|(mine, parent)| match (mine, parent) {
        (_, None) => true,
        (mine, Some(parent)) => mine.is_some_and(|m| m <= parent),
    })
}

impl Budget {
    /// What is left of it after `used`, unit by unit; `None` is no limit.
    pub fn left(&self, used: Cost) -> Budget {
        let left = |max: Option<u64>, used: u64| max.map(|max| max.saturating_sub(used));
        Budget {
            micros_max: left(self.micros_max, used.micros),
            tokens_max: left(self.tokens_max, used.tokens),
            ms_max: left(self.ms_max, used.ms),
            runs_max: left(self.runs_max, used.runs),
        }
    }
}

/// A grant as it stands when an action is proposed under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub id: GrantId,
    /// Its terms.
    pub terms: Terms,
    /// Whether it was revoked.
    pub revoked: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide() -> Terms {
        Terms {
            role: Role::Operator,
            expires: Ms(10_000),
            kinds: None,
            workspaces: None,
            hosts: None,
            budget: Budget::default(),
            requests_per_min: 60,
            body_limit_bytes: 1000,
        }
    }

    fn set(words: &[&str]) -> Option<BTreeSet<String>> {
        Some(words.iter().map(|w| (*w).to_owned()).collect())
    }

    fn narrow() -> Terms {
        Terms {
            kinds: Some([Kind::Read, Kind::Run].into()),
            workspaces: set(&["/home/u/shop"]),
            hosts: set(&["packages.example"]),
            budget: Budget {
                micros_max: Some(5),
                ..Budget::default()
            },
            ..wide()
        }
    }

    /// What is wider than `parent` in one thing each.
    fn wider(parent: &Terms) -> Vec<(Terms, Wider)> {
        vec![
            (
                Terms {
                    role: Role::Owner,
                    ..parent.clone()
                },
                Wider::Role,
            ),
            (
                Terms {
                    expires: Ms(10_001),
                    ..parent.clone()
                },
                Wider::Expires,
            ),
            (
                Terms {
                    kinds: None,
                    ..parent.clone()
                },
                Wider::Kinds,
            ),
            (
                Terms {
                    kinds: Some([Kind::Call].into()),
                    ..parent.clone()
                },
                Wider::Kinds,
            ),
            (
                Terms {
                    workspaces: set(&["/home/u/shop2"]),
                    ..parent.clone()
                },
                Wider::Workspaces,
            ),
            (
                Terms {
                    workspaces: set(&["/home/u/shop/../x"]),
                    ..parent.clone()
                },
                Wider::Workspaces,
            ),
            (
                Terms {
                    workspaces: None,
                    ..parent.clone()
                },
                Wider::Workspaces,
            ),
            (
                Terms {
                    hosts: set(&["packages.example.evil.example:443"]),
                    ..parent.clone()
                },
                Wider::Hosts,
            ),
            (
                Terms {
                    budget: Budget::default(),
                    ..parent.clone()
                },
                Wider::Budget,
            ),
            (
                Terms {
                    budget: Budget {
                        micros_max: Some(6),
                        ..Budget::default()
                    },
                    ..parent.clone()
                },
                Wider::Budget,
            ),
            (
                Terms {
                    requests_per_min: 61,
                    ..parent.clone()
                },
                Wider::Requests,
            ),
            (
                Terms {
                    body_limit_bytes: 1001,
                    ..parent.clone()
                },
                Wider::Requests,
            ),
        ]
    }

    #[test]
    fn a_child_is_never_wider_in_anything() {
        let parent = narrow();
        assert_eq!(parent.check_within(&parent), Ok(()));
        assert_eq!(parent.check_within(&wide()), Ok(()));
        for (child, wider) in wider(&parent) {
            assert_eq!(child.check_within(&parent), Err(wider), "{child:?}");
        }
    }

    #[test]
    fn a_narrower_child_is_within() {
        let parent = narrow();
        let narrower = Terms {
            workspaces: set(&["/home/u/shop/api"]),
            hosts: set(&["packages.example:443"]),
            role: Role::Viewer,
            ..parent.clone()
        };
        assert_eq!(narrower.check_within(&parent), Ok(()));
    }

    #[test]
    fn no_role_hands_on_more_than_it_has() {
        let all = [
            Role::Owner,
            Role::Operator,
            Role::Agent,
            Role::Viewer,
            Role::Worker,
        ];
        let covered = |r: Role| all.into_iter().filter(|o| r.covers(*o)).count();
        assert_eq!(all.map(covered), [5, 4, 3, 1, 1]);
        for (a, b) in all.iter().flat_map(|a| all.iter().map(move |b| (*a, *b))) {
            let through = all.iter().any(|m| a.covers(*m) && m.covers(b));
            assert_eq!(through, a.covers(b), "{a:?} to {b:?} by way of another");
        }
    }

    #[test]
    fn folders_are_compared_by_whole_names() {
        assert!(path_is_within("/a/b", "/a/b"));
        assert!(path_is_within("/a/b/c", "/a/b/"));
        assert!(path_is_within("/a", "/"));
        assert!(!path_is_within("/a/bc", "/a/b"));
        assert!(!path_is_within("/a/b/../../etc", "/a/b"));
    }
}
