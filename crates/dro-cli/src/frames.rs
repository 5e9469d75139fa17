//! Which images of a recorded sequence to take: the options that `run`, `eval` and `ablate` share.

use anyhow::Result;
use clap::Args;
use dro_sfm::data::{Layout, OpenOptions};

use crate::{camera::Camera, values};

/// Which images to take, and their camera.
#[derive(Debug, Args)]
pub struct Frames {
    /// The layout, if it is not recognised: images, video, frames-csv, tum, 7scenes, kitti, scannet, demon.
    #[arg(long, value_parser = values::layout)]
    layout: Option<Layout>,
    #[command(flatten)]
    pub camera: Camera,
    /// Take every N-th image.
    #[arg(long, value_name = "N", default_value_t = 1, allow_hyphen_values = true, value_parser = clap::value_parser!(u64).range(1..))]
    stride: u64,
    /// Take at most N images, at least 2.
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(u64).range(2..))]
    max_frames: Option<u64>,
}

impl Frames {
    pub fn options(&self) -> Result<OpenOptions> {
        Ok(OpenOptions {
            layout: self.layout,
            stride: usize::try_from(self.stride)?,
            max_frames: self.max_frames.map(usize::try_from).transpose()?,
            ..OpenOptions::default()
        })
    }

    /// For `summary.json`: what was typed.
    pub fn about(&self) -> serde_json::Value {
        serde_json::json!({
            "layout": self.layout.map(|layout| layout.to_string()),
            "stride": self.stride,
            "max_frames": self.max_frames,
            "camera": self.camera.about(),
        })
    }
}
