//! A classical zeroth-order solver of the same problem, without weights.

mod config;
mod gauge;
mod moves;
mod optimizer;
mod pose;
mod pyramid;
mod solver;

pub use config::PatchMatchConfig;
pub use moves::{Move, refine, sweep};
pub use optimizer::{PatchMatch, Plan};
pub use pose::PoseChart;
pub use solver::PatchMatchSolver;
