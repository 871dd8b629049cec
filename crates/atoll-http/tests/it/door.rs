//! Who gets in, and how the socket is made.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use atoll_http::{BindError, bind, serve};

use crate::fake::Fake;

fn uid() -> u32 {
    rustix::process::getuid().as_raw()
}

/// A request by hand: status line and body.
fn raw(path: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const DOWN: &str =
    "POST /v1/down HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn the_owner_gets_in_and_another_owner_does_not() {
    for (owner, status) in [(uid(), "200"), (uid() + 1, "403")] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("run");
        let listener = bind(&folder, uid()).unwrap();
        let fake = Fake::new();
        let server = tokio::spawn(serve(listener, fake.clone(), owner, std::future::pending()));
        let path = folder.join(atoll_http::SOCKET);
        let answer = tokio::task::spawn_blocking(move || raw(&path, HEALTH) + &raw(&path, DOWN))
            .await
            .unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
        assert_eq!(answer.contains("ATL-0702"), status == "403", "{answer}");
        let expected: &[&str] = if status == "200" {
            &["health", "down"]
        } else {
            &[]
        };
        assert_eq!(
            fake.calls(),
            expected,
            "a stranger's command reaches nothing"
        );
        server.abort();
    }
}

/// As root only: the kernel, not the request, says who calls. A thread of its own takes another uid.
#[tokio::test]
async fn a_process_of_another_uid_is_refused_though_the_socket_lets_it_connect() {
    if uid() != 0 {
        eprintln!(
            "SKIPPED: only root can become another user; run the tests as root to see this one"
        );
        return;
    }
    let dir = tempfile::tempdir_in("/tmp").unwrap();
    let folder = dir.path().join("run");
    let listener = bind(&folder, 0).unwrap();
    let path = folder.join(atoll_http::SOCKET);
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap()
    };
    open(dir.path(), 0o755);
    open(&folder, 0o755);
    open(&path, 0o666);
    let fake = Fake::new();
    let server = tokio::spawn(serve(listener, fake.clone(), 0, std::future::pending()));
    let stranger = std::thread::spawn(move || {
        let nobody = rustix::process::Uid::from_raw(65534);
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        raw(&path, DOWN)
    });
    let answer = tokio::task::spawn_blocking(move || stranger.join().unwrap())
        .await
        .unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 403") && answer.contains("ATL-0702"),
        "{answer}"
    );
    assert!(fake.calls().is_empty());
    server.abort();
}

#[tokio::test]
async fn a_stale_socket_is_taken_away_and_a_living_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    drop(bind(&folder, uid()).unwrap());
    let path = folder.join(atoll_http::SOCKET);
    assert!(path.exists(), "a dropped listener leaves its socket");
    let _listener = bind(&folder, uid()).unwrap();
    let modes = [folder.as_path(), &path]
        .map(|p| std::fs::metadata(p).unwrap().permissions().mode() & 0o777);
    assert_eq!(modes, [0o700, 0o600]);
    assert!(matches!(bind(&folder, uid()), Err(BindError::Taken(_))));
}

#[tokio::test]
async fn a_folder_that_others_may_enter_a_file_and_a_link_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
    assert!(matches!(
        bind(&folder, uid()),
        Err(BindError::Folder { .. })
    ));
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
    assert!(matches!(
        bind(&folder, uid() + 1),
        Err(BindError::Folder { .. })
    ));
    std::fs::write(folder.join(atoll_http::SOCKET), "precious").unwrap();
    assert!(matches!(bind(&folder, uid()), Err(BindError::NoSocket(_))));
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    assert!(matches!(bind(&link, uid()), Err(BindError::Io { .. })));
}

#[tokio::test]
async fn a_path_longer_than_a_socket_address_works() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a".repeat(120)).join("run");
    assert!(bind(&folder, uid()).is_ok());
}
