//! The two-view test set of DeMoN (Ummenhofer et al., CVPR 2017) as folders: `0000.jpg`, `0001.jpg`, `cam.txt` (3x3),
//! `poses.txt` (one row per image, 3x4 **world-to-camera**), `0000.npz` (key `depth`, metres or the pair's own unit).
//!
//! More than two images are read in the same way. Depth may be missing for any of them.

use std::path::{Path, PathBuf};

use super::{
    camera::CameraModel,
    decode,
    depth::{DepthEncoding, DepthFile, DepthSensor},
    folder, intrinsics, pose,
    sequence::Frame,
    text,
};
use crate::{Error, Result};

/// Whether the folder holds a camera, poses, and a first image with a four-digit name.
pub(super) fn recognise(folder: &Path) -> bool {
    folder.join("cam.txt").is_file()
        && folder.join("poses.txt").is_file()
        && folder::list(folder)
            .unwrap_or_default()
            .files
            .iter()
            .any(|path| folder::is_image_name(path) && folder::stem(path) == "0000")
}

/// The folders of a test set, if `root` holds pairs: all folders in it where at least one is a pair (the others are
/// broken pairs, or do not belong there); else those one level deeper. In natural order; `None` if there is no pair.
///
/// # Errors
/// If a folder cannot be listed.
pub fn demon_pairs(root: &Path) -> Result<Option<Vec<PathBuf>>> {
    let outer = folder::list(root)?.folders;
    if outer.iter().any(|folder| recognise(folder)) {
        return Ok(Some(outer));
    }
    let mut inner = Vec::new();
    for folder in &outer {
        // What is no pair's parent need not be readable.
        inner.extend(folder::list(folder).unwrap_or_default().folders);
    }
    Ok(inner.iter().any(|folder| recognise(folder)).then_some(inner))
}

/// Opens a pair.
pub(super) fn open(input: &Path) -> Result<Vec<Frame>> {
    let mut frames = folder::open(input)?;
    frames.retain(|frame| !frame.name.is_empty() && frame.name.bytes().all(|b| b.is_ascii_digit()));
    let Some(first) = frames.first() else {
        return Err(Error::input(input, "images 0000.jpg and 0001.jpg", "none"));
    };
    let cam = input.join("cam.txt");
    let pinhole = intrinsics::pinhole_from_matrix(&cam, &text::numbers(&cam)?)?;
    let camera = CameraModel::undistorted(pinhole, decode::image_size(&first.image)?);
    let poses = input.join("poses.txt");
    let content = text::read(&poses)?;
    let lines: Vec<_> = text::lines(&poses, &content).collect();
    if lines.len() != frames.len() {
        let expected = format!("one row of 12 numbers for each of {} images", frames.len());
        return Err(Error::input(&poses, expected, format!("{} rows", lines.len())));
    }
    for (frame, line) in frames.iter_mut().zip(&lines) {
        let camera_from_world = pose::from_matrix(text::at_line(&poses, line.number), &line.numbers()?)?;
        let depth = input.join(format!("{}.npz", frame.name));
        frame.world_from_camera = camera_from_world.map(|pose| pose.inverse());
        frame.camera = Some(camera);
        frame.depth = depth.exists().then(|| DepthFile {
            path: depth,
            encoding: DepthEncoding::Npz { key: "depth".into() },
            sensor: DepthSensor::Registered,
        });
    }
    Ok(frames)
}
