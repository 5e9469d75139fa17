//! Rules on tensors, trained by any estimator: flat θ outside, candle tensors inside.

mod flat;
mod gp;
mod objective;
mod unroll;

pub use gp::GpSamples;
pub use objective::TensorLoss;
pub use unroll::{TensorState, TensorUnroll};

use candle_core::Tensor;
use dro_core::{CostFunction, Point};

use crate::Result;

/// A distribution of tasks for tensor rules.
pub trait TaskFamily: Sync {
    /// The task of a seed: always the same for the same seed.
    fn sample(&self, seed: u64) -> Result<TensorTask>;

    /// Updates of every task.
    fn horizon(&self) -> usize;
}

/// A batch of problems that run in lock step, one per batch element.
pub struct TensorTask {
    /// The cost; its space has one block.
    pub cost: Box<dyn CostFunction>,
    /// Where to start.
    pub start: Point,
    /// What the rule is told of the problem, if anything.
    pub context: Option<Tensor>,
    /// The right answers, of the start's shape, if they are known: for supervised losses.
    pub target: Option<Tensor>,
}
