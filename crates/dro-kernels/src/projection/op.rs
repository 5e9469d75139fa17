//! Launches of `cuda/kernels/projection.cu`.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use crate::launch::Launch;

/// From poses and intrinsics; the gradient is the poses' alone.
pub(super) struct Projection;

/// One thread per pose.
fn launch(function: &'static str, shape: Vec<usize>) -> Launch {
    Launch {
        module: "projection",
        function,
        threads: shape.first().copied().unwrap_or(0),
        shape,
        zeroed: false,
        ints: Vec::new(),
        floats: Vec::new(),
    }
}

fn forward(pose: &Layout) -> Launch {
    let count = pose.dims().first().copied().unwrap_or(0);
    launch("projection_forward", vec![count, 3, 4])
}

impl CustomOp2 for Projection {
    fn name(&self) -> &'static str {
        "projection"
    }

    fn cpu_fwd(
        &self,
        pose: &CpuStorage,
        pose_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        forward(pose_layout).on_cpu(&[(pose, pose_layout), (k, k_layout)])
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        pose: &CudaStorage,
        pose_layout: &Layout,
        k: &CudaStorage,
        k_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        forward(pose_layout).on_cuda(&[(pose, pose_layout), (k, k_layout)])
    }

    fn bwd(
        &self,
        pose: &Tensor,
        k: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad =
            launch("projection_grad_pose", pose.dims().to_vec()).run(&[pose, k, &grad.contiguous()?])?;
        Ok((Some(grad), None))
    }
}
