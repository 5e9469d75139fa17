//! The folder of results.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use image::RgbImage;

use super::settings::{Format, RunSettings};
use crate::{
    Error, Map, Result,
    export::{depth, picture},
};

/// Files about a whole run.
const OF_THE_WHOLE: [&str; 9] = [
    "summary.json",
    "trajectory.tum.txt",
    "trajectory.kitti.txt",
    "points.ply",
    "colmap/sparse/0/cameras.txt",
    "colmap/sparse/0/images.txt",
    "colmap/sparse/0/points3D.txt",
    "curves.csv",
    "curves.svg",
];

/// Where results go. Folders are made when something is first written into them.
#[derive(Debug, Clone)]
pub struct OutputFolder {
    root: PathBuf,
    png_scale: f64,
}

impl OutputFolder {
    /// Makes the folder; one that holds anything is an error unless `overwrite`.
    pub fn create(root: &Path, overwrite: bool, png_scale: f64) -> Result<Self> {
        if root.exists() && !root.is_dir() {
            return Err(Error::input(root, "a folder for the results", "a file"));
        }
        fs::create_dir_all(root).map_err(Error::io(root))?;
        let mut entries = fs::read_dir(root).map_err(Error::io(root))?;
        if !overwrite && entries.next().is_some() {
            return Err(Error::input(root, "an empty or new folder, or --overwrite", "files in it"));
        }
        Ok(Self { root: root.to_owned(), png_scale })
    }

    /// Results beside the input could replace it: a sequence has a folder `depth` too.
    pub(crate) fn refuse_input(&self, input: &Path) -> Result<()> {
        let folder = if input.is_dir() { Some(input) } else { input.parent() };
        match (self.root.canonicalize(), folder.map(Path::canonicalize)) {
            (Ok(root), Some(Ok(folder))) if root == folder => {
                Err(Error::input(&self.root, "a folder other than the input's", "the input"))
            }
            _ => Ok(()),
        }
    }

    /// Removes what an earlier run said of its whole sequence, so that nobody takes it for this run's.
    pub(super) fn forget_earlier_run(&self) -> Result<()> {
        for name in OF_THE_WHOLE {
            let path = self.file(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::io(path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// A file directly in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Depth PNG steps per metre.
    pub fn png_scale(&self) -> f64 {
        self.png_scale
    }

    /// The wanted files of one frame.
    pub(super) fn write_depth(&self, name: &str, inv_depth: &Map, settings: &RunSettings) -> Result<()> {
        let depth_m = inv_depth.inverted();
        if settings.wants(Format::Png) {
            depth::write_png(self.inside("depth", &format!("{name}.png"))?, &depth_m, self.png_scale)?;
        }
        if settings.wants(Format::Npy) {
            depth::write_npy(self.inside("depth", &format!("{name}.npy"))?, &depth_m)?;
        }
        if settings.wants(Format::Colour) {
            let coloured = picture::inverse_depth(inv_depth, picture::Range::robust([inv_depth]));
            picture::write(self.inside("inverse_depth", &format!("{name}.png"))?, &coloured)?;
        }
        Ok(())
    }

    /// One picture of one update.
    pub(super) fn write_trace(&self, frame: &str, step: usize, kind: &str, picture: &RgbImage) -> Result<()> {
        let folder = format!("trace/{frame}");
        picture::write(self.inside(&folder, &format!("{step:06}_{kind}.png"))?, picture)
    }

    /// The contact sheet of one frame's updates.
    pub(super) fn write_sheet(&self, frame: &str, picture: &RgbImage) -> Result<()> {
        picture::write(self.inside(&format!("trace/{frame}"), "all.png")?, picture)
    }

    /// An image of the COLMAP model.
    pub(super) fn write_colmap_image(&self, file: &str, picture: &RgbImage) -> Result<()> {
        picture::write(self.inside("colmap/images", file)?, picture)
    }

    fn inside(&self, folder: &str, name: &str) -> Result<PathBuf> {
        let folder = self.root.join(folder);
        fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        Ok(folder.join(name))
    }
}
