//! Why an evaluation failed.

use serde::{Deserialize, Serialize};

/// The kind of a failed evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The program said so, or gave a cost that is no finite number.
    Reported,
    /// The program ended, or could not be started, before it answered.
    Crashed,
    /// No answer in time.
    TimedOut,
    /// The program wrote far too much that is no answer.
    Flooded,
}

/// A failed evaluation: data for the search, not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What happened.
    #[serde(rename = "failure")]
    pub kind: FailureKind,
    /// The same in words.
    pub reason: String,
}

/// A finished evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The candidate's number.
    pub id: u64,
    /// Its cost, finite, or why there is none.
    pub cost: Result<f64, Failure>,
    /// How long it took.
    pub seconds: f64,
    /// Lines that the program wrote and that mean nothing.
    pub garbage: u64,
    /// The end of what the program wrote to stderr, where it crashed.
    pub stderr: Vec<String>,
    /// The exit code of a program that crashed, if it has one.
    pub exit_code: Option<i32>,
}
