//! How far a result is from the ground truth.

pub mod depth;
pub mod pose;
mod trajectory;

pub use depth::{Crop, DepthMetrics, DepthOptions, depth_metrics};
pub use pose::{rotation_error_rad, translation_direction_error_rad};
pub use trajectory::{Align, TrajectoryError, ate, rpe, umeyama};
