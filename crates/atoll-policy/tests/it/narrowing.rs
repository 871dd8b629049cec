//! A workspace's rules narrow and abstain; they never widen.

use crate::cases::*;

#[test]
fn the_stricter_of_owner_and_workspace_wins() {
    let asks = with_workspace(
        r#"@id("tests") @verdict("ask") @why("the tests reach a shared database")
           permit (principal, action == Action::"run", resource);"#,
    );
    assert_eq!(Case::of(&test_run()).said(&asks), "ask workspace.tests");
    // Both ask: both are named.
    let job = network_run(&["a.example.org:443"]);
    assert_eq!(
        Case::of(&job).said(&asks),
        "ask careful.network, workspace.tests"
    );
    // An ask of the workspace doesn't soften a deny of the owner.
    let denied = Case::of(&test_run()).facts(|f| f.sandbox_ok = false);
    assert_eq!(denied.said(&asks), "deny careful.sandbox");
    // What it doesn't speak of it abstains from.
    assert_eq!(Case::of(&read("a")).said(&asks), "allow careful.look");
}

#[test]
fn a_workspaces_rules_hold_in_that_workspace_alone() {
    let engine = with_workspace(
        r#"@id("frozen") @why("this branch is frozen") forbid (principal, action, resource);"#,
    );
    assert_eq!(Case::of(&read("a")).said(&engine), "deny workspace.frozen");
    let other = Case::of(&read("a")).facts(|f| f.workspace = Some("/elsewhere".into()));
    assert_eq!(other.said(&engine), "allow careful.look");
    assert_eq!(engine.workspace_rules(ROOT).len(), 1);
    assert!(engine.workspace_rules("/elsewhere").is_empty());
}
