//! From a sequence on disk to a folder of results: what `dro sfm run` does.

mod output;
mod settings;
mod trace;
mod truth;
mod views;
mod whole;

use std::time::Instant;

use dro_vision::Pinhole;
use image::RgbImage;

use crate::{
    Error, Estimate, Result, Solver,
    data::{Intrinsics, Sequence},
    eval::DepthMetrics,
    export::{
        curves::{self, Curve, Drawing},
        depth::png_scale,
        picture,
        summary::{FrameSummary, Summary, peak_memory_mb},
    },
    sequence::{Window, windows},
};
pub use output::OutputFolder;
pub use settings::{Format, RunSettings};
use trace::Tracer;
use views::PreparedFrames;

/// Told how a run goes on, and asked whether to go on.
pub trait Reporter {
    /// Before the first frame.
    fn begin(&mut self, _frames: usize) {}

    /// After every frame.
    fn frame_done(&mut self, _frame: &FrameSummary) {}

    /// After the last frame, before what concerns the whole sequence is computed.
    fn finishing(&mut self) {}

    /// Asked between updates; `true` ends the run after what is finished was written.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Reports nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Reporter for Quiet {}

/// One solved frame.
struct Solved {
    window: Window,
    rgb: RgbImage,
    camera: Pinhole,
    estimate: Estimate,
}

/// Solves every frame of `sequence` with its neighbours and writes the results to `settings.out`.
///
/// Finished frames stay whatever happens: after an error or an interruption the trajectory, the points and
/// `summary.json` cover them.
///
/// # Errors
/// Names the file or setting: fewer than two images, mixed sizes, no intrinsics, an unreadable image, an output folder
/// that is not empty, a full disk. [`Error::Interrupted`] never comes out: [`Summary::interrupted`] says it.
pub fn run(
    sequence: &Sequence,
    intrinsics: Option<&Intrinsics>,
    solver: &dyn Solver,
    settings: &RunSettings,
    about: serde_json::Value,
    reporter: &mut dyn Reporter,
) -> Result<Summary> {
    let began = Instant::now();
    let count = sequence.frames.len();
    if count < 2 {
        return Err(Error::input(&sequence.root, "at least 2 images", format!("{count}")));
    }
    let windows = windows(count, &settings.neighbours)?;
    let (size, rounded) = fitting(settings.size, solver.multiple_of())?;
    let mut frames = PreparedFrames::new(sequence, intrinsics, size)?;
    let out = OutputFolder::create(&settings.out, settings.overwrite, png_scale(solver.max_depth() as f32))?;

    let mut summary = Summary {
        program: "dro".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        settings: about,
        input: sequence.root.clone(),
        layout: sequence.layout.to_string(),
        depth_png_scale: out.png_scale(),
        notes: rounded.into_iter().collect(),
        ..Summary::default()
    };
    let mut solved = Vec::with_capacity(count);
    let mut all_curves = Vec::new();
    reporter.begin(count);
    let mut failure = None;
    for window in windows {
        match solve_frame(sequence, &mut frames, solver, settings, window, &out, reporter) {
            Ok((frame, result, curve)) => {
                reporter.frame_done(&frame);
                summary.frames.push(frame);
                solved.push(result);
                all_curves.push(curve);
            }
            Err(Error::Interrupted) => {
                summary.interrupted = true;
                break;
            }
            Err(error) => {
                summary.notes.push(format!("stopped by an error: {error}"));
                failure = Some(error);
                break;
            }
        }
    }
    reporter.finishing();
    let whole = finish(sequence, solved, &all_curves, settings, &out, &mut summary);
    summary.total_seconds = began.elapsed().as_secs_f64();
    summary.peak_memory_mb = peak_memory_mb();
    summary.write(out.file("summary.json"))?;
    match failure {
        Some(error) => Err(error),
        None => whole.map(|()| summary),
    }
}

/// The nearest size with sides that are multiples of `multiple`, and a note if that is another size.
fn fitting(size: (usize, usize), multiple: usize) -> Result<((usize, usize), Option<String>)> {
    let (height, width) = size;
    if height == 0 || width == 0 {
        return Err(Error::argument("size", "at least 1x1", format!("{height}x{width}")));
    }
    let nearest = |side: usize| ((side + multiple / 2) / multiple).max(1) * multiple;
    let fitted = (nearest(height), nearest(width));
    let note = (fitted != size).then(|| {
        format!("size {height}x{width} was changed to {}x{}, multiples of {multiple}", fitted.0, fitted.1)
    });
    if let Some(note) = &note {
        tracing::warn!("{note}");
    }
    Ok((fitted, note))
}

fn solve_frame(
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
    let views = frames.views(window.target, &window.neighbours)?;
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
    let metrics = match frames.camera(window.target) {
        Some(camera) => truth::depth_errors(target, camera, &estimate)?,
        None => None,
    };
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

/// Curves, trajectory, points and means, of the frames that are there.
fn finish(
    sequence: &Sequence,
    solved: Vec<Solved>,
    all_curves: &[Curve],
    settings: &RunSettings,
    out: &OutputFolder,
    summary: &mut Summary,
) -> Result<()> {
    if settings.trace {
        curves::write_csv(out.file("curves.csv"), all_curves)?;
        curves::write_svg(out.file("curves.svg"), all_curves, &Drawing::default())?;
    }
    summary.mean_metrics =
        DepthMetrics::mean(summary.frames.iter().filter_map(|frame| frame.metrics.as_ref()));
    let neighbours = || summary.frames.iter().flat_map(|frame| &frame.neighbours);
    let rotation = mean(neighbours().filter_map(|n| n.rotation_error_deg));
    let translation = mean(neighbours().filter_map(|n| n.translation_error_deg));
    (summary.mean_rotation_error_deg, summary.mean_translation_error_deg) = (rotation, translation);
    whole::trajectory_and_points(sequence, solved, settings, out, summary)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}
