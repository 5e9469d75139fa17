//! Launches of `cuda/kernels/gru.cu`.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use crate::launch::Launch;

/// One thread per number; `parts` results of `shape` one after another.
fn launch(function: &'static str, shape: &[usize], parts: usize) -> Launch {
    let mut out = shape.to_vec();
    if parts > 1 {
        out.insert(0, parts);
    }
    Launch {
        module: "gru",
        function,
        threads: shape.iter().product(),
        shape: out,
        zeroed: false,
        ints: Vec::new(),
        floats: Vec::new(),
    }
}

/// From the reset gate's sums and the hidden state.
pub(super) struct Reset;

impl CustomOp2 for Reset {
    fn name(&self) -> &'static str {
        "reset-gate"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        h: &CpuStorage,
        h_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        launch("gru_reset", a_layout.dims(), 1).on_cpu(&[(a, a_layout), (h, h_layout)])
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        a: &CudaStorage,
        a_layout: &Layout,
        h: &CudaStorage,
        h_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        launch("gru_reset", a_layout.dims(), 1).on_cuda(&[(a, a_layout), (h, h_layout)])
    }

    fn bwd(
        &self,
        a: &Tensor,
        h: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grads = launch("gru_reset_grad", a.dims(), 2).run(&[a, h, &grad.contiguous()?])?;
        Ok((Some(grads.get(0)?), Some(grads.get(1)?)))
    }
}

/// From the update gate's and the candidate's sums and the hidden state.
pub(super) struct Blend;

impl CustomOp3 for Blend {
    fn name(&self) -> &'static str {
        "blend-gate"
    }

    fn cpu_fwd(
        &self,
        z: &CpuStorage,
        z_layout: &Layout,
        q: &CpuStorage,
        q_layout: &Layout,
        h: &CpuStorage,
        h_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        launch("gru_blend", z_layout.dims(), 1).on_cpu(&[(z, z_layout), (q, q_layout), (h, h_layout)])
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        z: &CudaStorage,
        z_layout: &Layout,
        q: &CudaStorage,
        q_layout: &Layout,
        h: &CudaStorage,
        h_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        launch("gru_blend", z_layout.dims(), 1).on_cuda(&[(z, z_layout), (q, q_layout), (h, h_layout)])
    }

    fn bwd(
        &self,
        z: &Tensor,
        q: &Tensor,
        h: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grads = launch("gru_blend_grad", z.dims(), 3).run(&[z, q, h, &grad.contiguous()?])?;
        Ok((Some(grads.get(0)?), Some(grads.get(1)?), Some(grads.get(2)?)))
    }
}
