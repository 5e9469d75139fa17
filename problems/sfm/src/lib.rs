//! DRO, the Deep Recurrent Optimizer for Structure-from-Motion.

pub mod cost;
pub mod data;
pub mod error;
pub mod eval;
pub mod export;
mod map;
pub mod network;
pub mod patchmatch;
pub mod pipeline;
pub mod scene;
pub mod sequence;
mod solver;
mod watch;
pub mod weights;

pub use error::{Error, Result};
pub use map::Map;
pub use solver::{Estimate, Solver, Unwatched, Update, Views, Watch};
