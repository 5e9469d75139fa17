//! The dense recurrent optimizer of one fixed dimension.

use candle_core::Tensor;
use candle_nn::{Linear, Module, VarBuilder, linear};

use crate::{Cost, Error, LearnedOptimizer, Memory, Result, cells::Gru};

/// A GRU that looks at a point and its cost and proposes the next point (Chen et al. 2017, *Learning to Learn without
/// Gradient Descent by Gradient Descent*, arXiv 1611.03824, equation 1): `h', x' = RNN(h, x, y)`.
///
/// Points live in the unit box `[0, 1]^d`; the proposal is `x' = σ(W·h' + b)`, and the increment is `x' − x`. The network
/// sees the cost after incremental normalisation: `z = (y − mean)/√variance` over all costs that this run has seen, `y`
/// included, so that neither the offset nor the scale of a cost matters and the optimum's value is never needed. `z` is
/// limited to ±5; an evaluation that failed (a cost that is not finite) shows as 5 and is left out of the statistics.
///
/// The weights are of one dimension `d`. Parameters: `gru.convz`, `gru.convr`, `gru.convq` (linear layers
/// `[hidden, hidden + d + 1]`) and `proposal` `[d, hidden]`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::VarBuilder;
/// use dro_core::{Block, Budget, CostFunction, Bound, Schedule, Space, minimize, rules::DenseGru};
/// # use dro_core::{BlockId, Cost, Point, Result};
/// # struct Bowl(Space);
/// # impl CostFunction for Bowl {
/// #     fn space(&self) -> &Space { &self.0 }
/// #     fn evaluate(&self, at: &Point, block: BlockId) -> Result<Cost> {
/// #         Ok(Cost { total: at.get(block).sqr()?.sum(1)?, map: None })
/// #     }
/// # }
/// # fn main() -> Result<()> {
/// // Weights of zero always propose the middle of the box; trained ones come from a file.
/// let rule = DenseGru::new(2, 16, VarBuilder::zeros(DType::F32, &Device::Cpu))?;
/// let cost = Bowl(Space::new(vec![Block::bounded("x", [2], 0.0, 1.0)])?);
/// let start = cost.space().point(vec![Tensor::new(&[[0.9f32, 0.1]], &Device::Cpu)?])?;
/// let x = cost.space().id("x")?;
/// let mut optimizer = Bound::new(cost.space()).with("x", &rule, &start, None)?;
/// let schedule = Schedule::single(x, 5);
/// let solution = minimize(&cost, &mut optimizer, &start, &schedule, &Budget::default(), &mut [])?;
/// assert_eq!(solution.last.get(x).to_vec2::<f32>()?, [[0.5, 0.5]]);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct DenseGru {
    dim: usize,
    hidden: usize,
    gru: Gru,
    proposal: Linear,
}

/// Numbers per batch element beside the hidden units: how many costs were seen, their mean, and the sum of their squared
/// distances to it.
const STATISTICS: usize = 3;

/// Where normalised costs end.
const LIMIT: f64 = 5.0;

impl DenseGru {
    /// A rule for `dim` variables with `hidden` units.
    pub fn new(dim: usize, hidden: usize, vb: VarBuilder) -> Result<Self> {
        for (name, value) in [("dim", dim), ("hidden", hidden)] {
            if value == 0 {
                return Err(Error::argument(name, "at least 1", value));
            }
        }
        Ok(Self {
            dim,
            hidden,
            gru: Gru::new(hidden, dim + 1, vb.pp("gru"))?,
            proposal: linear(hidden, dim, vb.pp("proposal"))?,
        })
    }

    fn check(&self, x: &Tensor) -> Result<usize> {
        match x.dims() {
            [batch, dim] if *dim == self.dim => Ok(*batch),
            other => Err(Error::Shape {
                name: "the point of a dense GRU".into(),
                expected: vec![other.first().copied().unwrap_or(1), self.dim],
                found: other.to_vec(),
            }),
        }
    }
}

impl LearnedOptimizer for DenseGru {
    /// Zeros. The context is kept and not read.
    fn init(&self, start: &Tensor, context: Option<&Tensor>) -> Result<Memory> {
        let batch = self.check(start)?;
        let hidden = Tensor::zeros((batch, self.hidden + STATISTICS), start.dtype(), start.device())?;
        Ok(Memory { hidden, context: context.cloned() })
    }

    /// `x` `[batch, d]`, the cost's total `[batch]` → an increment `[batch, d]`.
    fn update(&self, memory: &Memory, x: &Tensor, cost: &Cost) -> Result<(Memory, Tensor)> {
        let batch = self.check(x)?;
        let statistics = memory.hidden.narrow(1, self.hidden, STATISTICS)?;
        let y = cost.total.to_dtype(x.dtype())?.reshape((batch, 1))?;
        let (z, statistics) = normalise(&statistics, &y)?;
        let h = memory.hidden.narrow(1, 0, self.hidden)?.contiguous()?;
        let h = self.gru.step(&h, &Tensor::cat(&[x, &z], 1)?)?;
        let proposal = candle_nn::ops::sigmoid(&self.proposal.forward(&h)?)?;
        Ok((memory.next(Tensor::cat(&[&h, &statistics], 1)?), (proposal - x)?))
    }
}

/// Welford's update of count, mean and sum of squared distances `[batch, 3]` by the costs `y` `[batch, 1]`, and the
/// costs normalised by the result.
fn normalise(statistics: &Tensor, y: &Tensor) -> Result<(Tensor, Tensor)> {
    let column = |index| statistics.narrow(1, index, 1);
    let (count, mean, squares) = (column(0)?, column(1)?, column(2)?);
    // NaN compares false, infinities are above.
    let finite = y.abs()?.lt(f32::MAX)?;
    let y = finite.where_cond(y, &mean)?;
    let more = finite.to_dtype(y.dtype())?;

    let count = (count + &more)?;
    let some = count.maximum(1f32)?;
    let apart = (&y - &mean)?;
    let mean = (mean + (&apart * &more)?.div(&some)?)?;
    let squares = (squares + ((&apart * (&y - &mean)?)? * &more)?)?;
    let deviation = (squares.div(&some)? + 1e-12)?.sqrt()?;
    let z = (&y - &mean)?.div(&deviation)?.clamp(-LIMIT as f32, LIMIT as f32)?;
    let z = finite.where_cond(&z, &Tensor::full(LIMIT as f32, z.dims(), z.device())?.to_dtype(z.dtype())?)?;
    Ok((z, Tensor::cat(&[&count, &mean, &squares], 1)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn costs_are_normalised_by_what_was_seen_so_far() {
        let mut statistics = Tensor::zeros((2, STATISTICS), DType::F64, &Device::Cpu).unwrap();
        let (mut seen, scale) = (Vec::new(), 1e-3);
        for y in [3.0, -1.0, f64::NAN, 8.0, f64::INFINITY, 2.5f64] {
            // The second element sees the same costs, moved and scaled.
            let both = Tensor::new(&[[y], [scale * y + 40.0]], &Device::Cpu).unwrap();
            let (z, next) = normalise(&statistics, &both).unwrap();
            statistics = next;
            let z = z.to_vec2::<f64>().unwrap();
            let expected = if y.is_finite() {
                seen.push(y);
                let mean = seen.iter().sum::<f64>() / seen.len() as f64;
                let variance = seen.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / seen.len() as f64;
                if seen.len() == 1 { 0.0 } else { (y - mean) / variance.sqrt() }
            } else {
                LIMIT
            };
            assert!((z[0][0] - expected).abs() < 1e-9, "{y}: {z:?} {expected}");
            assert!((z[1][0] - expected).abs() < 1e-4, "{y}: {z:?} {expected}");
        }
    }

    #[test]
    fn a_point_of_another_dimension_is_refused() {
        let rule = DenseGru::new(3, 4, VarBuilder::zeros(DType::F32, &Device::Cpu)).unwrap();
        let x = Tensor::zeros((5, 2), DType::F32, &Device::Cpu).unwrap();
        let error = rule.init(&x, None).unwrap_err().to_string();
        assert!(error.contains("expected shape [5, 3], found [5, 2]"), "{error}");
        assert!(DenseGru::new(0, 4, VarBuilder::zeros(DType::F32, &Device::Cpu)).is_err());
    }
}
