//! Virtual environments and what is behind them.

use super::*;

/// An interpreter that lies where uv puts it: behind a link that names no patch version.
fn python(world: &World) {
    world.program("py/cpython-3.11.7/bin/python3.11");
    world.file("py/cpython-3.11.7/lib/python3.11/os.py", "");
    world.link("python3.11", "py/cpython-3.11.7/bin/python3");
    world.link("cpython-3.11.7", "py/cpython-3.11");
}

fn venv(world: &World, place: &str) {
    world.link(
        "~/py/cpython-3.11/bin/python3.11",
        &format!("{place}/bin/python"),
    );
    world.program(&format!("{place}/bin/pytest"));
    let config = format!(
        "home = {}/py/cpython-3.11/bin\nversion = 3.11.7\n",
        world.home.display()
    );
    world.file(&format!("{place}/pyvenv.cfg"), &config);
}

#[test]
fn an_environment_comes_with_its_interpreter_at_both_its_names() {
    let world = World::new();
    python(&world);
    venv(&world, "project/.venv");
    venv(&world, "project/backend/venv");
    world.file("other/here.py", "");
    let pth = format!(
        "{0}/project/src\n{0}/other\nimport x\n",
        world.home.display()
    );
    world.file("project/.venv/lib/python3.11/site-packages/dev.pth", &pth);
    let found = world.find(&["pytest", "-q"]);
    let want = [
        "tmp  ~",
        "ro ~/project/.venv",
        "ro ~/project/backend/venv",
        "ro ~/py/cpython-3.11.7 ~/py/cpython-3.11",
        "ro ~/py/cpython-3.11.7",
    ];
    assert_eq!(world.shown(&found.mounts), want);
    assert_eq!(
        found.env["VIRTUAL_ENV"],
        world.root.join(".venv").to_str().unwrap()
    );
    assert!(world.path_of(&found).starts_with("~/project/.venv/bin:"));
    assert!(
        found
            .exe
            .unwrap()
            .path
            .ends_with("project/.venv/bin/pytest"),
        "bound, though it lies in the checkout"
    );
    assert_eq!(found.missing, [""; 0]);
    let note = format!(
        "{}/other is installed in place, outside the project: jobs don't have it",
        world.home.display()
    );
    assert_eq!(found.notes, [note]);
}

#[test]
fn an_active_environment_elsewhere_goes_first() {
    let mut world = World::new();
    python(&world);
    venv(&world, "project/.venv");
    venv(&world, "envs/mine");
    world.vars = vec![(
        "VIRTUAL_ENV",
        world.home.join("envs/mine").display().to_string(),
    )];
    let found = world.find(&["pytest"]);
    assert_eq!(
        found.env["VIRTUAL_ENV"],
        world.home.join("envs/mine").to_str().unwrap()
    );
    assert!(
        world
            .path_of(&found)
            .starts_with("~/envs/mine/bin:~/project/.venv/bin:")
    );
}

#[test]
fn environments_that_poetry_and_pipenv_keep_are_found() {
    // As poetry itself names it: base64url of the folder's SHA-256, its first eight digits.
    assert_eq!(
        super::super::python::base64url(b"Man\xff\xfe\xfd"),
        "TWFu__79"
    );
    let world = World::new();
    python(&world);
    let digest = Hash::of(world.root.to_str().unwrap().as_bytes()).0;
    let mark = super::super::python::base64url(&digest[..6]);
    venv(
        &world,
        &format!(".cache/pypoetry/virtualenvs/project-{mark}-py3.11"),
    );
    venv(&world, ".cache/pypoetry/virtualenvs/other-AAAAAAAA-py3.11");
    world.file("project/pyproject.toml", "");
    let found = world.find(&["pytest"]);
    assert!(found.env["VIRTUAL_ENV"].ends_with(&format!("project-{mark}-py3.11")));

    let world = World::new();
    python(&world);
    venv(&world, ".local/share/virtualenvs/project-x");
    world.file(
        ".local/share/virtualenvs/project-x/.project",
        world.root.to_str().unwrap(),
    );
    venv(&world, ".local/share/virtualenvs/other-x");
    world.file(".local/share/virtualenvs/other-x/.project", "/elsewhere");
    world.file("project/Pipfile", "");
    let found = world.find(&["pytest"]);
    assert!(found.env["VIRTUAL_ENV"].ends_with("virtualenvs/project-x"));
}

#[test]
fn an_environment_whose_interpreter_is_gone_is_said() {
    let world = World::new();
    python(&world);
    venv(&world, "project/.venv");
    fs::remove_dir_all(world.home.join("py")).unwrap();
    let found = world.find(&["pytest"]);
    let said = format!(
        "the interpreter of {} is gone: make it anew",
        world.root.join(".venv").display()
    );
    assert!(found.missing.contains(&said), "{:?}", found.missing);
}

#[test]
fn without_one_the_users_own_packages_serve() {
    let mut world = World::new();
    world.program(".pyenv/shims/python3");
    world.program(".pyenv/versions/3.11.7/bin/python3.11");
    world.link("python3.11", ".pyenv/versions/3.11.7/bin/python3");
    world.file(".pyenv/versions/3.11.7/lib/python3.11/os.py", "");
    world.file(".pyenv/version", "3.11.7\n");
    world.file(
        ".local/lib/python3.11/site-packages/pytest-8.0.dist-info/RECORD",
        "",
    );
    world.program(".local/bin/pytest");
    world.file(".local/share/keyrings/x", "secret");
    world.on_path(".pyenv/shims");
    world.file("project/requirements.txt", "pytest==8.0\n");
    let found = world.find(&["pytest"]);
    let want = [
        "tmp  ~",
        "ro ~/.local/bin",
        "ro ~/.local/lib/python3.11/site-packages",
        "ro ~/.pyenv/versions/3.11.7",
    ];
    assert_eq!(world.shown(&found.mounts), want);
    assert_eq!(found.missing, [""; 0]);
    assert!(
        world
            .path_of(&found)
            .starts_with("~/.pyenv/versions/3.11.7/bin:~/.local/bin:/usr/bin")
    );
    world.file("project/requirements.txt", "pytest==8.0\nflask==3.0.1\n");
    let found = world.find(&["pytest"]);
    assert_eq!(
        found.missing,
        ["1 packages of requirements.txt are not installed (flask first), and there is no .venv"]
    );
}

#[test]
fn an_interpreter_beside_keyrings_is_mounted_in_parts() {
    let mut world = World::new();
    world.program(".local/bin/python3.11");
    world.link("python3.11", ".local/bin/python3");
    world.file(".local/lib/python3.11/os.py", "");
    world.file(".local/share/keyrings/x", "secret");
    world.on_path(".local/bin");
    world.file("project/setup.py", "");
    let found = world.find(&["python3"]);
    assert_eq!(
        world.shown(&found.mounts),
        ["tmp  ~", "ro ~/.local/bin", "ro ~/.local/lib"]
    );
}

#[test]
fn an_editable_installs_metadata_comes_along() {
    let world = World::new();
    python(&world);
    venv(&world, "project/.venv");
    world.file("project/src/thing.egg-info/PKG-INFO", "");
    let found = world.find(&["pytest"]);
    assert!(
        world
            .shown(&found.mounts)
            .contains(&"ro ~/project/src/thing.egg-info".into())
    );
}
