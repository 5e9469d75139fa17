//! The contracts and the driver of learned zeroth-order optimizers.
//!
//! 1. A [`CostFunction`] is anything that can be *evaluated*.
//! 2. A [`LearnedOptimizer`] looks at the variables and the cost, remembers, and proposes the next point. It never asks
//!    for a gradient of the cost.
//! 3. [`minimize`] runs any [`Optimizer`] on any cost through a [`Schedule`] of blocks.
//!
//! [`minimize`] shows all of it on a toy of two variables; the structure-from-motion solver of `dro-sfm` is the same
//! call with two blocks (an inverse-depth map and camera poses) and a convolutional rule for each.

mod budget;
mod cheapest;
mod cost;
mod driver;
mod error;
mod learned;
mod observer;
mod optimizer;
mod pause;
mod saved;
mod schedule;
mod space;

#[cfg(test)]
mod tests;

pub mod baselines;
pub mod cells;
pub mod rules;
pub mod search;

pub use budget::{Budget, Termination};
pub use cheapest::CheapestCells;
pub use cost::{ClosureCost, Cost, CostFunction, cost_fn};
pub use driver::{Solution, minimize, resume};
pub use dro_kernels::{Kernels, Precision, kernels, precision, select_kernels, select_precision, vectorized};
pub use error::{Error, Result};
pub use learned::{LearnedOptimizer, Memory};
pub use observer::{Observer, Record, Step, Trajectory};
pub use optimizer::{Bound, Optimizer, Turn};
pub use pause::Pause;
pub use schedule::{Coupling, Detach, Schedule, Sweep};
pub use space::{Block, BlockId, Domain, Manifold, Point, Space};

/// The README's Rust is compiled and run as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
