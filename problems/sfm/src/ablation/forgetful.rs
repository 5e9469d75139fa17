//! A rule without memory.

use candle_core::Tensor;
use dro_core::{Cost, LearnedOptimizer, Memory, Result};

/// A rule that begins every update with the memory it had at the start, so that the past has no influence but through
/// the variables.
pub struct Forgetful<'a, R> {
    rule: &'a R,
    start: Memory,
}

impl<'a, R: LearnedOptimizer> Forgetful<'a, R> {
    /// `rule`, with the memory that it makes of this start and context.
    ///
    /// # Errors
    /// If the rule refuses them.
    pub fn new(rule: &'a R, start: &Tensor, context: Option<&Tensor>) -> Result<Self> {
        Ok(Self { rule, start: rule.init(start, context)? })
    }
}

impl<R: LearnedOptimizer> LearnedOptimizer for Forgetful<'_, R> {
    fn init(&self, start: &Tensor, context: Option<&Tensor>) -> Result<Memory> {
        self.rule.init(start, context)
    }

    /// The memory that comes back is the one after the update: upsampling reads it.
    fn update(&self, _memory: &Memory, x: &Tensor, cost: &Cost) -> Result<(Memory, Tensor)> {
        self.rule.update(&self.start, x, cost)
    }
}
