//! What the guard knows beside the action. Facts come from the node's own state alone.

use serde::{Deserialize, Serialize};

use crate::{Cost, Labels, PatchClass, Price, Role};

/// A price, as it was used in a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceUsed {
    /// Of which model.
    pub model: String,
    /// The price.
    pub price: Price,
}

/// The facts of one question. Logged (committed) with the verdict, so that it can be judged again later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What the actor is on this node.
    pub role: Role,
    /// The profile in force.
    pub profile: String,
    /// The workspace's path, if the action has one.
    pub workspace: Option<String>,
    /// Whether the owner vouched for the workspace.
    pub workspace_trusted: bool,
    /// Labels of the context that proposed the action.
    pub labels: Labels,
    /// Whether it carries data out.
    pub egress: bool,
    /// Whether it stays in the box with what the box already holds.
    pub in_box: bool,
    /// Whether the model or host is on another machine.
    pub remote: bool,
    /// What it may cost at most.
    pub ceiling: Cost,
    /// What the session spent before it.
    pub spent: Cost,
    /// Whether the owner granted spending in this workspace with this provider (`--max-cost`).
    pub provider_granted: bool,
    /// The price that the ceiling was made with.
    pub price: Option<PriceUsed>,
    /// The class of the patch that leaves the box.
    pub patch_class: Option<PatchClass>,
    /// Whether the sandbox's floor, as configured, is met.
    pub sandbox_ok: bool,
}

impl Facts {
    /// Facts of an actor with `role` under `profile`; nothing else known, nothing leaves the box.
    pub fn of(role: Role, profile: impl Into<String>) -> Facts {
        Facts {
            role,
            profile: profile.into(),
            workspace: None,
            workspace_trusted: false,
            labels: Labels::default(),
            egress: false,
            in_box: true,
            remote: false,
            ceiling: Cost::ZERO,
            spent: Cost::ZERO,
            provider_granted: false,
            price: None,
            patch_class: None,
            sandbox_ok: true,
        }
    }
}
