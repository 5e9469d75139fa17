//! What concerns the whole sequence: one trajectory with a consistent scale, and one point cloud.

use nalgebra::Isometry3;

use super::{Format, OutputFolder, PreparedFrames, Reporter, RunSettings, frame::Solved, truth};
use crate::{
    Error, Result,
    data::Frame,
    eval::{Align, DepthMetrics, ate},
    export::{
        colmap::{PosedImage, write_model},
        curves::{self, Curve, Drawing},
        points::{ColouredPoint, write_ply},
        summary::Summary,
        trajectory::{Stamped, write_kitti, write_tum},
    },
    sequence::{
        Chain, ChainOptions, DepthFusionOptions, FrameEstimate, FuseOptions, PosedFrame, chain, fuse,
        fuse_depth,
    },
};

/// Curves, trajectory, points, fused depth and means, of the frames that are there.
pub(super) fn finish(
    prepared: &PreparedFrames<'_>,
    solved: Vec<Solved>,
    all_curves: &[Curve],
    settings: &RunSettings,
    out: &OutputFolder,
    reporter: &mut dyn Reporter,
    summary: &mut Summary,
) -> Result<()> {
    if settings.trace {
        curves::write_csv(out.file("curves.csv"), all_curves)?;
        curves::write_svg(out.file("curves.svg"), all_curves, &Drawing::default())?;
    }
    let neighbours = || summary.frames.iter().flat_map(|frame| &frame.neighbours);
    let rotation = mean(neighbours().filter_map(|n| n.rotation_error_deg));
    let translation = mean(neighbours().filter_map(|n| n.translation_error_deg));
    (summary.mean_rotation_error_deg, summary.mean_translation_error_deg) = (rotation, translation);
    let outcome = trajectory_and_points(prepared, solved, settings, out, reporter, summary);
    summary.mean_metrics =
        DepthMetrics::mean(summary.frames.iter().filter_map(|frame| frame.metrics.as_ref()));
    outcome
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// Chains the solved windows, writes `trajectory.*` and `points.ply`, and notes scales and errors in the summary.
fn trajectory_and_points(
    prepared: &PreparedFrames<'_>,
    solved: Vec<Solved>,
    settings: &RunSettings,
    out: &OutputFolder,
    reporter: &mut dyn Reporter,
    summary: &mut Summary,
) -> Result<()> {
    if solved.is_empty() {
        return Ok(());
    }
    let (estimates, pictures): (Vec<_>, Vec<_>) = solved.into_iter().map(split).unzip();
    let chained = match chain(&estimates, &ChainOptions::default()) {
        Ok(chained) => chained,
        // Wide offsets, or an early end, may leave frames that nothing connects: their depths are good all the same.
        Err(error @ Error::Argument { .. }) => {
            summary.notes.push(format!("no trajectory and no points: {error}"));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    for (frame, &scale) in summary.frames.iter_mut().zip(&chained.scales) {
        frame.scale = Some(scale);
    }
    for kept in chained.kept_scales() {
        if let Some(frame) = prepared.frames().get(kept) {
            summary.notes.push(format!(
                "{}: too little overlap to estimate its scale, the last one was kept",
                frame.name
            ));
        }
    }
    summary.ate_rmse_m = trajectory_error(prepared.frames(), &chained)?;
    if settings.wants(Format::Trajectory) {
        write_trajectory(prepared.frames(), &chained, out)?;
    }
    let frames = PosedFrame::all(&estimates, &chained);
    if settings.wants(Format::Ply) || settings.wants(Format::Colmap) {
        let options = FuseOptions { max_points: settings.max_points, ..FuseOptions::default() };
        let points = fuse(&frames, &pictures, &options)?;
        if settings.wants(Format::Ply) {
            write_ply(out.file("points.ply"), &points)?;
        }
        if settings.wants(Format::Colmap) {
            write_colmap(prepared.frames(), &frames, &pictures, &points, out)?;
        }
    }
    if settings.fuse_depth { fused(prepared, &frames, settings, out, reporter, summary) } else { Ok(()) }
}

/// Writes depth again as all frames together say it, with its errors in the summary.
fn fused(
    prepared: &PreparedFrames<'_>,
    frames: &[PosedFrame<'_>],
    settings: &RunSettings,
    out: &OutputFolder,
    reporter: &mut dyn Reporter,
    summary: &mut Summary,
) -> Result<()> {
    let mut done = 0;
    for (index, frame) in summary.frames.iter_mut().enumerate() {
        if reporter.interrupted() {
            summary.interrupted = true;
            break;
        }
        let inv_depth = fuse_depth(frames, index, &DepthFusionOptions::default())?;
        out.write_depth(&frame.name, &inv_depth, settings)?;
        frame.metrics = truth::depth_errors(prepared, index, &inv_depth)?;
        done += 1;
        reporter.depth_fused(done);
    }
    summary.notes.push(format!("depth of {done} of {} frames is fused over frames", frames.len()));
    Ok(())
}

fn split(solved: Solved) -> (FrameEstimate, image::RgbImage) {
    let neighbours = solved.window.neighbours.into_iter().zip(solved.estimate.poses).collect();
    let estimate = FrameEstimate { inv_depth: solved.estimate.inv_depth, camera: solved.camera, neighbours };
    (estimate, solved.rgb)
}

/// More points make a text file that trainers take long to read.
const COLMAP_POINTS: usize = 100_000;

/// Images as they were solved, named as the frames, or numbered if a name has spaces, which the format cannot have.
fn write_colmap(
    named: &[Frame],
    frames: &[PosedFrame<'_>],
    pictures: &[image::RgbImage],
    points: &[ColouredPoint],
    out: &OutputFolder,
) -> Result<()> {
    let numbered = named.iter().any(|frame| frame.name.contains(char::is_whitespace));
    let mut images = Vec::with_capacity(frames.len());
    for (number, ((frame, picture), named)) in frames.iter().zip(pictures).zip(named).enumerate() {
        let name = if numbered { format!("{number:06}.png") } else { format!("{}.png", named.name) };
        out.write_colmap_image(&name, picture)?;
        images.push(PosedImage {
            name,
            world_from_camera: frame.world_from_camera,
            camera: frame.camera,
            size: (frame.inv_depth.height(), frame.inv_depth.width()),
        });
    }
    let few: Vec<ColouredPoint> =
        points.iter().step_by(points.len().div_ceil(COLMAP_POINTS).max(1)).copied().collect();
    write_model(&out.file("colmap/sparse/0"), &images, &few)
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
