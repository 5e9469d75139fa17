//! What is minimized: anything that can be *evaluated*.

use candle_core::{DType, Device, Tensor};

use crate::{Block, BlockId, Error, Point, Result, Space};

/// What a cost function says of one point.
#[derive(Debug, Clone)]
pub struct Cost {
    /// The point's total cost per batch element, `[batch]`, float32. A value that is not finite says that the
    /// evaluation failed or the point is infeasible: it is data for the optimizer and never the best.
    pub total: Tensor,
    /// Where the cost arises, if the problem can say: `[n, channels, height, width]`. `n` is the batch, or the
    /// batch times the number of parts of the block asked for (one map per camera pose, batch-major).
    pub map: Option<Tensor>,
}

impl Cost {
    /// The cost map, or an error that names the block whose rule needs it.
    pub fn map_for(&self, block: &str) -> Result<&Tensor> {
        self.map.as_ref().ok_or_else(|| Error::NoCostMap { block: block.into() })
    }
}

/// A cost that can be evaluated, and nothing else is asked of it: no gradient, no structure.
pub trait CostFunction {
    /// The variables.
    fn space(&self) -> &Space;

    /// The cost at `at`.
    ///
    /// [`Cost::total`] is the same function of the point whichever `block` is asked for; the *map* may differ
    /// (structure-from-motion averages over neighbours for depth and keeps them apart for poses).
    /// An evaluation that fails gives a total that is not finite; `Err` is for programming errors (shapes, devices).
    fn evaluate(&self, at: &Point, block: BlockId) -> Result<Cost>;

    /// Whether gradients pass from the cost to the point through automatic differentiation.
    ///
    /// Learned optimizers never use them at run time; meta-training by back-propagation does, and refuses a cost
    /// that says `false`.
    fn is_differentiable(&self) -> bool {
        false
    }
}

/// A cost from a plain closure over one vector of `dim` real numbers. See [`cost_fn`].
pub struct ClosureCost<F> {
    space: Space,
    f: F,
}

/// Turns a closure over `&[f64]` into a [`CostFunction`] of one unbounded real block named `"x"`.
///
/// The closure is called once per batch element; NaN or infinity says that the evaluation failed.
///
/// ```
/// # fn main() -> dro_core::Result<()> {
/// let cost = dro_core::cost_fn(2, |x: &[f64]| x[0].abs() + x[1].abs().floor())?;
/// # let _ = cost; Ok(()) }
/// ```
pub fn cost_fn<F: Fn(&[f64]) -> f64>(dim: usize, f: F) -> Result<ClosureCost<F>> {
    Ok(ClosureCost { space: Space::new(vec![Block::real("x", [dim])])?, f })
}

impl<F: Fn(&[f64]) -> f64> CostFunction for ClosureCost<F> {
    fn space(&self) -> &Space {
        &self.space
    }

    fn evaluate(&self, at: &Point, block: BlockId) -> Result<Cost> {
        let rows = at.get(block).to_dtype(DType::F64)?.to_device(&Device::Cpu)?.to_vec2::<f64>()?;
        let totals: Vec<f32> = rows.iter().map(|row| (self.f)(row) as f32).collect();
        Ok(Cost { total: Tensor::new(totals, at.device())?, map: None })
    }
}
