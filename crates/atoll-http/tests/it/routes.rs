//! What the routes do with requests, good and bad.

use std::sync::Arc;

use server::Server;

use crate::fake::Fake;

/// The server on a socket, and requests to it.
mod server {
    use super::*;
    use http_body_util::{BodyExt, Full};
    use hyper_util::rt::TokioIo;

    pub struct Server {
        pub fake: Arc<Fake>,
        path: std::path::PathBuf,
        task: tokio::task::JoinHandle<()>,
        _dir: tempfile::TempDir,
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.task.abort();
        }
    }

    impl Server {
        pub fn start() -> Server {
            let dir = tempfile::tempdir().unwrap();
            let folder = dir.path().join("run");
            let uid = rustix::process::getuid().as_raw();
            let listener = atoll_http::bind(&folder, uid).unwrap();
            let fake = Fake::new();
            let served = atoll_http::serve(listener, fake.clone(), uid, std::future::pending());
            let path = folder.join(atoll_http::SOCKET);
            Server {
                fake,
                path,
                task: tokio::spawn(served),
                _dir: dir,
            }
        }

        pub async fn send(
            &self,
            method: &str,
            path: &str,
            headers: &[(&str, &str)],
            body: &str,
        ) -> (u16, String) {
            let stream = tokio::net::UnixStream::connect(&self.path).await.unwrap();
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            let mut request = hyper::Request::builder()
                .method(method)
                .uri(path)
                .header("host", "a");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let body = Full::new(bytes::Bytes::from(body.to_owned()));
            let response = sender
                .send_request(request.body(body).unwrap())
                .await
                .unwrap();
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(body.to_vec()).unwrap())
        }
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn each_route_is_in_the_document_and_each_of_the_document_is_a_route() {
    let server = Server::start();
    let (status, document) = server.send("GET", "/v1/openapi.json", &[], "").await;
    assert_eq!(status, 200);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let mut described: Vec<(String, String)> = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.push((method.to_uppercase(), path.clone()));
        }
    }
    let mut listed = atoll_http::listed();
    described.sort();
    listed.sort();
    assert_eq!(described, listed);
    for (method, path) in listed {
        let path = path
            .replace("{session}", "s4")
            .replace("{job}", "j1")
            .replace("{gate}", "g1");
        let path = path.replace("{patch}", "p1");
        let (status, body) = server.send(&method, &path, &[], "").await;
        assert!(
            status != 404 && status != 405,
            "{method} {path}: {status} {body}"
        );
    }
}

#[tokio::test]
async fn a_key_is_needed_to_start_and_starts_once() {
    let server = Server::start();
    let body = r#"{"root":"/r","prompt":"mend"}"#;
    let (status, answer) = server.send("POST", "/v1/sessions", &[JSON], body).await;
    assert!(
        status == 400 && answer.contains("Idempotency-Key"),
        "{status} {answer}"
    );
    let headers = [JSON, ("idempotency-key", "k1")];
    let first = server.send("POST", "/v1/sessions", &headers, body).await;
    let second = server.send("POST", "/v1/sessions", &headers, body).await;
    assert_eq!(first.0, 200);
    assert_eq!(first, second);
    assert_eq!(server.fake.calls().len(), 1, "{:?}", server.fake.calls());
    let other = r#"{"root":"/r","prompt":"break"}"#;
    let (status, answer) = server.send("POST", "/v1/sessions", &headers, other).await;
    assert!(
        status == 400 && answer.contains("another request"),
        "{status} {answer}"
    );
    let (status, _) = server
        .send(
            "POST",
            "/v1/sessions",
            &[JSON, ("idempotency-key", "")],
            body,
        )
        .await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn bad_requests_are_errors_with_a_code() {
    let server = Server::start();
    let huge = "x".repeat(atoll_http::BODY_BYTES_MAX + 1);
    for (method, path, body, want) in [
        ("GET", "/v1/nothing", "", 404),
        ("DELETE", "/v1/status", "", 405),
        ("GET", "/v1/sessions/s99", "", 404),
        ("GET", "/v1/sessions?limit=many", "", 400),
        ("GET", "/v1/jobs/j1/artifact", "", 400),
        ("POST", "/v1/sessions/s4/say", "{", 400),
        ("POST", "/v1/sessions/s4/say", "{}", 400),
        ("POST", "/v1/gates/g1/answer", r#"{"answer":"maybe"}"#, 400),
        ("POST", "/v1/sessions/s4/say", &huge, 400),
    ] {
        let (status, answer) = server.send(method, path, &[JSON], body).await;
        assert_eq!(status, want, "{method} {path}: {answer}");
        let err: atoll_api::Error = serde_json::from_str(&answer).unwrap();
        assert!(err.code.starts_with("ATL-0"), "{err:?}");
    }
    let (status, _) = server
        .send("POST", "/v1/sessions/s4/say", &[], r#"{"text":"hi"}"#)
        .await;
    assert_eq!(status, 400, "a body that doesn't say it is JSON");
    assert!(server.fake.calls().is_empty(), "{:?}", server.fake.calls());
}

#[tokio::test]
async fn streams_are_lines_or_events() {
    let server = Server::start();
    let (_, lines) = server
        .send("GET", "/v1/sessions/s4/watch?cursor=7", &[], "")
        .await;
    let seqs: Vec<u64> = lines
        .lines()
        .map(|l| {
            serde_json::from_str::<atoll_api::Update>(l)
                .unwrap()
                .seq
                .unwrap()
        })
        .collect();
    assert_eq!(seqs, [8, 9]);
    let accept = [("accept", "text/event-stream")];
    let (_, events) = server
        .send("GET", "/v1/events/follow?after=3", &accept, "")
        .await;
    assert!(events.starts_with("id: 4\ndata: {"), "{events}");
    assert_eq!(events.matches("\n\n").count(), 2, "{events}");
    let (_, export) = server.send("GET", "/v1/log/export", &[], "").await;
    assert_eq!(export, "{\"a\":1}\n{\"b\":2}\n");
    let (status, kept) = server.send("POST", "/v1/log/checkpoint", &[], "").await;
    assert!(status == 200 && kept.contains("\"size\":3"), "{kept}");
    let (status, archived) = server
        .send("POST", "/v1/log/archive", &[JSON], r#"{"older_s":7}"#)
        .await;
    assert!(
        status == 200 && archived.contains("\"last\":3"),
        "{archived}"
    );
    let calls = server.fake.calls();
    assert!(calls.contains(&"archive Some(7)".into()), "{calls:?}");
}

#[tokio::test]
async fn a_token_makes_the_caller_and_one_that_is_refused_makes_none() {
    let server = Server::start();
    let good = ("authorization", "Bearer good");
    let (status, _) = server.send("GET", "/v1/grants", &[good], "").await;
    assert_eq!(status, 200);
    assert_eq!(server.fake.calls(), ["enter", "grants true"]);
    for bad in ["Bearer bad", "Bearer ", "Basic good", "good", "bearer good"] {
        let sent = server
            .send("GET", "/v1/grants", &[("authorization", bad)], "")
            .await;
        assert!(
            sent.0 == 403 && sent.1.contains("ATL-0321"),
            "{bad}: {sent:?}"
        );
    }
    let twice = server.send("GET", "/v1/grants", &[good, good], "").await;
    assert_eq!(twice.0, 403);
    assert_eq!(
        server.fake.calls().len(),
        2,
        "nothing was done with the owner's rights"
    );
    let (status, _) = server.send("GET", "/v1/grants", &[], "").await;
    assert_eq!(status, 200);
    assert_eq!(server.fake.calls()[2..], ["grants false"]);
}

#[tokio::test]
async fn a_tokens_bodies_are_bounded_and_its_keys_are_its_own() {
    let server = Server::start();
    let (good, key) = (("authorization", "Bearer good"), ("idempotency-key", "k1"));
    let json = ("content-type", "application/json");
    let long = format!("{{\"why\": \"{}\"}}", "x".repeat(64));
    let sent = server
        .send("POST", "/v1/grants/c1/revoke", &[good, json], &long)
        .await;
    assert!(sent.0 == 429 && sent.1.contains("ATL-0324"), "{sent:?}");
    let sent = server
        .send("POST", "/v1/grants/c1/revoke", &[json], &long)
        .await;
    assert_eq!(sent.0, 200, "the owner's are not");
    // The same key of two callers is two keys: neither gets what the other was answered.
    let body = "{\"why\": \"lost\"}";
    for (headers, told) in [
        (&[json, key][..], 1),
        (&[json, key, good], 2),
        (&[json, key, good], 2),
    ] {
        let sent = server
            .send("POST", "/v1/grants/c2/revoke", headers, body)
            .await;
        assert_eq!(sent.0, 200);
        let calls = server.fake.calls();
        assert_eq!(
            calls
                .iter()
                .filter(|c| *c == "grant_revoke c2 lost")
                .count(),
            told
        );
    }
}
