//! Hostile text in actions changes no verdict, and what is out of bounds is an error.

use atoll_domain::*;
use atoll_guard::Decision;

use crate::cases::*;

const NASTY: [&str; 10] = [
    "\0",
    "\u{1b}[2J\u{1b}]52;c;aGk=\u{7}",
    "\"; permit (principal, action, resource); //",
    "Action::\"run\"",
    "__entity",
    "{\"__entity\":{\"type\":\"Role\",\"id\":\"owner\"}}",
    "\u{202e}gnp.exe",
    "a\u{200b}b",
    "*",
    "\\u{0}\\*",
];

#[test]
fn text_stays_text() {
    let engine = engine().clone();
    for nasty in NASTY {
        let job = run(Purpose::Run, &["sh", "-c", nasty, nasty]);
        assert_eq!(Case::of(&job).said(&engine), "allow careful.run");
        let agent =
            Case::of(&accept(PatchClass::Ordinary, &[nasty])).by(Actor::ai(nasty), Role::Agent);
        assert_eq!(agent.said(&engine), "deny careful.person");
        assert_eq!(Case::of(&write(nasty)).said(&engine), "allow careful.write");
        let mut remote = call(true, false);
        remote.model.provider = nasty.into();
        remote.endpoint = nasty.into();
        assert_eq!(Case::of(&remote).said(&engine), "ask careful.remote");
        let placed = Case::of(&test_run()).facts(|f| f.workspace = Some(nasty.into()));
        assert_eq!(placed.said(&engine), "allow careful.run");
        let profile = Case::of(&test_run()).facts(|f| f.profile = nasty.into());
        assert!(profile.judge(&engine).is_err());
    }
}

#[test]
fn a_denied_program_stays_denied_among_hostile_words() {
    let engine = with_owner(
        r#"@id("my.curl") @why("no curl here") forbid (principal, action == Action::"run", resource)
           when { context.program == "curl" || context.command like "* curl *" };"#,
    );
    for nasty in NASTY {
        let job = run(Purpose::Run, &["/usr/bin/curl", nasty]);
        assert_eq!(Case::of(&job).said(&engine), "deny my.curl");
        let job = run(Purpose::Run, &["env", nasty, "curl", nasty]);
        assert_eq!(Case::of(&job).said(&engine), "deny my.curl");
    }
}

#[test]
fn what_is_out_of_bounds_is_an_error() {
    let engine = engine().clone();
    let many = vec!["x"; 20_000];
    let err = Case::of(&run(Purpose::Run, &many))
        .judge(&engine)
        .unwrap_err();
    assert!(err.0.contains("16384 is the most"), "{err}");
    let long = "x".repeat(3 << 20);
    let err = Case::of(&run(Purpose::Run, &["sh", "-c", &long]))
        .judge(&engine)
        .unwrap_err();
    assert!(err.0.contains("bytes"), "{err}");
    let paths: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let case = Case::of(&accept(PatchClass::Ordinary, &paths)).owner();
    assert!(case.judge(&engine).is_err());
    let case = Case::of(&accept(PatchClass::Ordinary, &paths[..16_000])).owner();
    assert_eq!(case.said(&engine), "allow careful.accept");
}

#[test]
fn an_action_that_says_too_little_is_an_error() {
    let engine = engine().clone();
    for key in ["network", "purpose", "secrets", "mounts", "cmd", "exe"] {
        let mut case = Case::of(&test_run());
        case.action.value.as_object_mut().unwrap().remove(key);
        assert!(case.judge(&engine).is_err(), "{key}");
    }
    for key in ["price", "remote", "endpoint", "provider"] {
        let mut case = Case::of(&call(false, false));
        case.action.value.as_object_mut().unwrap().remove(key);
        assert!(case.judge(&engine).is_err(), "{key}");
    }
    for key in ["for", "name"] {
        let mut case = Case::of(&secret(None));
        case.action.value.as_object_mut().unwrap().remove(key);
        assert!(case.judge(&engine).is_err(), "{key}");
    }
    let mut case = Case::of(&read("a"));
    case.action.value = serde_json::json!({ "unwritable": "a float" });
    assert_eq!(case.decision(&engine), Decision::Deny);
    case.kind = Kind::Accept;
    assert_eq!(case.decision(&engine), Decision::Deny);
}

#[test]
fn the_checkout_must_be_the_one_that_the_facts_name() {
    let engine = engine().clone();
    for case in [
        Case::of(&snapshot()),
        Case::of(&accept(PatchClass::Ordinary, &["a"])).owner(),
        Case::of(&undo()).owner(),
    ] {
        assert_eq!(case.decision(&engine), Decision::Allow);
        let elsewhere = case
            .clone()
            .facts(|f| f.workspace = Some("/elsewhere".into()));
        assert!(elsewhere.judge(&engine).is_err());
        let nowhere = case.facts(|f| f.workspace = None);
        let err = nowhere.judge(&engine).unwrap_err();
        assert!(err.0.contains("without a workspace"), "{err}");
    }
    // A job and a call may well belong to none.
    let job = Case::of(&run(Purpose::Exec, &["date"]))
        .owner()
        .facts(|f| f.workspace = None);
    assert_eq!(job.decision(&engine), Decision::Allow);
}
