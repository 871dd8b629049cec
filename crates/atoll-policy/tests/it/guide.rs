//! The examples of `docs/policy.md` are read, and do what the page says of them.
#![allow(clippy::disallowed_methods, reason = "a test")]

use atoll_domain::*;
use atoll_policy::{Engine, Profile, Source};

use crate::cases::*;

/// The page's Cedar blocks: what stands behind ```` ```cedar ````, the line, and the text.
fn blocks() -> Vec<(String, usize, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policy.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (mut found, mut open) = (Vec::new(), None::<(String, usize, String)>);
    for (at, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((info.to_owned(), at + 1, String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some((.., text)), None) => text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block has no end");
    found.retain(|(info, ..)| info.starts_with("cedar"));
    found
}

fn read(info: &str, text: &str) -> Result<Engine, Vec<atoll_policy::Problem>> {
    let file = [Source::new("policy.md", text)];
    match info.contains("workspace") {
        true => engine().with_workspace(ROOT, &file),
        false => Engine::new(&file),
    }
}

#[test]
fn every_example_is_taken_or_refused_as_the_page_says() {
    let (mut taken, mut refused) = (0, 0);
    for (info, line, text) in blocks() {
        match (info.split_once("refused: "), read(&info, &text)) {
            (None, Ok(_)) => taken += 1,
            (None, Err(problems)) => panic!("docs/policy.md:{line}: {}", problems[0]),
            (Some(_), Ok(_)) => panic!("docs/policy.md:{line} is taken"),
            (Some((_, why)), Err(problems)) => {
                let said = problems[0].to_string();
                assert!(
                    problems.len() == 1 && said.contains(why),
                    "docs/policy.md:{line}: {said}"
                );
                refused += 1;
            }
        }
    }
    assert_eq!(
        (taken, refused),
        (10, 5),
        "the page has other examples than this test knows"
    );
}

/// The engine of the one example that holds `id`.
fn example(id: &str) -> Engine {
    let has = |text: &str| text.contains(&format!("@id(\"{id}\")"));
    let mut found = blocks().into_iter().filter(|(_, _, text)| has(text));
    let (info, _, text) = found.next().expect(id);
    read(&info, &text).unwrap()
}

#[test]
fn the_examples_do_what_is_said_of_them() {
    let curl = run(Purpose::Run, &["/usr/bin/curl", "-O", "x"]);
    assert_eq!(
        Case::of(&curl).said(&example("my.no-curl")),
        "deny my.no-curl"
    );
    assert_eq!(
        Case::of(&test_run()).said(&example("my.no-curl")),
        "allow careful.run"
    );

    for line in ["true | curl x", "env X=1 curl x", "echo $(curl x)", "$X y"] {
        let hidden = run(Purpose::Run, &["sh", "-c", line]);
        let said = Case::of(&hidden).said(&example("my.no-curl"));
        assert_eq!(said, "deny my.no-curl", "{line}");
    }
    let push = example("my.no-push");
    for (line, verdict) in [
        ("git commit -am x && git push", "deny my.no-push"),
        ("git commit -m pushed", "allow careful.run"),
        ("echo git push", "allow careful.run"),
    ] {
        let case = Case::of(&run(Purpose::Run, &["sh", "-c", line]));
        assert_eq!(case.said(&push), verdict, "{line}");
        assert_eq!(case.owner().said(&push), "allow careful.run", "{line}");
    }

    let migrations = example("my.migrations");
    assert_eq!(
        Case::of(&write("db/migrations/7.sql")).said(&migrations),
        "ask my.migrations"
    );
    assert_eq!(
        Case::of(&write("db/models.py")).said(&migrations),
        "allow careful.write"
    );

    let mirror = example("my.mirror");
    let fetch = network_run(&["mirror.example.org:443"]);
    assert_eq!(Case::of(&fetch).said(&mirror), "allow my.mirror");
    let more = network_run(&["mirror.example.org:443", "other.example.org:443"]);
    assert_eq!(Case::of(&more).said(&mirror), "ask careful.network");
    let mut agents = fetch;
    agents.purpose = Purpose::Run;
    assert_eq!(Case::of(&agents).said(&mirror), "ask careful.network");

    let short = example("my.short");
    let mut long = test_run();
    assert_eq!(Case::of(&long).said(&short), "allow careful.run");
    long.spec.ttl_s = 601;
    assert_eq!(Case::of(&long).said(&short), "deny my.short");
    assert_eq!(Case::of(&long).owner().said(&short), "allow careful.run");

    let generated = example("generated");
    assert_eq!(
        Case::of(&write("gen/a.rs")).said(&generated),
        "deny workspace.generated"
    );
    assert_eq!(
        Case::of(&write("src/a.rs")).said(&generated),
        "allow careful.write"
    );
}

#[test]
fn the_examples_about_people_and_money_do_what_is_said_of_them() {
    let customer = example("my.customer");
    let granted = Case::of(&call(true, false)).facts(|f| f.provider_granted = true);
    assert_eq!(granted.said(&customer), "allow careful.granted");
    let theirs = granted.facts(|f| f.workspace = Some("/home/ana/customers/x".into()));
    assert_eq!(theirs.said(&customer), "deny my.customer");
    assert_eq!(
        theirs.clone().under(Profile::Open).said(&customer),
        "deny my.customer"
    );

    let bo = Case::of(&accept(PatchClass::Ordinary, &["a"])).by(Actor::human("bo"), Role::Operator);
    assert_eq!(bo.said(&example("my.bo")), "deny my.bo");
    assert_eq!(bo.owner().said(&example("my.bo")), "allow careful.accept");
    let mut branch = accept(PatchClass::Ordinary, &["a"]);
    branch.to = atoll_domain::action::AcceptTo::Branch("fix".into());
    let bo = Case::of(&branch).by(Actor::human("bo"), Role::Operator);
    assert_eq!(bo.said(&example("my.bo")), "allow careful.accept");

    let deploy = example("my.deploy-key");
    assert_eq!(
        Case::of(&secret(None)).owner().said(&deploy),
        "deny my.deploy-key"
    );
    let key = Case::of(&secret(Some("acme"))).owner();
    assert_eq!(key.said(&deploy), "allow careful.person_secret");

    let dollar = example("my.dollar");
    let paid = Case::of(&call(true, true)).facts(|f| f.provider_granted = true);
    assert_eq!(paid.said(&dollar), "allow careful.granted");
    let spent = paid.facts(|f| f.spent.micros = 1_000_000);
    assert_eq!(spent.said(&dollar), "ask my.dollar");
}

/// What the page's tables name is in the schema, and what the schema's contexts hold is on the page.
#[test]
fn the_page_names_what_the_schema_holds() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policy.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut names = 0;
    for context in atoll_policy::SCHEMA.split("context: {").skip(1) {
        let body = context.split("} };").next().unwrap();
        for field in body.split(',').filter_map(|field| field.split_once(':')) {
            let name = field.0.trim();
            let told = page.contains(&format!("`{name}`")) || page.contains(&format!("`{name}."));
            assert!(told, "docs/policy.md does not speak of {name}");
            names += 1;
        }
    }
    assert!(names > 81, "{names}");
}
