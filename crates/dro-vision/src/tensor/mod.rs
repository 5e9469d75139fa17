//! Batched tensors, differentiable, on any device. The f64 modules beside this one are their oracle.

mod depth;
mod euler;
mod intrinsics;
mod project;
mod resize;
mod se3;
#[cfg(test)]
mod tests;
mod upsample;

pub use depth::depth_from_inverse;
pub use euler::euler_to_matrix;
pub use intrinsics::{intrinsics_tensor, scale_intrinsics};
pub use project::{project_depth, warp};
pub use resize::resize_bilinear;
pub use se3::{compose, inverse, se3_exp, se3_log, se3_retract};
pub use upsample::convex_upsample;

use candle_core::Tensor;

use crate::{Error, Result};

/// Checks a shape; `None` in `wanted` is any size, `words` is how the error writes it.
fn expect_shape<const N: usize>(
    name: &'static str,
    tensor: &Tensor,
    wanted: [Option<usize>; N],
    words: &'static str,
) -> Result<[usize; N]> {
    let wrong = || Error::Shape { name, expected: words, found: tensor.dims().to_vec() };
    let dims: [usize; N] = tensor.dims().try_into().map_err(|_| wrong())?;
    match dims.iter().zip(wanted).all(|(&dim, wanted)| wanted.is_none_or(|wanted| wanted == dim)) {
        true => Ok(dims),
        false => Err(wrong()),
    }
}
