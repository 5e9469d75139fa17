//! Cameras, rigid motions, inverse depth, projection, warping and grid sampling with gradients.

mod error;
mod pinhole;

pub use error::{Error, Result};
pub use pinhole::Pinhole;
