//! Being the engine: a process that reads one model, behind a fence, and continues conversations.

use std::io::Write;
use std::path::Path;

use crate::gguf::{self, Header};
use crate::memory::{self, Fit};
use crate::wire::{ASK_LIMIT_BYTES, Answer, Ask, Code, Load, receive, send};

/// Address space beside what a model needs, in bytes: programs, stacks, arenas; most of it never memory.
const ADDRESS_SPARE_BYTES: u64 = 4 << 30;

/// What an engine does with a model that was judged and fits.
pub(crate) struct Ready {
    pub(crate) load: Load,
    pub(crate) header: Header,
    pub(crate) fit: Fit,
    pub(crate) fences: Vec<String>,
}

/// Why there is no model.
pub(crate) type Failed = (Code, String);

/// Says an answer; nobody left to hear it ends the engine.
pub(crate) fn say(answer: &Answer) {
    if send(&mut std::io::stdout().lock(), answer).is_err() {
        std::process::exit(0);
    }
}

/// The engine's process, from its start to its end; the exit code. Must be called before any thread is started.
pub fn engine_main() -> i32 {
    let asked = receive::<Ask>(&mut std::io::stdin().lock(), ASK_LIMIT_BYTES);
    let load = match asked {
        Ok(Some(Ask::Load(load))) => load,
        Ok(None | Some(Ask::Exit)) => return 0,
        Ok(Some(_)) | Err(_) => {
            let _ = writeln!(
                std::io::stderr(),
                "an engine is started by a node, not by hand"
            );
            return 2;
        }
    };
    let failed = match ready(load) {
        Ok(ready) => match run(ready) {
            Ok(()) => return 0,
            Err(failed) => failed,
        },
        Err(failed) => failed,
    };
    let (code, words) = failed;
    say(&Answer::Failed {
        id: None,
        code,
        words,
    });
    1
}

/// Judges the file, sees that it fits, and puts the fence up.
fn ready(load: Load) -> Result<Ready, Failed> {
    let unable = |words: String| (Code::Unable, words);
    #[cfg(feature = "engine")]
    crate::inside::can_compute()?;
    crate::confine::first().map_err(unable)?;
    let path = Path::new(&load.path);
    let header = gguf::read_file(path).map_err(|err| (Code::File, err.to_string()))?;
    let free_bytes =
        memory::available_here().map_or(u64::MAX, |b| b.saturating_sub(load.spare_bytes));
    let wanted = Fit {
        context_tokens: load.context_tokens,
        sequences: load.sequences,
    };
    let Some(fit) = memory::fit(&header, wanted, free_bytes) else {
        let least = memory::needed_bytes(&header, 2048.min(load.context_tokens), 1);
        let words = format!(
            "it takes at least {} MiB of memory, and {} MiB are free",
            least >> 20,
            free_bytes >> 20
        );
        return Err((Code::Memory, words));
    };
    let need = memory::needed_bytes(&header, fit.context_tokens, fit.sequences);
    let address_limit_bytes = need.saturating_mul(2).saturating_add(ADDRESS_SPARE_BYTES);
    let fences = crate::confine::confine(path, address_limit_bytes).map_err(unable)?;
    Ok(Ready {
        load,
        header,
        fit,
        fences,
    })
}

#[cfg(feature = "engine")]
fn run(ready: Ready) -> Result<(), Failed> {
    crate::inside::run(ready)
}

#[cfg(not(feature = "engine"))]
fn run(ready: Ready) -> Result<(), Failed> {
    drop((ready.load, ready.header, ready.fit, ready.fences));
    Err((
        Code::Unable,
        "this atoll was built without the engine (cargo build --features embedded)".into(),
    ))
}

/// Puts the fence up for `model` and says, a line each, what is still let through: for a test of the fence.
#[doc(hidden)]
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tries what the fence must refuse"
)]
pub fn fence_main(model: &Path) -> i32 {
    let fenced = crate::confine::first().and_then(|()| crate::confine::confine(model, 8 << 30));
    let fences = match fenced {
        Ok(fences) => fences,
        Err(err) => {
            println!("no fence: {err}");
            return 1;
        }
    };
    println!("fences {}", fences.join(" "));
    let say = |what: &str, done: bool| println!("{what} {}", if done { "yes" } else { "no" });
    say("model", std::fs::read(model).is_ok());
    say("thread", std::thread::spawn(|| 7).join().is_ok());
    say("other", std::fs::read("/etc/passwd").is_ok());
    say(
        "list",
        std::fs::read_dir("/").is_ok_and(|mut dir| dir.next().is_some_and(|e| e.is_ok())),
    );
    say("write", std::fs::write(model, b"x").is_ok());
    say("tcp", std::net::TcpListener::bind("127.0.0.1:0").is_ok());
    say("udp", std::net::UdpSocket::bind("127.0.0.1:0").is_ok());
    say("unix", std::os::unix::net::UnixDatagram::unbound().is_ok());
    say(
        "program",
        std::process::Command::new("/bin/true").status().is_ok(),
    );
    say(
        "memory",
        Vec::<u8>::new().try_reserve_exact(1 << 40).is_ok(),
    );
    0
}
