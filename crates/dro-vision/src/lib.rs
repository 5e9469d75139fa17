//! Cameras, rigid motions, inverse depth, projection, warping and grid sampling with gradients.

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
pub use error::{Error, Result};
pub use pinhole::Pinhole;
pub use tensor::{
    compose, convex_upsample, depth_from_inverse, euler_to_matrix, intrinsics_tensor, inverse, project_depth,
    resize_bilinear, scale_intrinsics, se3_exp, se3_log, se3_retract, warp,
};
