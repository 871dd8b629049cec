//! Threads for file work. Each piece has one at once, however many there are, so that no
//! effect waits for another; a thread that is done stays a while for the next, because to
//! start one takes longer than most reads.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::locked;

/// Threads that stay at most.
const IDLE_MAX: usize = 4;

/// How long a thread stays without work.
const STAY: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() + Send>;

/// Idle threads end when it is dropped; work that was begun goes on to its end.
#[derive(Default)]
pub(super) struct Pool {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Each for one of the idle threads.
    work: VecDeque<Work>,
    idle: usize,
    closed: bool,
}

impl Pool {
    /// Runs `work` on an idle thread or on a new one. Errors: no thread can be started;
    /// then it is not run.
    pub(super) fn run(&self, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let work: Work = Box::new(work);
        let mut queue = locked(&self.shared.queue);
        if queue.idle > queue.work.len() {
            queue.work.push_back(work);
            drop(queue);
            self.shared.wake.notify_one();
            return Ok(());
        }
        drop(queue);
        let shared = self.shared.clone();
        std::thread::Builder::new()
            .name("workspace".into())
            .spawn(move || {
                work();
                while let Some(work) = shared.next() {
                    work();
                }
            })
            .map(drop)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        locked(&self.shared.queue).closed = true;
        self.shared.wake.notify_all();
    }
}

impl Shared {
    /// The next piece of work; `None` where the thread should end.
    fn next(&self) -> Option<Work> {
        let mut queue = locked(&self.queue);
        if queue.idle >= IDLE_MAX {
            return None;
        }
        queue.idle += 1;
        let idle = |q: &mut Queue| q.work.is_empty() && !q.closed;
        let waited = self.wake.wait_timeout_while(queue, STAY, idle);
        queue = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        queue.idle -= 1;
        queue.work.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// Until `count` threads stay idle.
    fn settled(pool: &Pool, count: usize) {
        while locked(&pool.shared.queue).idle != count {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_thread_is_used_again() {
        let pool = Pool::default();
        let (tell, told) = channel();
        let ids: Vec<_> = (0..3)
            .map(|_| {
                let tell = tell.clone();
                let work = move || tell.send(std::thread::current().id()).unwrap();
                pool.run(work).unwrap();
                let id = told.recv().unwrap();
                settled(&pool, 1);
                id
            })
            .collect();
        assert!(ids.iter().all(|id| *id == ids[0]));
    }

    #[test]
    fn all_run_at_once_and_few_stay() {
        let pool = Pool::default();
        let count = 3 * IDLE_MAX;
        let all = Arc::new(std::sync::Barrier::new(count + 1));
        for _ in 0..count {
            let all = all.clone();
            // Ends only once every one of them runs.
            pool.run(move || {
                all.wait();
            })
            .unwrap();
        }
        all.wait();
        settled(&pool, IDLE_MAX);
    }

    #[test]
    fn a_panic_takes_its_thread_and_nothing_else() {
        let pool = Pool::default();
        let (tell, told) = channel::<()>();
        // Unwinds without the panic's message in the test's output.
        pool.run(move || {
            let _tell = tell;
            std::panic::resume_unwind(Box::new("on purpose"))
        })
        .unwrap();
        assert!(told.recv().is_err());
        let (tell, told) = channel();
        pool.run(move || tell.send(7).unwrap()).unwrap();
        assert_eq!(told.recv(), Ok(7));
    }

    #[test]
    fn what_is_queued_when_it_closes_is_done() {
        let pool = Pool::default();
        pool.run(|| ()).unwrap();
        settled(&pool, 1);
        let (tell, told) = channel();
        pool.run(move || tell.send(1).unwrap()).unwrap();
        drop(pool);
        assert_eq!(told.recv(), Ok(1));
    }
}
