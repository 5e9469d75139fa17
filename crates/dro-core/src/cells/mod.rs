//! Recurrent cells: what an update rule remembers with.

mod conv_gru;
mod gru;
mod layer;
mod prepared_gru;
mod values;

pub use conv_gru::{ConvGru, SepConvGru};
pub use dro_kernels::{Activation, MapView, PreparedConv, Scratch, max_pool_3x3_s2};
pub use gru::Gru;
pub use layer::{Conv, batch_normed};
pub use prepared_gru::{GruWork, PreparedSepConvGru};
pub use values::CpuValues;
