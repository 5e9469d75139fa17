//! Two-dimensional convolution with a padding per axis.

mod activation;
mod algorithm;
mod backward;
mod bias;
mod engine;
mod epilogue;
mod geometry;
mod op;
mod patches;
mod prepared;
mod reference;
mod rounded;
mod shapes;
mod shared;
mod source;
#[cfg(test)]
mod tests;
mod tiles;
mod view;
mod weights;
mod winograd;

use candle_core::{DType, Layout, Result, Storage, Tensor, bail};

use algorithm::Algorithm;

use crate::select::{Precision, fast, precision};
use crate::simd::Arch;

pub use activation::Activation;
pub use geometry::ConvGeometry;
pub use prepared::PreparedConv;
pub use reference::conv2d_reference;
#[cfg(feature = "cudnn")]
pub(crate) use shapes::ConvShape;
pub use shared::SharedWeights;
pub use view::{MapView, Scratch};

/// `y[n,o] = b[o] + Σ_i w[o,i] ⋆ x[n,i]` (cross-correlation, zero padding), differentiable in all three.
///
/// * `x`: `[batch, in, height, width]`
/// * `weight`: `[out, in, kernel height, kernel width]`
/// * `bias`: `[out]`
/// * result: `[batch, out, ⌊(height + 2·pad_y − kh) / stride⌋ + 1, …]`
///
/// For f32 on the CPU the kernels of this crate run, forwards and backwards, and on CUDA cuDNN does where the feature
/// `cudnn` is on; for other types and devices, and under [`Kernels::Reference`](crate::Kernels::Reference), this is
/// [`conv2d_reference`]. Weights are prepared at each call:
/// see [`PreparedConv`] for weights that stay.
///
/// 3×3, 1×5 and 5×1 kernels with stride 1 go through minimal filtering (Winograd), which rounds differently: results and
/// gradients are within 1e-5 of the largest number among them. The result does not depend on the number of threads.
///
/// # Errors
/// When the shapes or types do not fit each other.
pub fn conv2d(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, geometry: ConvGeometry) -> Result<Tensor> {
    conv2d_with(x, weight, bias, geometry, None)
}

/// [`conv2d`] with a `weight` whose transforms are kept in `shared`: the same numbers in less time from the second call on.
///
/// # Errors
/// As [`conv2d`].
pub fn conv2d_shared(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    geometry: ConvGeometry,
    shared: &SharedWeights,
) -> Result<Tensor> {
    conv2d_with(x, weight, bias, geometry, Some(shared))
}

fn conv2d_with(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    geometry: ConvGeometry,
    shared: Option<&SharedWeights>,
) -> Result<Tensor> {
    #[cfg(feature = "cudnn")]
    if x.device().is_cuda() {
        use crate::cuda::cudnn;
        let shape = shapes::check(x, weight, bias, geometry)?;
        if cudnn::takes(x, weight, &shape) {
            let y = cudnn::conv2d(x, weight, shape)?;
            return match bias {
                Some(bias) => bias::add_bias(&y, bias),
                None => Ok(y),
            };
        }
    }
    if !fast() || x.dtype() != DType::F32 || !x.device().is_cpu() || !weight.device().is_cpu() {
        return conv2d_reference(x, weight, bias, geometry);
    }
    let shape = shapes::check(x, weight, bias, geometry)?;
    let precision = precision();
    let (x, weight) = (rounded::factor(x, precision)?, rounded::factor(weight, precision)?);
    let contiguous_bias = bias.map(Tensor::contiguous).transpose()?;
    let apply = |bias| op::apply(&x.contiguous()?, &weight.contiguous()?, bias, shape, Arch::new(), shared);
    match bias {
        // The bias comes after the result was rounded.
        Some(bias) if precision == Precision::Bf16 => {
            bias::add_bias(&rounded::result(&apply(None)?, precision)?, bias)
        }
        _ => rounded::result(&apply(contiguous_bias.as_ref())?, precision),
    }
}

/// The numbers of a contiguous f32 tensor on the CPU.
pub(crate) fn values<'a>(storage: &'a Storage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (Storage::Cpu(storage), Some((start, end))) => Ok(&storage.as_slice::<f32>()?[start..end]),
        _ => bail!("expected a contiguous tensor on the CPU, found {layout:?}"),
    }
}
