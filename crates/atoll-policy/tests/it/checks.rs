//! What is wrong with a rule file is said with its place and what to do.

use atoll_policy::{Engine, Problem, Source, TEXT_BYTES_MAX};

use crate::cases::{ROOT, engine};

fn problems(text: &str) -> Vec<Problem> {
    Engine::new(&[Source::new("mine.cedar", text)]).unwrap_err()
}

/// One problem, at `line` and `column`, whose message and hint hold these words.
fn one(text: &str, line: usize, column: usize, words: &[&str]) {
    let found = problems(text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].line, found[0].column),
        (line, column),
        "{}",
        found[0]
    );
    let said = found[0].to_string();
    assert!(
        said.starts_with(&format!("mine.cedar:{line}:{column}: ")),
        "{said}"
    );
    for word in words {
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn syntax_is_named_to_the_column() {
    one(
        "@id(\"a\")\npermit (principal, action,);\n",
        2,
        26,
        &["missing the `resource`"],
    );
    one(
        "permit (principal, action, resource)",
        1,
        37,
        &["end of input"],
    );
    one(
        "@id(\"ünï\") @why(\"é\") forbid (principal, action, rsource);",
        1,
        49,
        &["rsource"],
    );
}

#[test]
fn types_are_checked_against_the_schema() {
    one(
        "@id(\"a\")\npermit (principal, action == Action::\"rum\", resource);",
        2,
        30,
        &["rum", "run"],
    );
    one(
        "@id(\"a\")\npermit (principal, action == Action::\"run\", resource)\nwhen { context.netwrk };",
        3,
        8,
        &["netwrk", "network"],
    );
    one(
        "@id(\"a\")\npermit (principal, action == Action::\"run\", resource)\nwhen { context.purpose == Purpose::\"tset\" };",
        3,
        27,
        &["tset"],
    );
    let found = problems(
        "@id(\"a\") @why(\"b\") forbid (principal, action, resource) when { context.network };",
    );
    assert!(
        found.iter().any(|p| p.to_string().contains("network")),
        "{found:?}"
    );
}

#[test]
fn what_could_never_match_is_refused() {
    one(
        "@id(\"a\") @why(\"b\")\nforbid (principal, action == Action::\"read\", resource is Node);",
        1,
        1,
        &["a"],
    );
    one(
        "@id(\"a\") @why(\"b\")\nforbid (principal == Actor::\"ana\", action, resource);",
        1,
        1,
        &["Actor::\"ana\"", "principal.name"],
    );
    one(
        "@id(\"a\")\npermit (principal == ?principal, action, resource);",
        1,
        1,
        &["templates"],
    );
}

#[test]
fn annotations_are_read_strictly() {
    let rule = "permit (principal, action == Action::\"read\", resource);";
    let told =
        |annotations: &str, word: &str| one(&format!("\n{annotations}\n{rule}"), 2, 1, &[word]);
    told("@verdit(\"ask\") @id(\"a\")", "@verdit");
    told(
        "@id(\"a\") @verdict(\"asks\") @why(\"b\")",
        "no such verdict",
    );
    told("@id(\"a\") @verdict(\"ask\")", "does not say why");
    told("@id(\"a b\")", "not a name");
    told("@id(\"a\") @why(\"ok\\u{202e}ko\")", "one plain line");
    told("@id(\"a\") @why(\"one\\ntwo\")", "one plain line");
    told("@id(\"careful.mine\")", "Atoll's own");
    told("@id(\"workspace.mine\")", "Atoll's own");
    told("@id(\"a\") @answers(\"\")", "names no rule");
    told(
        "@id(\"a\") @answers(\"careful.read\")",
        "no rule named careful.read",
    );
    told("@id(\"a\") @answers(\"careful.look\")", "does not ask");
    told(
        "@id(\"a\") @answers(\"careful.runs_outside\")",
        "confirmed each time",
    );
    told(
        "@id(\"a\") @answers(\"careful.network\") @verdict(\"ask\") @why(\"b\")",
        "either asks",
    );
    told("@why(\"b\")", "no name");
    one(
        "@id(\"a\") @verdict(\"ask\") @why(\"b\") forbid (principal, action, resource);",
        1,
        1,
        &["a forbid denies"],
    );
}

#[test]
fn names_are_unique_over_all_files() {
    let rule = "@id(\"a\") permit (principal, action == Action::\"read\", resource);";
    let files = [
        Source::new("one.cedar", rule),
        Source::new("two.cedar", format!("\n{rule}")),
    ];
    let found = Engine::new(&files).unwrap_err();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].file.as_str(), found[0].line), ("two.cedar", 2));
}

#[test]
fn an_allow_over_a_commands_text_is_refused() {
    for condition in [
        "context.command like \"npm *\"",
        "context.program == \"npm\"",
        "context[\"arguments\"].contains(\"ci\")",
        "context.network && !(context.command like \"*rm*\")",
    ] {
        for answers in ["", "@answers(\"careful.network\") "] {
            let rule = format!(
                "@id(\"a\") {answers}permit (principal, action == Action::\"run\", resource)\nwhen {{ {condition} }};"
            );
            one(&rule, 1, 1, &["text of a command", "allow by hosts"]);
        }
    }
    // To deny or to ask by it is fine.
    let fine = "@id(\"a\") @why(\"no\") forbid (principal, action == Action::\"run\", resource) when { context.program == \"curl\" };
        @id(\"b\") @verdict(\"ask\") @why(\"b\") permit (principal, action == Action::\"run\", resource) when { context.command like \"*push*\" };";
    assert!(Engine::new(&[Source::new("fine.cedar", fine)]).is_ok());
}

#[test]
fn a_workspaces_plain_permit_is_refused() {
    let files = [Source::new(
        ".atoll/policy.cedar",
        "@id(\"all\")\npermit (principal, action, resource);",
    )];
    let found = engine().with_workspace(ROOT, &files).unwrap_err();
    assert!(found[0].message.contains("only narrow"), "{found:?}");
}

#[test]
fn every_problem_of_every_file_is_listed() {
    let files = [
        Source::new("one.cedar", "permit ("),
        Source::new(
            "two.cedar",
            "permit (principal, action, resource);\npermit (principal, action == Action::\"x\", resource);",
        ),
    ];
    let found = Engine::new(&files).unwrap_err();
    let places: Vec<_> = found.iter().map(|p| (p.file.as_str(), p.line)).collect();
    assert_eq!(
        places,
        [
            ("one.cedar", 1),
            ("two.cedar", 1),
            ("two.cedar", 2),
            ("two.cedar", 2)
        ]
    );
}

#[test]
fn what_would_cost_too_much_to_parse_is_refused_first() {
    let deep = with(format!("{}true{}", "(".repeat(5000), ")".repeat(5000)));
    assert!(problems(&deep)[0].message.contains("brackets"));
    for wide in WIDE {
        assert!(
            problems(&wide(101))[0].message.contains("operators"),
            "{}",
            wide(5)
        );
        assert!(problems(&wide(5_000))[0].message.contains("operators"));
    }
    let long = with(format!("\"{}\" == context.path", "a".repeat(20_000)));
    assert!(problems(&long)[0].message.contains("longer than"));
    let huge = "// \n".repeat(TEXT_BYTES_MAX);
    assert!(problems(&huge)[0].message.contains("the most"));
    // A long list of names is no nesting.
    let hosts: Vec<String> = (0..400).map(|n| format!("\"h{n}.org:443\"")).collect();
    let list = format!(
        "@id(\"a\") permit (principal, action == Action::\"run\", resource) when {{ [{}].containsAll(context.hosts) }};",
        hosts.join(", ")
    );
    assert!(Engine::new(&[Source::new("list.cedar", list)]).is_ok());
}

/// As wide and as deep as is let through: read, checked and dropped on the stack of an ordinary thread.
#[test]
fn what_is_let_through_fits_a_threads_stack() {
    let read = |text: String| {
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        let read = move || match Engine::new(&[Source::new("mine.cedar", text)]) {
            Ok(_) => true,
            Err(problems) => !problems[0].message.contains("operators"),
        };
        thread.spawn(read).unwrap().join().unwrap()
    };
    for wide in WIDE {
        assert!(read(wide(90)), "{}", wide(5));
        let inside = wide(50).replace("true", &format!("{}true{}", "(".repeat(29), ")".repeat(29)));
        read(inside);
    }
    let mixed = format!(
        "{}true{}",
        "if (!true && ".repeat(23),
        ") then true else false".repeat(23)
    );
    assert!(read(with(mixed)));
}

fn with(condition: String) -> String {
    format!(
        "@id(\"a\") permit (principal, action == Action::\"read\", resource) when {{ {condition} }};"
    )
}

/// Conditions with `n` operators, each inside the one before.
const WIDE: [fn(usize) -> String; 6] = [
    |n| with(vec!["true"; n].join(" && ")),
    |n| with(vec!["true"; n].join(" || ")),
    |n| with(format!("context{}", ".path".repeat(n))),
    |n| {
        with(format!(
            "{}true{}",
            "if true then ".repeat(n),
            " else false".repeat(n)
        ))
    },
    |n| with(format!("{}1 == 1", "1 + ".repeat(n))),
    |n| with(format!("context has {}", vec!["path"; n].join("."))),
];
