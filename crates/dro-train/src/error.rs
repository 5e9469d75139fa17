//! What can go wrong in this crate.

use std::{io, path::PathBuf};

/// An error that says what was expected and what came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of range.
    #[error("{name}: expected {expected}, found {found}")]
    Setting {
        /// The setting, as in a configuration file.
        name: String,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Back-propagation was asked for where no gradient passes.
    #[error(
        "{what} has no gradient to back-propagate: {reason}; train with evolution strategies (\"es\", \"pes\") or on \
         supervised targets instead"
    )]
    NoGradient {
        /// The rule or the cost.
        what: String,
        /// Why not.
        reason: String,
    },
    /// The meta-loss does not depend on a parameter, so that it would never be trained.
    #[error(
        "parameter {name:?}: expected a gradient, found none: the meta-loss does not depend on it through automatic \
         differentiation"
    )]
    Unreached {
        /// The parameter.
        name: String,
    },
    /// Nothing that was run in one training step had a finite meta-loss.
    #[error("step {step}: expected at least one finite meta-loss among {rollouts} roll-outs, found none")]
    AllFailed {
        /// The training step, from 0.
        step: u64,
        /// How many were run.
        rollouts: usize,
    },
    /// The gradient of a training step has a value that is no number.
    #[error("step {step}: expected a finite gradient, found {norm} as its norm")]
    Gradient {
        /// The training step, from 0.
        step: u64,
        /// The norm.
        norm: f64,
    },
    /// A checkpoint cannot be used.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// Weights do not fit the rule: every difference is listed.
    #[error("{}: {}", path.display(), differences.join("; "))]
    Weights {
        /// The file.
        path: PathBuf,
        /// Missing, extra and wrongly shaped tensors.
        differences: Vec<String>,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The contracts or the driver.
    #[error(transparent)]
    Core(#[from] dro_core::Error),
    /// A log, a chart or a file.
    #[error(transparent)]
    Record(#[from] dro_record::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// A rule or a task outside this crate failed.
    #[error("{0}")]
    Outside(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Carries an error of the caller's through the training.
    pub fn outside(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Outside(error.into())
    }

    /// `name` is `found` where `expected` is asked for.
    pub fn setting(name: impl Into<String>, expected: impl Into<String>, found: impl ToString) -> Self {
        Self::Setting { name: name.into(), expected: expected.into(), found: found.to_string() }
    }
}

/// This crate's result.
pub type Result<T> = std::result::Result<T, Error>;
