//! Kernels as candle custom ops, each beside a plain-candle reference that the tests compare with.

mod batch_norm;
mod conv;
mod convex_upsample;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(test)]
mod emulator;
mod gates;
mod grid_sample;
mod gru;
// Without CUDA only the tests launch anything.
#[cfg_attr(not(any(test, feature = "cuda")), allow(dead_code))]
mod launch;
mod pool;
mod projection;
mod select;
mod simd;
#[cfg(test)]
mod testing;
mod uploads;
mod warp_cost;

pub use batch_norm::{BatchNormed, batch_norm, batch_norm_reference};
pub use conv::{
    Activation, ConvGeometry, MapView, PreparedConv, Scratch, SharedWeights, conv2d, conv2d_reference,
    conv2d_shared,
};
pub use convex_upsample::{convex_upsample, convex_upsample_reference};
pub use gates::{blend_gate, blend_gate_reference, reset_gate, reset_gate_reference};
pub use grid_sample::{grid_sample, grid_sample_reference};
pub use gru::{gru_blend, gru_reset};
pub use pool::max_pool_3x3_s2;
pub use projection::{projection, projection_reference};
pub use select::{Kernels, Precision, kernels, precision, select_kernels, select_precision};
pub use simd::vectorized;
pub use uploads::kept_uploads;
pub use warp_cost::{WarpCost, warp_cost, warp_cost_reference};
