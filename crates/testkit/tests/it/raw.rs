//! The wire, read byte by byte.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};
use testkit::provider::{Fault, Options, Reply, Script, Server};

/// What the server answers to one request, until it closes the connection.
fn ask(server: &Server, method: &str, path: &str, body: &str) -> String {
    let mut tcp = TcpStream::connect(server.address()).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    tcp.write_all(head.as_bytes()).unwrap();
    tcp.write_all(body.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A script may break the connection: what came before counts.
    let _ = tcp.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(server: &Server, body: Value) -> String {
    ask(server, "POST", "/v1/chat/completions", &body.to_string())
}

fn streaming() -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true})
}

#[test]
fn a_stream_ends_with_done_and_counts_usage_only_if_asked() {
    let server = Server::start(Script::list([Reply::text("hello"), Reply::text("hello")]));
    let without = post(&server, streaming());
    assert!(
        without.contains("content-type: text/event-stream"),
        "{without}"
    );
    assert!(without.contains("\"content\":\"hello\""), "{without}");
    assert!(without.contains("data: [DONE]"), "{without}");
    assert!(!without.contains("prompt_tokens"), "{without}");
    let mut body = streaming();
    body["stream_options"] = json!({"include_usage": true});
    assert!(post(&server, body).contains("prompt_tokens"));
    assert_eq!(server.requests().len(), 2);
    assert_eq!(server.hang_ups(), 0);
}

#[test]
fn a_cut_stream_has_no_end() {
    let server = Server::start(Script::list([Reply::text("hello").with(Fault::Cut(2))]));
    let answer = post(&server, streaming());
    assert!(answer.contains("hello"), "{answer}");
    assert!(!answer.contains("finish_reason\":\"stop"), "{answer}");
    // A chunked body that is whole ends with an empty chunk.
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
}

#[test]
fn a_script_that_is_used_up_refuses() {
    let server = Server::start(Script::list([]));
    assert!(post(&server, streaming()).starts_with("HTTP/1.1 400"));
}

#[test]
fn a_wrong_key_is_refused_and_recorded() {
    let options = Options {
        key: Some("right".into()),
        ..Options::default()
    };
    let server = Server::with(Script::list([Reply::text("no")]), options).unwrap();
    assert!(post(&server, streaming()).starts_with("HTTP/1.1 401"));
    assert!(ask(&server, "GET", "/v1/models", "").starts_with("HTTP/1.1 401"));
    assert_eq!(server.requests()[0].json()["model"], "m");
}

#[test]
fn scripts_are_arrays_lines_and_recordings() {
    let forms = [
        r#"[{"content": "a"}, {"status": 429, "error": "slow", "retry_after": "2"}]"#,
        "{\"content\": \"a\"}\n\n{\"status\": 429, \"error\": \"slow\", \"retry_after\": \"2\"}\n",
        "{\"n\": \"0001\", \"request\": {}, \"reply\": {\"content\": \"a\"}}\n{\"n\": \"0002\", \"request\": {}, \"reply\": {\"status\": 429, \"error\": \"slow\", \"retry_after\": \"2\"}}",
    ];
    for form in forms {
        let server = Server::start(Script::parse(form).unwrap());
        let body = json!({"model": "m", "messages": []});
        assert!(post(&server, body.clone()).contains("\"content\":\"a\""));
        let refused = post(&server, body);
        assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("retry-after: 2"));
    }
    assert_eq!(
        Script::parse("{}\n{\"content\": 3}").err().map(|e| e.line),
        Some(2)
    );
    assert!(Script::parse("[{\"fault\"").is_err());
}

#[test]
fn a_function_sees_the_request() {
    let server = Server::start(Script::by_function(|request| {
        Reply::text(format!("you said {}", request["messages"][0]["content"]))
    }));
    assert!(post(&server, streaming()).contains("you said"));
}
