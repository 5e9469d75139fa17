//! `dro train`.

mod config;
mod job;
mod rules;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use self::{config::Config, job::Job};
use crate::{Outcome, threads};

#[derive(Debug, Args)]
pub struct Train {
    /// What is trained, on what and how (TOML; docs/training.md lists every key). With --resume it may be left out.
    #[arg(required_unless_present = "resume")]
    config: Option<PathBuf>,
    /// The folder for weights, checkpoints, log and curve [default: the configuration's name without its ending].
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    out: Option<PathBuf>,
    /// Go on with the training in the folder; the weights will be those of a training without a break.
    #[arg(long)]
    resume: bool,
    /// Stop when N training steps are done in all; a later --resume goes on.
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Threads to use [default: one per core]. The result does not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// No progress bar.
    #[arg(long)]
    quiet: bool,
}

/// The name that a configuration has in the folder of its training.
const CONFIG: &str = "config.toml";

impl Train {
    pub fn execute(self) -> Result<Outcome> {
        threads::set(self.threads)?;
        let (config, out) = match (self.config, self.out) {
            (Some(config), Some(out)) => (config, out),
            (Some(config), None) => match config.file_stem() {
                Some(stem) => (config.clone(), PathBuf::from(stem)),
                None => bail!("{}: expected a file, found a folder", config.display()),
            },
            (None, Some(out)) => (out.join(CONFIG), out),
            // The parser of the command line has seen to it.
            (None, None) => bail!("expected a configuration or --out, found neither"),
        };
        let read = Config::read(&config)?;
        let until = self.steps.unwrap_or(read.steps);
        if until > read.steps {
            bail!(
                "--steps: expected at most {}, the steps of {}, found {until}",
                read.steps,
                config.display()
            );
        }
        let job = Job { config: read, source: config, out, resume: self.resume, until, quiet: self.quiet };
        rules::train(job)
    }
}
