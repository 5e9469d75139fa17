//! The best of a run, cell by cell.

use std::ops::ControlFlow;

use candle_core::{DType, Tensor};

use crate::{BlockId, Cost, Observer, Result, Step};

/// Keeps, for every cell of one block, the value that cost least of all that a run evaluated; of equally cheap ones the newest.
///
/// [`Solution::best`](crate::Solution::best) is one whole point. Where what a cell costs depends on that cell alone and the other blocks
/// stay, the cheapest values of all cells are a point too, which costs no more than any that the run came by. Taken as the
/// answer it is a safeguard: however a rule was trained, more updates never cost more (for convex problems: Heaton et al.,
/// *Safeguarded Learned Convex Optimization*, AAAI 2023).
///
/// ```
/// use candle_core::{Device, Tensor};
/// use dro_core::*;
///
/// # fn main() -> Result<()> {
/// let cells = |cost: &Cost| Ok(cost.map_for("depth")?.clone());
/// let mut cheapest = CheapestCells::new(BlockId(0), cells);
/// let tensor = |values: [f32; 3]| Tensor::new(&[[[values]]], &Device::Cpu);
/// for (values, costs) in [([1f32, 2.0, 3.0], [0.5f32, 0.5, 0.5]), ([4.0, 5.0, 6.0], [0.9, 0.2, f32::NAN])] {
///     let map = tensor(costs)?;
///     cheapest.offer(&tensor(values)?, &Cost { total: map.mean((1, 2, 3))?, map: Some(map) })?;
/// }
/// let (values, costs) = cheapest.found().expect("two were offered");
/// assert_eq!(values.flatten_all()?.to_vec1::<f32>()?, [1.0, 5.0, 3.0]);
/// assert_eq!(costs.flatten_all()?.to_vec1::<f32>()?, [0.5, 0.2, 0.5]);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct CheapestCells<F> {
    block: BlockId,
    cells: F,
    found: Option<(Tensor, Tensor)>,
}

impl<F: Fn(&Cost) -> Result<Tensor>> CheapestCells<F> {
    /// As an observer it looks at evaluations of `block`; `cells` says what each of the block's cells cost, in its shape.
    pub fn new(block: BlockId, cells: F) -> Self {
        Self { block, cells, found: None }
    }

    /// Takes what is no dearer in `value`, such as a run's [last](crate::Solution::last), which it did not evaluate; what is not finite
    /// is never taken. Gives what is kept then, as [`found`](Self::found).
    ///
    /// # Errors
    /// If the costs of cells cannot be told or do not have the shape of `value`.
    pub fn offer(&mut self, value: &Tensor, cost: &Cost) -> Result<&(Tensor, Tensor)> {
        let (value, cost) = (value.detach(), (self.cells)(cost)?.detach().to_dtype(DType::F32)?);
        let (values, costs) = match self.found.take() {
            Some(found) => found,
            None => (value.clone(), Tensor::full(f32::INFINITY, cost.dims(), cost.device())?),
        };
        let cheaper = (cost.le(&costs)? * cost.abs()?.lt(f32::INFINITY)?)?;
        Ok(self.found.insert((cheaper.where_cond(&value, &values)?, cheaper.where_cond(&cost, &costs)?)))
    }

    /// The values and what they cost, in the block's shape; `None` before anything was evaluated.
    pub fn found(&self) -> Option<&(Tensor, Tensor)> {
        self.found.as_ref()
    }
}

impl<F: Fn(&Cost) -> Result<Tensor>> Observer for CheapestCells<F> {
    fn on_step(&mut self, step: &Step<'_>) -> Result<ControlFlow<String>> {
        if step.turn.block == self.block {
            self.offer(step.candidate, step.cost)?;
        }
        Ok(ControlFlow::Continue(()))
    }
}
