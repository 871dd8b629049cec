//! Providers' keys in the vault: used by name, and taken over from plain text.

use serde_json::json;
use testkit::provider::{Options, Reply, Script, Server};

use crate::kit::nothing_left;
use crate::scene::{Ran, Scene};
use crate::secrets::{NOWHERE, VALUE, filled, fine, found, run};

fn provider(key: &str, replies: impl IntoIterator<Item = Reply>) -> Server {
    let options = Options {
        key: Some(key.into()),
        models: vec!["m".into()],
        ..Options::default()
    };
    Server::with(Script::list(replies), options).unwrap()
}

fn configure(scene: &Scene, server: &Server, key: &str) {
    let config = format!(
        "[model]\ndefault = \"mine/m\"\nnotice = false\n[providers.mine]\nbase_url = \"{}\"\n{key}\nmodels = [{{ name = \"m\", context_tokens = 32000 }}]\n",
        server.base_url()
    );
    scene.file("atoll/config/config.toml", &config);
}

/// A provider's key by its name: sent in the header, logged as used, and no label of the session's.
#[test]
fn a_provider_takes_its_key_by_name() {
    let scene = filled("mine.key");
    let answer = || Reply::call("answer", json!({ "number": 42 }));
    let server = provider(VALUE, [answer(), Reply::text("It is one."), answer()]);
    configure(&scene, &server, "key = \"secret:mine.key\"");
    fine(run(&scene, &["restart"]));
    let listed = fine(run(&scene, &["model", "list"]));
    assert!(listed.out.contains("key secret:mine.key"), "{}", listed.out);
    // What stands in the caller's environment is another key, and isn't taken.
    let tested = Ran::of(
        scene
            .with_node(&["model", "test"])
            .env("MINE_KEY", "other")
            .output()
            .unwrap(),
    );
    fine(tested);
    assert_eq!(
        server.requests()[0].headers["authorization"],
        format!("Bearer {VALUE}")
    );
    if scene.sandboxed() {
        scene.file("w/a.txt", "a\n");
        let chat = fine(run(
            &scene,
            &["chat", "how many files?", "--repo", "w", "--on-ask", "deny"],
        ));
        assert!(chat.out.contains("It is one."), "{}{}", chat.out, chat.err);
        let shown = fine(run(&scene, &["session", "show", "@", "--json"]));
        assert!(shown.out.contains("\"secret\":false"), "{}", shown.out);
        assert!(
            !server.requests()[1].text.contains(VALUE),
            "the key is no part of what is said"
        );
    }
    let said = run(&scene, &["log", "tail", "--json", "-n", "100"]).out;
    assert!(
        said.contains("SecretUsed") && said.contains("\"provider\":\"mine\""),
        "{said}"
    );
    // A rule denies it by name.
    let rule = "@id(\"own.no\") @why(\"not this one\") forbid (principal, action == Action::\"secret\", resource) when { context.secret == \"mine.key\" };";
    scene.file("atoll/config/policy/own.cedar", rule);
    fine(run(&scene, &["restart"]));
    let denied = run(&scene, &["model", "test"]);
    assert!(
        denied.code == 3 && denied.err.contains("not this one"),
        "{}",
        denied.err
    );
    std::fs::remove_file(scene.path().join("atoll/config/policy/own.cedar")).unwrap();
    // One that isn't there is said, with what to do.
    fine(run(&scene, &["secret", "remove", "mine.key"]));
    fine(run(&scene, &["restart"]));
    let gone = run(&scene, &["model", "test"]);
    assert!(
        gone.code == 6 && gone.err.contains("no secret mine.key"),
        "{}",
        gone.err
    );
    // The key itself has no place in the configuration.
    let set = run(&scene, &["config", "set", "providers.mine.key", "sk-v3ry"]);
    assert!(
        set.code == 2 && !set.err.contains("v3ry") && set.err.contains("atoll secret set mine.key"),
        "{}",
        set.err
    );
    assert_eq!(found(&scene.path().join("atoll"), &[VALUE]), NOWHERE);
    nothing_left(&scene);
}

/// Plain text is offered by name and source, taken over, and taken out where it is Atoll's own.
#[test]
fn keys_in_plain_text_are_taken_over() {
    let scene = filled("first");
    let server = provider("k-stored", [Reply::call("answer", json!({ "number": 42 }))]);
    configure(&scene, &server, "key_env = \"MINE_KEY\"");
    let keys = scene.file(
        "atoll/config/keys.toml",
        "mine = \"k-stored\"\nother = \"k-0ther\"\n",
    );
    std::fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    scene.file(
        "app/.env",
        "export STRIPE_TOKEN='tok-3nv'\nDEBUG=1\nFIRST=x\n",
    );
    let import = |words: &[&str]| {
        let words = [&["secret", "import", "app/.env"], words].concat();
        Ran::of(
            scene
                .with_node(&words)
                .env("OPENAI_API_KEY", "k-3nvironment")
                .output()
                .unwrap(),
        )
    };
    let offered = fine(import(&[]));
    for text in [
        "mine.key  from keys.toml, mine",
        "openai.key  from your environment, OPENAI_API_KEY",
        "stripe_token  from app/.env, STRIPE_TOKEN",
    ] {
        assert!(offered.out.contains(text), "{text}: {}", offered.out);
    }
    assert!(
        !offered.out.contains("debug") && offered.out.contains("atoll secret import --yes"),
        "{}",
        offered.out
    );
    let done = fine(import(&["--yes", "--take-out"]));
    assert!(
        done.out.contains("left      OPENAI_API_KEY")
            && done.out.contains("left      STRIPE_TOKEN"),
        "{}",
        done.out
    );
    for text in [&offered, &done] {
        for value in ["k-stored", "k-0ther", "tok-3nv", "k-3nv"] {
            assert!(!text.out.contains(value) && !text.err.contains(value));
        }
    }
    assert_eq!(std::fs::read_to_string(&keys).unwrap().trim(), "");
    use std::os::unix::fs::MetadataExt;
    assert_eq!(std::fs::metadata(&keys).unwrap().mode() & 0o777, 0o600);
    let config = std::fs::read_to_string(scene.path().join("atoll/config/config.toml")).unwrap();
    assert!(config.contains("key = \"secret:mine.key\""), "{config}");
    // It was asked for in two ways, and a key of nobody's makes no provider.
    assert!(
        !config.contains("MINE_KEY") && done.out.contains("MINE_KEY is no longer"),
        "{config}"
    );
    assert!(!config.contains("providers.other"), "{config}");
    fine(run(&scene, &["model", "test"]));
    assert_eq!(
        server.requests()[0].headers["authorization"],
        "Bearer k-stored"
    );
    let again = fine(import(&[]));
    assert!(
        again.err.contains("openai.key is in the vault already"),
        "{}",
        again.err
    );
    assert_eq!(
        found(
            &scene.path().join("atoll"),
            &["k-stored", "k-0ther", "tok-3nv", "k-3nv"]
        ),
        NOWHERE
    );
    nothing_left(&scene);
}
