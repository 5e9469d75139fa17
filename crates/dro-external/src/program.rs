//! How a cost program is run.

use std::{fs::File, path::PathBuf, time::Duration};

use crate::{Error, Result};

/// A command and how to run it.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    command: String,
    jobs: usize,
    time_limit: Option<Duration>,
    one_shot: bool,
    log: Option<PathBuf>,
}

impl Program {
    /// A command for `sh -c`, run once and without a limit of time.
    pub fn new(command: impl Into<String>) -> Self {
        Self { command: command.into(), jobs: 1, time_limit: None, one_shot: false, log: None }
    }

    /// Run it so many times side by side. Each has its number, from 0, in the environment variable `DRO_WORKER`.
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs;
        self
    }

    /// An evaluation that takes longer has failed: the program and all it started are ended, and it is started anew for
    /// the next candidate. The first evaluation includes the start of the program.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Start it anew for every candidate and close its input after the line: for programs that read to the end of
    /// their input. (Programs that answer one line and exit need no setting.)
    pub fn one_shot(mut self, one_shot: bool) -> Self {
        self.one_shot = one_shot;
        self
    }

    /// Append what the program writes to stderr to a file.
    pub fn log(mut self, path: impl Into<PathBuf>) -> Self {
        self.log = Some(path.into());
        self
    }

    /// The command.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// How many run side by side.
    pub fn job_count(&self) -> usize {
        self.jobs
    }

    pub(crate) fn time_limit(&self) -> Option<Duration> {
        self.time_limit
    }

    pub(crate) fn is_one_shot(&self) -> bool {
        self.one_shot
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.command.trim().is_empty() {
            return Err(Error::argument("cost program", "a command", format!("{:?}", self.command)));
        }
        if !(1..=1024).contains(&self.jobs) {
            return Err(Error::argument("jobs", "1 to 1024", self.jobs));
        }
        if self.time_limit == Some(Duration::ZERO) {
            return Err(Error::argument("timeout", "above zero", "0 seconds"));
        }
        Ok(())
    }

    pub(crate) fn open_log(&self) -> Result<Option<File>> {
        let Some(path) = &self.log else { return Ok(None) };
        let file = File::options().create(true).append(true).open(path).map_err(Error::io(path))?;
        Ok(Some(file))
    }
}
