//! The feature-metric cost with gradients from kernels that visit each pixel once: on a card, where launches and memory
//! are what costs time.

use candle_core::{Result, Tensor};
use dro_core::Cost;
use dro_vision::{WarpCost, projection, warp_cost};

use crate::network::{InverseDepthRange, repeat_each};

/// What does not change over a run, made once.
#[derive(Debug, Clone)]
pub(super) struct OnePassCost {
    /// The targets, then the neighbours: `[batch·(1 + count), c, h, w]`.
    features: Tensor,
    /// One per pair.
    intrinsics: Tensor,
    range: InverseDepthRange,
}

impl OnePassCost {
    /// Arguments as of [`FeatureMetricCost::new`](super::FeatureMetricCost::new).
    pub(super) fn new(
        target: &Tensor,
        neighbours: &Tensor,
        intrinsics: &Tensor,
        range: InverseDepthRange,
    ) -> Result<Self> {
        let count = neighbours.dim(0)? / target.dim(0)?.max(1);
        let features = Tensor::cat(&[target, neighbours], 0)?;
        Ok(Self { features, intrinsics: repeat_each(intrinsics, count)?, range })
    }

    /// * `inverse_depth`: `[batch, 1, h, w]`, unscaled
    /// * `poses`: `[batch, count, 6]`
    /// * `mean`: the map is the mean over neighbours, else one for each
    pub(super) fn evaluate(&self, inverse_depth: &Tensor, poses: &Tensor, mean: bool) -> Result<Cost> {
        let (batch, pairs) = (inverse_depth.dim(0)?, self.intrinsics.dim(0)?);
        let (scale, shift) = self.range.scale_and_shift();
        let projection = projection(&poses.reshape((pairs, 6))?, &self.intrinsics)?;
        let map = warp_cost(&self.features, inverse_depth, &projection, WarpCost { mean, scale, shift })?;
        // In two steps: candle gives each number of a sum one block of threads.
        let (_, _, height, width) = map.dims4()?;
        let total = map.reshape((batch, (), height * width))?.mean(2)?.mean(1)?;
        Ok(Cost { total, map: Some(map) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::{DType, Device, Var};
    use dro_core::CostFunction;

    use super::*;
    use crate::cost::{FeatureMetricCost, INVERSE_DEPTH, POSES};

    fn wave(shape: &[usize], frequency: f64, phase: f64) -> Tensor {
        let count = shape.iter().product::<usize>() as f64;
        let wave = Tensor::arange(0.0, count, &Device::Cpu).unwrap().affine(frequency, phase).unwrap();
        wave.sin().unwrap().reshape(shape).unwrap().to_dtype(DType::F32).unwrap()
    }

    /// Total, map, and the gradients of `Σ wave · map` for features, inverse depth and poses.
    fn everything(one_pass: bool, count: usize, range: InverseDepthRange, mean: bool) -> Vec<Tensor> {
        let (batch, c, h, w) = (2, 3, 5, 6);
        let var = |t: Tensor| Var::from_tensor(&t).unwrap();
        let target = var(wave(&[batch, c, h, w], 0.31, 0.0));
        let neighbours = var(wave(&[batch * count, c, h, w], 0.29, 1.0));
        let inverse = var(wave(&[batch, 1, h, w], 1.7, 2.0).affine(0.2, 0.5).unwrap());
        let poses = var((wave(&[batch, count, 6], 2.3, 3.0) * 0.2).unwrap());
        let k = Tensor::new(&[[[5f32, 0.0, 2.4], [0.0, 5.5, 1.9], [0.0, 0.0, 1.0]]], &Device::Cpu).unwrap();
        let k = k.broadcast_as((batch, 3, 3)).unwrap().contiguous().unwrap();
        let new = if one_pass { FeatureMetricCost::one_pass } else { FeatureMetricCost::new };
        let cost = new(&target, &neighbours, &k, range).unwrap();
        assert!(cost.is_differentiable());
        let at = vec![inverse.as_tensor().clone(), poses.as_tensor().clone()];
        let at = cost.space().point(at).unwrap();
        let found = cost.evaluate(&at, if mean { INVERSE_DEPTH } else { POSES }).unwrap();
        let map = found.map.unwrap();
        let weighted = (&map * wave(map.dims(), 0.7, 0.5)).unwrap().sum_all().unwrap();
        let gradients = weighted.backward().unwrap();
        let of = |var: &Var| gradients.get(var).unwrap().clone();
        vec![found.total, map, of(&target), of(&neighbours), of(&inverse), of(&poses)]
    }

    #[test]
    fn it_is_the_published_cost() {
        let scaled = InverseDepthRange::Scaled { min_depth_m: 0.5, max_depth_m: 20.0 };
        for (count, range, mean) in [
            (1, InverseDepthRange::Raw, true),
            (2, scaled, true),
            (2, InverseDepthRange::Raw, false),
            (3, scaled, false),
        ] {
            let found = everything(true, count, range, mean);
            for (i, (a, b)) in found.iter().zip(everything(false, count, range, mean)).enumerate() {
                assert_eq!(a.dims(), b.dims());
                let largest = |t: &Tensor| t.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
                let difference = largest(&(a - &b).unwrap());
                assert!(difference <= 2e-5 * largest(&b).max(1.0), "{count} {mean} number {i}: {difference}");
            }
        }
    }
}
