//! Kernels as candle custom ops, each beside a plain-candle reference that the tests compare with.

mod conv;
mod grid_sample;

pub use conv::{ConvGeometry, conv2d};
pub use grid_sample::{grid_sample, grid_sample_reference};
