//! Gradients of a convolution.

mod channels_last;
mod columns;
mod filtered;
mod weight;

use candle_core::Result;

use super::ConvGeometry;
use super::algorithm::Algorithm;
use super::epilogue::Epilogue;
use super::op::convolve;
use super::shapes::ConvShape;
use super::shared::Slot;
use super::weights::Weights;
use super::winograd::{Five, One, Three};
use crate::simd::Arch;

pub(super) use channels_last::ChannelsLast;

/// The gradient for the input: the adjoint of the convolution applied to the gradient of the result.
///
/// For stride 1 that is a convolution with the flipped kernel. For larger strides the gradients of the patches are
/// computed and added up, which multiplies no inserted zeros.
pub(super) fn grad_x(
    arch: Arch,
    shape: &ConvShape,
    weight: &[f32],
    grad: &[f32],
    slot: Option<&Slot>,
) -> Result<Vec<f32>> {
    let ConvShape { batch, inputs, outputs, kernel, geometry, .. } = *shape;
    let (taps, size) = (kernel.0 * kernel.1, (shape.out_height, shape.out_width));
    if geometry.stride == 1 && geometry.pad_y < kernel.0 && geometry.pad_x < kernel.1 {
        let flipped = ConvGeometry {
            stride: 1,
            pad_y: kernel.0 - 1 - geometry.pad_y,
            pad_x: kernel.1 - 1 - geometry.pad_x,
        };
        let adjoint = ConvShape::new([batch, outputs], size, inputs, kernel, flipped)?;
        let weights = Weights { values: weight, outputs: inputs, inputs: outputs, taps, adjoint: true };
        return convolve(arch, adjoint, &weights, grad, Epilogue::NONE, slot);
    }
    let pointwise = ConvGeometry { stride: 1, pad_y: 0, pad_x: 0 };
    let patches = ConvShape::new([batch, outputs], size, inputs * taps, (1, 1), pointwise)?;
    let weights = Weights { values: weight, outputs: inputs * taps, inputs: outputs, taps: 1, adjoint: true };
    let patches = convolve(arch, patches, &weights, grad, Epilogue::NONE, slot)?;
    Ok(columns::add_patches(shape, &patches))
}

/// The gradient for the weight, the same way as the convolution goes.
pub(super) fn grad_weight(arch: Arch, shape: &ConvShape, x: &[f32], grad: &[f32]) -> Vec<f32> {
    match shape.algorithm() {
        Algorithm::Square3 => filtered::grad_weight::<Three, Three>(arch, shape, x, grad),
        Algorithm::Row5 => filtered::grad_weight::<One, Five>(arch, shape, x, grad),
        Algorithm::Column5 => filtered::grad_weight::<Five, One>(arch, shape, x, grad),
        _ => weight::grad_weight(arch, shape, x, grad),
    }
}

/// The gradient for the bias: sums over images and pixels.
pub(super) fn grad_bias(shape: &ConvShape, grad: &[f32]) -> Vec<f32> {
    let plane = shape.out_plane();
    let mut sums = vec![0f64; shape.outputs];
    if plane > 0 {
        for (i, grad) in grad.chunks_exact(plane).enumerate() {
            sums[i % shape.outputs] += sum(grad);
        }
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}

/// In eight partial sums, which the compiler turns into vectors.
fn sum(values: &[f32]) -> f64 {
    let (groups, rest) = pulp::as_arrays::<8, f32>(values);
    let mut sums = [0f64; 8];
    for group in groups {
        for (sum, value) in sums.iter_mut().zip(group) {
            *sum += f64::from(*value);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|v| f64::from(*v)).sum::<f64>()
}
