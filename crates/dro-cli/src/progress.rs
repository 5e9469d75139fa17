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
        // Nothing is known about the time left before the first frame is done.
        draw(&bar, "{bar:30} {pos}/{len} frames, {elapsed} gone  {wide_msg}");
        Self { bar, interrupted }
    }
}

fn draw(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

impl Reporter for Progress {
    fn begin(&mut self, frames: usize) {
        self.bar.set_length(frames as u64);
        self.bar.enable_steady_tick(Duration::from_millis(500));
    }

    fn frame_done(&mut self, frame: &FrameSummary) {
        if self.bar.position() == 0 {
            draw(&self.bar, "{bar:30} {pos}/{len} frames, {elapsed} gone, {eta} left  {wide_msg}");
        }
        self.bar
            .set_message(format!("{}: cost {:.3e} -> {:.3e}", frame.name, frame.cost_start, frame.cost_end));
        self.bar.inc(1);
    }

    fn finishing(&mut self) {
        self.bar.set_message("trajectory and points");
    }

    fn depth_fused(&mut self, frames: usize) {
        self.bar.set_message(format!("depth fused over frames: {frames}"));
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
