//! A progress bar over frames, with the time left.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dro_sfm::{export::summary::FrameSummary, pipeline::Reporter};
use indicatif::{ProgressBar, ProgressStyle};

/// Draws on stderr if that is a terminal.
pub struct Progress {
    bar: ProgressBar,
    interrupted: Arc<AtomicBool>,
}

impl Progress {
    pub fn new(quiet: bool, interrupted: Arc<AtomicBool>) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::no_length() };
        let style =
            ProgressStyle::with_template("{bar:30} {pos}/{len} frames, {elapsed} gone, {eta} left  {msg}");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self { bar, interrupted }
    }
}

impl Reporter for Progress {
    fn begin(&mut self, frames: usize) {
        self.bar.set_length(frames as u64);
        self.bar.enable_steady_tick(Duration::from_millis(500));
    }

    fn frame_done(&mut self, frame: &FrameSummary) {
        self.bar
            .set_message(format!("{}: cost {:.3e} -> {:.3e}", frame.name, frame.cost_start, frame.cost_end));
        self.bar.inc(1);
    }

    fn finishing(&mut self) {
        self.bar.set_message("trajectory and points");
    }

    fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
