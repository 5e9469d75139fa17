//! How far a result is from the ground truth.

mod demon;
pub mod depth;
pub mod pose;
mod trajectory;

pub use demon::{DemonMetrics, demon_metrics};
pub use depth::{Crop, DepthMetrics, DepthOptions, depth_metrics};
pub use pose::{fitted_translation_error, rotation_error_rad, translation_direction_error_rad};
pub use trajectory::{Align, TrajectoryError, ate, rpe, umeyama};
