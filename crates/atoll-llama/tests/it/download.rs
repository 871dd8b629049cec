//! Downloads from a server of the test's own: cut, changed, endless, redirected, killed.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use atoll_llama::shelf::{Fault, Pin, Shelf, Step};
use sha2::{Digest, Sha256};

use testkit::gguf::model;

/// What a request asked for: its path, its range's start, its `If-Range`.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    path: String,
    from: Option<u64>,
    tag: Option<String>,
}

type Reply = Box<dyn Fn(usize, &Asked, &mut TcpStream) + Send>;

/// A server that answers each connection's one request by a script.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn start(reply: Reply) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/model", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        // It ends with the tests' process; a thread that waits costs nothing.
        std::thread::spawn(move || {
            for (i, tcp) in listener.incoming().enumerate() {
                let Ok(mut tcp) = tcp else { return };
                let mut asked = Asked {
                    path: String::new(),
                    from: None,
                    tag: None,
                };
                for line in BufReader::new(&tcp).lines().map_while(Result::ok) {
                    let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
                    match name.to_ascii_lowercase().as_str() {
                        "" => break,
                        "range" => {
                            let from = value.trim_start_matches("bytes=").trim_end_matches('-');
                            asked.from = from.parse().ok();
                        }
                        "if-range" => asked.tag = Some(value.into()),
                        other if other.starts_with("get ") => {
                            asked.path = other.split(' ').nth(1).unwrap().into();
                        }
                        _ => {}
                    }
                }
                seen.lock().unwrap().push(asked.clone());
                reply(i, &asked, &mut tcp);
            }
        });
        Server { url, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn head(tcp: &mut TcpStream, status: &str, headers: &str) {
    let _ = write!(
        tcp,
        "HTTP/1.1 {status}\r\nconnection: close\r\n{headers}\r\n"
    );
}

fn whole(tcp: &mut TcpStream, tag: &str, body: &[u8], send: usize) {
    head(
        tcp,
        "200 OK",
        &format!("content-length: {}\r\netag: \"{tag}\"\r\n", body.len()),
    );
    let _ = tcp.write_all(&body[..send]);
}

fn part(tcp: &mut TcpStream, tag: &str, body: &[u8], from: u64, send: usize) {
    let rest = &body[usize::try_from(from).unwrap()..];
    let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
    let headers = format!(
        "content-length: {}\r\ncontent-range: {range}\r\netag: \"{tag}\"\r\n",
        rest.len()
    );
    head(tcp, "206 Partial Content", &headers);
    let _ = tcp.write_all(&rest[..send.min(rest.len())]);
}

/// A model's file, padded to be worth cutting.
fn body() -> Vec<u8> {
    let mut bytes = model().bytes();
    bytes.resize(bytes.len() + 300_000, 7);
    bytes
}

fn pin(bytes: &[u8]) -> Pin {
    Pin {
        size_bytes: bytes.len() as u64,
        sha256: Sha256::digest(bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect(),
    }
}

async fn fetch(folder: &Path, url: &str, pin: &Pin) -> (Result<(), Fault>, Vec<Step>) {
    let mut steps = Vec::new();
    let shelf = Shelf::new(folder.join("models"));
    let fetched = shelf
        .fetch("m", url, pin, &mut |step| steps.push(step))
        .await;
    (fetched.map(drop), steps)
}

fn at(folder: &Path, name: &str) -> Option<Vec<u8>> {
    std::fs::read(folder.join("models").join(name)).ok()
}

#[tokio::test]
async fn a_whole_file_is_checked_named_and_not_fetched_twice() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), body());
    let sent = bytes.clone();
    let server = Server::start(Box::new(move |_, _, tcp| {
        whole(tcp, "a", &sent, sent.len())
    }));
    for _ in 0..2 {
        fetch(folder.path(), &server.url, &pin(&bytes))
            .await
            .0
            .unwrap();
    }
    assert_eq!(at(folder.path(), "m.gguf"), Some(bytes));
    assert_eq!(
        server.asked(),
        [Asked {
            path: "/model".into(),
            from: None,
            tag: None
        }]
    );
    let names = std::fs::read_dir(folder.path().join("models"))
        .unwrap()
        .count();
    assert_eq!(names, 2, "the model and its lock");
}

#[tokio::test]
async fn a_cut_download_goes_on_where_it_was_cut() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), body());
    let sent = bytes.clone();
    let server = Server::start(Box::new(move |_, asked, tcp| match asked.from {
        None => whole(tcp, "a", &sent, 100_000),
        Some(from) => part(tcp, "a", &sent, from, 150_000),
    }));
    let (fetched, steps) = fetch(folder.path(), &server.url, &pin(&bytes)).await;
    fetched.unwrap();
    assert_eq!(at(folder.path(), "m.gguf"), Some(bytes));
    let asked = server.asked();
    assert!(asked.len() > 2, "{asked:?}");
    assert!(
        asked[1..].iter().all(|a| a.tag.as_deref() == Some("\"a\"")),
        "{asked:?}"
    );
    assert_eq!(asked[1].from, Some(100_000));
    assert!(asked.windows(2).all(|w| w[0].from < w[1].from), "{asked:?}");
    assert!(
        steps
            .iter()
            .any(|s| matches!(s, Step::Doing(why) if why.starts_with("trying again")))
    );
}

#[tokio::test]
async fn one_that_is_killed_goes_on_the_next_time_and_a_changed_file_begins_anew() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), body());
    let models = folder.path().join("models");
    std::fs::create_dir(&models).unwrap();
    // What a process that was killed leaves.
    std::fs::write(models.join("m.gguf.part"), &bytes[..70_000]).unwrap();
    std::fs::write(models.join("m.gguf.tag"), "\"a\"").unwrap();
    let sent = bytes.clone();
    let server = Server::start(Box::new(move |_, asked, tcp| {
        part(tcp, "a", &sent, asked.from.unwrap(), usize::MAX);
    }));
    let (fetched, steps) = fetch(folder.path(), &server.url, &pin(&bytes)).await;
    fetched.unwrap();
    assert_eq!(server.asked()[0].from, Some(70_000));
    let first = steps.iter().find(|s| matches!(s, Step::Bytes { .. }));
    assert!(
        matches!(
            first,
            Some(Step::Bytes {
                resumed: 70_000,
                ..
            })
        ),
        "{first:?}"
    );
    assert_eq!(at(folder.path(), "m.gguf").as_deref(), Some(&bytes[..]));

    // The source has another file since: it sends all of it, and what was there is nothing's beginning.
    std::fs::remove_file(models.join("m.gguf")).unwrap();
    std::fs::write(models.join("m.gguf.part"), vec![1; 70_000]).unwrap();
    std::fs::write(models.join("m.gguf.tag"), "\"old\"").unwrap();
    let sent = bytes.clone();
    let server = Server::start(Box::new(move |_, _, tcp| {
        whole(tcp, "new", &sent, sent.len())
    }));
    fetch(folder.path(), &server.url, &pin(&bytes))
        .await
        .0
        .unwrap();
    assert_eq!(server.asked()[0].tag.as_deref(), Some("\"old\""));
    assert_eq!(at(folder.path(), "m.gguf").as_deref(), Some(&bytes[..]));

    // Without a tag nobody knows what it is the beginning of.
    std::fs::remove_file(models.join("m.gguf")).unwrap();
    std::fs::write(models.join("m.gguf.part"), vec![1; 70_000]).unwrap();
    let sent = bytes.clone();
    let server = Server::start(Box::new(move |_, _, tcp| {
        whole(tcp, "b", &sent, sent.len())
    }));
    fetch(folder.path(), &server.url, &pin(&bytes))
        .await
        .0
        .unwrap();
    assert_eq!(server.asked()[0].from, None);
}

#[tokio::test]
async fn what_does_not_end_is_cut_at_its_pinned_length_and_kept_no_byte_of() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), body());
    let server = Server::start(Box::new(|_, _, tcp| {
        head(tcp, "200 OK", "etag: \"a\"\r\n");
        while tcp.write_all(&[7; 65_536]).is_ok() {}
    }));
    let (fetched, _) = fetch(folder.path(), &server.url, &pin(&bytes)).await;
    assert!(matches!(fetched, Err(Fault::NotPinned(_))), "{fetched:?}");
    assert_eq!(at(folder.path(), "m.gguf"), None);
    assert_eq!(
        at(folder.path(), "m.gguf.part").unwrap_or_default().len(),
        0
    );
    assert_eq!(server.asked().len(), 1, "it isn't asked again");
}

#[tokio::test]
async fn another_file_is_refused_by_its_length_or_thrown_away_by_its_hash() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), body());
    let longer = vec![7; bytes.len() + 1];
    let server = Server::start(Box::new(move |_, _, tcp| whole(tcp, "a", &longer, 10)));
    let (fetched, _) = fetch(folder.path(), &server.url, &pin(&bytes)).await;
    let words = fetched.unwrap_err().to_string();
    assert!(words.contains("isn't the same file"), "{words}");

    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    let server = Server::start(Box::new(move |_, _, tcp| {
        whole(tcp, "a", &other, other.len())
    }));
    let (fetched, _) = fetch(folder.path(), &server.url, &pin(&bytes)).await;
    let words = fetched.unwrap_err().to_string();
    assert!(
        words.contains("SHA-256") && words.contains("thrown away"),
        "{words}"
    );
    assert_eq!(at(folder.path(), "m.gguf"), None);
    assert_eq!(at(folder.path(), "m.gguf.part"), None);

    // What has the right hash and is no model gets no name either.
    let text = vec![b'x'; 1000];
    let sent = text.clone();
    let server = Server::start(Box::new(move |_, _, tcp| {
        whole(tcp, "a", &sent, sent.len())
    }));
    let (fetched, _) = fetch(folder.path(), &server.url, &pin(&text)).await;
    assert!(matches!(fetched, Err(Fault::File { .. })), "{fetched:?}");
    assert_eq!(at(folder.path(), "m.gguf"), None);
}

#[tokio::test]
async fn a_part_of_something_else_is_refused() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), body());
    let models = folder.path().join("models");
    std::fs::create_dir(&models).unwrap();
    std::fs::write(models.join("m.gguf.part"), &bytes[..50]).unwrap();
    std::fs::write(models.join("m.gguf.tag"), "\"a\"").unwrap();
    let sent = bytes.clone();
    let server = Server::start(Box::new(move |_, _, tcp| {
        part(tcp, "a", &sent, 40, usize::MAX)
    }));
    let (fetched, _) = fetch(folder.path(), &server.url, &pin(&bytes)).await;
    let words = fetched.unwrap_err().to_string();
    assert!(words.contains("asked for `bytes 50-"), "{words}");
}

#[tokio::test]
async fn redirects_lead_to_https_or_stay_on_loopback() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), body());
    let sent = bytes.clone();
    let server = Server::start(Box::new(move |_, asked, tcp| match asked.path.as_str() {
        "/model" => head(tcp, "302 Found", "location: /there\r\n"),
        _ => whole(tcp, "a", &sent, sent.len()),
    }));
    fetch(folder.path(), &server.url, &pin(&bytes))
        .await
        .0
        .unwrap();
    assert_eq!(server.asked().len(), 2);
    for to in [
        "http://models.example/x",
        "ftp://models.example/x",
        "file:///etc/passwd",
        "http://u:p@127.0.0.1/x",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let location = format!("location: {to}\r\n");
        let server = Server::start(Box::new(move |_, _, tcp| head(tcp, "302 Found", &location)));
        let (fetched, _) = fetch(folder.path(), &server.url, &pin(&bytes)).await;
        assert!(
            matches!(fetched, Err(Fault::NotPinned(_))),
            "{to}: {fetched:?}"
        );
        assert_eq!(server.asked().len(), 1);
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(Box::new(|_, _, tcp| {
        head(tcp, "302 Found", "location: /model\r\n")
    }));
    let (fetched, _) = fetch(folder.path(), &server.url, &pin(&bytes)).await;
    assert!(
        fetched
            .unwrap_err()
            .to_string()
            .contains("more than 5 times")
    );
    assert_eq!(server.asked().len(), 6);
    let (fetched, _) = fetch(folder.path(), "http://models.example/m", &pin(&bytes)).await;
    assert!(fetched.unwrap_err().to_string().contains("HTTPS alone"));
}

#[tokio::test]
async fn a_source_that_is_away_is_asked_a_few_times_and_said() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), body());
    let server = Server::start(Box::new(|_, _, tcp| {
        head(tcp, "503 Busy", "content-length: 0\r\n")
    }));
    let (fetched, _) = fetch(folder.path(), &server.url, &pin(&bytes)).await;
    assert!(
        matches!(&fetched, Err(Fault::Unreachable(words)) if words.contains("503")),
        "{fetched:?}"
    );
    assert_eq!(server.asked().len(), 4);
    let server = Server::start(Box::new(|_, _, tcp| {
        head(tcp, "404 Not Found", "content-length: 0\r\n")
    }));
    let (fetched, _) = fetch(folder.path(), &server.url, &pin(&bytes)).await;
    assert!(matches!(fetched, Err(Fault::Unreachable(_))), "{fetched:?}");
    assert_eq!(server.asked().len(), 1, "that won't pass");
}

#[tokio::test]
async fn one_pull_at_a_time_and_a_stopped_one_lets_go() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), body());
    let sent = bytes.clone();
    let server = Server::start(Box::new(move |i, asked, tcp| match (i, asked.from) {
        (0, _) => {
            whole(tcp, "a", &sent, 60_000);
            let held = tcp.try_clone().unwrap(); // hangs, with the connection open
            std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_secs(20));
                drop(held);
            });
        }
        (_, Some(from)) => part(tcp, "a", &sent, from, usize::MAX),
        _ => panic!("{asked:?}"),
    }));
    let shelf = Shelf::new(folder.path().join("models"));
    let pin = pin(&bytes);
    let (here, came) = tokio::sync::oneshot::channel();
    let mut here = Some(here);
    let mut watch = |step| {
        if matches!(step, Step::Bytes { done: 60_000, .. })
            && let Some(here) = here.take()
        {
            here.send(()).unwrap();
        }
    };
    let mut quiet = |_| {};
    {
        let mut first = Box::pin(shelf.fetch("m", &server.url, &pin, &mut watch));
        tokio::select! {
            done = &mut first => panic!("{done:?}"),
            _ = came => {}
        }
        let second = shelf.fetch("m", &server.url, &pin, &mut quiet).await;
        assert!(matches!(second, Err(Fault::Busy(_))), "{second:?}");
    }
    shelf
        .fetch("m", &server.url, &pin, &mut quiet)
        .await
        .unwrap();
    assert_eq!(server.asked()[1].from, Some(60_000));
    assert_eq!(at(folder.path(), "m.gguf"), Some(bytes));
}

#[test]
fn files_are_added_once_and_removed_whole() {
    let folder = tempfile::tempdir().unwrap();
    let own = model().write(folder.path(), "own");
    let shelf = Shelf::new(folder.path().join("models"));
    assert_eq!(shelf.add(&own, "mine").unwrap().architecture, "llama");
    assert_eq!(
        at(folder.path(), "mine.gguf"),
        Some(std::fs::read(&own).unwrap())
    );
    assert!(
        shelf
            .add(&own, "mine")
            .unwrap_err()
            .to_string()
            .contains("already")
    );
    for name in ["", "../x", "a/b", ".x", &"x".repeat(65)] {
        assert!(
            matches!(shelf.add(&own, name), Err(Fault::Name(_))),
            "{name}"
        );
    }
    let text = folder.path().join("text.gguf");
    std::fs::write(&text, "hello").unwrap();
    let refused = shelf.add(&text, "text").unwrap_err().to_string();
    assert!(refused.ends_with("it is no GGUF file"), "{refused}");
    std::fs::write(folder.path().join("models/mine.gguf.part"), "half").unwrap();
    let length = std::fs::metadata(&own).unwrap().len();
    assert_eq!(shelf.remove("mine").unwrap(), length + 4);
    assert!(
        shelf
            .remove("mine")
            .unwrap_err()
            .to_string()
            .contains("there is no model")
    );
    assert_eq!(
        std::fs::read_dir(folder.path().join("models"))
            .unwrap()
            .count(),
        0
    );
}
