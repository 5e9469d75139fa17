//! From poses and cameras to the matrices that projection reads.

mod op;
mod reference;
#[cfg(test)]
mod tests;

use candle_core::{Result, Tensor, bail};

use crate::launch::kernels_run;
pub use reference::projection_reference;

/// `[K·R·K⁻¹ | K·t]` of additive poses `(tx, ty, tz, rx, ry, rz)` with `R = Rx(rx)·Ry(ry)·Rz(rz)`: what takes
/// `(d·x, d·y, d, 1)`, a pixel with its depth, to the neighbour's homogeneous pixels (Zhou et al., *Unsupervised Learning
/// of Depth and Ego-Motion from Video*, CVPR 2017, eq. 2), where both cameras are the same.
///
/// * `pose`: `[n, 6]`, translation in the unit of depth, angles in radians
/// * `intrinsics`: `[n, 3, 3]`, pixels, no skew, last row `0 0 1`
/// * result: `[n, 3, 4]`
///
/// On CUDA one kernel for f32 where no gradient for the intrinsics is wanted; elsewhere [`projection_reference`].
///
/// # Errors
/// When the shapes or types do not fit each other.
pub fn projection(pose: &Tensor, intrinsics: &Tensor) -> Result<Tensor> {
    check(pose, intrinsics)?;
    if kernels_run(&[pose, intrinsics]) && !intrinsics.track_op() {
        pose.contiguous()?.apply_op2(&intrinsics.contiguous()?, op::Projection)
    } else {
        projection_reference(pose, intrinsics)
    }
}

/// The number of poses, or what is wrong with the arguments.
fn check(pose: &Tensor, intrinsics: &Tensor) -> Result<usize> {
    let &[n, 6] = pose.dims() else {
        bail!("projection: pose: expected shape [n, 6], found {:?}", pose.dims())
    };
    if intrinsics.dims() != [n, 3, 3] {
        bail!("projection: intrinsics: expected shape [{n}, 3, 3], found {:?}", intrinsics.dims())
    }
    if intrinsics.dtype() != pose.dtype() {
        bail!(
            "projection: intrinsics: expected the pose's type {:?}, found {:?}",
            pose.dtype(),
            intrinsics.dtype()
        )
    }
    Ok(n)
}
