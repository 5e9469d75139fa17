//! What a program writes to stderr: the end of it for messages, all of it for a log.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How much of the end is kept.
const LINES: usize = 10;
const LINE_BYTES: usize = 400;

/// A log that all workers write to, line by line.
pub(crate) type Log = Arc<Mutex<File>>;

/// A lock whose holder cannot leave anything half done.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last lines of one process.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    kept: Mutex<Kept>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    ended: bool,
}

impl Tail {
    /// Follows `stderr` until its end, in a thread of its own.
    pub fn follow(stderr: impl Read + Send + 'static, log: Option<Log>) -> Arc<Self> {
        let tail = Arc::new(Self::default());
        let shared = Arc::clone(&tail);
        std::thread::spawn(move || {
            shared.read(stderr, log);
            locked(&shared.kept).ended = true;
            shared.ended.notify_all();
        });
        tail
    }

    fn read(&self, stderr: impl Read, log: Option<Log>) {
        let mut reader = BufReader::new(stderr);
        let mut line = Vec::new();
        loop {
            line.clear();
            // A line without an end is cut into pieces, so memory is bounded.
            match reader.by_ref().take(1 << 16).read_until(b'\n', &mut line) {
                Ok(1..) => {}
                _ => return,
            }
            if let Some(log) = &log {
                // A full disk must not stop the program; its results matter more than its log.
                let _ = locked(log).write_all(&line);
            }
            let text = String::from_utf8_lossy(&line[..line.len().min(LINE_BYTES)]);
            let text: String = text.trim_end().chars().filter(|c| !c.is_control() || *c == '\t').collect();
            if text.is_empty() {
                continue;
            }
            let mut kept = locked(&self.kept);
            if kept.lines.len() == LINES {
                kept.lines.pop_front();
            }
            kept.lines.push_back(text);
        }
    }

    /// The last lines of a process that has ended; waits a moment for what is still in the pipe.
    pub fn last_lines(&self) -> Vec<String> {
        let kept = locked(&self.kept);
        let waited = self.ended.wait_timeout_while(kept, Duration::from_millis(500), |kept| !kept.ended);
        let (kept, _) = waited.unwrap_or_else(PoisonError::into_inner);
        kept.lines.iter().cloned().collect()
    }
}
