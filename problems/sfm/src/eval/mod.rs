//! How far a result is from the ground truth.

pub mod depth;

pub use depth::{Crop, DepthMetrics, DepthOptions, depth_metrics};
