//! Several copies of a cost program, one candidate each at a time.

use std::{
    process::ExitStatus,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::{
    Error, Failure,
    FailureKind::{self, Crashed, Flooded, Reported, TimedOut},
    Finished, Program, Result,
    process::{Exchange, Process},
    protocol::cut,
    tail::{Log, locked},
};

struct Job {
    id: u64,
    line: Vec<u8>,
}

struct Shared {
    program: Program,
    log: Option<Log>,
    stopping: AtomicBool,
    jobs: Mutex<Receiver<Job>>,
}

/// The running copies. Dropping it ends them.
pub(crate) struct Workers {
    shared: Arc<Shared>,
    jobs: Option<Sender<Job>>,
    finished: Receiver<Finished>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Gets ready; the program is started when there is a candidate for it.
    pub fn new(program: &Program) -> Result<Self> {
        program.check()?;
        let log = program.open_log()?.map(|file| Arc::new(Mutex::new(file)));
        let (jobs, for_workers) = channel();
        let (to_us, finished) = channel();
        let shared = Arc::new(Shared {
            program: program.clone(),
            log,
            stopping: AtomicBool::new(false),
            jobs: Mutex::new(for_workers),
        });
        let start = |number| {
            let worker = Worker { number, shared: Arc::clone(&shared), process: None };
            let to_us = to_us.clone();
            std::thread::spawn(move || worker.work(&to_us))
        };
        let threads = (0..program.job_count()).map(start).collect();
        Ok(Self { shared, jobs: Some(jobs), finished, threads })
    }

    /// Hands out a candidate; it waits for the next worker that is free.
    pub fn submit(&self, id: u64, line: Vec<u8>) {
        if let Some(jobs) = &self.jobs {
            // Workers live as long as this does.
            let _ = jobs.send(Job { id, line });
        }
    }

    /// The next finished evaluation, if there is one in time.
    pub fn next(&self, patience: Duration) -> Option<Finished> {
        self.finished.recv_timeout(patience).ok()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A panic of a worker was printed; the processes are ended in any case.
            let _ = thread.join();
        }
    }
}

struct Worker {
    number: usize,
    shared: Arc<Shared>,
    process: Option<Process>,
}

impl Worker {
    fn work(mut self, results: &Sender<Finished>) {
        loop {
            // In a statement of its own: the lock is not held while the job runs.
            let job = locked(&self.shared.jobs).recv();
            let Ok(job) = job else { break };
            if self.shared.stopping.load(Ordering::Relaxed) {
                break;
            }
            let Some(finished) = self.evaluate(&job) else { break };
            if results.send(finished).is_err() {
                break;
            }
            if self.shared.program.is_one_shot()
                && let Some(mut process) = self.process.take()
            {
                process.end();
            }
        }
        if let Some(mut process) = self.process.take() {
            process.end();
        }
    }

    /// `None` where the caller wants to stop.
    fn evaluate(&mut self, job: &Job) -> Option<Finished> {
        let program = &self.shared.program;
        let stopping = || self.shared.stopping.load(Ordering::Relaxed);
        let (mut began, mut again, mut garbage) = (Instant::now(), false, 0);
        let (mut stderr, mut exit_code) = (Vec::new(), None);
        let cost = loop {
            let started = match self.process.take() {
                Some(process) => Ok(process),
                None => Process::start(program, self.number, self.shared.log.clone()),
            };
            let mut process = match started {
                Ok(process) => process,
                Err(error) => break failed(Crashed, format!("the program cannot be started: {error}")),
            };
            match process.exchange(job.id, &job.line, program, &mut garbage, stopping) {
                Exchange::Answered(answer) => {
                    self.process = Some(process);
                    break answer.or_else(|reason| failed(Reported, said(&reason)));
                }
                // A program that answers and exits has not crashed; a fresh one gets the candidate, once.
                Exchange::Ended { status, unread }
                    if !again && process.answered > 0 && (unread || succeeded(status)) =>
                {
                    (began, again) = (Instant::now(), true);
                }
                Exchange::Ended { status, .. } => {
                    stderr = process.last_lines();
                    exit_code = status.and_then(|status| status.code());
                    let last = stderr.last().map_or(String::new(), |last| format!(": {}", cut(last)));
                    let how = status.map_or("in an unknown way".into(), |status| status.to_string());
                    break failed(Crashed, format!("the program ended ({how}) before it answered{last}"));
                }
                Exchange::TimedOut => {
                    process.kill();
                    stderr = process.last_lines();
                    let limit = program.time_limit().unwrap_or_default().as_secs_f64();
                    break failed(TimedOut, format!("no answer within {limit} s"));
                }
                Exchange::Flooded => {
                    process.kill();
                    stderr = process.last_lines();
                    break failed(Flooded, "too much output without an answer (64 MiB or a million lines)");
                }
                Exchange::Stopped => {
                    process.kill();
                    return None;
                }
            }
        };
        let seconds = began.elapsed().as_secs_f64();
        Some(Finished { id: job.id, cost, seconds, garbage, stderr, exit_code })
    }
}

fn failed(kind: FailureKind, reason: impl Into<String>) -> std::result::Result<f64, Failure> {
    Err(Failure { kind, reason: reason.into() })
}

fn said(reason: &str) -> String {
    if reason.is_empty() { "the program says so".into() } else { cut(reason) }
}

fn succeeded(status: Option<ExitStatus>) -> bool {
    status.is_some_and(|status| status.success())
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").field("program", &self.shared.program).finish_non_exhaustive()
    }
}

/// Sees whether a program works at all.
#[derive(Debug, Default)]
pub(crate) struct FirstSteps {
    worked: bool,
    useless: usize,
}

/// So many evaluations without an answer at the beginning, and the program is taken to be broken.
const BROKEN_AFTER: usize = 10;

impl FirstSteps {
    /// It has answered, now or in an earlier run.
    pub fn works(&mut self) {
        self.worked = true;
    }

    /// Takes an evaluation.
    ///
    /// # Errors
    /// [`Error::Program`] if none was answered so far and there were enough of them, or the command was not found.
    pub fn see(&mut self, program: &Program, finished: &Finished) -> Result<()> {
        let failure = match &finished.cost {
            Err(failure) if failure.kind != Reported && !self.worked => failure,
            _ => {
                self.worked = true;
                return Ok(());
            }
        };
        self.useless += 1;
        // What a shell says of a command that is not there or cannot be run.
        let no_command = matches!(finished.exit_code, Some(126 | 127));
        if !no_command && self.useless < BROKEN_AFTER {
            return Ok(());
        }
        let mut reason = failure.reason.clone();
        if self.useless > 1 {
            reason = format!("none of the first {} evaluations was answered; {reason}", self.useless);
        }
        if failure.kind == TimedOut {
            reason.push_str(" (does it flush its output after every line?)");
        }
        if finished.stderr.len() > 1 {
            reason = format!("{reason}; the end of its stderr: {}", finished.stderr.join(" | "));
        }
        Err(Error::Program { command: program.command().into(), reason })
    }
}
