//! Recurrent cells: what an update rule remembers with.

mod conv_gru;
mod gru;
mod layer;

pub use conv_gru::{ConvGru, SepConvGru};
pub use dro_kernels::max_pool_3x3_s2;
pub use gru::Gru;
pub use layer::Conv;
