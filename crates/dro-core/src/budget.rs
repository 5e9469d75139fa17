//! How long a run may take, and why it ended.

use std::{fmt, time::Duration};

/// Limits of a run besides its [`Schedule`](crate::Schedule). The default has none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Budget {
    /// At most this many evaluations of the cost (a batch counts once).
    pub evaluations: Option<usize>,
    /// No further evaluation is started after this time.
    pub time: Option<Duration>,
    /// Stop when every batch element's best total is at or below this. Reading it synchronises with the device at
    /// every step.
    pub target: Option<f64>,
}

impl Budget {
    /// At most `evaluations` evaluations.
    pub fn evaluations(evaluations: usize) -> Self {
        Self { evaluations: Some(evaluations), ..Self::default() }
    }
}

/// Why a run ended, with the measured value and its threshold.
#[derive(Debug, Clone, PartialEq)]
pub enum Termination {
    /// Every step of the schedule was done.
    ScheduleFinished {
        /// How many steps that was.
        steps: usize,
    },
    /// [`Budget::evaluations`] were used.
    EvaluationsSpent {
        /// Evaluations done.
        used: usize,
        /// Evaluations allowed.
        allowed: usize,
    },
    /// [`Budget::time`] went by.
    TimeSpent {
        /// Time taken.
        used: Duration,
        /// Time allowed.
        allowed: Duration,
    },
    /// [`Budget::target`] was reached by every batch element.
    TargetReached {
        /// The worst batch element's best total.
        value: f64,
        /// The target.
        target: f64,
    },
    /// Nothing better was found for a while.
    Stalled {
        /// Evaluations since the best one.
        evaluations: usize,
        /// How many were allowed.
        allowed: usize,
    },
    /// An observer asked to stop.
    Observer {
        /// What it said.
        reason: String,
    },
}

impl fmt::Display for Termination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScheduleFinished { steps } => write!(f, "the schedule's {steps} steps are done"),
            Self::EvaluationsSpent { used, allowed } => {
                write!(f, "{used} of {allowed} evaluations are spent")
            }
            Self::TimeSpent { used, allowed } => write!(f, "{used:.1?} of {allowed:.1?} are spent"),
            Self::TargetReached { value, target } => {
                write!(f, "the cost {value} is at or below the target {target}")
            }
            Self::Stalled { evaluations, allowed } => {
                write!(f, "nothing better for {evaluations} evaluations, {allowed} are allowed")
            }
            Self::Observer { reason } => write!(f, "stopped by an observer: {reason}"),
        }
    }
}
