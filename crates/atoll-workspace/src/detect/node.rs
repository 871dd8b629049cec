use super::Place;

/// The test command of a `package.json`, as its own script or by what it depends on.
pub(super) fn test(place: &Place<'_>) -> Option<(Vec<String>, String)> {
    let manifest: serde_json::Value = serde_json::from_str(&place.text("package.json")?).ok()?;
    let script = manifest
        .pointer("/scripts/test")
        .and_then(|s| s.as_str())
        .unwrap_or_default();
    // What `npm init` writes.
    if !script.trim().is_empty() && !script.contains("no test specified") {
        return Some((
            run_script(place),
            place.because("package.json: scripts.test"),
        ));
    }
    let depends = |name: &str| {
        ["dependencies", "devDependencies"]
            .iter()
            .any(|d| manifest.get(d).and_then(|d| d.get(name)).is_some())
    };
    for (name, cmd) in [
        ("vitest", &["npx", "--no-install", "vitest", "run"][..]),
        ("jest", &["npx", "--no-install", "jest"]),
        ("mocha", &["npx", "--no-install", "mocha"]),
        ("ava", &["npx", "--no-install", "ava"]),
    ] {
        if depends(name) {
            return Some((
                place.inside(cmd),
                place.because(&format!("package.json: depends on {name}")),
            ));
        }
    }
    let is_test = |n: &String| {
        [".test.js", ".test.mjs", ".test.cjs"]
            .iter()
            .any(|e| n.ends_with(e))
    };
    let folders = ["test", "tests", "__tests__", "src", ""];
    let found = folders.into_iter().find(|f| {
        let names = place.names(f);
        let whole = *f == "test"
            && names
                .iter()
                .any(|n| [".js", ".mjs", ".cjs"].iter().any(|e| n.ends_with(e)));
        whole || names.iter().any(is_test)
    });
    found.map(|f| {
        let what = if f.is_empty() {
            "*.test.js".to_owned()
        } else {
            format!("{f}/")
        };
        (place.inside(&["node", "--test"]), place.because(&what))
    })
}

fn run_script(place: &Place<'_>) -> Vec<String> {
    let (tool, flag) = if place.has("pnpm-lock.yaml") {
        ("pnpm", "--dir")
    } else if place.has("yarn.lock") {
        ("yarn", "--cwd")
    } else if place.has("bun.lock") || place.has("bun.lockb") {
        return place.inside(&["bun", "run", "test"]);
    } else {
        ("npm", "--prefix")
    };
    let mut cmd = vec![tool.to_owned()];
    cmd.extend(
        place
            .folder()
            .into_iter()
            .flat_map(|f| [flag.to_owned(), f.to_owned()]),
    );
    cmd.push("test".to_owned());
    cmd
}
