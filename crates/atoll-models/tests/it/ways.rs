//! By which way a provider is reached: as configured, whatever the environment says.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Command;

use atoll_models::{Config, ProviderConfig, WireKind};
use atoll_ports::Models;
use atoll_ports::models::Failure;
use testkit::provider::{Reply, Script, Server};

use crate::stand::{Stand, config, registry};

#[tokio::test]
async fn a_configured_proxy_is_asked_for_a_tunnel_and_sees_no_key() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let proxy = std::thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        let lines = BufReader::new(tcp).lines().map_while(Result::ok);
        lines.take_while(|l| !l.is_empty()).collect::<Vec<_>>()
    });
    let provider = ProviderConfig {
        name: "p".into(),
        base_url: Some("https://models.invalid/v1".into()),
        proxy: Some(format!("http://127.0.0.1:{port}")),
        ..ProviderConfig::default()
    };
    let models = registry(Config {
        providers: vec![provider],
        ..config(WireKind::ChatCompletions, "")
    });
    let key = atoll_ports::models::Key::new("s3cret");
    let error = models.offered("p", Some(key)).await.unwrap_err();
    // On a machine without any certificate no TLS is begun, so that no proxy is asked either.
    if error.words.contains("ca-certificates") {
        eprintln!("SKIPPED: this machine has no certificates");
        return;
    }
    assert_eq!(error.failure, Failure::Unreachable);
    let asked = proxy.join().unwrap();
    assert!(
        asked[0].starts_with("CONNECT models.invalid:443"),
        "{asked:?}"
    );
    assert!(!asked.join("\n").contains("s3cret"), "{asked:?}");
}

/// Runs `as_configured` in a process of its own, since the environment belongs to all tests of this one.
#[test]
fn proxies_in_the_environment_are_not_used() {
    let trap = Server::start(Script::by_function(|_| Reply::text("from the trap")));
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "ways::as_configured"]);
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        child.env(name, format!("http://{}", trap.address()));
    }
    let output = child
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    assert!(trap.requests().is_empty());
}

#[tokio::test]
async fn as_configured() {
    let script = Script::list([Reply::text("straight")]);
    let stand = Stand::new(WireKind::ChatCompletions, script);
    assert_eq!(stand.call().await.text(), "straight");
}

#[tokio::test]
async fn localhost_is_loopback() {
    let server = Server::start(Script::list([Reply::text("here")]));
    let url = server.base_url().replace("127.0.0.1", "localhost");
    let models = registry(config(WireKind::ChatCompletions, &url));
    let stand = Stand {
        server,
        models,
        key: None,
    };
    assert_eq!(stand.call().await.text(), "here");
}
