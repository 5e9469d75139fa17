//! `dro train`.

mod config;
mod rules;

use anyhow::Result;
use clap::Args;

use crate::{Outcome, threads, training::TrainingOptions};

#[derive(Debug, Args)]
pub struct Train {
    #[command(flatten)]
    training: TrainingOptions,
    /// Threads to use [default: one per core]. The result does not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

impl Train {
    pub fn execute(self) -> Result<Outcome> {
        threads::set(self.threads)?;
        rules::train(self.training.job()?)
    }
}
