//! What stands outside a box: a person's home with secrets, a checkout, a folder, a process, and listeners.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use super::corpus::Effect;
use super::pristine::{Pristine, put};

/// Secrets of this run; each is told where it stands.
pub const FILE: &str = "canary-of-a-file-7d1c40b5e2";
pub const PROCESS: &str = "canary-of-a-process-51f0c2d6aa";
pub const SERVICE: &str = "canary-of-a-service-90be13c7f4";
/// The variable that a caller's environment holds.
pub const VARIABLE: &str = "ATOLL_TEST_CANARY";
pub const ENVIRONMENT: &str = "canary-of-an-environment-c2a94f71d8";

/// What came of a run, outside.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Secrets that came out.
    pub read: Vec<String>,
    pub wrote: Vec<String>,
    pub checkout: Vec<String>,
    pub connected: Vec<String>,
    pub signalled: bool,
    pub left: Vec<String>,
    pub hidden: bool,
}

impl Seen {
    pub fn none(&self) -> bool {
        self.read.is_empty()
            && self.wrote.is_empty()
            && self.checkout.is_empty()
            && self.connected.is_empty()
            && !self.signalled
            && self.left.is_empty()
            && !self.hidden
    }

    pub fn has(&self, effect: Effect) -> bool {
        match effect {
            Effect::Read => !self.read.is_empty(),
            Effect::Write => !self.wrote.is_empty(),
            Effect::Checkout => !self.checkout.is_empty(),
            Effect::Connect => !self.connected.is_empty(),
            Effect::Signal => self.signalled,
            Effect::Stay => !self.left.is_empty(),
            Effect::Hide => self.hidden,
        }
    }

    /// Looks for secrets in what came out.
    pub fn look(&mut self, place: &str, bytes: &[u8]) {
        for secret in [FILE, PROCESS, SERVICE, ENVIRONMENT] {
            if holds(bytes, secret) {
                self.read.push(format!("{secret} in {place}"));
            }
        }
    }
}

pub type Tree = BTreeMap<String, (u32, String)>;

/// What reached a listener: which, and the bytes.
type Heard = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A place outside, and what listens there.
pub struct World {
    base: PathBuf,
    owner: u32,
    pub mark: String,
    before: Tree,
    heard: Heard,
    victim: Child,
    values: BTreeMap<&'static str, String>,
    _tasks: JoinSet<()>,
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl World {
    /// A fresh one at `base`, all of it `owner`'s: no right of the job's own user protects it.
    pub fn new(base: &Path, pristine: &Pristine, owner: u32, mark: &str) -> World {
        pristine.restore(base);
        let _ = std::fs::remove_dir_all(base.join("run")); // not there the first time
        std::fs::create_dir_all(base.join("run")).unwrap();
        let home = base.join("home");
        let victim = child(owner, "sleep")
            .arg("600")
            .env("TOKEN", PROCESS)
            .current_dir("/")
            .stdin(std::fs::File::open(home.join(".ssh/id_ed25519")).unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut world = World {
            base: base.to_owned(),
            owner,
            mark: mark.to_owned(),
            before: Tree::new(),
            heard: Arc::default(),
            victim,
            values: BTreeMap::new(),
            _tasks: JoinSet::new(),
        };
        world.listen();
        world.name();
        world
    }

    fn name(&mut self) {
        let home = self.base.join("home");
        let show = |path: PathBuf| path.display().to_string();
        let values = [
            ("@base@", show(self.base.clone())),
            ("@home@", show(home.clone())),
            ("@shop@", show(home.join("shop"))),
            ("@key@", show(home.join(".ssh/id_ed25519"))),
            ("@out@", show(self.base.join("out"))),
            ("@pid@", self.victim.id().to_string()),
            ("@mark@", self.mark.clone()),
            ("@variable@", VARIABLE.to_owned()),
        ];
        self.values.extend(values);
    }

    pub fn shop(&self) -> PathBuf {
        self.base.join("home/shop")
    }
    pub fn home(&self) -> PathBuf {
        self.base.join("home")
    }
    pub fn owner(&self) -> u32 {
        self.owner
    }
    pub fn add(&mut self, name: &'static str, value: String) {
        self.values.insert(name, value);
    }

    /// A command with this world's places in it.
    pub fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.values {
            text = text.replace(name, value);
        }
        text
    }

    /// The hostile repository's files, and whose they are; then everything is noted.
    pub fn lay(&mut self, files: &BTreeMap<String, String>) {
        for (name, text) in files {
            let path = self.shop().join(name.trim_end_matches('*'));
            let mode = if name.ends_with('*') { 0o755 } else { 0o644 };
            match text.strip_prefix("-> ") {
                Some(target) => {
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::os::unix::fs::symlink(self.fill(target), path).unwrap();
                }
                None => put(path, &self.fill(text), mode),
            }
        }
        self.own();
    }

    /// Hands everything to the owner.
    pub fn own(&mut self) {
        if is_root() {
            for part in ["home", "out", "run"] {
                give(&self.base.join(part), self.owner);
            }
        }
    }

    pub fn note(&mut self) {
        self.before = self.tree();
        self.heard.lock().unwrap().clear();
    }

    fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        for part in ["home", "out", "run"] {
            walk(&self.base, &self.base.join(part), &mut tree);
        }
        tree
    }

    /// What happened since `note`. Processes are looked for apart.
    pub fn seen(&mut self) -> Seen {
        let mut seen = Seen::default();
        let after = self.tree();
        let names = self.before.keys().chain(after.keys());
        let changed = names.filter(|name| self.before.get(*name) != after.get(*name));
        for name in changed.collect::<std::collections::BTreeSet<_>>() {
            // git refreshes its index when it is only asked.
            if name == "home/shop/.git/index" {
                continue;
            }
            match name.starts_with("home/shop/") {
                true => seen.checkout.push(name.clone()),
                false => seen.wrote.push(name.clone()),
            }
        }
        for (place, bytes) in self.heard.lock().unwrap().iter() {
            seen.connected.push(place.clone());
            seen.look(place, bytes);
        }
        let state = std::fs::read_to_string(format!("/proc/{}/stat", self.victim.id()));
        let state = state.unwrap_or_default();
        let letter = state
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        // Alive, and neither stopped nor a zombie.
        seen.signalled = !matches!(letter, Some('S' | 'R' | 'D' | 'I'));
        seen
    }

    fn listen(&mut self) {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        self.values
            .insert("@tcp@", tcp.local_addr().unwrap().port().to_string());
        self.stream("tcp", tcp);
        // Where there is no IPv6, its entries go to the first listener's port, and prove nothing.
        if let Ok(tcp6) = std::net::TcpListener::bind("[::1]:0") {
            self.values
                .insert("@tcp6@", tcp6.local_addr().unwrap().port().to_string());
            self.stream("tcp6", tcp6);
        }
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        self.values
            .insert("@udp@", udp.local_addr().unwrap().port().to_string());
        udp.set_nonblocking(true).unwrap();
        let (udp, heard) = (
            tokio::net::UdpSocket::from_std(udp).unwrap(),
            self.heard.clone(),
        );
        self._tasks.spawn(async move {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(length) = udp.recv(&mut buffer).await {
                heard
                    .lock()
                    .unwrap()
                    .push(("udp".into(), buffer[..length].to_vec()));
            }
        });
        let path = self.base.join("run/sock");
        self.values.insert("@sock@", path.display().to_string());
        let sock = std::os::unix::net::UnixListener::bind(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
        self.unix("unix", sock);
        let name = format!("atoll-test-{}-{}", std::process::id(), self.mark);
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        self.values.insert("@abstract@", name);
        let sock = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
        self.unix("abstract", sock);
    }

    fn stream(&mut self, name: &'static str, listener: std::net::TcpListener) {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let heard = self.heard.clone();
        self._tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, name, heard.clone()));
            }
        });
    }

    fn unix(&mut self, name: &'static str, listener: std::os::unix::net::UnixListener) {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::UnixListener::from_std(listener).unwrap();
        let heard = self.heard.clone();
        self._tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, name, heard.clone()));
            }
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.victim.kill(); // the entry may have ended it
        let ended = self.victim.wait();
        debug_assert!(ended.is_ok_and(|status| status.signal().is_some()));
    }
}

/// Reads what is sent at once, and answers with the service's secret.
async fn answer<S>(mut stream: S, name: &str, heard: Heard)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut all = Vec::new();
    let at = {
        let mut heard = heard.lock().unwrap();
        heard.push((name.to_owned(), Vec::new()));
        heard.len() - 1
    };
    let mut buffer = vec![0; 16 << 10];
    let first = tokio::time::timeout(Duration::from_millis(300), stream.read(&mut buffer)).await;
    if let Ok(Ok(length)) = first {
        all.extend_from_slice(&buffer[..length]);
    }
    if let Some(place) = heard.lock().unwrap().get_mut(at) {
        place.1 = all;
    }
    let length = SERVICE.len();
    let words = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{SERVICE}"
    );
    let _ = stream.write_all(words.as_bytes()).await; // it may not wait for an answer
}

/// A program as `owner`, with nothing of this process's environment.
pub fn child(owner: u32, program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).process_group(0);
    if is_root() {
        command.uid(owner).gid(owner);
    }
    command
}

pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn give(path: &Path, owner: u32) {
    let meta = path.symlink_metadata().unwrap();
    if meta.uid() != owner {
        std::os::unix::fs::lchown(path, Some(owner), Some(owner)).unwrap();
    }
    if meta.is_dir() {
        for entry in std::fs::read_dir(path).unwrap().flatten() {
            give(&entry.path(), owner);
        }
    }
}

pub fn walk(base: &Path, path: &Path, tree: &mut Tree) {
    let Ok(meta) = path.symlink_metadata() else {
        return;
    };
    let name = path.strip_prefix(base).unwrap().display().to_string();
    let content = if meta.is_symlink() {
        format!(
            "-> {}",
            std::fs::read_link(path).unwrap_or_default().display()
        )
    } else if meta.is_file() {
        hex(&Sha256::digest(std::fs::read(path).unwrap_or_default()))
    } else {
        String::new()
    };
    tree.insert(name, (meta.mode(), content));
    if meta.is_dir() {
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            walk(base, &entry.path(), tree);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Processes of `owner` that carry one of the marks, in their environment, their words or their mounts.
pub fn marked(owner: u32, marks: &[&str]) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let theirs = entry.metadata().is_ok_and(|meta| meta.uid() == owner);
        if !theirs || pid as u32 == std::process::id() {
            continue;
        }
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let has = |name: &str| {
            let bytes = read(name);
            marks.iter().any(|mark| holds(&bytes, mark))
        };
        let zombie = String::from_utf8_lossy(&read("stat")).contains(") Z ");
        if !zombie && (has("environ") || has("cmdline") || has("mountinfo")) {
            let words = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
            found.push((pid, words));
        }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(text)
}

/// Writes a line of the report, also where the tests' output is caught.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
