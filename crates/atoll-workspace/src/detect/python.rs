use super::{Place, words};

/// A Python project; `sure` when its own configuration names the test runner.
pub(super) struct Found {
    pub(super) test: Option<(Vec<String>, String)>,
    pub(super) sure: bool,
}

pub(super) fn find(place: &Place<'_>) -> Option<Found> {
    if let Some(why) = configured(place) {
        return Some(Found {
            test: Some((pytest(place), place.because(&why))),
            sure: true,
        });
    }
    if place.has("manage.py") {
        let cmd = words(&["python3", &format!("{}manage.py", place.at), "test"]);
        return Some(Found {
            test: Some((cmd, place.because("manage.py"))),
            sure: true,
        });
    }
    if let Some((folder, style)) = test_files(place) {
        let shown = if folder.is_empty() {
            "test_*.py".to_owned()
        } else {
            format!("{folder}/test_*.py")
        };
        let cmd = match style {
            Style::Pytest => pytest(place),
            Style::Unittest => unittest(place, folder),
        };
        return Some(Found {
            test: Some((cmd, place.because(&shown))),
            sure: false,
        });
    }
    let any = [
        "pyproject.toml",
        "setup.py",
        "setup.cfg",
        "requirements.txt",
    ]
    .iter()
    .any(|n| place.has(n));
    any.then_some(Found {
        test: None,
        sure: false,
    })
}

fn pytest(place: &Place<'_>) -> Vec<String> {
    // In its folder, which `-m` makes importable.
    place.inside(&["python3", "-m", "pytest", "-q"])
}

fn unittest(place: &Place<'_>, folder: &str) -> Vec<String> {
    if folder.is_empty() {
        return place.inside(&["python3", "-m", "unittest"]);
    }
    // Without `-t` a folder without `__init__.py` is its own top.
    place.inside(&["python3", "-m", "unittest", "discover", "-s", folder])
}

fn configured(place: &Place<'_>) -> Option<String> {
    if place.has("pytest.ini") {
        return Some("pytest.ini".into());
    }
    if let Some(text) = place.text("pyproject.toml") {
        let table: toml::Table = text.parse().unwrap_or_default();
        if table.get("tool").and_then(|t| t.get("pytest")).is_some() {
            return Some("pyproject.toml: tool.pytest".into());
        }
        if mentions_pytest(&text) {
            return Some("pyproject.toml: depends on pytest".into());
        }
    }
    for (file, section) in [("setup.cfg", "[tool:pytest]"), ("tox.ini", "[pytest]")] {
        let text = place.text(file).unwrap_or_default();
        if text.lines().any(|l| l.trim() == section) || mentions_pytest(&text) {
            return Some(file.into());
        }
    }
    if ["conftest.py", "tests/conftest.py", "test/conftest.py"]
        .iter()
        .any(|n| place.has(n))
    {
        return Some("conftest.py".into());
    }
    let requirements = [
        "requirements.txt",
        "requirements-dev.txt",
        "dev-requirements.txt",
        "requirements/dev.txt",
        "setup.py",
        "Pipfile",
    ];
    requirements
        .iter()
        .find(|f| place.text(f).is_some_and(|t| mentions_pytest(&t)))
        .map(|f| format!("{f}: pytest"))
}

fn mentions_pytest(text: &str) -> bool {
    text.lines()
        .map(|l| l.split('#').next().unwrap_or(l))
        .any(|l| {
            l.match_indices("pytest").any(|(at, _)| {
                let before = l[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-')
            })
        })
}

enum Style {
    Pytest,
    Unittest,
}

/// Where test files are and which runner they are written for.
fn test_files<'a>(place: &Place<'_>) -> Option<(&'a str, Style)> {
    for folder in ["tests", "test", ""] {
        let names = place.names(folder);
        let is_test =
            |n: &&String| n.ends_with(".py") && (n.starts_with("test_") || n.ends_with("_test.py"));
        let mut tests = names.iter().filter(is_test).peekable();
        if tests.peek().is_none() {
            continue;
        }
        let only_unittest = tests.take(20).all(|n| {
            let path = if folder.is_empty() {
                n.clone()
            } else {
                format!("{folder}/{n}")
            };
            let text = place.text(&path).unwrap_or_default();
            text.contains("unittest")
                && !text.contains("import pytest")
                && !text.lines().any(|l| l.starts_with("def test"))
        });
        return Some((
            folder,
            if only_unittest {
                Style::Unittest
            } else {
                Style::Pytest
            },
        ));
    }
    None
}
