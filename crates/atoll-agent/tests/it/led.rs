//! A small model is led: shown what the failing tests name, asked for one line, judged by the tests.

use atoll_agent::{By, SessionConfig, replay};
use atoll_domain::SessionEnd;

use crate::world::{Answer, World, config};

const MENDS: &str = r#"{"wrong": "return int(sum(xs))", "right": "return round(sum(xs))"}"#;
const SPOILS: &str = r#"{"wrong": "return int(sum(xs))", "right": "return float(sum(xs))"}"#;
const SAME: &str = r#"{"wrong": "return int(sum(xs))", "right": "return int(sum(xs))"}"#;

fn small() -> SessionConfig {
    SessionConfig {
        small: true,
        steps_max: 6,
        ..config()
    }
}

fn world(answers: &[&'static str]) -> World {
    let mut world = World::new(small(), answers.iter().map(|a| Answer::Say(a)).collect());
    world.prompt("make the test pass").play();
    world
}

fn edits(world: &World) -> usize {
    world
        .used
        .iter()
        .filter(|(_, what)| what.starts_with("edit"))
        .count()
}

#[test]
fn it_is_shown_the_file_and_its_line_is_tested_and_proposed() {
    let world = world(&[MENDS]);
    assert_eq!(world.end(), SessionEnd::Patch, "{}", world.words());
    assert!(world.files["total.py"].contains("    return round(sum(xs))\n"));
    let asked = &world.asked[0];
    assert!(asked.tools.is_empty());
    let form = asked.form.as_ref().unwrap();
    let parts: Vec<_> = form.schema["anyOf"].as_array().unwrap().iter().collect();
    let of = |at: usize| parts[at]["properties"]["replace"]["const"].as_str();
    let offered: Vec<_> = (0..parts.len()).filter_map(of).collect();
    assert_eq!(offered, ["total", "xs", "int", "sum", "xs"]);
    let told = world.last_told();
    assert!(
        told.contains("File total.py:") && told.contains("assert 3 == 4"),
        "{told}"
    );
    let (_, _, proposal) = world.ended.as_ref().unwrap();
    let proposal = proposal.as_ref().unwrap();
    assert!(proposal.tests.as_ref().unwrap().ok && !proposal.before.as_ref().unwrap().ok);
    assert_eq!(world.used.last().unwrap().0, By::Check);
}

#[test]
fn an_edit_that_does_not_help_is_taken_back_by_the_next_and_told() {
    let world = world(&[SPOILS, SAME, "no JSON", SPOILS, MENDS]);
    assert_eq!(world.end(), SessionEnd::Patch, "{}", world.words());
    assert_eq!(edits(&world), 2, "what was tried isn't tried again");
    // Every third time it is asked for a whole line, and told what was tried.
    let third: Vec<String> = world.asked[2]
        .messages
        .iter()
        .map(|m| m.joined_text())
        .collect();
    assert!(third.join("\n").contains("- return float(sum(xs))"));
    assert!(world.asked[2].form.as_ref().unwrap().schema["properties"]["wrong"].is_object());
    assert!(
        world.asked.iter().all(|c| c.messages.len() == 4),
        "each question stands alone"
    );
    assert!(!world.files["total.py"].contains("float"));
}

#[test]
fn a_part_is_enough() {
    let part = r#"{"line": "return int(sum(xs))", "replace": "int", "by": "round"}"#;
    let world = world(&[
        r#"{"line": "return int(sum(xs))", "replace": "sum", "by": "max"}"#,
        part,
    ]);
    assert_eq!(world.end(), SessionEnd::Patch, "{}", world.words());
    assert!(world.files["total.py"].contains("    return round(sum(xs))\n"));
    let barred = world.asked[1].form.as_ref().unwrap().schema.to_string();
    assert!(barred.contains(r#"["","sum","max"]"#), "{barred}");
}

#[test]
fn without_a_mend_the_copy_is_as_before_and_it_is_said() {
    let world = world(&[SPOILS, SAME, SAME, SAME, SAME, SAME, SAME, SAME]);
    assert_eq!(world.end(), SessionEnd::Failed);
    assert_eq!(world.asked.len(), 6);
    assert!(
        world
            .words()
            .starts_with("No patch: 1 test still fails after 6 turns."),
        "{}",
        world.words()
    );
    assert!(world.files["total.py"].contains("return int(sum(xs))"));
}

#[test]
fn a_later_turn_begins_with_the_tests_and_hears_the_person() {
    let mut world = World::new(small(), vec![Answer::Say(SAME); 6]);
    world.prompt("make the test pass").play();
    world.answers = vec![Answer::Say(MENDS)].into();
    world.prompt("round(), not int()").play();
    assert_eq!(world.end(), SessionEnd::Patch, "{}", world.words());
    assert!(
        world
            .last_told()
            .contains("The person says: round(), not int()")
    );
}

#[test]
fn where_the_tests_pass_or_name_no_file_it_works_as_any_model() {
    let mut world = World::new(small(), vec![Answer::Say("done")]);
    world.files.insert("total.py".into(), "round(".into());
    world.prompt("what is this?").play();
    assert!(!world.asked[0].tools.is_empty());
    let mut world = World::new(small(), vec![Answer::Say("done")]);
    let text = world.files.remove("total.py").unwrap();
    world.files.insert("total.py.txt".into(), text);
    world.files.insert("total.py".into(), "# nothing\n".into());
    world.prompt("make the test pass").play();
    assert!(!world.asked[0].tools.is_empty());
}

#[test]
fn it_replays() {
    let world = world(&[SPOILS, SAME, MENDS]);
    replay(&world.inputs).unwrap();
}
