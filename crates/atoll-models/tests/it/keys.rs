//! Keys: where they come from, where they go, and where they never show.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use atoll_models::{KEYS_FILE, Registry, WireKind};
use atoll_ports::Models;
use atoll_ports::models::{Failure, Key};
use testkit::permits::Counting;
use testkit::provider::{Options, Reply, Script, Server};

use crate::stand::{Stand, config};

const WIRE: WireKind = WireKind::ChatCompletions;

fn locked(key: &str, replies: impl IntoIterator<Item = Reply>) -> Server {
    let options = Options {
        key: Some(key.into()),
        models: vec!["b".into(), "a".into()],
        ..Options::default()
    };
    Server::with(Script::list(replies), options).unwrap()
}

fn stand(server: Server, keys: Option<(&str, u32)>) -> (Stand, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(KEYS_FILE);
    if let Some((text, mode)) = keys {
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut config = config(WIRE, &server.base_url());
    config.providers[0].key_env = Some("P_KEY".into());
    let models = Registry::new(config, Some(file), Arc::new(Counting::default())).unwrap();
    (
        Stand {
            server,
            models,
            key: None,
        },
        dir,
    )
}

#[tokio::test]
async fn a_brought_key_goes_before_a_stored_one_and_into_the_header_alone() {
    let (mut stand, _dir) = stand(
        locked("brought", [Reply::text("yes"), Reply::text("yes")]),
        Some(("p = \"stored\"", 0o600)),
    );
    assert!(stand.models.resolve("p/m").unwrap().key_stored);
    assert_eq!(stand.call().await.failure(), Failure::Auth);
    stand.key = Some(Key::new("brought"));
    assert_eq!(stand.call().await.text(), "yes");
    let seen = stand.server.requests();
    assert_eq!(seen[0].headers["authorization"], "Bearer stored");
    assert_eq!(seen[1].headers["authorization"], "Bearer brought");
    assert!(!seen[1].text.contains("brought"));
}

#[tokio::test]
async fn a_key_file_that_others_can_read_is_not_used_and_the_call_says_so() {
    let (stand, _dir) = stand(
        locked("stored", [Reply::text("no")]),
        Some(("p = \"stored\"", 0o644)),
    );
    assert!(!stand.models.resolve("p/m").unwrap().key_stored);
    let heard = stand.call().await;
    let error = heard.end.unwrap_err();
    assert_eq!(error.failure, Failure::Auth);
    assert!(
        error.words.contains("chmod 600") && !error.words.contains("stored"),
        "{}",
        error.words
    );
    assert!(stand.server.requests().is_empty());
}

#[tokio::test]
async fn a_key_that_the_provider_quotes_is_not_shown() {
    let (mut stand, _dir) = stand(locked("right", []), None);
    stand.key = Some(Key::new("wrong-and-secret"));
    let error = stand.call().await.end.unwrap_err();
    assert_eq!((error.failure, error.status), (Failure::Auth, Some(401)));
    assert!(
        error.words.contains("[redacted:key]") && !error.words.contains("secret"),
        "{}",
        error.words
    );
    let error = stand
        .models
        .offered("p", stand.key.clone())
        .await
        .unwrap_err();
    assert!(!error.words.contains("secret"), "{}", error.words);
}

#[tokio::test]
async fn a_key_that_no_header_can_hold_is_refused_unshown() {
    let (mut stand, _dir) = stand(locked("right", []), None);
    for odd in ["line\nfeed: x", "ümlaut", "two words", "\0"] {
        stand.key = Some(Key::new(odd));
        let error = stand.call().await.end.unwrap_err();
        assert_eq!(error.failure, Failure::Auth);
        assert!(!error.words.contains(odd), "{}", error.words);
    }
    assert!(stand.server.requests().is_empty());
}

#[tokio::test]
async fn a_provider_elsewhere_is_not_called_without_its_key() {
    let server = Server::start(Script::list([]));
    let mut config = config(WIRE, &server.base_url());
    config.providers[0].key_env = Some("P_KEY".into());
    config.providers[0].remote = true;
    let stand = Stand {
        models: crate::stand::registry(config),
        server,
        key: None,
    };
    let error = stand.call().await.end.unwrap_err();
    assert_eq!(error.failure, Failure::Auth);
    assert!(
        error.words.contains("set P_KEY") && error.words.contains(KEYS_FILE),
        "{}",
        error.words
    );
    assert!(stand.server.requests().is_empty());
}

#[tokio::test]
async fn models_on_offer_are_listed() {
    let (stand, _dir) = stand(locked("k", []), None);
    let offered = stand
        .models
        .offered("p", Some(Key::new("k")))
        .await
        .unwrap();
    assert_eq!(offered, ["a", "b"]);
    assert_eq!(
        stand.models.offered("p", None).await.unwrap_err().failure,
        Failure::Auth
    );
    assert_eq!(
        stand
            .models
            .offered("nobody", None)
            .await
            .unwrap_err()
            .failure,
        Failure::Refused
    );
    let requests = stand.server.requests();
    assert!(
        requests
            .iter()
            .all(|r| r.method == "GET" && r.text.is_empty())
    );
}

#[test]
fn a_keys_debug_form_hides_it() {
    assert!(!format!("{:?}", Key::new("secret")).contains("secret"));
}
