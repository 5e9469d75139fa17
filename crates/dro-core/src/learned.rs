//! The contract of a learned update rule.

use candle_core::Tensor;

use crate::{Cost, Result};

/// What a rule remembers between updates: its hidden state, and the context it was started with.
///
/// Kept apart from the parameters θ, so that one set of weights runs any number of problems at once.
#[derive(Debug, Clone)]
pub struct Memory {
    /// The recurrent state, read and replaced by every update.
    pub hidden: Tensor,
    /// What the rule was told of the problem at the start; constant over a run.
    pub context: Option<Tensor>,
}

impl Memory {
    /// The same context with a new hidden state.
    pub fn next(&self, hidden: Tensor) -> Self {
        Self { hidden, context: self.context.clone() }
    }
}

/// An update rule that was learned: it looks at the variables and the cost, remembers, and proposes an increment.
///
/// The parameters θ belong to the implementing type and never change here; they are trained by any gradient estimator.
/// No gradient of the cost is asked for.
pub trait LearnedOptimizer {
    /// The memory at the start, from the block's start value and an optional context.
    fn init(&self, start: &Tensor, context: Option<&Tensor>) -> Result<Memory>;

    /// One recurrent update: `(memory, x, cost(x)) → (memory', increment)`.
    ///
    /// The driver applies the increment by the block's [`Domain`](crate::Domain).
    fn update(&self, memory: &Memory, x: &Tensor, cost: &Cost) -> Result<(Memory, Tensor)>;
}
