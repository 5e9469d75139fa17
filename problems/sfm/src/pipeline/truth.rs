//! How far a frame's result is from the ground truth of its sequence.

use nalgebra::Isometry3;

use super::PreparedFrames;
use crate::{
    Map, Result,
    data::{Frame, prepare_depth},
    eval::{DepthMetrics, DepthOptions, depth_metrics, rotation_error_rad, translation_direction_error_rad},
    export::summary::NeighbourSummary,
};

/// Depth errors after median scaling; `None` without ground truth.
pub(super) fn depth_errors(
    frames: &PreparedFrames<'_>,
    index: usize,
    inv_depth: &Map,
) -> Result<Option<DepthMetrics>> {
    let (Some(frame), Some(camera)) = (frames.frames().get(index), frames.camera(index)) else {
        return Ok(None);
    };
    let (Some(depth), Some(file)) = (frame.load_depth()?, &frame.depth) else { return Ok(None) };
    let predicted = inv_depth.inverted();
    let truth = prepare_depth(&depth, &file.sensor, camera, (predicted.height(), predicted.width()))?;
    let options =
        DepthOptions { min_depth_m: 0.1, max_depth_m: 80.0, median_scaling: true, ..DepthOptions::default() };
    depth_metrics(&predicted, &truth, &options)
}

/// What is known of one neighbour's pose.
pub(super) fn pose_errors(
    target: &Frame,
    neighbour: &Frame,
    neighbour_from_target: &Isometry3<f64>,
) -> NeighbourSummary {
    let mut summary = NeighbourSummary { name: neighbour.name.clone(), ..NeighbourSummary::default() };
    if let (Some(world_from_target), Some(world_from_neighbour)) =
        (&target.world_from_camera, &neighbour.world_from_camera)
    {
        let truth = world_from_neighbour.inv_mul(world_from_target);
        summary.true_rotation_deg = Some(truth.rotation.angle().to_degrees());
        summary.rotation_error_deg =
            rotation_error_rad(&neighbour_from_target.rotation, &truth.rotation).map(f64::to_degrees);
        summary.translation_error_deg = translation_direction_error_rad(
            &neighbour_from_target.translation.vector,
            &truth.translation.vector,
        )
        .map(f64::to_degrees);
    }
    summary
}
