//! Cameras, rigid motions, inverse depth, projection, warping and grid sampling with gradients.

mod brown_conrady;
mod error;
mod pinhole;

pub use brown_conrady::BrownConrady;
pub use error::{Error, Result};
pub use pinhole::Pinhole;
