//! A cost that rules cannot see.

use dro_core::{BlockId, Cost, CostFunction, Point, Result, Space};

/// A cost whose map is zero everywhere; totals are as they are, so that curves still show them.
///
/// Learned rules read the map alone: behind this they run on context and memory, as a network without a cost would.
pub struct Blind<'a> {
    cost: &'a dyn CostFunction,
}

impl<'a> Blind<'a> {
    /// Hides the map of `cost`.
    pub fn new(cost: &'a dyn CostFunction) -> Self {
        Self { cost }
    }
}

impl CostFunction for Blind<'_> {
    fn space(&self) -> &Space {
        self.cost.space()
    }

    fn evaluate(&self, at: &Point, block: BlockId) -> Result<Cost> {
        let Cost { total, map } = self.cost.evaluate(at, block)?;
        Ok(Cost { total, map: map.map(|map| map.zeros_like()).transpose()? })
    }
}
