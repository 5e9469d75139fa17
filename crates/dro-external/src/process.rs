//! One running cost program and its pipes.
//!
//! Every pipe has a thread of its own, so neither side can wait for the other: the program may write as much as it
//! likes before it reads, and the other way round.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Command, ExitStatus, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel},
    },
    time::{Duration, Instant},
};

use crate::{
    Program,
    group::Group,
    protocol::{Answer, cut, is_broken_answer, reply},
    tail::{Log, Tail},
};

/// Longer lines are cut: an answer is short.
const LINE_BYTES: usize = 1 << 20;
/// More than this between two answers is a flood.
const FLOOD_BYTES: u64 = 64 << 20;
const FLOOD_LINES: u64 = 1_000_000;
/// How many events may wait.
const BACKLOG: usize = 256;
/// How often a process that says nothing is looked after.
const TICK: Duration = Duration::from_millis(50);
/// How long a process may take to end once its pipes are closed, and once it is asked to.
const GRACE: Duration = Duration::from_secs(2);

enum Event {
    /// A line, or the first part of one that is too long.
    Line(Vec<u8>),
    /// The rest of such a line: so many bytes.
    Rest(usize),
    /// The program's output has ended.
    Closed,
    /// The program takes no input any more.
    Refused,
}

/// What came of a candidate that a process was given.
pub(crate) enum Exchange {
    /// It was answered.
    Answered(Answer),
    /// The process ended before it answered.
    Ended {
        /// How.
        status: Option<ExitStatus>,
        /// Whether it had answered others and did not take this one.
        unread: bool,
    },
    /// No answer in time.
    TimedOut,
    /// Far too much other output.
    Flooded,
    /// The caller wants to stop.
    Stopped,
}

/// A running program.
pub(crate) struct Process {
    group: Group,
    /// Taken to close the program's input.
    input: Option<Sender<Vec<u8>>>,
    events: Receiver<Event>,
    tail: Arc<Tail>,
    /// Candidates answered.
    pub answered: u64,
    closed: bool,
}

impl Process {
    pub fn start(program: &Program, worker: usize, log: Option<Log>) -> std::io::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", program.command()]).env("DRO_WORKER", worker.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = Group::start(&mut command)?;
        let child = group.child();
        let missing = || std::io::Error::other("the program has no pipes");
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;

        let (input, lines) = channel();
        // Bounded: a program that floods waits for us.
        let (to_events, events) = sync_channel(BACKLOG);
        let from_writer = to_events.clone();
        std::thread::spawn(move || write_lines(stdin, &lines, &from_writer));
        std::thread::spawn(move || read_lines(stdout, &to_events));
        let tail = Tail::follow(stderr, log);
        Ok(Self { group, input: Some(input), events, tail, answered: 0, closed: false })
    }

    /// Hands over a candidate and waits for its answer. `garbage` counts lines that mean nothing.
    pub fn exchange(
        &mut self,
        id: u64,
        line: &[u8],
        program: &Program,
        garbage: &mut u64,
        stopping: impl Fn() -> bool,
    ) -> Exchange {
        // What was said since the last answer is not about this candidate.
        for _ in 0..BACKLOG {
            let Ok(event) = self.events.try_recv() else { break };
            match event {
                Event::Line(_) => *garbage += 1,
                Event::Rest(_) => {}
                Event::Closed => self.closed = true,
                Event::Refused => return self.ended(true),
            }
        }
        if self.closed || self.group.has_ended() {
            return self.ended(true);
        }
        if let Some(input) = &self.input {
            // The writer only ends after it has said that the program refuses.
            let _ = input.send(line.to_vec());
        }
        if program.is_one_shot() {
            self.input = None;
        }

        let began = Instant::now();
        let (mut bytes, mut lines, mut refused_at, mut ended_at) = (0, 0, None, None);
        let mut broken: Option<(Instant, String)> = None;
        loop {
            if stopping() {
                return Exchange::Stopped;
            }
            let left = program.time_limit().map(|limit| limit.saturating_sub(began.elapsed()));
            if left == Some(Duration::ZERO) {
                return Exchange::TimedOut;
            }
            match self.events.recv_timeout(left.unwrap_or(TICK).min(TICK)) {
                Ok(Event::Line(line)) => {
                    if let Some(answer) = reply(&line, id) {
                        self.answered += 1;
                        return Exchange::Answered(answer);
                    }
                    *garbage += 1;
                    if broken.is_none() && is_broken_answer(&line) {
                        broken =
                            Some((Instant::now(), String::from_utf8_lossy(line.trim_ascii()).into_owned()));
                    }
                    lines += 1;
                    bytes += line.len() as u64;
                }
                Ok(Event::Rest(more)) => bytes += more as u64,
                Ok(Event::Closed) | Err(RecvTimeoutError::Disconnected) => return self.ended(false),
                Ok(Event::Refused) => refused_at = Some(Instant::now()),
                Err(RecvTimeoutError::Timeout) => {
                    // Something that the program started may keep its output open.
                    if ended_at.is_none() && self.group.has_ended() {
                        ended_at = Some(Instant::now());
                    }
                }
            }
            if lines > FLOOD_LINES || bytes > FLOOD_BYTES {
                return Exchange::Flooded;
            }
            // Without this a script that prints `{"cost":}` would be waited for without end.
            if let Some((at, line)) = &broken
                && at.elapsed() > GRACE
            {
                self.answered += 1;
                return Exchange::Answered(Err(format!("expected an answer in JSON, found {}", cut(line))));
            }
            let past = |at: Option<Instant>, patience| at.is_some_and(|at| at.elapsed() > patience);
            if past(ended_at, 4 * TICK) {
                return self.ended(false);
            }
            // It may have read the line and closed its input on purpose, so it gets a moment to answer.
            if past(refused_at, GRACE) {
                return self.ended(true);
            }
        }
    }

    fn ended(&mut self, unread: bool) -> Exchange {
        self.input = None;
        let unread = unread && self.answered > 0;
        Exchange::Ended { status: self.end(), unread }
    }

    /// Closes the program's input and gives it a moment to end by itself.
    pub fn end(&mut self) -> Option<ExitStatus> {
        self.input = None;
        self.group.ends_within(GRACE);
        self.kill()
    }

    /// Ends it and all it has started.
    pub fn kill(&mut self) -> Option<ExitStatus> {
        self.input = None;
        self.group.end(GRACE / 4)
    }

    /// The last lines of stderr.
    pub fn last_lines(&self) -> Vec<String> {
        self.tail.last_lines()
    }
}

fn write_lines(mut stdin: impl Write, lines: &Receiver<Vec<u8>>, events: &SyncSender<Event>) {
    while let Ok(line) = lines.recv() {
        if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
            let _ = events.send(Event::Refused);
            return;
        }
    }
}

fn read_lines(stdout: impl Read, events: &SyncSender<Event>) {
    let mut reader = BufReader::with_capacity(1 << 16, stdout);
    let mut line = Vec::new();
    let mut cut = false;
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE_BYTES as u64).read_until(b'\n', &mut line);
        let event = match read {
            Ok(0) | Err(_) => Event::Closed,
            Ok(bytes) if cut => {
                cut = line.last() != Some(&b'\n');
                Event::Rest(bytes)
            }
            Ok(_) => {
                cut = line.len() == LINE_BYTES && line.last() != Some(&b'\n');
                Event::Line(std::mem::take(&mut line))
            }
        };
        let last = matches!(event, Event::Closed);
        if events.send(event).is_err() || last {
            return;
        }
    }
}
