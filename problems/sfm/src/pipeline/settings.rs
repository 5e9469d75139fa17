//! What a run is asked to do.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::sequence::Neighbours;

/// Which files are written for every frame and for the sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `depth/NAME.png`: 16-bit depth.
    Png,
    /// `depth/NAME.npy`: float32 depth.
    Npy,
    /// `inverse_depth/NAME.png`: coloured inverse depth.
    Colour,
    /// `trajectory.tum.txt` and `trajectory.kitti.txt`.
    Trajectory,
    /// `points.ply`.
    Ply,
    /// `colmap/`: undistorted images, and a model of cameras and points that COLMAP and its users read.
    Colmap,
}

impl Format {
    /// Every format but those that write the images again.
    pub const USUAL: [Self; 5] = [Self::Png, Self::Npy, Self::Colour, Self::Trajectory, Self::Ply];
}

/// Settings of [`run`](super::run).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunSettings {
    /// Folder for the results; made if it is not there.
    #[serde(serialize_with = "crate::export::summary::as_shown")]
    pub out: PathBuf,
    /// Whether files may be written into a folder that is not empty.
    pub overwrite: bool,
    /// (height, width) that images are brought to; rounded to what the solver accepts.
    pub size: (usize, usize),
    /// Neighbours of a target.
    pub neighbours: Neighbours,
    /// Which files to write.
    pub formats: Vec<Format>,
    /// Whether depth maps are fused over frames in the end (see [`fuse_depth`](crate::sequence::fuse_depth)), and written again.
    pub fuse_depth: bool,
    /// Curves, and pictures of updates.
    pub trace: bool,
    /// Points in `points.ply`, at most.
    pub max_points: usize,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            out: "out".into(),
            overwrite: false,
            size: (240, 320),
            neighbours: Neighbours::Auto,
            formats: Format::USUAL.to_vec(),
            fuse_depth: true,
            trace: false,
            max_points: 1_000_000,
        }
    }
}

impl RunSettings {
    /// Whether this kind of file is wanted.
    pub fn wants(&self, format: Format) -> bool {
        self.formats.contains(&format)
    }
}
