//! The terminal: keys, raw mode, the pager, bells.
#![allow(
    clippy::disallowed_types,
    reason = "starts the user's own pager and editor, on the user's own terminal"
)]

use std::io::{IsTerminal, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// Puts the terminal's settings back when it goes.
pub struct Mode {
    before: Termios,
}

impl Mode {
    /// Keys one by one, unseen; Ctrl-C and its like still work. What was typed before is dropped.
    pub fn keys() -> Option<Mode> {
        Mode::with(|t| {
            use rustix::termios::LocalModes;
            t.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        })
    }

    /// Keys one by one, unseen, and Ctrl-C is one of them: whoever reads ends in order, and the settings come back.
    fn unseen() -> Option<Mode> {
        Mode::with(|t| {
            use rustix::termios::LocalModes;
            let not = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
            t.local_modes.remove(not);
        })
    }

    /// As it is now, whatever somebody makes of it meanwhile.
    pub fn kept() -> Option<Mode> {
        Mode::with(|_| {})
    }

    /// Everything goes through as it is typed.
    pub fn raw() -> Option<Mode> {
        Mode::with(Termios::make_raw)
    }

    fn with(change: impl FnOnce(&mut Termios)) -> Option<Mode> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).ok()?;
        let mut wanted = before.clone();
        change(&mut wanted);
        tcsetattr(&stdin, OptionalActions::Now, &wanted).ok()?;
        Some(Mode { before })
    }
}

impl Drop for Mode {
    fn drop(&mut self) {
        // The terminal may be gone: then there is nothing to put back.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// Whether this command holds the terminal: one in the background may not touch it.
pub fn in_front() -> bool {
    let own = rustix::process::getpgrp();
    rustix::termios::tcgetpgrp(std::io::stdin()).is_ok_and(|front| front == own)
}

/// Drops what was typed and not read.
pub fn drop_typed() {
    let _ = tcflush(std::io::stdin(), QueueSelector::IFlush); // no terminal: nothing typed
}

/// Bytes of standard input as they come, read by a thread of its own until `stop` is set or they end.
pub fn stdin_bytes(stop: Arc<AtomicBool>) -> tokio::sync::mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    std::thread::spawn(move || {
        let stdin = std::io::stdin();
        let tick = Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        let mut buffer = vec![0; 32 * 1024];
        while !stop.load(Ordering::Relaxed) {
            let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
            match poll(&mut fds, Some(&tick)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => break,
            }
            // Past the standard library's buffer, so that nothing is kept there after `stop`.
            match rustix::io::read(&stdin, &mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(n) => {
                    if sender.blocking_send(buffer[..n].to_vec()).is_err() {
                        break;
                    }
                }
            }
        }
    });
    receiver
}

/// One line of words, typed on the terminal; `None`: it ended.
pub fn line(prompt: &str) -> Option<String> {
    crate::app::say(prompt);
    let mut text = String::new();
    let read = std::io::BufRead::read_line(&mut std::io::stdin().lock(), &mut text).ok()?;
    (read > 0).then(|| text.trim().to_owned())
}

/// What was typed unseen.
pub enum Unseen {
    /// A line.
    Line(Zeroizing<Vec<u8>>),
    /// Ctrl-C.
    Stopped,
    /// More than there is room for.
    Long,
    /// It ended, or there is no terminal.
    Ended,
}

/// A line that isn't shown while it is typed: a passphrase, a key. Blocking.
pub fn unseen(prompt: &str, limit_bytes: usize) -> Unseen {
    let Some(mode) = Mode::unseen() else {
        return Unseen::Ended;
    };
    drop_typed();
    crate::app::say(prompt);
    let line = unseen_line(limit_bytes);
    drop(mode);
    crate::app::say("\n");
    line
}

fn unseen_line(limit_bytes: usize) -> Unseen {
    // It never grows: what grows leaves copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(limit_bytes));
    let mut buffer = Zeroizing::new([0; 256]);
    loop {
        let read =
            rustix::io::retry_on_intr(|| rustix::io::read(std::io::stdin(), &mut buffer[..]));
        let Ok(n @ 1..) = read else {
            return Unseen::Ended;
        };
        for byte in &buffer[..n] {
            match byte {
                b'\r' | b'\n' => return Unseen::Line(line),
                3 => return Unseen::Stopped,
                4 if line.is_empty() => return Unseen::Ended,
                8 | 127 => drop(line.pop()),
                21 => line.clear(),
                _ if line.len() == limit_bytes => return Unseen::Long,
                byte => line.push(*byte),
            }
        }
    }
}

/// All of standard input, up to `limit_bytes`; `None`: it is longer, or no text.
pub fn all_input(limit_bytes: u64) -> Option<String> {
    let mut text = String::new();
    let mut input = std::io::stdin().lock().take(limit_bytes + 1);
    input.read_to_string(&mut text).ok()?;
    (text.len() as u64 <= limit_bytes).then_some(text)
}

/// A bell, and a notice that most terminals show when they are in the background. On a terminal alone.
pub fn notify(text: &str) {
    if std::io::stderr().is_terminal() {
        let shown = atoll_domain::Shown::line(text).cut(80);
        crate::app::say(&match crate::app::env("TERM").as_deref() {
            None | Some("dumb") => "\x07".to_owned(),
            _ => format!("\x07\x1b]9;Atoll: {shown}\x07"),
        });
    }
}

/// The user's own editor on these files; whether it ended well, or why it could not be started.
pub fn edit(files: &[std::path::PathBuf]) -> Result<bool, String> {
    let named = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| crate::app::env(name));
    let editor = named.unwrap_or_else(|| "vi".into());
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let mut command = Command::new(program);
    // The editor starts where the user is, never in the copy: what lies there is not theirs.
    let ran = command.args(words).args(files).status();
    ran.map(|status| status.success())
        .map_err(|err| format!("{program}: {err}"))
}

/// Through the user's pager; `false`: there is none.
pub fn page(text: &str) -> bool {
    let pager = crate::app::env("PAGER").unwrap_or_else(|| "less".into());
    let mut words = pager.split_whitespace();
    let Some(program) = words.next() else {
        return false;
    };
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::piped());
    if crate::app::env("LESS").is_none() {
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else {
        return false;
    };
    if let Some(mut stdin) = child.stdin.take() {
        // A pager that is left early does not read to the end.
        let _ = stdin.write_all(text.as_bytes());
    }
    child.wait().is_ok()
}
