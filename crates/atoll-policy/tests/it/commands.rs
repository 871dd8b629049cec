//! Rules about commands see every part of them, and what can't be told is taken for what they speak of.

use atoll_domain::Purpose;
use atoll_guard::Decision;
use atoll_policy::Engine;

use crate::cases::*;

fn with(rule: &str) -> Engine {
    with_owner(&format!("@id(\"a.b\") @why(\"no\") {rule};"))
}

fn said(engine: &Engine, line: &str) -> String {
    Case::of(&run(Purpose::Run, &["sh", "-c", line])).said(engine)
}

const DENIED: &str = "deny a.b";
const ALLOWED: &str = "allow careful.run";

#[test]
fn a_forbid_by_command_program_or_arguments_sees_each_part() {
    let program =
        r#"forbid (principal, action == Action::"run", resource) when { context.program == "rm" }"#;
    let command = r#"forbid (principal, action == Action::"run", resource) when { context.command like "rm -rf*" }"#;
    let words = r#"forbid (principal, action in Action::"working", resource) when {
        context has program && context.program == "rm" && context.arguments.contains("-rf") }"#;
    for rule in [program, command, words] {
        let engine = with(rule);
        for line in [
            "rm -rf /",
            "make; rm -rf x",
            "ls | xargs rm -rf",
            "find . -exec rm -rf {} +",
            "sh -c 'cd a && rm -rf b'",
            "env A=1 nice -n 3 rm -rf x",
            "$X -rf x",
            "echo x | sh",
            "rm -rf 'x",
        ] {
            assert_eq!(said(&engine, line), DENIED, "{rule}: {line}");
        }
        for line in ["ls -la", "echo rm -rf x", "git log | head"] {
            assert_eq!(said(&engine, line), ALLOWED, "{rule}: {line}");
        }
    }
    assert_eq!(
        said(&with(words), "rm x; ls -rf"),
        ALLOWED,
        "of two parts neither has both"
    );
}

#[test]
fn what_cannot_be_told_fails_closed_whichever_way_a_rule_asks() {
    for rule in [
        r#"forbid (principal, action == Action::"run", resource) when { context.programs.contains("rm") }"#,
        r#"forbid (principal, action == Action::"run", resource) when { context.programs.containsAny(["x", "rm"]) }"#,
        r#"forbid (principal, action == Action::"run", resource) when { context.programs.containsAll(["rm", "dd"]) }"#,
        r#"forbid (principal, action == Action::"run", resource) unless { ["sh", "ls", "echo"].containsAll(context.programs) }"#,
        r#"forbid (principal, action == Action::"run", resource)
           when { context.programs.contains("rm") && !context.programs.contains("trash") }"#,
    ] {
        let engine = with(rule);
        for line in ["$X", "eval \"$Y\"", "echo x | sh", "if", "alias l=ls; l"] {
            assert_eq!(said(&engine, line), DENIED, "{rule}: {line}");
        }
        assert_eq!(said(&engine, "ls; echo x"), ALLOWED, "{rule}");
    }
    // Nothing changes where no rule speaks of commands, and the other conditions still count.
    let other = r#"forbid (principal, action == Action::"run", resource) when { context.network }"#;
    assert_eq!(said(&with(other), "$X"), ALLOWED);
    let humans = r#"forbid (principal, action == Action::"run", resource)
        when { principal.kind == Kind::"human" && context.programs.contains("rm") }"#;
    assert_eq!(said(&with(humans), "$X"), ALLOWED, "an agent's");
}

#[test]
fn questions_and_workspaces_see_each_part_too() {
    let ask = with_owner(
        r#"@id("a.ask") @verdict("ask") @why("sure?") permit (principal, action == Action::"run", resource)
           when { context.programs.contains("make") };"#,
    );
    let case = Case::of(&run(Purpose::Run, &["sh", "-c", "true && make deploy"]));
    assert_eq!(case.said(&ask), "ask a.ask");
    let theirs = with_workspace(
        r#"@id("a") @why("no") forbid (principal, action == Action::"run", resource)
           when { context.program == "make" };"#,
    );
    assert_eq!(case.said(&theirs), "deny workspace.a");
    assert_eq!(case.decision(engine()), Decision::Allow);
}

#[test]
fn no_rule_allows_by_the_programs_of_a_command() {
    for condition in [
        r#"context.programs.contains("ls")"#,
        r#"["ls"].containsAll(context.programs)"#,
        r#"(if true then context else context).programs.isEmpty()"#,
    ] {
        let text = format!(
            "@id(\"a.b\") permit (principal, action == Action::\"run\", resource) when {{ {condition} }};"
        );
        let problems = atoll_policy::Engine::new(&[atoll_policy::Source::new("a", text)]);
        let said = problems.unwrap_err()[0].to_string();
        assert!(said.contains("text of a command"), "{said}");
    }
}
