//! From a sequence on disk to a folder of results: what `dro sfm run` does.

mod frame;
mod output;
mod settings;
mod trace;
mod truth;
mod views;
mod whole;

use std::time::Instant;

use crate::{
    Error, Result, Solver,
    data::{Intrinsics, Sequence},
    export::{
        depth::png_scale,
        summary::{FrameSummary, Summary, peak_memory_mb},
    },
    sequence::windows,
};
pub use output::OutputFolder;
pub use settings::{Format, RunSettings};
pub(crate) use views::PreparedFrames;
pub use views::{default_size, image_size};

/// What `summary.json` says until a run comes to its end, good or bad.
pub(crate) const UNFINISHED: &str = "this run has not come to its end: it is under way, or was killed";

/// Told how a run goes on, and asked whether to go on.
pub trait Reporter {
    /// Before the first frame.
    fn begin(&mut self, _frames: usize) {}

    /// After every frame.
    fn frame_done(&mut self, _frame: &FrameSummary) {}

    /// After the last frame, before what concerns the whole sequence is computed.
    fn finishing(&mut self) {}

    /// Whenever the depth of a frame was fused over frames; `frames` are done.
    fn depth_fused(&mut self, _frames: usize) {}

    /// Asked between updates; `true` ends the run after what is finished was written.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Reports nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Reporter for Quiet {}

/// Solves every frame of `sequence` with its neighbours and writes the results to `settings.out`.
///
/// Finished frames stay whatever happens: after an error or an interruption the trajectory, the points and
/// `summary.json` cover them. A neighbour that cannot be read is left out; as a target it ends the run.
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
    let mut windows = windows(count, &settings.neighbours)?;
    let (size, rounded) = fitting(settings.size, solver.multiple_of())?;
    let mut frames = PreparedFrames::new(sequence, intrinsics, size)?;
    let out = OutputFolder::create(&settings.out, settings.overwrite, png_scale(solver.max_depth() as f32))?;
    out.refuse_input(&sequence.root)?;
    out.forget_earlier_run()?;

    let mut summary = Summary {
        program: "dro".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        settings: about,
        input: sequence.root.clone(),
        layout: sequence.layout.to_string(),
        size,
        camera: frames.camera(0).map(|camera| camera.pinhole_at(size)).transpose()?,
        depth_png_scale: out.png_scale(),
        notes: rounded.into_iter().chain(frames.note()).chain([UNFINISHED.to_owned()]).collect(),
        ..Summary::default()
    };
    // A folder that cannot be written shows before the first frame is solved, and a killed run leaves its mark.
    summary.write(out.file("summary.json"))?;
    summary.notes.pop();

    let mut solved = Vec::with_capacity(count);
    let mut curves = Vec::new();
    reporter.begin(count);
    let mut outcome = frames.select(&mut windows, true, &|| reporter.interrupted());
    if outcome.is_ok() {
        for window in windows {
            outcome = frame::solve(sequence, &mut frames, solver, settings, window, &out, reporter).map(
                |(frame, result, curve)| {
                    reporter.frame_done(&frame);
                    summary.frames.push(frame);
                    solved.push(result);
                    curves.push(curve);
                },
            );
            if outcome.is_err() {
                break;
            }
        }
    }
    summary.interrupted = matches!(outcome, Err(Error::Interrupted));
    if summary.interrupted {
        outcome = Ok(());
    }
    reporter.finishing();
    // The first error is the one to report: what comes after a full disk fails for the same reason.
    outcome = outcome.and(whole::finish(&frames, solved, &curves, settings, &out, reporter, &mut summary));
    if let Err(error) = &outcome {
        summary.notes.push(format!("stopped by an error: {error}"));
    }
    summary.total_seconds = began.elapsed().as_secs_f64();
    summary.peak_memory_mb = peak_memory_mb();
    outcome.and(summary.write(out.file("summary.json"))).map(|()| summary)
}

/// The nearest size with sides that are multiples of `multiple`, and a note if that is another size.
pub(crate) fn fitting(size: (usize, usize), multiple: usize) -> Result<((usize, usize), Option<String>)> {
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
