//! `dro sfm run`.

use std::{path::PathBuf, sync::atomic::Ordering};

use anyhow::{Result, bail};
use clap::Args;
use dro_sfm::data::Sequence;

use crate::{Outcome, frames::Frames, interrupt, output::Output, solve::Solve};

#[derive(Debug, Args)]
pub struct Run {
    /// A folder of images, a video file (decoded by ffmpeg), or a recorded sequence (frames.csv, TUM RGB-D, 7-Scenes, KITTI raw, ScanNet,
    /// a DeMoN pair); its layout is recognised.
    input: PathBuf,
    #[command(flatten)]
    frames: Frames,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    solve: Solve,
}

impl Run {
    pub fn execute(self) -> Result<Outcome> {
        let interrupted = interrupt::flag()?;
        let options = self.frames.options()?;
        // Whatever is wrong with the weights or the device should be said before a video is unpacked.
        let chosen = self.solve.solver()?;
        let sequence = match Sequence::open_with(&self.input, &options) {
            // Ctrl-C reaches ffmpeg too, which then fails.
            Err(_) if interrupted.load(Ordering::Relaxed) => return Ok(Outcome::Interrupted),
            opened => opened?,
        };
        if sequence.frames.len() < 2 && options.stride > 1 {
            bail!(
                "--stride {}: expected at least 2 images left, found {}",
                options.stride,
                sequence.frames.len()
            );
        }
        let given = self.frames.camera.given(&sequence)?;
        let about = self.frames.about();
        self.output.execute(&self.solve, &sequence, given.as_ref(), &chosen, about, interrupted)
    }
}
