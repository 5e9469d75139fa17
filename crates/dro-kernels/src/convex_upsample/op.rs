//! Launches of `cuda/kernels/convex_upsample.cu`.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::Dims;
use crate::launch::Launch;

/// From the coarse map and the logits.
pub(super) struct ConvexUpsample(pub(super) Dims);

impl ConvexUpsample {
    fn launch(&self, function: &'static str, shape: Vec<usize>) -> Launch {
        let Dims { batch, channels, height, width, ratio } = self.0;
        Launch {
            module: "convex_upsample",
            function,
            threads: batch * ratio * ratio * height * width,
            shape,
            zeroed: false,
            ints: vec![channels, height, width, ratio],
            floats: Vec::new(),
        }
    }

    fn forward(&self) -> Launch {
        let Dims { batch, channels, height, width, ratio } = self.0;
        self.launch("convex_upsample_forward", vec![batch, channels, ratio * height, ratio * width])
    }
}

impl CustomOp2 for ConvexUpsample {
    fn name(&self) -> &'static str {
        "convex-upsample"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        logits: &CpuStorage,
        logits_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward().on_cpu(&[(x, x_layout), (logits, logits_layout)])
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        logits: &CudaStorage,
        logits_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.forward().on_cuda(&[(x, x_layout), (logits, logits_layout)])
    }

    fn bwd(
        &self,
        x: &Tensor,
        logits: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let grad_x = || {
            let launch = self.launch("convex_upsample_grad_x", x.dims().to_vec());
            Launch { zeroed: true, ..launch }.run(&[logits, &grad])
        };
        let grad_logits =
            || self.launch("convex_upsample_grad_logits", logits.dims().to_vec()).run(&[x, logits, &grad]);
        Ok((x.track_op().then(grad_x).transpose()?, logits.track_op().then(grad_logits).transpose()?))
    }
}
