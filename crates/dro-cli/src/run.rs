//! `dro sfm run`.

use std::{path::PathBuf, sync::atomic::Ordering};

use anyhow::{Result, bail};
use clap::Args;
use dro_sfm::data::{Layout, OpenOptions, Sequence};

use crate::{Outcome, camera::Camera, interrupt, solve::Solve, values};

#[derive(Debug, Args)]
pub struct Run {
    /// A folder of images, a video file (decoded by ffmpeg), or a recorded sequence (frames.csv, TUM RGB-D, 7-Scenes, KITTI raw, ScanNet,
    /// a DeMoN pair); its layout is recognised.
    input: PathBuf,
    /// The layout, if it is not recognised: images, video, frames-csv, tum, 7scenes, kitti, scannet, demon.
    #[arg(long, value_parser = values::layout)]
    layout: Option<Layout>,
    #[command(flatten)]
    camera: Camera,
    /// Take every N-th image.
    #[arg(long, value_name = "N", default_value_t = 1, allow_hyphen_values = true, value_parser = clap::value_parser!(u64).range(1..))]
    stride: u64,
    /// Take at most N images, at least 2.
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(u64).range(2..))]
    max_frames: Option<u64>,
    #[command(flatten)]
    solve: Solve,
}

impl Run {
    pub fn execute(self) -> Result<Outcome> {
        let interrupted = interrupt::flag()?;
        let options = OpenOptions {
            layout: self.layout,
            stride: usize::try_from(self.stride)?,
            max_frames: self.max_frames.map(usize::try_from).transpose()?,
            ..OpenOptions::default()
        };
        // Whatever is wrong with the weights or the device should be said before a video is unpacked.
        let chosen = self.solve.solver()?;
        let sequence = match Sequence::open_with(&self.input, &options) {
            // Ctrl-C reaches ffmpeg too, which then fails.
            Err(_) if interrupted.load(Ordering::Relaxed) => return Ok(Outcome::Interrupted),
            opened => opened?,
        };
        if sequence.frames.len() < 2 && self.stride > 1 {
            bail!(
                "--stride {}: expected at least 2 images left, found {}",
                self.stride,
                sequence.frames.len()
            );
        }
        let given = self.camera.given(&sequence)?;
        let about = serde_json::json!({
            "layout": self.layout.map(|layout| layout.to_string()),
            "stride": self.stride,
            "max_frames": self.max_frames,
            "camera": self.camera.about(),
        });
        self.solve.execute(&sequence, given.as_ref(), &chosen, about, interrupted)
    }
}
