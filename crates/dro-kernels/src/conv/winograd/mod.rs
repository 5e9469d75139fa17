//! Minimal filtering: a convolution with fewer multiplications.
//!
//! `m` outputs of a filter with `r` taps need `n = m + r − 1` multiplications instead of `m·r`:
//! `y = Aᵀ [(G g) ∘ (Bᵀ d)]` (Winograd, *Arithmetic complexity of computations*, 1980; Lavin and Gray, *Fast algorithms
//! for convolutional neural networks*, CVPR 2016). In two dimensions the three transforms act on rows and columns.

// Loops with constant bounds over places of vectors: an index into several of them is plainer than iterators.
#![allow(clippy::needless_range_loop)]

mod axis;
mod gradient;
mod input;
mod output;
mod points;
mod shuffle;
mod weight;

pub(super) use axis::{Axis, Five, LongFive, LongThree, One, Three};
pub(super) use gradient::{OfGradients, OfInputs, TOGETHER, pack_tiles, store_weight_gradient};
pub(super) use input::pack_inputs;
pub(super) use output::{Buffers as OutputBuffers, store_outputs};

pub(super) use weight::transform_weights;
