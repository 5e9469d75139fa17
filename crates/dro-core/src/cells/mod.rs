//! Recurrent cells: what an update rule remembers with.

mod conv_gru;
mod gru;
mod layer;

pub use conv_gru::{ConvGru, SepConvGru};
pub use gru::Gru;
pub use layer::Conv;
