//! Kernels as candle custom ops, each beside a plain-candle reference that the tests compare with.

mod conv;
mod grid_sample;
mod gru;
mod pool;
mod select;
mod simd;

pub use conv::{Activation, ConvGeometry, MapView, PreparedConv, Scratch, conv2d, conv2d_reference};
pub use grid_sample::{grid_sample, grid_sample_reference};
pub use gru::{gru_blend, gru_reset};
pub use pool::max_pool_3x3_s2;
pub use select::{Kernels, kernels, select_kernels};
