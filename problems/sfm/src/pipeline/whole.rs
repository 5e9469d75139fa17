//! What concerns the whole sequence: one trajectory with a consistent scale, and one point cloud.

use nalgebra::Isometry3;

use super::{Format, OutputFolder, RunSettings, Solved};
use crate::{
    Result,
    data::{Frame, Sequence},
    eval::{Align, ate},
    export::{
        points::write_ply,
        summary::Summary,
        trajectory::{Stamped, write_kitti, write_tum},
    },
    sequence::{Chain, ChainOptions, FrameEstimate, FuseOptions, PosedFrame, chain, fuse},
};

/// Chains the solved windows, writes `trajectory.*` and `points.ply`, and notes scales and errors in the summary.
pub(super) fn trajectory_and_points(
    sequence: &Sequence,
    solved: Vec<Solved>,
    settings: &RunSettings,
    out: &OutputFolder,
    summary: &mut Summary,
) -> Result<()> {
    if solved.is_empty() {
        return Ok(());
    }
    let (estimates, pictures): (Vec<_>, Vec<_>) = solved.into_iter().map(split).unzip();
    let chained = chain(&estimates, &ChainOptions::default())?;
    for (frame, &scale) in summary.frames.iter_mut().zip(&chained.scales) {
        frame.scale = Some(scale);
    }
    for kept in chained.kept_scales() {
        if let Some(frame) = sequence.frames.get(kept) {
            summary.notes.push(format!(
                "{}: too little overlap to estimate its scale, the last one was kept",
                frame.name
            ));
        }
    }
    summary.ate_rmse_m = trajectory_error(&sequence.frames, &chained)?;
    if settings.wants(Format::Trajectory) {
        write_trajectory(&sequence.frames, &chained, out)?;
    }
    if settings.wants(Format::Ply) {
        let frames: Vec<PosedFrame<'_>> = estimates
            .iter()
            .zip(&pictures)
            .zip(chained.world_from_camera.iter().zip(&chained.scales))
            .map(|((estimate, rgb), (&world_from_camera, &scale))| PosedFrame {
                inv_depth: &estimate.inv_depth,
                rgb,
                camera: estimate.camera,
                world_from_camera,
                scale,
            })
            .collect();
        let options = FuseOptions { max_points: settings.max_points, ..FuseOptions::default() };
        write_ply(out.file("points.ply"), &fuse(&frames, &options)?)?;
    }
    Ok(())
}

fn split(solved: Solved) -> (FrameEstimate, image::RgbImage) {
    let neighbours = solved.window.neighbours.into_iter().zip(solved.estimate.poses).collect();
    let estimate = FrameEstimate { inv_depth: solved.estimate.inv_depth, camera: solved.camera, neighbours };
    (estimate, solved.rgb)
}

/// Times where every frame has one, else frame numbers.
fn write_trajectory(frames: &[Frame], chained: &Chain, out: &OutputFolder) -> Result<()> {
    let timed = frames.iter().all(|frame| frame.timestamp_s.is_some());
    let stamped: Vec<Stamped> = chained
        .world_from_camera
        .iter()
        .zip(frames)
        .enumerate()
        .map(|(number, (&world_from_camera, frame))| Stamped {
            timestamp_s: frame.timestamp_s.filter(|_| timed).unwrap_or(number as f64),
            world_from_camera,
        })
        .collect();
    write_tum(out.file("trajectory.tum.txt"), &stamped)?;
    write_kitti(out.file("trajectory.kitti.txt"), &chained.world_from_camera)
}

/// ATE after Sim(3) alignment, where at least 3 frames have true poses.
fn trajectory_error(frames: &[Frame], chained: &Chain) -> Result<Option<f64>> {
    let (estimated, truth): (Vec<Isometry3<f64>>, Vec<Isometry3<f64>>) = chained
        .world_from_camera
        .iter()
        .zip(frames)
        .filter_map(|(estimate, frame)| Some((*estimate, frame.world_from_camera?)))
        .unzip();
    if truth.len() < 3 {
        return Ok(None);
    }
    Ok(ate(&estimated, &truth, Align::Sim3)?.map(|error| error.translation_rmse))
}
