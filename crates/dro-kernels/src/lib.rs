//! Kernels as candle custom ops, each beside a plain-candle reference that the tests compare with.

mod conv;

pub use conv::{ConvGeometry, conv2d};
