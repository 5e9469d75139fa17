//! One frame of a run: solved, measured, written.

use std::time::Instant;

use dro_vision::Pinhole;
use image::RgbImage;

use super::{OutputFolder, Reporter, RunSettings, trace::Tracer, truth, views::PreparedFrames};
use crate::{
    Error, Estimate, Result, Solver,
    data::Sequence,
    export::{curves::Curve, picture, summary::FrameSummary},
    sequence::Window,
};

/// One solved frame.
pub(super) struct Solved {
    pub(super) window: Window,
    pub(super) rgb: RgbImage,
    pub(super) camera: Pinhole,
    pub(super) estimate: Estimate,
}

/// Solves one window and writes the frame's files.
pub(super) fn solve(
    sequence: &Sequence,
    frames: &mut PreparedFrames<'_>,
    solver: &dyn Solver,
    settings: &RunSettings,
    window: Window,
    out: &OutputFolder,
    reporter: &dyn Reporter,
) -> Result<(FrameSummary, Solved, Curve)> {
    if reporter.interrupted() {
        return Err(Error::Interrupted);
    }
    let (views, window) = frames.views(&window)?;
    let Some(target) = sequence.frames.get(window.target) else {
        return Err(Error::argument("frame", format!("below {}", sequence.frames.len()), window.target));
    };
    let interrupted = || reporter.interrupted();
    let mut tracer = Tracer::new(&target.name, settings.trace, &interrupted);
    let began = Instant::now();
    let estimate = solver.solve(&views, &mut tracer)?;
    let seconds = began.elapsed().as_secs_f64();
    tracing::debug!(frame = target.name, seconds, cost = estimate.cost_end, "solved");

    out.write_depth(&target.name, &estimate.inv_depth, settings)?;
    let curve = tracer.finish(&views, &estimate, out)?;
    let metrics = truth::depth_errors(frames, window.target, &estimate.inv_depth)?;
    let neighbours = window.neighbours.iter().zip(&estimate.poses);
    let frame = FrameSummary {
        name: target.name.clone(),
        seconds,
        cost_start: estimate.cost_start,
        cost_end: estimate.cost_end,
        updates: estimate.updates,
        scale: None,
        status: "done".into(),
        metrics,
        neighbours: neighbours
            .filter_map(|(&index, pose)| Some(truth::pose_errors(target, sequence.frames.get(index)?, pose)))
            .collect(),
    };
    let rgb = picture::from_tensor(&views.target)?;
    Ok((frame, Solved { window, rgb, camera: views.camera, estimate }, curve))
}
