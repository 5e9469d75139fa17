//! Learned update rules of general use. A problem with needs of its own brings its own
//! [`LearnedOptimizer`](crate::LearnedOptimizer).

mod conv_gru_map;
mod dense_gru;

pub use conv_gru_map::ConvGruMap;
pub use dense_gru::DenseGru;
