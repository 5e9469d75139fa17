//! Kernels as candle custom ops, each beside a plain-candle reference that the tests compare with.

mod conv;
mod pool;

pub use conv::{ConvGeometry, conv2d};
pub use pool::max_pool_3x3_s2;
