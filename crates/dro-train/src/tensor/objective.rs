//! Meta-losses on tensors, with gradients.

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::{Error, MetaLoss, Result};

/// What a tensor rule is trained to make small, over its `T` updates `x₁ … x_T`; the mean over the batch.
///
/// The losses of costs are those of [`MetaLoss`] over the costs `y₁ … y_T` after the updates; the start's cost `y₀`
/// counts for "best so far" only. Their gradients pass through the cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TensorLoss {
    /// [`MetaLoss::Sum`].
    Sum {},
    /// [`MetaLoss::Final`].
    Final {},
    /// [`MetaLoss::ObservedImprovement`].
    ObservedImprovement {},
    /// [`MetaLoss::Regret`], over a lowest cost of 0.
    Regret {
        /// `γ`, in (0, 1].
        discount: f64,
    },
    /// The distance to known answers after every update, `Σ γ^(T−t)·mean((xₜ − target)²)` (the weights are those of
    /// RAFT, arXiv 2003.12039, equation 7). Its gradient does not pass through the cost, which may be opaque.
    Supervised {
        /// `γ`, in (0, 1].
        discount: f64,
    },
}

impl From<MetaLoss> for TensorLoss {
    fn from(loss: MetaLoss) -> Self {
        match loss {
            MetaLoss::Sum {} => Self::Sum {},
            MetaLoss::Final {} => Self::Final {},
            MetaLoss::ObservedImprovement {} => Self::ObservedImprovement {},
            MetaLoss::Regret { discount } => Self::Regret { discount },
        }
    }
}

impl TensorLoss {
    /// # Errors
    /// If a discount is out of range.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Self::Regret { discount } | Self::Supervised { discount } => {
                MetaLoss::Regret { discount }.validate()
            }
            _ => Ok(()),
        }
    }

    /// Whether the gradient passes through the cost.
    pub(super) fn passes_the_cost(&self) -> bool {
        !matches!(self, Self::Supervised { .. })
    }
}

/// Best and worst cost so far, `[batch]` each. NaN where nothing was finite yet.
#[derive(Debug, Clone)]
pub(super) struct SoFar {
    pub best: Tensor,
    pub worst: Tensor,
}

impl SoFar {
    /// Nothing seen.
    pub fn new(batch: usize, dtype: DType, device: &candle_core::Device) -> Result<Self> {
        let nothing = Tensor::full(f32::NAN, batch, device)?.to_dtype(dtype)?;
        Ok(Self { best: nothing.clone(), worst: nothing })
    }

    /// Takes the totals of an evaluation; gives them with failures replaced by the worst so far, the best before, and
    /// which elements have any finite cost before and now.
    fn see(&mut self, total: &Tensor) -> Result<Seen> {
        let finite = is_finite(total)?;
        let y = finite.where_cond(total, &self.worst)?;
        let any_before = is_finite(&self.best)?;
        let any = is_finite(&y)?;
        let before = self.best.clone();
        // Where nothing was seen before, y is its own best; where both are NaN it stays so.
        let (best, worst) = (any_before.where_cond(&self.best, &y)?, any_before.where_cond(&self.worst, &y)?);
        self.best = best.minimum(&y)?;
        self.worst = worst.maximum(&y)?;
        Ok(Seen { y, before, any_before, any })
    }
}

struct Seen {
    y: Tensor,
    before: Tensor,
    any_before: Tensor,
    any: Tensor,
}

/// The loss that one update adds, a scalar. `left` is the number of updates after this one.
pub(super) fn add(
    loss: &TensorLoss,
    so_far: &mut SoFar,
    x: &Tensor,
    total: Option<&Tensor>,
    target: Option<&Tensor>,
    left: usize,
) -> Result<Tensor> {
    let left = left.min(i32::MAX as usize) as i32;
    if let TensorLoss::Supervised { discount } = loss {
        let target = target.ok_or_else(|| {
            Error::setting("loss", "a loss of costs, as the tasks have no targets", "\"supervised\"")
        })?;
        let distance = (x - target.to_dtype(x.dtype())?)?.sqr()?.mean_all()?;
        return Ok((distance * discount.powi(left))?);
    }
    let total = total.ok_or_else(|| Error::outside("a loss of costs without a cost"))?;
    let seen = so_far.see(total)?;
    let zero = seen.y.zeros_like()?;
    let best = &so_far.best;
    let (valid, value) = match loss {
        TensorLoss::Sum {} => (seen.any, seen.y),
        TensorLoss::Final {} if left == 0 => (seen.any, best.clone()),
        // Zero, with a gradient of zero: a piece that is not the last one teaches nothing.
        TensorLoss::Final {} => (seen.any, (best * 0.0)?),
        TensorLoss::ObservedImprovement {} => (seen.any_before, (&seen.y - &seen.before)?.minimum(&zero)?),
        TensorLoss::Regret { discount } | TensorLoss::Supervised { discount } => {
            (seen.any, (best * discount.powi(left))?)
        }
    };
    Ok(valid.where_cond(&value, &zero)?.mean_all()?)
}

/// Lets the start's cost count as the best so far.
pub(super) fn see_start(so_far: &mut SoFar, total: &Tensor) -> Result<()> {
    so_far.see(total).map(drop)
}

/// 1 where a number is finite: NaN compares false, infinities are above.
fn is_finite(x: &Tensor) -> Result<Tensor> {
    Ok(x.abs()?.lt(f32::MAX)?)
}
