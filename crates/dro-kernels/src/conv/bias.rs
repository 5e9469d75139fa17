//! The bias after a convolution, on devices where it is an operation of its own.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use crate::launch::{Launch, kernels_run};

/// `y[n, o] + bias[o]`: `y` is `[n, out, height, width]`, `bias` `[out]`; differentiable.
///
/// On CUDA one kernel: candle's broadcast copies shapes to the device at each call.
pub(super) fn add_bias(y: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if kernels_run(&[y, bias]) {
        y.contiguous()?.apply_op2(&bias.contiguous()?, AddBias)
    } else {
        y.broadcast_add(&bias.reshape((1, (), 1, 1))?)
    }
}

struct AddBias;

fn launch(y: &Layout, bias: &Layout) -> Launch {
    let (count, channels) = (y.shape().elem_count(), bias.shape().elem_count());
    Launch {
        module: "bias",
        function: "bias_add",
        threads: count,
        shape: y.dims().to_vec(),
        zeroed: false,
        ints: vec![channels, y.dims().iter().skip(2).product()],
        floats: Vec::new(),
    }
}

impl CustomOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(
        &self,
        y: &CpuStorage,
        y_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        launch(y_layout, bias_layout).on_cpu(&[(y, y_layout), (bias, bias_layout)])
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        y: &CudaStorage,
        y_layout: &Layout,
        bias: &CudaStorage,
        bias_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        launch(y_layout, bias_layout).on_cuda(&[(y, y_layout), (bias, bias_layout)])
    }

    fn bwd(
        &self,
        _y: &Tensor,
        bias: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad_bias = bias.track_op().then(|| grad.sum((0, 2, 3))).transpose()?;
        Ok((Some(grad.clone()), grad_bias))
    }
}

#[cfg(test)]
mod tests {
    use super::add_bias;
    use crate::testing::{assert_kernels_are, noise};

    #[test]
    fn kernels_equal_the_reference() {
        for shape in [[1, 1, 1, 1], [2, 3, 7, 11]] {
            assert_kernels_are(
                &|x| add_bias(&x[0], &x[1]),
                &|x| x[0].broadcast_add(&x[1].reshape((1, (), 1, 1))?),
                &[noise(1, &shape), noise(2, &[shape[1]])],
                1e-5,
            );
        }
    }
}
