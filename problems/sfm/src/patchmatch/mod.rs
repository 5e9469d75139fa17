//! A classical zeroth-order solver of the same problem, without weights.
//!
//! Depth and poses are found by evaluating [`CensusCost`](crate::cost::CensusCost), which is made of comparisons of grey
//! values (the census transform of Zabih & Woodfill, ECCV 1994) and has no useful gradient. Sweeps and turns go through the same
//! [`minimize`](dro_core::minimize) that drives the learned optimizer; what [`CmaEs`] searches is judged a generation at a time:
//!
//! - *Poses first*: where corners match (SIFT, all upright or all turned alike; Lowe, IJCV 2004), by how many of them a
//!   pose explains, which [`CmaEs`] (Hansen, arXiv 1604.00772) minimizes from many directions and from five points each
//!   (RANSAC); then corners are matched again along the lines of the pose, for what they tell of depth. Where they do
//!   not match, what every displacement of every pixel costs is computed once, so that a pose can be judged by what it
//!   costs after every pixel took its best depth, a function of five numbers per neighbour. Then all neighbours together.
//! - *Depth*: [`SweepSgm`], a plane sweep with semi-global aggregation (Hirschmüller, PAMI 2008): a coarse one, which finds the
//!   range, what neighbours cannot see and planes to expect where images say little (piecewise planar scenes: Sinha, Steedly
//!   & Szeliski, ICCV 2009) and do not contradict them, and something in front where they do, then a fine one.
//! - *Stages*: depth turns by candidate maps ([`Move`]; PatchMatch: Barnes et al., SIGGRAPH 2009), pose turns by (1+1)
//!   evolution strategies (Rechenberg 1973), and joint steps of both, again by [`CmaEs`]. In the end depth is made flat where images
//!   say little (second-order smoothness; Woodford et al., PAMI 2009).
//!
//! Searches of different starts are parallel and each has its own seed, so the answer depends on the seed alone.
//!
//! # What it cannot do
//! Baselines below about one hundredth of the depth leave less parallax than the comparisons resolve; walls without
//! texture are planes through what is known on them, or beside them, right or wrong.

mod cma;
mod config;
mod contradiction;
mod depth;
mod egomotion;
mod five_points;
mod flatten;
mod free_space;
mod gauge;
mod geodesic;
mod in_front;
mod keypoints;
mod likely;
mod matching;
mod moves;
mod optimizer;
mod overlap;
mod planes;
mod pose;
mod profile;
mod pyramid;
mod relative;
mod search;
mod sgm;
mod shape;
mod sight;
mod solver;
mod survey;
mod volume;

pub use cma::CmaEs;
pub use config::PatchMatchConfig;
pub use moves::{Move, refine, sweep};
pub use optimizer::{PatchMatch, Plan};
pub(crate) use overlap::Described;
pub use pose::PoseChart;
pub(crate) use pose::longest;
pub use sgm::SweepSgm;
pub use solver::PatchMatchSolver;
pub(crate) use survey::nearest;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
