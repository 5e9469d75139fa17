//! A classical zeroth-order solver of the same problem, without weights.
//!
//! Depth and poses are found by evaluating [`CensusCost`](crate::cost::CensusCost), which is made of comparisons of grey
//! values (the census transform of Zabih & Woodfill, ECCV 1994) and has no useful gradient, through the same
//! [`minimize`](dro_core::minimize) that drives the learned optimizer:
//!
//! - *Depth turns* ([`Move`]): candidate maps are made from the current one by shifting, adding constants and smooth
//!   noise, and smoothing; every pixel takes the candidate where it costs less. This is PatchMatch (Barnes et al.,
//!   SIGGRAPH 2009; for stereo Bleyer, Rhemann & Rother, BMVC 2011) with whole maps as the unit of evaluation.
//! - *Pose turns*: one (1+1) evolution strategy per neighbour (Rechenberg 1973), in coordinates scaled and sheared so
//!   that each moves the picture by about as many pixels; the fixed counterpart of what CMA-ES learns (Hansen &
//!   Ostermeier 2001).
//! - *Joint steps*: alternation crawls where turning and moving sideways look alike, so depth and poses also move
//!   together in a few coordinates, as a plain closure given to the same driver.
//!
//! [`PatchMatchSolver`] sweeps planes from 78 starts (26 directions of translation at three baselines, each on one of
//! several rotation-only fits) on a small image, keeps the cheapest, and lets mutants of them, each refined by a depth
//! turn, a pose turn and joint steps, compete over generations and growing image sizes. Runs of different starts are
//! parallel and each has its own seed, so the answer depends on the seed alone.
//!
//! # What it cannot do
//! Baselines below about one hundredth of the depth leave less parallax than the comparisons resolve; walls without
//! texture take the depth of their surroundings; motion that changes most of the picture defeats the start.

mod config;
mod gauge;
mod moves;
mod optimizer;
mod pose;
mod pyramid;
mod search;
mod solver;

pub use config::PatchMatchConfig;
pub use moves::{Move, refine, sweep};
pub use optimizer::{PatchMatch, Plan};
pub use pose::PoseChart;
pub use solver::PatchMatchSolver;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
