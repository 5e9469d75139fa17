//! Batch normalisation with the statistics of the batch.

mod op;
mod passes;
mod reference;
#[cfg(test)]
mod tests;

use candle_core::{DType, Device, Result, Tensor, bail};

use crate::select::fast;
pub use reference::batch_norm_reference;

/// A normalised batch and its statistics.
#[derive(Debug, Clone)]
pub struct BatchNormed {
    /// Of the shape of the input, with gradients.
    pub y: Tensor,
    /// Mean of each channel, `[channels]`, without a gradient.
    pub mean: Tensor,
    /// Mean squared deviation of each channel, `[channels]`, without a gradient.
    pub variance: Tensor,
}

/// `y = γ·(x − μ)/√(σ² + ε) + β` with mean μ and variance σ² of each channel over images and pixels (Ioffe & Szegedy 2015,
/// arXiv 1502.03167, algorithm 1), and `max(y, 0)` of that where `relu` says so; differentiable in x, γ and β.
///
/// * `x`: `[batch, channels, height, width]`
/// * `weight` γ, `bias` β: `[channels]`
///
/// For f32 on the CPU two passes over memory forwards and two backwards, and nothing kept but x and y; elsewhere, and
/// under [`Kernels::Reference`](crate::Kernels::Reference), this is [`batch_norm_reference`].
///
/// # Errors
/// When shapes do not fit, or there are no numbers to take a mean of.
pub fn batch_norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    epsilon: f64,
    relu: bool,
) -> Result<BatchNormed> {
    let (batch, channels, height, width) = x.dims4()?;
    if weight.dims() != [channels] || bias.dims() != [channels] {
        bail!(
            "batch_norm: expected weight and bias of shape [{channels}], found {:?} and {:?}",
            weight.dims(),
            bias.dims()
        )
    }
    if batch * height * width == 0 {
        bail!("batch_norm: expected at least one number per channel, found {:?}", x.dims())
    }
    let all = [x, weight, bias];
    if !fast() || all.iter().any(|t| t.dtype() != DType::F32 || !t.device().is_cpu()) {
        return batch_norm_reference(x, weight, bias, epsilon, relu);
    }
    op::apply(&x.contiguous()?, &weight.contiguous()?, &bias.contiguous()?, epsilon, relu)
}

/// One number per channel.
fn per_channel(values: Vec<f32>) -> Result<Tensor> {
    let count = values.len();
    Tensor::from_vec(values, count, &Device::Cpu)
}
