//! Launches of `cuda/kernels/warp_cost.cu`.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::{Dims, WarpCost};
use crate::launch::Launch;

/// Channels that one thread of the forward kernel works on: `GROUP` there.
const GROUP: usize = 8;
/// Pixels that one thread sums for the gradient of a projection: enough threads for a card, short enough sums.
const CHUNK: usize = 64;

/// From features, unscaled inverse depth and projections.
pub(super) struct WarpCostOp {
    pub dims: Dims,
    pub how: WarpCost,
}

impl WarpCostOp {
    fn launch(&self, function: &'static str, threads: usize, shape: Vec<usize>, ints: Vec<usize>) -> Launch {
        let floats = vec![self.how.scale as f32, self.how.shift as f32];
        Launch { module: "warp_cost", function, threads, shape, zeroed: false, ints, floats }
    }

    /// Neighbours that a map is the mean of.
    fn per_map(&self) -> usize {
        if self.how.mean { self.dims.neighbours } else { 1 }
    }

    /// The whole numbers of the kernels that read features.
    fn ints(&self) -> Vec<usize> {
        let Dims { batch, neighbours, channels, height, width } = self.dims;
        vec![batch, neighbours, self.per_map(), channels, height, width]
    }

    fn forward(&self) -> Launch {
        let Dims { channels, height, width, .. } = self.dims;
        let maps = self.dims.pairs() / self.per_map();
        let threads = maps * channels.div_ceil(GROUP) * self.dims.plane();
        self.launch("warp_cost_forward", threads, vec![maps, channels, height, width], self.ints())
    }

    fn grad_features(&self, shape: &[usize]) -> Launch {
        let threads = self.dims.batch * self.dims.channels * self.dims.plane();
        let launch = self.launch("warp_cost_grad_features", threads, shape.to_vec(), self.ints());
        Launch { zeroed: true, ..launch }
    }

    fn grad_point(&self) -> Launch {
        let (pairs, plane) = (self.dims.pairs(), self.dims.plane());
        self.launch("warp_cost_grad_point", pairs * plane, vec![pairs, 3, plane], self.ints())
    }

    fn grad_inverse(&self) -> Launch {
        let Dims { batch, neighbours, height, width, .. } = self.dims;
        let (shape, ints) = (vec![batch, 1, height, width], vec![neighbours, height, width]);
        self.launch("warp_cost_grad_inverse", batch * self.dims.plane(), shape, ints)
    }

    fn grad_projection(&self) -> Launch {
        let Dims { neighbours, height, width, .. } = self.dims;
        let (pairs, chunks) = (self.dims.pairs(), self.dims.plane().div_ceil(CHUNK));
        let ints = vec![neighbours, height, width, chunks];
        self.launch("warp_cost_grad_projection", pairs * 3 * chunks, vec![pairs, 3, 4, chunks], ints)
    }
}

impl CustomOp3 for WarpCostOp {
    fn name(&self) -> &'static str {
        "warp-cost"
    }

    fn cpu_fwd(
        &self,
        features: &CpuStorage,
        features_layout: &Layout,
        inverse: &CpuStorage,
        inverse_layout: &Layout,
        projection: &CpuStorage,
        projection_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (inverse, projection) = ((inverse, inverse_layout), (projection, projection_layout));
        self.forward().on_cpu(&[(features, features_layout), inverse, projection])
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        features: &CudaStorage,
        features_layout: &Layout,
        inverse: &CudaStorage,
        inverse_layout: &Layout,
        projection: &CudaStorage,
        projection_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (inverse, projection) = ((inverse, inverse_layout), (projection, projection_layout));
        self.forward().on_cuda(&[(features, features_layout), inverse, projection])
    }

    fn bwd(
        &self,
        features: &Tensor,
        inverse: &Tensor,
        projection: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let inputs = [features, inverse, projection, &grad];
        let grad_features = match features.track_op() {
            true => Some(self.grad_features(features.dims()).run(&inputs)?),
            false => None,
        };
        if !inverse.track_op() && !projection.track_op() {
            return Ok((grad_features, None, None));
        }
        let point = self.grad_point().run(&inputs)?;
        let grad_inverse = match inverse.track_op() {
            true => Some(self.grad_inverse().run(&[&point, inverse, projection])?),
            false => None,
        };
        let grad_projection = match projection.track_op() {
            true => Some(self.grad_projection().run(&[&point, inverse])?.sum(3)?),
            false => None,
        };
        Ok((grad_features, grad_inverse, grad_projection))
    }
}
