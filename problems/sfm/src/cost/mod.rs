//! What the solvers minimize.

pub mod census;
mod edge_filter;
mod warp;

pub use census::{CensusConfig, CensusCost};
pub(crate) use edge_filter::EdgeFilter;
