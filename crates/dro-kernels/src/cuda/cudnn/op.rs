//! The passes as operations of candle.

use candle_core::{
    CpuStorage, CudaStorage, CustomOp2, DType, Layout, Result, Shape, Tensor, backend::BackendStorage, bail,
};

use super::pass;
use crate::conv::ConvShape;

/// `$module::$pass::<T>` for the type of the numbers in `$of`.
macro_rules! by_type {
    ($of:expr, $module:ident::$pass:ident($($argument:expr),*)) => {
        match $of.dtype() {
            DType::BF16 => $module::$pass::<half::bf16>($($argument),*),
            _ => $module::$pass::<f32>($($argument),*),
        }
    };
}

fn not_on_cpu<T>() -> Result<T> {
    bail!("conv2d by cuDNN: expected tensors on a CUDA device, found one on the CPU")
}

/// From input and weight.
pub(super) struct Conv(pub(super) ConvShape);

impl CustomOp2 for Conv {
    fn name(&self) -> &'static str {
        "conv2d-cudnn"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        not_on_cpu()
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        weight: &CudaStorage,
        weight_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let s = self.0;
        let y = by_type!(x, pass::forward(s, (x, x_layout), (weight, weight_layout)))?;
        Ok((y, Shape::from((s.batch, s.outputs, s.out_height, s.out_width))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let grad_x = x.track_op().then(|| weight.apply_op2_no_bwd(&grad, &GradX(self.0))).transpose()?;
        let grad_weight =
            weight.track_op().then(|| x.apply_op2_no_bwd(&grad, &GradWeight(self.0))).transpose()?;
        Ok((grad_x, grad_weight))
    }
}

/// From the weight and the gradient of the result.
struct GradX(ConvShape);

impl CustomOp2 for GradX {
    fn name(&self) -> &'static str {
        "conv2d-cudnn-grad-x"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        not_on_cpu()
    }

    fn cuda_fwd(
        &self,
        weight: &CudaStorage,
        weight_layout: &Layout,
        grad: &CudaStorage,
        grad_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let s = self.0;
        let grad_x = by_type!(grad, pass::backward_data(s, (weight, weight_layout), (grad, grad_layout)))?;
        Ok((grad_x, Shape::from((s.batch, s.inputs, s.height, s.width))))
    }
}

/// From the input and the gradient of the result.
struct GradWeight(ConvShape);

impl CustomOp2 for GradWeight {
    fn name(&self) -> &'static str {
        "conv2d-cudnn-grad-weight"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        not_on_cpu()
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        grad: &CudaStorage,
        grad_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let s = self.0;
        let grad_weight = by_type!(x, pass::backward_filter(s, (x, x_layout), (grad, grad_layout)))?;
        Ok((grad_weight, Shape::from((s.outputs, s.inputs, s.kernel.0, s.kernel.1))))
    }
}
