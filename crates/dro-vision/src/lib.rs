//! Cameras, rigid motions, inverse depth, projection and warping, with gradients.
//!
//! The functions on tensors are batched, differentiable and run on any candle device. Beside them stand the
//! same motions in f64 on [`nalgebra::Isometry3`] ([`so3`], [`se3`], [`euler`]) and the camera ([`Pinhole`],
//! [`BrownConrady`]): use these for single poses, files and checks; the tests hold the tensors against them.
//!
//! | to | use |
//! | --- | --- |
//! | turn pose parameters into matrices `[n, 3, 4]` | [`euler_to_matrix`], [`se3_exp`], [`se3_log`] |
//! | chain, invert and update poses | [`compose`], [`inverse`], [`se3_retract`] |
//! | turn inverse depth into depth | [`depth_from_inverse`] |
//! | make camera matrices `[n, 3, 3]` | [`intrinsics_tensor`], [`scale_intrinsics`] |
//! | find and fetch the target's pixels in a neighbour | [`project_depth`], [`warp`] |
//! | resize images and maps | [`resize_bilinear`], [`convex_upsample`] |
//! | remove lens distortion | [`BrownConrady::undistortion_coords`] |
//!
//! # Conventions
//! Cameras look along z, with x to the right and y down. Pixel centres are at integers, so that an image of
//! width w reaches from −0.5 to w − 0.5. A pose `a_from_b` maps points in frame b to frame a. A tangent vector
//! has the translation part first. Depth is the z coordinate; 0 means "none". Angles are in radians.
//!
//! # Warping a neighbour into the target
//! The right depth and pose make the neighbour look like the target; what remains is a cost for both.
//!
//! ```
//! use candle_core::{Device, Tensor, Var};
//! use dro_vision::{Pinhole, depth_from_inverse, euler_to_matrix, intrinsics_tensor, warp};
//!
//! // A wall 2 m away with one bright column; the neighbour stands 1 m to the right, so that it sees
//! // everything 40 · 1 / 2 = 20 pixels further left.
//! let device = Device::Cpu;
//! let k = intrinsics_tensor(&Pinhole::new(40., 40., 31.5, 3.5)?, 1, &device)?;
//! let column = |at: f32| {
//!     let x = Tensor::arange(0f32, 64., &device)?;
//!     (x - f64::from(at))?.sqr()?.affine(-0.1, 0.)?.exp()?.broadcast_as((1, 1, 8, 64))?.contiguous()
//! };
//! let (target, neighbour) = (column(40.)?, column(20.)?);
//!
//! let inv_depth = Var::from_tensor(&Tensor::full(0.5f32, (1, 1, 8, 64), &device)?)?;
//! let pose = Var::from_tensor(&Tensor::new(&[[-1f32, 0., 0., 0., 0., 0.]], &device)?)?;
//!
//! let depth = depth_from_inverse(&inv_depth)?;
//! let seen = warp(&neighbour, &depth, &k, &k, &euler_to_matrix(&pose)?)?;
//! let cost = (seen - target)?.sqr()?.mean_all()?;
//! assert!(cost.to_scalar::<f32>()? < 1e-6);
//!
//! let gradients = cost.backward()?;
//! assert!(gradients.get(&inv_depth).is_some() && gradients.get(&pose).is_some());
//! # Ok::<(), dro_vision::Error>(())
//! ```

mod distortion;
mod error;
pub mod euler;
mod pinhole;
pub mod se3;
mod series;
pub mod so3;
mod tensor;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod laws;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod testing;

pub use distortion::BrownConrady;
pub use dro_kernels::{WarpCost, kept_uploads, projection, warp_cost};
pub use error::{Error, Result};
pub use pinhole::Pinhole;
pub use tensor::{
    compose, convex_upsample, depth_from_inverse, euler_to_matrix, intrinsics_tensor, inverse, project_depth,
    resize_bilinear, scale_intrinsics, se3_exp, se3_log, se3_retract, warp,
};
