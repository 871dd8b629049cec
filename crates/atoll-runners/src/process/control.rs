//! The handle on a running job: input, the terminal's size, the end.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use atoll_domain::Tick;
use atoll_domain::action::Stdin;
use atoll_guard::{BoxFuture, End, Live, Permit, Stop};
use atoll_ports::runner::Control;
use rustix::net::SendFlags;
use tokio::io::unix::AsyncFd;
use tokio::sync::Mutex;

use crate::wire::{self, Order, Why};

/// Where input goes.
pub enum Input {
    /// A pipe.
    Pipe(AsyncFd<OwnedFd>),
    /// The terminal, which is never closed, but told of the end.
    Terminal(Arc<AsyncFd<OwnedFd>>),
    /// Nowhere: closed, or never open.
    Closed,
}

/// The handle.
pub struct Handle {
    /// The init's socket.
    pub job: Arc<AsyncFd<OwnedFd>>,
    /// The terminal's master, if it has one.
    pub terminal: Option<Arc<AsyncFd<OwnedFd>>>,
    /// Where input goes.
    pub input: Mutex<Input>,
}

/// End of input, as a terminal in its usual mode understands it.
const END_OF_INPUT: &[u8] = &[4];

impl Handle {
    /// Tells the init to end the job.
    pub fn order(&self, why: Why) {
        order(&self.job, why);
    }

    async fn feed(&self, bytes: &[u8]) -> Result<(), Stop> {
        let mut input = self.input.lock().await;
        if bytes.is_empty() {
            match &*input {
                Input::Terminal(master) => write(master, END_OF_INPUT).await?,
                Input::Pipe(_) | Input::Closed => *input = Input::Closed,
            }
            return Ok(());
        }
        match &*input {
            Input::Pipe(pipe) => write(pipe, bytes).await,
            Input::Terminal(master) => write(master, bytes).await,
            Input::Closed => Err(Stop::Unable("the job's standard input is closed".into())),
        }
    }
}

/// [`Handle::order`] on the socket alone.
pub fn order(job: &AsyncFd<OwnedFd>, why: Why) {
    // Its buffer holds hundreds of these; a job that is gone needs none.
    let _ = wire::send(
        job.get_ref().as_fd(),
        &Order::Stop(why),
        &[],
        SendFlags::DONTWAIT,
    );
}

async fn write(to: &AsyncFd<OwnedFd>, mut bytes: &[u8]) -> Result<(), Stop> {
    let gone = |err: std::io::Error| Stop::Unable(format!("the job takes no more input: {err}"));
    while !bytes.is_empty() {
        let mut ready = to.writable().await.map_err(gone)?;
        match ready.try_io(|fd| rustix::io::write(fd.get_ref(), bytes).map_err(Into::into)) {
            Ok(Ok(n)) => bytes = &bytes[n..],
            Ok(Err(err)) if err.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(Err(err)) => return Err(gone(err)),
            Err(_would_block) => {}
        }
    }
    Ok(())
}

impl Control for Handle {
    fn stdin(&self, permit: Permit<Stdin>, now: Tick) -> BoxFuture<'_, Result<Live<Stdin>, Stop>> {
        Box::pin(async move {
            let live = permit.begin(now)?;
            match self.feed(&live.act().bytes).await {
                Ok(()) => Ok(live),
                Err(stop) => {
                    live.finish(End::failed(None));
                    Err(stop)
                }
            }
        })
    }

    fn resize(&self, cols: u16, rows: u16) {
        if let Some(terminal) = &self.terminal {
            let size = libc::winsize {
                ws_col: cols,
                ws_row: rows,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            let fd = terminal.get_ref().as_raw_fd();
            // SAFETY: the struct lives over the call and is what this request takes.
            unsafe { libc::ioctl(fd, libc::TIOCSWINSZ, &raw const size) };
        }
    }

    fn stop(&self) {
        self.order(Why::Cancelled);
    }
}
